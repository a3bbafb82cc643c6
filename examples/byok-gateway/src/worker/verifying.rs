//! Verifies the audit log, and writes down for the customers what it found.

use std::collections::HashMap;

use anyhow::Result;
use sealwax_audit::{Anchor, ChainError, Record, Verified, verify};

use crate::clock;
use crate::config::Home;
use crate::files::ANCHORS;
use crate::vault::Vault;

/// How often the end of each chain is written where the database's writers do not reach.
const ANCHOR_SECONDS: u64 = 24 * 3600;

/// What was verified before.
#[derive(Debug, Default)]
pub(super) struct Verifying {
    /// By subject: how many entries there were, and when the last anchor was written.
    seen: HashMap<String, (usize, u64)>,
}

impl Verifying {
    /// Verifies each chain that has grown since.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault) -> Result<()> {
        let anchors: Vec<Anchor> = home.lines(ANCHORS)?;
        let mut subjects = vault.store.subjects().await?;
        // Of a chain that was deleted, nothing is left in the table.
        subjects.extend(anchors.iter().map(|anchor| anchor.subject.clone()));
        subjects.sort_unstable();
        subjects.dedup();
        for subject in subjects {
            let lines = vault.store.chain(&subject).await?;
            let (entries, anchored) = self.seen.get(&subject).copied().unwrap_or_default();
            if entries == lines.len() && !lines.is_empty() {
                continue;
            }
            let verdict = verdict(vault, &subject, &lines, &anchors);
            let mut next = anchored;
            match &verdict {
                Ok(Verified { last: Some(last), .. })
                    if clock::seconds() >= anchored.saturating_add(ANCHOR_SECONDS) =>
                {
                    home.append(ANCHORS, &last.to_string())?;
                    next = clock::seconds();
                }
                Ok(_) => {}
                Err(error) => tracing::error!("the log of {subject} is not as it was written: {error}"),
            }
            let text = verdict.map_or_else(|error| error.to_string(), |_| INTACT.into());
            vault.store.judge(&subject, i64::try_from(lines.len())?, &text).await?;
            self.seen.insert(subject, (lines.len(), next));
        }
        Ok(())
    }
}

/// The verdict on a chain that is as it was written.
pub const INTACT: &str = "intact";

fn verdict(vault: &Vault, subject: &str, lines: &[String], anchors: &[Anchor]) -> Result<Verified, anyhow::Error> {
    let records = lines.iter().map(|line| line.parse()).collect::<Result<Vec<Record>, _>>()?;
    Ok(verify(vault.log().keys(), subject, &records, anchors).map_err(|error: ChainError| error)?)
}
