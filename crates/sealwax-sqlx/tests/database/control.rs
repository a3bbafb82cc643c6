//! What a person does with jobs: plans another one beside them, cancels them, resumes them.

use std::time::Duration;

use sealwax::{EncryptionContext, Keyring};
use sealwax_import::Declaration;
use sealwax_sqlx::{Job, Limits, Options, PlanError, RowContext, Status, Table, WorkError};
use sqlx::{PgConnection, PgPool, query, raw_sql};
use tokio::time::{sleep, timeout};

use crate::given::{key, ring};
use crate::server::database;

/// Returns the table, and a keyring that rotates it.
async fn table(db: &PgPool, rows: i32) -> (Table, Keyring) {
    let (a, b) = (key(), key());
    let (old, new) = (ring(&format!("primary a {a}")), ring(&format!("primary b {b}; retired a {a}")));
    raw_sql("CREATE TABLE credentials (id int PRIMARY KEY, envelope bytea)").execute(db).await.unwrap();
    for id in 1..=rows {
        let envelope = old.seal(&"s3cret".into(), &EncryptionContext::empty()).unwrap();
        let insert = query("INSERT INTO credentials VALUES ($1, $2)").bind(id).bind(envelope.as_bytes());
        insert.execute(db).await.unwrap();
    }
    let table = Table::find(&mut db.acquire().await.unwrap(), "public", "credentials", &[], "envelope").await.unwrap();
    (table, new)
}

const KINDS: [&str; 5] = ["rotate", "reseal", "import", "verify", "audit"];

async fn plan(
    db: &mut PgConnection,
    kind: &str,
    table: &Table,
    ring: &Keyring,
    options: &Options,
) -> Result<Job, PlanError> {
    let primary = ring.primary().unwrap();
    let context = RowContext::new([("", ""); 0]).unwrap();
    match kind {
        "rotate" => Job::plan_rotation(db, table, ring, primary, options).await,
        "reseal" => {
            let leaked = "a".parse().unwrap();
            Job::plan_reseal(db, table, ring, primary, &leaked, &context, options).await
        }
        "import" => {
            let declaration = "cell envelope = {iv12:hex}:{tag:hex}:{ct:hex}\nkey as base64";
            let declaration: Declaration = declaration.parse().unwrap();
            Job::plan_import(db, table, ring, primary, &declaration, &context, false, options).await
        }
        "verify" => Job::plan_verification(db, table, ring, options).await,
        _ => Job::plan_audit(db, table, ring, &context, options).await,
    }
}

