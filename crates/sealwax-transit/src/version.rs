//! Which versions of the key this process has seen.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::TransitError;

/// The versions of a key at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyVersions {
    /// The version that wraps: the highest one.
    pub latest: u32,
    /// The lowest version that still unwraps.
    pub min_decryption: u32,
}

/// The highest version that was seen, as it was when a request was sent.
///
/// A reply is compared with that, because during a rotation a reply with the new version may overtake one with the old.
pub(crate) struct Versions<'a> {
    highest: &'a AtomicU32,
    before: u32,
}

impl<'a> Versions<'a> {
    pub(crate) fn now(highest: &'a AtomicU32) -> Self {
        Self { highest, before: highest.load(Ordering::Relaxed) }
    }

    /// Notes the version in a reply.
    pub(crate) fn raise(&self, version: u32) -> Result<(), TransitError> {
        if version < self.before {
            return Err(TransitError::VersionWentBack { before: self.before, now: version });
        }
        self.highest.fetch_max(version, Ordering::Relaxed);
        Ok(())
    }
}

/// When the latest version was created, in seconds, as the last reply about the key said.
#[derive(Default)]
pub(crate) struct Creation(Mutex<Option<(u32, u64)>>);

impl Creation {
    /// Compares the version that was noted with a new reply, and then notes the latest one of that.
    ///
    /// `created` returns the time of a version, unless the service has none.
    pub(crate) fn note(
        &self,
        latest: u32,
        created: impl Fn(u32) -> Option<u64>,
    ) -> Result<(), TransitError> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, before)) = *noted
            && created(version).is_some_and(|now| now != before)
        {
            return Err(TransitError::KeyReplaced { version });
        }
        if let Some(time) = created(latest) {
            *noted = Some((latest, time));
        }
        Ok(())
    }
}
