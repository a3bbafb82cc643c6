//! The file of a vault, before SQLite opens it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use crate::error::VaultError;

/// Returns whether there is a file that may be a vault.
///
/// # Errors
/// Returns an error if SQLite would not store anything in a file of this name, if there is something
/// other than a file, or if nobody can say whether there is one.
pub fn exists(path: &Path) -> Result<bool, VaultError> {
    let name = path.as_os_str().as_encoded_bytes();
    // To SQLite, these are a database in memory, a temporary one, and a URI.
    if name.is_empty() || name.starts_with(b":") || name.starts_with(b"file:") {
        return Err(VaultError::DatabaseName);
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(VaultError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(VaultError::InputOutput {
            doing: "looking for the vault at the path of --db".to_owned(),
            source,
        }),
    }
}

/// Creates the database file so that only its owner can read it.
///
/// SQLite would create it readable for everybody. The -wal and -shm files inherit its mode.
pub(super) fn create_private(path: &Path) -> Result<(), VaultError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| VaultError::InputOutput {
        doing: "creating the vault's file".to_owned(),
        source,
    })
}
