//! The tables of the other crates, over each database that they may be in.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_audit::{Action, AuditKey, AuditKeys, AuditLog, ChainError, Record as Entry, Recorder, Verified, verify};
use sealwax_sqlx::tables::{
    AuditTable, AuditTableError, Database, Dialect, LogVerifier, TenantTable, TokenTable, TokenTableError, Value,
};
use sealwax_tenants::{TenantId, TenantKeys, TenantState};
use sealwax_tokens::{ChangeError, Existing, Grant, Mode, Pepper, Peppers, Rotation, Salt, TokenError, Tokens};
use sha2::{Digest, Sha256};
use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AnyPool, AssertSqlSafe, SqlitePool};

use crate::server;

const SQLITE: [&str; 3] =
    [sealwax_audit::sql::sqlite::TABLES, sealwax_tokens::sql::sqlite::TABLES, sealwax_tenants::sql::sqlite::TABLES];
const POSTGRES: [&str; 3] = [
    sealwax_audit::sql::postgres::TABLES,
    sealwax_tokens::sql::postgres::TABLES,
    sealwax_tenants::sql::postgres::TABLES,
];
const NOW: u64 = 1_790_000_000;

/// Returns the path of an empty database.
fn path() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let name = format!("tables-{}-{}.db", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path.display().to_string()
}

async fn sqlite() -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(path()).create_if_missing(true);
    SqlitePoolOptions::new().connect_with(options).await.unwrap()
}

async fn any() -> AnyPool {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new().connect(&format!("sqlite:{}?mode=rwc", path())).await.unwrap()
}

#[tokio::test]
async fn over_sqlite() {
    let pool = sqlite().await;
    assert_eq!(pool.dialect(), Dialect::Sqlite);
    sqlx::raw_sql(AssertSqlSafe(SQLITE.concat())).execute(&pool).await.unwrap();
    all(pool).await;
}

#[tokio::test]
async fn what_is_destroyed_stays_so_in_sqlite() {
    use sealwax_tenants::sql::sqlite::{CREATE, DESTROY, FENCE, PRUNE, REPLAY, WRITER_FENCE};

    let pool = sqlite().await;
    sqlx::raw_sql(AssertSqlSafe(SQLITE.concat())).execute(&pool).await.unwrap();
    let run = async |sql, parameters: &[&str]| {
        pool.rows(sql, parameters.iter().map(|text| Value::from(*text)).collect()).await.map(|rows| rows.len())
    };
    // A stale record of a tenant whom the database does not know creates nothing.
    for seen in ["1", "0"] {
        run(CREATE, &["42", seen, "0", "1", "first"]).await.unwrap();
    }
    run(CREATE, &["42", "1", "0", "2", "second"]).await.unwrap();
    run(CREATE, &["42", "1", "0", "3", "from a stale record"]).await.unwrap();
    let keys = "SELECT number || envelope FROM sealwax_tenant_keys ORDER BY number";
    let rows = pool.rows(keys, Vec::new()).await.unwrap();
    assert_eq!(rows, [["1first".into()], ["2second".into()]]);
    assert_eq!(run(FENCE, &["42", "2"]).await.unwrap(), 1);
    assert_eq!(run(FENCE, &["42", "1"]).await.unwrap(), 0, "a rotation has replaced it");
    assert_eq!(run(WRITER_FENCE, &["42"]).await.unwrap(), 1);
    // Only the newest key prunes.
    run(PRUNE, &["42", "1"]).await.unwrap();
    assert_eq!(run(keys, &[]).await.unwrap(), 2);
    run(PRUNE, &["42", "2"]).await.unwrap();
    assert_eq!(run(keys, &[]).await.unwrap(), 1);
    let deleted = pool.rows(DESTROY, vec!["42".into(), "2".into()]).await.unwrap();
    assert_eq!(deleted, [["second".into()]]);
    assert_eq!(run(keys, &[]).await.unwrap(), 0);
    for fence in [run(FENCE, &["42", "2"]).await, run(WRITER_FENCE, &["42"]).await, run(WRITER_FENCE, &["43"]).await] {
        assert_eq!(fence.unwrap(), 0);
    }
    // Nothing comes back, and a deletion that is replayed changes nothing.
    for sql in [
        "INSERT INTO sealwax_tenant_keys VALUES ('42', 2, 'second')",
        "INSERT OR REPLACE INTO sealwax_tenant_keys VALUES ('42', 1, 'first')",
        "UPDATE sealwax_tenants SET destroyed = 1",
        "UPDATE sealwax_tenants SET number = 1, destroyed = 1",
        "UPDATE sealwax_tenants SET tenant = '43'",
        "DELETE FROM sealwax_tenants",
    ] {
        assert!(run(sql, &[]).await.is_err(), "{sql}");
    }
    assert_eq!(run(REPLAY, &["42", "1"]).await.unwrap(), 1);
    assert_eq!(
        pool.rows("SELECT number, destroyed FROM sealwax_tenants", Vec::new()).await.unwrap(),
        [[Value::Number(2), Value::Number(2)]]
    );
    run(CREATE, &["42", "2", "2", "3", "third"]).await.unwrap();
    assert_eq!(run(WRITER_FENCE, &["42"]).await.unwrap(), 1);
}

