//! Verifies the audit log, and writes down for the customers what it found.

use std::collections::HashMap;

use anyhow::Result;
use sealwax_audit::{Anchor, Verified};
use sealwax_sqlx::tables::{AuditTableError, LogVerifier};

use crate::clock;
use crate::config::Home;
use crate::files::ANCHORS;
use crate::vault::Vault;

/// How often the end of each chain is written where the database's writers do not reach.
const ANCHOR_SECONDS: u64 = 60;
/// A verdict that stays the same is written again after this.
const VERDICT_SECONDS: u64 = 3600;
/// After so many entries, the chains that are left come first in the next round.
const ENTRIES: u64 = 100_000;

/// The verdict on a chain that is as it was written.
const INTACT: &str = "intact";

/// What the last round found.
#[derive(Debug)]
pub(super) struct Verifying {
    log: LogVerifier,
    /// When the ends of the chains were written to the file.
    anchored: u64,
    /// By subject, the number of entries and the verdict in the database, and when it was written.
    verdicts: HashMap<String, (u64, String, u64)>,
}

impl Verifying {
    /// Reads the anchors, once: no other process writes the file.
    pub(super) fn read(home: &Home) -> Result<Self> {
        Ok(Self { log: LogVerifier::new(home.lines::<Anchor>(ANCHORS)?), anchored: 0, verdicts: HashMap::new() })
    }

    /// Writes the end of each chain to the file.
    pub(super) fn write_anchors(&mut self, home: &Home) -> Result<()> {
        let mut lines: Vec<String> = self.log.anchors().map(|anchor| format!("{anchor}\n")).collect();
        lines.sort_unstable();
        self.anchored = clock::seconds();
        home.write(ANCHORS, lines.concat().as_bytes())
    }

    /// Verifies what is new in each chain, and then whole chains, in turn. A chain that was altered is a verdict, and no error.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault) -> Result<()> {
        let (audit, mut found) = (vault.store.audit(), Vec::new());
        let each = |subject: &str, verified: Result<&Verified, AuditTableError>| {
            let entries = |verified: &Verified| verified.last.as_ref().map_or(0, |last| last.number);
            found.push((subject.to_owned(), verified.map(entries)));
        };
        let listed = self.log.verify(&audit, vault.log().keys(), ENTRIES, each).await;
        for (subject, verified) in found {
            let verdict = match verified {
                Ok(entries) => (entries, INTACT.to_owned()),
                Err(error) if error.is_altered() => {
                    tracing::error!("the log of {subject} is not as it was written: {error}");
                    (0, error.to_string())
                }
                Err(error) => {
                    tracing::error!("the log of {subject} is not verified: {error}");
                    continue;
                }
            };
            if let Err(error) = self.write_down(vault, &subject, verdict).await {
                tracing::error!("the verdict on the log of {subject} was not written: {error:#}");
            }
        }
        if clock::seconds() >= self.anchored.saturating_add(ANCHOR_SECONDS) {
            self.write_anchors(home)?;
        }
        Ok(listed?)
    }

    async fn write_down(&mut self, vault: &Vault, subject: &str, (entries, verdict): (u64, String)) -> Result<()> {
        let now = clock::seconds();
        let is_written = |(number, written, at): &(u64, String, u64)| {
            (*number, written) == (entries, &verdict) && now < at.saturating_add(VERDICT_SECONDS)
        };
        if !self.verdicts.get(subject).is_some_and(is_written) {
            vault.store.judge(subject, i64::try_from(entries)?, &verdict).await?;
            self.verdicts.insert(subject.to_owned(), (entries, verdict, now));
        }
        Ok(())
    }
}
