//! Which process gets which key.
//!
//! | File | Dashboard | Proxy | Worker |
//! |---|---|---|---|
//! | `keys/dashboard/sealer`: seals, and cannot open | reads | | writes, at each new epoch |
//! | `keys/dashboard/visitors`: peppers of sign-in links and sessions | reads | | |
//! | `keys/accounts/proofs`: peppers of the proofs of accounts | reads | | |
//! | `keys/accounts/leaving`: who has asked to be deleted, which only grows | writes | reads | reads |
//! | `keys/tokens/live`, `keys/tokens/test`: peppers of API tokens | reads | reads | |
//! | `keys/service/ring`: the keyring, or its envelope under OpenBao's key | | reads | reads, and writes at each new epoch |
//! | `keys/service/openbao`: the token for OpenBao | | reads | reads |
//! | `keys/service/audit`: the audit keys | | reads | reads |
//! | `keys/service/tombstones`: who was deleted, which only grows | | reads | writes |
//! | `keys/service/deleted`: whose deletion is done, which only grows | | | writes |
//! | `keys/service/anchors`: the end of each chain of the audit log | | | writes |
//! | `tenant-keys/`: the tenants' keys, as the epoch that has ended left them | | | writes |
//! | `escrow/`: each root, sealed for the key in `safe/`, which an operator moves into a safe | | | writes, and deletes |
//!
//! They run as one user: the command `epoch` writes files of the dashboard. A dashboard runs without `keys/service`, though.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use sealwax::Secret;

use crate::clock;
use crate::config::Home;

pub const SEALER: &str = "keys/dashboard/sealer";
pub const VISITORS: &str = "keys/dashboard/visitors";
pub const PROOFS: &str = "keys/accounts/proofs";
pub const LEAVING: &str = "keys/accounts/leaving";
pub const LIVE: &str = "keys/tokens/live";
pub const TEST: &str = "keys/tokens/test";
pub const RING: &str = "keys/service/ring";
pub const OPENBAO: &str = "keys/service/openbao";
pub const AUDIT: &str = "keys/service/audit";
pub const TOMBSTONES: &str = "keys/service/tombstones";
pub const DELETED: &str = "keys/service/deleted";
pub const ANCHORS: &str = "keys/service/anchors";
pub const TENANT_KEYS: &str = "tenant-keys";
pub const ESCROW: &str = "escrow";
pub const SAFE: &str = "safe";

impl Home {
    /// Reads a file of secrets, which is wiped when it is dropped.
    pub fn secret(&self, file: &str) -> Result<Secret> {
        let path = self.path(file);
        fs::read(&path).map(Secret::from).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Reads and parses a file of secrets. The error of parsing repeats nothing of it.
    pub fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        file: &str,
    ) -> Result<T> {
        let secret = self.secret(file)?;
        let text = secret.expose_str().with_context(|| format!("{file} is no text"))?;
        text.parse().with_context(|| format!("{file} is malformed"))
    }

    /// Writes a file that nobody else may read, in one step: a reader sees the old one or the new one. One process at a time
    /// writes a file. What one that was killed has left of it is written over by the next.
    pub fn write(&self, file: &str, content: &[u8]) -> Result<()> {
        let path = self.path(file);
        let new = path.with_extension("new");
        let written = private(&path).and_then(|()| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            sync_name(&path)
        });
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes a file, if there is one.
    pub fn remove(&self, file: &str) -> Result<()> {
        let path = self.path(file);
        let removed = || fs::remove_file(&path).and_then(|()| sync_name(&path));
        if path.exists() { removed().with_context(|| format!("cannot remove {}", path.display())) } else { Ok(()) }
    }

    /// Renames a file to one with the time in its name, if there is one.
    pub fn set_aside(&self, file: &str) -> Result<()> {
        let (path, aside) = (self.path(file), self.path(format!("{file}.{}", clock::seconds())));
        if path.exists() { fs::rename(path, aside).context(file.to_owned()) } else { Ok(()) }
    }

    /// Lets one command at a time change the keys, until what this returns is dropped.
    pub fn lock(&self) -> Result<File> {
        let lock = File::create(self.path("lock")).context("cannot write the lock")?;
        lock.try_lock().context("another command changes the keys: wait for it")?;
        Ok(lock)
    }

    /// Appends a line to a file that only grows.
    pub fn append(&self, file: &str, line: &str) -> Result<()> {
        let path = self.path(file);
        let written = private(&path).and_then(|()| {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            // The worker and a command append to the same file.
            file.lock()?;
            let text = fs::read(&path)?;
            if text.last().is_some_and(|last| *last != b'\n') {
                // What a power cut has left of a line.
                let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                file.set_len(whole.try_into().map_err(std::io::Error::other)?)?;
            }
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_all()?;
            sync_name(&path)
        });
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Parses each line of a file that only grows, and none if there is no such file.
    pub fn lines<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        file: &str,
    ) -> Result<Vec<T>> {
        let text = match fs::read_to_string(self.path(file)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.with_context(|| format!("cannot read {file}"))?,
        };
        // A line without its end was cut, and nobody was told that it was written.
        let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        let lines = whole.lines().map(str::parse).collect::<Result<_, _>>();
        lines.with_context(|| format!("{file} is malformed"))
    }
}

/// Keeps the name of a file over a power cut.
fn sync_name(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Creates the directory of a file, for its owner alone.
fn private(path: &Path) -> std::io::Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
