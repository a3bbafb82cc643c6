//! A token that is shown once.

use core::fmt;
use core::sync::atomic::AtomicBool;

use sealwax::Secret;

/// A token that its owner sees once: in the answer to the request that issued it.
///
/// With the feature `serde`, it serialises as a string, once. A second time is an error, so that it does not also reach a
/// log or a cache. If serialising fails halfway, that was the one time: issue another token. It is wiped when dropped.
pub struct ShowOnce {
    token: Secret,
    was_shown: AtomicBool,
}

impl ShowOnce {
    pub(crate) const fn new(token: Secret) -> Self {
        Self { token, was_shown: AtomicBool::new(false) }
    }

    /// Takes the token out, for an answer that you write yourself. It is `None` if it was serialised.
    #[must_use]
    pub fn into_secret(self) -> Option<Secret> {
        (!self.was_shown.into_inner()).then_some(self.token)
    }
}

#[cfg(feature = "serde")]
impl serde_core::Serialize for ShowOnce {
    fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use core::sync::atomic::Ordering;
        use serde_core::ser::Error;

        if self.was_shown.swap(true, Ordering::Relaxed) {
            return Err(S::Error::custom("the token was already shown"));
        }
        let text = self.token.expose_str();
        serializer.serialize_str(text.map_err(|_| S::Error::custom("the token is no text"))?)
    }
}

impl fmt::Debug for ShowOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, was_shown: _ } = self;
        f.write_str("ShowOnce([REDACTED])")
    }
}
