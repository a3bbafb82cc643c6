//! Deletions and certificates in the audit log.

use std::convert::Infallible;
use std::sync::Mutex;

use sealwax::{KeyId, KeyState, Keyring, MasterKey, ProviderFuture, RecorderError};
use sealwax_audit::{
    Action, Appended, AuditKey, AuditKeys, AuditLog, AuditSink, ChainError, Record, verify,
};
use sealwax_tenants::{
    Certificate, CertificateError, DestroyError, Notice, TenantKeys, TenantRecord, TenantState,
    Tombstone,
};

use crate::scene::{Tables, tenant};

#[derive(Default)]
struct Chain(Mutex<Vec<Record>>);

impl AuditSink for Chain {
    fn last<'a>(
        &'a self,
        subject: &'a str,
    ) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        let records = self.0.lock().unwrap();
        let last = records.iter().rfind(|record| record.subject == subject).cloned();
        ProviderFuture::ready(Ok(last))
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        _: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        self.0.lock().unwrap().push(record.clone());
        ProviderFuture::ready(Ok(Appended::Done))
    }
}

fn log() -> AuditLog<Chain> {
    let keys = AuditKeys::new("audit-2026".parse().unwrap(), AuditKey::generate().unwrap());
    AuditLog::new(keys.unwrap(), Chain::default(), || 1_790_000_000_000)
}

fn ring(primary: &str) -> Keyring {
    Keyring::new(primary.parse().unwrap(), MasterKey::generate().unwrap()).unwrap()
}

/// Returns the ids of what remains, in order.
fn remain(certificate: Result<Certificate, CertificateError>) -> Vec<String> {
    let Err(CertificateError::RootsRemain { key_ids, .. }) = certificate else { return Vec::new() };
    key_ids.iter().map(ToString::to_string).collect()
}

fn id(id: &str) -> KeyId {
    id.parse().unwrap()
}

fn key() -> MasterKey {
    MasterKey::generate().unwrap()
}

fn append(log: &AuditLog<Chain>, notice: &Notice<'_>) {
    log.append(Notice::SUBJECT, notice.action()).into_ready().unwrap().unwrap();
}

/// Begins all roots of a keyring.
fn begin(log: &AuditLog<Chain>, service: &Keyring) {
    for (root, state) in service.keys() {
        if state != KeyState::Destroyed {
            append(log, &Notice::begin_root(service, root, "ops", ""));
        }
    }
}

fn records(log: &AuditLog<Chain>) -> Vec<Record> {
    log.sink().0.lock().unwrap().clone()
}

fn certify(
    log: &AuditLog<Chain>,
    key: &str,
    ring: &Keyring,
) -> Result<Certificate, CertificateError> {
    Certificate::new(&key.parse().unwrap(), records(log), ring)
}

/// Returns a keyring in which these are destroyed.
fn without(roots: &[&str]) -> Keyring {
    roots.iter().fold(ring("epoch-9"), |ring, root| ring.with_destroyed(id(root)).unwrap())
}

/// Returns the text of a root as a tombstone has it.
fn named(service: &Keyring, root: &str) -> String {
    let check = service.check_value(root).map(u32::from_be_bytes);
    check.map_or(root.to_owned(), |check| format!("{root}:{check:08x}"))
}

/// Makes a key of a tenant and deletes it.
fn tombstone(service: &Keyring) -> Tombstone {
    let (keys, mut tables) = (TenantKeys::new(service.clone(), []), Tables::default());
    assert!(tables.create(&keys.create(&tables.read("42"), TenantState::NeverHad).unwrap()));
    keys.destroy(&tables.read("42"), |_| Ok::<_, Infallible>(())).unwrap()
}

/// Deletes a tenant under two roots and an escrow.
fn deleted() -> (Keyring, Tombstone) {
    let service = ring("epoch-2").with_retired(id("epoch-1"), key()).unwrap();
    let service = service.with_escrow(id("dr"), key()).unwrap();
    let service = service.with_disabled(id("old")).unwrap();
    let service = service.with_destroyed(id("epoch-0")).unwrap();
    let tombstone = tombstone(&service);
    (service, tombstone)
}

/// Begins the roots, and deletes.
fn logged() -> (AuditLog<Chain>, Keyring, Tombstone) {
    let ((service, tombstone), log) = (deleted(), log());
    begin(&log, &service);
    append(&log, &tombstone.notice("mia", "ticket 8: erasure"));
    (log, service, tombstone)
}

const ROOTS: [&str; 4] = ["dr", "epoch-1", "epoch-2", "old"];

