//! Deletions in the audit log, and the certificate that a tenant's keys are gone.

use std::collections::BTreeSet;

use sealwax::{KeyId, KeyState, Keyring};
use sealwax_audit::{Action, Record};

use crate::tombstone::Tombstone;

/// The action of a tombstone.
const DELETE: &str = "delete-tenant";
/// The action of a certificate.
const CERTIFY: &str = "certify-destruction";

/// That all roots of a tombstone are destroyed, so that no key of the tenant up to its number opens any more.
///
/// It says what the service's keyring says. That nobody kept a copy of a root is yours to ensure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate(Tombstone);

/// Some roots of a tombstone are not destroyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not all roots are destroyed: {}", List(.key_ids))]
#[non_exhaustive]
pub struct RootsRemain {
    /// Those that are not `destroyed` in the service's keyring, in order.
    pub key_ids: BTreeSet<KeyId>,
}

struct List<'a>(&'a BTreeSet<KeyId>);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(key_ids) = self;
        for (at, key_id) in key_ids.iter().enumerate() {
            write!(f, "{}{key_id}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Certificate {
    /// Certifies that a tenant's keys are gone, if each root of the tombstone is `destroyed` in the service's keyring.
    ///
    /// # Errors
    ///
    /// Returns [`RootsRemain`] with those that are not, or that the keyring does not know.
    pub fn new(tombstone: Tombstone, ring: &Keyring) -> Result<Self, RootsRemain> {
        let is_left = |root: &&KeyId| ring.state(root.as_ref()) != Some(KeyState::Destroyed);
        let key_ids: BTreeSet<_> = tombstone.roots().filter(is_left).cloned().collect();
        if key_ids.is_empty() { Ok(Self(tombstone)) } else { Err(RootsRemain { key_ids }) }
    }

    /// Returns what is certified: which keys of which tenant, and which roots.
    #[must_use]
    pub const fn tombstone(&self) -> &Tombstone {
        &self.0
    }

    /// Returns what to append to the audit log. The time of the entry says when.
    #[must_use]
    pub fn notice<'a>(&self, who: &'a str, why: &str) -> Notice<'a> {
        Notice::new(&self.0, CERTIFY, "destroyed", who, why)
    }

    /// Returns the certificate that an entry of the audit log is, or `None` if it is another one.
    ///
    /// [Verify](sealwax_audit::verify) the chain first.
    ///
    /// # Errors
    ///
    /// Returns a [`NoticeError`] if it is a certificate that this crate does not write.
    pub fn from_record(record: &Record) -> Result<Option<Self>, NoticeError> {
        if record.subject != Notice::SUBJECT || record.entry.action != CERTIFY {
            return Ok(None);
        }
        read(record).map(Self).map(Some)
    }
}

impl Tombstone {
    /// Returns what to append to the audit log, so that the tombstone is replayed after a restore.
    #[must_use]
    pub fn notice<'a>(&self, who: &'a str, why: &str) -> Notice<'a> {
        Notice::new(self, DELETE, "deleted", who, why)
    }

    /// Returns the tombstone that an entry of the audit log is, or has, if it is a certificate; `None` if it is another one.
    ///
    /// [Verify](sealwax_audit::verify) the chain first.
    ///
    /// # Errors
    ///
    /// Returns a [`NoticeError`] if it is a tombstone or a certificate that this crate does not write.
    pub fn from_record(record: &Record) -> Result<Option<Self>, NoticeError> {
        let action = record.entry.action.as_str();
        if record.subject != Notice::SUBJECT || ![DELETE, CERTIFY].contains(&action) {
            return Ok(None);
        }
        read(record).map(Some)
    }
}

/// What is appended to the audit log: `log.append(Notice::SUBJECT, notice.action())`.
///
/// The entry has the tenant's key as its key id, and the roots before your reason: `epoch-2026-11: ticket 8`.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    key_id: KeyId,
    action: &'static str,
    outcome: &'static str,
    who: &'a str,
    why: String,
}

impl<'a> Notice<'a> {
    /// The subject of all deletions: one chain, whose anchor proves that none is missing.
    ///
    /// No tenant has this name, so that it is the subject of nothing else.
    pub const SUBJECT: &'static str = "sealwax-tenants@deletions";

    fn new(
        tombstone: &Tombstone,
        action: &'static str,
        outcome: &'static str,
        who: &'a str,
        why: &str,
    ) -> Self {
        let roots: Vec<_> = tombstone.roots().map(AsRef::as_ref).collect();
        let why = format!("{}: {why}", roots.join(" "));
        Self { key_id: tombstone.key().into(), action, outcome, who, why }
    }

    /// Returns the action to append. The roots and the reason have at most 1024 bytes.
    #[must_use]
    pub fn action(&self) -> Action<'_> {
        let Self { key_id, action, outcome, who, why } = self;
        let mut action = Action::new(action, who, why, outcome);
        action.key_id = Some(key_id);
        action
    }
}

/// An entry has the action of a deletion or a certificate, and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the deletions has no key of a tenant, or no roots")]
#[non_exhaustive]
pub struct NoticeError {
    /// The number of the entry.
    pub number: u64,
}

fn read(record: &Record) -> Result<Tombstone, NoticeError> {
    let entry = &record.entry;
    let key_id = entry.key_id.as_ref().map(AsRef::as_ref).unwrap_or_default();
    let roots = entry.why.split_once(": ").map(|(roots, _)| roots);
    let text = roots.map(|roots| [key_id, roots].join(if roots.is_empty() { "" } else { " " }));
    let tombstone = text.and_then(|text| text.parse().ok());
    tombstone.ok_or(NoticeError { number: record.number })
}
