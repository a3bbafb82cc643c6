//! Verifying the chain of a subject.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Reverse;
use core::fmt;

use sealwax::KeyId;
use thiserror::Error;

use crate::anchor::Anchor;
use crate::entry::{BEGIN, Record};
use crate::keys::{AuditKeys, Named};

/// Verifies the chain of one subject, from its first entry.
///
/// `records` is the whole chain, in ascending order. The anchors may be in any order, and those of other subjects are
/// ignored.
///
/// # Errors
///
/// Returns a [`ChainError`] that names the first entry that is altered, missing, added or exchanged, or that an anchor
/// contradicts.
pub fn verify<'a>(
    keys: &'a AuditKeys,
    subject: &str,
    records: impl IntoIterator<Item = impl Borrow<Record>>,
    anchors: impl IntoIterator<Item = &'a Anchor>,
) -> Result<Verified, ChainError> {
    let mut verifier = Verifier::new(keys, subject, anchors);
    records.into_iter().try_for_each(|record| verifier.check(record.borrow()))?;
    verifier.finish()
}

/// Verifies the chain of one subject, entry by entry: [`verify`] for records that arrive one after the other.
///
/// It needs the same memory however long the chain is. For a log with several subjects, use one for each, and give it the
/// anchors of its subject alone: each verifier looks once at every anchor that it gets.
pub struct Verifier<'a> {
    keys: &'a AuditKeys,
    subject: String,
    /// The anchors that the chain has not reached yet, the next one last.
    anchors: Vec<&'a Anchor>,
    /// The entry before the next one, or what was wrong.
    last: Result<Option<Last>, ChainError>,
    /// The number of the last anchor that was found in the chain.
    anchored: u64,
}

/// What the next entry depends on.
struct Last {
    number: u64,
    mac: [u8; 32],
    key: Named,
    /// The key that follows, if this entry ends the chain under its key.
    successor: Option<KeyId>,
}

/// A chain in which nothing was altered, exchanged or added, and nothing is missing before its last entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The last entry, or `None` if the chain has none. Keep it elsewhere as an anchor.
    pub last: Option<Anchor>,
    /// The number of the last entry that an anchor proves, or 0.
    ///
    /// Up to there, the chain is what it was when the anchor was taken, even if the audit keys are stolen. What came
    /// after it may have been cut off.
    pub anchored: u64,
    /// The audit key that the chain ends under. If it is one that was stolen, or that should have been handed over, the
    /// end of the chain proves nothing.
    pub audit_key: Option<KeyId>,
}

impl<'a> Verifier<'a> {
    /// Creates a verifier for the chain of a subject. The anchors may be in any order, and those of other subjects are
    /// ignored.
    #[must_use]
    pub fn new(
        keys: &'a AuditKeys,
        subject: &str,
        anchors: impl IntoIterator<Item = &'a Anchor>,
    ) -> Self {
        let anchors = anchors.into_iter().filter(|anchor| anchor.subject == subject);
        let mut anchors: Vec<_> = anchors.collect();
        anchors.sort_unstable_by_key(|anchor| Reverse(anchor.number));
        Self { keys, subject: subject.to_owned(), anchors, last: Ok(None), anchored: 0 }
    }

