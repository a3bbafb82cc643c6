//! The worker.

use anyhow::Result;

use crate::config::Home;
use crate::store::Store;

/// Runs it.
pub async fn run(_home: &Home, _store: &Store) -> Result<()> {
    Ok(())
}
