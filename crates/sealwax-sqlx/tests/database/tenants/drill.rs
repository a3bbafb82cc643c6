//! The drill of a deletion: dumps, the files of the database and its write-ahead log still have the tenant's rows, and none
//! opens.
//!
//! Each epoch has a root, an escrow whose opening key is in a safe, and a pair for the dashboard, which writes and cannot
//! read. A worker gives what the dashboard writes to the tenants' keys. It has not come to the row of the tenant who is
//! deleted. One of the others gets a new key after the dump.
//!
//! The audit log is in the same database, and a copy of its records and its last anchor are elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sealwax::{Envelope, KeyId, Keyring, MasterKey, OpeningKey, Sealer};
use sealwax_audit::{Anchor, Appended, AuditLog, AuditSink, ChainError, verify};
use sealwax_sqlx::{Job, Limits, Options, Table, install};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{
    Certificate, CertificateError, Notice, TenantId, TenantKeyId, TenantKeys, TenantRecord, TenantState, Tombstone,
    WriterPair,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, query, query_as, query_scalar, raw_sql};

use super::{CREDENTIALS, context, create, read, run, tombstone};
use crate::audit;
use crate::cluster::{Cluster, PROGRAMS};
use crate::server::empty_on;

const DELETED: &str = "7";
/// Whose key is replaced between the dump and the restore.
const ROTATED: &str = "3";
const TENANTS: usize = 20;
/// The rows that the service itself writes for each tenant. The dashboard writes one more.
const ROWS: usize = 3;
const SURVIVORS_ROWS: usize = (TENANTS - 1) * (ROWS + 1);
const PAIRS: &str = "CREATE TABLE pairs (key_id text PRIMARY KEY, envelope text NOT NULL)";

fn id(id: &str) -> KeyId {
    id.parse().unwrap()
}

/// The pair of the dashboard in November.
fn dashboard() -> KeyId {
    id("dashboard-11")
}

/// Runs a program of PostgreSQL on a database.
fn program(name: &str, options: &PgConnectOptions, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(PROGRAMS).join(name));
    command.args(["-w", "-h", "127.0.0.1", "-U", "sealwax", "-p", &options.get_port().to_string()]);
    command.args(["-d", options.get_database().unwrap()]).args(arguments);
    command.stdin(Stdio::null());
    command
}

fn dump(options: &PgConnectOptions, arguments: &[&str]) -> String {
    let output = program("pg_dump", options, arguments).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn load(options: &PgConnectOptions, file: &Path, dump: &str) {
    fs::write(file, dump).unwrap();
    let arguments = ["-q", "-v", "ON_ERROR_STOP=1", "-f", file.to_str().unwrap()];
    assert!(program("psql", options, &arguments).stdout(Stdio::null()).status().unwrap().success());
}

/// Returns all envelopes in the bytes of files.
fn envelopes_in(directory: &Path) -> BTreeSet<String> {
    let (mut found, mut left) = (BTreeSet::new(), vec![PathBuf::from(directory)]);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        // The server may have deleted it meanwhile.
        let Ok(bytes) = fs::read(&path) else { continue };
        let starts = bytes.windows(4).enumerate().filter(|(_, window)| window == b"sw1:").map(|(at, _)| at);
        for start in starts {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b":=._-/@,".contains(byte);
            let text: Vec<u8> = bytes[start..].iter().take_while(|byte| is_part(byte)).copied().collect();
            found.insert(String::from_utf8(text).unwrap());
        }
    }
    found
}

/// What a thief or an operator tries with all that the service still has: each envelope as a credential of each tenant,
/// and as the key that makes one of the deleted tenant's rows open.
struct Attempts {
    /// Envelopes under the deleted tenant's key.
    credentials: usize,
    /// Envelopes with that key.
    keys: usize,
    /// What the dashboard wrote and nobody has rewrapped: for the deleted tenant alone.
    written: usize,
    /// Those of the tenant's keys that open.
    opened_keys: usize,
    /// Those of the tenant's rows that open, or would with a key that opens.
    opened_rows: usize,
}

