//! The SQL of `sealwax-tenants` for PostgreSQL: changes that race, the fence, rotation, and writers that cannot read.

mod drill;
mod fence;
mod rotation;
mod writers;

use std::convert::Infallible;

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{Created, TenantId, TenantKeyId, TenantKeys, TenantRecord, TenantState, Tombstone};
use sqlx::{PgExecutor, PgPool, query, query_as, query_scalar, raw_sql};

use crate::server;

const CREDENTIALS: &str = "CREATE TABLE credentials (
    id bigint GENERATED ALWAYS AS IDENTITY, tenant text NOT NULL, envelope text NOT NULL, PRIMARY KEY (tenant, id)
) PARTITION BY LIST (tenant)";

/// Makes the tables in an empty database.
async fn tables() -> Option<PgPool> {
    let (db, _) = server::empty().await?;
    for _ in 0..2 {
        raw_sql(postgres::TABLES).execute(&db).await.unwrap();
    }
    raw_sql(CREDENTIALS).execute(&db).await.unwrap();
    raw_sql("CREATE TABLE others PARTITION OF credentials DEFAULT").execute(&db).await.unwrap();
    Some(db)
}

fn service() -> TenantKeys {
    let key = MasterKey::generate().unwrap();
    TenantKeys::new(Keyring::new("epoch-1".parse().unwrap(), key).unwrap(), [])
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn context(id: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", id)]).unwrap()
}

async fn read(db: impl PgExecutor<'_>, id: &str) -> TenantRecord {
    let text: Option<String> = query_scalar(postgres::READ).bind(id).fetch_optional(db).await.unwrap();
    TenantRecord::from_row(tenant(id), text.as_deref())
}

/// Runs a statement, and returns the number of rows that it inserted or selected.
async fn run(db: impl PgExecutor<'_>, sql: &'static str, parameters: impl IntoIterator<Item = String>) -> u64 {
    let statement = parameters.into_iter().fold(query(sql), |statement, parameter| statement.bind(parameter));
    statement.execute(db).await.unwrap().rows_affected()
}

async fn write(db: &PgPool, created: &Created) -> bool {
    run(db, postgres::CREATE, created.parameters()).await == 1
}

async fn create(db: &PgPool, keys: &TenantKeys, id: &str, state: TenantState) {
    let created = keys.create(&read(db, id).await, state).unwrap();
    assert!(write(db, &created).await);
}

async fn tombstone(db: &PgPool, keys: &TenantKeys, id: &str) -> Tombstone {
    keys.destroy(&read(db, id).await, |_| Ok::<_, Infallible>(())).unwrap()
}

async fn destroy(db: impl PgExecutor<'_>, tombstone: &Tombstone) -> bool {
    run(db, postgres::DESTROY, tombstone.parameters()).await == 1
}

/// What the tables have of a tenant: the two numbers, and those of the keys.
async fn rows(db: &PgPool, id: &str) -> Option<(i32, i32, Vec<i32>)> {
    let sql =
        "SELECT number, destroyed, ARRAY(SELECT number FROM sealwax_tenant_keys WHERE tenant = $1 ORDER BY number)
        FROM sealwax_tenants WHERE tenant = $1";
    query_as(sql).bind(id).fetch_optional(db).await.unwrap()
}

#[tokio::test]
async fn a_tenant_comes_rotates_goes_and_comes_back() {
    let Some(db) = tables().await else { return };
    let keys = service();
    assert_eq!(read(&db, "42").await, TenantRecord::from_row(tenant("42"), None));
    let first = keys.create(&read(&db, "42").await, TenantState::NeverHad).unwrap();
    assert!(write(&db, &first).await && !write(&db, &first).await);
    assert_eq!(read(&db, "42").await, TenantRecord::new(tenant("42"), 1, 0, [(1, first.envelope().to_string())]));
    let old = keys.keyring(&read(&db, "42").await).unwrap().seal(&"s3cret".into(), &context("42")).unwrap();

    let early = tombstone(&db, &keys, "42").await;
    create(&db, &keys, "42", TenantState::Live).await;
    create(&db, &keys, "43", TenantState::NeverHad).await;
    assert_eq!(rows(&db, "42").await, Some((2, 0, vec![1, 2])));
    assert!(!destroy(&db, &early).await, "decided before the rotation");
    assert_eq!(rows(&db, "42").await, Some((2, 0, vec![1, 2])));
    let ring = keys.keyring(&read(&db, "42").await).unwrap();
    assert_eq!((ring.primary().map(AsRef::as_ref), ring.keys().count()), (Some("tenant/42@2"), 2));
    assert!(ring.open(&old, &context("42")).is_ok());

    let rotation = keys.create(&read(&db, "42").await, TenantState::Live).unwrap();
    let gone = tombstone(&db, &keys, "42").await;
    for _ in 0..2 {
        assert!(destroy(&db, &gone).await);
        assert_eq!(rows(&db, "42").await, Some((2, 2, vec![])));
    }
    assert!(!write(&db, &rotation).await, "made before the deletion");
    assert_eq!(keys.keyring(&read(&db, "42").await).unwrap().primary(), None);

    create(&db, &keys, "42", TenantState::Destroyed).await;
    assert!(!destroy(&db, &gone).await, "of the keys before");
    assert_eq!(rows(&db, "42").await, Some((3, 2, vec![3])));
    assert_eq!(keys.keyring(&read(&db, "42").await).unwrap().primary().unwrap().as_ref(), "tenant/42@3");
    assert_eq!(rows(&db, "43").await, Some((1, 0, vec![1])), "nobody else was touched");
}

/// The record comes in the statement that selects the credential.
#[tokio::test]
async fn a_credential_is_read_with_its_tenants_record() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    let sealed = keys.keyring(&read(&db, "42").await).unwrap().seal(&"s3cret".into(), &context("42")).unwrap();
    let insert = "INSERT INTO credentials (tenant, envelope) VALUES ('42', $1), ('43', $1)";
    query(insert).bind(sealed.to_string()).execute(&db).await.unwrap();
    let sql = "SELECT c.tenant, c.envelope, r.record FROM credentials c
        LEFT JOIN sealwax_tenant_records r ON r.tenant = c.tenant ORDER BY c.tenant";
    let found: Vec<(String, String, Option<String>)> = query_as(sql).fetch_all(&db).await.unwrap();
    let opened: Vec<_> = found
        .into_iter()
        .map(|(id, envelope, record)| {
            let record = TenantRecord::from_row(tenant(&id), record.as_deref());
            let ring = keys.keyring(&record).map_err(|error| error.name())?;
            Ok(ring.open(&envelope.parse().unwrap(), &context(&id)).is_ok())
        })
        .collect();
    assert_eq!(opened, [Ok(true), Err("never_had")]);
}

