//! The erasure fence: a credential that is being written while its tenant is deleted.

use std::env;
use std::process::Stdio;
use std::time::Duration;

use sealwax::{Keyring, SealError};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{TenantKeyId, TenantKeys, TenantState};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, query, query_scalar};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
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

/// The same in one statement.
async fn store_at_once(db: &mut PgConnection, ring: &Keyring) -> bool {
    let envelope = ring.seal(&"s3cret".into(), &context("42")).unwrap();
    let [id, number] = TenantKeyId::of(&envelope).unwrap().parameters();
    let fence = postgres::FENCE;
    let insert =
        format!("WITH fence AS ({fence}) INSERT INTO credentials (tenant, envelope) SELECT tenant, $3 FROM fence");
    let insert = query(AssertSqlSafe(insert)).bind(id).bind(number).bind(envelope.to_string());
    insert.execute(db).await.unwrap().rows_affected() == 1
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
        let (pool, same) = (db.clone(), ring.clone());
        let mut storing =
            tokio::spawn(async move { store(&mut pool.acquire().await.unwrap(), &ring, postgres::FENCE).await });
        let pool = db.clone();
        let mut at_once = tokio::spawn(async move { store_at_once(&mut pool.acquire().await.unwrap(), &same).await });
        let pool = db.clone();
        let mut writer = tokio::spawn(async move { run(&pool, postgres::WRITER_FENCE, ["42".to_owned()]).await });
        assert!(timeout(WHILE, &mut storing).await.is_err(), "it waits");
        assert!(timeout(WHILE, &mut at_once).await.is_err(), "it waits");
        assert!(timeout(WHILE, &mut writer).await.is_err(), "it waits");
        if commits { deleter.commit().await } else { deleter.rollback().await }.unwrap();
        let passed = (storing.await.unwrap(), at_once.await.unwrap(), writer.await.unwrap());
        assert_eq!(passed, (!commits, !commits, u64::from(!commits)));
    }
    // A key that came later passes.
    create(&db, &keys, "42", TenantState::Destroyed).await;
    let ring = keys.keyring(&read(&db, "42").await).unwrap();
    let mut connection = db.acquire().await.unwrap();
    assert!(store(&mut connection, &ring, postgres::FENCE).await && store_at_once(&mut connection, &ring).await);
    assert_eq!(run(&mut *connection, postgres::WRITER_FENCE, ["42".to_owned()]).await, 1);
    assert_eq!(run(&mut *connection, postgres::WRITER_FENCE, ["43".to_owned()]).await, 0, "who never had a key");
    assert_eq!(stored(&db).await, 4);
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

/// Starts credentials of the tenant `42` that overlap: each of their writers is in a transaction nearly always.
fn stream(db: &PgPool, key: &TenantKeyId) -> Vec<JoinHandle<u32>> {
    let writer = |db: PgPool, parameters: [String; 2]| async move {
        let mut passed = 0;
        loop {
            let mut transaction = db.begin().await.unwrap();
            if run(&mut *transaction, postgres::FENCE, parameters.clone()).await == 0 {
                return passed;
            }
            sleep(Duration::from_millis(40)).await;
            transaction.commit().await.unwrap();
            passed += 1;
        }
    };
    (0..7).map(|_| tokio::spawn(writer(db.clone(), key.parameters()))).collect()
}

/// PostgreSQL lets who shares a row's lock join others, past a change that waits for it. So the fence has a queue before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_has_its_turn_in_a_stream_of_credentials() {
    for statement in [postgres::CREATE, postgres::DESTROY, postgres::REPLAY] {
        let Some(db) = tables().await else { return };
        let keys = service();
        create(&db, &keys, "42", TenantState::NeverHad).await;
        let deletion = tombstone(&db, &keys, "42").await;
        let rotation = keys.create(&read(&db, "42").await, TenantState::Live).unwrap();
        let parameters = match statement {
            postgres::CREATE => rotation.parameters().to_vec(),
            _ => deletion.parameters().to_vec(),
        };
        let writers = stream(&db, deletion.key());
        sleep(WHILE).await;
        // Without the queue, it takes from 2 to 12 seconds; with it, as long as one of the transactions.
        let change = timeout(Duration::from_secs(1), run(&db, statement, parameters)).await;
        assert_eq!(change.expect("it has its turn"), 1);
        for writer in writers {
            let passed = writer.await.unwrap();
            assert!(passed >= 2, "{passed}");
        }
    }
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

/// How a process writes a credential.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Unfenced,
    InATransaction,
    AtOnce,
}

/// Starts a process of the service: this test program, again.
fn process(options: &PgConnectOptions, ring: &str, form: Form) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "tenants::fence::a_process", "--ignored", "--nocapture"]);
    command.env(URL, options.to_url_lossy().to_string()).env(RING, ring);
    match form {
        Form::Unfenced => &mut command,
        Form::InATransaction => command.env(FENCE, "in a transaction"),
        Form::AtOnce => command.env(FENCE, "at once"),
    };
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
    let fence = env::var(FENCE);
    while match fence.as_deref() {
        Ok("at once") => store_at_once(&mut db, &stale).await,
        Ok(_) => store(&mut db, &stale, postgres::FENCE).await,
        Err(_) => store(&mut db, &stale, "SELECT $1::text, $2::text").await,
    } {
        sleep(Duration::from_millis(1)).await;
    }
    let ring = keys.keyring(&read(&mut db, "42").await).unwrap();
    assert!(matches!(ring.seal(&"x".into(), &context("42")), Err(SealError::NoPrimary)));
}

/// Returns how many credentials two processes had stored when the deletion returned, how many there are in the end, and
/// whether both have stopped by themselves.
async fn two_processes(db: &PgPool, form: Form) -> (i64, i64, bool) {
    let key = sealwax::MasterKey::generate().unwrap().to_text();
    let text = format!("primary epoch-1 {}", key.expose_str().unwrap());
    let keys = TenantKeys::new(text.parse().unwrap(), []);
    create(db, &keys, "42", TenantState::NeverHad).await;
    let mut processes = [process(&db.connect_options(), &text, form), process(&db.connect_options(), &text, form)];
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
        let patience = if form == Form::Unfenced { Duration::ZERO } else { Duration::from_secs(60) };
        let end = timeout(patience, process.wait()).await;
        stopped &= end.is_ok_and(|status| status.unwrap().success());
    }
    (at_the_deletion, stored(db).await, stopped)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_a_stale_keyring_store_nothing_after_a_deletion() {
    for form in [Form::InATransaction, Form::AtOnce] {
        let Some(db) = tables().await else { return };
        let (at_the_deletion, in_the_end, stopped) = two_processes(&db, form).await;
        assert!(stopped, "both were stopped at the fence, and then got no key");
        assert_eq!(at_the_deletion, in_the_end);
    }
}

/// Without the fence they go on: the test above can fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_they_go_on() {
    let Some(db) = tables().await else { return };
    let (at_the_deletion, in_the_end, stopped) = two_processes(&db, Form::Unfenced).await;
    assert!(!stopped && in_the_end > at_the_deletion, "{at_the_deletion} {in_the_end}");
}
