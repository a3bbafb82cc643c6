//! The drill of a deletion: dumps, the files of the database and its write-ahead log still have the tenant's rows, and none
//! opens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use sealwax::{Envelope, Keyring, MasterKey};
use sealwax_sqlx::{Job, Limits, Options, Table, install};
use sealwax_tenants::sql::postgres;
use sealwax_tenants::{Certificate, TenantId, TenantKeyId, TenantKeys, TenantRecord, TenantState};
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, query, query_as, query_scalar, raw_sql};

use super::{CREDENTIALS, context, create, destroy, read, run, tombstone};
use crate::cluster::{Cluster, PROGRAMS};
use crate::server::empty_on;

const DELETED: &str = "7";
const TENANTS: usize = 20;
const ROWS: usize = 3;

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
    opened: usize,
}

fn attempts(texts: &BTreeSet<String>, key: &Envelope, ring: &Keyring, survivors: &[Keyring]) -> Attempts {
    let mut attempts = Attempts { credentials: 0, keys: 0, opened: 0 };
    let deleted: TenantKeyId = format!("tenant/{DELETED}@1").parse().unwrap();
    let tenant: TenantId = DELETED.parse().unwrap();
    for text in texts {
        let Ok(envelope) = text.parse::<Envelope>() else { continue };
        if TenantKeyId::of(&envelope) == Ok(deleted.clone()) {
            attempts.credentials += 1;
            let opens = |ring: &Keyring| ring.open(&envelope, &context(DELETED)).is_ok();
            attempts.opened += usize::from(survivors.iter().chain([ring]).any(opens));
        }
        attempts.keys += usize::from(envelope.commitment() == key.commitment());
        // Without the tombstone, which a thief does not care for. Whatever else opens is in another context.
        let record = TenantRecord::new(tenant.clone(), 1, 0, [(1, text)]);
        attempts.opened += usize::from(TenantKeys::new(ring.clone(), []).keyring(&record).is_ok());
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
    assert_eq!((of_the_deleted.len(), others.len()), (ROWS, (TENANTS - 1) * ROWS));
    (of_the_deleted.into_iter().filter(|row| opens(row)).count(), others.into_iter().filter(|row| opens(row)).count())
}

#[tokio::test]
async fn no_row_of_a_deleted_tenant_opens_and_each_of_every_survivor_does() {
    let Some(cluster) = Cluster::new() else { return };
    let (db, options) = empty_on(cluster.options()).await;
    raw_sql(postgres::TABLES).execute(&db).await.unwrap();
    raw_sql(CREDENTIALS).execute(&db).await.unwrap();
    raw_sql("CREATE TABLE others PARTITION OF credentials DEFAULT").execute(&db).await.unwrap();
    let old = MasterKey::generate().unwrap().to_text();
    let old = || old.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let november = TenantKeys::new(Keyring::new("epoch-11".parse().unwrap(), old()).unwrap(), []);
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
    assert_eq!(opened(&db, &november).await, (ROWS, (TENANTS - 1) * ROWS));

    let sql = "SELECT envelope FROM sealwax_tenant_keys WHERE tenant = $1";
    let key: String = query_scalar(sql).bind(DELETED).fetch_one(&db).await.unwrap();
    let key: Envelope = key.parse().unwrap();
    let dumped = Instant::now();
    let before = dump(&options, &[]);

    // The deletion.
    let tombstone = tombstone(&db, &november, DELETED).await;
    assert!(destroy(&db, &tombstone).await);
    query("DELETE FROM credentials WHERE tenant = $1").bind(DELETED).execute(&db).await.unwrap();
    let december = Keyring::new("epoch-12".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let both = december.clone().with_retired("epoch-11".parse().unwrap(), old()).unwrap();
    {
        let connection = &mut *db.acquire().await.unwrap();
        install(connection).await.unwrap();
        let keys = Table::find(connection, "public", "sealwax_tenant_keys", &[], "envelope").await.unwrap();
        let primary = both.primary().unwrap();
        let job = Job::plan_rotation(connection, &keys, &both, primary, &Options::default()).await.unwrap();
        job.work(&db, &both, &Limits::default(), |_| {}).await.unwrap();
    }
    for vacuum in ["VACUUM FULL sealwax_tenant_keys", "VACUUM FULL credentials", "CHECKPOINT"] {
        raw_sql(vacuum).execute(&db).await.unwrap();
    }
    let keys_dump = dump(&options, &["--data-only", "-t", "sealwax_tenants", "-t", "sealwax_tenant_keys"]);
    let ring = december.with_destroyed("epoch-11".parse().unwrap()).unwrap();
    assert!(Certificate::new(tombstone.clone(), &both).is_err());
    Certificate::new(tombstone.clone(), &ring).unwrap();

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
    run(&restored, postgres::REPLAY, tombstone.parameters()).await;
    let keys = TenantKeys::new(ring.clone(), [tombstone.clone()]);
    let of_all = opened(&restored, &keys).await;
    let restore = started.elapsed();
    assert_eq!(of_all, (0, (TENANTS - 1) * ROWS));

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
    assert!(in_the_log.credentials >= ROWS && in_the_log.keys >= 1, "the search finds what is there");
    texts.extend(envelopes_in(&cluster.data().join("base")));
    let after = attempts(&texts, &key, &ring, &survivors);
    assert_eq!((in_the_log.opened, after.opened), (0, 0));
    // With the old root, as if somebody had kept it, the same search opens them.
    let kept = attempts(&texts, &key, &both, &survivors);
    assert!(kept.opened >= 1, "the search finds what opens");

    let when = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let evidence = format!(
        r#"{{"drill":"deletion of a tenant","when":{when},"deleted":"{tombstone}","credentials_found_in_files_and_log":{},"keys_found_in_files_and_log":{},"opened_with_all_that_is_left":{},"opened_with_a_root_that_was_kept":{},"survivors_rows":{},"survivors_rows_opened":{},"rpo_seconds":{:.3},"rto_seconds":{:.3}}}"#,
        after.credentials,
        after.keys,
        after.opened,
        kept.opened,
        (TENANTS - 1) * ROWS,
        of_all.1,
        age.as_secs_f64(),
        restore.as_secs_f64(),
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("tenant-deletion.json"), &evidence).unwrap();
    println!("{evidence}");
    db.close().await;
    restored.close().await;
}
