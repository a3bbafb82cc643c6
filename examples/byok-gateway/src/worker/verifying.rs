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
const ANCHOR_SECONDS: u64 = 24 * 3600;
/// A verdict that stays the same is written again after this.
const VERDICT_SECONDS: u64 = 3600;
/// After so many entries, a round verifies of the other chains only what is new: those come first in the next one.
const ENTRIES: u64 = 100_000;

/// The verdict on a chain that is as it was written.
pub const INTACT: &str = "intact";

/// By subject, what is known of each chain.
#[derive(Debug, Default)]
pub(super) struct Verifying(HashMap<String, Chain>);

#[derive(Debug, Default)]
struct Chain {
    /// The newest end that is known: the file has it, or it was verified since.
    anchor: Option<Anchor>,
    /// What the last verification found, unless the chain was altered.
    verified: Option<Verified>,
    /// After how many rounds it was verified from its first entry on.
    whole: u64,
    /// When the anchor was written to the file.
    anchored: u64,
    /// The verdict in the database, and when it was written.
    verdict: (u64, String),
    judged: u64,
}

impl Verifying {
    /// Reads the anchors, once: no other process writes the file.
    pub(super) fn read(home: &Home) -> Result<Self> {
        let mut chains = HashMap::<String, Chain>::new();
        for anchor in home.lines::<Anchor>(ANCHORS)? {
            let chain = chains.entry(anchor.subject.clone()).or_default();
            if chain.anchor.as_ref().is_none_or(|newest| newest.number <= anchor.number) {
                chain.anchor = Some(anchor);
            }
        }
        Ok(Self(chains))
    }

    /// Verifies each chain. One that was altered is a verdict, and no error.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault, round: u64) -> Result<()> {
        let audit = vault.store.audit();
        for subject in audit.subjects().await? {
            self.0.entry(subject).or_default();
        }
        // Of a chain that was deleted, nothing is left in the table, but it has an anchor.
        let mut chains: Vec<_> = self.0.iter_mut().collect();
        chains.sort_by_key(|(_, chain)| chain.whole);
        let mut left = ENTRIES;
        for (subject, chain) in chains {
            let known = chain.verified.as_ref().filter(|_| left == 0);
            let is_whole = known.is_none();
            let verified = audit.verify(vault.log().keys(), subject, chain.anchor.as_slice(), known);
            let verdict = match verified.await {
                Ok(verified) => {
                    chain.anchor = verified.last.clone();
                    chain.verified = Some(verified);
                    INTACT.into()
                }
                Err(AuditTableError::Database(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::error!("the log of {subject} is not as it was written: {error}");
                    chain.verified = None;
                    error.to_string()
                }
            };
            let entries =
                chain.verified.as_ref().and_then(|verified| verified.last.as_ref()).map_or(0, |last| last.number);
            if is_whole {
                chain.whole = round.saturating_add(1);
                left = left.saturating_sub(entries);
            }
            let (now, verdict) = (clock::seconds(), (entries, verdict));
            if verdict.1 == INTACT
                && now >= chain.anchored.saturating_add(ANCHOR_SECONDS)
                && let Some(anchor) = &chain.anchor
            {
                home.append(ANCHORS, &anchor.to_string())?;
                chain.anchored = now;
            }
            if verdict != chain.verdict || now >= chain.judged.saturating_add(VERDICT_SECONDS) {
                vault.store.judge(subject, i64::try_from(verdict.0)?, &verdict.1).await?;
                (chain.verdict, chain.judged) = (verdict, now);
            }
        }
        Ok(())
    }
}