#[tokio::test]
async fn over_any_of_sqlite() {
    let pool = any().await;
    assert_eq!(pool.dialect(), Dialect::Sqlite);
    sqlx::raw_sql(AssertSqlSafe(SQLITE.concat())).execute(&pool).await.unwrap();
    all(pool).await;
}

#[tokio::test]
async fn over_postgresql() {
    let Some((pool, _)) = server::empty().await else { return };
    assert_eq!(pool.dialect(), Dialect::Postgres);
    sqlx::raw_sql(AssertSqlSafe(POSTGRES.concat())).execute(&pool).await.unwrap();
    all(pool).await;
}

#[tokio::test]
async fn over_any_of_postgresql() {
    let Some((_, options)) = server::empty().await else { return };
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(sqlx::ConnectOptions::to_url_lossy(&options).as_str()).await.unwrap();
    assert_eq!(pool.dialect(), Dialect::Postgres);
    sqlx::raw_sql(AssertSqlSafe(POSTGRES.concat())).execute(&pool).await.unwrap();
    all(pool).await;
}

async fn all<D: Database>(database: D) {
    values(&database).await;
    audit(database.clone()).await;
    tokens(TokenTable::new(database.clone())).await;
    tenants(TenantTable::new(database)).await;
}

async fn values(database: &impl Database) {
    let sql = match database.dialect() {
        Dialect::Sqlite => "SELECT ?1, ?2, ?3 IS NULL, CAST(NULL AS TEXT)",
        Dialect::Postgres => "SELECT $1, $2, $3 IS NULL, CAST(NULL AS TEXT)",
    };
    let parameters = vec!["text".into(), Value::Number(7), Value::Bytes(None)];
    let rows = database.rows(sql, parameters).await.unwrap();
    assert_eq!(rows, [["text".into(), Value::Number(7), Value::Number(1), Value::Text(None)]]);
}

async fn audit<D: Database>(database: D) {
    let table = AuditTable::new(database.clone());
    let keys = AuditKeys::new("audit-1".parse().unwrap(), AuditKey::generate().unwrap()).unwrap();
    let log = Arc::new(AuditLog::new(keys, table, || 1_790_000_000_000));
    let context = EncryptionContext::new([("tenant", "42")]).unwrap();
    let ring = Keyring::new("prod".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let row = ring.seal(&"credential".into(), &context).unwrap();
    let ring = ring.with_recorder(Recorder::new(&log, "42", "mia", "ticket 7").unwrap());
    ring.open_async(&row, &context).await.unwrap();
    // Of eight at once, each gets a place.
    let mut openings = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (ring, row, context) = (ring.clone(), row.clone(), context.clone());
        openings.spawn(async move { ring.open_async(&row, &context).await.map(drop) });
    }
    assert!(openings.join_all().await.iter().all(Result::is_ok));
    log.append("43", Action::new("rotate", "ops", "", "done")).await.unwrap();
    let table = log.sink();
    assert_eq!(table.subjects().await.unwrap(), ["42", "43"]);
    let chain: Vec<Entry> = table.chain("42").await.unwrap().iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(chain.len(), 9);
    verify(log.keys(), "42", &chain, &[]).unwrap();
    assert_eq!(table.chain("44").await.unwrap(), [""; 0]);
    verified(&log, &database).await;
}

