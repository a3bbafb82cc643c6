//! Keys at a service: which one it is, and what happens while it is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyId, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError,
    ProviderErrorKind, ProviderFuture, UnwrapRequest, WrapRequest,
};
use sealwax_import::Declaration;
use sealwax_sqlx::{Job, Limits, Options, PlanError, RowContext, Table, WorkError};
use sqlx::{PgPool, query, query_scalar, raw_sql};
use tokio::time::{sleep, timeout};

use crate::given::key;
use crate::server::database;

/// A key at a service, which is down for the next calls.
#[derive(Clone, Debug)]
struct Service(Arc<MasterKey>, Arc<AtomicU32>, Arc<AtomicBool>);

impl Service {
    fn new() -> Self {
        Self(Arc::new(MasterKey::generate().unwrap()), Arc::default(), Arc::default())
    }

    fn down_for(&self, calls: u32) {
        self.1.store(calls, Ordering::SeqCst);
    }

    /// From now on, it does not do what it is asked.
    fn refuse(&self) {
        self.2.store(true, Ordering::SeqCst);
    }

    fn reply(&self) -> Result<(), ProviderError> {
        if self.2.load(Ordering::SeqCst) {
            return Err(ProviderErrorKind::Denied.into());
        }
        let left = self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { Err(ProviderErrorKind::Unavailable.into()) } else { Ok(()) }
    }
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.reply()?;
            self.0.wrap_key(request).await
        })
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.reply()?;
            self.0.unwrap_key(request).await
        })
    }
}

/// Returns a keyring with this service as its primary, an escrow key, and the key of the rows.
fn ring(primary: Service, escrow: Service, rows: &str) -> Keyring {
    let ring = Keyring::new("kms/b".parse().unwrap(), primary).unwrap();
    let ring = ring.with_escrow("kms/e".parse().unwrap(), escrow).unwrap();
    ring.with_retired("a".parse().unwrap(), rows.parse::<MasterKey>().unwrap()).unwrap()
}

async fn table(db: &PgPool, key: &str, rows: i32) -> Table {
    raw_sql("CREATE TABLE credentials (id int PRIMARY KEY, envelope bytea)").execute(db).await.unwrap();
    let old: Keyring = format!("primary a {key}").parse().unwrap();
    for id in 1..=rows {
        let envelope = old.seal(&"s3cret".into(), &EncryptionContext::empty()).unwrap();
        let insert = query("INSERT INTO credentials VALUES ($1, $2)").bind(id).bind(envelope.as_bytes());
        insert.execute(db).await.unwrap();
    }
    Table::find(&mut db.acquire().await.unwrap(), "public", "credentials", &[], "envelope").await.unwrap()
}

async fn plan(db: &PgPool, table: &Table, ring: &Keyring) -> Job {
    let options = Options { page: 20, ranges: 1, ..Options::default() };
    let connection = &mut *db.acquire().await.unwrap();
    Job::plan_rotation(connection, table, ring, ring.primary().unwrap(), &options).await.unwrap()
}

