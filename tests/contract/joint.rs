//! Providers, their futures, requests and errors; drafts.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use sealwax::{
    Batch, DataKey, Draft, EncryptionContext, Envelope, FormatError, KeyError, KeyId, KeyWrapper,
    Keyring, MasterKey, MasterKeyProvider, OpenError, ProviderError, ProviderErrorKind,
    ProviderFuture, RewrapError, SealError, Secret, Suite, UnwrapError, UnwrapRequest, WrapKind,
    WrapRequest, WrappedKey,
};

use crate::{
    Dry, Refuses, Remote, Service, Steps, context, id, key, ring, sealed, sealed_by, secret, trip,
};

const COMMITMENT: [u8; 32] = [5; 32];

fn is_wrapper<T: KeyWrapper + ?Sized>() {}
fn is_provider<T: MasterKeyProvider + ?Sized>() {}

fn wrap_request<'a>(key_id: &'a KeyId, data_key: &'a DataKey) -> WrapRequest<'a> {
    WrapRequest::new(key_id, Suite::Aes256Gcm, &COMMITMENT, data_key)
}

fn unwrap_request<'a>(key_id: &'a KeyId, body: &'a [u8]) -> UnwrapRequest<'a> {
    UnwrapRequest::new(key_id, Suite::Aes256Gcm, &COMMITMENT, body)
}

/// Returns the result of a key that does not wait.
fn now<T>(future: ProviderFuture<'_, T>) -> T {
    future.into_ready().unwrap()
}

/// Returns whether any error of the chain contains `text`.
fn chain_says(error: &(dyn Error + 'static), text: &str) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string().contains(text) {
            return true;
        }
        next = error.source();
    }
    false
}

/// A decorator that counts the calls to the provider behind it.
struct Counting<P> {
    inner: P,
    calls: Arc<AtomicUsize>,
}

impl<P: KeyWrapper> KeyWrapper for Counting<P> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        self.inner.kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.inner.is_current(body)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Counting<P> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.unwrap_key(request)
    }
}

/// A decorator whose author forgot `kind()`.
struct Forgetful(MasterKey);

impl KeyWrapper for Forgetful {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }
}

impl MasterKeyProvider for Forgetful {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }
}

/// A key service with its own wrap kind, whose bodies are never current.
struct Own(Service);

impl KeyWrapper for Own {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        const { WrapKind::private::<7>() }
    }

    fn is_current(&self, _: &[u8]) -> bool {
        false
    }
}

impl MasterKeyProvider for Own {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }
}

// The two traits

#[test]
fn a_master_key_wraps_and_unwraps() {
    is_wrapper::<MasterKey>();
    is_provider::<MasterKey>();
    let key_id = id("prod-2026");
    let data_key = DataKey::generate().unwrap();
    let key = key(0);

    let body: Vec<u8> = now(key.wrap_key(wrap_request(&key_id, &data_key))).unwrap();
    let unwrapped: DataKey = now(key.unwrap_key(unwrap_request(&key_id, &body))).unwrap();

    assert_eq!(body.len(), 60);
    assert_eq!(unwrapped.expose_secret(), data_key.expose_secret());
    assert_eq!(key.kind(), WrapKind::Local);
}

#[test]
fn a_local_body_is_current_under_its_own_key() {
    for wrap in sealed().wrapped_keys() {
        assert!(key(0).is_current(wrap.body()));
        assert!(!key(1).is_current(wrap.body()));
    }
}

#[test]
fn a_provider_that_says_nothing_is_of_kind_provider_and_current() {
    let service = Service { mask: 1 };

    assert_eq!(service.kind(), WrapKind::Provider);
    assert!(service.is_current(b"whatever"));
}

#[test]
fn a_provider_that_answers_at_once_serves_the_synchronous_verbs() {
    let ring = Keyring::new(id("kms"), Service { mask: 1 }).unwrap();
    let envelope = sealed_by(&ring);

    assert_eq!(ring.open(&envelope, &context()).unwrap(), secret());
    assert_eq!(ring.rewrap(&envelope).unwrap(), None);
    for wrap in envelope.wrapped_keys() {
        assert_eq!(wrap.kind(), WrapKind::Provider);
    }
}

