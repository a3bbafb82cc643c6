//! The erasure fence: a credential that is being written while its tenant is deleted.

use std::env;
use std::process::Stdio;
use std::time::Duration;

use sealwax::{Keyring, SealError};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{TenantKeyId, TenantKeys, TenantState};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, query, query_scalar};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::{context, create, destroy, read, run, service, tables, tombstone, write};

const INSERT: &str = "INSERT INTO credentials (tenant, envelope) VALUES ('42', $1)";
/// For this long, something waits that waits for a lock.
const WHILE: Duration = Duration::from_millis(400);

/// Seals a credential, and writes it in a transaction. Returns whether it passed the fence.
async fn store(db: &mut PgConnection, ring: &Keyring, fence: &'static str) -> bool {
    let envelope = ring.seal(&"s3cret".into(), &context("42")).unwrap();
    let mut transaction = db.begin().await.unwrap();
    if run(&mut *transaction, fence, TenantKeyId::of(&envelope).unwrap().parameters()).await == 0 {
        transaction.rollback().await.unwrap();
        return false;
    }
    query(INSERT).bind(envelope.to_string()).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    true
}

async fn stored(db: &PgPool) -> i64 {
    query_scalar("SELECT count(*) FROM credentials").fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn a_deletion_waits_for_who_has_passed_the_fence() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    let ring = keys.keyring(&read(&db, "42").await).unwrap();
    let parameters = TenantKeyId::of(&ring.seal(&"x".into(), &context("42")).unwrap()).unwrap().parameters();

    let mut writer = db.begin().await.unwrap();
    assert_eq!(run(&mut *writer, postgres::FENCE, parameters).await, 1);
    let (deletion, pool) = (tombstone(&db, &keys, "42").await, db.clone());
    let mut deleting = tokio::spawn(async move { destroy(&pool, &deletion).await });
    assert!(timeout(WHILE, &mut deleting).await.is_err(), "it waits");
    query(INSERT).bind("x").execute(&mut *writer).await.unwrap();
    writer.commit().await.unwrap();
    assert!(deleting.await.unwrap());
    assert_eq!(stored(&db).await, 1, "what passed was there when the deletion returned");
    assert!(!store(&mut db.acquire().await.unwrap(), &ring, postgres::FENCE).await);
    assert_eq!(stored(&db).await, 1);
}

#[tokio::test]
async fn who_comes_to_the_fence_waits_for_a_deletion_and_does_not_pass() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    for commits in [false, true] {
        let ring = keys.keyring(&read(&db, "42").await).unwrap();
        let mut deleter = db.begin().await.unwrap();
        assert!(destroy(&mut *deleter, &tombstone(&db, &keys, "42").await).await);
        let pool = db.clone();
        let mut storing =
            tokio::spawn(async move { store(&mut pool.acquire().await.unwrap(), &ring, postgres::FENCE).await });
        assert!(timeout(WHILE, &mut storing).await.is_err(), "it waits");
        if commits { deleter.commit().await } else { deleter.rollback().await }.unwrap();
        assert_eq!(storing.await.unwrap(), !commits);
    }
    // A key that came later passes.
    create(&db, &keys, "42", TenantState::Destroyed).await;
    let ring = keys.keyring(&read(&db, "42").await).unwrap();
    assert!(store(&mut db.acquire().await.unwrap(), &ring, postgres::FENCE).await);
    assert_eq!(stored(&db).await, 2);
}

/// Else a row could be written under a key whose rows were all rewrapped, and which may go.
#[tokio::test]
async fn nobody_passes_with_a_key_that_a_rotation_has_replaced() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    let stale = keys.keyring(&read(&db, "42").await).unwrap();
    let parameters = TenantKeyId::of(&stale.seal(&"x".into(), &context("42")).unwrap()).unwrap().parameters();
    let mut writer = db.begin().await.unwrap();
    assert_eq!(run(&mut *writer, postgres::FENCE, parameters).await, 1);
    let created = keys.create(&read(&db, "42").await, TenantState::Live).unwrap();
    let pool = db.clone();
    let mut rotating = tokio::spawn(async move { write(&pool, &created).await });
    assert!(timeout(WHILE, &mut rotating).await.is_err(), "it waits for who has passed");
    query(INSERT).bind("x").execute(&mut *writer).await.unwrap();
    writer.commit().await.unwrap();
    assert!(rotating.await.unwrap());

    let mut connection = db.acquire().await.unwrap();
    assert!(!store(&mut connection, &stale, postgres::FENCE).await);
    let ring = keys.keyring(&read(&db, "42").await).unwrap();
    assert!(store(&mut connection, &ring, postgres::FENCE).await);
    // A number that the tenant has not reached, as after a restore.
    let next = ["42".to_owned(), "3".to_owned()];
    assert_eq!(run(&mut *connection, postgres::FENCE, next).await, 0);
    assert_eq!(stored(&db).await, 2);
}