fn attempts(texts: &BTreeSet<String>, key: &Envelope, ring: &Keyring, survivors: &[Keyring]) -> Attempts {
    let mut attempts = Attempts { credentials: 0, keys: 0, written: 0, opened_keys: 0, opened_rows: 0 };
    let all: Vec<Envelope> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let is_written = |envelope: &&Envelope| envelope.key_ids().eq([dashboard()]);
    attempts.written = all.iter().filter(is_written).count();
    let deleted: TenantKeyId = format!("tenant/{DELETED}@1").parse().unwrap();
    let tenant: TenantId = DELETED.parse().unwrap();
    for text in texts {
        let Ok(envelope) = text.parse::<Envelope>() else { continue };
        if TenantKeyId::of(&envelope) == Ok(deleted.clone()) {
            attempts.credentials += 1;
            let opens = |ring: &Keyring| ring.open(&envelope, &context(DELETED)).is_ok();
            attempts.opened_rows += usize::from(survivors.iter().chain([ring]).any(opens));
        }
        attempts.keys += usize::from(envelope.commitment() == key.commitment());
        // Without the tombstone, which a thief does not care for. Whatever else opens is in another context.
        let record = TenantRecord::new(tenant.clone(), 1, 0, [(1, text)]);
        attempts.opened_keys += usize::from(TenantKeys::new(ring.clone(), []).keyring(&record).is_ok());
        // As the pair that the dashboard's rows are under.
        let Ok(opening_key) = WriterPair::from_row(dashboard(), envelope).open(ring) else { continue };
        let reader = Keyring::new(dashboard(), opening_key).unwrap();
        let opens = |row: &&Envelope| reader.open(row, &context(DELETED)).is_ok();
        attempts.opened_rows += all.iter().filter(is_written).filter(opens).count();
    }
    attempts
}

async fn opened(db: &PgPool, keys: &TenantKeys) -> (usize, usize) {
    let sql = "SELECT c.tenant, c.envelope, r.record FROM credentials c
        LEFT JOIN sealwax_tenant_records r ON r.tenant = c.tenant";
    let rows: Vec<(String, String, Option<String>)> = query_as(sql).fetch_all(db).await.unwrap();
    let opens = |(id, envelope, record): &(String, String, Option<String>)| {
        let record = TenantRecord::from_row(id.parse().unwrap(), record.as_deref());
        let ring = keys.keyring(&record).unwrap();
        ring.open(&envelope.parse().unwrap(), &context(id)).is_ok()
    };
    let (of_the_deleted, others): (Vec<_>, Vec<_>) = rows.iter().partition(|(id, ..)| id == DELETED);
    assert_eq!((of_the_deleted.len(), others.len()), (ROWS + 1, SURVIVORS_ROWS));
    (of_the_deleted.into_iter().filter(|row| opens(row)).count(), others.into_iter().filter(|row| opens(row)).count())
}

/// Seals a row for each tenant, as the dashboard does, and has a worker rewrap them, except that of the deleted tenant.
async fn write_and_take_over(db: &PgPool, keys: &TenantKeys) {
    let (pair, sealing_key) = WriterPair::create(dashboard(), &keys.service()).unwrap();
    let insert = "INSERT INTO pairs (key_id, envelope) VALUES ($1, $2)";
    query(insert).bind(pair.key_id().as_ref()).bind(pair.envelope().to_string()).execute(db).await.unwrap();
    let sealer = Sealer::new(dashboard(), sealing_key).unwrap();
    let opening_key = Arc::new(pair.open(&keys.service()).unwrap());
    for tenant in (0..TENANTS).map(|tenant| tenant.to_string()) {
        let written = sealer.seal(&"s3cret".into(), &context(&tenant)).unwrap();
        let insert = "INSERT INTO credentials (tenant, envelope) VALUES ($1, $2) RETURNING id";
        let row: i64 = query_scalar(insert).bind(&tenant).bind(written.to_string()).fetch_one(db).await.unwrap();
        if tenant == DELETED {
            continue;
        }
        let ring = keys.keyring(&read(db, &tenant).await).unwrap();
        let ring = ring.with_retired(dashboard(), Arc::clone(&opening_key)).unwrap();
        let fresh = ring.rewrap(&written).unwrap().unwrap();
        let mut transaction = db.begin().await.unwrap();
        let fence = TenantKeyId::of(&fresh).unwrap().parameters();
        assert_eq!(run(&mut *transaction, postgres::FENCE, fence).await, 1);
        // What the customer has replaced meanwhile stays.
        let swap = "UPDATE credentials SET envelope = $1 WHERE tenant = $2 AND id = $3 AND envelope = $4";
        let swap = query(swap).bind(fresh.to_string()).bind(&tenant).bind(row).bind(written.to_string());
        assert_eq!(swap.execute(&mut *transaction).await.unwrap().rows_affected(), 1);
        transaction.commit().await.unwrap();
    }
}

