//! Reads and writes the `iv:tag:ciphertext` rows that services already have.
//!
//! Most services that keep their customers' keys write such rows today: AES-256-GCM under one key, with
//! an IV, a tag and a ciphertext in one text column or in several. This module parses them strictly, and
//! writes them for readers that still need them. It is a migration path, not a destination: a triplet
//! has no key id, no commitment and no context, so a row that was moved to another tenant opens there.
//!
//! ```
//! use sealwax::triplet::{Layout, Triplet, TripletKey};
//! use sealwax::{EncryptionContext, Keyring, MasterKey};
//!
//! // What the service has today: a key in hex, and a row `iv:tag:ciphertext`.
//! let key = TripletKey::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
//! let row = "202122232425262728292a2b:d24d016545b3721849931630bb056eca:a1518b41";
//! let triplet = Triplet::parse(row, Layout::HEX_IV12_TAG_CIPHERTEXT)?;
//!
//! // Move it into an envelope. The plaintext is a `Secret` all the way.
//! let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
//! let context = EncryptionContext::new([("tenant", "acme"), ("provider", "openai")])?;
//! let envelope = keyring.seal(&key.decrypt(&triplet)?, &context)?;
//! # assert_eq!(keyring.open(&envelope, &context)?.expose_str()?, "sk-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! You declare the layout; it is never guessed. A tag must have 16 bytes, which is checked before a
//! key is used: readers that accept shorter tags, as Node's `crypto` does by default, accept forged
//! rows. [`crate::legacy`] has the formats that need more than a layout, and [`crate::docs::legacy`]
//! the rows of well-known services and the migration steps.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::cipher::LONG_IV_LEN;
use crate::format::error::Field;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::sizes::{IV_LEN, MAX_PLAINTEXT_LEN, TAG_LEN};
use crate::format::surrounding::{Hint, Surrounding};
use crate::secret::key_bytes::KeyError;

mod encoding;
mod key;
mod layout;

pub use encoding::Encoding;
pub use key::TripletKey;
pub(crate) use key::draw;
pub use layout::{Layout, Part};

/// The length of a triplet's IV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IvLen {
    /// 12 bytes, the length that AES-GCM is designed for (SP 800-38D §5.2.1.1).
    Twelve,
    /// 16 bytes, from `randomBytes(16)` in services that kept a habit from CBC.
    ///
    /// GHASH turns such an IV into the first counter block (SP 800-38D §7.1), as in Node and OpenSSL.
    Sixteen,
}

impl IvLen {
    /// Returns the length in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Twelve => IV_LEN,
            Self::Sixteen => LONG_IV_LEN,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Iv {
    Twelve([u8; IV_LEN]),
    Sixteen([u8; LONG_IV_LEN]),
}

impl Iv {
    fn new(iv: &[u8]) -> Option<Self> {
        let twelve = iv.try_into().map(Self::Twelve);
        twelve.or_else(|_| iv.try_into().map(Self::Sixteen)).ok()
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Twelve(iv) => iv,
            Self::Sixteen(iv) => iv,
        }
    }

    fn len(&self) -> IvLen {
        match self {
            Self::Twelve(_) => IvLen::Twelve,
            Self::Sixteen(_) => IvLen::Sixteen,
        }
    }
}

const IV_EXPECTED: &str = "12 or 16 bytes";
const TAG_EXPECTED: &str = "16 bytes";
const CIPHERTEXT_EXPECTED: &str = "0 to 16777216 bytes";

/// An IV of 12 or 16 bytes, a tag of 16 bytes, and a ciphertext of at most 16 MiB.
///
/// All of it is public. Parse a triplet from one text with a [`Layout`], or assemble it from columns.
/// Only [`TripletKey::decrypt`] shows that nobody altered it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Triplet {
    iv: Iv,
    tag: [u8; TAG_LEN],
    ciphertext: Vec<u8>,
}

impl Triplet {
    /// Assembles a triplet from three columns of bytes.
    ///
    /// # Errors
    ///
    /// [`TripletError::Malformed`] if the IV is not 12 or 16 bytes long, the tag is not 16 bytes long,
    /// or the ciphertext is longer than 16,777,216 bytes.
    pub fn from_parts(iv: &[u8], tag: &[u8], ciphertext: &[u8]) -> Result<Self, TripletError> {
        let iv = Iv::new(iv).ok_or(TripletError::malformed(Field::Iv, IV_EXPECTED, 0))?;
        let tag =
            tag.try_into().map_err(|_| TripletError::malformed(Field::Tag, TAG_EXPECTED, 0))?;
        // Checked before the copy.
        check_ciphertext(ciphertext)?;
        Self::new(iv, tag, ciphertext.to_vec())
    }

    /// Assembles a triplet without copying the ciphertext.
    pub(crate) fn new(
        iv: Iv,
        tag: [u8; TAG_LEN],
        ciphertext: Vec<u8>,
    ) -> Result<Self, TripletError> {
        check_ciphertext(&ciphertext)?;
        Ok(Self { iv, tag, ciphertext })
    }

