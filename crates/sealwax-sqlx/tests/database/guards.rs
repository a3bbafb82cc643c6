//! What could end a job too early, stop it for good, or harm others who use the same connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError,
    ProviderErrorKind, ProviderFuture, UnwrapRequest, WrapRequest,
};
use sealwax_sqlx::{Job, Limits, Options, PlanError, RowContext, Table, TableError, WorkError, install};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, query, query_scalar, raw_sql};
use tokio::time::timeout;

use crate::given::{key, ring};
use crate::server::{database, empty};

async fn table(db: &PgPool, ring: &Keyring, rows: i32) -> Table {
    raw_sql("CREATE TABLE credentials (id int PRIMARY KEY, born date, envelope bytea)").execute(db).await.unwrap();
    for id in 1..=rows {
        let envelope = ring.seal(&"s3cret".into(), &EncryptionContext::empty()).unwrap();
        let insert = query("INSERT INTO credentials (id, envelope) VALUES ($1, $2)").bind(id);
        insert.bind(envelope.as_bytes()).execute(db).await.unwrap();
    }
    find(db, "credentials").await.unwrap()
}

async fn find(db: &PgPool, name: &str) -> Result<Table, TableError> {
    Table::find(&mut db.acquire().await.unwrap(), "public", name, &[], "envelope").await
}

async fn plan(db: &PgPool, table: &Table, ring: &Keyring, options: &Options) -> Job {
    let connection = &mut *db.acquire().await.unwrap();
    Job::plan_rotation(connection, table, ring, ring.primary().unwrap(), options).await.unwrap()
}

fn rings() -> (Keyring, Keyring) {
    let (a, b) = (key(), key());
    (ring(&format!("primary a {a}")), ring(&format!("primary b {b}; retired a {a}")))
}

#[tokio::test]
async fn a_worker_that_waits_for_a_lock_leaves_no_transaction_behind() {
    let Some(db) = database().await else { return };
    let (old, new) = rings();
    let table = table(&db, &old, 20).await;
    let job = plan(&db, &table, &new, &Options::default()).await;
    let number = i32::try_from(job.id()).unwrap();
    let mut replacing = db.begin().await.unwrap();
    let lock = query("SELECT pg_advisory_xact_lock(1937208183, $1)").bind(number);
    lock.execute(&mut *replacing).await.unwrap();

    let options = db.connect_options().as_ref().clone();
    let one = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    // First it times out several times, and then its future is dropped.
    let limits = Limits { lock: Duration::from_millis(100), ..Limits::default() };
    assert!(timeout(Duration::from_millis(550), job.work(&one, &new, &limits, |_| {})).await.is_err());
    let is_as_before = "SELECT current_setting('lock_timeout') = '0'";
    assert!(query_scalar::<_, bool>(is_as_before).fetch_one(&one).await.unwrap());
    query("CREATE TABLE kept ()").execute(&one).await.unwrap();
    one.close().await;
    query("SELECT FROM kept").fetch_all(&db).await.unwrap();

    replacing.rollback().await.unwrap();
    assert_eq!(job.work(&db, &new, &limits, |_| {}).await.unwrap().changed, 20);
}

#[tokio::test]
async fn one_bad_row_alone_does_not_stop_a_job() {
    let Some(db) = database().await else { return };
    let (old, new) = rings();
    let table = table(&db, &old, 1).await;
    query("UPDATE credentials SET envelope = 'SW' || '\\x02'::bytea").execute(&db).await.unwrap();
    let job = plan(&db, &table, &new, &Options::default()).await;
    let done = job.work(&db, &new, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.changed, done.failed), (0, 1));
}

