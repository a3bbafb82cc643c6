//! Times the verification of a token alongside its bare HMACs, and alongside the hashes for passwords that services use for
//! tokens too, as Markdown: `cargo bench --bench tokens`.

#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::time::Duration;

use argon2::Argon2;
use sealwax_tokens::{Grant, Mode, Pepper, Peppers, Tokens};
use turns::{Contender, take_turns, time};

const NOW: u64 = 1_790_000_000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 2000 });
    let tokens = |pepper| {
        let peppers = Peppers::new("tokens-2026".parse().unwrap(), pepper).unwrap();
        Tokens::new(peppers, Mode::Live, "acme_live_".parse().unwrap())
    };
    let pepper = || Pepper::from_bytes(&mut std::array::from_fn::<u8, 32, _>(|n| n as u8)).unwrap();
    let (tokens, bare) = (tokens(pepper()), pepper());
    let issued = tokens.issue(Grant::new("tenant/42", ["read", "write"]).unwrap()).unwrap();
    let (record, token) = (issued.record, issued.token.into_secret().unwrap());
    let (text, token) = (record.to_string(), token.expose_str().unwrap());
    // As long as what the MAC is over, without the label.
    let claims =
        vec![7; 1 + "tokens-2026".len() + 32 + text.split(':').nth(3).unwrap().len() * 3 / 4];

    let hmacs = Contender::new("its two HMACs", || {
        bare.derive(|expand| {
            black_box(expand.expand(&[b"swt1/claims", black_box(&claims)]));
            black_box(expand.expand(&[b"swt1/token", black_box(token).as_bytes()]));
        });
    });
    let verify = Contender::new("verify", || {
        let _ = black_box(tokens.verify(black_box(token), &record, NOW, "read").unwrap());
    });
    let parse = Contender::new("verify, with the record's text", || {
        let record = black_box(&text).parse().unwrap();
        let _ = black_box(tokens.verify(black_box(token), &record, NOW, "read").unwrap());
    });
    let lookup = Contender::new("lookup_keys", || {
        black_box(tokens.lookup_keys(black_box(token)).unwrap());
    });
    let mut fast = [hmacs, verify, parse, lookup];
    let found = take_turns(&mut fast, budget);

    let (cost, argon) = if quick {
        (4, argon2::Params::new(8, 1, 1, None))
    } else {
        (10, Ok(argon2::Params::DEFAULT))
    };
    let argon = Argon2::from(argon.unwrap());
    let hash = bcrypt::hash(token, cost).unwrap();
    let argon2 = Contender::new("argon2, with the crate's defaults", || {
        let mut hash = [0; 32];
        argon
            .hash_password_into(black_box(token).as_bytes(), b"a salt of 16 b.s", &mut hash)
            .unwrap();
        black_box(hash);
    });
    let bcrypt = Contender::new(format!("bcrypt, cost {cost}"), || {
        assert!(bcrypt::verify(black_box(token), &hash).unwrap());
    });
    let mut slow = [argon2, bcrypt];
    let of_slow = take_turns(&mut slow, budget);

    println!("| work | time | to the HMACs |");
    println!("|---|--:|--:|");
    for (contender, took) in fast.iter().chain(&slow).zip(found.iter().chain(&of_slow)) {
        println!("| {} | {} | {:.2} |", contender.name, time(*took), took / found[0]);
    }
}
