//! What a writer that cannot read seals for a tenant who is deleted.

use std::sync::Arc;
use std::time::Duration;

use sealwax::{Envelope, KeyId, RewrapError, Sealer};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{TenantKeyId, TenantKeys, TenantState, WriterPair};
use sqlx::{PgConnection, PgPool, query, query_as, query_scalar};
use tokio::time::timeout;

use super::{context, create, destroy, read, run, service, tables, tombstone};

/// The step of the recipe, for what came without a fence.
const CLEAR: &str = "DELETE FROM credentials c USING sealwax_tenants t
    WHERE t.tenant = c.tenant AND t.destroyed = t.number";

fn pair() -> KeyId {
    "dashboard-11".parse().unwrap()
}

async fn insert(db: &mut PgConnection, sealer: &Sealer, tenant: &str) {
    let envelope = sealer.seal(&"s3cret".into(), &context(tenant)).unwrap().to_string();
    let insert = "INSERT INTO credentials (tenant, envelope) VALUES ($1, $2)";
    query(insert).bind(tenant).bind(envelope).execute(db).await.unwrap();
}

/// Gives each row under the pair to its tenant's key, and returns the tenants of those that have none.
async fn take_over(db: &PgPool, keys: &TenantKeys, stored: &WriterPair) -> Vec<String> {
    let opening_key = Arc::new(stored.open(keys.service()).unwrap());
    let rows: Vec<(i64, String, String)> =
        query_as("SELECT id, tenant, envelope FROM credentials ORDER BY id").fetch_all(db).await.unwrap();
    let mut left = Vec::new();
    for (id, tenant, envelope) in rows {
        let envelope: Envelope = envelope.parse().unwrap();
        if !envelope.key_ids().eq([pair()]) {
            continue;
        }
        let ring = keys.keyring(&read(db, &tenant).await).unwrap();
        let ring = ring.with_retired(pair(), Arc::clone(&opening_key)).unwrap();
        let fresh = match ring.rewrap(&envelope) {
            Ok(fresh) => fresh.unwrap(),
            Err(RewrapError::NoPrimary) => {
                left.push(tenant);
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        let mut transaction = db.begin().await.unwrap();
        let fence = TenantKeyId::of(&fresh).unwrap().parameters();
        assert_eq!(run(&mut *transaction, postgres::FENCE, fence).await, 1);
        let update = "UPDATE credentials SET envelope = $1 WHERE id = $2 AND envelope = $3";
        let update = query(update).bind(fresh.to_string()).bind(id).bind(envelope.to_string());
        assert_eq!(update.execute(&mut *transaction).await.unwrap().rows_affected(), 1);
        transaction.commit().await.unwrap();
    }
    left
}

async fn under_the_pair(db: &PgPool) -> i64 {
    let count = "SELECT count(*) FROM credentials WHERE envelope LIKE '%dashboard-11%'";
    query_scalar(count).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn what_a_writer_seals_for_a_deleted_tenant_gets_no_key_and_is_deleted() {
    let Some(db) = tables().await else { return };
    let keys = service();
    for id in ["42", "43"] {
        create(&db, &keys, id, TenantState::NeverHad).await;
    }
    let (stored, sealing_key) = WriterPair::create(pair(), keys.service()).unwrap();
    let sealer = Sealer::new(pair(), sealing_key).unwrap();

    let mut dashboard = db.begin().await.unwrap();
    assert_eq!(run(&mut *dashboard, postgres::WRITER_FENCE, ["42".to_owned()]).await, 1);
    let (deletion, pool) = (tombstone(&db, &keys, "42").await, db.clone());
    let mut deleting = tokio::spawn(async move { destroy(&pool, &deletion).await });
    assert!(timeout(Duration::from_millis(400), &mut deleting).await.is_err(), "it waits for who has passed");
    insert(&mut dashboard, &sealer, "42").await;
    dashboard.commit().await.unwrap();
    assert!(deleting.await.unwrap());
    // The recipe deletes what was there.
    let delete = "DELETE FROM credentials WHERE tenant = '42'";
    assert_eq!(query(delete).execute(&db).await.unwrap().rows_affected(), 1);

    // Nobody passes any more, and who goes around the fence writes what no worker gives a key.
    assert_eq!(run(&db, postgres::WRITER_FENCE, ["42".to_owned()]).await, 0);
    for id in ["42", "43"] {
        insert(&mut *db.acquire().await.unwrap(), &sealer, id).await;
    }
    for _ in 0..2 {
        assert_eq!(take_over(&db, &keys, &stored).await, ["42"]);
        assert_eq!(under_the_pair(&db).await, 1);
    }
    assert_eq!(query(CLEAR).execute(&db).await.unwrap().rows_affected(), 1);
    let left: Vec<(String, String)> =
        query_as("SELECT tenant, envelope FROM credentials").fetch_all(&db).await.unwrap();
    let [(id, envelope)] = left.as_slice() else { panic!("{}", left.len()) };
    assert_eq!((id.as_str(), under_the_pair(&db).await), ("43", 0));
    let ring = keys.keyring(&read(&db, "43").await).unwrap();
    assert!(ring.open(&envelope.parse().unwrap(), &context("43")).is_ok());
}
