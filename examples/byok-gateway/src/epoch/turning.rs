//! Ends an epoch and begins the next, in steps of which each can be interrupted and done again.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sealwax::{Envelope, KeyState, Keyring};
use sealwax_tenants::{Certificate, CertificateError, Notice, Tombstone};
use tokio::time::{Instant, sleep};

use super::lines::{with_key, with_state};
use super::{Epoch, deletions};
use crate::config::Home;
use crate::files::{SAFE, TOMBSTONES};
use crate::store::Store;
use crate::vault::Vault;
use crate::worker::{delete_leaving, take_over, waiting};

/// Ends the epoch, and says each step. If one was interrupted, this finishes it first.
pub async fn turn(home: &Home, store: &Store, say: impl Fn(&str)) -> Result<()> {
    let _lock = home.lock()?;
    let vault = Vault::unlock(home, store).await?;
    let interrupted = newest(&vault)?;
    if !is_turned(&vault, interrupted).await? {
        say(&format!("{} was interrupted, and is finished first", interrupted.root()?));
        move_to(home, &vault, interrupted, &say).await?;
    }
    // Whoever has left by now ends with the old root: later tombstones name the new one, too.
    delete_leaving(home, &vault).await?;
    // An altered log keeps the epoch from being certified, so it does not begin.
    deletions(home, store).await?;
    vault.refresh().await?;
    let epoch = newest(&vault)?.next();
    say(&format!("{} is everywhere, before anybody seals under it", epoch.root()?));
    let text = vault.source.read_text().await?;
    vault.source.write(&with_key(&text, "retired", epoch.root()?.as_ref(), &epoch.draw_root(home)?)?).await?;
    move_to(home, &vault, epoch, &say).await?;
    say(&format!("move {} into a safe", home.path(format!("{SAFE}/{}", epoch.root()?)).display()));
    let left = waiting(home, store).await?.len();
    if left > 0 {
        say(&format!("{left} accounts still wait for their deletion, and the next epoch ends them: see the log"));
    }
    Ok(())
}

/// Moves everything to an epoch whose root is in the keyring, and destroys the older ones.
async fn move_to(home: &Home, vault: &Vault, epoch: Epoch, say: &impl Fn(&str)) -> Result<()> {
    let (store, root) = (&vault.store, epoch.root()?);
    everywhere(vault, say).await?;

    // Before anybody seals under it, so that no certificate misses it.
    if epoch.begun(home, store).await?.is_none() {
        epoch.note_begin(vault.log(), &vault.ring()?).await?;
    }
    let primary = vault.ring()?.primary().cloned().context("the keyring has no primary")?;
    if primary != root {
        say(&format!("{root} is the primary"));
        let text = with_state(&vault.source.read_text().await?, primary.as_ref(), "retired")?;
        vault.source.write(&with_state(&text, root.as_ref(), "primary")?).await?;
        everywhere(vault, say).await?;
    }
    say("the dashboard gets the pair of the epoch");
    epoch.make_pair(home, store, &vault.ring()?).await?;
    dashboards_have(vault, epoch, say).await?;

    say("what is under the old epoch moves");
    replay(home, store, say).await?;
    // Any of these may take longer than the keyring may be used.
    vault.refresh().await?;
    while take_over(vault).await? > 0 {
        vault.refresh().await?;
    }
    move_keys(home, vault, &vault.ring()?).await?;
    for pair in store.pairs().await? {
        if pair != epoch.pair()?.as_ref() && !store.delete_pair(&pair).await? {
            bail!("a row is still under {pair}: see the log of the worker, and run this again");
        }
    }
    dump(home, store, epoch).await?;
    vault.refresh().await?;

    for old in old_roots(&vault.ring()?, epoch)? {
        say(&format!("{} is destroyed", old.root()?));
        old.destroy_escrow(home)?;
        vault.source.write(&with_state(&vault.source.read_text().await?, old.root()?.as_ref(), "destroyed")?).await?;
        everywhere(vault, say).await?;
    }
    let certified = certify(home, vault, say).await?;
    say(&format!(
        "{certified} deletions are certified. Destroy what a safe has of the old epoch, too, and every copy of the keyring"
    ));
    Ok(())
}

fn newest(vault: &Vault) -> Result<Epoch> {
    Epoch::newest(&vault.ring()?).context("the keyring has no epoch")
}

/// Returns whether nothing of an older epoch is left: the pairs of an epoch go before its root.
async fn is_turned(vault: &Vault, newest: Epoch) -> Result<bool> {
    let ring = vault.ring()?;
    let is_primary = ring.primary() == Some(&newest.root()?);
    Ok(is_primary && old_roots(&ring, newest)?.is_empty() && vault.store.pair(&newest.pair()?).await?.is_some())
}

/// Returns the epochs before one whose roots are not destroyed.
pub(crate) fn old_roots(ring: &Keyring, epoch: Epoch) -> Result<Vec<Epoch>> {
    let mut old = Vec::new();
    for number in 1..epoch.0 {
        if ring.state(Epoch(number).root()?.as_ref()).is_some_and(|state| state != KeyState::Destroyed) {
            old.push(Epoch(number));
        }
    }
    Ok(old)
}

