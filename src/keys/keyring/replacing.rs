//! Whether one keyring may take another's place in a service that runs.

use alloc::vec::Vec;

use thiserror::Error;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::keys::keyring::{Entry, KeyState, Keyring};

/// Why a keyring should not take another's place in a service that runs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReloadProblem {
    /// The old keyring has a key that the new one does not know: what is wrapped for it alone would be
    /// refused; or, if it was leaked, what is wrapped for others too would open again. Also where the key that
    /// sealed until now is disabled or destroyed at once.
    #[error("key {key_id} is gone at once: keep it as it was, and the key that sealed as retired")]
    #[non_exhaustive]
    Dropped {
        /// The key.
        key_id: KeyId,
    },
    /// The old keyring cannot open what the new primary seals. Processes that still have it would fail on
    /// new rows: first give all of them the key as retired.
    #[error("key {key_id} seals before every process can open: first make it retired everywhere")]
    #[non_exhaustive]
    PrimaryNotAnnounced {
        /// The new primary.
        key_id: KeyId,
    },
    /// The old keyring seals, the new one only opens.
    #[error("the keyring has no primary any more")]
    NoPrimary,
    /// New seals are no longer wrapped for an escrow key, and a rewrap takes away its wrap. Not where it is leaked
    /// now, which is the reason.
    #[error("escrow key {key_id} is no longer wrapped for")]
    #[non_exhaustive]
    EscrowLost {
        /// The escrow key.
        key_id: KeyId,
    },
    /// A key that was disabled, leaked or destroyed opens again; or what was wrapped for a leaked key does, because
    /// the key is only disabled or destroyed now.
    #[error("key {key_id} was disabled, leaked or destroyed, and what it wrapped opens again")]
    #[non_exhaustive]
    Revived {
        /// The key.
        key_id: KeyId,
    },
    /// The same id stands for another key, or the same key for another id.
    #[error(
        "key {key_id} is not the key that had this id, or is one that had another: a new key needs a new id"
    )]
    #[non_exhaustive]
    OtherMaterial {
        /// The id.
        key_id: KeyId,
    },
}

impl Keyring {
    /// Whether this keyring may take the place of `old` in a service that runs: whether everything still opens,
    /// in processes that have the old one too.
    ///
    /// Says nothing of keys whose material is at a service, or is no longer in the old keyring, as that of a leaked
    /// key; and does not know whether rows still need a retired key that is refused now. A job of its own, which opens
    /// the rows of a leaked key to seal them again, is no service that runs: its keyring has problems on purpose.
    ///
    /// ```
    /// use sealwax::{Keyring, MasterKey, ReloadProblem};
    ///
    /// let old = Keyring::new("prod-2025".parse()?, MasterKey::generate()?)?;
    /// let new = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
    /// let problems = new.can_replace(&old).unwrap_err();
    /// assert!(matches!(problems[..], [
    ///     ReloadProblem::Dropped { .. },
    ///     ReloadProblem::PrimaryNotAnnounced { .. },
    /// ]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`ReloadProblem`], in the order of the old keyring's keys; those of the primary at the end.
    pub fn can_replace(&self, old: &Self) -> Result<(), Vec<ReloadProblem>> {
        let mut problems: Vec<_> =
            old.entries.iter().flat_map(|before| self.problems_with(before, old)).collect();
        match self.primary() {
            Some(key_id) if old.entry(key_id.as_ref()).and_then(Entry::usable).is_none() => {
                problems.push(ReloadProblem::PrimaryNotAnnounced { key_id: key_id.clone() });
            }
            None if old.primary.is_some() => problems.push(ReloadProblem::NoPrimary),
            _ => (),
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn problems_with(&self, before: &Entry, old: &Self) -> impl Iterator<Item = ReloadProblem> {
        let key_id = before.key_id();
        let now = self.entry(key_id.as_ref());
        let is = |state: KeyState| now.is_some_and(|now| now.is(state));
        let (old_key, key) = (before.usable(), now.and_then(Entry::usable));
        let is_refused = is(KeyState::Disabled) || is(KeyState::Destroyed);
        let problem = if now.is_none() || (before.is(KeyState::Primary) && is_refused) {
            Some(ReloadProblem::Dropped { key_id: key_id.clone() })
        } else if (old_key.is_none() && key.is_some())
            || (before.is(KeyState::Leaked) && !is(KeyState::Leaked))
        {
            Some(ReloadProblem::Revived { key_id: key_id.clone() })
        } else if old_key.zip(key).is_some_and(|(old_key, key)| old_key.is_other(key)) {
            Some(ReloadProblem::OtherMaterial { key_id: key_id.clone() })
        } else {
            None
        };
        // A key that goes on under an id that is new, as one that leaked might.
        let keys = self.entries.iter().filter_map(Entry::usable);
        let keys =
            keys.filter(|key| old.entry(key.key_id.as_ref()).and_then(Entry::usable).is_none());
        let renamed = keys.filter(move |key| {
            !key.key_id.is_same(key_id) && old_key.is_some_and(|old_key| old_key.is_same(key))
        });
        let renamed =
            renamed.map(|key| ReloadProblem::OtherMaterial { key_id: key.key_id.clone() });
        let seals = is(KeyState::Primary) || is(KeyState::Escrow) || is(KeyState::Leaked);
        let lost = (before.is(KeyState::Escrow) && !seals)
            .then(|| ReloadProblem::EscrowLost { key_id: key_id.clone() });
        problem.into_iter().chain(renamed).chain(lost)
    }
}

impl ReloadProblem {
    const fn as_data(&self) -> (&'static str, ErrorClass) {
        let name = match self {
            Self::Dropped { .. } => "dropped",
            Self::PrimaryNotAnnounced { .. } => "primary_not_announced",
            Self::NoPrimary => "no_primary",
            Self::EscrowLost { .. } => "escrow_lost",
            Self::Revived { .. } => "revived",
            Self::OtherMaterial { .. } => "other_material",
        };
        (name, ErrorClass::Misconfigured)
    }
}

error_as_data!(ReloadProblem);
