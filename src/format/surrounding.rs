//! Recognises what other tools put around the text of an envelope, a key, a keyring or a row.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Something found around a rejected text that might be valid without it.
///
/// It is a trace of a tool that carried the text. It is derived from the classes of the characters at both ends and
/// from a name before `=`, and it says nothing about the rest. It is only a hint: what remains without it may be wrong
/// as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Surrounding {
    /// White space, such as the line feed at the end of a file or the padding of a `CHAR` column.
    WhiteSpace,
    /// U+FEFF, which some editors write at the start of a file.
    ByteOrderMark,
    /// `"`, `'` or a backtick, at one or both ends.
    Quotes,
    /// `b'` or `b"`: bytes as Python prints them.
    PythonBytes,
    /// `\x`: bytes as PostgreSQL prints them.
    HexEscape,
    /// `0x`: bytes as SQL Server and MySQL print them.
    HexPrefix,
    /// `{` or `[`: a JSON object or array.
    Json,
    /// `NAME=`, also after `export`, `set` or `$env:`: a line from a shell or an environment file.
    Assignment,
    /// `NAME:` and a space: a line of YAML.
    Yaml,
    /// What sops, Ansible, age or PGP made of a text: it has to be decrypted first.
    Encrypted,
    /// `<<<<<<<`: a conflict of git.
    Conflict,
    /// `$NAME` or `${NAME}`: a variable that was not expanded.
    Variable,
    /// `/`, `./`, `~/`, `C:\` or `scheme://`: the path of a file, or the reference of a secret, instead of its contents.
    Path,
    /// `\n` as two characters instead of a line feed.
    EscapedLineFeed,
    /// The base64 encoding of what was expected.
    Base64,
}

impl Surrounding {
    /// Returns what is recognised at either end of a text.
    ///
    /// `starts` lists what such a text may start with. The first three bytes of each are enough to recognise its
    /// base64.
    pub(crate) fn of(text: &str, starts: &[&str]) -> Option<Self> {
        Self::mark_before(text)
            .or_else(|| Self::after(text))
            .or_else(|| Self::word_before(text, starts))
    }

    /// Returns a mark at the start of the text. None of this crate's own texts starts with one.
    pub(crate) fn mark_before(text: &str) -> Option<Self> {
        let mut characters = text.chars();
        match (characters.next()?, characters.next()) {
            ('\u{feff}', _) => Some(Self::ByteOrderMark),
            (first, _) if first.is_whitespace() => Some(Self::WhiteSpace),
            ('b', Some('\'' | '"')) => Some(Self::PythonBytes),
            ('"' | '\'' | '`', _) => Some(Self::Quotes),
            ('\\', Some('x')) => Some(Self::HexEscape),
            ('{' | '[', _) => Some(Self::Json),
            ('<', Some('<')) => Some(Self::Conflict),
            _ if ENCRYPTED.iter().any(|start| text.starts_with(start)) => Some(Self::Encrypted),
            ('$', _) if !text.contains([' ', '=', ';']) => Some(Self::Variable),
            _ => None,
        }
    }

    /// Returns what is recognised at the start but could also be the start of a key. It is therefore checked last.
    pub(crate) fn word_before(text: &str, starts: &[&str]) -> Option<Self> {
        let is_base64 = |start: &&str| {
            let mut encoded = [0; 4];
            let head = start.as_bytes().first_chunk::<3>();
            head.is_some_and(|head| STANDARD_NO_PAD.encode_slice(head, &mut encoded).is_ok())
                && text.as_bytes().starts_with(&encoded)
        };
        if text.starts_with("0x") {
            Some(Self::HexPrefix)
        } else if is_path(text) {
            Some(Self::Path)
        } else if starts.iter().any(is_base64) {
            Some(Self::Base64)
        } else if is_assignment(text) {
            Some(Self::Assignment)
        } else if is_yaml(text) {
            Some(Self::Yaml)
        } else {
            None
        }
    }

    /// Returns what is recognised at the end.
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

/// Whether the text is a path, or a reference such as `op://vault/item`.
fn is_path(text: &str) -> bool {
    let drive = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    ["/", "./", "~/"].iter().any(|start| text.starts_with(start))
        || (drive.len() < text.len() && (drive.starts_with(":\\") || drive.starts_with("://")))
}

/// Whether the text is `NAME=` and a value, as a shell or an environment file has it. Base64 padding has no value after
/// it.
fn is_assignment(text: &str) -> bool {
    let starts = ["export ", "set ", "$env:"];
    let text = starts.iter().find_map(|start| text.strip_prefix(start)).unwrap_or(text);
    text.split_once('=').is_some_and(|(name, value)| {
        !matches!(value, "" | "=") && is_name(name.strip_suffix(' ').unwrap_or(name))
    })
}

/// Whether the text is `NAME:`, alone or before a space.
fn is_yaml(text: &str) -> bool {
    let name = text.split_once(": ").map_or_else(|| text.strip_suffix(':'), |(name, _)| Some(name));
    name.is_some_and(is_name)
}

/// Whether the text is the name of a variable.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// How the files of tools begin that encrypt a text.
const ENCRYPTED: [&str; 4] = ["$ANSIBLE_VAULT;", "ENC[", "age-encryption.org/", "-----BEGIN "];

impl fmt::Display for Surrounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WhiteSpace => "leading or trailing white space",
            Self::ByteOrderMark => "a byte order mark",
            Self::Quotes => "leading or trailing quotes",
            Self::PythonBytes => "b'…', as Python prints bytes",
            Self::HexEscape => "a \\x prefix, as PostgreSQL prints bytes",
            Self::HexPrefix => "a 0x prefix, as databases print bytes",
            Self::Json => "JSON",
            Self::Assignment => "a variable name and = before the value",
            Self::Yaml => "YAML: a name and a colon before the value",
            Self::Encrypted => {
                "a text that another tool encrypted or armored, such as sops, Ansible or age"
            }
            Self::Conflict => "a conflict of git",
            Self::Variable => "a $ variable that was not expanded",
            Self::Path => "a path or a reference instead of the contents",
            Self::EscapedLineFeed => "\\n as two characters instead of a line feed",
            Self::Base64 => "a layer of base64 around the text",
        })
    }
}

/// The end of an error message, which says what was found around the text.
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
            ("set KEY=sw1:x", Assignment),
            ("$env:KEY = sw1:x", Assignment),
            ("KEY: sw1:x", Yaml),
            ("data:", Yaml),
            ("ENC[AES256_GCM,data:x]", Encrypted),
            ("$ANSIBLE_VAULT;1.1;AES256", Encrypted),
            ("<<<<<<< HEAD", Conflict),
            ("${KEY}", Variable),
            ("$KEY", Variable),
            ("/run/secrets/key", Path),
            ("./key", Path),
            ("C:\\keys.txt", Path),
            ("op://vault/key", Path),
            ("sw1:x\\n", EscapedLineFeed),
            ("c3cxOmEyNTY", Base64),
        ];
        for (text, surrounding) in known {
            assert_eq!(Surrounding::of(text, &["sw1:"]), Some(surrounding), "{text}");
        }
        for text in [
            "", "sw1:a=b", "1A=x", "YWJjZA==", "YWJjZGU=", "b", "0", "c3dr", "export", "a:b",
            "://", ":\\",
        ] {
            assert_eq!(Surrounding::of(text, &["sw1:"]), None, "{text}");
        }
    }
}
