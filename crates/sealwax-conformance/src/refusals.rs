//! What a provider should refuse, and with which kinds of error.

use std::collections::BTreeMap;

use sealwax::{DataKey, ProviderError, ProviderErrorKind};

use crate::calls::Trouble;
use crate::subject::{Problem, Row, Verdict};

/// The kinds that a refusal may have.
const REFUSED: &str = "Rejected or WrongKeyMaterial";

/// What came of unwrapping a body.
#[derive(Debug)]
pub(crate) enum Unwrapped {
    /// The data key of the row.
    Same,
    /// A data key, but not the row's.
    Other,
    /// No data key.
    Not(Trouble),
}

impl Unwrapped {
    pub(crate) fn of(row: &Row, result: Result<DataKey, ProviderError>) -> Self {
        match result {
            Ok(data_key) if row.is_of(&data_key) => Self::Same,
            Ok(_) => Self::Other,
            Err(error) => Self::Not(error.into()),
        }
    }

    /// Returns what is wrong, if the body should have opened.
    pub(crate) fn loss(&self) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Other => Some("it returned another data key".into()),
            Self::Not(trouble) => Some(trouble.to_string()),
        }
    }

    /// Returns what is wrong, if the body should have been refused.
    ///
    /// `may_open` says whether the data key of the row is fine too. If it is not, `advice` says how to prevent it.
    pub(crate) fn fault(&self, may_open: bool, advice: &str) -> Option<String> {
        use ProviderErrorKind::{Rejected, Throttled, Unavailable, WrongKeyMaterial};
        match self {
            Self::Same if may_open => None,
            Self::Same => Some(format!("it opened; {advice}")),
            Self::Other => Some("it returned another data key".into()),
            Self::Not(Trouble::Error(Rejected | WrongKeyMaterial)) => None,
            Self::Not(Trouble::Error(kind @ (Throttled | Unavailable))) => Some(format!(
                "it failed with {kind:?}, which is transient, so callers retry what can never succeed; return \
                 {REFUSED}"
            )),
            Self::Not(Trouble::Error(kind)) => Some(format!(
                "it failed with {kind:?}, which sends operators after the key or its permissions instead of the row; \
                 return {REFUSED}"
            )),
            Self::Not(trouble) => Some(trouble.to_string()),
        }
    }
}

/// The faults of a series of similar calls: each fault with the places where it was found.
#[derive(Default)]
pub(crate) struct Faults(BTreeMap<String, Vec<String>>);

impl Faults {
    pub(crate) fn add(&mut self, place: impl ToString, fault: Option<String>) {
        if let Some(fault) = fault {
            let (places, place) = (self.0.entry(fault).or_default(), place.to_string());
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }

    /// Fails if there is a fault, and names the first places.
    pub(crate) fn verdict(self, places: &str) -> Verdict {
        const SHOWN: usize = 12;
        let lines = self.0.into_iter().map(|(fault, found)| {
            let shown = found.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = found.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{places} {shown}{more}: {fault}")
        });
        let reason = lines.collect::<Vec<_>>().join("; ");
        if reason.is_empty() { Ok(()) } else { Err(Problem::Failed(reason)) }
    }
}
