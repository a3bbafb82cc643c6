//! After a restore: brings the tenants' keys back that open, and deletes again who was deleted.

use anyhow::{Context, Result, bail};
use sealwax::{Envelope, KeyState};
use sealwax_tenants::{TenantId, Tombstone};

use super::Epoch;
use crate::config::Home;
use crate::files::{ANCHORS, TOMBSTONES};
use crate::ring::Source;
use crate::store::Store;

/// Makes a database usable that was restored from a backup, before the processes start. Returns how many tenants were deleted
/// since the backup was made, and how many keys are lost: those that the dashboard stored in an epoch that has ended, and that
/// no worker had taken over when the backup was made.
pub async fn recover(home: &Home, store: &Store) -> Result<(u64, u64)> {
    let _lock = home.lock()?;
    let ring = Source::new(home)?.read().await?;
    let epoch = Epoch::current(&ring).context("the keyring has no epoch")?;
    // A backup from before the epoch has keys under a root that is destroyed. The keys are the same.
    let dumps = (1..=epoch.0).rev().map(|number| Epoch(number).dump().map(|dump| home.path(dump)));
    let dumps = dumps.collect::<Result<Vec<_>>>()?;
    let is_destroyed = |(_, state)| state == KeyState::Destroyed;
    match dumps.iter().find(|dump| dump.exists()) {
        Some(dump) => {
            let lines = std::fs::read_to_string(dump).with_context(|| format!("cannot read {}", dump.display()))?;
            for line in lines.lines() {
                let mut words = line.splitn(3, ' ');
                let (tenant, number, envelope) = (words.next(), words.next(), words.next());
                let number =
                    number.and_then(|number| number.parse().ok()).context("a line of the dump is malformed")?;
                store.restore_key(tenant.unwrap_or_default(), number, envelope.unwrap_or_default()).await?;
            }
        }
        None if ring.keys().any(is_destroyed) => bail!("the directory tenant-keys is missing"),
        None => {}
    }
    let mut deleted = 0_u64;
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        let tenant: TenantId = dead.tenant().clone();
        store.tenants().replay(dead).await?;
        deleted = deleted.saturating_add(u64::from(store.forget(&tenant).await?));
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
    Ok((deleted, lost))
}