    /// Creates a verifier for what comes after an anchored entry, for a chain whose start is gone or broken.
    ///
    /// `audit_key` is the audit key that the anchored entry is under. The first record to check is the one after it.
    /// What holds is what was appended after that entry. About the entry itself, and what came before it, this says
    /// nothing. The anchor cannot be that of a `swa1/end`, because the audit key that it names is not in the anchor.
    ///
    /// # Errors
    ///
    /// Returns [`ChainError::UnknownKey`] if the audit key is not known, and [`ChainError::Rewritten`] if one of
    /// `anchors` has the same number and another MAC.
    pub fn after(
        keys: &'a AuditKeys,
        anchor: &Anchor,
        audit_key: &KeyId,
        anchors: impl IntoIterator<Item = &'a Anchor>,
    ) -> Result<Self, ChainError> {
        let Anchor { ref subject, number, mac } = *anchor;
        let mut verifier = Self::new(keys, subject, anchors);
        pass(&mut verifier.anchors, number, &mac)?;
        let unknown = || ChainError::UnknownKey { number, audit_key: audit_key.clone() };
        let key = keys.find(audit_key, None).ok_or_else(unknown)?;
        let last = Last { number, mac, key: (audit_key.clone(), key), successor: None };
        Ok(Self { last: Ok(Some(last)), anchored: number, ..verifier })
    }

    /// Checks the next entry.
    ///
    /// # Errors
    ///
    /// Returns a [`ChainError`] if it is not the next entry of the chain, or an anchor contradicts it. The chain is
    /// broken then, and whatever comes after it proves nothing: this and [`finish`](Self::finish) return the same error
    /// from then on.
    pub fn check(&mut self, record: &Record) -> Result<(), ChainError> {
        self.last = self.next(record).map(Some);
        self.last.as_ref().map(drop).map_err(Clone::clone)
    }

    /// Returns what the entry after this one depends on.
    fn next(&mut self, record: &Record) -> Result<Last, ChainError> {
        let last = self.last.as_ref().map_err(Clone::clone)?.as_ref();
        let number = last.map_or(0, |last| last.number).saturating_add(1);
        if record.subject != self.subject {
            return Err(ChainError::OtherSubject { number });
        }
        if record.number > number {
            return Err(ChainError::Missing { number });
        }
        if record.number < number {
            return Err(ChainError::Added { number: record.number });
        }
        let before = before(last, record)?;
        // First, because what an anchor contradicts is wrong under any key, also an unknown one.
        if pass(&mut self.anchors, number, &record.mac)? {
            self.anchored = number;
        }
        let key = self.keys.find(&record.audit_key, last.map(|last| &last.key));
        let unknown = || ChainError::UnknownKey { number, audit_key: record.audit_key.clone() };
        let key = key.ok_or_else(unknown)?;
        // What no entry may hold was not appended.
        let info = record.mac_info(&key, before).map_err(|_| ChainError::Altered { number })?;
        if !key.derive(|expand| expand.matches(&[&info], &record.mac)) {
            return Err(ChainError::Altered { number });
        }
        let (key, successor) = ((record.audit_key.clone(), key), record.entry.successor().cloned());
        Ok(Last { number, mac: record.mac, key, successor })
    }

    /// Says what is proven, after the last entry.
    ///
    /// # Errors
    ///
    /// Returns the first error of [`check`](Self::check), or [`ChainError::Cut`] if there is an anchor of a later entry.
    pub fn finish(self) -> Result<Verified, ChainError> {
        let last = self.last?;
        let number = last.as_ref().map_or(0, |last| last.number);
        let after = self.anchors.first().map(|anchor| anchor.number);
        if let Some(anchored) = after.filter(|after| *after > number) {
            return Err(ChainError::Cut { number: number.saturating_add(1), anchored });
        }
        let subject = self.subject;
        let (last, audit_key) = last
            .map(|Last { number, mac, key: (key_id, _), .. }| {
                (Anchor { subject, number, mac }, key_id)
            })
            .unzip();
        Ok(Verified { last, anchored: self.anchored, audit_key })
    }
}

/// Takes away the anchors up to an entry, and returns whether one of them is that of the entry.
fn pass(anchors: &mut Vec<&Anchor>, number: u64, mac: &[u8; 32]) -> Result<bool, ChainError> {
    let mut is_anchored = false;
    while let Some(anchor) = anchors.pop_if(|anchor| anchor.number <= number) {
        if anchor.number == number {
            if anchor.mac != *mac {
                return Err(ChainError::Rewritten { number });
            }
            is_anchored = true;
        }
    }
    Ok(is_anchored)
}

