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
