//! A token that is shown once.

use core::cell::Cell;
use core::fmt;

use sealwax::Secret;

/// A token that its owner sees once: in the answer to the request that issued it.
///
/// With the feature `serde`, it serialises as a string, once, and is wiped then. A second time is an error, so that it
/// does not also reach a log or a cache. If serialising fails halfway, it is wiped as well: issue another token.
pub struct ShowOnce(Cell<Option<Secret>>);

impl ShowOnce {
    pub(crate) const fn new(token: Secret) -> Self {
        Self(Cell::new(Some(token)))
    }

    /// Takes the token out, for an answer that you write yourself. It is `None` if it was serialised.
    #[must_use]
    pub fn into_secret(self) -> Option<Secret> {
        self.0.into_inner()
    }
}

#[cfg(feature = "serde")]
impl serde_core::Serialize for ShowOnce {
    fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde_core::ser::Error;

        let token = self.0.take().ok_or_else(|| S::Error::custom("the token was already shown"))?;
        let text = token.expose_str().map_err(|_| S::Error::custom("the token is no text"))?;
        serializer.serialize_str(text)
    }
}

impl fmt::Debug for ShowOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("ShowOnce([REDACTED])")
    }
}
