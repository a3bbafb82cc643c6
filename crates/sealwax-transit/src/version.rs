//! Which versions of the key this process has seen.

use std::sync::atomic::{AtomicU32, Ordering};

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