async fn status(job: &Job, db: &PgPool) -> Status {
    job.status(&mut db.acquire().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn of_the_jobs_that_write_a_column_has_one() {
    let Some(db) = database().await else { return };
    let (table, ring) = table(&db, 3).await;
    let connection = &mut *db.acquire().await.unwrap();
    for first in KINDS {
        for second in KINDS {
            for replace in [false, true] {
                query("UPDATE sealwax.jobs SET finished_at = now()").execute(&mut *connection).await.unwrap();
                let job = plan(connection, first, &table, &ring, &Options::default()).await.unwrap();
                let options = Options { replace, ..Options::default() };
                let planned = plan(connection, second, &table, &ring, &options).await;
                let writes = |kind| ["rotate", "reseal", "import"].contains(&kind);
                let excludes = if first == second { !replace } else { writes(first) && writes(second) };
                let is_excluded = matches!(planned, Err(PlanError::Unfinished { job: of, .. }) if of == job.id());
                assert_eq!(is_excluded, excludes, "{first} {second} {replace}: {planned:?}");
                assert!(is_excluded || planned.is_ok(), "{first} {second} {replace}: {planned:?}");
                let is_replaced = status(&job, &db).await.replaced_by.is_some();
                assert_eq!(is_replaced, first == second && replace, "{first} {second} {replace}");
            }
        }
    }
    // Two that are planned at once do not see each other.
    query("UPDATE sealwax.jobs SET finished_at = now()").execute(&mut *connection).await.unwrap();
    let job = plan(connection, "import", &table, &ring, &Options::default()).await.unwrap();
    let copy = "INSERT INTO sealwax.jobs (kind, table_schema, table_name, key_columns, key_types, envelope_column,
            takes_suspicious, is_dry_run, fingerprint, witness, rows_expected, page)
        SELECT 'rotate', table_schema, table_name, key_columns, key_types, envelope_column,
            takes_suspicious, is_dry_run, fingerprint, witness, rows_expected, page FROM sealwax.jobs WHERE id = $1";
    assert!(query(copy).bind(job.id()).execute(&mut *connection).await.is_err());
}

#[tokio::test]
async fn a_cancelled_job_ends_after_the_page_in_progress() {
    let Some(db) = database().await else { return };
    let (table, ring) = table(&db, 60).await;
    let connection = &mut *db.acquire().await.unwrap();
    let options = Options { page: 20, ranges: 1, ..Options::default() };
    let job = plan(connection, "rotate", &table, &ring, &options).await.unwrap();

    // A page in progress, as far as other connections can see.
    let mut page = db.begin().await.unwrap();
    let share = "SELECT pg_advisory_xact_lock_shared(1937208183, $1::int8::int4)";
    query(share).bind(job.id()).execute(&mut *page).await.unwrap();
    let cancel = async {
        Job::cancel(&mut db.acquire().await.unwrap(), job.id()).await.unwrap();
    };
    tokio::pin!(cancel);
    assert!(timeout(Duration::from_millis(300), &mut cancel).await.is_err());
    assert!(!status(&job, &db).await.is_finished);
    page.commit().await.unwrap();
    cancel.await;

    let ended = job.work(&db, &ring, &Limits::default(), |_| {}).await;
    assert!(matches!(ended, Err(WorkError::Cancelled)), "{ended:?}");
    job.resume(connection).await.unwrap();
    let ended = job.work(&db, &ring, &Limits::default(), |_| {}).await;
    assert!(matches!(ended, Err(WorkError::Cancelled)), "{ended:?}");
    let status = status(&job, &db).await;
    assert_eq!((status.rows, status.is_finished, status.is_cancelled), (0, true, true));

    // The column is free again.
    let other = plan(connection, "reseal", &table, &ring, &options).await.unwrap();
    other.work(&db, &ring, &Limits::default(), |_| {}).await.unwrap();
    Job::cancel(connection, other.id()).await.unwrap();
    let status = other.status(connection).await.unwrap();
    assert_eq!((status.changed, status.is_finished, status.is_cancelled), (60, true, false));
    let none = Job::cancel(connection, 99).await;
    assert!(matches!(none, Err(PlanError::NoJob { job: 99, .. })), "{none:?}");
}

#[tokio::test]
async fn a_worker_sees_that_its_job_is_cancelled_and_its_table_need_not_exist() {
    let Some(db) = database().await else { return };
    let (table, ring) = table(&db, 60).await;
    let connection = &mut *db.acquire().await.unwrap();
    let options = Options { page: 20, ranges: 1, rows_per_second: Some(20), ..Options::default() };
    let job = plan(connection, "rotate", &table, &ring, &options).await.unwrap();
    let limits = Limits::default();
    let (ended, ()) = tokio::join!(job.work(&db, &ring, &limits, |_| {}), async {
        while status(&job, &db).await.rows == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        Job::cancel(&mut db.acquire().await.unwrap(), job.id()).await.unwrap();
    });
    assert!(matches!(ended, Err(WorkError::Cancelled)), "{ended:?}");
    assert_eq!(status(&job, &db).await.rows, 20);

    let job = plan(connection, "verify", &table, &ring, &options).await.unwrap();
    query("DROP TABLE credentials").execute(&mut *connection).await.unwrap();
    assert!(Job::load(connection, job.id()).await.is_err());
    Job::cancel(connection, job.id()).await.unwrap();
    assert_eq!(Job::unfinished(connection).await.unwrap(), [0_i64; 0]);
}

#[tokio::test]
async fn a_resumed_job_stops_again_only_after_as_many_new_failures() {
    let Some(db) = database().await else { return };
    let (table, ring) = table(&db, 40).await;
    let damage = "UPDATE credentials SET envelope = 'damaged' WHERE id IN (1, 2, 3, 11, 21, 31)";
    query(damage).execute(&db).await.unwrap();
    let connection = &mut *db.acquire().await.unwrap();
    let options = Options { page: 10, ranges: 1, stop_after: Some(3), ..Options::default() };
    let job = plan(connection, "rotate", &table, &ring, &options).await.unwrap();
    for (rows, failed) in [(10, 3), (40, 6)] {
        let stopped = job.work(&db, &ring, &Limits::default(), |_| {}).await;
        assert!(matches!(stopped, Err(WorkError::Stopped { .. })), "{stopped:?}");
        let status = status(&job, &db).await;
        assert_eq!((status.rows, status.failed), (rows, failed));
        job.resume(connection).await.unwrap();
    }
    job.work(&db, &ring, &Limits::default(), |_| {}).await.unwrap();
    let status = status(&job, &db).await;
    assert_eq!((status.changed, status.failed, status.is_finished), (34, 6, true));
}