/// A database that fails after one read, and counts the attempts.
#[derive(Clone)]
struct OneRead<D>(D, Arc<AtomicUsize>);

impl<D: Database> Database for OneRead<D> {
    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    async fn rows(&self, sql: &'static str, parameters: Vec<Value>) -> sqlx::Result<Vec<Vec<Value>>> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 => self.0.rows(sql, parameters).await,
            _ => Err(sqlx::Error::PoolClosed),
        }
    }

    async fn execute(&self, sql: &'static str, parameters: Vec<Value>) -> sqlx::Result<u64> {
        self.0.execute(sql, parameters).await
    }
}

/// Whole chains in turn, however few entries a call may read.
async fn in_turn<D: Database>(table: &AuditTable<D>, keys: &AuditKeys) {
    let mut verifier = LogVerifier::default();
    let found = async |verifier: &mut LogVerifier, entries| {
        let mut found = Vec::new();
        let each = |subject: &str, verified: Result<&Verified, AuditTableError>| {
            found.push((subject.to_owned(), verified.map(|verified| verified.last.as_ref().unwrap().number)));
        };
        verifier.verify(table, keys, entries, each).await.unwrap();
        found.into_iter().map(|(subject, number)| (subject, number.unwrap())).collect::<Vec<_>>()
    };
    let one = |subject: &str| (subject.to_owned(), if subject == "42" { 1009 } else { 1 });
    let first = found(&mut verifier, 0).await;
    assert_eq!(first.len(), 1);
    // What is new in the chain that is known, and then all of the other one.
    let second = found(&mut verifier, 0).await;
    assert_eq!(second[0], first[0]);
    let mut both = [first[0].clone(), second[1].clone()];
    both.sort();
    assert_eq!(both, ["42", "43"].map(one));
    assert_eq!(found(&mut verifier, u64::MAX).await.len(), 4);
    let mut anchors: Vec<_> = verifier.anchors().cloned().collect();
    anchors.sort_by_key(|anchor| anchor.number);
    assert_eq!(anchors.iter().map(|anchor| anchor.number).collect::<Vec<_>>(), [1, 1009]);

    // A chain that was deleted, and one that was cut.
    let others = anchors.iter().map(|anchor| {
        let mut other = anchor.clone();
        (other.number, other.subject) = (anchor.number + 1, format!("4{}", 5 - anchor.number.min(2)));
        other
    });
    let anchors: Vec<_> = others.chain(anchors.clone()).collect();
    let mut verifier = LogVerifier::new(anchors);
    let mut altered = Vec::new();
    let each = |subject: &str, verified: Result<&Verified, AuditTableError>| {
        if let Err(error) = verified {
            assert!(error.is_altered());
            altered.push(subject.to_owned());
        }
    };
    verifier.verify(table, keys, u64::MAX, each).await.unwrap();
    altered.sort();
    assert_eq!(altered, ["43", "44"]);
}

