//! Seal, verify, open and rewrap, in one call and in two phases, and everything that they reject.

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use residue::pipe::role;
use sealwax::{
    DataKey, Draft, EncryptionContext, Envelope, KeyWrapper, Keyring, OpenError, RewrapError,
    SealError, Secret, Suite, UnwrapError, WrapKind, WrappedKey,
};

use crate::given::{
    DRAWN, Rng, bytes, context, data_key, id, keyring, master_key, next_keyring, says, secret,
};
use crate::waiting::{Failing, Manner, Recorder, Remote};
use crate::{SOME, SUITES, step};

pub fn sealed(suite: Suite, size: usize) -> Envelope {
    keyring(suite).seal_with_rng(&secret(size), &context(), &mut { DRAWN }).expect("sealed")
}

/// Returns the envelope with one byte changed, counted from its end.
pub fn altered(envelope: &Envelope, from_end: usize) -> Envelope {
    let mut bytes = Vec::from(envelope.clone());
    let at = bytes.len() - from_end;
    bytes[at] ^= 1;
    bytes.try_into().expect("the layout is unchanged")
}

pub fn steps(sizes: &[usize]) {
    for suite in SUITES {
        for &size in sizes {
            of_size(suite, size);
            two_phases(suite, size);
        }
        seal_refused(suite);
        for size in [0, SOME, 4096] {
            open_refused(suite, size);
            rewrap_refused(suite, size);
        }
    }
}

fn of_size(suite: Suite, size: usize) {
    step("seal", suite, size, &mut || drop(black_box(sealed(suite, size))));
    step("seal", suite, size, &mut || {
        drop(black_box(keyring(suite).seal(&secret(size), &context()).expect("sealed")));
    });
    step("open", suite, size, &mut || {
        let opened = keyring(suite).open(&sealed(suite, size), &context()).expect("opened");
        assert_eq!(black_box(opened).len(), size);
    });
    // A keyring that has been cloned and moved to the heap, as for a thread.
    step("open", suite, size, &mut || {
        let ring = Box::new(next_keyring(suite).clone());
        drop(black_box(ring.open(&sealed(suite, size), &context()).expect("opened")));
    });
    // `trip` 1: it has to be waited for, so that nothing is opened.
    for (trip, fails) in [(0, false), (0, true), (1, false)] {
        step("open recorded", suite, size, &mut || {
            let ring = keyring(suite).with_recorder(Recorder { trip, fails });
            let opened = ring.open(&sealed(suite, size), &context());
            assert_eq!(opened.is_ok(), trip == 0 && !fails);
            drop(black_box(opened));
            if size > 0 {
                let altered = altered(&sealed(suite, size), 1);
                says(&ring.open(&altered, &context()).expect_err("altered"));
            }
        });
    }
    step("verify", suite, size, &mut || {
        keyring(suite).verify(&sealed(suite, size)).expect("verified");
    });
    step("rewrap", suite, size, &mut || {
        let rewrapped = next_keyring(suite).rewrap(&sealed(suite, size)).expect("rewrapped");
        drop(black_box(rewrapped.expect("another primary")));
    });
    step("rewrap", suite, size, &mut || {
        assert!(keyring(suite).rewrap(&sealed(suite, size)).expect("current").is_none());
    });
    step("open refused", suite, size, &mut || {
        let envelope = sealed(suite, size);
        let error = keyring(suite).open(&envelope, &EncryptionContext::empty()).expect_err("moved");
        assert!(matches!(error, OpenError::ContextMismatch));
        says(&error);
    });
    if size > 0 {
        step("open refused", suite, size, &mut || {
            let envelope = altered(&sealed(suite, size), 1);
            let error = keyring(suite).open(&envelope, &context()).expect_err("altered");
            assert!(matches!(error, OpenError::PayloadAltered));
            says(&error);
        });
    }
}

