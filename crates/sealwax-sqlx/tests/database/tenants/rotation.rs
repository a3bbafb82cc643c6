//! Rotation: of the service's root, which rewraps a row for each key, and of a tenant's key, which rewraps the tenant's rows.

use std::sync::Arc;

use sealwax::{Envelope, Keyring, MasterKey};
use sealwax_sqlx::{Census, Job, Limits, Options, Table, census, install};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{TenantKeys, TenantState};
use sqlx::{PgPool, query, query_as, query_scalar, raw_sql};

use super::{context, create, destroy, read, tables, tombstone};

async fn credentials(db: &PgPool) -> Vec<(i64, String, String)> {
    query_as("SELECT id, tenant, envelope FROM credentials ORDER BY id").fetch_all(db).await.unwrap()
}

async fn store(db: &PgPool, keys: &TenantKeys, id: &str) {
    let envelope = keys.keyring(&read(db, id).await).unwrap().seal(&"s3cret".into(), &context(id)).unwrap();
    let insert = "INSERT INTO credentials (tenant, envelope) VALUES ($1, $2)";
    query(insert).bind(id).bind(envelope.to_string()).execute(db).await.unwrap();
}

/// Returns how many credentials open.
async fn opened(db: &PgPool, keys: &TenantKeys) -> usize {
    let mut opened = 0;
    for (_, id, envelope) in credentials(db).await {
        let Ok(ring) = keys.keyring(&read(db, &id).await) else { continue };
        opened += usize::from(ring.open(&envelope.parse().unwrap(), &context(&id)).is_ok());
    }
    opened
}

async fn rotate(db: &PgPool, table: &Table, ring: &Keyring) -> i64 {
    let connection = &mut *db.acquire().await.unwrap();
    let primary = ring.primary().unwrap();
    let job = Job::plan_rotation(connection, table, ring, primary, &Options::default()).await.unwrap();
    job.work(db, ring, &Limits::default(), |_| {}).await.unwrap();
    let status = job.status(connection).await.unwrap();
    assert_eq!(status.failed, 0);
    status.changed
}

async fn table(db: &PgPool, name: &str) -> Table {
    let connection = &mut *db.acquire().await.unwrap();
    install(connection).await.unwrap();
    Table::find(connection, "public", name, &[], "envelope").await.unwrap()
}

