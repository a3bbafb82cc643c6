//! Whether a wrap was altered, or the token fails.

#[cfg(test)]
mod tests;

use cryptoki::error::{Error, Result};
use sealwax::ProviderErrorKind;

use crate::error::{Meaning, TokenError, name_of, refused, refused_as};

/// Unwraps, and says what a failure means.
///
/// Some tokens have one return value for an altered wrap and for a fault of their own. If the token passes `probe`, the
/// wrap is unwrapped once more, because a fault may have passed meanwhile.
pub(crate) fn unwrapped<T>(
    unwrap: impl Fn() -> Result<T>,
    probe: impl FnOnce() -> std::result::Result<(), TokenError>,
) -> std::result::Result<T, TokenError> {
    let result = match unwrap() {
        Err(Error::Pkcs11(code, function)) if Meaning::of(code) == Meaning::Unclear => {
            let is_away = |_| refused_as(code, function, ProviderErrorKind::Unavailable);
            probe().map_err(is_away)?;
            unwrap()
        }
        result => result,
    };
    result.map_err(|error| match error {
        Error::Pkcs11(code, _) if !matches!(Meaning::of(code), Meaning::Kind(_)) => {
            TokenError::Altered { code: name_of(code) }
        }
        error => refused(error),
    })
}
