//! After a restore: brings the tenants' keys back that open, and deletes again who was deleted.

use anyhow::{Context, Result, ensure};
use sealwax::{Envelope, KeyState};
use sealwax_tenants::Tombstone;

use super::Epoch;
use crate::clock;
use crate::config::Home;
use crate::files::{ANCHORS, AUDIT, TENANT_KEYS, TOMBSTONES};
use crate::ring::Source;
use crate::store::{Log, Store};
use crate::worker::note_all;

/// Makes a database usable that was restored from a backup, before the processes start. Returns how many tenants were deleted
/// since the backup was made, and how many keys are lost: those that the dashboard stored in an epoch that has ended, and that
/// no worker had taken over when the backup was made.
pub async fn recover(home: &Home, store: &Store) -> Result<(u64, u64)> {
    let _lock = home.lock()?;
    let ring = Source::new(home)?.read().await?;
    let epoch = Epoch::current(&ring).context("the keyring has no epoch")?;
    // A backup from before the epoch has keys under a root that is destroyed. The keys are the same.
    let mut has_ended = false;
    for epoch in (1..=epoch.0).rev().map(Epoch) {
        if ring.state(epoch.root()?.as_ref()) == Some(KeyState::Destroyed) {
            has_ended = true;
        } else if let Some(keys) = epoch.read_dump(home)? {
            for (tenant, number, envelope) in keys {
                store.restore_key(&tenant, number, &envelope).await?;
            }
            has_ended = false;
            break;
        }
    }
    ensure!(!has_ended, "the directory {TENANT_KEYS} has nothing of {}", epoch.root()?);
    let mut deleted = 0_u64;
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        store.tenants().replay(dead.clone()).await?;
        deleted = deleted.saturating_add(u64::from(store.forget(dead.tenant()).await?));
    }
    let mut lost = 0_u64;
    for pair in store.pairs().await? {
        let Some(Ok(envelope)) = store.pair(&pair.parse()?).await?.map(|text| text.parse::<Envelope>()) else {
            continue;
        };
        if envelope.key_ids().all(|root| ring.state(root.as_ref()) == Some(KeyState::Destroyed)) {
            lost = lost.saturating_add(store.delete_under(&pair).await?);
            store.delete_pair(&pair).await?;
        }
    }
    // Another one, if the backup is older than the epoch.
    epoch.make_pair(home, store, &ring).await?;
    // The log ends where the backup was made.
    home.set_aside(ANCHORS)?;
    let log = Log::new(home.parsed(AUDIT)?, store.audit(), clock::millis);
    for begun in 1..=Epoch::newest(&ring).map_or(0, |newest| newest.0) {
        Epoch(begun).note_begin(home, store, &log, &ring).await?;
    }
    note_all(home, store, &log).await?;
    Ok((deleted, lost))
}
