//! Verifies the audit log, and writes down for the customers what it found.

use std::collections::HashMap;

use anyhow::Result;
use sealwax_audit::{Anchor, Verified};
use sealwax_sqlx::tables::AuditTableError;

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

/// What is known of each chain, by subject.
#[derive(Debug, Default)]
pub(super) struct Verifying {
    chains: HashMap<String, Chain>,
    /// When the ends were written to the file.
    anchored: u64,
}

#[derive(Debug, Default)]
struct Chain {
    /// The newest end that is known: the file has it, or it was verified since.
    anchor: Option<Anchor>,
    /// What the last verification found, unless the chain was altered.
    verified: Option<Verified>,
    /// The round in which it was verified from its first entry on.
    whole: u64,
    /// The verdict in the database, and when it was written.
    verdict: (u64, String),
    judged: u64,
}

impl Verifying {
    /// Reads the anchors, once: no other process writes the file.
    pub(super) fn read(home: &Home) -> Result<Self> {
        let anchors = home.lines::<Anchor>(ANCHORS)?.into_iter();
        let chain = |anchor: Anchor| (anchor.subject.clone(), Chain { anchor: Some(anchor), ..Chain::default() });
        Ok(Self { chains: anchors.map(chain).collect(), anchored: 0 })
    }

    /// Writes the end of each chain to the file.
    pub(super) fn write_anchors(&mut self, home: &Home) -> Result<()> {
        let anchors = self.chains.values().filter_map(|chain| chain.anchor.as_ref());
        let mut lines: Vec<String> = anchors.map(|anchor| format!("{anchor}\n")).collect();
        lines.sort_unstable();
        self.anchored = clock::seconds();
        home.write(ANCHORS, lines.concat().as_bytes())
    }

    /// Verifies what is new in each chain, and then whole chains, in turn. A chain that was altered is a verdict, and no error.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault) -> Result<()> {
        let subjects = vault.store.audit().subjects().await;
        for subject in subjects.iter().flatten() {
            self.chains.entry(subject.clone()).or_default();
        }
        // Of a chain that was deleted, nothing is left in the table, but it has an anchor.
        let mut chains: Vec<_> = self.chains.iter_mut().collect();
        for (subject, chain) in &mut chains {
            if let Some(known) = chain.verified.take() {
                chain.verify(vault, subject, Some(known)).await;
            }
        }
        chains.sort_by_key(|(_, chain)| chain.whole);
        let (mut left, round) = (ENTRIES, chains.last().map_or(0, |(_, chain)| chain.whole).saturating_add(1));
        for (subject, chain) in chains {
            if left > 0 {
                chain.whole = round;
                left = left.saturating_sub(chain.verify(vault, subject, None).await.max(1));
            }
        }
        if clock::seconds() >= self.anchored.saturating_add(ANCHOR_SECONDS) {
            self.write_anchors(home)?;
        }
        Ok(subjects.map(drop)?)
    }
}

impl Chain {
    /// Verifies a chain, and writes the verdict down. Whatever fails is logged, because the others have to be verified all the
    /// same. Returns how many entries it has.
    async fn verify(&mut self, vault: &Vault, subject: &str, known: Option<Verified>) -> u64 {
        let audit = vault.store.audit();
        let verified = audit.verify(vault.log().keys(), subject, self.anchor.as_slice(), known.as_ref()).await;
        let (entries, verdict) = match verified {
            Ok(verified) => {
                let entries = verified.last.as_ref().map_or(0, |last| last.number);
                self.anchor = verified.last.clone();
                self.verified = Some(verified);
                (entries, INTACT.to_owned())
            }
            // Whatever cannot be read is not what was appended.
            Err(AuditTableError::Database(error)) if !is_of_a_row(&error) => {
                tracing::error!("the log of {subject} is not verified: {error}");
                self.verified = known;
                return 0;
            }
            Err(error) => {
                tracing::error!("the log of {subject} is not as it was written: {error}");
                self.verified = None;
                (0, error.to_string())
            }
        };
        if let Err(error) = self.write_down(vault, subject, (entries, verdict)).await {
            tracing::error!("the verdict on the log of {subject} was not written: {error:#}");
        }
        entries
    }

    async fn write_down(&mut self, vault: &Vault, subject: &str, verdict: (u64, String)) -> Result<()> {
        let now = clock::seconds();
        if verdict != self.verdict || now >= self.judged.saturating_add(VERDICT_SECONDS) {
            vault.store.judge(subject, i64::try_from(verdict.0)?, &verdict.1).await?;
            (self.verdict, self.judged) = (verdict, now);
        }
        Ok(())
    }
}

const fn is_of_a_row(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
}
