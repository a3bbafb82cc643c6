//! Files: whether two paths are one file, who else may read it, and what survives a power cut.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Returns whether two paths are, or would be, the same file.
#[must_use]
pub fn is_same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| {
        path.canonicalize()
            .ok()
            .or_else(|| Some(directory_of(path).canonicalize().ok()?.join(path.file_name()?)))
    };
    match (resolved(one), resolved(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Returns whether a path is, or would be, a file that SQLite uses for the vault at `db`.
#[must_use]
pub fn is_of_the_vault(path: &Path, db: &Path) -> bool {
    // SQLite names its other files after the file that a symbolic link leads to.
    let real = db.canonicalize().unwrap_or_else(|_| db.to_owned());
    [db, &real].iter().any(|db| {
        ["", "-wal", "-shm", "-journal"].iter().any(|end| is_same(path, &with_suffix(db, end)))
    })
}

/// Appends a text to the name of a file.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the directory of a file.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes the name of a new file survive a power cut.
///
/// # Errors
/// Returns an error if the directory cannot be read or written to the disk.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    // Elsewhere, a directory cannot be opened as a file.
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(directory_of(path))?.sync_all() {
        // Some network file systems have no such operation.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Returns whether other users may read or write this file, and its user could change that.
///
/// Pipes are private. So is no mounted secret: it belongs to somebody else, or its file system is
/// read-only, and everybody in the container may read it.
#[cfg(unix)]
#[must_use]
pub fn is_shared_by_mistake(path: &Path) -> bool {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    use std::os::unix::fs::MetadataExt;

    const OTHERS: u32 = 0o066;
    std::fs::metadata(path).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.mode() & OTHERS != 0
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && !statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
    })
}

/// Returns `false`, because there are no modes.
#[cfg(not(unix))]
#[must_use]
pub fn is_shared_by_mistake(_: &Path) -> bool {
    false
}
