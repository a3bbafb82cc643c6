//! iv:tag:ciphertext: the rows that exist, read and written.
//!
//! What most services that keep their customers' keys write today: AES-256-GCM under one key, an iv,
//! a tag and a ciphertext, in one text column or in several. This module reads such rows, strictly, and
//! writes them for readers that still need them. It is a way over, not a place to stay: a triplet has
//! no context, so that a row moved to another tenant opens there, no key id and no commitment.
//!
//! ```
//! use sealwax::triplet::{Layout, Triplet, TripletKey};
//! use sealwax::{EncryptionContext, Keyring, MasterKey};
//!
//! // As the service keeps it today: a key in hex, and a row `iv:tag:ciphertext`.
//! let key = TripletKey::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
//! let row = "202122232425262728292a2b:d24d016545b3721849931630bb056eca:a1518b41";
//! let triplet = Triplet::parse(row, Layout::HEX_IV12_TAG_CIPHERTEXT)?;
//!
//! // Over to an envelope. The plaintext is a `Secret` all the way.
//! let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
//! let context = EncryptionContext::new([("tenant", "acme"), ("provider", "openai")])?;
//! let envelope = keyring.seal(&key.decrypt(&triplet)?, &context)?;
//! # assert_eq!(keyring.open(&envelope, &context)?.expose_str()?, "sk-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The layout is declared, never guessed. The tag has 16 bytes, which is checked before a key is
//! touched: readers that take shorter tags, as Node's `crypto` does unless told otherwise, accept
//! forged rows. [`crate::legacy`] has formats that take more than a layout, [`crate::docs::legacy`]
//! the rows of well-known services and the order of steps.

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

/// Bytes of the iv of a triplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IvLen {
    /// 12 bytes: the length that AES-GCM is made for (SP 800-38D §5.2.1.1).
    Twelve,
    /// 16 bytes: what `randomBytes(16)` gives to services that took a habit over from CBC. It goes
    /// through GHASH to the first counter block (SP 800-38D §7.1), as in Node and OpenSSL.
    Sixteen,
}

impl IvLen {
    /// As a number.
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

/// An iv of 12 or 16 bytes, a tag of 16, and a ciphertext of at most 16 MiB. All of it is public.
///
/// Parsed from one text by a [`Layout`], or put together from columns. That nobody altered it is
/// what [`TripletKey::decrypt`] tells.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Triplet {
    iv: Iv,
    tag: [u8; TAG_LEN],
    ciphertext: Vec<u8>,
}

impl Triplet {
    /// From three columns of bytes.
    ///
    /// # Errors
    ///
    /// [`TripletError::Malformed`] where the iv is not 12 or 16 bytes long, the tag not 16, or the
    /// ciphertext is longer than 16,777,216.
    pub fn from_parts(iv: &[u8], tag: &[u8], ciphertext: &[u8]) -> Result<Self, TripletError> {
        let iv = Iv::new(iv).ok_or(TripletError::malformed(Field::Iv, IV_EXPECTED, 0))?;
        let tag =
            tag.try_into().map_err(|_| TripletError::malformed(Field::Tag, TAG_EXPECTED, 0))?;
        // Before it is copied.
        check_ciphertext(ciphertext)?;
        Self::new(iv, tag, ciphertext.to_vec())
    }

    /// Of a ciphertext that need not be copied.
    pub(crate) fn new(
        iv: Iv,
        tag: [u8; TAG_LEN],
        ciphertext: Vec<u8>,
    ) -> Result<Self, TripletError> {
        check_ciphertext(&ciphertext)?;
        Ok(Self { iv, tag, ciphertext })
    }

    /// From two columns of bytes, the tag at the end of the second: what WebCrypto's `encrypt`
    /// answers, and Go's, Java's and Python's AES-GCM.
    ///
    /// # Errors
    ///
    /// As [`from_parts`](Self::from_parts); the second column has at least 16 bytes.
    pub fn from_joined_parts(iv: &[u8], ciphertext_and_tag: &[u8]) -> Result<Self, TripletError> {
        let (ciphertext, tag) = ciphertext_and_tag
            .split_last_chunk::<TAG_LEN>()
            .ok_or(TripletError::malformed(Field::Tag, TAG_EXPECTED, 0))?;
        Self::from_parts(iv, tag, ciphertext)
    }

    /// The iv: 12 or 16 bytes.
    #[must_use]
    pub fn iv(&self) -> &[u8] {
        self.iv.as_slice()
    }

    /// The length of the iv.
    #[must_use]
    pub fn iv_len(&self) -> IvLen {
        self.iv.len()
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &[u8; TAG_LEN] {
        &self.tag
    }

    /// The ciphertext: as long as the plaintext.
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

/// Why a row that others wrote was not read, or why none was written.
///
/// Malformed is told before a key is touched. No variant holds a byte of the row: what does not
/// parse may well be a credential that somebody stored in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TripletError {
    /// A part is missing, of the wrong length, or out of its alphabet.
    #[error("{field} at byte {offset}: expected {expected}{}", Hint(*surrounding))]
    #[non_exhaustive]
    Malformed {
        /// The part.
        field: Field,
        /// What the layout asks for.
        expected: &'static str,
        /// Bytes from the start of the text, or of the column, to the start of the part.
        offset: usize,
        /// What stands around it, where something does that may be taken away.
        surrounding: Option<Surrounding>,
    },
    /// A layout that no row can have, or not the one that is to be written: a part named twice, a separator out of
    /// the encoding's alphabet, an iv of another length. A mistake in the program, not in the row.
    #[error("the row cannot have this layout: {problem}")]
    #[non_exhaustive]
    Layout {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The tag does not verify: another key, another layout, or a row that was altered.
    #[error("not authentic: another key, another layout, or the row was altered")]
    NotAuthentic,
    /// The row opened, and what is in it is not the key it was said to be.
    #[error("what was unwrapped is not a key")]
    #[non_exhaustive]
    Key {
        /// What it is instead.
        source: KeyError,
    },
    /// More than 16 MiB (16,777,216 bytes) to encrypt.
    #[error("a credential of more than 16777216 bytes")]
    TooLong,
    /// The randomness source failed, or answered zeros.
    #[error("the randomness source failed")]
    Random,
}

impl TripletError {
    pub(crate) const fn malformed(field: Field, expected: &'static str, offset: usize) -> Self {
        Self::Malformed { field, expected, offset, surrounding: None }
    }

    /// The same fault of a text around which something may stand.
    #[cold]
    pub(crate) fn of_text(self, text: &str) -> Self {
        match self {
            Self::Malformed { field, expected, offset, surrounding: None } => {
                let surrounding = Surrounding::of(text, &[]);
                Self::Malformed { field, expected, offset, surrounding }
            }
            told => told,
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

    /// The same fault, seen from a text in which the part starts at `offset`.
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