#[tokio::test]
async fn a_replayed_tombstone_destroys_what_a_dump_brought_back() {
    let Some(db) = tables().await else { return };
    let keys = service();
    for id in ["41", "42", "43"] {
        create(&db, &keys, id, TenantState::NeverHad).await;
    }
    create(&db, &keys, "43", TenantState::Live).await;
    create(&db, &keys, "43", TenantState::Live).await;
    let before = read(&db, "42").await;
    // `42` had one more key that the dump does not have, and was deleted twice; `43` came back later; `44` is not in the
    // dump at all.
    let lines = ["tenant/42@2 epoch-1 .", "tenant/42@1 epoch-1 .", "tenant/43@2 epoch-1 .", "tenant/44@1 epoch-1 ."];
    let tombstones = lines.map(|line| line.parse::<Tombstone>().unwrap());
    for _ in 0..2 {
        for tombstone in &tombstones {
            run(&db, postgres::REPLAY, tombstone.parameters()).await;
        }
        assert_eq!(rows(&db, "41").await, Some((1, 0, vec![1])));
        assert_eq!(rows(&db, "42").await, Some((2, 2, vec![])));
        assert_eq!(rows(&db, "43").await, Some((3, 2, vec![3])));
        assert_eq!(rows(&db, "44").await, Some((1, 1, vec![])));
    }
    let restarted = TenantKeys::new(keys.service().clone(), tombstones);
    assert_eq!(restarted.keyring(&before).unwrap().primary(), None, "also before they are replayed");
    create(&db, &restarted, "42", TenantState::Destroyed).await;
    assert_eq!(rows(&db, "42").await, Some((3, 2, vec![3])));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_make_the_next_key_one_is_first() {
    let Some(db) = tables().await else { return };
    let keys = service();
    for (state, number) in [(TenantState::NeverHad, 1), (TenantState::Live, 2)] {
        let record = read(&db, "42").await;
        let all = (0..16).map(|_| keys.create(&record, state).unwrap()).map(|created| {
            let db = db.clone();
            tokio::spawn(async move { write(&db, &created).await })
        });
        let mut first = 0;
        for one in all.collect::<Vec<_>>() {
            first += u32::from(one.await.unwrap());
        }
        assert_eq!(first, 1);
        assert_eq!(rows(&db, "42").await, Some((number, 0, (1..=number).collect())));
        assert!(keys.keyring(&read(&db, "42").await).is_ok());
    }
}

/// A rotation and a deletion of the same record: one of them is written, and if it is the deletion, no key is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_and_a_deletion_exclude_each_other() {
    let Some(db) = tables().await else { return };
    let keys = service();
    let mut deleted = 0;
    for round in 0..40 {
        let id = round.to_string();
        create(&db, &keys, &id, TenantState::NeverHad).await;
        let rotation = keys.create(&read(&db, &id).await, TenantState::Live).unwrap();
        let tombstone = tombstone(&db, &keys, &id).await;
        let (one, other) = (db.clone(), db.clone());
        let rotated = tokio::spawn(async move { write(&one, &rotation).await });
        let destroyed = tokio::spawn(async move { destroy(&other, &tombstone).await });
        let (rotated, destroyed) = (rotated.await.unwrap(), destroyed.await.unwrap());
        assert_ne!(rotated, destroyed);
        let left = if destroyed { (1, 1, vec![]) } else { (2, 0, vec![1, 2]) };
        assert_eq!(rows(&db, &id).await, Some(left));
        deleted += u32::from(destroyed);
    }
    println!("the deletion was first in {deleted} of 40 rounds");
}

