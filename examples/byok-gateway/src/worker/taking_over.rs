//! Moves keys to their tenants' own master keys: what the dashboard wrote, and what is under an older key of the tenant.

use anyhow::Result;
use sealwax::Envelope;
use sealwax_tenants::{TenantId, TenantState};

use crate::providers;
use crate::store::Found;
use crate::vault::Vault;

/// How many rows are read at once.
pub(crate) const PAGE: i64 = 500;

/// Moves every row that the dashboard wrote to its tenant's key. Returns how many it moved.
pub async fn take_over(vault: &Vault) -> Result<u64> {
    take_over_all(vault, vault.store.written_by_the_dashboard(PAGE).await?).await
}

/// Takes over each row that it can.
async fn take_over_all(vault: &Vault, rows: Vec<(String, String, Found)>) -> Result<u64> {
    let (mut moved, mut first_error) = (0_u64, None);
    for (tenant, provider, found) in rows {
        match take_over_row(vault, &tenant, &provider, found).await {
            Ok(done) => moved = moved.saturating_add(u64::from(done)),
            Err(error) => _ = first_error.get_or_insert(error.context(format!("{provider} key of tenant {tenant}"))),
        }
    }
    first_error.map_or(Ok(moved), Err)
}

async fn take_over_row(vault: &Vault, tenant: &str, provider: &str, found: Found) -> Result<bool> {
    let (tenants, store) = (vault.tenants()?, &vault.store);
    let row: Envelope = found.envelope.parse()?;
    let record = match tenants.state(&found.record)? {
        TenantState::NeverHad => {
            let created = tenants.create(&found.record, TenantState::NeverHad)?;
            // Another worker may be first.
            store.tenants().create(&created).await?;
            store.tenants().read(found.record.tenant()).await?
        }
        TenantState::Live => found.record,
        // Nothing is rewrapped for a tenant who was deleted.
        _ => return Ok(false),
    };
    let keyring = vault.keyring(&record, &row).await?;
    // A rewrap knows no context: the key of a tenant who leaves would live on in the row of another one.
    providers::verify(&keyring, &row, record.tenant(), provider)?;
    match keyring.rewrap(&row)? {
        Some(fresh) => Ok(store.replace(tenant, provider, &found.envelope, &fresh).await?),
        None => Ok(false),
    }
}

/// Gives a tenant a new master key, and moves the tenant's rows to it. Returns how many it moved.
///
/// Keep the older key as long as a dump has rows under it: they would open no more.
pub async fn rotate(vault: &Vault, tenant: &TenantId) -> Result<u64> {
    let tenants = vault.tenants()?;
    let record = vault.store.tenants().read(tenant).await?;
    let created = tenants.create(&record, TenantState::Live)?;
    if !vault.store.tenants().create(&created).await? {
        anyhow::bail!("somebody else gave tenant {tenant} a key: run it again");
    }
    // One for each provider, at most.
    let mut rows = vault.store.page((tenant.as_ref(), ""), PAGE).await?;
    rows.retain(|(of, ..)| of == tenant.as_ref());
    take_over_all(vault, rows).await
}
