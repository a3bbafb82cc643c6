//! What an operator should know: one keyring everywhere, everything under it, backups that can be restored, a root that is not
//! too old, and a log that is intact.

use anyhow::Result;
use sealwax::Envelope;
use sealwax_audit::{Anchor, Verified};
use sealwax_sqlx::tables::{AuditTableError, LogVerifier};

use crate::clock;
use crate::config::Home;
use crate::epoch::{Epoch, old_roots};
use crate::files::{ANCHORS, SAFE};
use crate::store::Store;
use crate::vault::Vault;
use crate::worker::waiting;

/// Examines a gateway. Returns what was found, and whether it is well.
pub async fn examine(home: &Home, store: &Store) -> Result<Vec<(bool, String)>> {
    let vault = Vault::unlock(home, store).await?;
    let ring = vault.ring()?;
    let newest = Epoch::newest(&ring);
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
    let (mine, pair) = (vault.fingerprint()?, newest.map(Epoch::pair).transpose()?);
    for (process, keys) in running {
        let has = if process.starts_with("dashboard") { pair.as_ref().map(AsRef::as_ref) } else { Some(mine.as_str()) };
        let is_well = has == Some(keys.as_str());
        find(
            is_well,
            format!("{process} has {}", if is_well { "the newest keys" } else { "other keys than the file" }),
        );
    }
    let root = match &pair {
        Some(pair) => store.pair(pair).await?.and_then(|text| text.parse::<Envelope>().ok()?.key_ids().next()),
        None => None,
    };
    let is_under_it = root.is_some() && root.as_ref() == ring.primary();
    find(is_under_it, format!("the dashboard's pair is {}under the primary", if is_under_it { "" } else { "not " }));
    let primary = ring.primary().map(AsRef::as_ref).unwrap_or_default();
    let (keys, roots) = store.not_current(primary).await?;
    find(keys == 0, format!("{keys} customers' keys are not under their tenants' newest keys"));
    find(roots == 0, format!("{roots} tenants' keys are not under {primary}"));
    let is_new = match newest {
        Some(epoch) => epoch.root()?.as_ref() == primary && old_roots(&ring, epoch)?.is_empty(),
        None => false,
    };
    find(
        is_new,
        format!("the primary is {primary}{}", if is_new { "" } else { ", but an epoch was interrupted: run `epoch`" }),
    );
    if let Some(epoch) = newest {
        match epoch.begun(home, store).await {
            Ok(Some(begun)) => {
                let days = clock::column().saturating_sub(begun) / 86400;
                find(days <= i64::from(home.config.policy.epoch_days), format!("the root is {days} days old"));
            }
            Ok(None) => find(false, "the log does not say when the root began".into()),
            Err(error) => find(false, format!("{error:#}")),
        }
    }
    match store.last_drill().await? {
        None => find(false, "no restore drill was done: run `drill`".into()),
        Some((finished, passed, report)) => {
            let days = clock::column().saturating_sub(finished) / 86400;
            let is_recent = finished <= clock::column() && days <= i64::from(home.config.policy.drill_days);
            find(passed == 1 && is_recent, format!("the last restore drill was {days} days ago: {report}"));
        }
    }
    if let Some(epoch) = newest {
        let key = home.path(format!("{SAFE}/{}", epoch.root()?));
        if key.exists() {
            find(false, format!("{} is still on this machine: move it into a safe", key.display()));
        }
    }
    let altered = altered(home, &vault).await?;
    find(altered.is_empty(), format!("{} chains of the audit log are altered: {}", altered.len(), altered.join("; ")));
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
