//! The rules for names and reasons, on the command line and in an imported file.

use sealwax::KeyId;

use crate::formatting::is_invisible;

/// Returns whether a text contains the text of a key, of whatever kind, or looks as if it did.
///
/// The rule is that of key ids: see [`KeyId`].
#[must_use]
pub fn holds_a_key(text: &[u8]) -> bool {
    // `swk1_` and `swkt1_`.
    [5, 6].into_iter().flat_map(|length| text.windows(length)).any(|part| {
        // Its characters are those of an id, so that it is refused only if it looks like a key.
        let is_of_id = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        matches!(part, [b's' | b'S', ..])
            && part.iter().all(is_of_id)
            && str::from_utf8(part).is_ok_and(|part| KeyId::try_from(part).is_err())
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_kind_are_found() {
        let kinds = ["swk1_", "swa1_", "swh1_", "swkt1_", "swz1_", "swzz1_", "SWK1_", "sWkT1_"];
        for kind in kinds {
            for text in
                [kind.to_owned(), format!("{kind}x"), format!("é s{kind} é"), format!("sws{kind}")]
            {
                assert!(holds_a_key(text.as_bytes()), "{text}");
            }
            assert!(holds_a_key(&[b"\xff", kind.as_bytes(), b"\xff"].concat()));
        }
        assert_eq!(kinds.len(), 8);
        for text in [
            "",
            "s",
            "sw1_",
            "sw11_",
            "swabc1_",
            "swk2_",
            "swk1-",
            "sw\u{e9}1_",
            "tenant_s",
            "answers_1_",
        ] {
            assert!(!holds_a_key(text.as_bytes()), "{text}");
        }
    }
}
