//! Tests that a rotation moves all rows to a new primary key while other tasks write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use sealwax::{
    DataKey, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, UnwrapRequest, WrapRequest,
};
use services::credentials::{Provider, Tenant, context};
use services::remote::rewrap_remote;
use services::rotation::{rotate, swap};
use sqlx::PgPool;

use crate::given;
use crate::server::database;

const ROWS: i64 = 3_500;

async fn envelopes(db: &PgPool) -> BTreeMap<i64, Vec<u8>> {
    let sql = "SELECT tenant, envelope FROM credentials";
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql).fetch_all(db).await.unwrap();
    rows.into_iter().collect()
}

/// Replaces the credential of every seventh tenant, one after another, and returns the last secret of each.
async fn replace(db: PgPool, ring: Keyring, ended: Arc<AtomicBool>) -> BTreeMap<i64, String> {
    let mut written = BTreeMap::new();
    for round in 0.. {
        for tenant in (1..=ROWS).step_by(7) {
            if ended.load(Ordering::SeqCst) {
                return written;
            }
            let secret = format!("secret-{tenant}-of-round-{round}");
            let context = context(Tenant(tenant), Provider::OpenAi).unwrap();
            let envelope = ring.seal(&secret.clone().into(), &context).unwrap();
            let sql = "UPDATE credentials SET envelope = $1 WHERE tenant = $2";
            let update = sqlx::query(sql).bind(envelope.as_bytes()).bind(tenant);
            update.execute(&db).await.unwrap();
            written.insert(tenant, secret);
        }
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_rotation_during_writes_and_another_rotation_loses_nothing() {
    let Some((db, _)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    let announced = given::ring(&format!("primary old {old}; retired new {new}"));
    let promoted = given::running(&format!("primary new {new}; retired old {old}"));
    given::rows(&db, &announced, ROWS).await;

    // A process that has not promoted the new key yet keeps sealing under the old one.
    let ended = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(replace(db.clone(), announced.clone(), ended.clone()));
    let (first, second) = tokio::join!(rotate(&db, &promoted, 0), rotate(&db, &promoted, 0));
    ended.store(true, Ordering::SeqCst);
    let replaced = writer.await.unwrap();
    assert!(first.unwrap().is_empty() && second.unwrap().is_empty());
    assert!(replaced.len() > 10, "the writer replaced only {} credentials", replaced.len());

    assert!(rotate(&db, &promoted, 0).await.unwrap().is_empty());
    let rows = envelopes(&db).await;
    assert!(rotate(&db, &promoted, 0).await.unwrap().is_empty());
    assert_eq!(envelopes(&db).await, rows, "another run changed rows");

    // The rows open without the old key, and each row has the last secret that was written to it.
    let alone = given::ring(&format!("primary new {new}; disabled old"));
    assert_eq!(i64::try_from(rows.len()).unwrap(), ROWS);
    for (tenant, bytes) in rows {
        let envelope = Envelope::try_from(bytes).unwrap();
        let context = context(Tenant(tenant), Provider::OpenAi).unwrap();
        let secret = alone.open(&envelope, &context).unwrap();
        let expected = replaced.get(&tenant).cloned().unwrap_or(format!("secret-{tenant}"));
        assert!(secret.expose_str() == Ok(expected.as_str()), "the rotation lost the last write");
    }
}

/// Rotates, and returns the id of each row that fails with the name of its error.
async fn failures(db: &PgPool, ring: &ArcSwap<Keyring>, last: i64) -> Vec<(i64, &'static str)> {
    let failures = rotate(db, ring, last).await.unwrap();
    failures.into_iter().map(|(id, error)| (id, error.name())).collect()
}

#[tokio::test]
async fn one_row_that_fails_stays_and_a_wrong_keyring_stops_everything() {
    let Some((db, _)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 3).await;
    let damage = "UPDATE credentials SET envelope = substring(envelope FROM 1 FOR 150) WHERE tenant = 2";
    sqlx::raw_sql(damage).execute(&db).await.unwrap();
    let before = envelopes(&db).await;

    let wrong = given::running(&format!("primary new {new}"));
    assert_eq!(failures(&db, &wrong, 0).await, [(1, "unknown_key"), (2, "unknown_key"), (3, "unknown_key")]);
    assert_eq!(envelopes(&db).await, before);

    // No page stops if the keyring refuses the rows on purpose.
    let disabled = given::running(&format!("primary new {new}; disabled old"));
    assert_eq!(failures(&db, &disabled, 0).await, [(1, "key_disabled"), (2, "key_disabled"), (3, "key_disabled")]);
    assert_eq!(envelopes(&db).await, before);

    let ring = given::running(&format!("primary new {new}; retired old {old}"));
    assert_eq!(failures(&db, &ring, 0).await, [(2, "envelope_altered")]);
    let after = envelopes(&db).await;
    assert_eq!(after[&2], before[&2]);
    assert!(after[&1] != before[&1] && after[&3] != before[&3]);
    // A later run can start after any row.
    assert_eq!(failures(&db, &ring, 1).await, [(2, "envelope_altered")]);
    assert_eq!(failures(&db, &ring, 2).await, []);
}

/// A key that unwraps something other than what it wrapped.
#[derive(Debug)]
struct Broken;

impl KeyWrapper for Broken {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Ok(request.data_key().expose_secret().iter().map(|byte| !byte).collect()))
    }
}

impl MasterKeyProvider for Broken {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(Ok(DataKey::from_bytes(&mut request.body().to_vec()).unwrap()))
    }
}

