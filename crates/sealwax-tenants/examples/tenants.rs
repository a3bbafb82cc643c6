//! A service with tenants: `cargo run -p sealwax-tenants --example tenants`.
//!
//! ```text
//! tenant 42 gets tenant/42@1, and a row is sealed
//! after a rotation, the row is under tenant/42@2
//! 100 credentials of 10 tenants cost 10 unwraps of the service's key
//! deleted: tenant/42@2 epoch-2026-11 .
//! the row: key_destroyed
//! the certificate: not all roots are destroyed: epoch-2026-11
//! the survivors move to epoch-2026-12: 9 rows
//! the root is destroyed: the certificate is made, and 90 of 100 credentials open
//! tenant 42 comes back with tenant/42@3
//! ```
//!
//! Two maps and a list are in place of the tables and the audit log, and a counted key in memory is in place of a key
//! service.

#![expect(clippy::arithmetic_side_effects, reason = "counts only rise")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, ProviderFuture, RecorderError};
use sealwax_audit::{Appended, AuditKey, AuditKeys, AuditLog, AuditSink, Record, verify};
use sealwax_conformance::Counted;
use sealwax_tenants::{
    Certificate, Notice, TenantId, TenantKeys, TenantRecord, TenantState, Tombstone,
};

type AnyError = Box<dyn Error>;
type Service = Arc<Counted<MasterKey>>;

/// What the tables have of a tenant: the two numbers, and the envelopes by their numbers.
#[derive(Default)]
struct Row {
    number: u32,
    destroyed: u32,
    keys: BTreeMap<u32, String>,
}

#[derive(Default)]
struct Tables {
    tenants: BTreeMap<String, Row>,
    credentials: Vec<(String, Envelope)>,
}

impl Tables {
    fn read(&self, id: &str) -> Result<TenantRecord, AnyError> {
        let tenant: TenantId = id.parse()?;
        let Some(Row { number, destroyed, keys }) = self.tenants.get(id) else {
            return Ok(TenantRecord::from_row(tenant, None));
        };
        let keys = keys.iter().map(|(number, envelope)| (*number, envelope));
        Ok(TenantRecord::new(tenant, *number, *destroyed, keys))
    }

    /// As the statement `CREATE` does it.
    fn create(
        &mut self,
        keys: &TenantKeys,
        id: &str,
        state: TenantState,
    ) -> Result<String, AnyError> {
        let created = keys.create(&self.read(id)?, state)?;
        let row = self.tenants.entry(id.into()).or_default();
        row.number = created.key().number();
        row.keys.insert(row.number, created.envelope().to_string());
        Ok(created.key().to_string())
    }

    /// As the statement `DESTROY` does it.
    fn destroy(&mut self, tombstone: &Tombstone) {
        let row = self.tenants.entry(tombstone.tenant().to_string()).or_default();
        row.destroyed = row.number;
        row.keys.clear();
    }

    fn opened(&self, keys: &TenantKeys) -> Result<usize, AnyError> {
        let mut opened = 0;
        for (id, envelope) in &self.credentials {
            let ring = keys.keyring(&self.read(id)?)?;
            opened += usize::from(ring.open(envelope, &context(id)?).is_ok());
        }
        Ok(opened)
    }
}

/// The chain of deletions.
#[derive(Default)]
struct Deletions(Mutex<Vec<Record>>);

impl Deletions {
    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for Deletions {
    fn last<'a>(&'a self, _: &'a str) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        ProviderFuture::ready(Ok(self.records().last().cloned()))
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        _: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        self.records().push(record.clone());
        ProviderFuture::ready(Ok(Appended::Done))
    }
}

fn append(log: &AuditLog<Deletions>, notice: &Notice<'_>) -> Result<(), AnyError> {
    log.append(Notice::SUBJECT, notice.action()).into_ready().map_err(|_| "it waits")??;
    Ok(())
}

fn certificate(
    log: &AuditLog<Deletions>,
    tombstone: &Tombstone,
    service: &Keyring,
) -> Result<Certificate, AnyError> {
    let deletions = log.sink().records();
    verify(log.keys(), Notice::SUBJECT, deletions.as_slice(), [])?;
    Ok(Certificate::new(tombstone.key(), deletions.as_slice(), service)?)
}

