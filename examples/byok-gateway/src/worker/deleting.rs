//! Deletes the tenants who left.

use std::collections::BTreeSet;
use std::convert::Infallible;

use anyhow::Result;
use sealwax_audit::Record;
use sealwax_tenants::{Notice, TenantId, TenantState, Tombstone};

use crate::config::Home;
use crate::epoch::deletions;
use crate::files::{LEAVING, TOMBSTONES};
use crate::store::Store;
use crate::vault::Vault;

/// Returns the tenants who left, and are not deleted: whose customers have asked for it, whatever the database says, and those
/// whose deletion was interrupted.
pub(crate) async fn waiting(home: &Home, store: &Store) -> Result<BTreeSet<TenantId>> {
    let mut waiting: BTreeSet<TenantId> = home.lines(LEAVING)?.into_iter().collect();
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        waiting.remove(dead.tenant());
    }
    waiting.extend(store.leaving().await?);
    Ok(waiting)
}

/// Destroys the master key of each tenant who left, and deletes what is left of the account. One that fails keeps no other one
/// waiting.
pub(crate) async fn delete_leaving(home: &Home, vault: &Vault) -> Result<()> {
    for tenant in waiting(home, &vault.store).await? {
        // It is for good, so the word of whoever writes the database is not enough.
        let deleted = match home.lines(LEAVING)?.contains(&tenant) {
            true => delete(home, vault, &tenant).await,
            false => Err(anyhow::anyhow!("its customer has not asked for it")),
        };
        super::log(&format!("deletion of tenant {tenant}"), deleted);
    }
    Ok(())
}

async fn delete(home: &Home, vault: &Vault, tenant: &TenantId) -> Result<()> {
    let (tenants, store) = (vault.tenants()?, &vault.store);
    // A worker that was killed has left the tombstone, and the keys that it buries.
    for dead in home.lines::<Tombstone>(TOMBSTONES)?.into_iter().filter(|dead| dead.tenant() == tenant) {
        store.tenants().replay(dead).await?;
    }
    let mut record = store.tenants().read(tenant).await?;
    // It has no state if the newest key is lost, and is deleted all the same.
    if matches!(tenants.state(&record), Ok(TenantState::NeverHad)) {
        // Without a key there is no tombstone, and a backup would bring the tenant back.
        store.tenants().create(&tenants.create(&record, TenantState::NeverHad)?).await?;
        record = store.tenants().read(tenant).await?;
    }
    let dead = tenants.destroy(&record, |_| Ok::<_, Infallible>(()))?;
    // First where a restore does not reach, so that no deletion is without its tombstone. Its roots are all that the keyring
    // has, so the rows that are deleted name no other one.
    let is_known = home.lines::<Tombstone>(TOMBSTONES)?.contains(&dead);
    if !is_known {
        home.append(TOMBSTONES, &dead.to_string())?;
    }
    if !is_known || !is_noted(&deletions(home, store).await?, &dead) {
        vault.log().append(Notice::SUBJECT, dead.notice("worker", "the account was deleted").action()).await?;
    }
    if store.tenants().destroy(dead.clone()).await?.is_none() {
        anyhow::bail!("tenant {tenant} has got another key");
    }
    tenants.bury(&dead);
    store.forget(tenant).await?;
    tracing::info!("tenant {tenant} was deleted");
    Ok(())
}

/// Returns whether the chain of deletions has a tombstone.
pub(crate) fn is_noted(log: &[Record], dead: &Tombstone) -> bool {
    log.iter().any(|record| matches!(Tombstone::from_record(record), Ok(Some(noted)) if noted == *dead))
}