#[test]
fn pointers_forward_every_method() {
    is_provider::<Arc<MasterKey>>();
    is_provider::<Box<MasterKey>>();
    is_provider::<&MasterKey>();
    is_provider::<dyn MasterKeyProvider>();
    is_provider::<Arc<dyn MasterKeyProvider>>();
    is_provider::<Box<dyn MasterKeyProvider>>();
    is_provider::<&dyn MasterKeyProvider>();
    is_wrapper::<Arc<dyn KeyWrapper>>();
    is_wrapper::<Box<dyn KeyWrapper>>();
    is_wrapper::<&dyn KeyWrapper>();

    fn forwards(provider: impl MasterKeyProvider + 'static) {
        assert_eq!(provider.kind(), WrapKind::Local);
        assert!(!provider.is_current(b"another body"));
        let ring = Keyring::new(id("prod-2026"), provider).unwrap();
        assert_eq!(ring.open(&sealed(), &context()).unwrap(), secret());
        assert!(ring.is_current(&sealed_by(&ring)));
    }
    let shared: Arc<dyn MasterKeyProvider> = Arc::new(key(0));
    let boxed: Box<dyn MasterKeyProvider> = Box::new(key(0));
    let leaked: &'static MasterKey = Box::leak(Box::new(key(0)));
    let object: &'static dyn MasterKeyProvider = leaked;
    forwards(Arc::new(key(0)));
    forwards(Box::new(key(0)));
    forwards(leaked);
    forwards(shared);
    forwards(boxed);
    forwards(object);
}

#[test]
fn every_method_has_its_shape() {
    // The defaults stay ready over a key in memory, and return one result for each request.
    let (provider, key_id, data_key) = (key(0), id("prod-2026"), DataKey::generate().unwrap());
    let wrap = wrap_request(&key_id, &data_key);
    let body = now(provider.wrap_key(wrap)).unwrap();
    let (wraps, unwraps) =
        ([wrap; 3], [unwrap_request(&key_id, &body), unwrap_request(&key_id, b"")]);
    let bodies: ProviderFuture<'_, Vec<Result<Vec<u8>, ProviderError>>> =
        provider.wrap_keys(&wraps);
    let keys: ProviderFuture<'_, Vec<Result<DataKey, ProviderError>>> =
        provider.unwrap_keys(&unwraps);
    let usable: ProviderFuture<'_, Result<(), ProviderError>> = provider.check(&key_id);
    let bodies: Vec<Vec<u8>> = now(bodies).into_iter().map(Result::unwrap).collect();
    assert_eq!(bodies, [body.clone(), body.clone(), body.clone()]);
    let keys = now(keys);
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].as_ref().unwrap().expose_secret(), data_key.expose_secret());
    assert_eq!(keys[1].as_ref().unwrap_err().kind(), ProviderErrorKind::Rejected);
    now(usable).unwrap();
}

#[test]
fn a_ring_over_a_service_is_checked_and_rewrapped_in_batches() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }

    let ring = Keyring::new(id("hsm"), Own(Service { mask: 1 })).unwrap();
    let ring = ring.with_retired(id("prod-2026"), key(0)).unwrap();
    let checked: Vec<(KeyId, Result<(), ProviderError>)> =
        pollster::block_on(is_send(ring.check_async()));
    let usable: Vec<_> = checked.iter().map(|(id, result)| (id.as_ref(), result.is_ok())).collect();
    assert_eq!(usable, [("hsm", true), ("prod-2026", true)]);

    let rows = vec![(1_i64, sealed().to_string()), (2, "nonsense".to_owned())];
    let batch: Batch<i64> = pollster::block_on(is_send(ring.rewrap_batch_async(rows)));
    assert_eq!((batch.changes.len(), batch.current, batch.failures.len()), (1, 0, 1));
    assert!(!batch.must_stop());
    assert_eq!(ring.open(&batch.changes[0].fresh, &context()).unwrap(), secret());
}