/// Over more than one page, from the first entry and from one that is known.
async fn verified<D: Database>(log: &AuditLog<AuditTable<D>>, database: &D) {
    let (table, keys) = (log.sink(), log.keys());
    let verify = async |known| table.verify(keys, "42", &[], known).await;
    let known = verify(None).await.unwrap();
    assert_eq!(known.last.as_ref().unwrap().number, 9);
    assert_eq!(verify(Some(&known)).await.unwrap().last, known.last);
    for _ in 0..1000 {
        log.append("42", Action::new("rotate", "ops", "", "done")).await.unwrap();
    }
    let all = verify(None).await.unwrap();
    let since = table.verify(keys, "42", known.last.as_slice(), Some(&known)).await.unwrap();
    assert_eq!((all.last.as_ref().unwrap().number, all.anchored, since.anchored), (1009, 0, 9));
    assert_eq!(all.last, since.last);
    in_turn(table, keys).await;
    // A database that fails is asked no more.
    let (reads, tables) = (Arc::new(AtomicUsize::new(0)), database.clone());
    let failed = AuditTable::new(OneRead(tables, Arc::clone(&reads))).verify(keys, "42", &[], Some(&known)).await;
    assert!(
        matches!(&failed, Err(AuditTableError::Database(_))) && !failed.as_ref().unwrap_err().is_altered(),
        "{failed:?}"
    );
    assert_eq!(reads.load(Ordering::SeqCst), 2);

    let unlock = match database.dialect() {
        Dialect::Sqlite => "DROP TRIGGER sealwax_audit_undeleted",
        Dialect::Postgres => "ALTER TABLE sealwax_audit DISABLE TRIGGER USER",
    };
    database.execute(unlock, Vec::new()).await.unwrap();
    let delete = "DELETE FROM sealwax_audit WHERE subject = '42' AND number > 1000";
    assert_eq!(database.execute(delete, Vec::new()).await.unwrap(), 9);
    let cut = verify(Some(&all)).await.unwrap_err().to_string();
    assert_eq!(cut, "entry 1001 and those after it were cut off: there is an anchor of entry 1009");
    assert_eq!(verify(Some(&known)).await.unwrap().last.unwrap().number, 1000);
    // What was altered before the known entry is found from the first one on.
    let delete = "DELETE FROM sealwax_audit WHERE subject = '42' AND number = 3";
    assert_eq!(database.execute(delete, Vec::new()).await.unwrap(), 1);
    assert_eq!(verify(Some(&known)).await.unwrap().last.unwrap().number, 1000);
    let missing = verify(None).await;
    assert!(matches!(missing, Err(AuditTableError::Chain(ChainError::Missing { number: 3, .. }))), "{missing:?}");
    // An entry without a record is not the end of a chain. (SQLite's table is strict, and refuses it.)
    if database.dialect() == Dialect::Postgres {
        for sql in [
            "ALTER TABLE sealwax_audit ALTER COLUMN record DROP NOT NULL",
            "UPDATE sealwax_audit SET record = NULL WHERE subject = '43'",
        ] {
            database.execute(sql, Vec::new()).await.unwrap();
        }
        let gone = table.verify(keys, "43", &[], None).await;
        assert!(matches!(gone, Err(AuditTableError::Record(_))), "{gone:?}");
    }
    // So is the reason why what came since does not verify.
    let missing = verify(Some(&all)).await;
    assert!(matches!(missing, Err(AuditTableError::Chain(ChainError::Missing { number: 3, .. }))), "{missing:?}");
}

fn shown(token: sealwax_tokens::ShowOnce) -> String {
    token.into_secret().unwrap().expose_str().unwrap().into()
}

