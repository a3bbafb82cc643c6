//! Verifies the audit log, and writes down for the customers what it found.

use std::collections::HashMap;

use anyhow::Result;
use sealwax_audit::{Anchor, Record, Verified, verify};

use crate::clock;
use crate::config::Home;
use crate::files::ANCHORS;
use crate::vault::Vault;

/// How often the end of each chain is written where the database's writers do not reach.
const ANCHOR_SECONDS: u64 = 24 * 3600;

/// When the last anchor of each subject was written.
#[derive(Debug, Default)]
pub(super) struct Verifying(HashMap<String, u64>);

impl Verifying {
    /// Verifies each chain from its first entry on. A chain that was altered is a verdict, and no error.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault) -> Result<()> {
        let anchors: Vec<Anchor> = home.lines(ANCHORS)?;
        let mut subjects = vault.store.audit().subjects().await?;
        // Of a chain that was deleted, nothing is left in the table.
        subjects.extend(anchors.iter().map(|anchor| anchor.subject.clone()));
        subjects.sort_unstable();
        subjects.dedup();
        for subject in subjects {
            let lines = vault.store.audit().chain(&subject).await?;
            let verdict = match verdict(vault, &subject, &lines, &anchors) {
                Ok(Verified { last: Some(last), .. }) => {
                    let anchored = self.0.entry(subject.clone()).or_default();
                    if clock::seconds() >= anchored.saturating_add(ANCHOR_SECONDS) {
                        home.append(ANCHORS, &last.to_string())?;
                        *anchored = clock::seconds();
                    }
                    INTACT.into()
                }
                Ok(_) => INTACT.into(),
                Err(error) => {
                    tracing::error!("the log of {subject} is not as it was written: {error}");
                    error.to_string()
                }
            };
            vault.store.judge(&subject, i64::try_from(lines.len())?, &verdict).await?;
        }
        Ok(())
    }
}

/// The verdict on a chain that is as it was written.
pub const INTACT: &str = "intact";

fn verdict(vault: &Vault, subject: &str, lines: &[String], anchors: &[Anchor]) -> Result<Verified> {
    let records = lines.iter().map(|line| line.parse()).collect::<Result<Vec<Record>, _>>()?;
    Ok(verify(vault.log().keys(), subject, &records, anchors)?)
}
