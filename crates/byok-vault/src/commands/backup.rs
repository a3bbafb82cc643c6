//! `backup`: copies the vault into a new file. Needs no key.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tempfile::TempPath;

use crate::cli::{Backup, Cli};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::files;
use crate::formatting::{file, rows};
use crate::store::{Access, Store};

/// Copies the vault, also while other processes use it.
///
/// # Errors
/// Returns an error if the vault cannot be read, or the file exists or cannot be written.
pub fn backup(cli: &Cli, args: &Backup, out: &mut impl Write) -> Result<Exit, VaultError> {
    let path = &args.file;
    if path.symlink_metadata().is_ok() {
        return Err(VaultError::FileExists { path: path.clone() });
    }
    if files::is_of_the_vault(path, &cli.db) {
        return Err(VaultError::OutputTaken);
    }
    // SQLite would apply what another database left there when it opens the copy.
    for path in files::OF_SQLITE.map(|end| files::with_suffix(path, end)) {
        if path.symlink_metadata().is_ok() {
            return Err(VaultError::FileExists { path });
        }
    }
    let store = Store::open(&cli.db, Access::Read)?;
    // Only its owner can read it.
    let copy = tempfile::Builder::new()
        .prefix(".byok-vault-")
        .suffix(".unfinished")
        .tempfile_in(files::directory_of(path))
        .map_err(writing)?
        .into_temp_path();
    let count = store.copy_to(&copy)?;
    place(copy, path)?;
    writeln!(out, "copied {} to {}", rows(count), file(path))?;
    writeln!(
        out,
        "  next: keep the keys that its rows need (`byok-vault census` lists them), and remember \
         that the copy keeps what is deleted or replaced from now on"
    )?;
    Ok(Exit::Done)
}

/// Gives the copy its name, which must be free, so that both survive a power cut.
fn place(copy: TempPath, path: &Path) -> Result<(), VaultError> {
    File::open(&copy).and_then(|file| file.sync_all()).map_err(writing)?;
    copy.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => VaultError::FileExists { path: path.to_owned() },
        _ => writing(error.error),
    })?;
    files::sync_directory_of(path).map_err(writing)
}

fn writing(source: io::Error) -> VaultError {
    VaultError::InputOutput { doing: "writing the backup".to_owned(), source }
}