#[test]
fn the_roots_are_all_that_may_have_sealed_a_copy() {
    let (service, tombstone) = deleted();
    let roots = ROOTS.map(|root| named(&service, root));
    assert_eq!(tombstone.to_string(), format!("tenant/42@1 {} .", roots.join(" ")));
    assert!(roots[..3].iter().all(|root| root.contains(':')) && roots[3] == "old");
    // One that the envelope names, and the keyring has lost.
    let keys = TenantKeys::new(ring("epoch-7"), []);
    let mut tables = Tables::default();
    assert!(tables.create(&keys.create(&tables.read("42"), TenantState::NeverHad).unwrap()));
    let later = TenantKeys::new(ring("epoch-8"), []);
    let tombstone = later.destroy(&tables.read("42"), |_| Ok::<_, Infallible>(())).unwrap();
    let epoch_8 = named(later.service(), "epoch-8");
    assert_eq!(tombstone.to_string(), format!("tenant/42@1 epoch-7 {epoch_8} ."));
    // And those of the envelopes that were deleted: a job may have moved them since.
    let moved = ["epoch-9", "epoch-7"].map(|root| {
        let context = sealwax::EncryptionContext::empty();
        ring(root).seal(&"x".into(), &context).unwrap().to_string()
    });
    let deleted =
        tombstone.clone().with_deleted(Some(&format!("{}\nnone\n{}", moved[0], moved[1])));
    assert_eq!(deleted.to_string(), format!("tenant/42@1 epoch-7 {epoch_8} epoch-9 ."));
    assert_eq!(tombstone.clone().with_deleted(None), tombstone);
    // A process without a root does not know what sealed the key.
    let nothing =
        TenantKeys::new(Keyring::opening_only().with_destroyed(id("epoch-7")).unwrap(), []);
    let record = TenantRecord::from_row(tenant("42"), Some("1 0"));
    let refused = nothing.destroy(&record, |_| Ok::<_, Infallible>(()));
    assert!(matches!(refused, Err(DestroyError::NoRoots)));
}

#[test]
fn a_certificate_needs_each_root_destroyed() {
    let (log, service, tombstone) = logged();
    let left = certify(&log, "tenant/42@1", &service).unwrap_err();
    assert_eq!(left.to_string(), "not all roots are destroyed: dr, epoch-1, epoch-2, old");
    for at in 0..ROOTS.len() {
        let after = without(&ROOTS[..at]);
        assert_eq!(remain(certify(&log, "tenant/42@1", &after)), ROOTS[at..]);
        // Disabled is not destroyed.
        let disabled = after.with_disabled(id(ROOTS[at])).unwrap();
        assert_eq!(remain(certify(&log, "tenant/42@1", &disabled)), ROOTS[at..]);
    }
    let certificate = certify(&log, "tenant/42@1", &without(&ROOTS)).unwrap();
    assert_eq!(certificate.tombstone(), &tombstone);
}

/// Its line was dropped before the tenant was deleted, so that no tombstone names it.
#[test]
fn a_root_that_no_tombstone_names_is_not_missed() {
    let log = log();
    begin(&log, &ring("epoch-1"));
    let second = ring("epoch-2");
    begin(&log, &second);
    append(&log, &tombstone(&second).notice("mia", ""));
    // One that began after the deletion has sealed nothing of the tenant.
    begin(&log, &ring("epoch-3"));
    assert_eq!(remain(certify(&log, "tenant/42@1", &without(&["epoch-2"]))), ["epoch-1"]);
    assert!(certify(&log, "tenant/42@1", &without(&["epoch-1", "epoch-2"])).is_ok());
    // Unless the deletion is done again, because a replay found a key that somebody had put back.
    append(&log, &tombstone(&ring("epoch-4")).notice("mia", ""));
    let left = remain(certify(&log, "tenant/42@1", &without(&["epoch-1", "epoch-2"])));
    assert_eq!(left, ["epoch-3", "epoch-4"]);
    let all = without(&["epoch-1", "epoch-2", "epoch-3", "epoch-4"]);
    assert!(
        matches!(certify(&log, "tenant/42@1", &all), Err(CertificateError::NotBegun { key_ids, .. })
        if key_ids.iter().eq([&id("epoch-4")]))
    );
}

/// A deletion that is done again names fewer roots than the one before, and the deletion of a later key is also that of the
/// earlier ones.
#[test]
fn all_tombstones_of_a_tenants_keys_count() {
    let log = log();
    let (first, second) = (ring("epoch-1"), ring("epoch-2"));
    for service in [&first, &second] {
        begin(&log, service);
        append(&log, &tombstone(service).notice("mia", ""));
    }
    for line in ["tenant/42@3 epoch-2 .", "tenant/43@9 epoch-2 ."] {
        append(&log, &line.parse::<Tombstone>().unwrap().notice("mia", ""));
    }
    begin(&log, &ring("epoch-3"));
    let both = without(&["epoch-1", "epoch-2"]);
    for key in ["tenant/42@1", "tenant/42@3"] {
        assert_eq!(remain(certify(&log, key, &without(&["epoch-2"]))), ["epoch-1"], "{key}");
        assert_eq!(certify(&log, key, &both).unwrap().tombstone().roots().count(), 2, "{key}");
    }
    for key in ["tenant/42@2", "tenant/42@4", "tenant/44@1"] {
        let error = certify(&log, key, &both).unwrap_err();
        assert_eq!(error, certify(&log, key, &second).unwrap_err());
        assert_eq!(error.to_string(), format!("the chain of deletions has no tombstone of {key}"));
    }
}

