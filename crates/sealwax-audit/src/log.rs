//! The log of a service: appends entries to the chains of its subjects.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use sealwax::{EncryptionContext, KeyId, ProviderFuture, RecorderError};
use thiserror::Error;

use crate::anchor::Anchor;
use crate::entry::{BEGIN, END, Entry, EntryError, Record, check_subject, is_reserved};
use crate::key::AuditKey;
use crate::keys::{AuditKeys, context_digest, is_onward};
use crate::sink::{Appended, AuditSink};

/// How often an entry is tried while other writers append to the same chain.
///
/// One of the writers that race for a place gets it. A writer that is always slower than the others could lose for as
/// long as they go on, so it gives up.
const TRIES: usize = 1000;

/// The audit log of a service: its keys, the caller's sink and the caller's clock.
///
/// It takes no lock: writers of different subjects never wait for each other. Of those of the same subject, the sink
/// lets one append, and the others try again.
pub struct AuditLog<S> {
    keys: AuditKeys,
    sink: S,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// An action to record. [`Recorder`](crate::Recorder) records openings; a program records its other actions itself.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// What was done, such as `rotate-start`: 1 to 64 bytes. It must not begin with `swa1/`.
    pub action: &'a str,
    /// Who did it: 1 to 1024 bytes.
    pub who: &'a str,
    /// Why: up to 1024 bytes.
    pub why: &'a str,
    /// How it ended: up to 64 bytes.
    pub outcome: &'a str,
    /// The master key that it concerns.
    pub key_id: Option<&'a KeyId>,
    /// The stable id of the seal that it concerns: [`Envelope::commitment`](sealwax::Envelope::commitment).
    pub commitment: Option<&'a [u8; 32]>,
    /// The context of the credential that it concerns. The entry has a digest of it.
    pub context: Option<&'a EncryptionContext>,
}

impl<'a> Action<'a> {
    /// Creates an action that concerns no credential in particular.
    #[must_use]
    pub const fn new(action: &'a str, who: &'a str, why: &'a str, outcome: &'a str) -> Self {
        Self { action, who, why, outcome, key_id: None, commitment: None, context: None }
    }
}

/// What a caller wants to append.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Action(Action<'a>),
    /// The two entries that hand over to the primary.
    HandOver {
        who: &'a str,
        why: &'a str,
    },
}

/// The next entry of a chain.
struct Next {
    record: Record,
    /// Whether it is the wanted one, or another one that has to come first.
    is_wanted: bool,
}

impl<S: AuditSink> AuditLog<S> {
    /// Creates a log. `clock` returns the milliseconds since 1970.
    #[must_use]
    pub fn new(keys: AuditKeys, sink: S, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { keys, sink, clock: Box::new(clock) }
    }

    /// Returns the audit keys.
    #[must_use]
    pub const fn keys(&self) -> &AuditKeys {
        &self.keys
    }

    /// Returns the sink.
    #[must_use]
    pub const fn sink(&self) -> &S {
        &self.sink
    }

