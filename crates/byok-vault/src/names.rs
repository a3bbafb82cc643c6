//! The rules for names and reasons, on the command line and in an imported file.

use sealwax::KeyId;

use crate::formatting::is_invisible;

/// Returns the first part of a text that looks like the start of a key's text, such as `swk1_`, of whatever kind.
///
/// The rule is that of key ids: see [`KeyId`]. Only what comes after this part may be secret.
#[must_use]
pub fn start_of_key(text: &[u8]) -> Option<&str> {
    // `swk1_` and `swkt1_`. In this order, because a key may contain what looks like the start of another one.
    let parts = (0..text.len())
        .flat_map(|start| [5, 6].map(|length| text.get(start..)?.get(..length)))
        .flatten();
    parts.filter_map(|part| str::from_utf8(part).ok()).find(|part| {
        // Its characters are those of an id, so that it is refused only if it looks like a key.
        let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        part.starts_with(['s', 'S'])
            && part.ends_with('_')
            && part.bytes().all(is_of_id)
            && KeyId::try_from(*part).is_err()
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
    if let Some(start) = start_of_key(text.as_bytes()) {
        return Err(format!(
            "a name must not contain a key, and {start} looks like the start of one"
        ));
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
                let start = start_of_key(text.as_bytes()).unwrap();
                assert!(start.ends_with(kind), "{text}: {start}");
            }
            assert_eq!(start_of_key(&[b"\xff", kind.as_bytes(), b"\xff"].concat()), Some(kind));
            assert_eq!(start_of_key(format!("{kind}x-swa1_").as_bytes()), Some(kind));
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
            assert_eq!(start_of_key(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_message_names_the_part_that_is_meant() {
        let rule = "must not contain a key, and swer1_ looks like the start of one";
        assert_eq!(name("answer1_prod"), Err(format!("a name {rule}")));
        assert_eq!(reason("answer1_prod"), Err(format!("a reason {rule}")));
    }
}