/// Wraps by other means, as two-phase callers do: here by calling a master key directly.
fn wrapped(draft: &Draft) -> Vec<WrappedKey> {
    let (prod, dr) = (id("prod"), id("dr"));
    let wrap = |number: u8, id: &sealwax::KeyId| {
        let master = master_key(number);
        let body = master.wrap_key(draft.wrap_request(id)).into_ready().expect("ready");
        let body = body.expect("a wrap");
        WrappedKey::new(id.clone(), WrapKind::Local, &body).expect("60 bytes")
    };
    vec![wrap(0, &prod), wrap(1, &dr)]
}

fn prepared(suite: Suite, size: usize) -> Draft {
    Draft::new_with_rng(&secret(size), &context(), suite, &mut { DRAWN }).expect("prepared")
}

fn two_phases(suite: Suite, size: usize) {
    step("draft", suite, size, &mut || {
        black_box(format!("{:?}", prepared(suite, size)));
        drop(black_box(Draft::new(&secret(size), &context(), suite).expect("prepared")));
    });
    step("draft and finish", suite, size, &mut || {
        let draft = prepared(suite, size);
        let wraps = wrapped(&draft);
        let envelope = draft.finish(wraps).expect("an envelope");
        drop(black_box(keyring(suite).open(&envelope, &context()).expect("opened")));
    });
    step("open_with and verify_with", suite, size, &mut || {
        let (envelope, data_key) = (sealed(suite, size), data_key(0));
        envelope.verify_with(&data_key).expect("verified");
        drop(black_box(envelope.open_with(&data_key, &context()).expect("opened")));
    });
    step("rewrap_batch", suite, size, &mut || {
        let rows = [sealed(suite, size).to_string(), "no row".to_owned()];
        let batch = next_keyring(suite).rewrap_batch(rows.into_iter().enumerate());
        assert_eq!((batch.changes.len(), batch.current, batch.failures.len()), (1, 0, 1));
        drop(black_box(batch));
    });
    step("rewrap_with", suite, size, &mut || {
        let draft = prepared(suite, size);
        let (envelope, wraps) = (sealed(suite, size), wrapped(&draft));
        drop(black_box(envelope.rewrap_with(draft.data_key(), wraps).expect("rewrapped")));
    });
    step("two phases refused", suite, size, &mut || {
        let (envelope, wrong) = (sealed(suite, size), data_key(1));
        says(&envelope.verify_with(&wrong).expect_err("another key"));
        says(&envelope.open_with(&wrong, &context()).expect_err("another key"));
        says(&envelope.rewrap_with(&wrong, envelope.wrapped_keys().collect()).expect_err("same"));
        says(&envelope.rewrap_with(&data_key(0), Vec::new()).expect_err("no wraps"));
        says(&prepared(suite, size).finish(Vec::new()).expect_err("no wraps"));
    });
    step("two phases refused", suite, size, &mut || {
        let elsewhere = EncryptionContext::empty();
        let (envelope, data_key) = (sealed(suite, size), data_key(0));
        says(&envelope.open_with(&data_key, &elsewhere).expect_err("moved"));
        if size > 0 {
            says(&altered(&envelope, 1).open_with(&data_key, &context()).expect_err("altered"));
        }
    });
}

