//! A copy of the whole vault, while other processes use it.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Access, PATIENCE, Store, while_};
use crate::error::VaultError;

impl Store {
    /// Copies the vault into an empty file, and returns the number of rows of the copy.
    ///
    /// The copy is one snapshot, in one file. Other processes can write meanwhile.
    ///
    /// # Errors
    /// Returns an error if SQLite fails, or if the copy is not a vault with as many rows.
    pub fn copy_to(&self, path: &Path) -> Result<u64, VaultError> {
        let copying = while_("copying the vault");
        // The count and the copy are of one snapshot.
        let snapshot = self.connection.unchecked_transaction().map_err(copying)?;
        let rows = self.count()?;
        let mut copy = Connection::open(path).map_err(copying)?;
        copy.busy_timeout(PATIENCE).map_err(copying)?;
        let step = Backup::new(&snapshot, &mut copy).and_then(|backup| backup.step(-1));
        drop(snapshot);
        if step.map_err(copying)? != StepResult::Done {
            return Err(VaultError::WrongCopy);
        }
        // Otherwise the copy would need files next to it, even for reading.
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(copying)?;
        let check: String =
            copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(copying)?;
        copy.close().map_err(|(_, source)| copying(source))?;
        let copied = Self::open(path, Access::Read)?.count()?;
        if check == "ok" && copied == rows { Ok(rows) } else { Err(VaultError::WrongCopy) }
    }
}
