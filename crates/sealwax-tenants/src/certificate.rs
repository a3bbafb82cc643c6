//! Deletions in the audit log, and the certificate that a tenant's keys are gone.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use sealwax::{KeyId, Keyring};
use sealwax_audit::{Action, Record};

use crate::roots::Roots;
use crate::tenant::TenantKeyId;
use crate::tombstone::{Tombstone, TombstoneError};

/// The action of a root's beginning.
const BEGIN: &str = "begin-root";
/// The action of a tombstone.
const DELETE: &str = "delete-tenant";
/// The action of a certificate.
const CERTIFY: &str = "certify-destruction";

/// That all roots that may have sealed a tenant's keys are destroyed, so that none of these up to a number opens any more.
///
/// It says what the chain of deletions and the service's keyring say. That nobody kept a copy of a root is yours to ensure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate(Tombstone);

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The chain has no tombstone of this key.
    #[error("the chain of deletions has no tombstone of {key_id}")]
    #[non_exhaustive]
    NotDeleted {
        /// The key.
        key_id: KeyId,
    },
    /// Roots are not destroyed.
    #[error("not all roots are destroyed: {}", List(.key_ids))]
    #[non_exhaustive]
    RootsRemain {
        /// Those that are not `destroyed` in the service's keyring, in order. If the key of a root is there under another id,
        /// the other id. An id that two keys had is always among them, because no state says which of them is destroyed.
        key_ids: BTreeSet<KeyId>,
    },
    /// A tombstone names roots whose beginning is not in the chain, so others may be missing there too.
    #[error("the chain of deletions does not have the beginning of each root: {}", List(.key_ids))]
    #[non_exhaustive]
    NotBegun {
        /// Those that were not begun, in order.
        key_ids: BTreeSet<KeyId>,
    },
    /// An entry of the chain is none that this crate writes.
    #[error(transparent)]
    Notice(#[from] NoticeError),
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
    /// Certifies that a tenant's keys up to this one are gone, if each root is `destroyed` in the service's keyring: those of
    /// all their tombstones, and each one that was begun before the last of these.
    ///
    /// `deletions` is the whole chain of [`Notice::SUBJECT`], in order. [Verify](sealwax_audit::verify) it first, with its
    /// last anchor.
    ///
    /// # Errors
    ///
    /// Returns a [`CertificateError`].
    pub fn new(
        key: &TenantKeyId,
        deletions: impl IntoIterator<Item = impl Borrow<Record>>,
        ring: &Keyring,
    ) -> Result<Self, CertificateError> {
        let (mut begun, mut before) = (Roots::default(), Roots::default());
        let mut tombstone = Tombstone { key: key.clone(), roots: Roots::default() };
        let mut is_deleted = false;
        for record in deletions {
            let record = record.borrow();
            if is(record, BEGIN) {
                begun.extend(&read_root(record)?);
            } else if is(record, DELETE) {
                let Tombstone { key: deleted, roots } = read(record)?;
                if deleted.tenant == key.tenant && deleted.number <= key.number {
                    tombstone.roots.extend(&roots);
                    before.clone_from(&begun);
                    is_deleted |= deleted == *key;
                }
            }
        }
        if !is_deleted {
            return Err(CertificateError::NotDeleted { key_id: key.into() });
        }
        before.extend(&tombstone.roots);
        let key_ids = before.left_in(ring);
        if !key_ids.is_empty() {
            return Err(CertificateError::RootsRemain { key_ids });
        }
        let key_ids = tombstone.roots.missing_in(&begun);
        if !key_ids.is_empty() {
            return Err(CertificateError::NotBegun { key_ids });
        }
        Ok(Self(tombstone))
    }

    /// Returns what is certified: which keys of which tenant, and the roots that their tombstones name.
    #[must_use]
    pub const fn tombstone(&self) -> &Tombstone {
        &self.0
    }

    /// Returns what to append to the audit log. The time of the entry says when.
    #[must_use]
    pub fn notice<'a>(&self, who: &'a str, why: &str) -> Notice<'a> {
        Notice::new(self.0.key().into(), &self.0.roots, CERTIFY, "destroyed", who, why)
    }

    /// Returns the certificate that an entry of the audit log is, or `None` if it is another one.
    ///
    /// [Verify](sealwax_audit::verify) the chain first.
    ///
    /// # Errors
    ///
    /// Returns a [`NoticeError`] if it is a certificate that this crate does not write.
    pub fn from_record(record: &Record) -> Result<Option<Self>, NoticeError> {
        is(record, CERTIFY).then(|| read(record).map(Self)).transpose()
    }
}

