//! Tests each recipe with a key service that follows a script.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealwax::{DataKey, EncryptionContext, Envelope, KeyId, KeyWrapper, MasterKeyProvider};
use sealwax::{ProviderError, ProviderErrorKind, ProviderFuture, Suite, UnwrapRequest, WrapRequest};
use sealwax_conformance::check_decorator;
use send_wrapper::SendWrapper;
use services::recipes::cached::Cached;
use services::recipes::fleet::{is_ready, report};
use services::recipes::measured::{Figures, Measured};
use services::recipes::patient::Patient;
use tokio::time::{Instant, advance};

use crate::given::{self, Kms};
use crate::server::database;

const SECOND: Duration = Duration::from_secs(1);

fn patient<P>(inner: P) -> Patient<P> {
    Patient { inner, attempts: 3, deadline: SECOND, total: 10 * SECOND, batch: 1, wait: |n| SECOND * n / 10 }
}

/// Seals a secret through a patient provider, and returns the result, the number of requests and the time it took.
async fn seal(kms: Kms) -> (Result<Envelope, sealwax::SealError>, u32, Duration) {
    let (kms, start) = (Arc::new(kms), Instant::now());
    let ring = given::remote(patient(kms.clone()));
    let sealed = ring.seal_async(&"sk".into(), &EncryptionContext::empty()).await;
    (sealed, kms.calls(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_patient_provider_tries_again_where_an_error_may_pass_and_nowhere_else() {
    use ProviderErrorKind::{Denied, Rejected, Throttled, Unavailable};

    let (sealed, calls, time) = seal(Kms::new([])).await;
    assert!((sealed.is_ok(), calls, time.as_millis()) == (true, 1, 0));
    let (sealed, calls, time) = seal(Kms::new([Throttled, Unavailable])).await;
    assert!(sealed.is_ok());
    assert!((300..330).contains(&time.as_millis()) && calls == 3, "{time:?}");
    let (sealed, calls, _) = seal(Kms::new([Throttled, Unavailable, Throttled, Throttled])).await;
    assert_eq!((sealed.unwrap_err().name(), calls), ("wrap", 3));
    for kind in [Denied, Rejected] {
        let (sealed, calls, time) = seal(Kms::new([kind, kind])).await;
        assert!((sealed.is_err(), calls, time.as_millis()) == (true, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_patient_provider_waits_as_long_as_it_is_asked_to_if_there_is_time() {
    let throttled = |wait| {
        let mut kms = Kms::new([ProviderErrorKind::Throttled]);
        kms.retry_after = Some(wait);
        kms
    };
    let (sealed, calls, time) = seal(throttled(3 * SECOND)).await;
    assert!(sealed.is_ok());
    assert!((3000..3020).contains(&time.as_millis()) && calls == 2, "{time:?}");
    for wait in [10 * SECOND, Duration::MAX] {
        let (sealed, calls, time) = seal(throttled(wait)).await;
        let error = sealed.unwrap_err();
        assert_eq!((error.retry_after(), calls, time.as_millis()), (Some(wait), 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_patient_provider_gives_up_on_a_service_that_does_not_reply() {
    let mut kms = Kms::new([]);
    kms.wait = 3600 * SECOND;
    let (sealed, calls, time) = seal(kms).await;
    let error = sealed.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(calls, 3);
    assert!((3300..3350).contains(&time.as_millis()), "{time:?}");

    let mut kms = Kms::new([]);
    kms.wait = 3600 * SECOND;
    let short = Patient { total: 1500 * SECOND / 1000, attempts: 100, ..patient(Arc::new(kms)) };
    let (ring, start) = (given::remote(short), Instant::now());
    assert!(ring.seal_async(&"sk".into(), &EncryptionContext::empty()).await.is_err());
    assert!((1500..1520).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());

    // A batch has time for as many requests as its rows take.
    let mut kms = Kms::new([]);
    let wraps = Wraps::new(&kms, 3).await;
    kms.wait = 3600 * SECOND;
    let (kms, rows) = (Arc::new(kms), [0, 1, 2].map(|row| wraps.request(row)));
    for (batch, seconds) in [(1, 30), (2, 20), (3, 10), (0, 30)] {
        let start = Instant::now();
        let replies = Patient { batch, ..patient(kms.clone()) }.unwrap_keys(&rows).await;
        let kinds: Vec<_> = replies.into_iter().map(|reply| reply.unwrap_err().kind()).collect();
        assert_eq!(kinds, [ProviderErrorKind::Unavailable; 3]);
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

/// Data keys that the key service has wrapped, from which the tests make unwrap requests.
struct Wraps {
    key_id: KeyId,
    rows: Vec<([u8; 32], DataKey, Vec<u8>)>,
}

impl Wraps {
    async fn new(kms: &Kms, count: u8) -> Self {
        let (key_id, mut rows): (KeyId, _) = ("kms/eu".parse().unwrap(), Vec::new());
        for row in 0..count {
            let key = DataKey::generate().unwrap();
            let body = kms.wrap_key(WrapRequest::new(&key_id, Suite::default(), &[row; 32], &key)).await;
            rows.push(([row; 32], key, body.unwrap()));
        }
        kms.calls.store(0, Ordering::SeqCst);
        Self { key_id, rows }
    }

    fn request(&self, row: usize) -> UnwrapRequest<'_> {
        let (commitment, _, body) = &self.rows[row];
        UnwrapRequest::new(&self.key_id, Suite::default(), commitment, body)
    }

    /// Unwraps the data key of a row, and asserts that it is the right one.
    async fn unwrap(&self, provider: &impl MasterKeyProvider, row: usize) {
        let key = provider.unwrap_key(self.request(row)).await.unwrap();
        assert!(key.expose_secret() == self.rows[row].1.expose_secret(), "the provider returned another key");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_saves_requests_until_an_entry_is_old_or_the_oldest_of_too_many() {
    let kms = Arc::new(Kms::new([]));
    let wraps = Wraps::new(&kms, 4).await;
    let cached = Cached::new(kms.clone(), 60 * SECOND, 2);

    wraps.unwrap(&cached, 0).await;
    wraps.unwrap(&cached, 0).await;
    assert_eq!(kms.calls(), 1);
    // If the cache has the key, its future is ready at once, so a synchronous open works.
    assert!(cached.unwrap_key(wraps.request(0)).into_ready().is_ok());
    assert!(cached.unwrap_key(wraps.request(1)).into_ready().is_err());

    // The third entry evicts the first.
    wraps.unwrap(&cached, 1).await;
    wraps.unwrap(&cached, 2).await;
    assert_eq!((kms.calls(), cached.sweep()), (3, 2));
    wraps.unwrap(&cached, 1).await;
    assert_eq!(kms.calls(), 3);
    wraps.unwrap(&cached, 0).await;
    assert_eq!((kms.calls(), cached.sweep()), (4, 2));

    // The age of an entry does not count from its last use.
    advance(59 * SECOND).await;
    wraps.unwrap(&cached, 0).await;
    assert_eq!(kms.calls(), 4);
    advance(SECOND).await;
    assert_eq!(cached.sweep(), 0);
    wraps.unwrap(&cached, 0).await;
    assert_eq!((kms.calls(), cached.sweep()), (5, 1));
    cached.clear();
    assert_eq!(cached.sweep(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_an_entry_counts_from_the_request_to_a_slow_service() {
    let mut kms = Kms::new([]);
    kms.wait = 10 * SECOND;
    let wraps = Wraps::new(&kms, 2).await;
    // The first request is made twice, so the reply to the second request comes first.
    kms.script.lock().unwrap().push_back(ProviderErrorKind::Throttled);
    let patient = Patient { deadline: 60 * SECOND, total: 60 * SECOND, ..patient(Arc::new(kms)) };
    let cached = Cached::new(patient, 30 * SECOND, 9);
    let later = async {
        tokio::time::sleep(5 * SECOND).await;
        wraps.unwrap(&cached, 1).await;
    };
    let start = Instant::now();
    tokio::join!(wraps.unwrap(&cached, 0), later);
    assert!((20_000..20_200).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(cached.sweep(), 2);
    // The requests were made 31 and 26 seconds ago.
    advance(31 * SECOND - start.elapsed()).await;
    assert_eq!(cached.sweep(), 1);
    assert!(cached.unwrap_key(wraps.request(0)).into_ready().is_err(), "the older entry is still there");
    assert!(cached.unwrap_key(wraps.request(1)).into_ready().is_ok());
    advance(5 * SECOND).await;
    assert_eq!(cached.sweep(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cache_does_not_keep_a_reply_to_a_request_from_before_a_clear() {
    let mut kms = Kms::new([]);
    kms.wait = SECOND;
    let wraps = Wraps::new(&kms, 1).await;
    let cached = Cached::new(kms, 60 * SECOND, 2);
    let clear = async {
        tokio::time::sleep(SECOND / 2).await;
        cached.clear();
    };
    tokio::join!(wraps.unwrap(&cached, 0), clear);
    assert_eq!(cached.sweep(), 0);
    wraps.unwrap(&cached, 0).await;
    assert_eq!(cached.sweep(), 1);
}

#[tokio::test]
async fn a_cache_for_no_entries_keeps_none() {
    let kms = Arc::new(Kms::new([]));
    let wraps = Wraps::new(&kms, 1).await;
    let cached = Cached::new(kms.clone(), 60 * SECOND, 0);
    for calls in 1..=3 {
        wraps.unwrap(&cached, 0).await;
        assert_eq!((kms.calls(), cached.sweep()), (calls, 0));
    }
}

#[tokio::test]
async fn a_cache_keeps_no_error_and_hands_out_no_body_of_another_row() {
    let kms = Arc::new(Kms::new([]));
    let wraps = Wraps::new(&kms, 2).await;
    let cached = Cached::new(kms.clone(), 60 * SECOND, 100);
    kms.script.lock().unwrap().push_back(ProviderErrorKind::Throttled);
    assert!(cached.unwrap_key(wraps.request(0)).await.is_err());
    assert_eq!(cached.sweep(), 0);
    wraps.unwrap(&cached, 0).await;

    let moved = UnwrapRequest::new(&wraps.key_id, Suite::default(), &[9; 32], wraps.request(0).body());
    let error = cached.unwrap_key(moved).await.unwrap_err();
    assert_eq!((error.kind(), kms.calls()), (ProviderErrorKind::Rejected, 3));

    // A keyring with this cache seals once, and opens twice with a single unwrap request.
    let (kms, context) = (Arc::new(Kms::new([])), EncryptionContext::empty());
    let ring = given::remote(Cached::new(kms.clone(), 60 * SECOND, 100));
    let row = ring.seal_async(&"sk".into(), &context).await.unwrap();
    assert!(ring.open(&row, &context).is_err());
    assert!(ring.open_async(&row, &context).await.is_ok());
    assert!(ring.open(&row, &context).is_ok());
    assert_eq!(kms.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_measured_provider_counts_by_operation_and_outcome() {
    let mut kms = Kms::new([ProviderErrorKind::Throttled, ProviderErrorKind::Denied]);
    kms.wait = SECOND;
    let figures = Arc::new(Mutex::new(Figures::new()));
    let measured = Measured { inner: kms, figures: figures.clone() };
    let (ring, context) = (given::remote(measured), EncryptionContext::empty());
    for _ in 0..2 {
        assert!(ring.seal_async(&"sk".into(), &context).await.is_err());
    }
    let row = ring.seal_async(&"sk".into(), &context).await.unwrap();
    for _ in 0..3 {
        ring.open_async(&row, &context).await.unwrap();
    }
    let counted: Vec<_> = figures.lock().unwrap().iter().map(|(&label, &(calls, _))| (label, calls)).collect();
    let expected = [(("unwrap", "ok"), 3), (("wrap", "denied"), 1), (("wrap", "ok"), 1), (("wrap", "throttled"), 1)];
    assert_eq!(counted, expected);
    let (_, time) = figures.lock().unwrap()[&("unwrap", "ok")];
    assert!((3000..3010).contains(&time.as_millis()), "{time:?}");
}

#[tokio::test]
async fn every_decorator_forwards_every_method() {
    let figures = Arc::new(Mutex::new(Figures::new()));
    let measured = |inner| Measured { inner, figures: figures.clone() };
    let reports = [
        check_decorator(patient).await,
        check_decorator(|probe| Cached::new(probe, 60 * SECOND, 100)).await,
        check_decorator(measured).await,
        check_decorator(|probe| Cached::new(measured(probe), 60 * SECOND, 100)).await,
    ];
    for report in reports {
        assert!(report.is_ok(), "{report}");
        assert_eq!((report.passed(), report.not_run()), (8, 0), "{report}");
    }
    // Each operation has a label. One row of each batch failed, and the batch has the outcome of that row.
    let labels: Vec<_> = figures.lock().unwrap().keys().copied().collect();
    let expected = [
        ("check", "disabled"),
        ("check", "ok"),
        ("unwrap", "disabled"),
        ("unwrap", "ok"),
        ("unwrap_batch", "disabled"),
        ("wrap", "disabled"),
        ("wrap", "ok"),
        ("wrap_batch", "disabled"),
    ];
    assert_eq!(labels, expected);
}

#[tokio::test]
async fn decorators_work_around_each_other() {
    let kms = Arc::new(Kms::new([ProviderErrorKind::Throttled]));
    let figures = Arc::new(Mutex::new(Figures::new()));
    let measured = Measured { inner: patient(kms.clone()), figures: figures.clone() };
    let ring = given::remote(Cached::new(measured, 60 * SECOND, 100));
    let context = EncryptionContext::empty();
    let row = ring.seal_async(&"sk".into(), &context).await.unwrap();
    for _ in 0..3 {
        ring.open_async(&row, &context).await.unwrap();
    }
    assert_eq!(ring.rewrap_async(&row).await.unwrap(), None);
    let figures = figures.lock().unwrap();
    assert_eq!((figures[&("wrap", "ok")].0, figures[&("unwrap", "ok")].0, kms.calls()), (1, 1, 3));
}

/// A key service on this thread that reverses bytes.
///
/// Its future is not `Send`, like the futures of JavaScript promises.
struct Fetch;

async fn fetch(body: &[u8]) -> Vec<u8> {
    let held = std::rc::Rc::new(body);
    tokio::task::yield_now().await;
    held.iter().rev().copied().collect()
}

impl KeyWrapper for Fetch {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(SendWrapper::new(async move { Ok(fetch(request.data_key().expose_secret()).await) }))
    }
}

impl MasterKeyProvider for Fetch {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(SendWrapper::new(
            async move { Ok(DataKey::from_bytes(&mut fetch(request.body()).await)?) },
        ))
    }
}

#[tokio::test]
async fn a_provider_over_futures_that_are_not_send_seals_and_opens() {
    let (ring, context) = (given::remote(Fetch), EncryptionContext::empty());
    let row = ring.seal_async(&"sk".into(), &context).await.unwrap();
    assert!(ring.open_async(&row, &context).await.unwrap().expose_str() == Ok("sk"));
}

#[tokio::test]
async fn a_key_is_promoted_when_every_process_has_it() {
    let Some((db, _)) = database().await else { return };
    sqlx::raw_sql(include_str!("../../src/fleet.sql")).execute(&db).await.unwrap();
    let (old, new) = (given::key(), given::key());
    let before = given::ring(&format!("primary old {old}"));
    let announced = given::ring(&format!("primary old {old}; retired new {new}"));
    let promoted = given::ring(&format!("primary new {new}; retired old {old}"));
    let ready = async || is_ready(&db, &announced, &promoted, 3).await.unwrap();

    assert!(!ready().await, "no process has reported");
    report(&db, "web-1", &announced).await.unwrap();
    report(&db, "web-2", &announced).await.unwrap();
    assert!(!ready().await, "one process has not reported");
    report(&db, "worker", &before).await.unwrap();
    assert!(!ready().await, "one process has the old text");
    report(&db, "worker", &promoted).await.unwrap();
    assert!(ready().await);
    report(&db, "worker-2", &before).await.unwrap();
    assert!(!ready().await, "a fourth process has the old text");
    let gone = "UPDATE keyring_reports SET at = now() - interval '1 hour' WHERE process = 'worker-2'";
    sqlx::raw_sql(gone).execute(&db).await.unwrap();
    assert!(ready().await);
    report(&db, "worker-2", &before).await.unwrap();
    assert!(!ready().await, "the fourth process is back");

    // A process that died counts for three minutes, unless somebody deletes its row.
    sqlx::raw_sql("DELETE FROM keyring_reports WHERE process = 'worker-2'").execute(&db).await.unwrap();
    assert!(ready().await);
    sqlx::raw_sql("DELETE FROM keyring_reports WHERE process = 'worker'").execute(&db).await.unwrap();
    assert!(!ready().await, "the replacement process has not reported");
}
