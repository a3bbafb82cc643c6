//! What makes a credential acceptable, wherever it comes from.

use sealwax::Secret;

use crate::error::CredentialProblem;

/// The longest credential, in bytes.
pub const LIMIT: usize = 65_536;

/// Checks whether a credential may be stored.
///
/// # Errors
/// Returns what is wrong with the credential.
pub fn check(credential: &Secret) -> Result<(), CredentialProblem> {
    if credential.is_empty() {
        return Err(CredentialProblem::Empty);
    }
    if credential.len() > LIMIT {
        return Err(CredentialProblem::TooLong);
    }
    // Reject what `run` could not pass on before it is stored.
    text(credential).map(drop)
}

/// Returns the credential as text that an environment variable can hold.
///
/// # Errors
/// Returns an error if no environment variable can hold it.
pub fn text(credential: &Secret) -> Result<&str, CredentialProblem> {
    let text = credential.expose_str().map_err(|_| CredentialProblem::NotText)?;
    if text.contains('\0') { Err(CredentialProblem::Nul) } else { Ok(text) }
}
