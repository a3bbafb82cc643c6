//! A credential as the rules read it.

use crate::characters::{is_default_ignorable, is_quote};

/// A credential, and what is left of it without what is around it.
///
/// All of it is borrowed.
pub(crate) struct Reading<'c> {
    pub(crate) bytes: &'c [u8],
    /// Whether the bytes are UTF-8.
    pub(crate) is_text: bool,
    /// The text, which is empty if there is none.
    pub(crate) text: &'c str,
    /// The text without white space and invisible characters at its ends.
    pub(crate) visible: &'c str,
    /// The text without quotes at its ends either, or a comma or semicolon after it.
    pub(crate) core: &'c str,
    /// Whether it is a PEM text or a JSON object.
    ///
    /// Such a text is not sent in a header field. It has white space inside and may end in a line end,
    /// and what is in its strings need not be a key.
    pub(crate) is_document: bool,
}

impl<'c> Reading<'c> {
    pub(crate) fn of(bytes: &'c [u8]) -> Self {
        let text = core::str::from_utf8(bytes);
        let is_text = text.is_ok();
        let text = text.unwrap_or_default();
        let is_nothing = |c: char| c.is_whitespace() || is_default_ignorable(c);
        let visible = text.trim_matches(is_nothing);
        let is_around = |c: char| is_nothing(c) || is_quote(c);
        let core = text
            .trim_start_matches(is_around)
            .trim_end_matches(|c: char| is_around(c) || matches!(c, ',' | ';'));
        let is_document = is_pem(core) || is_json(core);
        Self { bytes, is_text, text, visible, core, is_document }
    }

    /// Returns whether there is nothing to see.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_text && self.visible.is_empty()
    }
}

fn is_pem(text: &str) -> bool {
    text.starts_with(PEM_START) && text.contains(PEM_END)
}

fn is_json(text: &str) -> bool {
    is_start_of_json(text) && text.ends_with('}')
}

const PEM_START: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// An object that has a member. `{name}` and `{{name}}` are no objects.
fn is_start_of_json(text: &str) -> bool {
    text.strip_prefix('{').is_some_and(|rest| {
        let rest = rest.trim_start();
        rest.is_empty() || rest.starts_with('"')
    })
}

pub(crate) fn empty(reading: &Reading<'_>) -> bool {
    reading.is_blank()
}

pub(crate) fn too_short(reading: &Reading<'_>) -> bool {
    reading.is_text && !reading.is_blank() && reading.core.chars().nth(4).is_none()
}

pub(crate) fn not_text(reading: &Reading<'_>) -> bool {
    !reading.is_text
}

pub(crate) fn cut_off(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let has_start = text.starts_with(PEM_START);
    !reading.is_document && (has_start || text.contains(PEM_END) || is_start_of_json(text))
}

/// In a JSON string, an escaped line end is right.
pub(crate) fn escaped_line_end(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let ends = ["\\n", "\\r", "%0A", "%0a", "%0D", "%0d"];
    ends.iter().any(|end| text.ends_with(end)) || (is_pem(text) && text.contains("\\n"))
}