impl Tombstone {
    /// Returns what to append to the audit log, so that the tombstone is replayed after a restore.
    #[must_use]
    pub fn notice<'a>(&self, who: &'a str, why: &str) -> Notice<'a> {
        Notice::new(self.key().into(), &self.roots, DELETE, "deleted", who, why)
    }

    /// Returns the tombstone that an entry of the audit log is, or has, if it is a certificate; `None` if it is another one.
    ///
    /// [Verify](sealwax_audit::verify) the chain first.
    ///
    /// # Errors
    ///
    /// Returns a [`NoticeError`] if it is a tombstone or a certificate that this crate does not write.
    pub fn from_record(record: &Record) -> Result<Option<Self>, NoticeError> {
        (is(record, DELETE) || is(record, CERTIFY)).then(|| read(record)).transpose()
    }
}

/// What is appended to the audit log: `log.append(Notice::SUBJECT, notice.action())`.
///
/// The entry has the tenant's key or the root as its key id, and the roots before your reason:
/// `epoch-2026-11:0a1b2c3d: ticket 8`.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    key_id: KeyId,
    action: &'static str,
    outcome: &'static str,
    who: &'a str,
    why: String,
}

impl<'a> Notice<'a> {
    /// The subject of all deletions, and of the beginnings of roots: one chain, whose anchor proves that none is missing.
    ///
    /// No tenant has this name, so that it is the subject of nothing else.
    pub const SUBJECT: &'static str = "sealwax-tenants@deletions";

    /// Says that a key of the service's keyring is a root from now on. Append it before anybody seals under that key.
    ///
    /// So no certificate misses it, even if its line was dropped from the keyring before a tenant was deleted. Escrows are
    /// roots too. If the key is in memory, the entry has its check value, which finds it under another id.
    #[must_use]
    pub fn begin_root(service: &Keyring, root: &KeyId, who: &'a str, why: &str) -> Self {
        let mut roots = Roots::default();
        roots.add(root.clone(), service);
        Self::new(root.clone(), &roots, BEGIN, "begun", who, why)
    }

    fn new(
        key_id: KeyId,
        roots: &Roots,
        action: &'static str,
        outcome: &'static str,
        who: &'a str,
        why: &str,
    ) -> Self {
        Self { key_id, action, outcome, who, why: format!("{roots}: {why}") }
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

/// An entry has an action of this crate, and is none that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the deletions has no key of a tenant, or no roots")]
#[non_exhaustive]
pub struct NoticeError {
    /// The number of the entry.
    pub number: u64,
}

fn is(record: &Record, action: &str) -> bool {
    record.subject == Notice::SUBJECT && record.entry.action == action
}

fn read(record: &Record) -> Result<Tombstone, NoticeError> {
    let key = record.entry.key_id.as_ref().and_then(|key_id| key_id.as_ref().parse().ok());
    let tombstone = key.zip(roots(record).ok()).map(|(key, roots)| Tombstone { key, roots });
    tombstone.ok_or(NoticeError { number: record.number })
}

fn read_root(record: &Record) -> Result<Roots, NoticeError> {
    let roots = roots(record).ok();
    let is_it = |roots: &Roots| roots.key_ids().eq(&record.entry.key_id);
    roots.filter(is_it).ok_or(NoticeError { number: record.number })
}

fn roots(record: &Record) -> Result<Roots, TombstoneError> {
    record.entry.why.split_once(": ").ok_or(TombstoneError)?.0.parse()
}