#[tokio::test]
async fn the_tables_hold_only_what_a_record_can_say() {
    let Some(db) = tables().await else { return };
    create(&db, &service(), "42", TenantState::NeverHad).await;
    let refused = [
        "UPDATE sealwax_tenants SET destroyed = 2",
        "UPDATE sealwax_tenants SET destroyed = -1",
        "UPDATE sealwax_tenants SET number = 0",
        "UPDATE sealwax_tenants SET number = 1001",
        "DELETE FROM sealwax_tenants",
        "INSERT INTO sealwax_tenant_keys VALUES ('43', 1, 'x')",
        "INSERT INTO sealwax_tenant_keys VALUES ('42', 1, 'x')",
        "INSERT INTO sealwax_tenant_keys VALUES ('42', 1001, 'x')",
    ];
    for sql in refused {
        assert!(query(sql).execute(&db).await.is_err(), "{sql}");
    }
}

/// Whoever writes to the tables, and does not own them, brings no destroyed key back.
#[tokio::test]
async fn what_is_destroyed_stays_so() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    assert!(destroy(&db, &tombstone(&db, &keys, "42").await).await);
    create(&db, &keys, "42", TenantState::Destroyed).await;
    create(&db, &keys, "42", TenantState::Live).await;
    assert!(destroy(&db, &tombstone(&db, &keys, "42").await).await);
    create(&db, &keys, "42", TenantState::Destroyed).await;
    create(&db, &keys, "43", TenantState::NeverHad).await;
    assert_eq!(rows(&db, "42").await, Some((4, 3, vec![4])));
    let refused = [
        "INSERT INTO sealwax_tenant_keys SELECT '42', 1, envelope FROM sealwax_tenant_keys WHERE tenant = '43'",
        "INSERT INTO sealwax_tenant_keys SELECT '42', 3, envelope FROM sealwax_tenant_keys WHERE tenant = '43'",
        "UPDATE sealwax_tenant_keys SET number = 3 WHERE tenant = '42'",
        "UPDATE sealwax_tenant_keys SET tenant = '42', number = 3 WHERE tenant = '43'",
        "UPDATE sealwax_tenants SET destroyed = 2 WHERE tenant = '42'",
        "UPDATE sealwax_tenants SET number = 3 WHERE tenant = '42'",
        "UPDATE sealwax_tenants SET tenant = '44' WHERE tenant = '42'",
        "WITH gone AS (DELETE FROM sealwax_tenant_keys) DELETE FROM sealwax_tenants",
    ];
    for sql in refused {
        let error = query(sql).execute(&db).await.unwrap_err();
        assert!(error.as_database_error().unwrap().message().starts_with("sealwax_tenant"), "{sql}: {error}");
    }
    assert_eq!(rows(&db, "42").await, Some((4, 3, vec![4])));
    // Nor is one that the owner put back moved to another root, until a replay has deleted it.
    let owner =
        "ALTER TABLE sealwax_tenant_keys DISABLE TRIGGER USER; INSERT INTO sealwax_tenant_keys VALUES ('42', 1, 'x');
        ALTER TABLE sealwax_tenant_keys ENABLE TRIGGER USER";
    raw_sql(owner).execute(&db).await.unwrap();
    let rewrap = "UPDATE sealwax_tenant_keys SET envelope = envelope";
    assert!(query(rewrap).execute(&db).await.is_err());
    let old: Tombstone = "tenant/42@1 epoch-1 .".parse().unwrap();
    run(&db, postgres::REPLAY, old.parameters()).await;
    assert_eq!(query(rewrap).execute(&db).await.unwrap().rows_affected(), 2);
    assert_eq!(rows(&db, "42").await, Some((4, 3, vec![4])));
}

