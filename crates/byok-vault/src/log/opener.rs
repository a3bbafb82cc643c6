//! Opens rows once the log says so.
//!
//! Each page of rows is opened twice. The first time, the keyring decrypts nothing, and notes what it would open. All of
//! that is appended to the log in one transaction. Once it is committed, the keyring opens exactly what was noted. So a
//! process that is killed has opened nothing that is not in the log, and a page costs one transaction.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealwax::{
    EncryptionContext, KeyId, Keyring, OpenEvent, OpenOutcome, OpenRecorder, ProviderFuture,
    RecorderError, Secret,
};

use super::{Log, New, subject};
use crate::error::VaultError;
use crate::row::Row;
use crate::row_fault::FaultKind;
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

    /// Opens a row and returns its credential.
    ///
    /// # Errors
    /// Returns [`VaultError::Row`] if the row does not open, and other errors if that it opens cannot be recorded.
    pub fn open(&self, store: &mut Store, row: &Row) -> Result<Secret, VaultError> {
        let open = || row.open(&self.keyring);
        let opened = open();
        self.record(store)?;
        let opened = if is_not_recorded(&opened) { open() } else { opened };
        self.record(store)?;
        opened
    }

    /// Calls `open` with each item and the keyring, and returns the results in order.
    ///
    /// `open` opens at most one row, and always the same one. It is called again once that is recorded.
    ///
    /// # Errors
    /// Returns an error if what would be opened cannot be recorded. Then nothing was opened.
    pub fn open_each<I, T>(
        &self,
        store: &mut Store,
        items: &[I],
        open: impl Fn(&I, &Keyring) -> Result<T, VaultError>,
    ) -> Result<Vec<Result<T, VaultError>>, VaultError> {
        let mut opened: Vec<_> = items.iter().map(|item| open(item, &self.keyring)).collect();
        self.record(store)?;
        for (item, opened) in items.iter().zip(&mut opened) {
            if is_not_recorded(opened) {
                *opened = open(item, &self.keyring);
            }
        }
        // Ciphertexts that turned out to be altered.
        self.record(store)?;
        Ok(opened)
    }

    /// Appends what was noted to the log, and then allows what it says is opened.
    fn record(&self, store: &mut Store) -> Result<(), VaultError> {
        let noted = mem::take(&mut self.notes.lock().noted);
        if noted.is_empty() {
            return Ok(());
        }
        let is_opened = |note: &&Note| note.outcome == OpenOutcome::Opened;
        let recorded = noted.iter().filter(is_opened).map(|note| note.commitment).collect();
        self.log.append(store, noted.into_iter().map(|note| note.entry(&self.log)))?;
        self.notes.lock().recorded = recorded;
        Ok(())
    }
}

fn is_not_recorded<T>(opened: &Result<T, VaultError>) -> bool {
    matches!(opened, Err(VaultError::Row { fault, .. }) if fault.kind == FaultKind::NotRecorded)
}

/// The recorder of a keyring that opens only what is recorded, and notes the rest.
#[derive(Debug, Default)]
struct Notes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    noted: Vec<Note>,
    /// What the log says is opened, in the order in which it was noted. Each entry is for one opening.
    recorded: VecDeque<[u8; 32]>,
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
    fn entry(self, log: &Log) -> New {
        let Self { context, key_id, commitment, outcome } = self;
        New {
            subject: subject(context.get("tenant").unwrap_or_default()),
            why: log.why(&context),
            outcome: outcome.name(),
            key_id,
            commitment: Some(commitment),
            context: Some(context),
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
        if outcome == OpenOutcome::Opened && state.recorded.front() == Some(&commitment) {
            state.recorded.pop_front();
            return ProviderFuture::ready(Ok(()));
        }
        let (context, key_id) = (event.context().clone(), event.key_id().cloned());
        state.noted.push(Note { context, key_id, commitment, outcome });
        // For a refusal, this changes nothing.
        ProviderFuture::ready(Err(RecorderError::new("it is not recorded yet")))
    }
}
