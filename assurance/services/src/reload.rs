use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use sealwax::Keyring;
use tokio::signal::unix::Signal;

use crate::start::{AnyError, read_keyring};

/// Replaces the running keyring with that in the file, if `can_replace` allows it.
pub fn reload(running: &ArcSwap<Keyring>, path: &Path) -> Result<(), AnyError> {
    let fresh = read_keyring(path)?;
    fresh.can_replace(&running.load()).map_err(|problems| format!("{problems:?}"))?;
    running.store(Arc::new(fresh));
    Ok(())
}

/// Reloads at each SIGHUP.
pub async fn reload_on(mut hangup: Signal, running: Arc<ArcSwap<Keyring>>, path: PathBuf) {
    while hangup.recv().await.is_some() {
        match reload(&running, &path) {
            Ok(()) => eprintln!("keys reloaded"),
            Err(error) => eprintln!("keys not reloaded: {error}"), // Raise an alert too.
        }
    }
}
