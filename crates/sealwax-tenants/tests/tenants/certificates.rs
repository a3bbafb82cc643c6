//! Deletions and certificates in the audit log.

use std::convert::Infallible;
use std::sync::Mutex;

use sealwax::{Keyring, MasterKey, ProviderFuture, RecorderError};
use sealwax_audit::{
    Action, Appended, AuditKey, AuditKeys, AuditLog, AuditSink, ChainError, Record, verify,
};
use sealwax_tenants::{Certificate, Notice, TenantKeys, TenantState, Tombstone};

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

fn names(error: sealwax_tenants::RootsRemain) -> Vec<String> {
    error.key_ids.iter().map(ToString::to_string).collect()
}

/// Deletes a tenant under two roots and an escrow.
fn deleted() -> (Keyring, Tombstone) {
    let key = || MasterKey::generate().unwrap();
    let service = ring("epoch-2").with_retired("epoch-1".parse().unwrap(), key()).unwrap();
    let service = service.with_escrow("dr".parse().unwrap(), key()).unwrap();
    let service = service.with_disabled("old".parse().unwrap()).unwrap();
    let service = service.with_destroyed("epoch-0".parse().unwrap()).unwrap();
    let (keys, mut tables) = (TenantKeys::new(service.clone(), []), Tables::default());
    let created = keys.create(&tables.read("42"), TenantState::NeverHad).unwrap();
    assert!(tables.create(&created));
    let tombstone = keys.destroy(&tables.read("42"), |_| Ok::<_, Infallible>(())).unwrap();
    (service, tombstone)
}

#[test]
fn the_roots_are_all_that_may_have_sealed_a_copy() {
    let (_, tombstone) = deleted();
    assert_eq!(tombstone.to_string(), "tenant/42@1 dr epoch-1 epoch-2 old");
    // One that the envelope names, and the keyring has lost.
    let keys = TenantKeys::new(ring("epoch-7"), []);
    let mut tables = Tables::default();
    assert!(tables.create(&keys.create(&tables.read("42"), TenantState::NeverHad).unwrap()));
    let later = TenantKeys::new(ring("epoch-8"), []);
    let tombstone = later.destroy(&tables.read("42"), |_| Ok::<_, Infallible>(())).unwrap();
    assert_eq!(tombstone.to_string(), "tenant/42@1 epoch-7 epoch-8");
    // And those of the envelopes that were deleted: a job may have moved them since.
    let moved = ["epoch-9", "epoch-7"].map(|root| {
        let context = sealwax::EncryptionContext::empty();
        ring(root).seal(&"x".into(), &context).unwrap().to_string()
    });
    let deleted =
        tombstone.clone().with_deleted(Some(&format!("{}\nnone\n{}", moved[0], moved[1])));
    assert_eq!(deleted.to_string(), "tenant/42@1 epoch-7 epoch-8 epoch-9");
    assert_eq!(tombstone.clone().with_deleted(None), tombstone);
}

#[test]
fn a_certificate_needs_each_root_destroyed() {
    let (service, tombstone) = deleted();
    let left = Certificate::new(tombstone.clone(), &service).unwrap_err();
    assert_eq!(left.to_string(), "not all roots are destroyed: dr, epoch-1, epoch-2, old");
    let mut after = ring("epoch-3");
    let roots = ["dr", "epoch-1", "epoch-2", "old"];
    for (at, root) in roots.iter().enumerate() {
        let left = Certificate::new(tombstone.clone(), &after).unwrap_err();
        assert_eq!(names(left), roots[at..]);
        // Disabled is not destroyed.
        let disabled = after.clone().with_disabled(root.parse().unwrap()).unwrap();
        assert_eq!(names(Certificate::new(tombstone.clone(), &disabled).unwrap_err()), roots[at..]);
        after = after.with_destroyed(root.parse().unwrap()).unwrap();
    }
    let certificate = Certificate::new(tombstone.clone(), &after).unwrap();
    assert_eq!(certificate.tombstone(), &tombstone);
}

#[test]
fn both_are_read_back_from_the_log() {
    let (_, tombstone) = deleted();
    let after = tombstone
        .roots()
        .fold(ring("epoch-3"), |ring, root| ring.with_destroyed(root.clone()).unwrap());
    let certificate = Certificate::new(tombstone.clone(), &after).unwrap();
    let log = log();
    let append =
        |action: Action<'_>| log.append(Notice::SUBJECT, action).into_ready().unwrap().unwrap();
    append(tombstone.notice("mia", "ticket 8: erasure").action());
    append(Action::new("something", "mia", "", "done"));
    let anchor = append(certificate.notice("ops", "ticket 8").action());

    let mut records = log.sink().0.lock().unwrap().clone();
    verify(log.keys(), Notice::SUBJECT, &records, [&anchor]).unwrap();
    let tombstones: Vec<_> =
        records.iter().map(|record| Tombstone::from_record(record).unwrap()).collect();
    assert_eq!(tombstones, [Some(tombstone.clone()), None, Some(tombstone.clone())]);
    let certificates: Vec<_> =
        records.iter().map(|record| Certificate::from_record(record).unwrap()).collect();
    assert_eq!(certificates, [None, None, Some(certificate)]);
    let entry = &records[2].entry;
    assert_eq!(
        (entry.action.as_str(), entry.outcome.as_str(), entry.time, entry.why.as_str()),
        ("certify-destruction", "destroyed", 1_790_000_000_000, "dr epoch-1 epoch-2 old: ticket 8")
    );
    assert_eq!(entry.key_id.as_ref().unwrap().as_ref(), "tenant/42@1");

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
    let changes: [fn(&mut Record); 6] = [
        |record| record.entry.key_id = None,
        |record| record.entry.key_id = Some("epoch-1".parse().unwrap()),
        |record| record.entry.why = String::new(),
        |record| record.entry.why = "dr epoch-1".into(),
        |record| record.entry.why = "epoch-1 dr: x".into(),
        |record| record.entry.why = "no root! x: y".into(),
    ];
    let mut refused = 0;
    for change in changes {
        let mut record = record.clone();
        change(&mut record);
        refused += usize::from(Tombstone::from_record(&record).is_err());
        record.entry.action = "certify-destruction".into();
        refused += usize::from(Certificate::from_record(&record).is_err());
    }
    assert_eq!(refused, 12);
    // Another chain's.
    let mut record = record;
    record.subject = "42".into();
    assert_eq!(Tombstone::from_record(&record).unwrap(), None);
    assert_eq!(tombstone.tenant(), &tenant("42"));
}