    /// Assembles a triplet from two columns of bytes, with the tag at the end of the second.
    ///
    /// The second column is what WebCrypto's `encrypt` and AES-GCM in Go, Java and Python return.
    ///
    /// # Errors
    ///
    /// The same as [`from_parts`](Self::from_parts), and [`TripletError::Malformed`] if the second
    /// column has fewer than 16 bytes.
    pub fn from_joined_parts(iv: &[u8], ciphertext_and_tag: &[u8]) -> Result<Self, TripletError> {
        let (ciphertext, tag) = ciphertext_and_tag
            .split_last_chunk::<TAG_LEN>()
            .ok_or(TripletError::malformed(Field::Tag, TAG_EXPECTED, 0))?;
        Self::from_parts(iv, tag, ciphertext)
    }

    /// Returns the IV: 12 or 16 bytes.
    #[must_use]
    pub fn iv(&self) -> &[u8] {
        self.iv.as_slice()
    }

    /// Returns the length of the IV.
    #[must_use]
    pub fn iv_len(&self) -> IvLen {
        self.iv.len()
    }

    /// Returns the tag.
    #[must_use]
    pub fn tag(&self) -> &[u8; TAG_LEN] {
        &self.tag
    }

    /// Returns the ciphertext, which is as long as the plaintext.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

fn check_ciphertext(ciphertext: &[u8]) -> Result<(), TripletError> {
    if ciphertext.len() > MAX_PLAINTEXT_LEN {
        return Err(TripletError::malformed(Field::Ciphertext, CIPHERTEXT_EXPECTED, 0));
    }
    Ok(())
}

impl fmt::Debug for Triplet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iv, tag: _, ciphertext } = self;
        f.debug_struct("Triplet")
            .field("iv_len", &iv.len())
            .field("ciphertext_len", &ciphertext.len())
            .finish_non_exhaustive()
    }
}

/// Why a row of another program could not be read or written.
///
/// A malformed row is detected before a key is used. No variant holds a byte of the row: text that does
/// not parse may be a credential that somebody stored unencrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TripletError {
    /// A part is missing, has the wrong length, or has a character outside its alphabet.
    #[error("invalid {field} at byte {offset}: expected {expected}{}", Hint(*surrounding))]
    #[non_exhaustive]
    Malformed {
        /// The malformed part.
        field: Field,
        /// What the layout requires.
        expected: &'static str,
        /// Where the part starts, in bytes from the start of the text or of the column.
        offset: usize,
        /// What surrounds the text, if there is something that you may be able to remove.
        surrounding: Option<Surrounding>,
    },
    /// No row can have this layout, or the row to be written cannot.
    ///
    /// It names a part twice, its separator is in the encoding's alphabet, or its IV has another length than the
    /// row's. This is a mistake in the program, not in the row.
    #[error("cannot use this layout: {problem}")]
    #[non_exhaustive]
    Layout {
        /// What is wrong with the layout.
        problem: &'static str,
    },
    /// The tag does not verify: wrong key, wrong layout, or an altered row.
    #[error("the tag does not verify: wrong key, wrong layout, or the row was altered")]
    NotAuthentic,
    /// The row opened, but its plaintext is not a key.
    #[error("the unwrapped value is not a key")]
    #[non_exhaustive]
    Key {
        /// Why it is not a key.
        source: KeyError,
    },
    /// The plaintext is longer than 16 MiB (16,777,216 bytes).
    #[error("the credential is longer than 16777216 bytes")]
    TooLong,
    /// The randomness source failed, or returned only zeros.
    #[error("the randomness source failed")]
    Random,
}

impl TripletError {
    pub(crate) const fn malformed(field: Field, expected: &'static str, offset: usize) -> Self {
        Self::Malformed { field, expected, offset, surrounding: None }
    }

    /// Adds a hint about what surrounds the text, if the error has none yet.
    #[cold]
    pub(crate) fn of_text(self, text: &str) -> Self {
        match self {
            Self::Malformed { field, expected, offset, surrounding: None } => {
                let surrounding = Surrounding::of(text, &[]);
                Self::Malformed { field, expected, offset, surrounding }
            }
            other => other,
        }
    }

    const fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Malformed { .. } => ("malformed", ErrorClass::Altered),
            Self::Layout { .. } => ("layout", ErrorClass::Bug),
            Self::NotAuthentic => ("not_authentic", ErrorClass::Altered),
            Self::Key { .. } => ("key", ErrorClass::Altered),
            Self::TooLong => ("too_long", ErrorClass::Refused),
            Self::Random => ("random", ErrorClass::Failed),
        }
    }

    /// Returns the same error for a longer text, in which the part starts at `offset`.
    pub(crate) fn moved_to(self, offset: usize) -> Self {
        match self {
            Self::Malformed { field, expected, surrounding, .. } => {
                Self::Malformed { field, expected, offset, surrounding }
            }
            other => other,
        }
    }
}

error_as_data!(TripletError);
