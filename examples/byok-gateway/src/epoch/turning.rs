//! Ends an epoch and begins the next, in steps of which each can be interrupted and done again.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sealwax::{Envelope, KeyId, KeyState, Keyring};
use sealwax_tenants::{Certificate, CertificateError, Notice, TenantKeys, TenantRecord, Tombstone};
use tokio::time::{Instant, sleep};

use super::lines::{with_key, with_state};
use super::{Epoch, deletions};
use crate::config::Home;
use crate::files::{SAFE, TENANT_KEYS, TOMBSTONES};
use crate::store::Store;
use crate::vault::Vault;
use crate::worker::{delete_leaving, note_all, take_over, waiting};

/// Ends the epoch, and says each step. If one was interrupted, this finishes it first.
pub async fn turn(home: &Home, store: &Store, say: impl Fn(&str)) -> Result<()> {
    let _lock = home.lock()?;
    let vault = Vault::unlock(home, store).await?;
    let newest = Epoch::newest(&vault.ring()?).context("the keyring has no epoch")?;
    if !is_turned(home, &vault, newest).await? {
        say(&format!("{} was interrupted, and is finished first", newest.root()?));
        move_to(home, &vault, newest, &say).await?;
    }
    vault.refresh().await?;
    // Whoever has left by now ends with the old root: later tombstones name the new one, too.
    delete_leaving(home, &vault).await?;
    // An altered log keeps the epoch from being certified, so it does not begin.
    deletions(home, store).await?;
    vault.refresh().await?;
    let epoch = newest.next();
    say(&format!("{} is everywhere, before anybody seals under it", epoch.root()?));
    let text = vault.source.read_text().await?;
    vault.source.write(&with_key(&text, "retired", epoch.root()?.as_ref(), &epoch.draw_root(home)?)?).await?;
    move_to(home, &vault, epoch, &say).await?;
    say(&format!("move {} into a safe", home.path(format!("{SAFE}/{}", epoch.root()?)).display()));
    let left = waiting(home, store).await?.len();
    if left > 0 {
        say(&format!(
            "{left} accounts still wait for their deletion: see the worker's log, and `doctor` until they do not"
        ));
    }
    Ok(())
}

/// Moves everything to an epoch whose root is in the keyring, and destroys the older ones.
async fn move_to(home: &Home, vault: &Vault, epoch: Epoch, say: &impl Fn(&str)) -> Result<()> {
    let (store, root) = (&vault.store, epoch.root()?);
    everywhere(vault, say).await?;

    // Before anybody seals under it, so that no certificate misses it.
    epoch.note_begin(home, store, vault.log(), &vault.ring()?).await?;
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
    note_all(home, store, vault.log()).await?;
    // Any of these may take longer than the keyring may be used.
    vault.refresh().await?;
    while take_over(vault).await? > 0 {
        vault.refresh().await?;
    }
    let keys = move_keys(home, vault, &vault.ring()?).await?;
    for pair in store.pairs().await? {
        if pair != epoch.pair()?.as_ref() && !store.delete_pair(&pair).await? {
            bail!("a row is still under {pair}: see the log of the worker, and run this again");
        }
    }
    dump(home, epoch, &keys)?;
    vault.refresh().await?;

    // Of all older epochs, because somebody may have put files back.
    for old in (1..epoch.0).map(Epoch) {
        old.escrow_files()?.iter().try_for_each(|file| home.remove(file))?;
    }
    for old in old_roots(&vault.ring()?, epoch)? {
        say(&format!("{} is destroyed", old.root()?));
        vault.source.write(&with_state(&vault.source.read_text().await?, old.root()?.as_ref(), "destroyed")?).await?;
        everywhere(vault, say).await?;
    }
    let due = due(home, vault, say).await?;
    for certificate in &due {
        vault.log().append(Notice::SUBJECT, certificate.notice("worker", "the epoch ended").action()).await?;
    }
    let certified = due.len();
    say(&format!(
        "{certified} deletions are certified. Destroy what a safe has of the old epoch, and every copy of the keyring"
    ));
    Ok(())
}

/// Returns whether nothing of an older epoch is left: its pairs go before its root, and certificates come last.
pub(crate) async fn is_turned(home: &Home, vault: &Vault, newest: Epoch) -> Result<bool> {
    let (ring, store) = (vault.ring()?, &vault.store);
    let has_moved = ring.primary() == Some(&newest.root()?) && store.pair(&newest.pair()?).await?.is_some();
    Ok(has_moved && old_roots(&ring, newest)?.is_empty() && due(home, vault, |_| ()).await?.is_empty())
}