/// Returns how many rows have a wrap for the new primary.
async fn rotated(db: &PgPool) -> i64 {
    let count = "SELECT count(*) FROM credentials WHERE sealwax.head(envelope) LIKE '%=kms/b,%'";
    query_scalar(count).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn a_worker_with_another_service_behind_the_same_id_writes_nothing() {
    let Some(db) = database().await else { return };
    let key = key();
    let table = table(&db, &key, 30).await;
    let (primary, escrow) = (Service::new(), Service::new());
    let real = ring(primary.clone(), escrow.clone(), &key);
    let job = plan(&db, &table, &real).await;
    for other in [
        ring(Service::new(), Service::new(), &key),
        ring(Service::new(), escrow.clone(), &key),
        ring(primary.clone(), Service::new(), &key),
    ] {
        assert_eq!(real.fingerprint(), other.fingerprint());
        let refused = job.work(&db, &other, &Limits::default(), |_| {}).await;
        assert!(matches!(refused, Err(WorkError::Witness { .. })), "{refused:?}");
        assert_eq!(rotated(&db).await, 0);
    }
    assert_eq!(job.work(&db, &real, &Limits::default(), |_| {}).await.unwrap().changed, 30);
    assert_eq!(rotated(&db).await, 30);

    // The others that write have one too; those that only read have none.
    let connection = &mut *db.acquire().await.unwrap();
    let (context, options) = (RowContext::new([("id", "{id}")]).unwrap(), Options::default());
    let primary = real.primary().unwrap();
    let leaked = "a".parse().unwrap();
    let declaration: Declaration = "cell envelope = {iv12:hex}:{tag:hex}:{ct:hex}\nkey as base64".parse().unwrap();
    Job::plan_reseal(connection, &table, &real, primary, &leaked, &context, &options).await.unwrap();
    query("UPDATE sealwax.jobs SET finished_at = now()").execute(&db).await.unwrap();
    Job::plan_import(connection, &table, &real, primary, &declaration, &context, false, &options).await.unwrap();
    Job::plan_verification(connection, &table, &real, &options).await.unwrap();
    Job::plan_audit(connection, &table, &real, &context, &options).await.unwrap();
    let kinds = "SELECT kind FROM sealwax.jobs WHERE witness IS NOT NULL ORDER BY kind";
    let kinds: Vec<String> = query_scalar(kinds).fetch_all(&db).await.unwrap();
    assert_eq!(kinds, ["import", "reseal", "rotate"]);
    let witnesses = "SELECT witness FROM sealwax.jobs WHERE witness IS NOT NULL";
    let witnesses: Vec<Vec<u8>> = query_scalar(witnesses).fetch_all(&db).await.unwrap();
    for witness in witnesses {
        let opened = real.open_async(&Envelope::try_from(witness).unwrap(), &EncryptionContext::empty()).await;
        assert!(opened.is_err(), "a witness in the place of a row opens");
    }
}

#[tokio::test]
async fn a_worker_waits_for_its_key_service_before_it_begins() {
    let Some(db) = database().await else { return };
    let key = key();
    let table = table(&db, &key, 5).await;
    let primary = Service::new();
    let ring = ring(primary.clone(), Service::new(), &key);
    primary.down_for(u32::MAX);
    let options = Options::default();
    let connection = &mut *db.acquire().await.unwrap();
    let refused = Job::plan_rotation(connection, &table, &ring, ring.primary().unwrap(), &options).await;
    assert!(matches!(&refused, Err(PlanError::Witness { source, .. }) if source.is_transient()), "{refused:?}");
    primary.down_for(0);
    let job = plan(&db, &table, &ring).await;
    primary.down_for(u32::MAX);
    let limits = Limits { tries: 2, ..Limits::default() };
    let ended = job.work(&db, &ring, &limits, |_| {}).await;
    assert!(matches!(&ended, Err(WorkError::Witness { source, .. }) if source.is_transient()), "{ended:?}");
    primary.down_for(2);
    assert_eq!(job.work(&db, &ring, &limits, |_| {}).await.unwrap().changed, 5);
}

#[tokio::test]
async fn a_page_is_tried_again_until_the_key_service_is_up() {
    let Some(db) = database().await else { return };
    let key = key();
    let table = table(&db, &key, 60).await;
    // Damaged rows do not hide that the others fail.
    query("UPDATE credentials SET envelope = 'damaged' WHERE id IN (7, 27)").execute(&db).await.unwrap();
    let primary = Service::new();
    let ring = ring(primary.clone(), Service::new(), &key);
    let job = plan(&db, &table, &ring).await;

    // As if it went down after the worker began.
    query("UPDATE sealwax.jobs SET witness = NULL").execute(&db).await.unwrap();
    let job = Job::load(&mut db.acquire().await.unwrap(), job.id()).await.unwrap();
    primary.down_for(u32::MAX);
    let limits = Limits { tries: 2, ..Limits::default() };
    let ended = job.work(&db, &ring, &limits, |_| {}).await;
    let is_named = |id: &Option<KeyId>| id.as_ref().is_some_and(|id| id.as_ref() == "kms/b");
    assert!(matches!(&ended, Err(WorkError::KeyService { key_id, .. }) if is_named(key_id)), "{ended:?}");
    let status = job.status(&mut db.acquire().await.unwrap()).await.unwrap();
    assert_eq!((status.rows, status.failed, status.stopped_because), (0, 0, None));

    // It is down for two tries of a page of 19 rows and the damaged one.
    primary.down_for(38);
    let mut pages = Vec::new();
    job.work(&db, &ring, &limits, |page| pages.push((page.rows, page.changed, page.failed))).await.unwrap();
    assert_eq!(pages, [(20, 19, 1), (20, 19, 1), (20, 20, 0), (0, 0, 0)]);
}

/// As if the token of one worker had expired, while those of the others are good.
#[tokio::test]
async fn a_service_that_refuses_ends_its_worker_and_gives_up_no_row() {
    let Some(db) = database().await else { return };
    let key = key();
    let table = table(&db, &key, 60).await;
    let primary = Service::new();
    let ring = ring(primary.clone(), Service::new(), &key);
    let job = plan(&db, &table, &ring).await;
    let limits = Limits { tries: 1, ..Limits::default() };
    // The first page succeeds.
    let ended = job.work(&db, &ring, &limits, |_| primary.refuse()).await;
    assert!(matches!(&ended, Err(WorkError::Witness { .. })), "{ended:?}");
    let connection = &mut *db.acquire().await.unwrap();
    let status = job.status(connection).await.unwrap();
    assert_eq!((status.rows, status.changed, status.failed, status.stopped_because), (20, 20, 0, None));

    // A worker without a witness does not try for ever either, and a person may say that the rows are lost.
    query("UPDATE sealwax.jobs SET witness = NULL").execute(&db).await.unwrap();
    let job = Job::load(connection, job.id()).await.unwrap();
    let ended = job.work(&db, &ring, &limits, |_| {}).await;
    assert!(matches!(&ended, Err(WorkError::KeyService { .. })), "{ended:?}");
    assert_eq!(job.status(connection).await.unwrap().failed, 0);
    job.resume(connection).await.unwrap();
    assert_eq!(job.work(&db, &ring, &limits, |_| {}).await.unwrap().failed, 40);
    assert!(job.status(connection).await.unwrap().is_finished);
}

#[tokio::test]
async fn jobs_of_every_kind_wait_for_the_key_service() {
    let Some(db) = database().await else { return };
    let (old, primary) = (key(), Service::new());
    let table = table(&db, &old, 20).await;
    let ring = ring(primary.clone(), Service::new(), &old);
    let job = plan(&db, &table, &ring).await;
    job.work(&db, &ring, &Limits::default(), |_| {}).await.unwrap();
    let only = Keyring::new("kms/b".parse().unwrap(), primary.clone()).unwrap();
    let connection = &mut *db.acquire().await.unwrap();
    let (context, options) = (RowContext::new([("", ""); 0]).unwrap(), Options { page: 20, ..Options::default() });
    let verification = Job::plan_verification(connection, &table, &only, &options).await.unwrap();
    let audit = Job::plan_audit(connection, &table, &only, &context, &options).await.unwrap();
    for job in [verification, audit] {
        primary.down_for(20);
        let done = job.work(&db, &only, &Limits::default(), |_| {}).await.unwrap();
        assert_eq!((done.current, done.failed), (20, 0));
    }
    // With one success, the others are recorded, and tried again at the end.
    let audit = Job::plan_audit(connection, &table, &only, &context, &options).await.unwrap();
    primary.down_for(19);
    let done = audit.work(&db, &only, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.current, done.failed), (20, 19));
}

