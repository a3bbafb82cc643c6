//! Entries, and their place in the chain of a subject.

use alloc::string::String;
use alloc::vec::Vec;

use sealwax::KeyId;
use thiserror::Error;

use crate::anchor::Anchor;
use crate::key::AuditKey;

/// The longest subject, `who` and `why`, in bytes.
const TEXT_LEN: usize = 1024;
/// The longest action and outcome, in bytes.
const NAME_LEN: usize = 64;
/// The largest number and time, 2^53 - 1: every reader of JSON and every SQL integer of 64 bits holds it exactly.
const LARGEST: u64 = 0x1f_ffff_ffff_ffff;

/// The actions of the chain itself begin with this.
const RESERVED: &str = "swa1/";
/// The action of the entry that ends a chain under an audit key. Its key id is that of the key that follows.
pub(crate) const END: &str = "swa1/end";
/// The action of the entry that goes on under another key. Its key id is that of the key before, and its commitment is
/// the MAC of the entry before.
pub(crate) const BEGIN: &str = "swa1/begin";

/// What happened: one entry of an audit log, without its place in a chain.
///
/// The fields are public and can hold anything. An entry is checked when it is appended, read or verified: see
/// [`EntryError`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Milliseconds since 1970, at most 2^53 - 1.
    pub time: u64,
    /// What was done, such as `open`: 1 to 64 bytes.
    pub action: String,
    /// Who did it: 1 to 1024 bytes.
    pub who: String,
    /// Why: up to 1024 bytes.
    pub why: String,
    /// How it ended, such as `opened` or the name of an error: up to 64 bytes.
    pub outcome: String,
    /// The master key that unwrapped the data key, if one did.
    pub key_id: Option<KeyId>,
    /// The stable id of the seal: [`Envelope::commitment`](sealwax::Envelope::commitment).
    pub commitment: Option<[u8; 32]>,
    /// The digest of the context: [`AuditKeys::context_digest`](crate::AuditKeys::context_digest).
    pub context: Option<[u8; 32]>,
}

/// An entry in its place in the chain of a subject: one row of a table, one line of a file.
///
/// The fields are public, for sinks that store them. Only [`Verifier`](crate::Verifier) says whether they are true.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Whose chain it is, such as the id of a tenant: 1 to 1024 bytes.
    pub subject: String,
    /// The number of the entry in the chain, from 1.
    pub number: u64,
    /// What happened.
    pub entry: Entry,
    /// The id of the audit key that the MAC is made with.
    pub audit_key: KeyId,
    /// The MAC of this entry and, through the MAC before it, of all earlier ones.
    pub mac: [u8; 32],
}

impl Entry {
    /// u16(length) ‖ bytes for each field, in this order. The length of an absent field is 0.
    fn encode(&self) -> Result<Vec<u8>, EntryError> {
        check_text(Field::Action, &self.action, 1, NAME_LEN)?;
        check_text(Field::Who, &self.who, 1, TEXT_LEN)?;
        check_text(Field::Why, &self.why, 0, TEXT_LEN)?;
        check_text(Field::Outcome, &self.outcome, 0, NAME_LEN)?;
        check_number(Field::Time, self.time, 0)?;
        if is_reserved(&self.action) && !self.is_of_the_chain() {
            return Err(EntryError::Reserved);
        }
        let fields: [&[u8]; 8] = [
            &self.time.to_be_bytes(),
            self.action.as_bytes(),
            self.who.as_bytes(),
            self.why.as_bytes(),
            self.outcome.as_bytes(),
            self.key_id.as_ref().map(AsRef::as_ref).unwrap_or_default().as_bytes(),
            self.commitment.as_ref().map(<[u8; 32]>::as_slice).unwrap_or_default(),
            self.context.as_ref().map(<[u8; 32]>::as_slice).unwrap_or_default(),
        ];
        let mut encoded =
            Vec::with_capacity(fields.iter().flat_map(|field| [2, field.len()]).sum());
        for field in fields {
            encoded.extend_from_slice(&len16(field).to_be_bytes());
            encoded.extend_from_slice(field);
        }
        Ok(encoded)
    }

    /// Returns whether this is an entry that ends or begins the chain under a key.
    fn is_of_the_chain(&self) -> bool {
        match self.action.as_str() {
            END => self.key_id.is_some() && self.commitment.is_none() && self.context.is_none(),
            BEGIN => self.key_id.is_some() && self.commitment.is_some() && self.context.is_none(),
            _ => false,
        }
    }

    /// Returns the audit key that follows, if this entry ends the chain under its key.
    pub(crate) fn successor(&self) -> Option<&KeyId> {
        self.key_id.as_ref().filter(|_| self.action == END)
    }
}

