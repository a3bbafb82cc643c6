//! Keys at a service: which one it is, and what happens while it is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError,
    ProviderErrorKind, ProviderFuture, UnwrapRequest, WrapRequest,
};
use sealwax_import::Declaration;
use sealwax_sqlx::{Job, Limits, Options, PlanError, RowContext, Table, WorkError};
use sqlx::{PgPool, query, query_scalar, raw_sql};

use crate::given::key;
use crate::server::database;

/// A key at a service, which is down for the next calls.
#[derive(Clone, Debug)]
struct Service(Arc<MasterKey>, Arc<AtomicU32>);

impl Service {
    fn new() -> Self {
        Self(Arc::new(MasterKey::generate().unwrap()), Arc::default())
    }

    fn down_for(&self, calls: u32) {
        self.1.store(calls, Ordering::SeqCst);
    }

    fn reply(&self) -> Result<(), ProviderError> {
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