#[test]
fn a_decorator_counts_and_forwards() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = Counting { inner: key(0), calls: Arc::clone(&calls) };
    let counted = Keyring::new(id("prod-2026"), counting).unwrap();

    let envelope = sealed_by(&counted);
    assert_eq!(counted.open(&envelope, &context()).unwrap(), secret());
    assert!(calls.load(Ordering::Relaxed) >= 2);
    assert_eq!(ring().open(&envelope, &context()).unwrap(), secret());
}

#[test]
fn a_decorator_that_forgot_its_kind_is_no_alarm() {
    let ring = Keyring::opening_only().with_retired(id("prod-2026"), Forgetful(key(0))).unwrap();

    assert!(matches!(
        &ring.verify(&sealed()).unwrap_err(),
        UnwrapError::WrongWrapKind { key_id, .. } if *key_id == id("prod-2026")
    ));
}

#[test]
fn a_kind_of_ones_own_and_a_body_that_grew_old() {
    let ring = Keyring::new(id("hsm"), Own(Service { mask: 1 })).unwrap();
    let envelope = sealed_by(&ring);

    for wrap in envelope.wrapped_keys() {
        assert_eq!(wrap.kind().byte(), 0x87);
    }
    assert_eq!(ring.open(&envelope, &context()).unwrap(), secret());
    assert!(!ring.is_current(&envelope));
    assert!(ring.rewrap(&envelope).unwrap().is_some());
}

#[test]
fn a_weak_data_key_from_a_provider_is_refused() {
    struct Weak;
    impl KeyWrapper for Weak {
        fn wrap_key<'a>(
            &'a self,
            _: WrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
            ProviderFuture::ready(Ok(vec![1]))
        }
    }
    impl MasterKeyProvider for Weak {
        fn unwrap_key<'a>(
            &'a self,
            _: UnwrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
            let made = DataKey::from_bytes(&mut [7; 32]);
            ProviderFuture::ready(made.map_err(ProviderError::from))
        }
    }
    let sealer = Keyring::new(id("kms"), Service { mask: 1 }).unwrap();
    let opener = Keyring::opening_only().with_retired(id("kms"), Weak).unwrap();

    assert!(matches!(opener.verify(&sealed_by(&sealer)), Err(UnwrapError::WrapAltered { .. })));
}

// Futures

#[test]
fn a_ready_future_is_ready_now() {
    fn is_send_and_unpin<T: Send + Unpin>() {}
    is_send_and_unpin::<ProviderFuture<'static, u32>>();

    let ready: ProviderFuture<'static, u32> = ProviderFuture::ready(7);
    assert!(matches!(ready.into_ready(), Ok(7)));
    assert_eq!(pollster::block_on(ProviderFuture::ready(7)), 7);
}

#[test]
fn a_boxed_future_comes_back_and_can_still_be_awaited() {
    let boxed: ProviderFuture<'_, u32> = ProviderFuture::boxed(async {
        trip().await;
        7
    });
    let back: Result<u32, ProviderFuture<'_, u32>> = boxed.into_ready();

    assert_eq!(pollster::block_on(back.err().unwrap()), 7);
}

#[test]
fn a_future_is_mapped_and_stays_ready_or_boxed() {
    let ready = ProviderFuture::ready(7_u32).map(|n| n.to_string());
    assert_eq!(ready.into_ready().unwrap(), "7");

    let boxed = ProviderFuture::boxed(async { 7_u32 }).map(|n| n.to_string());
    assert_eq!(pollster::block_on(boxed.into_ready().err().unwrap()), "7");
}

#[test]
fn polled_after_completion_a_future_is_pending() {
    let mut cx = Context::from_waker(Waker::noop());
    for mut future in [
        ProviderFuture::ready(7_u32),
        ProviderFuture::boxed(async { 7_u32 }),
        ProviderFuture::ready(7_u32).map(|n| n),
        ProviderFuture::boxed(async { 7_u32 }).map(|n| n),
    ] {
        assert!(matches!(Pin::new(&mut future).poll(&mut cx), Poll::Ready(7)));
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    }
}