#[test]
fn a_root_that_lives_on_under_another_id_is_found() {
    let text = key().to_text();
    let same = || text.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let log = log();
    let first = Keyring::new(id("epoch-1"), same()).unwrap();
    begin(&log, &first);
    append(&log, &tombstone(&first).notice("mia", ""));
    let after = without(&["epoch-1"]);
    assert!(certify(&log, "tenant/42@1", &after).is_ok());
    let renamed = after.clone().with_retired(id("older"), same()).unwrap();
    assert_eq!(remain(certify(&log, "tenant/42@1", &renamed)), ["older"]);
    // Another key under the id of a root: which of the two is destroyed?
    append(&log, &Notice::begin_root(&ring("epoch-1"), &id("epoch-1"), "ops", ""));
    assert!(certify(&log, "tenant/42@1", &after).is_ok(), "it began after the deletion");
    append(&log, &tombstone(&first).notice("mia", ""));
    assert_eq!(remain(certify(&log, "tenant/42@1", &after)), ["epoch-1"]);
}

#[test]
fn both_are_read_back_from_the_log() {
    let (log, service, tombstone) = logged();
    let append =
        |action: Action<'_>| log.append(Notice::SUBJECT, action).into_ready().unwrap().unwrap();
    append(Action::new("something", "mia", "", "done"));
    let certificate = certify(&log, "tenant/42@1", &without(&ROOTS)).unwrap();
    let anchor = append(certificate.notice("ops", "ticket 8").action());

    let mut records = records(&log);
    verify(log.keys(), Notice::SUBJECT, &records, [&anchor]).unwrap();
    let tombstones: Vec<_> =
        records.iter().map(|record| Tombstone::from_record(record).unwrap()).collect();
    let same = || Some(tombstone.clone());
    assert_eq!(tombstones, [None, None, None, None, same(), None, same()]);
    let certificates: Vec<_> =
        records.iter().map(|record| Certificate::from_record(record).unwrap()).collect();
    assert_eq!(certificates, [None, None, None, None, None, None, Some(certificate)]);
    let entry = &records[6].entry;
    let why = format!("{}: ticket 8", ROOTS.map(|root| named(&service, root)).join(" "));
    assert_eq!(
        (entry.action.as_str(), entry.outcome.as_str(), entry.time, entry.why.as_str()),
        ("certify-destruction", "destroyed", 1_790_000_000_000, why.as_str())
    );
    assert_eq!(entry.key_id, Some(id("tenant/42@1")));
    let entry = &records[0].entry;
    assert_eq!(
        (entry.action.as_str(), entry.outcome.as_str(), entry.key_id.as_ref()),
        ("begin-root", "begun", Some(&id("epoch-2")))
    );
    assert_eq!(entry.why, format!("{}: ", named(&service, "epoch-2")));

    // A restore took the end away: the anchor says so.
    records.pop();
    let cut = verify(log.keys(), Notice::SUBJECT, &records, [&anchor]).unwrap_err();
    assert!(matches!(cut, ChainError::Cut { .. }));
}

#[test]
fn an_entry_that_is_neither_is_refused() {
    let (_, tombstone) = deleted();
    let log = log();
    let notice = tombstone.notice("mia", "");
    log.append(Notice::SUBJECT, notice.action()).into_ready().unwrap().unwrap();
    let record = log.sink().0.lock().unwrap()[0].clone();
    assert!(Tombstone::from_record(&record).unwrap().is_some());
    let changes: [fn(&mut Record); 9] = [
        |record| record.entry.key_id = None,
        |record| record.entry.key_id = Some("epoch-1".parse().unwrap()),
        |record| record.entry.why = String::new(),
        |record| record.entry.why = ": x".into(),
        |record| record.entry.why = "dr epoch-1".into(),
        |record| record.entry.why = "epoch-1 dr: x".into(),
        |record| record.entry.why = "no root! x: y".into(),
        |record| record.entry.why = "dr:0A1B2C3D: y".into(),
        |record| record.entry.why = "dr:0a1b2c3d,0a1b2c3d: y".into(),
    ];
    let (mut refused, ring) = (0, without(&[]));
    for change in changes {
        let mut record = record.clone();
        change(&mut record);
        refused += usize::from(Tombstone::from_record(&record).is_err());
        let key = "tenant/42@1".parse().unwrap();
        let chain = Certificate::new(&key, [&record], &ring);
        refused += usize::from(matches!(chain, Err(CertificateError::Notice(_))));
        // Neither is it the beginning of a root.
        record.entry.action = "begin-root".into();
        let chain = Certificate::new(&key, [&record], &ring);
        refused += usize::from(matches!(chain, Err(CertificateError::Notice(_))));
        record.entry.action = "certify-destruction".into();
        refused += usize::from(Certificate::from_record(&record).is_err());
    }
    assert_eq!(refused, 36);
    // Another chain's.
    let mut record = record;
    record.subject = "42".into();
    assert_eq!(Tombstone::from_record(&record).unwrap(), None);
    assert_eq!(tombstone.tenant(), &tenant("42"));
}
