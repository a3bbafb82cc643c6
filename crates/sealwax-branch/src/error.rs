//! What is wrong with a body.

use sealwax::{ProviderError, ProviderErrorKind};

/// What is wrong with a body: the source of the [`ProviderError`]s of this crate.
///
/// Errors of the provider inside come back unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is not one of this kind: it was altered.
    #[error("the body does not have the parts of its kind")]
    Malformed,
    /// The provider unwrapped another key than the branch key that the body names.
    #[error("the provider unwrapped a key that is not the branch key of this name")]
    OtherKey,
    /// The provider made a wrap that no body holds.
    #[error("the provider's wrap has {len} bytes: expected 1 to {max}")]
    #[non_exhaustive]
    WrapLen {
        /// The length of the wrap in bytes.
        len: usize,
        /// The longest wrap that fits.
        max: usize,
    },
    /// The provider returned fewer or more results than it was asked for.
    #[error("the provider returned {found} results for {expected} requests")]
    #[non_exhaustive]
    Miscounted {
        /// The number of requests.
        expected: usize,
        /// The number of results.
        found: usize,
    },
}

impl From<BodyError> for ProviderError {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Malformed | BodyError::OtherKey => ProviderErrorKind::Rejected,
            BodyError::WrapLen { .. } | BodyError::Miscounted { .. } => ProviderErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Returns the results, or an error for each request if nobody knows which result is whose.
pub(crate) fn one_each<T>(
    expected: usize,
    results: Vec<Result<T, ProviderError>>,
) -> Vec<Result<T, ProviderError>> {
    if results.len() == expected {
        return results;
    }
    let miscounted = BodyError::Miscounted { expected, found: results.len() };
    (0..expected).map(|_| Err(miscounted.into())).collect()
}