#[test]
fn a_future_dropped_unpolled_starts_nothing() {
    let started = AtomicBool::new(false);
    drop(ProviderFuture::boxed(async {
        started.store(true, Ordering::Relaxed);
    }));

    assert!(!started.load(Ordering::Relaxed));
}

// Requests

#[test]
fn a_wrap_request_is_copied_and_read() {
    fn is_copy<T: Copy>() {}
    is_copy::<WrapRequest<'static>>();
    is_copy::<UnwrapRequest<'static>>();
    let key_id = id("kms");
    let data_key = DataKey::generate().unwrap();
    let request = wrap_request(&key_id, &data_key);

    let named: &KeyId = request.key_id();
    let suite: Suite = request.suite();
    let commitment: &[u8; 32] = request.commitment();
    let lent: &DataKey = request.data_key();
    let bound: Vec<u8> = request.associated_data();
    assert_eq!(*named, key_id);
    assert_eq!(suite, Suite::Aes256Gcm);
    assert_eq!(*commitment, COMMITMENT);
    assert_eq!(lent.expose_secret(), data_key.expose_secret());
    assert_eq!(bound, [b"\x01\x01\x03kms".as_slice(), &COMMITMENT].concat());
}

#[test]
fn an_unwrap_request_is_read_and_binds_the_same() {
    let key_id = id("kms");
    let data_key = DataKey::generate().unwrap();
    let request = unwrap_request(&key_id, b"body");

    let named: &KeyId = request.key_id();
    let suite: Suite = request.suite();
    let commitment: &[u8; 32] = request.commitment();
    let body: &[u8] = request.body();
    let bound: Vec<u8> = request.associated_data();
    assert_eq!(*named, key_id);
    assert_eq!(suite, Suite::Aes256Gcm);
    assert_eq!(*commitment, COMMITMENT);
    assert_eq!(body, b"body");
    assert_eq!(bound, wrap_request(&key_id, &data_key).associated_data());
}

#[test]
fn a_cache_key_covers_what_is_bound_and_the_body() {
    let (kms, other) = (id("kms"), id("other"));
    let cache_key: [u8; 32] = unwrap_request(&kms, b"body").cache_key();

    assert_eq!(cache_key, unwrap_request(&kms, b"body").cache_key());
    assert_ne!(cache_key, unwrap_request(&kms, b"other").cache_key());
    assert_ne!(cache_key, unwrap_request(&other, b"body").cache_key());
    let other_row = UnwrapRequest::new(&kms, Suite::Aes256Gcm, &[6; 32], b"body");
    assert_ne!(cache_key, other_row.cache_key());
    let other_suite = UnwrapRequest::new(&kms, Suite::ChaCha20Poly1305, &COMMITMENT, b"body");
    assert_ne!(cache_key, other_suite.cache_key());
}

#[test]
fn a_body_fits_its_own_row_only() {
    let key_id = id("kms");
    let data_key = DataKey::generate().unwrap();
    let body = now(key(0).wrap_key(wrap_request(&key_id, &data_key))).unwrap();
    let other_row = UnwrapRequest::new(&key_id, Suite::Aes256Gcm, &[6; 32], &body);
    let other_key = key(1);

    let error: ProviderError = now(key(0).unwrap_key(other_row)).err().unwrap();
    assert!(matches!(error.kind(), ProviderErrorKind::Rejected));
    let error = now(other_key.unwrap_key(unwrap_request(&key_id, &body))).err().unwrap();
    assert!(matches!(error.kind(), ProviderErrorKind::WrongKeyMaterial));
}

// Errors

#[test]
fn a_provider_error_has_a_kind_and_a_cause() {
    let error = ProviderError::new(ProviderErrorKind::Denied, "request-4711");
    let kind: ProviderErrorKind = error.kind();

    assert!(matches!(kind, ProviderErrorKind::Denied));
    assert!(chain_says(&error, "request-4711"));
    assert!(chain_says(&error.clone(), "request-4711"));
    assert_eq!(error.retry_after(), None);

    let io = std::io::Error::other("request-4712");
    assert!(chain_says(&ProviderError::new(ProviderErrorKind::Other, io), "request-4712"));
    let boxed: Box<dyn Error + Send + Sync> = "request-4713".into();
    assert!(chain_says(&ProviderError::new(ProviderErrorKind::Other, boxed), "request-4713"));
}

