//! Seal, verify, open and rewrap, in one call and in two phases, and what they reject.

use std::future::poll_fn;
use std::hint::black_box;
use std::mem::replace;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sealwax::{
    DataKey, Draft, EncryptionContext, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    OpenError, OpenEvent, OpenRecorder, ProviderError, ProviderFuture, RecorderError, Suite,
    UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::given::{
    altered, context, credential, data_key, drawn, id, keyring, master_key, next_keyring,
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
        for remote in [false, true] {
            waiting(suite, remote);
        }
    }
}

fn of_len(suite: Suite, len: usize) {
    operation(&format!("seal {suite} {len}"), || drop(black_box(sealed(suite, len))));
    operation(&format!("open {suite} {len}"), || {
        let opened = keyring(suite).open(&sealed(suite, len), &context()).expect("opened");
        // Compares the result with what was sealed; the verdict is public.
        assert!(public_verdict(opened == credential(len)));
    });
    operation(&format!("open recorded {suite} {len}"), || {
        let ring = keyring(suite).with_recorder(Recorder);
        let opened = ring.open(&sealed(suite, len), &context()).expect("opened");
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

/// A recorder that looks at all that it is told.
struct Recorder;

impl OpenRecorder for Recorder {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        crate::memcheck::public(event.commitment());
        let line = format!("{event:?} {:?}", event.commitment());
        ProviderFuture::ready(if line.is_empty() { Err(RecorderError::new(line)) } else { Ok(()) })
    }
}

fn two_phases(suite: Suite, len: usize) {
    let prepared = || {
        let draft = Draft::new_with_rng(&credential(len), &context(), suite, &mut drawn());
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
        drop(black_box(envelope.rewrap_with(&data_key, wraps).expect("rewrapped")));
    });
}

/// Positions of bytes, counted from the end of an envelope.
///
/// After the escrow's wrap come the commitment (32 bytes), MAC (16), IV (12), tag (16) and ciphertext (51).
const FIELDS: [(&str, usize); 4] = [
    ("MAC", 51 + 16 + 12 + 1),
    ("commitment", 51 + 16 + 12 + 16 + 1),
    ("wrapped key", 51 + 16 + 12 + 16 + 32 + 1),
    ("salt", 51 + 16 + 12 + 16 + 32 + 32 + 1),
];

/// Returns a keyring that can open only through the escrow's wrap.
fn escrow_alone(suite: Suite) -> Keyring {
    Keyring::new(id("dr"), master_key(2)).unwrap().with_suite(suite)
}

fn refused(suite: Suite) {
    for (what, from_end) in FIELDS {
        operation(&format!("verify {suite}, {what} altered"), || {
            let envelope = altered(&sealed(suite, 51), from_end);
            let error = published(escrow_alone(suite).verify(&envelope)).expect_err("altered");
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
        assert!(envelope.rewrap_with(&data_key, envelope.wrapped_keys().collect()).is_err());
    });
}

/// Runs a master key as a provider, called directly.
fn wraps(suite: Suite) {
    let (prod, commitment) = (id("prod"), [7; 32]);
    operation(&format!("wrap and unwrap {suite}"), || {
        let (master, data_key) = (master_key(1), data_key(99));
        let request = WrapRequest::new(&prod, suite, &commitment, &data_key);
        let body = master.wrap_key(request).into_ready().expect("ready").expect("a wrap");
        crate::memcheck::public(&body);
        let unwrapped = |body: &[u8]| {
            let request = UnwrapRequest::new(&prod, suite, &commitment, body);
            master.unwrap_key(request).into_ready().expect("ready").is_ok()
        };
        assert!(master.is_current(&body) && unwrapped(&body));
        // The first and the last byte of the salt, and of the data key under its pad.
        for at in [4, 27, 28, 59] {
            let mut altered = body.clone();
            altered[at] ^= 1;
            assert!(!unwrapped(&altered));
        }
        drop(black_box(WrappedKey::new(prod.clone(), WrapKind::Local, &body)));
    });
}

/// A master key behind a network: each result is ready at the second poll.
struct Remote(MasterKey);

async fn network_trip() {
    let mut is_back = false;
    poll_fn(|_| if replace(&mut is_back, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            network_trip().await;
            self.0.wrap_key(request).await
        })
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Local
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.0.is_current(body)
    }
}

impl MasterKeyProvider for Remote {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            network_trip().await;
            self.0.unwrap_key(request).await
        })
    }
}

/// Polls a future until it is ready: a minimal executor.
fn waited<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
    }
}

/// Runs the async operations, with keys in memory and with remote ones.
fn waiting(suite: Suite, remote: bool) {
    let key = |ring_id: &str, first| match remote {
        false => Keyring::new(id(ring_id), master_key(first)).unwrap(),
        true => Keyring::new(id(ring_id), Remote(master_key(first))).unwrap(),
    };
    let ring = || key("prod", 1).with_suite(suite);
    let keys = if remote { "remote keys" } else { "keys in memory" };
    let sealed = || {
        let ring = ring();
        let sealed = ring.seal_async_with_rng(&credential(51), &context(), &mut drawn());
        public_envelope(waited(sealed).expect("sealed"))
    };
    operation(&format!("seal, waiting, {suite}, {keys}"), || drop(black_box(sealed())));
    operation(&format!("open recorded, waiting, {suite}, {keys}"), || {
        let opened = waited(ring().with_recorder(Recorder).open_async(&sealed(), &context()));
        assert!(public_verdict(opened.expect("opened") == credential(51)));
    });
    operation(&format!("open, waiting, {suite}, {keys}"), || {
        let opened = waited(ring().open_async(&sealed(), &context())).expect("opened");
        assert!(public_verdict(opened == credential(51)));
        let elsewhere = EncryptionContext::empty();
        let error = waited(ring().open_async(&sealed(), &elsewhere)).expect_err("moved");
        assert!(matches!(error, OpenError::ContextMismatch));
    });
    operation(&format!("verify, waiting, {suite}, {keys}"), || {
        waited(ring().verify_async(&sealed())).expect("verified");
    });
    for (what, from_end) in FIELDS {
        operation(&format!("verify, waiting, {suite}, {keys}, {what} altered"), || {
            let envelope = altered(&sealed(), from_end);
            black_box(published(waited(ring().verify_async(&envelope))).expect_err("altered"));
        });
    }
    operation(&format!("rewrap, waiting, {suite}, {keys}"), || {
        let next = if remote {
            key("next", 3).with_retired(id("prod"), Remote(master_key(1)))
        } else {
            key("next", 3).with_retired(id("prod"), master_key(1))
        };
        let envelope = sealed();
        let rewrapped = waited(next.expect("two ids").rewrap_async(&envelope)).expect("rewrapped");
        public_envelope(rewrapped.expect("another primary"));
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
