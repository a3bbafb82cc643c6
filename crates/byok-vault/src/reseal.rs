//! Seals the credentials under a leaked key again, and records whose they are.
//!
//! Rewrapping keeps the data keys, which anyone with the leaked key knows. Resealing draws fresh ones.
//! It cannot make a credential trustworthy: other people may have read it, or written it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sealwax::{KeyId, KeyState, Keyring};
use serde_json::json;

use crate::error::VaultError;
use crate::files::{UNTRUSTED, open_own, sync_directory_of, with_suffix};
use crate::formatting::{file, in_json};
use crate::rotation::Rewritten;
use crate::row::Row;
use crate::row_fault::Fault;
use crate::variables;

/// Checks that the keyring can open the rows of the leaked key, and no longer seals with it.
///
/// # Errors
/// Returns [`VaultError::LeakedKeyState`] unless the key is `retired`.
pub fn check_state(keyring: &Keyring, leaked: &KeyId) -> Result<(), VaultError> {
    match keyring.state(leaked.as_ref()) {
        Some(KeyState::Retired) => Ok(()),
        state => Err(VaultError::LeakedKeyState { state }),
    }
}

/// Returns a new envelope for a row that is wrapped for the leaked key, or `None` if it is not.
///
/// # Errors
/// Returns [`VaultError::Row`] if the row does not open, or if its variable does not have the name of a
/// credential: anyone with the leaked key may have chosen it. Returns other errors if the keyring cannot
/// seal.
pub fn resealed(
    row: &Row,
    keyring: &Keyring,
    leaked: &KeyId,
) -> Result<Option<String>, VaultError> {
    let envelope = row.parse().map_err(|fault| row.error(fault))?;
    if envelope.key_ids().all(|id| id != *leaked) {
        return Ok(None);
    }
    let credential = row.open(keyring)?;
    if variables::of_a_credential(&row.place.env_name).is_err() {
        return Err(row.error(Fault::variable()));
    }
    row.place.seal(keyring, &credential).map(Some)
}

/// The file that lists the rows whose credentials must be replaced, as JSON Lines.
///
/// Once a row is resealed, nothing in the vault says that its credential must not be trusted. So a row
/// is in the file before it is written, and every run appends. After a kill, a row may be listed twice.
#[derive(Debug)]
pub struct Untrusted {
    /// The path of the file, which is next to the vault.
    pub path: PathBuf,
    file: File,
}

impl Untrusted {
    /// Opens or creates the list for the vault at `db`, so that only its owner can read it.
    ///
    /// # Errors
    /// Returns [`VaultError::NotOwnFile`] if somebody else may have put the file there, and other errors if
    /// it cannot be opened or written.
    pub fn open(db: &Path) -> Result<Self, VaultError> {
        let path = with_suffix(db, UNTRUSTED);
        let opened = open_own(&path).and_then(|file| {
            let Some(mut file) = file else { return Ok(None) };
            end_the_last_line(&mut file)?;
            sync_directory_of(&path)?;
            Ok(Some(file))
        });
        match opened {
            Ok(Some(file)) => Ok(Self { path, file }),
            Ok(None) => Err(VaultError::NotOwnFile { path }),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Adds rows, and returns when they would survive a power cut.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn add(&mut self, rows: &[Rewritten<'_>], leaked: &KeyId) -> Result<(), VaultError> {
        if rows.is_empty() {
            return Ok(());
        }
        let line = |(row, _): &Rewritten<'_>| {
            let owner = &row.place.owner;
            let entry = json!({
                "row": row.place.id,
                "tenant": owner.tenant,
                "provider": owner.provider,
                "label": owner.label,
                "variable": row.place.env_name,
                "revision": row.revision,
                "leaked_key": leaked.as_ref(),
            });
            format!("{}\n", in_json(&entry.to_string()))
        };
        let lines: String = rows.iter().map(line).collect();
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|source| failed(&self.path, source))
    }
}

/// Ends a line that a killed run left unfinished.
fn end_the_last_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> VaultError {
    VaultError::InputOutput { doing: format!("writing {}", file(path)), source }
}