#[tokio::test]
async fn a_key_that_does_not_unwrap_what_it_wraps_stops_everything() {
    let Some((db, _)) = database().await else { return };
    let old = given::key();
    given::rows(&db, &given::ring(&format!("primary old {old}")), 2).await;
    let before = envelopes(&db).await;
    let ring = given::remote(Broken).with_retired("old".parse().unwrap(), old.parse::<MasterKey>().unwrap());
    let ring = ArcSwap::from_pointee(ring.unwrap());
    assert_eq!(failures(&db, &ring, 0).await, [(1, "unverified"), (2, "unverified")]);
    assert_eq!(envelopes(&db).await, before);
}

#[tokio::test]
async fn a_reload_between_two_pages_takes_effect() {
    let Some((db, _)) = database().await else { return };
    let (old, new, newer) = (given::key(), given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 1_002).await;
    sqlx::raw_sql("UPDATE credentials SET envelope = 'sk-plain' WHERE id = 5").execute(&db).await.unwrap();
    let running = given::running(&format!("primary new {new}; retired old {old}; retired newer {newer}"));
    let fresh = given::ring(&format!("primary newer {newer}; retired old {old}; leaked new"));
    fresh.can_replace(&running.load()).unwrap();
    // The first page waits for this lock. When it is written, `new` has leaked.
    let mut lock = db.begin().await.unwrap();
    sqlx::raw_sql("SELECT 1 FROM credentials WHERE id = 6 FOR UPDATE").execute(&mut *lock).await.unwrap();
    let reload = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&db).await.unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        running.store(Arc::new(fresh));
        lock.rollback().await.unwrap();
    };
    let (failed, ()) = tokio::join!(failures(&db, &running, 0), reload);
    assert_eq!(failed, [(5, "malformed")]);
    let census: Vec<(Option<String>, i64)> =
        sqlx::query_as(include_str!("../../src/census.sql")).fetch_all(&db).await.unwrap();
    let of = |id: &str| Some(id.to_owned());
    assert_eq!(census, [(of("new"), 999), (of("newer"), 2), (None, 1)]);
}

