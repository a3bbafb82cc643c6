//! Recognises an encoding that a declaration does not mention. This only improves a message.

use sealwax::triplet::Encoding;

/// Returns the name and the content of each encoding that may be around the whole text of a cell.
///
/// Laravel encodes its JSON in base64, and a database prints a column of bytes in hex, also if the bytes
/// are text.
pub(crate) fn around(text: &str) -> impl Iterator<Item = (&'static str, String)> {
    let text: String = text.split_ascii_whitespace().collect();
    let digits = ["\\x", "0x"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
    let hex = Encoding::HexAnyCase.decode(digits).ok();
    let mut base64 = [Encoding::Base64, Encoding::Base64Url, Encoding::Base64UrlPadded].into_iter();
    let base64 = base64.find_map(|encoding| encoding.decode(&text).ok());
    [("hex", hex), ("base64", base64)].into_iter().filter_map(|(name, decoded)| {
        String::from_utf8(decoded?).ok().map(|decoded| (name, decoded))
    })
}

/// Returns the character between the bytes of a text such as `90-03-A6`.
///
/// `BitConverter` in .NET, fingerprints, and dumps are written like this.
pub(crate) fn separator(text: &str) -> Option<char> {
    let separator = text.chars().nth(2).filter(|separator| "-: ,_.".contains(*separator))?;
    let is_byte = |pair: &str| pair.len() == 2 && pair.chars().all(|c| c.is_ascii_hexdigit());
    text.trim_end().split(separator).all(is_byte).then_some(separator)
}
