//! What to do about an error of SQLite.

use rusqlite::{ErrorCode, ffi};

pub(super) fn advice(error: &rusqlite::Error) -> &'static str {
    if is_failed_write(error) {
        return "nothing more can be written: make room on the disk, or raise the limit on this \
                user's space or on file sizes, and run the command again: finished batches are \
                kept; if there is room, the disk is failing: check it before you write anything else";
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process is using the database: run the command again when it has finished"
        }
        Some(ErrorCode::ReadOnly) => {
            "the database or its directory is read-only, and SQLite in WAL mode writes files next \
             to the database even when it only reads; commands that open a credential write that into \
             the log first: give this user write access, or work on a copy; nothing was changed"
        }
        Some(ErrorCode::CannotOpen) => {
            "check that this user can read and write the file and its directory (a database in WAL \
             mode needs its -wal and -shm files next to it, even for reading)"
        }
        Some(ErrorCode::DiskFull) => {
            "make room on the disk and run the command again: finished batches are kept"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "check --db; if this is the vault, restore it from a backup"
        }
        _ => {
            "run the command again; if the error persists, check the disk and restore from a backup"
        }
    }
}

/// Returns whether a write failed because there was no room for it.
///
/// SQLite reports "full" only if the operating system reports a full disk. If a quota or a limit is
/// reached, or there is no room for the shared-memory index, SQLite reports that a write failed.
fn is_failed_write(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(
            error.extended_code,
            ffi::SQLITE_IOERR_WRITE
                | ffi::SQLITE_IOERR_FSYNC
                | ffi::SQLITE_IOERR_TRUNCATE
                | ffi::SQLITE_IOERR_SHMOPEN
                | ffi::SQLITE_IOERR_SHMSIZE
        )
    })
}