#[test]
fn a_provider_error_is_made_from_every_kind() {
    let made = |kind: ProviderErrorKind| ProviderError::from(kind).kind();

    assert!(matches!(made(ProviderErrorKind::NotFound), ProviderErrorKind::NotFound));
    assert!(matches!(made(ProviderErrorKind::Denied), ProviderErrorKind::Denied));
    assert!(matches!(made(ProviderErrorKind::Unauthenticated), ProviderErrorKind::Unauthenticated));
    assert!(matches!(made(ProviderErrorKind::Disabled), ProviderErrorKind::Disabled));
    assert!(matches!(made(ProviderErrorKind::Throttled), ProviderErrorKind::Throttled));
    assert!(matches!(made(ProviderErrorKind::Unavailable), ProviderErrorKind::Unavailable));
    assert!(matches!(
        made(ProviderErrorKind::WrongKeyMaterial),
        ProviderErrorKind::WrongKeyMaterial
    ));
    assert!(matches!(made(ProviderErrorKind::Rejected), ProviderErrorKind::Rejected));
    assert!(matches!(made(ProviderErrorKind::Other), ProviderErrorKind::Other));
}

#[test]
fn a_key_error_becomes_a_provider_error() {
    let random: KeyError = DataKey::generate_with_rng(&mut Dry).err().unwrap();
    let weak: KeyError = DataKey::from_bytes(&mut [7; 32]).err().unwrap();
    let length: KeyError = DataKey::from_bytes(&mut [7; 31]).err().unwrap();

    assert!(matches!(ProviderError::from(random).kind(), ProviderErrorKind::Other));
    assert!(matches!(ProviderError::from(weak).kind(), ProviderErrorKind::Rejected));
    assert!(matches!(ProviderError::from(length).kind(), ProviderErrorKind::Rejected));
}

#[test]
fn opening_maps_each_kind_and_never_loses_the_request_id() {
    let envelope = sealed_by(&Keyring::new(id("kms"), Service { mask: 1 }).unwrap());
    let verify = |kind: ProviderErrorKind| {
        let refuses = Refuses(ProviderError::new(kind, "request-4711"));
        let ring = Keyring::opening_only().with_retired(id("kms"), refuses).unwrap();
        let error = ring.verify(&envelope).unwrap_err();
        assert!(chain_says(&error, "request-4711"), "{error}");
        error
    };

    assert!(matches!(
        &verify(ProviderErrorKind::WrongKeyMaterial),
        UnwrapError::WrongKeyMaterial { key_id, source: Some(source), .. }
            if *key_id == id("kms") && matches!(source.kind(), ProviderErrorKind::WrongKeyMaterial)
    ));
    assert!(matches!(
        &verify(ProviderErrorKind::Rejected),
        UnwrapError::WrapAltered { key_id, source: Some(source), .. }
            if *key_id == id("kms") && matches!(source.kind(), ProviderErrorKind::Rejected)
    ));
    assert!(matches!(
        &verify(ProviderErrorKind::Disabled),
        UnwrapError::KeyDisabled { key_id, source: Some(source), .. }
            if *key_id == id("kms") && matches!(source.kind(), ProviderErrorKind::Disabled)
    ));
    for kind in [
        ProviderErrorKind::NotFound,
        ProviderErrorKind::Denied,
        ProviderErrorKind::Unauthenticated,
        ProviderErrorKind::Throttled,
        ProviderErrorKind::Unavailable,
        ProviderErrorKind::Other,
    ] {
        assert!(matches!(
            &verify(kind),
            UnwrapError::Provider { key_id, source: _, .. } if *key_id == id("kms")
        ));
    }
}