impl Record {
    /// Returns what proves this entry and all before it, if it is kept where the log's writers cannot change it.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        Anchor { subject: self.subject.clone(), number: self.number, mac: self.mac }
    }

    /// Checks the lengths and characters of all fields.
    pub(crate) fn check(&self) -> Result<(), EntryError> {
        check_subject(&self.subject)?;
        check_number(Field::Number, self.number, 1)?;
        self.entry.encode().map(drop)
    }

    /// Returns what the MAC is computed over. `before` is the MAC of the entry before, or `None` if the chain begins here
    /// under this key.
    ///
    /// mac_0 = expand(k, "swa1/start" ‖ u8(len) ‖ key id ‖ u16(len) ‖ subject, 32)
    /// mac_i = expand(k, "swa1/entry" ‖ u8(len) ‖ key id ‖ u16(len) ‖ subject ‖ mac_{i-1} ‖ u64(i) ‖ entry, 32)
    pub(crate) fn mac_info(
        &self,
        key: &AuditKey,
        before: Option<&[u8; 32]>,
    ) -> Result<Vec<u8>, EntryError> {
        check_subject(&self.subject)?;
        check_number(Field::Number, self.number, 1)?;
        let entry = self.entry.encode()?;
        let (key_id, subject) = (self.audit_key.as_ref().as_bytes(), self.subject.as_bytes());
        let [_, key_id_len] = len16(key_id).to_be_bytes();
        let subject_len = len16(subject).to_be_bytes();
        // Every MAC names the chain, because the row that `before` is from may be a copy from another one.
        let chain = [&[key_id_len], key_id, &subject_len, subject].concat();
        let before =
            before.copied().unwrap_or_else(|| key.expand(&[b"swa1/start", chain.as_slice()]));
        let number = self.number.to_be_bytes();
        Ok([b"swa1/entry", chain.as_slice(), &before, &number, &entry].concat())
    }
}

/// Returns the length of a field. A key id has at most 128 bytes, and the other fields are checked before.
#[expect(clippy::expect_used, reason = "no field has more than 1024 bytes")]
fn len16(field: &[u8]) -> u16 {
    field.len().try_into().expect("no field has more than 1024 bytes")
}

/// Returns whether an action is reserved for the chain's own entries.
pub(crate) fn is_reserved(action: &str) -> bool {
    action.starts_with(RESERVED)
}

pub(crate) fn check_subject(subject: &str) -> Result<(), EntryError> {
    check_text(Field::Subject, subject, 1, TEXT_LEN)
}

pub(crate) fn check_who_and_why(who: &str, why: &str) -> Result<(), EntryError> {
    check_text(Field::Who, who, 1, TEXT_LEN)?;
    check_text(Field::Why, why, 0, TEXT_LEN)
}

fn check_text(field: Field, text: &str, least: usize, most: usize) -> Result<(), EntryError> {
    if text.len() < least || text.len() > most {
        return Err(EntryError::Length { field, found: text.len(), least, most });
    }
    // A line feed would split a line of other logs, and an escape sequence would run in the auditor's terminal.
    if text.chars().any(char::is_control) {
        return Err(EntryError::ControlCharacter { field });
    }
    Ok(())
}

pub(crate) fn check_number(field: Field, number: u64, least: u64) -> Result<(), EntryError> {
    if (least..=LARGEST).contains(&number) { Ok(()) } else { Err(EntryError::Range { field }) }
}

/// A field of a [`Record`] or of its [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `subject`
    Subject,
    /// `number`
    Number,
    /// `time`
    Time,
    /// `action`
    Action,
    /// `who`
    Who,
    /// `why`
    Why,
    /// `outcome`
    Outcome,
    /// `key_id`
    KeyId,
    /// `commitment`
    Commitment,
    /// `context`
    Context,
    /// `audit_key`
    AuditKey,
    /// `mac`
    Mac,
}

impl Field {
    /// All fields, in the order of a line.
    pub(crate) const ALL: [Self; 12] = [
        Self::Subject,
        Self::Number,
        Self::Time,
        Self::Action,
        Self::Who,
        Self::Why,
        Self::Outcome,
        Self::KeyId,
        Self::Commitment,
        Self::Context,
        Self::AuditKey,
        Self::Mac,
    ];

    /// Returns the name of the field, as it is written in a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Number => "number",
            Self::Time => "time",
            Self::Action => "action",
            Self::Who => "who",
            Self::Why => "why",
            Self::Outcome => "outcome",
            Self::KeyId => "key_id",
            Self::Commitment => "commitment",
            Self::Context => "context",
            Self::AuditKey => "audit_key",
            Self::Mac => "mac",
        }
    }
}

impl core::fmt::Display for Field {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What no entry may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A text is too short or too long.
    #[error("{field} has {found} bytes: expected {least} to {most}")]
    #[non_exhaustive]
    Length {
        /// The field.
        field: Field,
        /// The number of bytes found.
        found: usize,
        /// The smallest number of bytes.
        least: usize,
        /// The largest number of bytes.
        most: usize,
    },
    /// A text has a control character, such as a line feed or the start of an escape sequence.
    #[error("{field} has a control character")]
    #[non_exhaustive]
    ControlCharacter {
        /// The field.
        field: Field,
    },
    /// A number is 0 or larger than 2^53 - 1.
    #[error("{field} is out of range")]
    #[non_exhaustive]
    Range {
        /// The field.
        field: Field,
    },
    /// The action begins with `swa1/`, which is reserved for the entries that end and begin a chain under a key.
    #[error("the action begins with swa1/, which is reserved")]
    Reserved,
}