/// Waits until every running process has the keyring that is in the file.
async fn everywhere(vault: &Vault, say: &impl Fn(&str)) -> Result<()> {
    vault.refresh().await?;
    let mine = vault.fingerprint()?;
    wait_for(vault, say, |process, keys| process.starts_with("dashboard") || keys == mine).await
}

async fn dashboards_have(vault: &Vault, epoch: Epoch, say: &impl Fn(&str)) -> Result<()> {
    let pair = epoch.pair()?;
    wait_for(vault, say, |process, keys| !process.starts_with("dashboard") || keys == pair.as_ref()).await
}

/// Waits until each process has something, and reads the keyring again, which may have grown too old.
async fn wait_for(vault: &Vault, say: &impl Fn(&str), has_it: impl Fn(&str, &str) -> bool) -> Result<()> {
    let end = Instant::now() + vault.max_age().saturating_mul(2) + Duration::from_secs(60);
    let mut said = Instant::now();
    loop {
        let processes = vault.processes().await?;
        let Some((missing, _)) = processes.iter().find(|(process, keys)| !has_it(process, keys)) else {
            return vault.refresh().await;
        };
        if Instant::now() >= end {
            bail!("{missing} still has other keys: run this again");
        }
        if said.elapsed() >= Duration::from_secs(5) {
            say(&format!("waits for {missing}, which has other keys"));
            said = Instant::now();
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// What somebody put back would move along, or keep a pair in use.
async fn replay(home: &Home, store: &Store, say: &impl Fn(&str)) -> Result<()> {
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        let (tenant, known) = (dead.tenant().clone(), dead.to_string());
        let dead = store.tenants().replay(dead).await?.to_string();
        if dead != known {
            home.append(TOMBSTONES, &dead)?;
        }
        if let Err(error) = store.forget(&tenant).await {
            say(&format!("something of tenant {tenant} is left: {error}"));
        }
    }
    Ok(())
}

async fn move_keys(home: &Home, vault: &Vault, ring: &Keyring) -> Result<()> {
    let dead = home.lines::<Tombstone>(TOMBSTONES)?;
    for (tenant, number, text) in vault.store.tenant_keys().await? {
        // Somebody has put it back since the replay, and the next one deletes it.
        if dead.iter().any(|dead| dead.tenant().as_ref() == tenant) {
            continue;
        }
        let fresh = ring.rewrap(&text.parse::<Envelope>()?);
        if let Some(fresh) = fresh.with_context(|| format!("key {number} of tenant {tenant}"))? {
            vault.store.replace_key(&tenant, number, &text, &fresh).await?;
        }
    }
    // What somebody wrote meanwhile is under the new root, because every process has it.
    let root = ring.primary().map(AsRef::as_ref).unwrap_or_default();
    match vault.store.not_current(root).await? {
        (_, 0) => Ok(()),
        (_, left) => bail!("{left} tenants' keys are not under {root}: run this again"),
    }
}

/// Once the old root is destroyed, no tenant's key in an older dump opens: [`super::recover`] reads this file. So each key of
/// the older file has to be in the database, unless its tenant was deleted.
async fn dump(home: &Home, store: &Store, epoch: Epoch) -> Result<()> {
    let (mut lines, mut known) = (String::new(), HashSet::new());
    for (tenant, number, envelope) in store.tenant_keys().await? {
        lines.push_str(&format!("{tenant} {number} {envelope}\n"));
        known.insert((tenant, number));
    }
    let dead = home.lines::<Tombstone>(TOMBSTONES)?;
    let older = (1..epoch.0).rev().find_map(|older| Epoch(older).read_dump(home).transpose());
    for (tenant, number, _) in older.transpose()?.into_iter().flatten() {
        if !dead.iter().any(|dead| dead.tenant().as_ref() == tenant) && !known.contains(&(tenant.clone(), number)) {
            bail!("key {number} of tenant {tenant} is gone: restore the database, or take its line out of tenant-keys");
        }
    }
    home.write(&epoch.dump()?, lines.as_bytes())
}

/// Certifies each deletion whose roots are all destroyed, once.
async fn certify(home: &Home, vault: &Vault, say: &impl Fn(&str)) -> Result<u32> {
    let (log, ring) = (deletions(home, &vault.store).await?, vault.ring()?);
    let mut certified = Vec::new();
    for record in &log {
        certified.extend(Certificate::from_record(record)?.map(|certificate| certificate.tombstone().key().clone()));
    }
    let mut count = 0_u32;
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        if certified.contains(dead.key()) {
            continue;
        }
        match Certificate::new(dead.key(), &log, &ring) {
            Ok(certificate) => {
                vault.log().append(Notice::SUBJECT, certificate.notice("worker", "the epoch ended").action()).await?;
                certified.push(dead.key().clone());
                count = count.saturating_add(1);
            }
            // The end of a later epoch certifies it.
            Err(CertificateError::RootsRemain { .. }) => {}
            Err(error) => say(&format!("{} is not certified: {error}", dead.key())),
        }
    }
    Ok(count)
}