fn refused<T>(result: Result<T, TokenTableError>) -> TokenError {
    match result {
        Err(TokenTableError::Token(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was accepted"),
    }
}

async fn tokens<D: Database>(table: TokenTable<D>) {
    let peppers = Peppers::new("tokens-1".parse().unwrap(), Pepper::generate().unwrap()).unwrap();
    let tokens = Tokens::new(peppers, Mode::Live, "acme_".parse().unwrap()).accept_existing([]);
    let grant = |scope| Grant::new("tenant/42", [scope]).unwrap();

    let issued = tokens.issue(grant("read").expires(NOW + 100)).unwrap();
    table.insert(&issued).await.unwrap();
    let (id, token) = (issued.claims.id, shown(issued.token));
    let [(_, used)] = &table.list("tenant/42").await.unwrap()[..] else { panic!("one token") };
    assert_eq!(*used, None);
    let used = table.verify(&tokens, &token, NOW, "read").await.unwrap();
    assert!(used.claims.id == id && used.unwritten.is_none());
    assert_eq!(refused(table.verify(&tokens, &token, NOW, "write").await), TokenError::Scope);
    assert_eq!(refused(table.verify(&tokens, "acme_other", NOW, "read").await), TokenError::Unknown);
    let [(record, used)] = &table.list("tenant/42").await.unwrap()[..] else { panic!("one token") };
    assert_eq!((tokens.inspect(record.as_ref().unwrap()).unwrap().id, *used), (id, Some(1_790_000_000)));

    // A rotation without grace ends the old token in the statement that writes the new one.
    let rotation = Rotation { now: NOW, grace: Duration::ZERO, expires: None };
    let rotated = table.change(&id, |record| tokens.rotate(record, "tenant/42", rotation)).await.unwrap();
    let new = shown(rotated.token);
    assert_eq!(refused(table.verify(&tokens, &token, NOW, "read").await), TokenError::Expired);
    table.verify(&tokens, &new, NOW, "read").await.unwrap();
    let by_another = table.change(&id, |record| tokens.revoke(record, "tenant/43")).await;
    assert!(matches!(by_another, Err(TokenTableError::Change(ChangeError::OtherSubject))));
    table.change(&id, |record| tokens.revoke(record, "tenant/42")).await.unwrap();
    assert_eq!(refused(table.verify(&tokens, &new, NOW, "read").await), TokenError::Revoked);
    let unknown = tokens.issue(grant("read")).unwrap().claims.id;
    let changed = table.change(&unknown, |record| tokens.revoke(record, "tenant/42")).await;
    assert_eq!(refused(changed), TokenError::Unknown);

    // A token for one use.
    let link = tokens.issue(grant("sign-in").single_use()).unwrap();
    table.insert(&link).await.unwrap();
    let link = shown(link.token);
    for _ in 0..2 {
        assert_eq!(table.peek(&tokens, &link, NOW, "sign-in").await.unwrap().grant.subject(), "tenant/42");
    }
    assert_eq!(refused(table.peek(&tokens, &link, NOW, "read").await), TokenError::Scope);
    table.redeem(&tokens, &link, NOW, "sign-in").await.unwrap();
    assert_eq!(refused(table.redeem(&tokens, &link, NOW, "sign-in").await), TokenError::Spent);
    assert_eq!(refused(table.peek(&tokens, &link, NOW, "sign-in").await), TokenError::Spent);

    // One of another program, with a salt of its own: it is found by trying, once.
    let old = "nem_0123456789";
    let digest: [u8; 32] = Sha256::digest(format!("salt{old}")).into();
    let existing = Existing::SaltBefore(Salt::new(b"salt").unwrap(), digest.into());
    table.insert_converted(&tokens.convert(&existing, grant("read")).unwrap()).await.unwrap();
    assert_eq!(refused(table.verify(&tokens, old, NOW, "read").await), TokenError::Unknown);
    assert_eq!(refused(table.verify_salted(&tokens, "nem_other", NOW, "read").await), TokenError::Unknown);
    table.verify_salted(&tokens, old, NOW, "read").await.unwrap();
    table.verify(&tokens, old, NOW, "read").await.unwrap();

    assert_eq!(table.purge(NOW).await.unwrap(), 0);
    assert_eq!(table.purge(NOW + 100).await.unwrap(), 1);
}

async fn tenants<D: Database>(table: TenantTable<D>) {
    let root = Keyring::new("epoch-1".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let keys = TenantKeys::new(root, []);
    let tenant: TenantId = "42".parse().unwrap();
    let never = table.read(&tenant).await.unwrap();
    assert_eq!(keys.state(&never).unwrap(), TenantState::NeverHad);
    let created = keys.create(&never, TenantState::NeverHad).unwrap();
    assert!(table.create(&created).await.unwrap());
    // Somebody else was first.
    assert!(!table.create(&keys.create(&never, TenantState::NeverHad).unwrap()).await.unwrap());
    let first = table.read(&tenant).await.unwrap();
    let context = EncryptionContext::new([("tenant", "42")]).unwrap();
    let row = keys.keyring(&first).unwrap().seal(&"credential".into(), &context).unwrap();
    assert!(table.create(&keys.create(&first, TenantState::Live).unwrap()).await.unwrap());
    let second = table.read(&tenant).await.unwrap();
    keys.keyring(&second).unwrap().open(&row, &context).unwrap();

    let dead = keys.destroy(&first, |_| Ok::<_, ()>(())).unwrap();
    assert_eq!(table.destroy(dead).await.unwrap(), None, "the tenant has got another key");
    let dead = keys.destroy(&second, |_| Ok::<_, ()>(())).unwrap();
    assert_eq!(table.destroy(dead.clone()).await.unwrap(), Some(dead.clone()));
    assert_eq!(keys.state(&table.read(&tenant).await.unwrap()).unwrap(), TenantState::Destroyed);
    assert_eq!(table.replay(dead.clone()).await.unwrap(), dead);

    // A tenant whom a restored database does not know.
    let other: TenantId = "43".parse().unwrap();
    let lost = dead.to_string().replace("tenant/42", "tenant/43").parse().unwrap();
    table.replay(lost).await.unwrap();
    assert_eq!(keys.state(&table.read(&other).await.unwrap()).unwrap(), TenantState::Destroyed);
}