/// The record was read before a restore from before the tenant's first key.
#[tokio::test]
async fn a_key_after_the_first_needs_the_row_of_its_tenant() {
    let Some(db) = tables().await else { return };
    let keys = service();
    let first = keys.create(&read(&db, "42").await, TenantState::NeverHad).unwrap();
    let record = TenantRecord::new(tenant("42"), 1, 0, [(1, first.envelope().to_string())]);
    let second = keys.create(&record, TenantState::Live).unwrap();
    let third = keys.create(&TenantRecord::from_row(tenant("42"), Some("2 2")), TenantState::Destroyed).unwrap();
    assert!(!write(&db, &second).await && !write(&db, &third).await);
    assert_eq!(rows(&db, "42").await, None);
    assert!(write(&db, &first).await && write(&db, &second).await && !write(&db, &third).await);
    assert_eq!(rows(&db, "42").await, Some((2, 0, vec![1, 2])));
}

#[tokio::test]
async fn pruning_leaves_the_newest_key() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "43", TenantState::NeverHad).await;
    create(&db, &keys, "43", TenantState::Live).await;
    create(&db, &keys, "42", TenantState::NeverHad).await;
    create(&db, &keys, "42", TenantState::Live).await;
    create(&db, &keys, "42", TenantState::Live).await;
    let prune = async |key: &str| run(&db, postgres::PRUNE, key.parse::<TenantKeyId>().unwrap().parameters()).await;
    // What was decided before the last rotation, or for a key that is not there yet.
    assert_eq!([prune("tenant/42@2").await, prune("tenant/42@4").await, prune("tenant/44@1").await], [0; 3]);
    assert_eq!(rows(&db, "42").await, Some((3, 0, vec![1, 2, 3])));
    assert_eq!([prune("tenant/42@3").await, prune("tenant/42@3").await], [2, 0]);
    assert_eq!(rows(&db, "42").await, Some((3, 0, vec![3])));
    assert_eq!(rows(&db, "43").await, Some((2, 0, vec![1, 2])));
    assert!(keys.keyring(&read(&db, "42").await).is_ok());
}
