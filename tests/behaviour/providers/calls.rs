//! What a provider is asked: each operation calls it as often as documented, in order, and passes what to bind.

use core::pin::pin;
use core::task::Poll;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealwax::{
    DataKey, KeyWrapper, Keyring, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest,
    WrapRequest,
};

use crate::fixtures::{SUITES, acme, key_id};
use crate::providers::{
    FORMS, Log, Remote, When, another_key, old, poll_once, remote, seal, secret, successor, three,
};

#[test]
fn each_verb_calls_each_provider_as_often_as_it_says_and_in_order() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    let current = seal(&ring);
    log.take_calls();
    for form in FORMS {
        form.seal(&ring).unwrap();
        assert_eq!(log.take_calls(), "wrap:p wrap:e wrap:f", "seal {form:?}");
        form.open(&ring, &current).unwrap();
        assert_eq!(log.take_calls(), "unwrap:p", "open {form:?}");
        form.verify(&ring, &current).unwrap();
        assert_eq!(log.take_calls(), "unwrap:p", "verify {form:?}");
        form.open(&ring, &row).unwrap();
        assert_eq!(log.take_calls(), "unwrap:o", "open an older row {form:?}");
        assert!(!ring.is_current(&row) && ring.is_current(&current));
        assert_eq!(log.take_calls(), "", "is_current {form:?}");
        assert_eq!(form.rewrap(&ring, &current).unwrap(), None);
        assert_eq!(log.take_calls(), "", "rewrap a current envelope {form:?}");

        assert_eq!(form.rewrap(&ring, &row).unwrap(), Some(current.clone()));
        let unwrap_wrap_check = "unwrap:o wrap:p wrap:e wrap:f unwrap:p unwrap:e unwrap:f";
        assert_eq!(log.take_calls(), unwrap_wrap_check, "rewrap {form:?}");
    }
}

#[test]
fn the_same_is_asked_and_answered_when_a_provider_is_called_again() {
    let log = Arc::new(Log::default());
    let ring = three(When::Now, &log);
    let row = seal(&ring);
    for form in FORMS {
        for _ in 0..3 {
            assert_eq!(form.seal(&ring).unwrap(), row);
            assert_eq!(form.open(&ring, &row).unwrap(), secret());
        }
    }
    // Two requests that are pending at the same time, polled alternately.
    let slow = three(When::Later(2), &log);
    let acme = acme();
    let (first, second) = (slow.open_async(&row, &acme), slow.open_async(&row, &acme));
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut ready = 0;
    for _ in 0..3 {
        for open in [&mut first, &mut second] {
            if let Poll::Ready(opened) = poll_once(open.as_mut()) {
                assert_eq!(opened.unwrap(), secret());
                ready += 1;
            }
        }
    }
    assert_eq!(ready, 2);
}

/// A provider that has a better wrap to offer, as long as it says so.
#[test]
fn a_provider_that_calls_its_wraps_outdated_has_them_renewed() {
    struct Renewing(Remote, AtomicUsize);

    impl KeyWrapper for Renewing {
        fn wrap_key<'a>(
            &'a self,
            request: WrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
            self.0.wrap_key(request)
        }

        fn is_current(&self, _body: &[u8]) -> bool {
            self.1.load(Ordering::SeqCst) == 0
        }
    }

    impl MasterKeyProvider for Renewing {
        fn unwrap_key<'a>(
            &'a self,
            request: UnwrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
            self.0.unwrap_key(request)
        }
    }

    let log = Arc::new(Log::default());
    let provider = Arc::new(Renewing(remote(1, When::Now, &log), AtomicUsize::new(0)));
    let ring = Keyring::new(key_id("p"), Arc::clone(&provider)).unwrap();
    let row = seal(&ring);
    for (outdated, current) in [(0, true), (1, false), (0, true)] {
        provider.1.store(outdated, Ordering::SeqCst);
        assert_eq!(ring.is_current(&row), current);
        log.take_calls();
        for form in FORMS {
            let rewrapped = form.rewrap(&ring, &row).unwrap();
            assert_eq!(rewrapped.is_none(), current);
            let calls = if current { "" } else { "unwrap:p wrap:p unwrap:p" };
            assert_eq!(log.take_calls(), calls);
        }
    }
}

/// A request contains what a provider binds. A provider that changed any of it would not unwrap.
#[test]
fn requests_tell_what_to_bind() {
    for (suite, suite_byte) in SUITES.into_iter().zip([1, 2]) {
        for len in [1, 9, 128] {
            let id = key_id(&"k".repeat(len));
            let data_key = another_key();
            let commitment: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
            let expected =
                [&[1, suite_byte, u8::try_from(len).unwrap()], id.as_ref().as_bytes(), &commitment]
                    .concat();
            let wrap = WrapRequest::new(&id, suite, &commitment, &data_key);
            assert_eq!(wrap.associated_data(), expected);
            assert_eq!((wrap.key_id(), wrap.suite(), wrap.commitment()), (&id, suite, &commitment));
            assert_eq!(wrap.data_key().expose_secret(), data_key.expose_secret());
            let unwrap = UnwrapRequest::new(&id, suite, &commitment, b"body");
            assert_eq!(unwrap.associated_data(), expected);
            assert_eq!(
                (unwrap.key_id(), unwrap.suite(), unwrap.commitment(), unwrap.body()),
                (&id, suite, &commitment, b"body".as_slice())
            );
            let copy = unwrap;
            assert_eq!(copy.body(), unwrap.body());
        }
    }
}