    /// Appends an action to the chain of a subject.
    ///
    /// The chain stays under the audit key that it is under; the chain of a new subject begins under the primary. If the
    /// chain was being handed over, this completes it first, which needs both audit keys. The result is ready at once if
    /// the sink is.
    ///
    /// # Errors
    ///
    /// Returns an [`AppendError`]. Then the entry is not in the log, except that the sink may have failed after it had
    /// appended it.
    pub fn append<'a>(
        &'a self,
        subject: &'a str,
        action: Action<'a>,
    ) -> ProviderFuture<'a, Result<Anchor, AppendError>> {
        if is_reserved(action.action) {
            return ProviderFuture::ready(Err(EntryError::Reserved.into()));
        }
        let appended = self.start(subject, Wanted::Action(action));
        appended.map(|appended| appended?.ok_or(AppendError::Raced))
    }

    /// Hands the chain of a subject over to the primary: an entry ends it under its audit key and names the primary,
    /// and an entry begins it under the primary.
    ///
    /// It needs the audit key that the chain is under. It returns `None`, and appends nothing, if there is no chain, if
    /// the chain is under the primary, or if it is under a later step of the primary. Give up an old key only when this has
    /// returned `None` for every subject.
    ///
    /// # Errors
    ///
    /// Returns an [`AppendError`]. If only the first of the two entries was appended, this or the next
    /// [`append`](Self::append) completes it.
    pub fn hand_over<'a>(
        &'a self,
        subject: &'a str,
        who: &'a str,
        why: &'a str,
    ) -> ProviderFuture<'a, Result<Option<Anchor>, AppendError>> {
        self.start(subject, Wanted::HandOver { who, why })
    }

    /// Returns a ready future if the sink is ready. If not, nothing is appended before the future is polled.
    fn start<'a>(
        &'a self,
        subject: &'a str,
        wanted: Wanted<'a>,
    ) -> ProviderFuture<'a, Result<Option<Anchor>, AppendError>> {
        if let Err(error) = check_subject(subject) {
            return ProviderFuture::ready(Err(error.into()));
        }
        let last = match self.sink.last(subject).into_ready() {
            Err(waiting) => return ProviderFuture::boxed(self.run(subject, wanted, waiting)),
            Ok(last) => ProviderFuture::ready(last),
        };
        let mut running = Box::pin(self.run(subject, wanted, last));
        match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(appended) => ProviderFuture::ready(appended),
            // The sink was ready before and is not now. Its future gets the caller's waker when it is polled again.
            Poll::Pending => ProviderFuture::boxed(running),
        }
    }

    async fn run<'a>(
        &'a self,
        subject: &'a str,
        wanted: Wanted<'a>,
        last: ProviderFuture<'a, Result<Option<Record>, RecorderError>>,
    ) -> Result<Option<Anchor>, AppendError> {
        let mut last = last.await?;
        for _ in 0..TRIES {
            let Some(next) = self.next(subject, wanted, last.as_ref())? else { return Ok(None) };
            let after = last.as_ref().map(|last| &last.mac);
            match self.sink.append(&next.record, after).await? {
                Appended::Done if next.is_wanted => return Ok(Some(next.record.anchor())),
                Appended::Done => last = Some(next.record),
                Appended::Raced => last = self.sink.last(subject).await?,
            }
        }
        Err(AppendError::Raced)
    }

    /// Makes the entry that comes after the last one. Returns `None` if nothing has to be handed over.
    fn next(
        &self,
        subject: &str,
        wanted: Wanted<'_>,
        last: Option<&Record>,
    ) -> Result<Option<Next>, AppendError> {
        if last.is_some_and(|last| last.subject != subject) {
            return Err(AppendError::OtherSubject);
        }
        let (primary, _) = self.keys.primary();
        // A hand-over of which there is only the first entry is completed before anything else.
        let ended = last.and_then(|last| Some((last, last.entry.successor()?)));
        let current = last.map_or(primary, |last| &last.audit_key);
        let audit_key = ended.map_or(current, |(_, successor)| successor);
        let find = |audit_key: &KeyId| {
            let unknown = || AppendError::UnknownKey { audit_key: audit_key.clone() };
            self.keys.find(audit_key, None).ok_or_else(unknown)
        };
        if ended.is_some() {
            // If this service has given up the key that ended, it was a thief of the key who ended it.
            find(current)?;
        }
        let key = find(audit_key)?;

        let time = (self.clock)();
        let (entry, is_wanted) = match (ended, wanted) {
            (Some((last, successor)), _) => {
                let entry = wanted.of_the_chain(time, BEGIN, &last.audit_key, Some(last.mac));
                (entry, matches!(wanted, Wanted::HandOver { .. }) && successor == primary)
            }
            (None, Wanted::Action(action)) => (action.entry(time, &key), true),
            (None, Wanted::HandOver { .. }) => {
                if last.is_none() || !is_onward(current, primary) {
                    return Ok(None);
                }
                (wanted.of_the_chain(time, END, primary, None), false)
            }
        };
        let before = if ended.is_some() { None } else { last.map(|last| &last.mac) };
        let number = last.map_or(0, |last| last.number).saturating_add(1);
        let (subject, audit_key) = (subject.into(), audit_key.clone());
        let mut record = Record { subject, number, entry, audit_key, mac: [0; 32] };
        record.mac = key.expand(&[&record.mac_info(&key, before)?]);
        Ok(Some(Next { record, is_wanted }))
    }
}

impl Action<'_> {
    fn entry(&self, time: u64, key: &AuditKey) -> Entry {
        let Self { action, who, why, outcome, key_id, commitment, context } = *self;
        Entry {
            time,
            action: action.into(),
            who: who.into(),
            why: why.into(),
            outcome: outcome.into(),
            key_id: key_id.cloned(),
            commitment: commitment.copied(),
            context: context.map(|context| context_digest(key, context)),
        }
    }
}

impl Wanted<'_> {
    /// Makes one of the two entries of a hand-over.
    fn of_the_chain(
        &self,
        time: u64,
        action: &str,
        key_id: &KeyId,
        commitment: Option<[u8; 32]>,
    ) -> Entry {
        let (Self::Action(Action { who, why, .. }) | Self::HandOver { who, why }) = *self;
        let (who, why) = (who.into(), why.into());
        let (action, outcome, key_id) = (action.into(), String::new(), Some(key_id.clone()));
        Entry { time, action, who, why, outcome, key_id, commitment, context: None }
    }
}

impl<S> fmt::Debug for AuditLog<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, sink: _, clock: _ } = self;
        f.debug_struct("AuditLog").field("keys", keys).finish_non_exhaustive()
    }
}

/// Why an entry was not appended.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// No entry may hold this.
    #[error("the entry is invalid")]
    #[non_exhaustive]
    Entry {
        /// What is wrong.
        #[from]
        source: EntryError,
    },
    /// The chain is under an audit key that is not known, nor an earlier step of it.
    #[error("the chain is under the audit key {audit_key}, which is not known")]
    #[non_exhaustive]
    UnknownKey {
        /// The id of the audit key.
        audit_key: KeyId,
    },
    /// The sink returned the last entry of another subject.
    #[error("the sink returned the last entry of another subject")]
    OtherSubject,
    /// Other writers appended to the chain each time.
    #[error("other writers appended to the chain each time: it was tried 1000 times")]
    Raced,
    /// The sink failed.
    #[error("the sink failed")]
    #[non_exhaustive]
    Sink {
        /// Why.
        #[from]
        source: RecorderError,
    },
}

impl AppendError {
    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Entry { .. } | Self::UnknownKey { .. } | Self::OtherSubject => false,
            Self::Raced => true,
            Self::Sink { source } => source.is_transient(),
        }
    }
}

impl From<AppendError> for RecorderError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Sink { source } => source,
            error if error.is_transient() => Self::transient(error),
            error => Self::new(error),
        }
    }
}