fn context(id: &str) -> Result<EncryptionContext, AnyError> {
    Ok(EncryptionContext::new([("tenant", id), ("provider", "openai")])?)
}

fn root() -> Result<Service, AnyError> {
    Ok(Arc::new(Counted::new(MasterKey::generate()?)))
}

fn main() -> Result<(), AnyError> {
    let (november, december) = (root()?, root()?);
    let audit_keys = AuditKeys::new("audit-2026".parse()?, AuditKey::generate()?)?;
    let log = AuditLog::new(audit_keys, Deletions::default(), || 1_790_000_000_000);
    let service = Keyring::new("epoch-2026-11".parse()?, Arc::clone(&november))?;
    append(&log, &Notice::begin_root(&service, &"epoch-2026-11".parse()?, "ops", "november"))?;
    let keys = TenantKeys::new(service, []);
    let mut tables = Tables::default();

    let first = tables.create(&keys, "42", TenantState::NeverHad)?;
    let ring = keys.keyring(&tables.read("42")?)?;
    let sealed = ring.seal(&"the customer's API key".into(), &context("42")?)?;
    println!("tenant 42 gets {first}, and a row is sealed");

    tables.create(&keys, "42", TenantState::Live)?;
    let ring = keys.keyring(&tables.read("42")?)?;
    let row = ring.rewrap(&sealed)?.ok_or("it is current")?;
    println!("after a rotation, the row is under {}", row.key_ids().next().ok_or("no key")?);

    for id in 33..42 {
        tables.create(&keys, &id.to_string(), TenantState::NeverHad)?;
    }
    for id in 33..=42 {
        let id = id.to_string();
        let ring = keys.keyring(&tables.read(&id)?)?;
        for _ in 0..10 {
            let envelope = ring.seal(&"the customer's API key".into(), &context(&id)?)?;
            tables.credentials.push((id.clone(), envelope));
        }
    }
    // The older key of 42 is needed no more.
    tables.tenants.entry("42".into()).or_default().keys.remove(&1);
    keys.forget_all();
    let before = november.counts().unwraps;
    let opened = tables.opened(&keys)?;
    let asked = november.counts().unwraps - before;
    println!("{opened} credentials of 10 tenants cost {asked} unwraps of the service's key");

    let tombstone = keys.destroy(&tables.read("42")?, |_no_legal_hold| Ok::<_, Infallible>(()))?;
    tables.destroy(&tombstone);
    append(&log, &tombstone.notice("mia", "ticket 8: erasure"))?;
    keys.bury(&tombstone);
    println!("deleted: {tombstone}");
    let refused = keys.keyring(&tables.read("42")?)?.open(&row, &context("42")?);
    println!("the row: {}", refused.err().ok_or("it opens")?.name());

    let both = Keyring::new("epoch-2026-12".parse()?, Arc::clone(&december))?;
    let both = both.with_retired("epoch-2026-11".parse()?, november)?;
    append(&log, &Notice::begin_root(&both, &"epoch-2026-12".parse()?, "ops", "december"))?;
    if let Err(left) = certificate(&log, &tombstone, &both) {
        println!("the certificate: {left}");
    }
    let mut moved = 0;
    for row in tables.tenants.values_mut() {
        for envelope in row.keys.values_mut() {
            *envelope = both.rewrap(&envelope.parse()?)?.ok_or("it is current")?.to_string();
            moved += 1;
        }
    }
    println!("the survivors move to epoch-2026-12: {moved} rows");

    let after = Keyring::new("epoch-2026-12".parse()?, december)?;
    let after = after.with_destroyed("epoch-2026-11".parse()?)?;
    append(&log, &certificate(&log, &tombstone, &after)?.notice("ops", "ticket 8"))?;
    let keys = TenantKeys::new(after, [tombstone]);
    let opened = tables.opened(&keys)?;
    println!(
        "the root is destroyed: the certificate is made, and {opened} of 100 credentials open"
    );

    let back = tables.create(&keys, "42", TenantState::Destroyed)?;
    println!("tenant 42 comes back with {back}");
    Ok(())
}