/// Returns the epochs before one whose roots are not destroyed.
fn old_roots(ring: &Keyring, epoch: Epoch) -> Result<Vec<Epoch>> {
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

/// Returns the keys, which are under the new root: their tenants, numbers and envelopes.
async fn move_keys(home: &Home, vault: &Vault, ring: &Keyring) -> Result<Vec<(String, i64, String)>> {
    let (dead, tenants) = (home.lines::<Tombstone>(TOMBSTONES)?, TenantKeys::new(ring.clone(), []));
    let mut moved = Vec::new();
    for (tenant, number, text) in vault.store.tenant_keys().await? {
        // Somebody has put it back since the replay, and the next one deletes it.
        if dead.iter().any(|dead| dead.tenant().as_ref() == tenant) {
            continue;
        }
        // A rewrap knows no context: under another name, the key of a tenant who left would outlive the root.
        let opened = || {
            let key = u32::try_from(number)?;
            tenants.keyring(&TenantRecord::new(tenant.parse()?, key, 0, [(key, &text)]))?;
            anyhow::Ok(ring.rewrap(&text.parse::<Envelope>()?)?)
        };
        let what = || format!("key {number} of tenant {tenant} is not the tenant's: restore it, or delete the row");
        let fresh = opened().with_context(what)?;
        if let Some(fresh) = &fresh {
            vault.store.replace_key(&tenant, number, &text, fresh).await?;
        }
        moved.push((tenant, number, fresh.map_or(text, |fresh| fresh.to_string())));
    }
    // What somebody wrote meanwhile is under the new root, because every process has it.
    let root = ring.primary().map(AsRef::as_ref).unwrap_or_default();
    match vault.store.not_current(root).await? {
        (_, 0) => Ok(moved),
        (_, left) => bail!("{left} tenants' keys are not under {root}: run this again"),
    }
}

/// Once the old root is destroyed, no tenant's key in an older dump opens: [`super::recover`] reads this file. So each key of
/// the older file has to be in the database, unless its tenant was deleted.
fn dump(home: &Home, epoch: Epoch, keys: &[(String, i64, String)]) -> Result<()> {
    let lines: String =
        keys.iter().map(|(tenant, number, envelope)| format!("{tenant} {number} {envelope}\n")).collect();
    let known: HashSet<_> = keys.iter().map(|(tenant, number, _)| (tenant, number)).collect();
    let dead = home.lines::<Tombstone>(TOMBSTONES)?;
    let older = (1..epoch.0).rev().find_map(|older| Epoch(older).read_dump(home).transpose());
    for (tenant, number, _) in older.transpose()?.into_iter().flatten() {
        if !dead.iter().any(|dead| dead.tenant().as_ref() == tenant) && !known.contains(&(&tenant, &number)) {
            bail!("key {number} of tenant {tenant} is gone, which {TENANT_KEYS} has: restore its row, or the database");
        }
    }
    home.write(&epoch.dump()?, lines.as_bytes())
}

/// Returns the certificates of the deletions whose roots are all destroyed, and that have none yet.
async fn due(home: &Home, vault: &Vault, say: impl Fn(&str)) -> Result<Vec<Certificate>> {
    let (log, ring) = (deletions(home, &vault.store).await?, vault.ring()?);
    let mut certified = Vec::new();
    for record in &log {
        certified.extend(Certificate::from_record(record)?.map(|certificate| certificate.tombstone().key().clone()));
    }
    let is_alive = |root: &KeyId| ring.state(root.as_ref()).is_some_and(|state| state != KeyState::Destroyed);
    let mut due = Vec::new();
    for dead in home.lines::<Tombstone>(TOMBSTONES)? {
        if certified.contains(dead.key()) {
            continue;
        }
        match Certificate::new(dead.key(), &log, &ring) {
            Ok(certificate) => {
                certified.push(dead.key().clone());
                due.push(certificate);
            }
            // The end of a later epoch certifies it.
            Err(CertificateError::RootsRemain { key_ids, .. }) if key_ids.iter().any(is_alive) => {}
            Err(error) => say(&format!("{} is not certified: {error}", dead.key())),
        }
    }
    Ok(due)
}
