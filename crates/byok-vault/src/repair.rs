//! Takes away what tools put around an envelope.

use sealwax::triplet::Encoding;
use sealwax::{Envelope, Keyring};

use crate::error::VaultError;
use crate::row::Row;

/// Returns the envelope without what is around it, or `None` if nothing is around it.
///
/// # Errors
/// Returns [`VaultError::Row`] if there is no envelope inside, or it does not open for this row: such a
/// row must be left as evidence of what happened to it.
pub fn trimmed(row: &Row, keyring: &Keyring) -> Result<Option<String>, VaultError> {
    let fault = match row.parse() {
        Ok(_) => return Ok(None),
        Err(fault) => fault,
    };
    let Some(envelope) = inner(&row.envelope) else { return Err(row.error(fault)) };
    let repaired = Row { envelope, ..row.clone() };
    repaired.open(keyring)?;
    Ok(Some(repaired.envelope))
}

/// The most layers that are taken away, because a text of quotes has any number of them.
const LAYERS: u32 = 8;

/// Takes away one layer after the other until an envelope is left.
fn inner(text: &str) -> Option<String> {
    let mut inside = text.to_owned();
    for _ in 0..LAYERS {
        inside = without_a_layer(&inside)?;
        if inside.parse::<Envelope>().is_ok() {
            return Some(inside);
        }
    }
    None
}

fn without_a_layer(text: &str) -> Option<String> {
    let is_padding = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\0');
    let trimmed = text.trim_matches(is_padding);
    if trimmed.len() < text.len() {
        return Some(trimmed.to_owned());
    }
    // A JSON string may contain escapes, such as \u003d for the = after a key id.
    if let Ok(string) = serde_json::from_str(text) {
        return Some(string);
    }
    // Bytes as PostgreSQL, MySQL and SQL Server print them.
    if let Some(digits) = text.strip_prefix("\\x").or_else(|| text.strip_prefix("0x")) {
        return String::from_utf8(Encoding::HexAnyCase.decode(digits).ok()?).ok();
    }
    // Python prints bytes as b'…', and a spreadsheet writes ' before text.
    let quotes = ['"', '\'', '`'];
    let quoted = text.strip_prefix('b').filter(|rest| rest.starts_with(quotes)).unwrap_or(text);
    let inside = quoted.trim_matches(quotes);
    let inside = inside.strip_suffix("\\n").unwrap_or(inside);
    (inside.len() < text.len()).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealwax::{EncryptionContext, MasterKey, Secret};

    fn envelope() -> String {
        let key = MasterKey::generate().unwrap();
        let keyring = Keyring::new("tenant/42@3".parse().unwrap(), key).unwrap();
        keyring.seal(&Secret::from("x"), &EncryptionContext::empty()).unwrap().to_string()
    }

    #[test]
    fn layers_are_taken_away_in_any_order() {
        let envelope = envelope();
        let hex = Encoding::HexLower.encode(envelope.as_bytes());
        let around = [
            format!("{envelope:<400}"),
            format!("\t{envelope}\r\n"),
            format!("\u{feff}{envelope}"),
            format!("{envelope}\0\0"),
            format!("\"{envelope}\""),
            format!("\"{}\"", envelope.replace('=', "\\u003d").replace('/', "\\/")),
            format!("\"{envelope}"),
            format!("'{envelope}'"),
            format!("`{envelope}`"),
            format!("'{envelope}"),
            format!("b'{envelope}'"),
            format!("b\"{envelope}\""),
            format!("\\x{hex}"),
            format!("0x{}", hex.to_uppercase()),
            format!("{envelope}\\n"),
            format!("\"{envelope}\\n\""),
            format!(" \"b'\u{feff}{envelope}\\n' \"\n"),
            format!("\"\\\\x{hex}\""),
            format!("b'\\x{}'", Encoding::HexLower.encode(format!("\"{envelope}\"\n").as_bytes())),
        ];
        for text in &around {
            assert!(text.parse::<Envelope>().is_err(), "{text}");
            assert_eq!(inner(text).as_ref(), Some(&envelope), "{text}");
        }
        assert_eq!(around.len(), 19);
    }

    #[test]
    fn what_has_no_envelope_inside_is_left() {
        let envelope = envelope();
        for text in [
            "",
            " ",
            "\"\"",
            "b''",
            "\\x",
            "null",
            "\\x00ff",
            "\\n",
            &format!("{envelope}{}", " '".repeat(8)),
            &format!("\"{envelope}x!\""),
            &format!("KEY={envelope}"),
            &format!("[\"{envelope}\"]"),
        ] {
            assert_eq!(inner(text), None, "{text}");
        }
    }
}
