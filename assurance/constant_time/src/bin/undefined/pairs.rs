//! Pairs: made, read, written, compared, and wraps for them.
//!
//! The public key follows from the seed, so that Valgrind takes it for a secret. Where only the sealing key is needed,
//! it is read from a text of which only the psk is secret.

use std::hint::black_box;

use sealwax::{
    EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKeyProvider, OpenError, OpeningKey,
    Sealer, SealingKey, Suite, UnwrapRequest, WrapRequest,
};

use crate::given::{
    altered, context, credential, data_key, drawn, id, master_key, public_bytes, public_envelope,
};
use crate::memcheck::{public, public_verdict, published, secret};
use crate::{SUITES, operation};

/// The characters of a sealing key's text that a bit of the public key enters. The last of them also has the first four
/// bits of the psk, which so count as public.
const PUBLIC_TEXT: usize = 5 + 1622;

/// Returns the 64 bytes of a pair, all of them secret.
fn bytes(first: u8) -> Vec<u8> {
    let bytes = [public_bytes(first), public_bytes(first + 128)].concat();
    secret(&bytes);
    bytes
}

fn opening(first: u8) -> OpeningKey {
    published(OpeningKey::from_bytes(&mut bytes(first))).expect("not a weak pair")
}

/// Returns the texts of both keys of a pair. They are public.
fn texts(first: u8) -> [String; 2] {
    let bytes = bytes(first);
    public(&bytes);
    let pair = OpeningKey::from_bytes(&mut bytes.clone()).expect("not a weak pair");
    [pair.to_text(), pair.sealing_key().to_text()]
        .map(|text| text.expose_str().expect("text").to_owned())
}

/// Returns a text that is secret from a character on.
fn secret_from(at: usize, text: &str) -> String {
    let text = text.to_owned();
    secret(&text.as_bytes()[at..]);
    text
}

fn mistyped(text: &str) -> String {
    let last = if text.ends_with('A') { "B" } else { "A" };
    [&text[..text.len() - 1], last].concat()
}

fn sealing(first: u8) -> SealingKey {
    let [_, text] = texts(first);
    published(secret_from(PUBLIC_TEXT, &text).parse()).expect("a key")
}

pub fn operations() {
    operation("pair from bytes, and drawn", || {
        drop(black_box(opening(1)));
        let mut rng = crate::given::Draws(|buffer: &mut [u8]| buffer.copy_from_slice(&bytes(1)));
        drop(black_box(published(OpeningKey::generate_with_rng(&mut rng)).expect("drawn")));
    });
    operation("a weak pair", || {
        for half in 0..3 {
            let mut weak = bytes(1);
            match half {
                0 => weak[..32].fill(0x77),
                1 => weak[32..].fill(0x77),
                _ => weak.copy_within(..32, 32),
            }
            secret(&weak);
            assert!(published(OpeningKey::from_bytes(&mut weak)).is_err());
        }
    });
    operation("opening key to and from text", || {
        let text = opening(1).to_text();
        public(text.expose_secret());
        let text = text.expose_str().expect("text");
        drop(black_box(published(secret_from(5, text).parse::<OpeningKey>()).expect("a key")));
        let mistyped = secret_from(5, &mistyped(text));
        assert!(published(mistyped.parse::<OpeningKey>()).is_err());
    });
    operation("sealing key to and from text", || {
        let text = sealing(1).to_text();
        public(text.expose_secret());
        let text = mistyped(text.expose_str().expect("text"));
        assert!(published(secret_from(PUBLIC_TEXT, &text).parse::<SealingKey>()).is_err());
    });
    operation("sealing keys compared", || {
        let sealer = || Sealer::new(id("dash"), sealing(1)).expect("an id");
        drop(black_box(sealer().with_offline_escrow(id("safe"), sealing(2)).expect("another")));
        let same = sealer().with_offline_escrow(id("safe"), sealing(1));
        drop(black_box(published(same).expect_err("one key, two ids")));
    });
    for suite in SUITES {
        wraps(suite);
        envelopes(suite);
    }
}

/// Runs both keys as providers, called directly.
fn wraps(suite: Suite) {
    let (dash, commitment) = (id("dash"), [7; 32]);
    let wrapped = || {
        let data_key = data_key(99);
        let request = WrapRequest::new(&dash, suite, &commitment, &data_key);
        let body = sealing(1).wrap_key(request).into_ready().expect("ready").expect("a wrap");
        public(&body);
        body
    };
    let unwraps = |body: &[u8]| {
        let request = UnwrapRequest::new(&dash, suite, &commitment, body);
        published(opening(1).unwrap_key(request).into_ready().expect("ready")).is_ok()
    };
    operation(&format!("sealing key wraps {suite}"), || drop(black_box(wrapped())));
    operation(&format!("opening key unwraps {suite}"), || assert!(unwraps(&wrapped())));
    // Encapsulations that ML-KEM rejects implicitly, another point, another ciphertext, another tag.
    for at in [4, 4 + 1087, 4 + 1088, 4 + 1120, 1171] {
        operation(&format!("opening key refuses {suite}, byte {at} altered"), || {
            let mut body = wrapped();
            body[at] ^= 1;
            assert!(!unwraps(&body));
        });
    }
}

fn written(suite: Suite) -> Envelope {
    let sealer = Sealer::new(id("dash"), sealing(1)).expect("an id").with_suite(suite);
    let sealer = sealer.with_offline_escrow(id("safe"), sealing(2)).expect("another");
    let sealed = sealer.seal_with_rng(&credential(51), &context(), &mut drawn());
    public_envelope(sealed.expect("sealed"))
}

fn envelopes(suite: Suite) {
    operation(&format!("sealer seals {suite}"), || drop(black_box(written(suite))));
    operation(&format!("open {suite} with an opening key"), || {
        let ring = Keyring::new(id("dash"), opening(1)).expect("an id");
        let opened = ring.open(&written(suite), &context()).expect("opened");
        assert!(public_verdict(opened == credential(51)));
    });
    operation(&format!("open {suite} with an opening key, refused"), || {
        let ring = Keyring::new(id("dash"), opening(1)).expect("an id");
        let error = ring.open(&written(suite), &EncryptionContext::empty()).expect_err("moved");
        assert!(matches!(error, OpenError::ContextMismatch));
        let altered = altered(&written(suite), 51 + 16 + 12 + 1);
        drop(black_box(published(ring.open(&altered, &context())).expect_err("altered")));
    });
    operation(&format!("rewrap {suite} of what a sealer wrote"), || {
        let ring = Keyring::new(id("prod"), master_key(1)).expect("an id");
        let ring = ring.with_retired(id("dash"), opening(1)).expect("two ids");
        let ring = ring.with_offline_escrow(id("safe"), sealing(2)).expect("three ids");
        let rewrapped = ring.rewrap(&written(suite)).expect("rewrapped");
        drop(black_box(public_envelope(rewrapped.expect("another primary"))));
    });
}