type Log = AuditLog<audit::Table>;

async fn append(log: &Log, notice: &Notice<'_>) -> Anchor {
    log.append(Notice::SUBJECT, notice.action()).await.unwrap()
}

/// Begins the root of an epoch and its escrow.
async fn begin(log: &Log, epoch: &Keyring) {
    for (root, _) in epoch.keys() {
        append(log, &Notice::begin_root(epoch, root, "ops", "")).await;
    }
}

async fn certify(log: &Log, key: &TenantKeyId, ring: &Keyring) -> Result<Certificate, CertificateError> {
    let deletions = log.sink().chain(Notice::SUBJECT).await;
    verify(log.keys(), Notice::SUBJECT, &deletions, []).unwrap();
    Certificate::new(key, &deletions, ring)
}

/// Deletes a tenant as the recipe says, and returns the anchor of the tombstone.
async fn delete(db: &PgPool, log: &Log, keys: &TenantKeys) -> (Tombstone, Anchor) {
    let tombstone = tombstone(db, keys, DELETED).await;
    let mut transaction = db.begin().await.unwrap();
    let [id, number] = tombstone.parameters();
    let destroy = query_scalar(postgres::DESTROY).bind(id).bind(number);
    let deleted: Option<String> = destroy.fetch_one(&mut *transaction).await.unwrap();
    let tombstone = tombstone.with_deleted(deleted.as_deref());
    let anchor = append(log, &tombstone.notice("mia", "ticket 8: erasure")).await;
    transaction.commit().await.unwrap();
    query("DELETE FROM credentials WHERE tenant = $1").bind(DELETED).execute(db).await.unwrap();
    (tombstone, anchor)
}

/// Gives a tenant another key, and rewraps the tenant's rows.
async fn replace_key(db: &PgPool, keys: &TenantKeys, tenant: &str) {
    create(db, keys, tenant, TenantState::Live).await;
    let ring = keys.keyring(&read(db, tenant).await).unwrap();
    let page = query_as("SELECT id, envelope FROM credentials WHERE tenant = $1").bind(tenant);
    let page: Vec<(i64, String)> = page.fetch_all(db).await.unwrap();
    let batch = ring.rewrap_batch(page);
    assert_eq!((batch.changes.len(), batch.failures.len()), (ROWS + 1, 0));
    for change in &batch.changes {
        let swap = "UPDATE credentials SET envelope = $2 WHERE id = $1";
        query(swap).bind(change.id).bind(change.fresh.to_string()).execute(db).await.unwrap();
    }
}

/// Appends to a restored log what only the copy has. Before, the anchor says that the end is missing.
async fn restore_log(restored: &PgPool, log: &Log, anchor: &Anchor) -> Vec<Tombstone> {
    let (table, copy) = (audit::table(restored.clone()), log.sink().chain(Notice::SUBJECT).await);
    let of_the_dump = table.chain(Notice::SUBJECT).await;
    let cut = verify(log.keys(), Notice::SUBJECT, &of_the_dump, [anchor]).unwrap_err();
    assert!(matches!(cut, ChainError::Cut { .. }));
    for pair in copy[of_the_dump.len() - 1..].windows(2) {
        assert!(matches!(table.append(&pair[1], Some(&pair[0].mac)).await, Ok(Appended::Done)));
    }
    let deletions = table.chain(Notice::SUBJECT).await;
    verify(log.keys(), Notice::SUBJECT, &deletions, [anchor]).unwrap();
    deletions.iter().filter_map(|record| Tombstone::from_record(record).unwrap()).collect()
}

