//! The layouts of the rows that `import` reads.
//!
//! The command line, the README and the parser share this one table.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use sealwax::legacy::litellm::Version;
use sealwax::triplet::{self, Encoding, IvLen};

/// How another program writes its rows, and how it turns the text of its key into a key.
///
/// The operator declares the layout; it is never guessed from a row.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The name of the layout for `--layout`.
    pub name: &'static str,
    /// The description of the layout in `--help`.
    pub about: &'static str,
    /// How the text of the key encodes it.
    pub key: KeyRule,
    /// Where the parts of a row are.
    pub form: Form,
}

/// Where the parts of a row are.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// One text.
    Text(triplet::Layout),
    /// Three columns.
    Columns(Encoding),
    /// Two columns, with the tag at the end of the ciphertext.
    Joined {
        /// The encoding of the IV.
        iv: Encoding,
        /// The encoding of ciphertext and tag.
        data: Encoding,
    },
    /// Two columns for the row, and two more for the row's own key.
    Envelope(Encoding),
    /// One text with a mark in front.
    LiteLlm(Version),
    /// One column of bytes, which an export contains as hex.
    Cloak(IvLen),
    /// One text, with a key that is derived for each row.
    N8n,
}

/// How the text of a key encodes it, for one layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// `--key-as` declares it.
    Declared,
    /// It is always the same.
    Fixed(KeyAs),
    /// The text is LiteLLM's salt key.
    SaltKey(Version),
    /// The text is n8n's instance key, which unwraps the data key of `--wrapped-key-env`.
    InstanceKey,
}

/// How the text of a key encodes it, if the layout does not determine it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyAs {
    /// 64 hex digits
    Hex,
    /// 44 characters of base64
    Base64,
    /// 32 bytes of text, used as they are
    Raw,
    /// Any text: the key is its SHA-256
    Sha256,
}

/// All layouts.
pub static LAYOUTS: [Layout; 19] = [
    Layout {
        name: "hex-iv16-tag-ct",
        about: "hex iv:tag:ciphertext, with an IV of 16 bytes",
        key: KeyRule::Declared,
        form: Form::Text(triplet::Layout::HEX_IV16_TAG_CIPHERTEXT),
    },
    Layout {
        name: "hex-iv12-tag-ct",
        about: "hex iv:tag:ciphertext, with an IV of 12 bytes",
        key: KeyRule::Declared,
        form: Form::Text(triplet::Layout::HEX_IV12_TAG_CIPHERTEXT),
    },
    Layout {
        name: "hex-iv12-ct-tag",
        about: "hex iv:ciphertext:tag, with an IV of 12 bytes",
        key: KeyRule::Declared,
        form: Form::Text(triplet::Layout::HEX_IV12_CIPHERTEXT_TAG),
    },
    Layout {
        name: "hex-iv16-ct-tag",
        about: "hex iv:ciphertext:tag, with an IV of 16 bytes",
        key: KeyRule::Declared,
        form: Form::Text(triplet::Layout::HEX_IV16_CIPHERTEXT_TAG),
    },
    Layout {
        name: "lobechat",
        about: "LobeChat: hex iv:tag:ciphertext, with an IV of 12 bytes",
        key: KeyRule::Fixed(KeyAs::Base64),
        form: Form::Text(triplet::Layout::HEX_IV12_TAG_CIPHERTEXT),
    },
    Layout {
        name: "langfuse",
        about: "Langfuse: hex iv:ciphertext:tag, with an IV of 12 bytes",
        key: KeyRule::Fixed(KeyAs::Hex),
        form: Form::Text(triplet::Layout::HEX_IV12_CIPHERTEXT_TAG),
    },
    Layout {
        name: "columns-base64",
        about: "three columns of base64",
        key: KeyRule::Declared,
        form: Form::Columns(Encoding::Base64),
    },
    Layout {
        name: "columns-hex",
        about: "three columns of lowercase hex",
        key: KeyRule::Declared,
        form: Form::Columns(Encoding::HexLower),
    },
    Layout {
        name: "webcrypto-base64",
        about: "two columns of base64, with the tag at the end of the ciphertext",
        key: KeyRule::Declared,
        form: Form::Joined { iv: Encoding::Base64, data: Encoding::Base64 },
    },
    Layout {
        name: "webcrypto-hex",
        about: "two columns of lowercase hex, with the tag at the end of the ciphertext",
        key: KeyRule::Declared,
        form: Form::Joined { iv: Encoding::HexLower, data: Encoding::HexLower },
    },
    Layout {
        name: "typebot",
        about: "Typebot: IV in hex, ciphertext and tag in base64",
        key: KeyRule::Fixed(KeyAs::Raw),
        form: Form::Joined { iv: Encoding::HexLower, data: Encoding::Base64 },
    },
    Layout {
        name: "envelope-base64",
        about: "four columns of base64: the row under its own key, and that key wrapped",
        key: KeyRule::Declared,
        form: Form::Envelope(Encoding::Base64),
    },
    Layout {
        name: "envelope-hex",
        about: "four columns of lowercase hex: the row under its own key, and that key wrapped",
        key: KeyRule::Declared,
        form: Form::Envelope(Encoding::HexLower),
    },
    Layout {
        name: "litellm-v2",
        about: "LiteLLM: v2:gcm: and base64url",
        key: KeyRule::SaltKey(Version::V2),
        form: Form::LiteLlm(Version::V2),
    },
    Layout {
        name: "litellm-v3",
        about: "LiteLLM: v3:gcm: and base64url",
        key: KeyRule::SaltKey(Version::V3),
        form: Form::LiteLlm(Version::V3),
    },
    Layout {
        name: "sqlalchemy-utils",
        about: "SQLAlchemy-Utils with AesGcmEngine: base64 of IV, tag, ciphertext",
        key: KeyRule::Fixed(KeyAs::Sha256),
        form: Form::Text(triplet::Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED),
    },
    Layout {
        name: "cloak-iv16",
        about: "Elixir's Cloak, AES.GCM: the bytes in hex, with or without \\x; an IV of 16 bytes",
        key: KeyRule::Fixed(KeyAs::Base64),
        form: Form::Cloak(IvLen::Sixteen),
    },
    Layout {
        name: "cloak-iv12",
        about: "the same, configured with iv_length: 12",
        key: KeyRule::Fixed(KeyAs::Base64),
        form: Form::Cloak(IvLen::Twelve),
    },
    Layout {
        name: "n8n",
        about: "n8n under a rotatable key: the key id, a colon, base64",
        key: KeyRule::InstanceKey,
        form: Form::N8n,
    },
];