#[test]
fn a_failed_wrap_keeps_the_providers_error() {
    let refuses = || Refuses(ProviderError::new(ProviderErrorKind::Denied, "request-4711"));
    let ring = Keyring::new(id("kms"), refuses()).unwrap();
    let ring = ring.with_retired(id("prod-2026"), key(0)).unwrap();

    let error = ring.seal(&secret(), &context()).unwrap_err();
    assert!(chain_says(&error, "request-4711"));
    assert!(matches!(
        &error,
        SealError::Wrap { key_id, source, .. }
            if *key_id == id("kms") && matches!(source.kind(), ProviderErrorKind::Denied)
    ));
    let error = ring.rewrap(&sealed()).unwrap_err();
    assert!(chain_says(&error, "request-4711"));
    assert!(matches!(
        &error,
        RewrapError::Wrap { key_id, source, .. }
            if *key_id == id("kms") && matches!(source.kind(), ProviderErrorKind::Denied)
    ));
}

#[test]
fn a_failed_provider_leaves_the_next_wrap_to_be_tried() {
    let sealer = Keyring::new(id("a"), Remote(Service { mask: 1 }))
        .unwrap()
        .with_escrow(id("b"), Remote(Service { mask: 2 }))
        .unwrap();
    let envelope = pollster::block_on(sealer.seal_async(&secret(), &context())).unwrap();
    let opener = Keyring::opening_only()
        .with_retired(id("a"), Refuses(ProviderErrorKind::Unavailable.into()))
        .unwrap()
        .with_retired(id("b"), Remote(Service { mask: 2 }))
        .unwrap();

    let opened = pollster::block_on(opener.open_async(&envelope, &context()));
    assert_eq!(opened.unwrap(), secret());
}

// Kinds

#[test]
fn every_wrap_kind_has_a_byte() {
    let kind_of = |byte: u8| WrapKind::from_byte(byte).into_iter().next();

    for (kind, byte) in [
        (WrapKind::Local, 0x01),
        (WrapKind::Provider, 0x02),
        (WrapKind::Hpke, 0x03),
        (WrapKind::Branch, 0x04),
        (WrapKind::Rebound, 0x05),
        (WrapKind::private::<0>(), 0x80),
        (WrapKind::private::<0x7f>(), 0xff),
    ] {
        let found: u8 = kind.byte();
        assert_eq!(found, byte);
        assert_eq!(kind_of(byte), Some(kind));
    }
    assert_eq!(kind_of(0x00), None);
}

#[test]
fn a_kind_of_ones_own_is_a_constant() {
    const KIND: WrapKind = WrapKind::private::<0x05>();

    // `WrapKind::private::<0x80>()` does not compile.
    assert_eq!(KIND.byte(), 0x85);
    assert_ne!(KIND, WrapKind::Rebound);
}

#[test]
fn a_kind_that_no_entry_fixes_parses_and_is_refused_when_used() {
    let draft = Draft::new(&secret(), &context(), Suite::default()).unwrap();
    let wrap = WrappedKey::new(id("prod-2026"), WrapKind::private::<1>(), b"body").unwrap();
    let envelope = draft.finish(vec![wrap]).unwrap();

    let parsed: Envelope = envelope.to_string().parse().unwrap();
    assert_eq!(parsed, envelope);
    assert!(matches!(ring().verify(&parsed), Err(UnwrapError::WrongWrapKind { .. })));
}

// Sealing in two phases

#[test]
fn a_draft_is_finished_with_wraps_from_a_transport_of_ones_own() {
    let draft: Result<Draft, SealError> = Draft::new(&secret(), &context(), Suite::default());
    let draft = draft.unwrap();
    let key_id = id("prod-2026");
    let data_key: &DataKey = draft.data_key();
    let commitment: &[u8; 32] = draft.commitment();
    let request: WrapRequest<'_> = draft.wrap_request(&key_id);
    assert_eq!(request.data_key().expose_secret(), data_key.expose_secret());
    assert_eq!(request.commitment(), commitment);
    assert_eq!(*request.key_id(), key_id);
    assert_eq!(request.suite(), Suite::Aes256Gcm);

    let commitment = *commitment;
    let body = now(key(0).wrap_key(request)).unwrap();
    let wrap = WrappedKey::new(key_id.clone(), WrapKind::Local, &body).unwrap();
    let envelope: Result<Envelope, FormatError> = draft.finish(vec![wrap]);
    let envelope = envelope.unwrap();

    assert_eq!(*envelope.commitment(), commitment);
    assert_eq!(ring().open(&envelope, &context()).unwrap(), secret());
    assert!(ring().is_current(&envelope));
}