#[tokio::test]
async fn a_row_that_the_database_refuses_is_recorded_and_blocks_nothing() {
    let Some(db) = database().await else { return };
    let (old, new) = rings();
    let table = table(&db, &old, 100).await;
    raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'tenant % is archived', OLD.id; END $$;
         CREATE TRIGGER archived BEFORE UPDATE ON credentials FOR EACH ROW WHEN (OLD.id IN (7, 77)) EXECUTE FUNCTION refuse();",
    )
    .execute(&db)
    .await
    .unwrap();
    let job = plan(&db, &table, &new, &Options { page: 30, ..Options::default() }).await;
    let done = job.work(&db, &new, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.rows, done.changed, done.failed), (100, 98, 2));
    let failures = job.failures(&mut db.acquire().await.unwrap()).await.unwrap();
    assert_eq!((failures.len(), failures[0].name.as_str()), (1, "database_refused"));
    assert_eq!(failures[0].keys, [["7"], ["77"]]);
    let details: Vec<String> = query_scalar("SELECT detail FROM sealwax.failures").fetch_all(&db).await.unwrap();
    assert!(details.iter().all(|detail| detail.ends_with("SQLSTATE P0001")), "{details:?}");
}

/// A deferred trigger says so only at the end of the transaction, and one for statements only if there are many rows.
#[tokio::test]
async fn triggers_that_refuse_late_or_many_rows_block_nothing() {
    let Some(db) = database().await else { return };
    let (old, new) = rings();
    let table = table(&db, &old, 100).await;
    raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'tenant % is archived', OLD.id; END $$;
         CREATE CONSTRAINT TRIGGER archived AFTER UPDATE ON credentials DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW WHEN (OLD.id IN (7, 77)) EXECUTE FUNCTION refuse();
         CREATE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF (SELECT count(*) FROM new) > 9 THEN RAISE EXCEPTION 'too many'; END IF; RETURN NULL; END $$;
         CREATE TRIGGER many AFTER UPDATE ON credentials REFERENCING NEW TABLE AS new
             FOR EACH STATEMENT EXECUTE FUNCTION refuse_many();",
    )
    .execute(&db)
    .await
    .unwrap();
    let job = plan(&db, &table, &new, &Options { page: 30, ..Options::default() }).await;
    let done = job.work(&db, &new, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.rows, done.changed, done.failed), (100, 98, 2));
    let failures = job.failures(&mut db.acquire().await.unwrap()).await.unwrap();
    assert_eq!(failures[0].keys, [["7"], ["77"]]);
}

/// The pages before it are in the same transaction, so nobody has counted them yet.
#[tokio::test]
async fn a_page_that_nobody_opens_does_not_stop_a_job_in_which_others_succeed() {
    let Some(db) = database().await else { return };
    let (old, new) = (ring(&format!("primary a {}", key())), ring(&format!("primary b {}", key())));
    let table = table(&db, &new, 60).await;
    let job = plan(&db, &table, &new, &Options { page: 20, ranges: 1, ..Options::default() }).await;
    // A process with an old keyring has sealed these meanwhile.
    for id in 41..=60 {
        let envelope = old.seal(&"s3cret".into(), &EncryptionContext::empty()).unwrap();
        let update = query("UPDATE credentials SET envelope = $2 WHERE id = $1").bind(id);
        update.bind(envelope.as_bytes()).execute(&db).await.unwrap();
    }
    let done = job.work(&db, &new, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.rows, done.current, done.failed), (60, 40, 20));
    assert!(job.status(&mut db.acquire().await.unwrap()).await.unwrap().is_finished);
}