/// Returns the MAC that the record's own depends on, or `None` if the chain begins with it under its key.
fn before<'a>(last: Option<&'a Last>, record: &Record) -> Result<Option<&'a [u8; 32]>, ChainError> {
    let begins = record.entry.action == BEGIN;
    let wrong = Err(ChainError::HandOver { number: record.number });
    let Some(last) = last else { return if begins { wrong } else { Ok(None) } };
    let (key_id, _) = &last.key;
    match &last.successor {
        Some(successor) => {
            let is_next = begins
                && *successor == record.audit_key
                && record.entry.key_id.as_ref() == Some(key_id)
                && record.entry.commitment == Some(last.mac);
            if is_next { Ok(None) } else { wrong }
        }
        None if begins || *key_id != record.audit_key => wrong,
        None => Ok(Some(&last.mac)),
    }
}

impl fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, subject, anchors, last, anchored: _ } = self;
        f.debug_struct("Verifier")
            .field("keys", keys)
            .field("subject", subject)
            .field("anchors", &anchors.len())
            .field("number", &last.as_ref().map(|last| last.as_ref().map_or(0, |last| last.number)))
            .finish()
    }
}

/// What is wrong with a chain: the first entry that is not what was appended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// An entry is not what was appended: a field was altered, or the entry before it was exchanged.
    ///
    /// If it is the first entry under its audit key, the key may also be another one than that of the service.
    #[error("entry {number} was altered")]
    #[non_exhaustive]
    Altered {
        /// The number of the entry.
        number: u64,
    },
    /// An entry is missing: a later one comes in its place.
    #[error("entry {number} is missing")]
    #[non_exhaustive]
    Missing {
        /// The number of the entry.
        number: u64,
    },
    /// An entry was added, repeated or moved: it comes after one with the same number or a higher one.
    #[error(
        "entry {number} was added or moved: it comes after an entry with the same or a higher number"
    )]
    #[non_exhaustive]
    Added {
        /// The number of the entry.
        number: u64,
    },
    /// An entry is that of another subject.
    #[error("entry {number} is that of another subject")]
    #[non_exhaustive]
    OtherSubject {
        /// The number that the entry of this subject would have.
        number: u64,
    },
    /// The audit key changes without the two entries that hand over from one to the other.
    #[error("entry {number} is not under the audit key that the entry before it requires")]
    #[non_exhaustive]
    HandOver {
        /// The number of the entry.
        number: u64,
    },
    /// The audit key of an entry is not known, nor an earlier step of it.
    #[error("entry {number} is under the audit key {audit_key}, which is not known")]
    #[non_exhaustive]
    UnknownKey {
        /// The number of the entry.
        number: u64,
        /// The id of the audit key.
        audit_key: KeyId,
    },
    /// The entry is not the one that the anchor was taken of, whatever audit key it is under.
    ///
    /// If its MAC is right, it or an earlier entry was exchanged by somebody who has the audit key.
    #[error("entry {number} is not the one that the anchor was taken of")]
    #[non_exhaustive]
    Rewritten {
        /// The number of the anchored entry.
        number: u64,
    },
    /// The chain ends before an anchor.
    #[error(
        "entry {number} and those after it were cut off: there is an anchor of entry {anchored}"
    )]
    #[non_exhaustive]
    Cut {
        /// The number of the first entry that is missing.
        number: u64,
        /// The number of the last entry that has an anchor.
        anchored: u64,
    },
}

impl ChainError {
    /// Returns the number of the first entry that is not what was appended.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Altered { number }
            | Self::Missing { number }
            | Self::Added { number }
            | Self::OtherSubject { number }
            | Self::HandOver { number }
            | Self::UnknownKey { number, .. }
            | Self::Rewritten { number }
            | Self::Cut { number, .. } => *number,
        }
    }
}
