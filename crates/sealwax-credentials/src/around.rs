//! What other tools put around a credential.

use crate::characters::{is_name, is_of_a_key, is_quote};
use crate::reading::Reading;
use crate::words::{ends_with_any_case, starts_with_any_case};

/// Quotes, also as HTML and URLs escape them, brackets, and the comma or semicolon of a line of code.
pub(crate) fn quotes(reading: &Reading<'_>) -> bool {
    let text = reading.visible.trim_end_matches([',', ';']);
    let is_plain = reading.core.chars().all(is_of_a_key);
    let at_ends = [text.chars().next(), text.chars().next_back()];
    let are_quotes = at_ends.map(|end| end.is_some_and(is_quote));
    // Typographic quotes come in pairs.
    let is_pair = at_ends[0] == at_ends[1] || !at_ends.into_iter().flatten().any(|c| c.is_ascii());
    let escaped = ["\\\"", "\\'", "&quot;", "&#34;", "&#39;", "%22", "%27"];
    let brackets = [('<', '>'), ('[', ']'), ('(', ')'), ('{', '}')];
    let in_brackets = |(open, close): &(char, char)| {
        let inside = text.strip_prefix(*open).and_then(|text| text.strip_suffix(*close));
        inside.is_some_and(|inside| {
            !inside.is_empty() && inside.chars().all(|c| is_of_a_key(c) || is_quote(c) || c == ',')
        })
    };
    (are_quotes == [true, true] && is_pair)
        // Other quotes and separators may belong to a password or a connection string.
        || (is_plain && (are_quotes.contains(&true) || text.len() < reading.visible.len()))
        || escaped.iter().any(|quote| text.starts_with(quote))
        || brackets.iter().any(in_brackets)
}

/// An authorization scheme, also after the name of the field.
pub(crate) fn scheme(reading: &Reading<'_>) -> bool {
    let value = field(reading.core).unwrap_or(reading.core);
    let (word, _) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    // A pair may have a user of any other of these names.
    let is_bearer = ["Bearer:", "Bearer%20"].iter().any(|start| starts_with_any_case(value, start));
    let schemes = [
        "Bearer",
        "Basic",
        "Token",
        "Digest",
        "Negotiate",
        "ApiKey",
        "Api-Key",
        "Bot",
        "Key",
        "JWT",
        "OAuth",
        "SSWS",
    ];
    is_bearer
        || (word.len() < value.len() && schemes.iter().any(|one| one.eq_ignore_ascii_case(word)))
}

/// The name of a header field, or of a value in YAML.
pub(crate) fn field_name(reading: &Reading<'_>) -> bool {
    !reading.is_document && field(reading.core).is_some()
}

/// Returns what follows the name of a field.
///
/// Without a space after the colon, most names could be the user of a pair.
fn field(text: &str) -> Option<&str> {
    let (name, value) = text.split_once(':')?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let known = ["authorization", "api-key", "api_key", "apikey"];
    let is_field = value.starts_with(char::is_whitespace)
        || known.iter().any(|known| ends_with_any_case(name, known));
    let value = value.trim_start();
    (!name.is_empty() && name.chars().all(is_token) && is_field && !value.is_empty())
        .then_some(value)
}

/// `NAME=`, as in an environment file.
pub(crate) fn assignment(reading: &Reading<'_>) -> bool {
    assigned(reading.core).is_some()
}

/// Returns the value of a variable.
///
/// The name must look like that of a variable: `=` may be in a password, and `&` and `;` separate the
/// parts of a query and of a connection string.
pub(crate) fn assigned(text: &str) -> Option<&str> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let text = text.strip_prefix("set ").unwrap_or(text);
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim_end(), value.trim_start());
    let is_constant = name.contains('_') && !name.contains(|c: char| c.is_ascii_lowercase());
    let says_so =
        ["key", "token", "secret", "password"].iter().any(|word| ends_with_any_case(name, word));
    let is_list = value.contains(['&', ';']);
    // Base64 ends in `=`.
    let is_padding = matches!(value, "" | "=");
    let is_a_name = name.split('-').all(is_name);
    (is_a_name && !is_padding && (is_constant || (says_so && !is_list))).then_some(value)
}
