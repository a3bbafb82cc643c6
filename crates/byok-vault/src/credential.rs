//! What a credential may be, wherever it comes from.

use sealwax::Secret;

use crate::error::CredentialProblem;

/// The longest credential, in bytes.
pub const LIMIT: usize = 65_536;

/// Whether a credential may be stored.
///
/// # Errors
/// What is wrong with it.
pub fn check(credential: &Secret) -> Result<(), CredentialProblem> {
    if credential.is_empty() {
        return Err(CredentialProblem::Empty);
    }
    if credential.len() > LIMIT {
        return Err(CredentialProblem::TooLong);
    }
    // What `run` could not hand on is refused before it is stored.
    text(credential).map(drop)
}

/// The credential as an environment variable can hold it.
///
/// # Errors
/// None can.
pub fn text(credential: &Secret) -> Result<&str, CredentialProblem> {
    let text = credential.expose_str().map_err(|_| CredentialProblem::NotText)?;
    if text.contains('\0') { Err(CredentialProblem::Nul) } else { Ok(text) }
}