#[tokio::test]
async fn no_row_of_a_deleted_tenant_opens_and_each_of_every_survivor_does() {
    let Some(cluster) = Cluster::new() else { return };
    let (db, options) = empty_on(cluster.options()).await;
    raw_sql(postgres::TABLES).execute(&db).await.unwrap();
    raw_sql(CREDENTIALS).execute(&db).await.unwrap();
    raw_sql("CREATE TABLE others PARTITION OF credentials DEFAULT").execute(&db).await.unwrap();
    raw_sql(PAIRS).execute(&db).await.unwrap();
    raw_sql(sealwax_audit::sql::postgres::TABLES).execute(&db).await.unwrap();
    let log = audit::log_in(db.clone());
    let old = MasterKey::generate().unwrap().to_text();
    let old = || old.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let safe = |epoch: Keyring, escrow: &str| {
        let opening_key = OpeningKey::generate().unwrap();
        (epoch.with_offline_escrow(id(escrow), opening_key.sealing_key()).unwrap(), opening_key)
    };
    let (november, in_the_safe) = safe(Keyring::new(id("epoch-11"), old()).unwrap(), "safe-11");
    begin(&log, &november).await;
    let november = TenantKeys::new(november, []);
    for tenant in 0..TENANTS {
        let id = tenant.to_string();
        create(&db, &november, &id, TenantState::NeverHad).await;
        let ring = november.keyring(&read(&db, &id).await).unwrap();
        for _ in 0..ROWS {
            let envelope = ring.seal(&"s3cret".into(), &context(&id)).unwrap().to_string();
            let insert = "INSERT INTO credentials (tenant, envelope) VALUES ($1, $2)";
            query(insert).bind(&id).bind(envelope).execute(&db).await.unwrap();
        }
    }
    write_and_take_over(&db, &november).await;
    assert_eq!(opened(&db, &november).await, (ROWS, SURVIVORS_ROWS));

    let sql = "SELECT envelope FROM sealwax_tenant_keys WHERE tenant = $1";
    let key: String = query_scalar(sql).bind(DELETED).fetch_one(&db).await.unwrap();
    let key: Envelope = key.parse().unwrap();
    let dumped = Instant::now();
    let before = dump(&options, &[]);

    replace_key(&db, &november, ROTATED).await;
    let (tombstone, _) = delete(&db, &log, &november).await;
    let (december, _) = safe(Keyring::new(id("epoch-12"), MasterKey::generate().unwrap()).unwrap(), "safe-12");
    begin(&log, &december).await;
    let both = december.clone().with_retired(id("epoch-11"), old()).unwrap();
    let both = both.with_disabled(id("safe-11")).unwrap();
    // Nothing of a survivor is left under the dashboard's pair, which goes with its root.
    query("DELETE FROM pairs").execute(&db).await.unwrap();
    {
        let connection = &mut *db.acquire().await.unwrap();
        install(connection).await.unwrap();
        let keys = Table::find(connection, "public", "sealwax_tenant_keys", &[], "envelope").await.unwrap();
        let primary = both.primary().unwrap();
        let job = Job::plan_rotation(connection, &keys, &both, primary, &Options::default()).await.unwrap();
        job.work(&db, &both, &Limits::default(), |_| {}).await.unwrap();
    }
    for vacuum in ["VACUUM FULL sealwax_tenant_keys, credentials, pairs", "CHECKPOINT"] {
        raw_sql(vacuum).execute(&db).await.unwrap();
    }
    let keys_dump = dump(&options, &["--data-only", "-t", "sealwax_tenants", "-t", "sealwax_tenant_keys"]);
    let half = december.with_destroyed(id("epoch-11")).unwrap();
    let ring = half.clone().with_destroyed(id("safe-11")).unwrap();
    for not_yet in [&both, &half] {
        let refused = certify(&log, tombstone.key(), not_yet).await;
        assert!(matches!(refused, Err(CertificateError::RootsRemain { .. })));
    }
    let certificate = certify(&log, tombstone.key(), &ring).await.unwrap();
    let anchor = append(&log, &certificate.notice("ops", "ticket 8")).await;

    // The restore: the dump, the keys as they were after the rewrap, the tombstones.
    let started = Instant::now();
    let age = dumped.elapsed();
    let (restored, options) = empty_on(cluster.options()).await;
    let file = cluster.data().join("drill.sql");
    load(&options, &file, &before);
    let dead = TenantKeys::new(ring.clone(), []);
    let unusable = dead.keyring(&read(&restored, "1").await).unwrap_err();
    assert_eq!(unusable.class().as_str(), "gone", "a dump from before the rewrap has no key that opens");
    raw_sql("TRUNCATE sealwax_tenants, sealwax_tenant_keys").execute(&restored).await.unwrap();
    load(&options, &file, &keys_dump);
    let tombstones = restore_log(&restored, &log, &anchor).await;
    assert_eq!(tombstones, [tombstone.clone(), certificate.tombstone().clone()]);
    for tombstone in &tombstones {
        run(&restored, postgres::REPLAY, tombstone.parameters()).await;
    }
    let keys = TenantKeys::new(ring.clone(), tombstones);
    let of_all = opened(&restored, &keys).await;
    let restore = started.elapsed();
    assert_eq!(of_all, (0, SURVIVORS_ROWS));

    // What is left in files, the log and the dumps, which hold the tenant's rows once more.
    let mut survivors = Vec::new();
    for tenant in (0..TENANTS).map(|tenant| tenant.to_string()).filter(|tenant| tenant != DELETED) {
        survivors.push(keys.keyring(&read(&restored, &tenant).await).unwrap());
    }
    fs::remove_file(&file).unwrap();
    raw_sql("CHECKPOINT").execute(&restored).await.unwrap();
    let gone_from_the_tables: i64 =
        query_scalar("SELECT count(*) FROM credentials WHERE tenant = $1").bind(DELETED).fetch_one(&db).await.unwrap();
    assert_eq!(gone_from_the_tables, 0);
    let mut texts = envelopes_in(&cluster.data().join("pg_wal"));
    let in_the_log = attempts(&texts, &key, &ring, &survivors);
    let found = (in_the_log.credentials >= ROWS, in_the_log.keys >= 1, in_the_log.written >= 1);
    assert_eq!(found, (true, true, true), "the search finds what is there");
    texts.extend(envelopes_in(&cluster.data().join("base")));
    // Among them is the audit log, which has no envelope, but names what was deleted.
    let lines: Vec<String> = query_scalar("SELECT record FROM sealwax_audit").fetch_all(&restored).await.unwrap();
    assert_eq!(lines.len(), 6);
    assert!(lines.iter().all(|line| !line.contains("sw1:")) && lines.iter().any(|line| line.contains("tenant/7@1")));
    let after = attempts(&texts, &key, &ring, &survivors);
    for attempts in [&in_the_log, &after] {
        assert_eq!((attempts.opened_keys, attempts.opened_rows), (0, 0));
    }
    // With the old root, or the key from the safe, as if somebody had kept it, the same search opens them.
    let kept = attempts(&texts, &key, &both, &survivors);
    let from_the_safe = Keyring::opening_only().with_escrow(id("safe-11"), in_the_safe).unwrap();
    let from_the_safe = attempts(&texts, &key, &from_the_safe, &survivors);
    for attempts in [&kept, &from_the_safe] {
        assert!(attempts.opened_keys >= 1 && attempts.opened_rows >= 1, "the search finds what opens");
    }

    let when = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let evidence = format!(
        r#"{{"drill":"deletion of a tenant","when":{when},"deleted":"{tombstone}","rows_found_in_files_and_log":{},"keys_found_in_files_and_log":{},"opened_with_all_that_is_left":{},"opened_with_a_root_that_was_kept":{},"opened_with_an_escrow_that_was_kept":{},"survivors_rows":{},"survivors_rows_opened":{},"rpo_seconds":{:.3},"rto_seconds":{:.3}}}"#,
        after.credentials + after.written,
        after.keys,
        after.opened_keys + after.opened_rows,
        kept.opened_keys + kept.opened_rows,
        from_the_safe.opened_keys + from_the_safe.opened_rows,
        SURVIVORS_ROWS,
        of_all.1,
        age.as_secs_f64(),
        restore.as_secs_f64(),
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("tenant-deletion.json"), &evidence).unwrap();
    println!("{evidence}");
    db.close().await;
    restored.close().await;
}
