//! Keys of the crates beside the library: made, read, written and rejected, and what is derived from them.

use std::hint::black_box;
use std::panic::catch_unwind;

use residue::pipe::role;
use sealwax::KeyError;
use sealwax::companion::{DerivationKey, Purpose};

use crate::given::{Rng, bytes};
use crate::{SUITES, step};

#[derive(Debug)]
enum Invoices {}

impl Purpose for Invoices {
    const NAME: &str = "swi1";
}

type Key = DerivationKey<Invoices>;

fn key(number: u8) -> Key {
    Key::from_bytes(&mut bytes(role::DERIVATION_KEY, number, 32)).expect("32 random bytes")
}

pub fn steps() {
    // The suite makes no difference, but the search wants both.
    for suite in SUITES {
        let made = "derivation key made";
        step(made, suite, 0, &mut || drop(black_box(key(0))));
        step(made, suite, 0, &mut || {
            let mut rng = Rng::Of(role::DERIVATION_KEY, 0);
            drop(black_box(Key::generate_with_rng(&mut rng).expect("32 random bytes")));
        });
        step(made, suite, 0, &mut || {
            let moved = Box::new([black_box(key(0)), black_box(key(1))]);
            black_box(format!("{moved:?}"));
        });
        let refused = "derivation key refused";
        step(refused, suite, 0, &mut || {
            let mut long = bytes(role::DRAWN, 0, 44);
            black_box(Key::from_bytes(&mut long).expect_err("44 bytes").to_string());
            let error = Key::generate_with_rng(&mut Rng::Fails).expect_err("fails");
            assert_eq!(error, KeyError::Random);
        });
        step(refused, suite, 0, &mut || {
            assert!(catch_unwind(|| drop(Key::generate_with_rng(&mut Rng::Panics))).is_err());
        });
        step("derivation key's text", suite, 0, &mut || {
            let text = key(0).to_text();
            let again: Key = text.expose_str().expect("text").parse().expect("a key as text");
            assert!(again.to_text().expose_secret() == text.expose_secret());
            let cut = &text.expose_str().expect("text")[..52];
            assert_eq!(cut.parse::<Key>().expect_err("cut"), KeyError::Malformed);
        });
        step("derived", suite, 0, &mut || {
            let key = key(0);
            black_box(key.expand(&[b"invoices", b"1"]));
            black_box(key.derive(|prf| [prf.expand(&[b"a"]), prf.expand(&[b"b"])]));
            let next = black_box(key.derive_key(&[b"swi1/next"]));
            black_box(next.expand(&[b"invoices", b"1"]));
        });
    }
}
