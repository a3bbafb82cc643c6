use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sealwax::{Keyring, RecorderRequired, ReloadProblem, Secret};
use tokio::signal::unix::Signal;

use crate::start::AnyError;

/// Reads keys from their file. The text is wiped, and no error repeats any part of it.
pub fn read_keys<K: FromStr<Err: Into<AnyError>>>(path: &Path) -> Result<K, AnyError> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Secret::from(bytes).expose_str()?.parse().map_err(Into::into)
}

/// Reads the keyring. It opens nothing until a request gives it a recorder of its own.
pub fn read_keyring(path: &Path) -> Result<Keyring, AnyError> {
    Ok(read_keys::<Keyring>(path)?.with_recorder(RecorderRequired))
}

/// Replaces the running keyring with that in the file, if `can_replace` allows it.
pub fn reload(running: &ArcSwap<Keyring>, path: &Path) -> Result<(), AnyError> {
    let (old, fresh) = (running.load_full(), read_keyring(path)?);
    let describe = |problem: &ReloadProblem| problem.to_string();
    fresh.can_replace(&old).map_err(|problems| problems.iter().map(describe).collect::<Vec<_>>().join("; "))?;
    let is_swapped = Arc::ptr_eq(&old, &running.compare_and_swap(&old, Arc::new(fresh)));
    is_swapped.then_some(()).ok_or_else(|| "another reload came first".into())
}

/// Reloads at each SIGHUP.
pub async fn reload_on(mut hangup: Signal, running: Arc<ArcSwap<Keyring>>, path: PathBuf) {
    while hangup.recv().await.is_some() {
        match reload(&running, &path) {
            Ok(()) => eprintln!("keyring reloaded"),
            Err(error) => eprintln!("keyring not reloaded: {error}"), // Raise an alert too.
        }
    }
}