fn seal_refused(suite: Suite) {
    let name = "seal refused";
    for rng in [|| Rng::Fails, || Rng::RepeatsAByte] {
        step(name, suite, SOME, &mut || {
            let (ring, secret) = (keyring(suite), secret(SOME));
            let error = ring.seal_with_rng(&secret, &context(), &mut rng()).expect_err("random");
            assert!(matches!(error, SealError::Random));
            says(&error);
            let error = Draft::new_with_rng(&secret, &context(), suite, &mut rng());
            says(&error.expect_err("random"));
            let sealed = ring.seal_async_with_rng(&secret, &context(), &mut rng());
            let polled = pin!(sealed).poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Err(SealError::Random))));
            drop(black_box(polled));
        });
    }
    for number in 0..3 {
        step(name, suite, SOME, &mut || {
            let (ring, secret, context) = (keyring(suite), secret(SOME), context());
            let panicked = catch_unwind(AssertUnwindSafe(|| match number {
                0 => drop(ring.seal_with_rng(&secret, &context, &mut Rng::Panics)),
                1 => drop(ring.seal_async_with_rng(&secret, &context, &mut Rng::Panics)),
                _ => drop(Draft::new_with_rng(&secret, &context, suite, &mut Rng::Panics)),
            }));
            assert!(panicked.is_err());
        });
    }
    step(name, suite, SOME, &mut || {
        // A remote escrow in a call that does not wait, and a provider that fails.
        let remote = Remote::new(master_key(1), 1, Manner::Well);
        let ring = Keyring::new(id("prod"), master_key(0)).unwrap().with_suite(suite);
        let ring = ring.with_escrow(id("dr"), remote).expect("two ids");
        let error = ring.seal_with_rng(&secret(SOME), &context(), &mut { DRAWN });
        assert!(matches!(error, Err(SealError::WouldBlock { .. })));
        let ring = Keyring::new(id("prod"), Failing(master_key(0))).unwrap().with_suite(suite);
        let error = ring.seal_with_rng(&secret(SOME), &context(), &mut { DRAWN });
        says(&error.expect_err("fails"));
    });
    let too_long = 16 * 1024 * 1024 + 1;
    step(name, suite, SOME, &mut || {
        let mut long = Vec::with_capacity(too_long);
        long.extend_from_slice(&crate::given::Lent::new(role::PLAINTEXT, 0, SOME));
        long.resize(too_long, 0);
        let secret = Secret::from(long);
        let error = keyring(suite).seal_with_rng(&secret, &context(), &mut { DRAWN });
        assert!(matches!(error, Err(SealError::TooLong)));
    });
}

fn open_refused(suite: Suite, size: usize) {
    type Is = fn(&OpenError) -> bool;
    let step = |ring: fn(Suite) -> Keyring, from_end: usize, is: Is| {
        step("open refused", suite, size, &mut || {
            let mut envelope = sealed(suite, size);
            if from_end > 0 {
                envelope = altered(&envelope, size + from_end);
            }
            let ring = ring(suite);
            let error = ring.open(&envelope, &context()).expect_err("refused");
            assert!(is(&error), "{error:?}");
            says(&error);
            says(&ring.verify(&envelope).expect_err("refused"));
        });
    };
    // Tag 16, IV 12, MAC 16 and commitment 32 bytes. Before them is the escrow's wrap, which ends with the data
    // key XOR the pad.
    step(keyring, 16, |error| matches!(error, OpenError::Unwrap(UnwrapError::EnvelopeAltered)));
    step(keyring, 16 + 12 + 16, |error| {
        matches!(error, OpenError::Unwrap(UnwrapError::EnvelopeAltered))
    });
    let escrow_alone = |suite| Keyring::new(id("dr"), master_key(1)).unwrap().with_suite(suite);
    step(escrow_alone, 16 + 12 + 16 + 32 + 1, |error| {
        matches!(error, OpenError::Unwrap(UnwrapError::WrapAltered { .. }))
    });
    let other = |_| Keyring::new(id("prod"), master_key(3)).unwrap();
    step(other, 0, |error| {
        matches!(error, OpenError::Unwrap(UnwrapError::WrongKeyMaterial { .. }))
    });
    let unknown = |_| Keyring::new(id("old"), master_key(3)).unwrap();
    step(unknown, 0, |error| matches!(error, OpenError::Unwrap(UnwrapError::UnknownKey { .. })));
    let disabled = |_| unknown_with(|ring| ring.with_disabled(id("prod")));
    step(disabled, 0, |error| matches!(error, OpenError::Unwrap(UnwrapError::KeyDisabled { .. })));
    let leaked = |suite| keyring(suite).with_leaked(id("old")).expect("ids");
    step(leaked, 16, |error| matches!(error, OpenError::Unwrap(UnwrapError::EnvelopeAltered)));
    let leaked = |_| {
        let ring = Keyring::new(id("prod"), master_key(0)).unwrap();
        ring.with_leaked(id("dr")).expect("two ids")
    };
    step(leaked, 0, |error| matches!(error, OpenError::Unwrap(UnwrapError::KeyLeaked { .. })));
    let destroyed = |_| unknown_with(|ring| ring.with_destroyed(id("dr")));
    step(destroyed, 0, |error| {
        matches!(error, OpenError::Unwrap(UnwrapError::KeyDestroyed { .. }))
    });
    let failing = |_| Keyring::new(id("prod"), Failing(master_key(0))).unwrap();
    step(failing, 0, |error| matches!(error, OpenError::Unwrap(UnwrapError::Provider { .. })));
    // A remote key, while the wrap in the envelope is from a key in memory.
    let remote = |_| Keyring::new(id("prod"), Remote::new(master_key(0), 1, Manner::Well)).unwrap();
    step(remote, 0, |error| matches!(error, OpenError::Unwrap(UnwrapError::WrongWrapKind { .. })));
}