#[tokio::test]
async fn a_few_rows_whose_key_is_not_there_do_not_stop_a_job() {
    let Some(db) = database().await else { return };
    let (old, gone) = (key(), Service::new());
    let table = table(&db, &old, 9).await;
    let primary = Service::new();
    let of_gone = ring(gone.clone(), gone.clone(), &old);
    let job = plan(&db, &table, &of_gone).await;
    job.work(&db, &of_gone, &Limits::default(), |_| {}).await.unwrap();
    gone.down_for(u32::MAX);
    let next = Keyring::new("kms/c".parse().unwrap(), primary).unwrap();
    let next = next.with_retired("kms/b".parse().unwrap(), gone.clone()).unwrap();
    let next = next.with_retired("kms/e".parse().unwrap(), gone).unwrap();
    let job = plan(&db, &table, &next).await;
    let limits = Limits { tries: 1, ..Limits::default() };
    let is_recorded = async {
        while job.status(&mut db.acquire().await.unwrap()).await.unwrap().rows == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        Job::cancel(&mut db.acquire().await.unwrap(), job.id()).await.unwrap();
    };
    let is_recorded = timeout(Duration::from_secs(20), is_recorded);
    let (ended, is_recorded) = tokio::join!(job.work(&db, &next, &limits, |_| {}), is_recorded);
    is_recorded.unwrap();
    assert!(matches!(ended, Err(WorkError::Cancelled)), "{ended:?}");
    assert_eq!(job.status(&mut db.acquire().await.unwrap()).await.unwrap().failed, 9);
}