#[tokio::test]
async fn a_last_page_of_one_row_with_an_unknown_key_stops_after_the_pages_before_it() {
    let Some((db, _)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 1_001).await;
    let damage = "UPDATE credentials SET envelope = substring(envelope FROM 1 FOR 150) WHERE id = 5;
        UPDATE credentials SET envelope = set_byte(envelope, 6, get_byte(envelope, 6) # 1) WHERE id = 1001";
    sqlx::raw_sql(damage).execute(&db).await.unwrap();
    let before = envelopes(&db).await;

    let ring = given::running(&format!("primary new {new}; retired old {old}"));
    let failed = failures(&db, &ring, 0).await;
    assert_eq!(failed, [(5, "envelope_altered"), (1001, "unknown_key")], "a failure of the first page is lost");
    let after = envelopes(&db).await;
    let changed = after.iter().filter(|(tenant, row)| before[tenant] != **row).count();
    assert_eq!(changed, 999);
    // The operator can continue after the row that the message names. Once that row is repaired, a new run goes
    // through all pages.
    assert_eq!(failures(&db, &ring, 1001).await, []);
    let repair = "UPDATE credentials SET envelope = set_byte(envelope, 6, get_byte(envelope, 6) # 1) WHERE id = 1001";
    sqlx::raw_sql(repair).execute(&db).await.unwrap();
    assert_eq!(failures(&db, &ring, 0).await, [(5, "envelope_altered")]);
    let back = given::running(&format!("primary old {old}; retired new {new}"));
    // Row 5 never left `old`, so it is current now: a rotation does not check such rows.
    assert_eq!(failures(&db, &back, 0).await, []);
}

#[tokio::test]
async fn two_jobs_that_meet_in_the_same_rows_do_not_deadlock() {
    let Some((db, _)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 300).await;
    let ring = given::ring(&format!("primary new {new}; retired old {old}"));
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, envelope FROM credentials ORDER BY id").fetch_all(&db).await.unwrap();
    let changes = ring.rewrap_batch(rows).changes;
    let there: Vec<_> = changes.into_iter().map(|row| (row.id, row.old, row.fresh)).collect();
    // The two jobs swap the same rows in opposite orders, and then each undoes its swaps.
    let back: Vec<_> = there.iter().rev().cloned().collect();
    let undo = |rows: &[(i64, Envelope, Envelope)]| {
        rows.iter().map(|(id, old, fresh)| (*id, fresh.clone(), old.clone())).collect::<Vec<_>>()
    };
    let (there_undone, back_undone) = (undo(&there), undo(&back));
    for _ in 0..20 {
        let (first, second) = tokio::join!(swap(&db, &there), swap(&db, &back));
        assert_eq!(first.unwrap() + second.unwrap(), 300);
        let (first, second) = tokio::join!(swap(&db, &there_undone), swap(&db, &back_undone));
        assert_eq!(first.unwrap() + second.unwrap(), 300);
    }
}

#[tokio::test]
async fn rows_move_to_a_key_at_a_service_in_a_spawned_task() {
    let Some((db, _)) = database().await else { return };
    let old = given::key();
    given::rows(&db, &given::ring(&format!("primary old {old}")), 60).await;
    let kms = Arc::new(given::Kms::new([ProviderErrorKind::Denied]));
    let key: MasterKey = old.parse().unwrap();
    let ring = given::remote(kms.clone()).with_retired("old".parse().unwrap(), key).unwrap();

    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, envelope FROM credentials").fetch_all(&db).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|(id, row)| (id, Envelope::try_from(row).unwrap())).collect();
    let task = {
        let (db, ring) = (db.clone(), ring.clone());
        tokio::spawn(async move {
            let rewrapped = rewrap_remote(&ring, rows, 8).await.unwrap();
            let swaps: Vec<_> =
                rewrapped.into_iter().filter_map(|(id, old, fresh)| Some((id, old, fresh.ok()??))).collect();
            swap(&db, &swaps).await.unwrap()
        })
    };
    assert_eq!(task.await.unwrap(), 59);
    // Each of the 59 rows costs one wrap and one unwrap. The denied request counts too.
    assert_eq!(kms.calls(), 59 * 2 + 1);
    for (tenant, row) in envelopes(&db).await {
        let context = context(Tenant(tenant), Provider::OpenAi).unwrap();
        let envelope = Envelope::try_from(row).unwrap();
        let secret = ring.open_async(&envelope, &context).await.unwrap();
        assert!(secret.expose_str().unwrap() == format!("secret-{tenant}"));
    }
}

/// A row that sqlx reads into a struct.
#[derive(sqlx::FromRow)]
struct Stored {
    id: i64,
    #[sqlx(try_from = "Vec<u8>")]
    envelope: Envelope,
}

#[tokio::test]
async fn a_struct_of_sqlx_reads_an_envelope_and_loses_the_reason_where_it_is_none() {
    let Some((db, _)) = database().await else { return };
    let key = given::key();
    given::rows(&db, &given::ring(&format!("primary a {key}")), 1).await;
    let select = "SELECT id, envelope FROM credentials";
    let row: Stored = sqlx::query_as(select).fetch_one(&db).await.unwrap();
    assert_eq!((row.id, row.envelope.key_ids().count()), (1, 1));

    sqlx::raw_sql("UPDATE credentials SET envelope = 'sk-plain'").execute(&db).await.unwrap();
    let error = sqlx::query_as::<_, Stored>(select).fetch_one(&db).await.err().unwrap();
    let sqlx::Error::ColumnDecode { index, source } = error else { panic!("{error}") };
    assert_eq!(index, "envelope");
    // If this fails, sqlx has started to keep the reason, and the page Services must no longer say that it is lost.
    assert!(source.downcast_ref::<sealwax::FormatError>().is_none());
    assert_eq!(source.to_string(), "unprintable error: (unprintable type)");
}

/// A trigger, for instance, can discard what is written.
#[tokio::test]
async fn rows_that_do_not_take_what_is_written_end_the_rotation() {
    let Some((db, _)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 5).await;
    let never = "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER never BEFORE UPDATE ON credentials FOR EACH ROW EXECUTE FUNCTION never()";
    sqlx::raw_sql(never).execute(&db).await.unwrap();
    let promoted = given::running(&format!("primary new {new}; retired old {old}"));
    let before = envelopes(&db).await;
    let error = rotate(&db, &promoted, 0).await.unwrap_err();
    assert_eq!(error.to_string(), "rows up to 5 change whenever they are read");
    assert_eq!(envelopes(&db).await, before);
}
