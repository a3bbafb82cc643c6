//! After a restore: brings the tenants' keys back that open, and deletes again who was deleted.

use anyhow::{Context, Result};
use sealwax_tenants::{TenantId, Tombstone};

use super::Epoch;
use crate::config::Home;
use crate::files::TOMBSTONES;
use crate::ring::Source;
use crate::store::Store;

/// Makes a database usable that was restored from a backup, before the processes start. Returns how many tenants were deleted
/// since the backup was made.
///
/// Keys that the dashboard stored in an epoch that has ended, and that no worker had taken over when the backup was made, are
/// lost.
pub async fn recover(home: &Home, store: &Store) -> Result<u64> {
    let ring = Source::new(home)?.read().await?;
    let epoch = Epoch::newest(&ring).context("the keyring has no epoch")?;
    // A backup from before the epoch has keys under a root that is destroyed. The keys are the same.
    if let Ok(lines) = std::fs::read_to_string(home.path(epoch.dump()?)) {
        for line in lines.lines() {
            let mut words = line.splitn(3, ' ');
            let (tenant, number, envelope) = (words.next(), words.next(), words.next());
            let number = number.and_then(|number| number.parse().ok()).context("a line of the dump is malformed")?;
            store.restore_key(tenant.unwrap_or_default(), number, envelope.unwrap_or_default()).await?;
        }
    }
    let mut deleted = 0_u64;
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        let tenant: TenantId = dead.tenant().clone();
        store.tenants().replay(dead).await?;
        deleted = deleted.saturating_add(u64::from(store.email(&tenant).await?.is_some()));
        store.leave(&tenant).await?;
        store.forget(&tenant).await?;
    }
    // Another one, if the backup is older than the epoch.
    epoch.make_pair(home, store, &ring).await?;
    Ok(deleted)
}
