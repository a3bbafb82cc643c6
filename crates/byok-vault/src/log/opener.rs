//! Opens rows once the log says so.
//!
//! Each page of rows is opened twice. The first time, the keyring decrypts nothing, and notes what it would open. All of
//! that is appended to the log in one transaction. Once it is committed, the keyring opens exactly what was noted. So a
//! process that is killed has opened nothing that is not in the log, and a page costs one transaction.
//!
//! A row's own fault comes first: what cannot be opened anyway is reported as it is, also if that cannot be recorded.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealwax::{
    EncryptionContext, KeyId, Keyring, OpenEvent, OpenOutcome, OpenRecorder, ProviderFuture,
    RecorderError, Secret,
};

use super::{Log, New, subject};
use crate::error::VaultError;
use crate::row::Row;
use crate::row_fault::{Fault, FaultKind};
use crate::store::Store;

/// Opens rows of the vault, each recorded before it is opened.
#[derive(Debug)]
pub struct Opener {
    log: Log,
    /// It has the notes as its recorder.
    keyring: Keyring,
    notes: Arc<Notes>,
}

impl Opener {
    pub(super) fn new(log: Log, keyring: &Keyring) -> Self {
        let notes = Arc::<Notes>::default();
        Self { log, keyring: keyring.clone().with_recorder(Arc::clone(&notes)), notes }
    }

    /// Returns the log.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Opens a row and returns its credential.
    ///
    /// # Errors
    /// Returns [`VaultError::Row`] if the row does not open, or the chain of its tenant takes no entry. Returns other
    /// errors if the log cannot be written.
    pub fn open(&self, store: &mut Store, row: &Row) -> Result<Secret, VaultError> {
        let mut tried = [self.attempt(None, |keyring| row.open(keyring))];
        self.open_recorded(store, &[row], &mut tried, |row, keyring| row.open(keyring))?;
        let [Tried { result, .. }] = tried;
        result
    }

    /// Calls `open` with each item and the keyring, and returns the results in order.
    ///
    /// `open` opens at most one row, and always the same one. It is called again once that is recorded. A row is not
    /// opened if the chain of its tenant takes no entry: that is a fault of this row.
    ///
    /// # Errors
    /// Returns an error if the log cannot be written. Then nothing was opened.
    pub fn open_each<I, T>(
        &self,
        store: &mut Store,
        items: &[I],
        open: impl Fn(&I, &Keyring) -> Result<T, VaultError>,
    ) -> Result<Vec<Result<T, VaultError>>, VaultError> {
        let attempt = |item| self.attempt(None, |keyring| open(item, keyring));
        let mut tried: Vec<_> = items.iter().map(attempt).collect();
        self.open_recorded(store, items, &mut tried, open)?;
        Ok(tried.into_iter().map(|tried| tried.result).collect())
    }

    /// Calls `open`, which may decrypt what the log says is opened. Whatever else it tries is noted.
    fn attempt<T>(
        &self,
        recorded: Option<[u8; 32]>,
        open: impl FnOnce(&Keyring) -> Result<T, VaultError>,
    ) -> Tried<T> {
        *self.notes.lock() = State { note: None, recorded };
        let result = open(&self.keyring);
        Tried { result, note: mem::take(&mut *self.notes.lock()).note, recorded: None }
    }

    /// Records what was tried, and then tries again what would have opened.
    fn open_recorded<I, T>(
        &self,
        store: &mut Store,
        items: &[I],
        tried: &mut [Tried<T>],
        open: impl Fn(&I, &Keyring) -> Result<T, VaultError>,
    ) -> Result<(), VaultError> {
        self.record(store, tried)?;
        for (item, tried) in items.iter().zip(&mut *tried) {
            if tried.recorded.is_some() {
                *tried = self.attempt(tried.recorded, |keyring| open(item, keyring));
            }
        }
        // Ciphertexts that turned out to be altered.
        self.record(store, tried)
    }

    /// Appends what was noted to the log.
    fn record<T>(&self, store: &mut Store, tried: &mut [Tried<T>]) -> Result<(), VaultError> {
        let noted = tried.iter_mut().filter_map(|Tried { result, note, recorded }| {
            Some((note.take()?, fault_of_log(result), recorded))
        });
        let noted: Vec<_> = noted.collect();
        if noted.is_empty() {
            return Ok(());
        }
        let entries = noted.iter().map(|(note, ..)| note.entry(&self.log));
        let appended = match self.log.append(store, entries) {
            // Nothing would have been opened.
            Err(_) if noted.iter().all(|(_, fault, _)| fault.is_none()) => return Ok(()),
            appended => appended?,
        };
        for ((note, fault, recorded), appended) in noted.into_iter().zip(appended) {
            match (appended, fault) {
                (Ok(()), _) => {
                    let is_opened = note.outcome == OpenOutcome::Opened;
                    *recorded = is_opened.then_some(note.commitment);
                }
                (Err(problem), Some(fault)) => *fault = problem.into(),
                (Err(_), None) => {}
            }
        }
        Ok(())
    }
}

/// The result of an attempt to open something.
struct Tried<T> {
    result: Result<T, VaultError>,
    /// What the log does not have yet.
    note: Option<Note>,
    /// The seal that the log says is opened. The entry is for one opening.
    recorded: Option<[u8; 32]>,
}

/// Returns the fault of a row that would have been opened if it had been in the log.
fn fault_of_log<T>(result: &mut Result<T, VaultError>) -> Option<&mut Fault> {
    match result {
        Err(VaultError::Row { fault, .. }) if fault.kind == FaultKind::NotRecorded => Some(fault),
        _ => None,
    }
}

/// The recorder of a keyring that opens only what is recorded, and notes the rest.
#[derive(Debug, Default)]
struct Notes(Mutex<State>);

/// The state of one attempt.
#[derive(Debug, Default)]
struct State {
    note: Option<Note>,
    recorded: Option<[u8; 32]>,
}

/// What a keyring would open, or has refused.
#[derive(Debug)]
struct Note {
    context: EncryptionContext,
    key_id: Option<KeyId>,
    /// It names one seal, which has one context.
    commitment: [u8; 32],
    outcome: OpenOutcome,
}

impl Note {
    fn entry(&self, log: &Log) -> New {
        let Self { context, key_id, commitment, outcome } = self;
        New {
            subject: subject(context.get("tenant").unwrap_or_default()),
            why: log.why(context),
            outcome: outcome.name(),
            key_id: key_id.clone(),
            commitment: Some(*commitment),
            context: Some(context.clone()),
        }
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenRecorder for Notes {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        let mut state = self.lock();
        let (commitment, outcome) = (*event.commitment(), event.outcome());
        if outcome == OpenOutcome::Opened
            && state.recorded.take_if(|recorded| *recorded == commitment).is_some()
        {
            return ProviderFuture::ready(Ok(()));
        }
        let (context, key_id) = (event.context().clone(), event.key_id().cloned());
        state.note.get_or_insert(Note { context, key_id, commitment, outcome });
        // For a refusal, this changes nothing.
        ProviderFuture::ready(Err(RecorderError::new("it is not recorded yet")))
    }
}
