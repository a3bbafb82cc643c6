//! What stands around a text that would be an envelope, a key, a keyring or a row without it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What stands around a text that is refused and might be right without it: a trace of the tool that
/// carried the text.
///
/// Follows from the classes of characters at both ends, and from a name before `=`. It says nothing of the rest. It is a
/// hint: what is left without it may be wrong as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Surrounding {
    /// White space: a line feed of a file, the padding of a `CHAR` column.
    WhiteSpace,
    /// U+FEFF, which some editors write in front of a file.
    ByteOrderMark,
    /// `"`, `'` or a backtick, at one end or both.
    Quotes,
    /// `b'` or `b"`: bytes as Python prints them.
    PythonBytes,
    /// `\x`: bytes as PostgreSQL prints them.
    HexEscape,
    /// `0x`: bytes as SQL Server and MySQL print them.
    HexPrefix,
    /// `{` or `[`: a JSON object or array.
    Json,
    /// `NAME=`: a line of an environment file.
    Assignment,
    /// `$`: a variable that nobody expanded.
    Variable,
    /// `/`, `./` or `~/`: the path of a file in place of what it holds.
    Path,
    /// `\n` as two characters, in place of a line feed.
    EscapedLineFeed,
    /// Base64 of what was expected.
    Base64,
}

impl Surrounding {
    /// What stands at either end of a text. `starts` is what such a text may start with: of each, base64
    /// is recognised by its first three bytes.
    pub(crate) fn of(text: &str, starts: &[&str]) -> Option<Self> {
        Self::mark_before(text)
            .or_else(|| Self::after(text))
            .or_else(|| Self::word_before(text, starts))
    }

    /// A mark at the front that nothing of this crate starts with.
    pub(crate) fn mark_before(text: &str) -> Option<Self> {
        let mut characters = text.chars();
        match (characters.next()?, characters.next()) {
            ('\u{feff}', _) => Some(Self::ByteOrderMark),
            (first, _) if first.is_whitespace() => Some(Self::WhiteSpace),
            ('b', Some('\'' | '"')) => Some(Self::PythonBytes),
            ('"' | '\'' | '`', _) => Some(Self::Quotes),
            ('\\', Some('x')) => Some(Self::HexEscape),
            ('{' | '[', _) => Some(Self::Json),
            ('$', _) => Some(Self::Variable),
            _ => None,
        }
    }

    /// What a text starts with that might be the start of a key as well: so asked last.
    pub(crate) fn word_before(text: &str, starts: &[&str]) -> Option<Self> {
        let is_base64 = |start: &&str| {
            let mut encoded = [0; 4];
            let head = start.as_bytes().first_chunk::<3>();
            head.is_some_and(|head| STANDARD_NO_PAD.encode_slice(head, &mut encoded).is_ok())
                && text.as_bytes().starts_with(&encoded)
        };
        if text.starts_with("0x") {
            Some(Self::HexPrefix)
        } else if text.starts_with('/') || text.starts_with("./") || text.starts_with("~/") {
            Some(Self::Path)
        } else if starts.iter().any(is_base64) {
            Some(Self::Base64)
        } else if is_assignment(text) {
            Some(Self::Assignment)
        } else {
            None
        }
    }

    /// What stands at the end.
    pub(crate) fn after(text: &str) -> Option<Self> {
        if text.ends_with(char::is_whitespace) {
            Some(Self::WhiteSpace)
        } else if text.ends_with(['"', '\'', '`']) {
            Some(Self::Quotes)
        } else if text.ends_with("\\n") {
            Some(Self::EscapedLineFeed)
        } else {
            None
        }
    }
}

/// `NAME=` and a value, also for a shell. The padding of base64 has nothing behind it.
fn is_assignment(text: &str) -> bool {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_name = |name: &str| {
        name.bytes().next().is_some_and(is_letter)
            && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
    };
    text.split_once('=').is_some_and(|(name, value)| !matches!(value, "" | "=") && is_name(name))
}

impl fmt::Display for Surrounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WhiteSpace => "white space",
            Self::ByteOrderMark => "a byte order mark",
            Self::Quotes => "quotes",
            Self::PythonBytes => "b'…', as Python prints bytes",
            Self::HexEscape => "\\x, as PostgreSQL prints bytes",
            Self::HexPrefix => "0x, as databases print bytes",
            Self::Json => "JSON",
            Self::Assignment => "a variable's name and =",
            Self::Variable => "$, of a variable that was not expanded",
            Self::Path => "the path of a file in place of its contents",
            Self::EscapedLineFeed => "\\n as two characters in place of a line feed",
            Self::Base64 => "base64",
        })
    }
}

/// What an error says of it, behind everything else.
pub(crate) struct Hint(pub(crate) Option<Surrounding>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |surrounding| write!(f, " (found: {surrounding})"))
    }
}

#[cfg(test)]
mod tests {
    use super::Surrounding::{self, *};

    #[test]
    fn each_is_known_by_its_ends() {
        let known = [
            ("sw1:x ", WhiteSpace),
            ("\u{a0}sw1:x", WhiteSpace),
            ("sw1:x\n", WhiteSpace),
            ("\u{feff}sw1:x", ByteOrderMark),
            ("\"sw1:x\"", Quotes),
            ("'sw1:x", Quotes),
            ("sw1:x`", Quotes),
            ("YWJjZA==\n", WhiteSpace),
            ("/4==\"", Quotes),
            ("b'sw1:x'", PythonBytes),
            ("\\x7377313a", HexEscape),
            ("0x7377313a", HexPrefix),
            ("{\"keys\":1}", Json),
            ("KEY_1=sw1:x", Assignment),
            ("export KEY=sw1:x", Assignment),
            ("${KEY}", Variable),
            ("/run/secrets/key", Path),
            ("./key", Path),
            ("sw1:x\\n", EscapedLineFeed),
            ("c3cxOmEyNTY", Base64),
        ];
        for (text, surrounding) in known {
            assert_eq!(Surrounding::of(text, &["sw1:"]), Some(surrounding), "{text}");
        }
        for text in ["", "sw1:a=b", "1A=x", "YWJjZA==", "YWJjZGU=", "b", "0", "c3dr", "export"] {
            assert_eq!(Surrounding::of(text, &["sw1:"]), None, "{text}");
        }
    }
}