/// The recipe of a deletion: the tenant's row, the survivors to a new root, the old root destroyed.
#[tokio::test]
async fn a_new_root_rewraps_the_keys_of_the_survivors_and_no_credential() {
    let Some(db) = tables().await else { return };
    let old = MasterKey::generate().unwrap().to_text();
    let old = || old.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let new = Keyring::new("epoch-2".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let before = TenantKeys::new(Keyring::new("epoch-1".parse().unwrap(), old()).unwrap(), []);
    for tenant in 0..50 {
        create(&db, &before, &tenant.to_string(), TenantState::NeverHad).await;
        for _ in 0..4 {
            store(&db, &before, &tenant.to_string()).await;
        }
    }
    let written = credentials(&db).await;
    let kept = read(&db, "42").await;
    assert!(destroy(&db, &tombstone(&db, &before, "42").await).await);
    // Somebody who deleted the row and saved what was in it.
    assert!(before.keyring(&kept).is_ok());

    let both = new.clone().with_retired("epoch-1".parse().unwrap(), old()).unwrap();
    let keys = table(&db, "sealwax_tenant_keys").await;
    assert_eq!(rotate(&db, &keys, &both).await, 49);
    assert_eq!(credentials(&db).await, written, "no credential was written");
    let counted = census(&mut db.acquire().await.unwrap(), &keys).await.unwrap();
    assert_eq!((counted.rows, counted.by_key_id().into_iter().collect()), (49, vec![("epoch-2".to_owned(), 49)]));

    let after = TenantKeys::new(new.with_destroyed("epoch-1".parse().unwrap()).unwrap(), []);
    assert_eq!((opened(&db, &before).await, opened(&db, &after).await), (0, 49 * 4));
    let gone = after.keyring(&kept).unwrap_err();
    assert_eq!((gone.name(), gone.class().as_str()), ("open", "gone"));
}

/// With a partition for the tenant, by the shared rotation; in a table of all tenants, by pages.
#[tokio::test]
async fn a_new_key_of_a_tenant_rewraps_the_tenants_rows_alone() {
    let Some(db) = tables().await else { return };
    raw_sql("CREATE TABLE credentials_of_42 PARTITION OF credentials FOR VALUES IN ('42')").execute(&db).await.unwrap();
    let key = MasterKey::generate().unwrap();
    let keys = TenantKeys::new(Keyring::new("epoch-1".parse().unwrap(), key).unwrap(), []);
    for id in ["42", "43", "44"] {
        create(&db, &keys, id, TenantState::NeverHad).await;
        for _ in 0..100 {
            store(&db, &keys, id).await;
        }
    }
    for id in ["42", "43"] {
        create(&db, &keys, id, TenantState::Live).await;
    }
    assert_eq!(opened(&db, &keys).await, 300);

    let ring = keys.keyring(&read(&db, "42").await).unwrap();
    assert_eq!(rotate(&db, &table(&db, "credentials_of_42").await, &ring).await, 100);

    let ring = keys.keyring(&read(&db, "43").await).unwrap();
    let page: Vec<(i64, String)> =
        query_as("SELECT id, envelope FROM credentials WHERE tenant = '43'").fetch_all(&db).await.unwrap();
    let batch = ring.rewrap_batch(page);
    assert!(batch.failures.is_empty() && !batch.must_stop());
    for change in &batch.changes {
        let swap = "UPDATE credentials SET envelope = $2 WHERE tenant = '43' AND id = $1 AND envelope = $3";
        let swap = query(swap).bind(change.id).bind(change.fresh.to_string()).bind(change.old.to_string());
        assert_eq!(swap.execute(&db).await.unwrap().rows_affected(), 1);
    }
    assert_eq!(opened(&db, &keys).await, 300);
    let mut under = [0; 3];
    for (_, id, envelope) in credentials(&db).await {
        let envelope: Envelope = envelope.parse().unwrap();
        let key_id = envelope.key_ids().next().unwrap().to_string();
        let at = ["tenant/42@2", "tenant/43@2", "tenant/44@1"].iter().position(|expected| *expected == key_id);
        assert!(key_id.starts_with(&format!("tenant/{id}@")));
        under[at.unwrap()] += 1;
    }
    assert_eq!(under, [100; 3]);
    // The old keys may go.
    query("DELETE FROM sealwax_tenant_keys WHERE number = 1 AND tenant <> '44'").execute(&db).await.unwrap();
    assert_eq!(opened(&db, &keys).await, 300);
    let left: i64 = query_scalar("SELECT count(*) FROM sealwax_tenant_keys").fetch_one(&db).await.unwrap();
    assert_eq!(left, 3);
}

/// Returns tenants' keys under a root, and the keyring that moves them to the next one.
fn two_epochs() -> (TenantKeys, Keyring) {
    let old = Arc::new(MasterKey::generate().unwrap());
    let keys = TenantKeys::new(Keyring::new("epoch-1".parse().unwrap(), Arc::clone(&old)).unwrap(), []);
    let both = Keyring::new("epoch-2".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    (keys, both.with_retired("epoch-1".parse().unwrap(), old).unwrap())
}

/// The keyring of the process that deletes does not know the new root, which is against the rules.
#[tokio::test]
async fn a_deletion_names_the_root_that_a_job_moved_the_key_to() {
    let Some(db) = tables().await else { return };
    let (keys, both) = two_epochs();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    let tombstone = tombstone(&db, &keys, "42").await;
    assert_eq!(rotate(&db, &table(&db, "sealwax_tenant_keys").await, &both).await, 1);
    let [id, number] = tombstone.parameters();
    for expected in [vec!["epoch-1", "epoch-2"], vec!["epoch-1"]] {
        // The second time, nothing is left to delete.
        let destroy = query_scalar(postgres::DESTROY).bind(&id).bind(&number);
        let deleted: Option<String> = destroy.fetch_one(&db).await.unwrap();
        let tombstone = tombstone.clone().with_deleted(deleted.as_deref());
        assert_eq!(tombstone.roots().map(AsRef::as_ref).collect::<Vec<_>>(), expected);
    }
}

/// A row that was put back while the triggers were off, as in a restore, moves to the next root with the others.
#[tokio::test]
async fn a_replay_names_the_root_that_a_job_moved_a_destroyed_key_to() {
    let Some(db) = tables().await else { return };
    let (keys, both) = two_epochs();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    let tombstone = tombstone(&db, &keys, "42").await;
    let back: String = query_scalar("SELECT envelope FROM sealwax_tenant_keys").fetch_one(&db).await.unwrap();
    assert!(destroy(&db, &tombstone).await);
    raw_sql("ALTER TABLE sealwax_tenant_keys DISABLE TRIGGER USER").execute(&db).await.unwrap();
    query("INSERT INTO sealwax_tenant_keys VALUES ('42', 1, $1)").bind(back).execute(&db).await.unwrap();
    assert_eq!(rotate(&db, &table(&db, "sealwax_tenant_keys").await, &both).await, 1);
    let [id, number] = tombstone.parameters();
    for expected in [vec!["epoch-1", "epoch-2"], vec!["epoch-1"]] {
        let replay = query_scalar(postgres::REPLAY).bind(&id).bind(&number);
        let deleted: Option<String> = replay.fetch_one(&db).await.unwrap();
        let tombstone = tombstone.clone().with_deleted(deleted.as_deref());
        assert_eq!(tombstone.roots().map(AsRef::as_ref).collect::<Vec<_>>(), expected);
    }
}

/// With the triggers, it does not move, and the job says that a row failed.
#[tokio::test]
async fn a_destroyed_key_that_was_put_back_moves_to_no_other_root() {
    let Some(db) = tables().await else { return };
    let (keys, both) = two_epochs();
    for id in ["42", "43"] {
        create(&db, &keys, id, TenantState::NeverHad).await;
    }
    let back = "CREATE TABLE back AS SELECT * FROM sealwax_tenant_keys WHERE tenant = '42'";
    raw_sql(back).execute(&db).await.unwrap();
    let tombstone = tombstone(&db, &keys, "42").await;
    assert!(destroy(&db, &tombstone).await);
    let back =
        "ALTER TABLE sealwax_tenant_keys DISABLE TRIGGER USER; INSERT INTO sealwax_tenant_keys SELECT * FROM back;
        ALTER TABLE sealwax_tenant_keys ENABLE TRIGGER USER";
    raw_sql(back).execute(&db).await.unwrap();
    let keys = table(&db, "sealwax_tenant_keys").await;
    let connection = &mut *db.acquire().await.unwrap();
    let job = Job::plan_rotation(connection, &keys, &both, both.primary().unwrap(), &Options::default()).await.unwrap();
    let done = job.work(&db, &both, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.changed, done.failed), (1, 1));
    let roots = |counted: Census| counted.by_key_id().into_iter().collect::<Vec<_>>();
    let [one, other] = ["epoch-1", "epoch-2"].map(|root| (root.to_owned(), 1));
    assert_eq!(roots(census(connection, &keys).await.unwrap()), [one, other.clone()]);
    super::run(&db, postgres::REPLAY, tombstone.parameters()).await;
    assert_eq!(roots(census(connection, &keys).await.unwrap()), [other]);
}
