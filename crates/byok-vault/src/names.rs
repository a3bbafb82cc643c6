//! The rules for names, on the command line and in an imported file.

use crate::keys::VARIABLE;

/// Checks the name of a tenant, a provider or a label, or the id of a row.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("a name must have 1 to 200 bytes".to_owned());
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("a name must not contain control characters, or start or end with white space"
            .to_owned());
    }
    Ok(text.to_owned())
}

/// Checks the name of an environment variable, which must not be the keyring's.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn variable(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(
            "a variable name must contain only letters, digits and _, and not start with a digit"
                .to_owned(),
        );
    }
    if text == VARIABLE {
        return Err("commands never see the variable that holds the keyring".to_owned());
    }
    Ok(text.to_owned())
}
