//! The kinds of rows that have a name.

use crate::declaration::{Declaration, DeclarationError};

/// A name for the declaration of well-known rows.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What the rows are.
    pub about: &'static str,
    /// The declaration, as text.
    pub text: &'static str,
}

impl Named {
    /// Returns the entry of the catalogue with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|named| named.name == name)
    }

    /// Parses the declaration.
    ///
    /// # Errors
    /// Returns an error for an entry outside of [`CATALOGUE`] whose text is not a declaration.
    pub fn declaration(&self) -> Result<Declaration, DeclarationError> {
        self.text.parse()
    }
}

/// Every kind of row with a name.
pub static CATALOGUE: [Named; 28] = [
    Named {
        name: "hex-iv16-tag-ct",
        about: "hex iv:tag:ciphertext, with an IV of 16 bytes",
        text: "cell value = {iv16:hex}:{tag:hex}:{ct:hex}",
    },
    Named {
        name: "hex-iv12-tag-ct",
        about: "hex iv:tag:ciphertext, with an IV of 12 bytes",
        text: "cell value = {iv12:hex}:{tag:hex}:{ct:hex}",
    },
    Named {
        name: "hex-iv12-ct-tag",
        about: "hex iv:ciphertext:tag, with an IV of 12 bytes",
        text: "cell value = {iv12:hex}:{ct:hex}:{tag:hex}",
    },
    Named {
        name: "hex-iv16-ct-tag",
        about: "hex iv:ciphertext:tag, with an IV of 16 bytes",
        text: "cell value = {iv16:hex}:{ct:hex}:{tag:hex}",
    },
    Named {
        name: "lobechat",
        about: "LobeChat: hex iv:tag:ciphertext, with an IV of 12 bytes",
        text: "cell value = {iv12:hex}:{tag:hex}:{ct:hex}
               key as base64",
    },
    Named {
        name: "langfuse",
        about: "Langfuse: hex iv:ciphertext:tag, with an IV of 12 bytes",
        text: "cell value = {iv12:hex}:{ct:hex}:{tag:hex}
               key as hex",
    },
    Named {
        name: "langwatch",
        about: "LangWatch: hex iv:ciphertext:tag, with an IV of 12 bytes",
        text: "cell value = {iv12:hex}:{ct:hex}:{tag:hex}
               key as hex",
    },
    Named {
        name: "formbricks",
        about: "Formbricks: hex iv:ciphertext:tag, with an IV of 16 bytes; the key is raw, or hex if it \
                has 64 digits",
        text: "cell value = {iv16:hex}:{ct:hex}:{tag:hex}",
    },
    Named {
        name: "columns-base64",
        about: "three columns of base64",
        text: "cell ciphertext = {ct:base64}
               cell iv = {iv:base64}
               cell tag = {tag:base64}",
    },
    Named {
        name: "columns-hex",
        about: "three columns of lowercase hex",
        text: "cell ciphertext = {ct:hex}
               cell iv = {iv:hex}
               cell tag = {tag:hex}",
    },
    Named {
        name: "infisical",
        about: "Infisical's older secrets: three columns of base64; the key is ENCRYPTION_KEY, or \
                ROOT_ENCRYPTION_KEY in base64",
        text: "cell ciphertext = {ct:base64}
               cell iv = {iv:base64}
               cell tag = {tag:base64}
               key as raw",
    },
    Named {
        name: "webcrypto-base64",
        about: "two columns of base64, with the tag at the end of the ciphertext",
        text: "cell ciphertext = {ct+tag:base64}
               cell iv = {iv:base64}",
    },
    Named {
        name: "webcrypto-hex",
        about: "two columns of lowercase hex, with the tag at the end of the ciphertext",
        text: "cell ciphertext = {ct+tag:hex}
               cell iv = {iv:hex}",
    },
    Named {
        name: "typebot",
        about: "Typebot: IV in hex, ciphertext and tag in base64",
        text: "cell ciphertext = {ct+tag:base64}
               cell iv = {iv:hex}
               key as raw",
    },
    Named {
        name: "envelope-base64",
        about: "four columns of base64: the row under its own key, and that key wrapped",
        text: "cell ciphertext = {ct+tag:base64}
               cell iv = {iv:base64}
               cell wrapped_key = {wrapped-key+wrapped-tag:base64}
               cell wrapped_key_iv = {wrapped-iv:base64}",
    },
    Named {
        name: "envelope-hex",
        about: "four columns of lowercase hex: the row under its own key, and that key wrapped",
        text: "cell ciphertext = {ct+tag:hex}
               cell iv = {iv:hex}
               cell wrapped_key = {wrapped-key+wrapped-tag:hex}
               cell wrapped_key_iv = {wrapped-iv:hex}",
    },
    Named {
        name: "litellm-v2",
        about: "LiteLLM: v2:gcm: and base64url",
        text: "cell value = v2:gcm:{iv12+ct+tag:base64url-padded}
               key as sha256",
    },
    Named {
        name: "litellm-v3",
        about: "LiteLLM: v3:gcm: and base64url",
        text: "cell value = v3:gcm:{iv12+ct+tag:base64url-padded}
               key as litellm-v3",
    },
    Named {
        name: "sqlalchemy-utils",
        about: "SQLAlchemy-Utils with AesGcmEngine: base64 of IV, tag, ciphertext",
        text: "cell value = {iv12+tag+ct:base64}
               key as sha256",
    },
    Named {
        name: "cloak-iv16",
        about: "Elixir's Cloak, AES.GCM: the bytes in hex, with or without \\x; an IV of 16 bytes",
        text: "cell value = [\\x]{0x010a+\"AES.GCM.V1\"+iv16+tag+ct:hex-any-case}
               bound to AES256GCM
               key as base64",
    },
    Named {
        name: "cloak-iv12",
        about: "the same, configured with iv_length: 12",
        text: "cell value = [\\x]{0x010a+\"AES.GCM.V1\"+iv12+tag+ct:hex-any-case}
               bound to AES256GCM
               key as base64",
    },
    Named {
        name: "n8n",
        about: "n8n under a rotatable key: the key id, a colon, base64",
        text: "cell value = {n8n}
               key as n8n",
    },
    Named {
        name: "rails",
        about: "Rails Active Record Encryption: the column's JSON; the key in hex, as its KeyProvider \
                derives it",
        text: "cell value.p = {ct:base64}
               cell value.h.iv = {iv12:base64}
               cell value.h.at = {tag:base64}
               without value.h.c because Rails compressed the text, as it does above 140 bytes
               without value.h.k because the row has its own key: see rails-envelope
               key as hex",
    },
    Named {
        name: "rails-envelope",
        about: "the same with EnvelopeEncryptionKeyProvider: each row has its own key, wrapped",
        text: "cell value.p = {ct:base64}
               cell value.h.iv = {iv12:base64}
               cell value.h.at = {tag:base64}
               cell value.h.k.p = {wrapped-key:base64}
               cell value.h.k.h.iv = {wrapped-iv12:base64}
               cell value.h.k.h.at = {wrapped-tag:base64}
               without value.h.c because Rails compressed the text, as it does above 140 bytes
               key as hex",
    },
    Named {
        name: "go",
        about: "Go's gcm.Seal(nonce, nonce, plaintext, nil): base64 of IV, ciphertext, tag",
        text: "cell value = {iv12+ct+tag:base64}",
    },
    Named {
        name: "java",
        about: "Java's AES/GCM/NoPadding behind its IV: base64 of IV, ciphertext, tag",
        text: "cell value = {iv12+ct+tag:base64}",
    },
    Named {
        name: "php",
        about: "PHP's openssl_encrypt: base64 of IV, tag, ciphertext",
        text: "cell value = {iv12+tag+ct:base64}",
    },
    Named {
        name: "bytes",
        about: "one column of bytes, or an array of numbers: IV, ciphertext, tag",
        text: "cell value = {iv12+ct+tag:bytes}",
    },
];
