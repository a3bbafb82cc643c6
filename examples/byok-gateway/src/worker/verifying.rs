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

/// By subject: where the chain ended when it was verified last, and when that was written to the file last.
#[derive(Debug, Default)]
pub(super) struct Verifying(HashMap<String, (Anchor, u64)>);

impl Verifying {
    /// Verifies each chain from its first entry on. A chain that was altered is a verdict, and no error.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault) -> Result<()> {
        let mut anchors: Vec<Anchor> = home.lines(ANCHORS)?;
        anchors.extend(self.0.values().map(|(anchor, _)| anchor.clone()));
        let mut subjects = vault.store.audit().subjects().await?;
        // Of a chain that was deleted, nothing is left in the table.
        subjects.extend(anchors.iter().map(|anchor| anchor.subject.clone()));
        subjects.sort_unstable();
        subjects.dedup();
        for subject in subjects {
            let lines = vault.store.audit().chain(&subject).await?;
            let verdict = match verdict(vault, &subject, &lines, &anchors) {
                Ok(Verified { last: Some(last), .. }) => {
                    let mut written = self.0.get(&subject).map_or(0, |(_, written)| *written);
                    if clock::seconds() >= written.saturating_add(ANCHOR_SECONDS) {
                        home.append(ANCHORS, &last.to_string())?;
                        written = clock::seconds();
                    }
                    self.0.insert(subject.clone(), (last, written));
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