impl Layout {
    /// Returns the names of the columns in a row of the imported file.
    #[must_use]
    pub fn columns(&self) -> &'static [&'static str] {
        match self.form {
            Form::Text(_) | Form::LiteLlm(_) | Form::Cloak(_) | Form::N8n => &["value"],
            Form::Columns(_) => &["ciphertext", "iv", "tag"],
            Form::Joined { .. } => &["ciphertext", "iv"],
            Form::Envelope(_) => &["ciphertext", "iv", "wrapped_key", "wrapped_key_iv"],
        }
    }
}

impl KeyRule {
    /// Returns what the variable of `--key-env` must hold.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Declared => "as `--key-as` says",
            Self::Fixed(KeyAs::Hex) => "hex",
            Self::Fixed(KeyAs::Base64) => "base64",
            Self::Fixed(KeyAs::Raw) => "32 characters, used as they are",
            Self::Fixed(KeyAs::Sha256) => "any text, hashed with SHA-256",
            Self::SaltKey(Version::V2) => "the salt key, hashed with SHA-256",
            Self::SaltKey(_) => "the salt key, which goes into HKDF",
            Self::InstanceKey => "the instance key, with `--wrapped-key-env`",
        }
    }
}

impl KeyRule {
    /// Returns whether the key is only as strong as its text, given the value of `--key-as`.
    #[must_use]
    pub fn is_made_of_text(self, key_as: Option<KeyAs>) -> bool {
        match self {
            Self::Declared => key_as.is_some_and(KeyAs::is_text),
            Self::Fixed(how) => how.is_text(),
            Self::SaltKey(_) | Self::InstanceKey => true,
        }
    }
}

impl KeyAs {
    fn is_text(self) -> bool {
        matches!(self, Self::Raw | Self::Sha256)
    }
}

impl ValueEnum for Layout {
    fn value_variants<'a>() -> &'a [Self] {
        &LAYOUTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let columns = self.columns().join(", ");
        Some(PossibleValue::new(self.name).help(format!("{} [{columns}]", self.about)))
    }
}
