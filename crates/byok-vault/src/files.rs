//! Files: whether two paths are one file, who else may read or write it, and what survives a power cut.

use std::fs::{File, OpenOptions};
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

/// How the names of the files end that SQLite keeps next to a database, and applies when it opens it.
pub const OF_SQLITE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How the name of the list ends that `reseal` keeps next to the vault.
pub const UNTRUSTED: &str = ".untrusted.jsonl";

/// Returns whether a path is, or would be, a file that SQLite or `reseal` uses for the vault at `db`.
#[must_use]
pub fn is_of_the_vault(path: &Path, db: &Path) -> bool {
    // SQLite names its other files after the file that a symbolic link leads to.
    let real = db.canonicalize().unwrap_or_else(|_| db.to_owned());
    let ends = [""].into_iter().chain(OF_SQLITE).chain([UNTRUSTED]);
    [db, &real].iter().any(|db| ends.clone().any(|end| is_same(path, &with_suffix(db, end))))
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

/// Opens a file to read it and to append to it, and creates it so that only its owner can read it.
///
/// Returns `None` if somebody else may have put it there: if it is a symbolic link, not a file, another
/// user's, a file with several names, or one that other users may write to.
///
/// # Errors
/// Returns an error if it cannot be opened.
#[cfg(unix)]
pub fn open_own(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    const OTHERS: u32 = 0o022;
    // Without waiting for the other end, if it is a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
    let file = match options.open(path) {
        Err(_) if path.symlink_metadata().is_ok_and(|found| !found.is_file()) => return Ok(None),
        opened => opened?,
    };
    let found = file.metadata()?;
    let is_own = found.is_file()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.nlink() == 1
        && found.mode() & OTHERS == 0;
    Ok(is_own.then_some(file))
}

/// Opens a file to read it and to append to it.
///
/// Returns `None` if it is not a file.
///
/// # Errors
/// Returns an error if it cannot be opened.
#[cfg(not(unix))]
pub fn open_own(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Returns whether a command that replaces this program could read this file from a descriptor that it
/// inherits.
///
/// Such a descriptor was open before this program started. What was read from a pipe is gone.
#[cfg(unix)]
#[must_use]
pub fn is_inherited(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let Ok(file) = path.metadata() else { return false };
    let is_it = |open: std::fs::Metadata| (open.dev(), open.ino()) == (file.dev(), file.ino());
    if !file.is_file() {
        return false;
    }
    // Where nobody can say which descriptors are open, it may be one of them.
    let Ok(descriptors) = std::fs::read_dir("/dev/fd") else { return true };
    descriptors.flatten().any(|open| open.path().metadata().is_ok_and(is_it))
}

/// Returns `false`, because commands inherit only the standard streams.
#[cfg(not(unix))]
#[must_use]
pub fn is_inherited(_: &Path) -> bool {
    false
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
