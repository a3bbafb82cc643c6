//! A service in which every opening is recorded, in a table of SQLite, before the credential is in anybody's hands:
//! `cargo run -p sealwax-audit --example audit`.
//!
//! ```text
//! acme 1: mia, ticket 7: opened
//! acme 2: mia, ticket 8: context_mismatch
//! verified up to entry 2
//! DELETE: sealwax_audit only grows
//! without a table: nothing was opened, because it was not recorded
//! ```

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OptionalExtension};
use sealwax::{
    EncryptionContext, Envelope, Keyring, MasterKey, ProviderFuture, RecorderError, Secret,
};
use sealwax_audit::sql::sqlite;
use sealwax_audit::{Appended, AuditKey, AuditKeys, AuditLog, AuditSink, Record, Recorder, verify};

type AnyError = Box<dyn Error + Send + Sync>;
type Reply<'a, T> = ProviderFuture<'a, Result<T, RecorderError>>;
type Mac = [u8; 32];

// What a service needs: fewer than 40 lines.

struct Table(Mutex<Connection>);

impl Table {
    fn read_last(&self, subject: &str) -> Result<Option<Record>, AnyError> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = database.query_row(sqlite::LAST, [subject], |row| row.get::<_, String>(0));
        Ok(line.optional()?.map(|line| line.parse()).transpose()?)
    }

    fn insert(&self, record: &Record, after: Option<&Mac>) -> Result<Appended, AnyError> {
        let number = i64::try_from(record.number)?;
        let row = (&record.subject, number, record.mac, record.to_string(), after);
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inserted = database.execute(sqlite::APPEND, row)?;
        Ok(if inserted == 1 { Appended::Done } else { Appended::Raced })
    }
}

fn transient_if_locked(error: AnyError) -> RecorderError {
    let code = error.downcast_ref().and_then(rusqlite::Error::sqlite_error_code);
    let is_locked = matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
    if is_locked { RecorderError::transient(error) } else { RecorderError::new(error) }
}

impl AuditSink for Table {
    fn last<'a>(&'a self, subject: &'a str) -> Reply<'a, Option<Record>> {
        ProviderFuture::ready(self.read_last(subject).map_err(transient_if_locked))
    }

    fn append<'a>(&'a self, record: &'a Record, after: Option<&'a Mac>) -> Reply<'a, Appended> {
        ProviderFuture::ready(self.insert(record, after).map_err(transient_if_locked))
    }
}

struct Service {
    keyring: Keyring,
    log: Arc<AuditLog<Table>>,
}

impl Service {
    fn open(&self, tenant: &str, who: &str, why: &str, row: &Envelope) -> Result<Secret, AnyError> {
        let recorder = Recorder::new(&self.log, tenant, who, why)?;
        let keyring = self.keyring.clone().with_recorder(recorder);
        Ok(keyring.open(row, &EncryptionContext::new([("tenant", tenant)])?)?)
    }
}

// The rest shows it at work.

fn main() -> Result<(), AnyError> {
    let database = Connection::open_in_memory()?;
    database.execute_batch(sqlite::TABLES)?;
    let keys = AuditKeys::new("audit-2026".parse()?, AuditKey::generate()?)?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let log =
        AuditLog::new(keys, Table(Mutex::new(database)), move || now().try_into().unwrap_or(0));
    let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
    let service = Service { keyring, log: Arc::new(log) };

    let (acme, initech) = (service.seal("acme")?, service.seal("initech")?);
    let opened = service.open("acme", "mia", "ticket 7", &acme)?;
    assert_eq!(opened.expose_str()?, "sk-proj-4Jq8Zr2Lw");
    // The wrong row.
    assert!(service.open("acme", "mia", "ticket 8", &initech).is_err());

    // The caller may try again later.
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    assert!(transient_if_locked(rusqlite::Error::SqliteFailure(busy, None).into()).is_transient());

    let chain = service.log.sink().chain("acme")?;
    for Record { subject, number, entry, .. } in &chain {
        println!("{subject} {number}: {}, {}: {}", entry.who, entry.why, entry.outcome);
    }
    let verified = verify(service.log.keys(), "acme", &chain, &[])?;
    println!("verified up to entry {}", verified.last.map_or(0, |anchor| anchor.number));

    let refused = service
        .log
        .sink()
        .run("DELETE FROM sealwax_audit")
        .map_or_else(|e| e.to_string(), |()| "deleted".into());
    println!("DELETE: {refused}");
    service.log.sink().run("DROP TABLE sealwax_audit")?;
    let error = service
        .open("acme", "mia", "ticket 9", &acme)
        .map(drop)
        .map_or_else(|e| e.to_string(), |()| "opened".into());
    println!("without a table: {error}");
    Ok(())
}

impl Service {
    fn seal(&self, tenant: &str) -> Result<Envelope, AnyError> {
        let context = EncryptionContext::new([("tenant", tenant)])?;
        Ok(self.keyring.seal(&"sk-proj-4Jq8Zr2Lw".into(), &context)?)
    }
}

impl Table {
    fn run(&self, sql: &str) -> Result<(), AnyError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).execute_batch(sql)?)
    }

    fn chain(&self, subject: &str) -> Result<Vec<Record>, AnyError> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = database.prepare(sqlite::CHAIN)?;
        let lines = select.query_map([subject], |row| row.get::<_, String>(0))?;
        lines.map(|line| Ok(line?.parse()?)).collect()
    }
}
