//! Seal, verify, open, rewrap, in one call and in two phases; and what they refuse.

use std::hint::black_box;

use sealwax::{
    EncryptionContext, MasterKeyProvider, OpenError, Suite, UnwrapRequest, WrapKind, WrapRequest,
    WrappedKey, sealing,
};

use crate::given::{
    Drawn, altered, context, credential, data_key, id, keyring, master_key, next_keyring,
    public_envelope, sealed,
};
use crate::memcheck::{public_verdict, published};
use crate::{LENS, SUITES, operation};

pub fn operations() {
    for suite in SUITES {
        for len in LENS {
            of_len(suite, len);
            two_phases(suite, len);
        }
        refused(suite);
        wraps(suite);
    }
}

fn of_len(suite: Suite, len: usize) {
    operation(&format!("seal {suite} {len}"), || drop(black_box(sealed(suite, len))));
    operation(&format!("open {suite} {len}"), || {
        let opened = keyring(suite).open(&sealed(suite, len), &context()).expect("opened");
        // Opened to what was sealed: a comparison, whose verdict is public.
        assert!(public_verdict(opened == credential(len)));
    });
    operation(&format!("verify {suite} {len}"), || {
        keyring(suite).verify(&sealed(suite, len)).expect("verified");
    });
    operation(&format!("rewrap {suite} {len}"), || {
        let envelope = sealed(suite, len);
        let rewrapped = next_keyring(suite).rewrap(&envelope).expect("rewrapped");
        let rewrapped = public_envelope(rewrapped.expect("another primary"));
        assert_eq!(rewrapped.ciphertext(), envelope.ciphertext());
    });
}

fn two_phases(suite: Suite, len: usize) {
    let prepared = || {
        let draft = sealing::prepare_with_rng(&credential(len), &context(), suite, &mut Drawn);
        draft.expect("prepared")
    };
    operation(&format!("prepare and finish {suite} {len}"), || {
        let wraps = sealed(suite, len).wrapped_keys().collect();
        drop(black_box(prepared().finish(wraps).expect("an envelope")));
    });
    operation(&format!("open_with and verify_with {suite} {len}"), || {
        let (draft, wraps) = (prepared(), sealed(suite, len).wrapped_keys().collect());
        let data_key = draft.data_key().duplicate();
        let envelope = public_envelope(draft.finish(wraps).expect("an envelope"));
        published(envelope.verify_with(&data_key)).expect("verified");
        drop(black_box(envelope.open_with(&data_key, &context()).expect("opened")));
        let wraps = envelope.wrapped_keys().collect();
        drop(black_box(envelope.rewrapped(&data_key, wraps).expect("rewrapped")));
    });
}

fn refused(suite: Suite) {
    // tag 16, iv 12, mac 16, commitment 32 before a ciphertext of 51.
    for (what, from_end) in [("mac", 51 + 16 + 12 + 1), ("commitment", 51 + 16 + 12 + 16 + 1)] {
        operation(&format!("verify {suite}, {what} altered"), || {
            let envelope = altered(&sealed(suite, 51), from_end);
            let error = published(keyring(suite).verify(&envelope)).expect_err("altered");
            black_box(error);
        });
    }
    operation(&format!("open {suite}, another context"), || {
        let elsewhere = EncryptionContext::empty();
        let error = keyring(suite).open(&sealed(suite, 51), &elsewhere).expect_err("moved");
        assert!(matches!(error, OpenError::ContextMismatch));
    });
    operation(&format!("open {suite}, payload altered"), || {
        let error = keyring(suite).open(&altered(&sealed(suite, 51), 1), &context());
        assert!(matches!(error, Err(OpenError::PayloadAltered)));
    });
    operation(&format!("open_with {suite}, another key"), || {
        let (envelope, data_key) = (sealed(suite, 51), data_key(99));
        assert!(published(envelope.verify_with(&data_key)).is_err());
        assert!(published(envelope.open_with(&data_key, &context())).is_err());
        assert!(envelope.rewrapped(&data_key, envelope.wrapped_keys().collect()).is_err());
    });
}

/// A master key as a provider, asked by hand.
fn wraps(suite: Suite) {
    let (prod, commitment) = (id("prod"), [7; 32]);
    operation(&format!("wrap and unwrap {suite}"), || {
        let (master, data_key) = (master_key(1), data_key(99));
        let request = WrapRequest::new(&prod, suite, &commitment, &data_key);
        let body = master.wrap_key(request).into_now().expect("now").expect("a wrap");
        crate::memcheck::public(&body);
        let unwrapped = |body: &[u8]| {
            let request = UnwrapRequest::new(&prod, suite, &commitment, body);
            master.unwrap_key(request).into_now().expect("now").is_ok()
        };
        assert!(master.is_current(&body) && unwrapped(&body));
        let mut altered = body.clone();
        altered[75] ^= 1;
        assert!(!unwrapped(&altered));
        drop(black_box(WrappedKey::new(prod.clone(), WrapKind::Local, &body)));
    });
}

pub fn compared() {
    for len in LENS {
        operation(&format!("secrets compared, {len}"), || {
            let (one, other) = (credential(len), credential(len));
            assert!(public_verdict(one == other));
            let mut last = one.expose_secret().to_vec();
            if let Some(byte) = last.last_mut() {
                *byte ^= 1;
                assert!(!public_verdict(one == sealwax::Secret::from(last)));
            }
            assert!(!public_verdict(one == credential(len + 1)));
        });
    }
}
