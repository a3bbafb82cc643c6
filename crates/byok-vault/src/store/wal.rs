//! The -wal file, to which SQLite writes first.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;

use super::{PATIENCE, Store};

/// How long to wait for other processes to finish reading.
const PATIENCE_WITH_READERS: Duration = Duration::from_millis(500);

impl Store {
    /// Prepares a connection that writes.
    pub(super) fn prepare_writing(&self) -> rusqlite::Result<()> {
        // Readers continue while a rotation writes.
        self.switch_to_wal()?;
        // A commit that was reported survives a power cut.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        // A deleted or replaced envelope is erased from the file, not only from the table.
        self.connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))
    }

    /// Switches the database to WAL mode, and waits for other processes that do the same.
    ///
    /// SQLite itself does not wait when several processes switch a new vault at once.
    fn switch_to_wal(&self) -> rusqlite::Result<()> {
        let began = Instant::now();
        loop {
            let switched =
                self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
            let is_busy = switched
                .as_ref()
                .is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
            if !is_busy || began.elapsed() > PATIENCE {
                return switched;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Erases what was deleted or replaced from the files, and returns `false` if that has to wait.
    ///
    /// SQLite overwrites it in the -wal file first, and neither in the database nor in the older part of
    /// the -wal file while another process reads an older snapshot.
    #[must_use]
    pub fn erase_replaced(&self) -> bool {
        let checkpoint = || -> rusqlite::Result<bool> {
            self.connection.busy_timeout(PATIENCE_WITH_READERS)?;
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let is_blocked = self.connection.query_row(sql, [], |row| row.get::<_, bool>(0))?;
            self.connection.busy_timeout(PATIENCE)?;
            Ok(!is_blocked)
        };
        // The change itself is committed. If this fails, as on a full disk, the next one tries again.
        checkpoint().unwrap_or(false)
    }
}
