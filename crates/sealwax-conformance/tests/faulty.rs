//! The decorators for tests: what goes wrong, when, and what is counted.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sealwax::{
    DataKey, EncryptionContext, ErrorClass, KeyId, KeyWrapper, Keyring, MasterKey,
    MasterKeyProvider, OpenError, ProviderError, ProviderErrorKind, ProviderFuture, SealError,
    Suite, UnwrapError, UnwrapRequest, WrapRequest,
};
use sealwax_conformance::{Counted, Counts, Fault, Faulty};

fn key() -> MasterKey {
    MasterKey::generate().unwrap()
}

fn key_id() -> KeyId {
    "k".parse().unwrap()
}

fn poll<T>(future: &mut ProviderFuture<'_, T>) -> Poll<T> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_call_fails_with_the_error_given_and_others_do_not() {
    let error = ProviderError::new(ProviderErrorKind::Denied, "403");
    let key = Arc::new(Faulty::new(key()).at(2, Fault::Fail(error)));
    let ring = Keyring::new(key_id(), Arc::clone(&key)).unwrap();
    let seal = || ring.seal(&"a text".into(), &EncryptionContext::empty());
    assert!(seal().is_ok());
    let Err(SealError::Wrap { source, .. }) = seal() else { panic!("the second call fails") };
    assert_eq!(source.kind(), ProviderErrorKind::Denied);
    assert!(seal().is_ok());
    assert_eq!(key.calls(), 3);
}

#[test]
fn the_first_of_two_faults_for_a_call_applies() {
    let fail = |kind: ProviderErrorKind| Fault::Fail(kind.into());
    let key = Faulty::new(key())
        .at(1, fail(ProviderErrorKind::Throttled))
        .starting_at(1, fail(ProviderErrorKind::Disabled));
    let check = || pollster::block_on(key.check(&key_id())).map_err(|error| error.kind());
    assert_eq!(check(), Err(ProviderErrorKind::Throttled));
    assert_eq!(check(), Err(ProviderErrorKind::Disabled));
    assert_eq!(check(), Err(ProviderErrorKind::Disabled));
}

#[test]
fn a_late_call_is_pending_so_many_polls_and_a_hung_one_for_ever() {
    let counted = Counted::new(key());
    let key = Faulty::new(&counted).at(1, Fault::Late(2)).at(2, Fault::Hang);
    let id = key_id();
    let mut late = key.check(&id);
    assert!(poll(&mut late).is_pending() && poll(&mut late).is_pending());
    assert_eq!(counted.counts().checks, 0);
    assert!(matches!(poll(&mut late), Poll::Ready(Ok(()))));
    assert_eq!(counted.counts().checks, 1);
    let mut hung = key.check(&id);
    assert!((0..1000).all(|_| poll(&mut hung).is_pending()));
    assert_eq!(counted.counts().checks, 1);
}

#[test]
fn another_key_does_not_open_the_row() {
    let ring = Keyring::new(key_id(), Faulty::new(key()).at(2, Fault::OtherKey)).unwrap();
    let context = EncryptionContext::empty();
    let envelope = ring.seal(&"a text".into(), &context).unwrap();
    let opened = ring.open(&envelope, &context);
    assert!(matches!(opened, Err(OpenError::Unwrap(UnwrapError::EnvelopeAltered))));
    assert!(ring.open(&envelope, &context).is_ok());
}

#[test]
fn a_body_of_another_length_is_refused() {
    for len in [0, 59, 61, 65_535] {
        let ring = Keyring::new(key_id(), Faulty::new(key()).at(1, Fault::BodyLen(len))).unwrap();
        let sealed = ring.seal(&"a text".into(), &EncryptionContext::empty());
        assert_eq!(sealed.unwrap_err().class(), ErrorClass::Misconfigured, "{len}");
    }
}

#[test]
fn batches_have_faults_too() {
    let key = Faulty::new(key())
        .at(1, Fault::ShortBatch)
        .at(2, Fault::BodyLen(7))
        .at(3, Fault::Fail(ProviderErrorKind::Throttled.into()))
        .at(5, Fault::ShortBatch)
        .at(6, Fault::OtherKey)
        .at(7, Fault::Fail(ProviderErrorKind::Disabled.into()));
    let (id, data_key) = (key_id(), DataKey::generate().unwrap());
    let wraps = [WrapRequest::new(&id, Suite::default(), &[7; 32], &data_key); 3];
    let wrap = || pollster::block_on(key.wrap_keys(&wraps));
    assert_eq!(wrap().len(), 2);
    assert!(wrap().iter().all(|body| body.as_ref().unwrap().len() == 7));
    let failed = wrap();
    assert_eq!(failed.len(), 3);
    assert!(failed.iter().all(|body| body.as_ref().is_err_and(ProviderError::is_transient)));
    let bodies: Vec<_> = wrap().into_iter().map(Result::unwrap).collect();

    let request = |body| UnwrapRequest::new(&id, Suite::default(), &[7; 32], body);
    let unwraps: Vec<_> = bodies.iter().map(|body| request(body)).collect();
    let unwrap = || pollster::block_on(key.unwrap_keys(&unwraps));
    let is_ours = |found: &Result<DataKey, ProviderError>| {
        found.as_ref().is_ok_and(|found| found.expose_secret() == data_key.expose_secret())
    };
    let (short, other, failed, right) = (unwrap(), unwrap(), unwrap(), unwrap());
    assert!(short.len() == 2 && short.iter().all(is_ours));
    assert!(other.len() == 3 && other.iter().all(Result::is_ok) && !other.iter().any(is_ours));
    assert!(failed.len() == 3 && failed.iter().all(Result::is_err));
    assert!(right.len() == 3 && right.iter().all(is_ours));
}

#[test]
fn what_is_polled_counts_and_what_is_dropped_does_not() {
    let counted = Counted::new(Faulty::new(key()).starting_at(1, Fault::Late(1)));
    let (id, data_key) = (key_id(), DataKey::generate().unwrap());
    let wrap = WrapRequest::new(&id, Suite::default(), &[7; 32], &data_key);
    let unwrap = UnwrapRequest::new(&id, Suite::default(), &[7; 32], b"body");
    drop(counted.wrap_key(wrap));
    drop(counted.unwrap_keys(&[unwrap]));
    assert_eq!(counted.counts(), Counts::default());
    drop(poll(&mut counted.wrap_key(wrap)));
    assert!(pollster::block_on(counted.unwrap_key(unwrap)).is_err());
    assert_eq!(pollster::block_on(counted.wrap_keys(&[wrap; 5])).len(), 5);
    assert_eq!(pollster::block_on(counted.unwrap_keys(&[unwrap; 2])).len(), 2);
    assert!(pollster::block_on(counted.check(&id)).is_ok());
    let Counts { wraps, unwraps, wrap_batches, unwrap_batches, checks, .. } = counted.counts();
    assert_eq!([wraps, unwraps, wrap_batches, unwrap_batches, checks], [1; 5]);
    assert_eq!((counted.counts().wraps_in_batches, counted.counts().unwraps_in_batches), (5, 2));
    assert_eq!(counted.inner().calls(), 7);
}
