//! Whether one keyring may replace another in a running service.

use alloc::vec::Vec;

use thiserror::Error;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::keys::keyring::state::KeyState;
use crate::keys::keyring::{Entry, Keyring};

/// Why a keyring should not replace another in a running service.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReloadProblem {
    /// The new keyring does not know a key of the old one, or disables or destroys the old primary in one step, or has a
    /// primary, retired or escrow key as an offline escrow.
    ///
    /// Envelopes that are wrapped for that key alone would be refused. If it was leaked, envelopes that are also
    /// wrapped for other keys would open again.
    #[error(
        "the new keyring drops key {key_id}: keep its entry, with a key that opens, or make it retired if it was the primary"
    )]
    #[non_exhaustive]
    Dropped {
        /// The key.
        key_id: KeyId,
    },
    /// The old keyring cannot open what the new primary seals.
    ///
    /// Processes that still have the old keyring would fail on new rows. First give all of them the key as retired.
    #[error(
        "the old keyring cannot open what the new primary key {key_id} seals: first make that key retired everywhere"
    )]
    #[non_exhaustive]
    PrimaryNotAnnounced {
        /// The new primary.
        key_id: KeyId,
    },
    /// The old keyring seals, but the new one only opens.
    #[error("the new keyring no longer has a primary key")]
    NoPrimary,
    /// New envelopes are no longer wrapped for an escrow key, and a rewrap removes its wrap.
    ///
    /// This is not reported if the key is leaked now, because that is why it was dropped.
    #[error("the new keyring no longer wraps for escrow key {key_id}")]
    #[non_exhaustive]
    EscrowLost {
        /// The escrow key.
        key_id: KeyId,
    },
    /// A key that was disabled, leaked or destroyed opens again.
    ///
    /// This is also reported if a leaked key is only disabled or destroyed now, because envelopes that are wrapped for
    /// it and for another key then open again.
    #[error(
        "key {key_id} was disabled, leaked or destroyed, but envelopes wrapped for it would open again"
    )]
    #[non_exhaustive]
    Revived {
        /// The key.
        key_id: KeyId,
    },
    /// An id now has another key, or a key now has another id.
    #[error(
        "key id {key_id} now has another key, or its key had another id: give a new key a new id, and keep old ids"
    )]
    #[non_exhaustive]
    OtherMaterial {
        /// The id in the new keyring.
        key_id: KeyId,
    },
    /// The old keyring records what it opens, and the new one does not.
    #[error("the new keyring has no recorder: nobody would know what it opens")]
    RecorderLost,
}

impl Keyring {
    /// Checks whether this keyring may replace `old` in a running service.
    ///
    /// It may if everything still opens, also in processes that still have the old keyring.
    ///
    /// This cannot compare keys whose material is at a service, or is no longer in the old keyring, for example because
    /// the key leaked. It does not know whether rows still need a retired key that is refused now. A separate job that
    /// opens the rows of a leaked key, to seal them again, is not a running service: its keyring has problems on
    /// purpose.
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
    /// Returns every [`ReloadProblem`], in the order of the old keyring's keys; those of the primary and of the
    /// recorder come last.
    pub fn can_replace(&self, old: &Self) -> Result<(), Vec<ReloadProblem>> {
        let mut problems: Vec<_> =
            old.entries.iter().flat_map(|before| self.problems_with(before, old)).collect();
        match self.primary() {
            Some(key_id) if !old.entry(key_id.as_ref()).is_some_and(Entry::opens) => {
                problems.push(ReloadProblem::PrimaryNotAnnounced { key_id: key_id.clone() });
            }
            None if old.primary.is_some() => problems.push(ReloadProblem::NoPrimary),
            _ => (),
        }
        if old.recorder.is_some() && self.recorder.is_none() {
            problems.push(ReloadProblem::RecorderLost);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn problems_with(&self, before: &Entry, old: &Self) -> impl Iterator<Item = ReloadProblem> {
        let key_id = before.key_id();
        let now = self.entry(key_id.as_ref());
        let is = |state: KeyState| now.is_some_and(|now| now.is(state));
        let (old_key, key) = (before.usable(), now.and_then(Entry::usable));
        let is_refused = is(KeyState::Disabled) || is(KeyState::Destroyed);
        // It no longer opens, and some rows may be wrapped for it alone.
        let goes_offline = is(KeyState::OfflineEscrow) && before.opens();
        let is_dropped = now.is_none() || goes_offline;
        let problem = if is_dropped || (before.is(KeyState::Primary) && is_refused) {
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
        // Keys that stay in use under a new id, as a leaked key might.
        let keys = self.entries.iter().filter_map(Entry::usable);
        let keys =
            keys.filter(|key| old.entry(key.key_id.as_ref()).and_then(Entry::usable).is_none());
        let renamed = keys.filter(move |key| {
            !key.key_id.is_same(key_id) && old_key.is_some_and(|old_key| old_key.is_same(key))
        });
        let renamed =
            renamed.map(|key| ReloadProblem::OtherMaterial { key_id: key.key_id.clone() });
        let seals = is(KeyState::Primary) || now.is_some_and(Entry::is_escrow);
        let lost = (before.is_escrow() && !seals && !is(KeyState::Leaked))
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
            Self::RecorderLost => "recorder_lost",
        };
        (name, ErrorClass::Misconfigured)
    }
}

error_as_data!(ReloadProblem);