fn unknown_with(with: impl FnOnce(Keyring) -> Result<Keyring, sealwax::KeyringError>) -> Keyring {
    with(Keyring::new(id("old"), master_key(3)).unwrap()).expect("two ids")
}

fn rewrap_refused(suite: Suite, size: usize) {
    let name = "rewrap refused";
    step(name, suite, size, &mut || {
        let envelope = altered(&sealed(suite, size), size + 1);
        let error = next_keyring(suite).rewrap(&envelope).expect_err("altered");
        assert!(matches!(error, RewrapError::Unwrap(UnwrapError::EnvelopeAltered)));
        says(&error);
    });
    step(name, suite, size, &mut || {
        let ring = Keyring::new(id("next"), Failing(master_key(2))).unwrap().with_suite(suite);
        let ring = ring.with_retired(id("prod"), master_key(0)).expect("two ids");
        says(&ring.rewrap(&sealed(suite, size)).expect_err("fails"));
        let ring = Keyring::new(id("next"), master_key(2)).unwrap().with_suite(suite);
        says(&ring.rewrap(&sealed(suite, size)).expect_err("unknown"));
    });
    step(name, suite, size, &mut || {
        // A provider that unwraps something other than what it wrapped.
        let ring = Keyring::new(id("next"), Liar(master_key(2))).unwrap().with_suite(suite);
        let ring = ring.with_retired(id("prod"), master_key(0)).expect("two ids");
        let error = ring.rewrap(&sealed(suite, size)).expect_err("lies");
        assert!(matches!(error, RewrapError::Unverified { .. }));
        says(&error);
    });
}

/// A provider that unwraps a different data key from the one it wrapped.
struct Liar(sealwax::MasterKey);

impl KeyWrapper for Liar {
    fn wrap_key<'a>(
        &'a self,
        request: sealwax::WrapRequest<'a>,
    ) -> sealwax::ProviderFuture<'a, Result<Vec<u8>, sealwax::ProviderError>> {
        self.0.wrap_key(request)
    }
}

impl sealwax::MasterKeyProvider for Liar {
    fn unwrap_key<'a>(
        &'a self,
        _: sealwax::UnwrapRequest<'a>,
    ) -> sealwax::ProviderFuture<'a, Result<DataKey, sealwax::ProviderError>> {
        let mut other = bytes(role::DATA_KEY, 1, 32);
        sealwax::ProviderFuture::ready(DataKey::from_bytes(&mut other).map_err(Into::into))
    }
}

/// Runs every length up to a page, one after the other. In the control, runs one of them.
pub fn sweep(sizes: RangeInclusive<usize>) {
    for suite in SUITES {
        for size in sizes.clone() {
            step("every length", suite, size, &mut || {
                let (ring, context) = (next_keyring(suite), context());
                let envelope = ring.seal_with_rng(&secret(size), &context, &mut { DRAWN });
                drop(black_box(ring.open(&envelope.expect("sealed"), &context).expect("opened")));
            });
        }
    }
}
