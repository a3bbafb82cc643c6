//! Deletes the tenants who left.

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;

use anyhow::{Result, ensure};
use sealwax_audit::Record;
use sealwax_tenants::{Notice, TenantId, TenantState, Tombstone};

use crate::config::Home;
use crate::epoch::deletions;
use crate::files::{DELETED, LEAVING, TOMBSTONES};
use crate::store::{Log, Store};
use crate::vault::Vault;

/// Returns the tenants who left, and are not deleted: those whose customers have asked for it, and those of whom the database
/// says so.
pub(crate) async fn waiting(home: &Home, store: &Store) -> Result<BTreeSet<TenantId>> {
    let mut waiting: BTreeSet<TenantId> = home.lines(LEAVING)?.into_iter().collect();
    for done in home.lines::<TenantId>(DELETED)? {
        waiting.remove(&done);
    }
    waiting.extend(store.leaving().await?);
    Ok(waiting)
}

/// Destroys the master key of each tenant who left, and deletes what is left of the account. One that fails keeps no other one
/// waiting.
pub(crate) async fn delete_leaving(home: &Home, vault: &Vault) -> Result<()> {
    for tenant in waiting(home, &vault.store).await? {
        super::log(&format!("deletion of tenant {tenant}"), delete(home, vault, &tenant).await);
    }
    Ok(())
}

async fn delete(home: &Home, vault: &Vault, tenant: &TenantId) -> Result<()> {
    // It is for good, so the word of whoever writes the database is not enough.
    ensure!(home.lines(LEAVING)?.contains(tenant), "its customer has not asked for it");
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
    if !home.lines::<Tombstone>(TOMBSTONES)?.contains(&dead) {
        home.append(TOMBSTONES, &dead.to_string())?;
    }
    if store.tenants().destroy(dead.clone()).await?.is_none() {
        anyhow::bail!("tenant {tenant} has got another key");
    }
    tenants.bury(&dead);
    store.forget(tenant).await?;
    // An altered log keeps nothing from being deleted. What is not noted is done again.
    note_all(home, store, vault.log()).await?;
    home.append(DELETED, tenant.as_ref())?;
    tracing::info!("tenant {tenant} was deleted");
    Ok(())
}

/// Notes each tombstone in the audit log, unless that has it.
pub(crate) async fn note_all(home: &Home, store: &Store, log: &Log) -> Result<()> {
    let tombstone = |record: &Record| Some(Tombstone::from_record(record).ok()??.to_string());
    let noted: HashSet<String> = deletions(home, store).await?.iter().filter_map(tombstone).collect();
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        if !noted.contains(&dead.to_string()) {
            log.append(Notice::SUBJECT, dead.notice("worker", "the account was deleted").action()).await?;
        }
    }
    Ok(())
}
