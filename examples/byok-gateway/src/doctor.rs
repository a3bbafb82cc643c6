//! What an operator should know: one keyring everywhere, everything under it, backups that can be restored, a root that is not
//! too old, and a log that is intact.

use anyhow::{Context, Result};
use sealwax::{Envelope, KeyState};
use sealwax_audit::{Anchor, Verified};
use sealwax_sqlx::tables::{AuditTableError, LogVerifier};

use crate::clock;
use crate::config::Home;
use crate::epoch::{Epoch, is_turned};
use crate::files::{ANCHORS, TENANT_KEYS};
use crate::store::Store;
use crate::vault::Vault;
use crate::worker::waiting;

/// Examines a gateway. Returns what was found, and whether it is well.
pub async fn examine(home: &Home, store: &Store) -> Result<Vec<(bool, String)>> {
    let vault = Vault::unlock(home, store).await?;
    let ring = vault.ring()?;
    let newest = Epoch::newest(&ring).context("the keyring has no epoch")?;
    let mut findings = Vec::new();
    // What the database says is shown on one line, whoever wrote it.
    let mut find = |is_well, text: String| findings.push((is_well, text.replace(char::is_control, " ")));

    let running = vault.processes().await?;
    for process in ["dashboard", "proxy", "worker"] {
        if !running.iter().any(|(name, _)| name.starts_with(process)) {
            find(false, format!("no {process} runs"));
        }
    }
    let left = waiting(home, store).await?.len();
    find(left == 0, format!("{left} accounts wait for their deletion by the worker"));
    let (mine, pair) = (vault.fingerprint()?, newest.pair()?);
    for (process, keys) in running {
        let is_well = keys == if process.starts_with("dashboard") { pair.as_ref() } else { &mine };
        find(
            is_well,
            format!("{process} has {}", if is_well { "the newest keys" } else { "other keys than the file" }),
        );
    }
    let root = store.pair(&pair).await?.and_then(|text| text.parse::<Envelope>().ok()?.key_ids().next());
    let is_under_it = root.is_some() && root.as_ref() == ring.primary();
    find(is_under_it, format!("the dashboard's pair is {}under the primary", if is_under_it { "" } else { "not " }));
    let primary = ring.primary().map(AsRef::as_ref).unwrap_or_default();
    let (keys, roots) = store.not_current(primary).await?;
    find(keys == 0, format!("{keys} customers' keys are not under their tenants' newest keys"));
    find(roots == 0, format!("{roots} tenants' keys are not under {primary}"));
    // An error is of the log, and said below.
    let is_new = is_turned(home, &vault, newest).await.unwrap_or(true);
    find(
        is_new,
        format!(
            "the primary is {primary}{}",
            if is_new { "" } else { ", but an epoch was interrupted, or certificates are missing: run `epoch`" }
        ),
    );
    match newest.begun(home, store).await {
        Ok(Some(begun)) => {
            let days = clock::column().saturating_sub(begun) / 86400;
            find(days <= i64::from(home.config.policy.epoch_days), format!("the root is {days} days old"));
        }
        Ok(None) => find(false, "the log does not say when the root began".into()),
        Err(error) => find(false, format!("{error:#}")),
    }
    match store.last_drill().await? {
        None => find(false, "no restore drill was done: run `drill`".into()),
        Some((finished, passed, report)) => {
            let days = clock::column().saturating_sub(finished) / 86400;
            let is_recent = finished <= clock::column() && days <= i64::from(home.config.policy.drill_days);
            find(passed == 1 && is_recent, format!("the last restore drill was {days} days ago: {report}"));
        }
    }
    for epoch in (1..=newest.0).map(Epoch) {
        let (is_alive, files) =
            (ring.state(epoch.root()?.as_ref()) != Some(KeyState::Destroyed), epoch.escrow_files()?);
        let (files, mend) = if is_alive { (&files[..1], "move it into a safe") } else { (&files[..], "destroy it") };
        for file in files.iter().map(|file| home.path(file)).filter(|file| file.exists()) {
            find(false, format!("{} is still on this machine: {mend}", file.display()));
        }
    }
    if is_new && newest > Epoch(1) && !matches!(newest.read_dump(home), Ok(Some(_))) {
        find(false, format!("{TENANT_KEYS} does not have the keys of {}: older backups are lost", newest.root()?));
    }
    let altered = altered(home, &vault).await?;
    find(altered.is_empty(), format!("{} chains of the audit log are altered {}", altered.len(), altered.join("; ")));
    Ok(findings)
}

/// Returns the chains of the audit log that are not as they were written: whoever writes the database writes verdicts, too.
async fn altered(home: &Home, vault: &Vault) -> Result<Vec<String>> {
    let (mut log, mut altered) = (LogVerifier::new(home.lines::<Anchor>(ANCHORS)?), Vec::new());
    let each = |subject: &str, verified: Result<&Verified, AuditTableError>| {
        altered.extend(verified.err().map(|error| format!("{subject}: {error}")));
    };
    if let Err(error) = log.verify(&vault.store.audit(), vault.log().keys(), u64::MAX, each).await {
        altered.push(format!("subjects: {error}"));
    }
    Ok(altered)
}
