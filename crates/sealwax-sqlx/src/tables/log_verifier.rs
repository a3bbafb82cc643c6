//! Verifying a whole log again and again.

use std::collections::HashMap;

use sealwax_audit::{Anchor, AuditKeys, Verified};

use super::audit::{AuditTable, AuditTableError};
use super::database::Database;

/// Verifies a whole audit log again and again: what is new in each chain, and whole chains in turn.
///
/// Keep the [anchors](Self::anchors) where nobody who writes the database can write, and give them to the next process:
/// otherwise, what was appended since the last process began can be cut off unnoticed.
#[derive(Debug, Default)]
pub struct LogVerifier(HashMap<String, Chain>);

#[derive(Debug, Default)]
struct Chain {
    /// The newest end that is known.
    anchor: Option<Anchor>,
    /// What the last verification found, unless the chain was altered.
    known: Option<Verified>,
    /// The round in which it was verified from its first entry on.
    whole: u64,
}

impl LogVerifier {
    /// Begins with what an earlier process knew. Of several anchors of a subject, the newest counts.
    pub fn new(anchors: impl IntoIterator<Item = Anchor>) -> Self {
        let mut chains = HashMap::<String, Chain>::new();
        for anchor in anchors {
            let chain = chains.entry(anchor.subject.clone()).or_default();
            if chain.anchor.as_ref().is_none_or(|newest| newest.number <= anchor.number) {
                chain.anchor = Some(anchor);
            }
        }
        Self(chains)
    }

    /// Returns the newest end of each chain that was verified, or was given to [`new`](Self::new).
    pub fn anchors(&self) -> impl Iterator<Item = &Anchor> {
        self.0.values().filter_map(|chain| chain.anchor.as_ref())
    }

    /// Verifies what is new in each chain, and then whole chains, until these had so many `entries`; at least one chain. Those
    /// that are left come first in the next call.
    ///
    /// It gives `found` each subject and what was found: a chain may come twice, and one that fails keeps no other one from
    /// being verified. A chain that was deleted has an anchor, or was known.
    ///
    /// # Errors
    ///
    /// Returns an error if the database did not list the subjects. All that are known were verified.
    pub async fn verify<D: Database>(
        &mut self,
        table: &AuditTable<D>,
        keys: &AuditKeys,
        entries: u64,
        mut found: impl FnMut(&str, Result<&Verified, AuditTableError>),
    ) -> sqlx::Result<()> {
        let subjects = table.subjects().await;
        for subject in subjects.iter().flatten() {
            self.0.entry(subject.clone()).or_default();
        }
        let mut chains: Vec<_> = self.0.iter_mut().collect();
        for (subject, chain) in &mut chains {
            if let Some(known) = chain.known.take() {
                let verified = table.verify(keys, subject, chain.anchor.as_slice(), Some(&known)).await;
                found(subject, chain.take(verified, Some(known)));
            }
        }
        chains.sort_by_key(|(_, chain)| chain.whole);
        let (mut left, round) = (entries, chains.last().map_or(0, |(_, chain)| chain.whole).saturating_add(1));
        for (at, (subject, chain)) in chains.into_iter().enumerate() {
            if left == 0 && at > 0 {
                break;
            }
            chain.whole = round;
            let verified = table.verify(keys, subject, chain.anchor.as_slice(), None).await;
            let known = chain.known.take();
            let taken = chain.take(verified, known);
            let count = taken.as_ref().ok().and_then(|verified| verified.last.as_ref()).map_or(1, |last| last.number);
            left = left.saturating_sub(count);
            found(subject, taken);
        }
        subjects.map(drop)
    }
}

impl Chain {
    /// Takes what was found. A database that failed says nothing of the chain.
    fn take(
        &mut self,
        verified: Result<Verified, AuditTableError>,
        known: Option<Verified>,
    ) -> Result<&Verified, AuditTableError> {
        match verified {
            Ok(verified) => {
                self.anchor.clone_from(&verified.last);
                Ok(self.known.insert(verified))
            }
            Err(error) => {
                self.known = known.filter(|_| !error.is_altered());
                Err(error)
            }
        }
    }
}
