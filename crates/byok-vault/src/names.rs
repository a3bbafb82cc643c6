//! The rules for names and reasons, on the command line and in an imported file.

use crate::formatting::is_invisible;

/// The start of the text of a master key, and of an audit key.
const KEYS: [&[u8]; 2] = [b"swk1_", b"swa1_"];

/// Returns whether a text contains the text of a key, or looks as if it did.
#[must_use]
pub fn holds_a_key(text: &[u8]) -> bool {
    KEYS.iter().any(|key| text.windows(key.len()).any(|part| part.eq_ignore_ascii_case(key)))
}

/// Checks the name of a tenant, a provider or a label, or the id of a row.
///
/// # Errors
/// Returns the rule that the name breaks, as an error message.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("a name must have 1 to 200 bytes".to_owned());
    }
    if text.trim() != text || text.chars().any(is_invisible) {
        return Err(
            "a name must not contain control characters or other invisible characters, or \
                    start or end with white space"
                .to_owned(),
        );
    }
    if holds_a_key(text.as_bytes()) {
        return Err("a name must not contain a key".to_owned());
    }
    Ok(text.to_owned())
}

/// Checks why a credential is used, as the log keeps it.
///
/// # Errors
/// Returns the rule that the text breaks, as an error message.
pub fn reason(text: &str) -> Result<String, String> {
    name(text).map_err(|rule| rule.replacen("a name", "a reason", 1))
}
