//! What makes a credential acceptable, wherever it comes from.

use sealwax::Secret;
use sealwax_credentials::{Suspicion, suspicions};

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
    // Without its mark, UTF-16 may be UTF-8 with a NUL in each character.
    if is_utf16(credential.expose_secret()) {
        return Err(CredentialProblem::Utf16);
    }
    let text = credential.expose_str().map_err(|_| {
        let is_compressed = suspicions(credential).any(|found| found == Suspicion::Compressed);
        if is_compressed { CredentialProblem::Compressed } else { CredentialProblem::NotText }
    })?;
    if text.contains('\0') { Err(CredentialProblem::Nul) } else { Ok(text) }
}

/// Returns whether bytes are UTF-16, with a byte order mark, or with a zero in each character of ASCII.
fn is_utf16(bytes: &[u8]) -> bool {
    let zero_from = |start| bytes.iter().skip(start).step_by(2).all(|byte| *byte == 0);
    bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
        || (bytes.len() > 3 && zero_from(0) != zero_from(1))
}

/// Returns why an acceptable credential does not look like one, or `None` if it looks like one.
///
/// The reasons are fixed phrases and hold nothing of the credential.
#[must_use]
pub fn doubts(credential: &Secret) -> Option<String> {
    let doubts: Vec<_> = suspicions(credential).map(|suspicion| suspicion.to_string()).collect();
    (!doubts.is_empty()).then(|| doubts.join(", "))
}