/// The lock that a foreign key takes lets a deletion through, and then the credential is written after it.
#[tokio::test]
async fn a_weaker_lock_is_no_fence() {
    let Some(db) = tables().await else { return };
    let keys = service();
    create(&db, &keys, "42", TenantState::NeverHad).await;
    let mut writer = db.begin().await.unwrap();
    let weaker = "SELECT tenant FROM sealwax_tenants WHERE tenant = '42' FOR KEY SHARE";
    assert_eq!(run(&mut *writer, weaker, []).await, 1);
    let deletion = tombstone(&db, &keys, "42").await;
    assert!(timeout(Duration::from_secs(60), destroy(&db, &deletion)).await.unwrap(), "it does not wait");
    query(INSERT).bind("x").execute(&mut *writer).await.unwrap();
    writer.commit().await.unwrap();
    assert_eq!(stored(&db).await, 1);
}

const URL: &str = "SEALWAX_FENCE_URL";
const RING: &str = "SEALWAX_FENCE_RING";
const FENCE: &str = "SEALWAX_FENCE";

/// Starts a process of the service: this test program, again.
fn process(options: &PgConnectOptions, ring: &str, fence: bool) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "tenants::fence::a_process", "--ignored", "--nocapture"]);
    command.env(URL, options.to_url_lossy().to_string()).env(RING, ring);
    if fence {
        command.env(FENCE, "1");
    }
    command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// Stores credentials with the keyring that it got at its start, as one does that missed the deletion, until it is stopped
/// at the fence. Then it reads the record again.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn a_process() {
    let Ok(ring) = env::var(RING) else { return };
    let options: PgConnectOptions = env::var(URL).unwrap().parse().unwrap();
    let mut db = options.connect().await.unwrap();
    let keys = TenantKeys::new(ring.parse().unwrap(), []);
    let stale = keys.keyring(&read(&mut db, "42").await).unwrap();
    let fence = if env::var(FENCE).is_ok() { postgres::FENCE } else { "SELECT $1::text, $2::text" };
    while store(&mut db, &stale, fence).await {
        sleep(Duration::from_millis(1)).await;
    }
    let ring = keys.keyring(&read(&mut db, "42").await).unwrap();
    assert!(matches!(ring.seal(&"x".into(), &context("42")), Err(SealError::NoPrimary)));
}

/// Returns how many credentials two processes had stored when the deletion returned, how many there are in the end, and
/// whether both have stopped by themselves.
async fn two_processes(db: &PgPool, fence: bool) -> (i64, i64, bool) {
    let key = sealwax::MasterKey::generate().unwrap().to_text();
    let text = format!("primary epoch-1 {}", key.expose_str().unwrap());
    let keys = TenantKeys::new(text.parse().unwrap(), []);
    create(db, &keys, "42", TenantState::NeverHad).await;
    let mut processes = [process(&db.connect_options(), &text, fence), process(&db.connect_options(), &text, fence)];
    let mut turns = 0;
    while stored(db).await < 50 {
        sleep(Duration::from_millis(20)).await;
        turns += 1;
        assert!(turns < 3000, "the processes store nothing");
    }
    assert!(destroy(db, &tombstone(db, &keys, "42").await).await);
    let at_the_deletion = stored(db).await;
    sleep(Duration::from_millis(500)).await;
    let mut stopped = true;
    for process in &mut processes {
        let end = timeout(if fence { Duration::from_secs(60) } else { Duration::ZERO }, process.wait()).await;
        stopped &= end.is_ok_and(|status| status.unwrap().success());
    }
    (at_the_deletion, stored(db).await, stopped)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_a_stale_keyring_store_nothing_after_a_deletion() {
    let Some(db) = tables().await else { return };
    let (at_the_deletion, in_the_end, stopped) = two_processes(&db, true).await;
    assert!(stopped, "both were stopped at the fence, and then got no key");
    assert_eq!(at_the_deletion, in_the_end);
}

/// Without the fence they go on: the test above can fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_they_go_on() {
    let Some(db) = tables().await else { return };
    let (at_the_deletion, in_the_end, stopped) = two_processes(&db, false).await;
    assert!(!stopped && in_the_end > at_the_deletion, "{at_the_deletion} {in_the_end}");
}
