//! What a name may be, on the command line and in a file that is imported.

use crate::keys::VARIABLE;

/// A tenant's, a provider's, or a row's.
///
/// # Errors
/// What a name has, for the reader of a message.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("a name has 1 to 200 bytes".to_owned());
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("a name has no control characters, and no space at either end".to_owned());
    }
    Ok(text.to_owned())
}

/// That of an environment variable, which is never the keyring's.
///
/// # Errors
/// What such a name has, for the reader of a message.
pub fn variable(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a variable's name has letters, digits and _, and no digit first".to_owned());
    }
    if text == VARIABLE {
        return Err("commands never see the variable of the keyring".to_owned());
    }
    Ok(text.to_owned())
}
