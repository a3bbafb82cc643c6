//! Classes of characters, and the rules that look at one character at a time.

use crate::reading::Reading;

/// Returns whether nothing is displayed for a character that is no white space.
///
/// These are the code points with `Default_Ignorable_Code_Point` in Unicode's DerivedCoreProperties.txt,
/// among them the zero-width characters and those that change the direction of the text.
#[must_use]
pub fn is_default_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns whether a character is a quote, as programs or word processors write it.
pub(crate) fn is_quote(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '`' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}'
    )
}

/// Returns whether a character is one of those that most keys consist of.
pub(crate) fn is_of_a_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Returns whether a text is a name in a programming language.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(crate) fn space_at_start(reading: &Reading<'_>) -> bool {
    !reading.is_blank()
        && !reading.is_document
        && reading.text.trim_start_matches(is_default_ignorable).starts_with(char::is_whitespace)
}

pub(crate) fn space_at_end(reading: &Reading<'_>) -> bool {
    !reading.is_blank()
        && !reading.is_document
        && reading.text.trim_end_matches(is_default_ignorable).ends_with(char::is_whitespace)
}

pub(crate) fn space_inside(reading: &Reading<'_>) -> bool {
    !reading.is_document && reading.visible.contains(char::is_whitespace)
}

/// Tabs and line ends are white space, and are reported as such.
pub(crate) fn control(reading: &Reading<'_>) -> bool {
    reading.text.contains(|c: char| c.is_control() && !c.is_whitespace())
}

/// A byte order mark at the start is reported as one.
pub(crate) fn invisible(reading: &Reading<'_>) -> bool {
    let text = reading.text;
    !reading.is_blank()
        && text.strip_prefix('\u{feff}').unwrap_or(text).contains(is_default_ignorable)
}

pub(crate) fn byte_order_mark(reading: &Reading<'_>) -> bool {
    // The second is the first, read as Latin-1. The others are UTF-16.
    let in_text = ["\u{feff}", "\u{ef}\u{bb}\u{bf}"];
    let in_bytes: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
    !reading.is_blank()
        && (in_text.iter().any(|mark| reading.text.starts_with(mark))
            || in_bytes.iter().any(|mark| reading.bytes.starts_with(mark)))
}

/// The grammar of RFC 9110, section 5.5, still has bytes above ASCII (`obs-text`), but the same section
/// limits new fields to ASCII, and clients differ: some encode these characters, some refuse them.
pub(crate) fn non_ascii(reading: &Reading<'_>) -> bool {
    let is_other =
        |c: char| !(c.is_ascii() || c.is_whitespace() || c.is_control() || is_default_ignorable(c));
    // A document goes into no field.
    !reading.is_document && reading.core.contains(is_other)
}