#[test]
fn a_draft_refuses_wraps_that_are_no_list() {
    let draft = || Draft::new(&secret(), &context(), Suite::default()).unwrap();
    let wrap =
        |n: u8| WrappedKey::new(id(&format!("kms-{n}")), WrapKind::Provider, b"body").unwrap();

    assert!(draft().finish(Vec::new()).is_err());
    assert!(draft().finish(vec![wrap(1), wrap(1)]).is_err());
    assert!(draft().finish((1..=8).map(wrap).collect()).is_ok());
    assert!(draft().finish((1..=9).map(wrap).collect()).is_err());
}

#[test]
fn a_draft_takes_its_own_randomness() {
    let mut rng = Steps::default();
    let draft: Result<Draft, SealError> =
        Draft::new_with_rng(&secret(), &context(), Suite::ChaCha20Poly1305, &mut rng);

    assert_eq!(rng.draws, [44]);
    assert!(draft.unwrap().data_key().expose_secret().starts_with(&[0, 1, 2, 3]));
    assert!(matches!(
        Draft::new_with_rng(&secret(), &context(), Suite::default(), &mut Dry),
        Err(SealError::Random)
    ));
}

/// Returns an envelope made from a draft, and its data key.
fn drafted() -> (Envelope, DataKey) {
    let draft = Draft::new(&secret(), &context(), Suite::default()).unwrap();
    let data_key = draft.data_key().duplicate();
    let wrap = WrappedKey::new(id("kms"), WrapKind::Provider, b"body").unwrap();
    (draft.finish(vec![wrap]).unwrap(), data_key)
}

#[test]
fn an_envelope_is_verified_and_opened_with_its_data_key() {
    let (envelope, data_key) = drafted();
    let verified: Result<(), UnwrapError> = envelope.verify_with(&data_key);
    let opened: Result<Secret, OpenError> = envelope.open_with(&data_key, &context());

    assert!(verified.is_ok());
    assert_eq!(opened.unwrap(), secret());

    let empty = EncryptionContext::empty();
    assert!(matches!(envelope.open_with(&data_key, &empty), Err(OpenError::ContextMismatch)));
    let other = DataKey::generate().unwrap();
    assert!(matches!(envelope.verify_with(&other), Err(UnwrapError::EnvelopeAltered)));
    assert!(matches!(
        envelope.open_with(&other, &context()),
        Err(OpenError::Unwrap(UnwrapError::EnvelopeAltered))
    ));
}

#[test]
fn an_envelope_is_rewrapped_with_its_data_key() {
    let (envelope, data_key) = drafted();
    let key_id = id("prod-2026");
    let request = WrapRequest::new(&key_id, envelope.suite(), envelope.commitment(), &data_key);
    let body = now(key(0).wrap_key(request)).unwrap();
    let wraps = || vec![WrappedKey::new(key_id.clone(), WrapKind::Local, &body).unwrap()];

    let fresh: Result<Envelope, RewrapError> = envelope.rewrap_with(&data_key, wraps());
    assert_eq!(ring().open(&fresh.unwrap(), &context()).unwrap(), secret());

    let other = DataKey::generate().unwrap();
    assert!(matches!(
        envelope.rewrap_with(&other, wraps()),
        Err(RewrapError::Unwrap(UnwrapError::EnvelopeAltered))
    ));
    let error = envelope.rewrap_with(&data_key, Vec::new()).unwrap_err();
    assert!(matches!(
        &error,
        RewrapError::InvalidWraps { source: FormatError::Malformed { .. }, .. }
    ));
}
