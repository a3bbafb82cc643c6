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
/// After so many entries, the chains that are left come first in the next round.
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
    /// The round in which it was verified from its first entry on.
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

    /// Verifies what is new in each chain, and then whole chains, in turn. A chain that was altered is a verdict, and no error.
    pub(super) async fn verify(&mut self, home: &Home, vault: &Vault) -> Result<()> {
        let subjects = vault.store.audit().subjects().await;
        for subject in subjects.iter().flatten() {
            self.0.entry(subject.clone()).or_default();
        }
        // Of a chain that was deleted, nothing is left in the table, but it has an anchor.
        let mut chains: Vec<_> = self.0.iter_mut().collect();
        for (subject, chain) in &mut chains {
            if let Some(known) = chain.verified.take() {
                chain.verify(home, vault, subject, Some(known)).await;
            }
        }
        chains.sort_by_key(|(_, chain)| chain.whole);
        let (mut left, round) = (ENTRIES, chains.last().map_or(0, |(_, chain)| chain.whole).saturating_add(1));
        for (subject, chain) in chains {
            if left > 0 {
                chain.whole = round;
                left = left.saturating_sub(chain.verify(home, vault, subject, None).await.max(1));
            }
        }
        Ok(subjects.map(drop)?)
    }
}

impl Chain {
    /// Verifies a chain, and writes the verdict down. Whatever fails is logged, because the others have to be verified all the
    /// same. Returns how many entries it has.
    async fn verify(&mut self, home: &Home, vault: &Vault, subject: &str, known: Option<Verified>) -> u64 {
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
        if let Err(error) = self.write_down(home, vault, subject, (entries, verdict)).await {
            tracing::error!("the verdict on the log of {subject} was not written: {error:#}");
        }
        entries
    }

    async fn write_down(&mut self, home: &Home, vault: &Vault, subject: &str, verdict: (u64, String)) -> Result<()> {
        let now = clock::seconds();
        if verdict.1 == INTACT
            && now >= self.anchored.saturating_add(ANCHOR_SECONDS)
            && let Some(anchor) = &self.anchor
        {
            home.append(ANCHORS, &anchor.to_string())?;
            self.anchored = now;
        }
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
