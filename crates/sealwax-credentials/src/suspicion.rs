//! The kinds, each with its name, its phrase and its rule.

use core::fmt;

use crate::reading::{self, Reading};
use crate::{around, characters, encrypted, files, printed, references, words};

/// Writes the enum, the list of all kinds and the table of what belongs to each, so that a kind cannot
/// be left out of one of them.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident, $name:literal, $phrase:literal, $rule:path;)+) => {
        /// Why a text does not look like a credential.
        ///
        /// It is public: it is derived from classes of characters, from known words and from lengths, and
        /// it holds nothing of the text. `Display` gives a short phrase that continues "does not look
        /// like a credential: ".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Suspicion {
            $($(#[$doc])+ $kind,)+
        }

        impl Suspicion {
            /// All kinds, in the order in which [`suspicions`](crate::suspicions) returns them.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            const fn row(self) -> (&'static str, &'static str, fn(&Reading<'_>) -> bool) {
                match self {
                    $(Self::$kind => ($name, $phrase, $rule),)+
                }
            }
        }
    };
}

kinds! {
    /// There is no text, or nothing but white space and invisible characters.
    Empty, "empty", "no text at all", reading::empty;
    /// The text has fewer than 5 characters.
    TooShort, "too_short", "shorter than 5 characters", reading::too_short;
    /// White space comes first, in a text that is not PEM or JSON. A line end is white space too.
    WhiteSpaceAtStart, "white_space_at_start", "white space at the start", characters::space_at_start;
    /// White space comes last, in a text that is not PEM or JSON.
    WhiteSpaceAtEnd, "white_space_at_end", "white space at the end", characters::space_at_end;
    /// White space is inside, in a text that is not PEM or JSON.
    WhiteSpaceInside, "white_space_inside", "white space inside", characters::space_inside;
    /// A control character, such as an escape sequence of a terminal or a NUL.
    ControlCharacter, "control_character", "a control character", characters::control;
    /// Zero-width characters, and characters that change the direction of the text.
    Invisible, "invisible", "zero-width or bidirectional characters", characters::invisible;
    /// U+FEFF at the start, also as Latin-1 or UTF-16.
    ByteOrderMark, "byte_order_mark", "a byte order mark", characters::byte_order_mark;
    /// Characters outside of ASCII, in a text that is not PEM or JSON: not every client sends them.
    NonAscii, "non_ascii", "non-ASCII characters that not every client can send in a header", characters::non_ascii;
    /// `\n` or `%0A` at the end, or `\n` as two characters between the lines of a PEM text.
    EscapedLineEnd, "escaped_line_end", "a line end that is written as an escape", reading::escaped_line_end;
    /// Quotes or brackets around all of it, or a comma or semicolon after it.
    Quotes, "quotes", "quotes or other punctuation around it", around::quotes;
    /// `Bearer `, `Basic ` and the like in front.
    Scheme, "scheme", "an authorization scheme in front", around::scheme;
    /// `Authorization:`, `x-api-key:` and the like in front.
    FieldName, "field_name", "the name of a header field in front", around::field_name;
    /// `NAME=` in front.
    Assignment, "assignment", "a variable name and = in front", around::assignment;
    /// `undefined`, `null`, `None`, `{}` and the like, and nothing else.
    Nothing, "nothing", "a word that programs print for nothing", words::nothing;
    /// `[object Object]`, `b'…'`, `SecretStr(…)`, `s:20:"…";` of PHP and the like.
    Printed, "printed", "an object or bytes as a program prints them", printed::printed;
    /// `changeme`, `YOUR_API_KEY` and the like, or one character repeated, and nothing else.
    Placeholder, "placeholder", "a placeholder", words::placeholder;
    /// `sk-...4f2a`, `****`, `sk-xxxx`, `[REDACTED]`.
    Masked, "masked", "masked", words::masked;
    /// `${NAME}`, `{{ name }}`, `/run/secrets/name`, `op://…`, `vault:path#key` and the like.
    Reference, "reference", "a variable or a path instead of its value", references::reference;
    /// HTML, XML, or JSON that begins with an error.
    Response, "response", "a page or an error that a server returned", files::response;
    /// `1.23457E+19`, `#REF!`, `="…"`.
    Spreadsheet, "spreadsheet", "a cell as a spreadsheet writes it", files::spreadsheet;
    /// A PEM text or a JSON object of which a part is missing.
    CutOff, "cut_off", "PEM or JSON without its start or its end", reading::cut_off;
    /// An envelope of sealwax.
    Envelope, "envelope", "an envelope of sealwax", encrypted::envelope;
    /// A key of sealwax: a master key, or one of another kind, such as an audit key or a pepper.
    MasterKey, "master_key", "a key of sealwax", encrypted::master_key;
    /// A keyring of sealwax, or a line of one, with keys of any kind.
    Keyring, "keyring", "a keyring of sealwax", encrypted::keyring;
    /// IV, tag and ciphertext, a Fernet token, a ciphertext of Vault, CryptoJS, Laravel and others.
    Encrypted, "encrypted", "already encrypted by another program", encrypted::encrypted;
    /// The bytes are not UTF-8.
    NotText, "not_text", "bytes that are not UTF-8 text", reading::not_text;
    /// Data that zlib, gzip, Zstandard, xz or zip compressed.
    Compressed, "compressed", "compressed data", encrypted::compressed;
}

impl Suspicion {
    /// Returns the name for programs, in snake case. It does not change between releases.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    pub(crate) fn is_in(self, reading: &Reading<'_>) -> bool {
        let (_, _, rule) = self.row();
        rule(reading)
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, phrase, _) = self.row();
        f.pad(phrase)
    }
}
