//! Rotations with an escrow that the workers wrap for and cannot open with.

use sealwax::{
    EncryptionContext, Envelope, KeyId, KeyState, KeyWrapper, Keyring, MasterKey, OpeningKey, ProviderError,
    ProviderFuture, Sealer, WrapRequest,
};
use sealwax_sqlx::{Job, Limits, Options, PlanError, Table, WorkError};
use sqlx::{PgPool, query, query_scalar, raw_sql};

use crate::given::{key, ring};
use crate::server::database;

fn id(id: &str) -> KeyId {
    id.parse().unwrap()
}

fn seal(ring: &Keyring) -> Envelope {
    ring.seal(&"s3cret".into(), &EncryptionContext::empty()).unwrap()
}

async fn table(db: &PgPool, rows: impl IntoIterator<Item = Envelope>) -> Table {
    raw_sql("CREATE TABLE credentials (id serial PRIMARY KEY, envelope bytea)").execute(db).await.unwrap();
    for row in rows {
        let insert = query("INSERT INTO credentials (envelope) VALUES ($1)").bind(row.as_bytes().to_vec());
        insert.execute(db).await.unwrap();
    }
    Table::find(&mut db.acquire().await.unwrap(), "public", "credentials", &[], "envelope").await.unwrap()
}

async fn plan(db: &PgPool, table: &Table, ring: &Keyring) -> Result<Job, PlanError> {
    let connection = &mut *db.acquire().await.unwrap();
    Job::plan_rotation(connection, table, ring, ring.primary().unwrap(), &Options::default()).await
}

#[tokio::test]
async fn a_rotation_keeps_it() {
    let Some(db) = database().await else { return };
    let (old, in_the_safe) = (key(), OpeningKey::generate().unwrap());
    let sealing_key = in_the_safe.sealing_key().to_text();
    let escrow = format!("escrow eu-dr {}", sealing_key.expose_str().unwrap());
    let before = ring(&format!("primary prod-1 {old}; {escrow}"));
    let table = table(&db, (0..30).map(|_| seal(&before))).await;

    let after = ring(&format!("primary prod-2 {}; retired prod-1 {old}; {escrow}", key()));
    let job = plan(&db, &table, &after).await.unwrap();
    assert_eq!(job.work(&db, &after, &Limits::default(), |_| {}).await.unwrap().changed, 30);

    let safe = Keyring::opening_only().with_escrow(id("eu-dr"), in_the_safe).unwrap();
    let rows: Vec<Vec<u8>> = query_scalar("SELECT envelope FROM credentials").fetch_all(&db).await.unwrap();
    for row in rows {
        let row = Envelope::try_from(row).unwrap();
        assert!(row.key_ids().eq([id("prod-2"), id("eu-dr")]), "{row}");
        assert_eq!(safe.open(&row, &EncryptionContext::empty()).unwrap().expose_str(), Ok("s3cret"));
    }
}

#[tokio::test]
async fn rows_that_nothing_else_opens_are_not_given_up() {
    let Some(db) = database().await else { return };
    let (sealing_key, text) = {
        let key = OpeningKey::generate().unwrap().sealing_key();
        let text = key.to_text();
        (key, text)
    };
    let writer = Sealer::new(id("eu-dr"), sealing_key).unwrap();
    let row = writer.seal(&"s3cret".into(), &EncryptionContext::empty()).unwrap();
    let table = table(&db, [row]).await;
    let ring = ring(&format!("primary prod-1 {}; escrow eu-dr {}", key(), text.expose_str().unwrap()));
    let refused = plan(&db, &table, &ring).await.unwrap_err();
    let says = "the keyring cannot open every row, or lacks keys: eu-dr";
    assert!(refused.to_string().starts_with(says), "{refused}");
    let PlanError::NotOpened { keys, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(keys, [(id("eu-dr"), Some(KeyState::OfflineEscrow))]);
}

/// A key at a service that draws something for each wrap, which an offline escrow must not do.
#[derive(Debug)]
struct Draws;

impl KeyWrapper for Draws {
    fn wrap_key<'a>(&'a self, _: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async {
            let drawn = MasterKey::generate().unwrap().to_text();
            Ok(drawn.expose_str().unwrap().as_bytes().to_vec())
        })
    }
}

/// A damaged row is no reason to stop a job, so whoever reads that it stopped would look in the wrong place.
#[tokio::test]
async fn a_job_names_the_fault_that_stops_it_and_not_a_damaged_row_before_it() {
    let Some(db) = database().await else { return };
    let ring = Keyring::new(id("prod-2"), MasterKey::generate().unwrap()).unwrap();
    let old = MasterKey::generate().unwrap().to_text();
    let old = || old.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let before = Keyring::new(id("prod-1"), old()).unwrap();
    let ring = ring.with_retired(id("prod-1"), old()).unwrap().with_offline_escrow(id("eu-dr"), Draws).unwrap();
    let table = table(&db, (0..5).map(|_| seal(&before))).await;
    query("UPDATE credentials SET envelope = 'damaged' WHERE id = 1").execute(&db).await.unwrap();

    let job = plan(&db, &table, &ring).await.unwrap();
    let stopped = job.work(&db, &ring, &Limits::default(), |_| {}).await;
    let names = |because: &str| because.contains("eu-dr");
    assert!(matches!(&stopped, Err(WorkError::Stopped { because, .. }) if names(because)), "{stopped:?}");
    let status = job.status(&mut db.acquire().await.unwrap()).await.unwrap();
    assert!(status.stopped_because.as_deref().is_some_and(names), "{status:?}");
}
