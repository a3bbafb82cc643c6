//! Reads a credential from the operator, and prepares one for a command.

use std::io::{self, IsTerminal, Read};

use sealwax::Secret;

#[cfg(unix)]
pub(super) use crate::commands::prompt::read as prompt_for;
use crate::credential::{LIMIT, check, text};
use crate::error::{CredentialProblem, VaultError};
use crate::row::Owner;

/// Reads a credential from a hidden prompt or from standard input.
///
/// It prompts if standard input is a terminal. Otherwise it reads all of standard input, without one
/// trailing line ending.
///
/// # Errors
/// Returns an error if no usable credential was read.
pub fn read(owner: &Owner) -> Result<Secret, VaultError> {
    let reading =
        |source| VaultError::InputOutput { doing: "reading the credential".into(), source };
    let credential = if io::stdin().is_terminal() {
        let prompt = format!("Credential for {owner} (input is hidden): ");
        prompt_for(&prompt).map_err(reading)?.map_err(|problem| refused(owner, problem))?
    } else {
        // Large enough that it never grows, because growing would leave copies behind: the limit, a
        // line ending, and one more byte to detect that the limit was exceeded.
        let most = LIMIT + 3;
        let mut bytes = Vec::with_capacity(most);
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
        trim_line_end(&mut bytes);
        // What was read before a failure is wiped as well.
        let credential = Secret::from(bytes);
        read.map_err(reading)?;
        credential
    };
    check(&credential).map_err(|problem| refused(owner, problem))?;
    Ok(credential)
}

#[cfg(not(unix))]
pub(super) fn prompt_for(prompt: &str) -> io::Result<Result<Secret, CredentialProblem>> {
    rpassword::prompt_password(prompt).map(|line| Ok(Secret::from(line)))
}

/// Returns the credential as the value of an environment variable.
///
/// # Errors
/// Returns an error if no environment variable can hold it.
pub fn as_variable<'c>(credential: &'c Secret, owner: &Owner) -> Result<&'c str, VaultError> {
    text(credential).map_err(|problem| refused(owner, problem))
}

fn refused(owner: &Owner, problem: CredentialProblem) -> VaultError {
    VaultError::Credential { owner: owner.clone(), problem }
}

fn trim_line_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_line_end_is_trimmed() {
        for (given, kept) in [
            ("key", "key"),
            ("key\n", "key"),
            ("key\r\n", "key"),
            ("key\n\n", "key\n"),
            ("key\r", "key\r"),
            (" key ", " key "),
            ("\n", ""),
        ] {
            let mut bytes = given.as_bytes().to_vec();
            trim_line_end(&mut bytes);
            assert_eq!(bytes, kept.as_bytes(), "{given:?}");
        }
    }
}