#[tokio::test]
async fn a_worker_that_does_not_see_every_row_fails() {
    let Some((db, options)) = empty().await else { return };
    install(&mut db.acquire().await.unwrap()).await.unwrap();
    let (old, new) = rings();
    let table = table(&db, &old, 10).await;
    let job = plan(&db, &table, &new, &Options::default()).await;
    let role = format!("worker_{}", options.get_database().unwrap());
    raw_sql(sqlx::AssertSqlSafe(format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'test'; GRANT SELECT, UPDATE ON credentials TO {role};
         GRANT USAGE ON SCHEMA sealwax TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sealwax TO {role};
         ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
         CREATE POLICY visible ON credentials USING (id > 5);"
    )))
    .execute(&db)
    .await
    .unwrap();
    let worker = PgPoolOptions::new().connect_with(options.username(&role).password("test")).await.unwrap();
    let refused = job.work(&worker, &new, &Limits::default(), |_| {}).await;
    assert!(matches!(refused, Err(WorkError::Database(_))), "{refused:?}");
    assert!(!job.status(&mut db.acquire().await.unwrap()).await.unwrap().is_finished);
    raw_sql("DROP POLICY visible ON credentials; ALTER TABLE credentials DISABLE ROW LEVEL SECURITY")
        .execute(&db)
        .await
        .unwrap();
    assert_eq!(job.work(&worker, &new, &Limits::default(), |_| {}).await.unwrap().changed, 10);
}

#[tokio::test]
async fn tables_and_columns_that_would_lose_rows_are_refused() {
    let Some(db) = database().await else { return };
    let (old, new) = rings();
    let table = table(&db, &old, 3).await;
    let context = RowContext::new([("born", "{born}")]).unwrap();
    let connection = &mut *db.acquire().await.unwrap();
    let refused = Job::plan_audit(connection, &table, &old, &context, &Options::default()).await;
    let is_refused =
        |error: &PlanError| matches!(error, PlanError::Table(TableError::Type { found, .. }) if found == "date");
    assert!(refused.as_ref().is_err_and(is_refused), "{refused:?}");

    let job = plan(&db, &table, &new, &Options::default()).await;
    query("ALTER TABLE credentials ALTER id TYPE text").execute(&db).await.unwrap();
    let changed = Job::load(connection, job.id()).await;
    assert!(matches!(changed, Err(PlanError::KeyChanged { .. })), "{changed:?}");

    query("CREATE TABLE child () INHERITS (credentials)").execute(&db).await.unwrap();
    assert!(matches!(find(&db, "credentials").await, Err(TableError::Inherited { .. })));
}

/// A key whose service lets us encrypt, but not decrypt.
///
/// It decrypts once, when a worker begins.
#[derive(Debug)]
struct OneWay(MasterKey, AtomicBool);

impl KeyWrapper for OneWay {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }
}

impl MasterKeyProvider for OneWay {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        if !self.1.swap(true, Ordering::SeqCst) {
            return self.0.unwrap_key(request);
        }
        ProviderFuture::boxed(async { Err(ProviderErrorKind::Denied.into()) })
    }
}

#[tokio::test]
async fn a_key_that_does_not_unwrap_what_it_wraps_replaces_nothing() {
    let Some(db) = database().await else { return };
    let a = key();
    let table = table(&db, &ring(&format!("primary a {a}")), 5).await;
    let one_way =
        Keyring::new("b".parse().unwrap(), OneWay(MasterKey::generate().unwrap(), AtomicBool::new(false))).unwrap();
    let one_way = one_way.with_retired("a".parse().unwrap(), a.parse::<MasterKey>().unwrap()).unwrap();
    let (leaked, primary) = ("a".parse().unwrap(), "b".parse().unwrap());
    let context = RowContext::new([("", ""); 0]).unwrap();
    let connection = &mut *db.acquire().await.unwrap();
    let options = Options::default();
    let job = Job::plan_reseal(connection, &table, &one_way, &primary, &leaked, &context, &options).await.unwrap();
    assert_eq!(job.work(&db, &one_way, &Limits::default(), |_| {}).await.unwrap().changed, 0);
    let rows: Vec<Vec<u8>> = query_scalar("SELECT envelope FROM credentials").fetch_all(&db).await.unwrap();
    for row in rows {
        let ids: Vec<String> = Envelope::try_from(row).unwrap().key_ids().map(|id| id.to_string()).collect();
        assert_eq!(ids, ["a"]);
    }
}
