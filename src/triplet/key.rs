//! The key that encrypts and decrypts triplets.

use alloc::vec;
use core::fmt;

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding as _};
use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use super::{Iv, IvLen, Triplet, TripletError};
use crate::cipher;
use crate::format::error::Field;
use crate::format::sizes::{KEY_LEN, MAX_PLAINTEXT_LEN};
use crate::format::suite::Suite;
use crate::format::surrounding::Surrounding;
use crate::secret::Secret;
use crate::secret::key_bytes::{KeyBytes, KeyError};
use crate::secret::wiping::wipe_stack_after_row;

/// Replaces the error with a hint about what surrounds a text that is longer than a key.
///
/// A text that is no longer than a key is not examined, because it may be a key. No hint is given that a key's own
/// characters could cause.
fn or_surrounding(error: KeyError, text: &str, key_len: usize) -> KeyError {
    if text.len() <= key_len {
        return error;
    }
    let has_key_behind = || text.split_once('=').is_some_and(|(_, key)| key.len() >= key_len);
    match Surrounding::of(text, &[]) {
        None | Some(Surrounding::Path) => error,
        Some(Surrounding::Assignment) if !has_key_behind() => error,
        Some(surrounding) => KeyError::Surrounded { surrounding },
    }
}

// The lengths of a key in hex, and in base64 with padding.
const HEX_KEY_LEN: usize = 64;
const BASE64_KEY_LEN: usize = 44;

/// The AES-256 key of a service's own rows: 32 bytes, wiped when dropped.
///
/// One key encrypts all rows under random IVs, which limits their number to 2^32 (SP 800-38D §8.3).
/// Do not also use it as a master key in a keyring: one key for one purpose.
///
/// ```
/// use sealwax::triplet::{IvLen, TripletKey};
///
/// let key = TripletKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let triplet = key.encrypt(&"s3cret".into(), IvLen::Sixteen)?;
/// assert_eq!(key.decrypt(&triplet)?.expose_str()?, "s3cret");
/// assert_eq!(format!("{key:?}"), "TripletKey([REDACTED])");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TripletKey(KeyBytes);

impl TripletKey {
    /// Takes a key out of a buffer, and wipes the buffer in every case.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] if there are not exactly 32 bytes, [`KeyError::Weak`] if they are one
    /// repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        wipe_stack_after_row(|| KeyBytes::take(bytes).map(Self))
    }

    /// Parses exactly 64 hex digits of either case.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encoding`] if the text is anything else, [`KeyError::Surrounded`] if something surrounds it,
    /// [`KeyError::Weak`] if the key is one repeated byte.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        Self::from_hex_digits(text.as_bytes())
            .map_err(|error| or_surrounding(error, text, HEX_KEY_LEN))
    }

    /// Parses hex digits given as bytes, because a check for UTF-8 would branch on the key.
    pub(crate) fn from_hex_digits(digits: &[u8]) -> Result<Self, KeyError> {
        wipe_stack_after_row(|| {
            let mut key = KeyBytes::zeroed();
            let decoded = digits.len() == HEX_KEY_LEN
                && base16ct::mixed::decode(digits, key.expose_mut()).is_ok();
            Self::decoded(decoded, key, "64 hex digits")
        })
    }

    /// Parses exactly 44 characters of canonical base64, the last of them `=`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encoding`] if the text is anything else, [`KeyError::Surrounded`] if something surrounds it,
    /// [`KeyError::Weak`] if the key is one repeated byte.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after_row(|| {
            let mut key = KeyBytes::zeroed();
            // A decoder of padded text branches on the last two characters to find the padding, and one
            // of them belongs to the key.
            let unpadded = text.strip_suffix('=').filter(|_| text.len() == BASE64_KEY_LEN);
            let decoded =
                unpadded.is_some_and(|text| Base64Unpadded::decode(text, key.expose_mut()).is_ok());
            Self::decoded(decoded, key, "44 characters of base64, the last of them =")
        })
        .map_err(|error| or_surrounding(error, text, BASE64_KEY_LEN))
    }

    /// Parses exactly 43 characters of canonical base64url, or 44 of which the last is `=`.
    ///
    /// Python's `secrets.token_urlsafe(32)` writes the former, and `Fernet.generate_key()` the latter.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encoding`] if the text is anything else, [`KeyError::Surrounded`] if something surrounds it,
    /// [`KeyError::Weak`] if the key is one repeated byte.
    pub fn from_base64url(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after_row(|| {
            let mut key = KeyBytes::zeroed();
            let is_padded = text.len() == BASE64_KEY_LEN;
            let unpadded = if is_padded { text.strip_suffix('=') } else { Some(text) };
            let decoded = unpadded
                .filter(|text| text.len() == BASE64_KEY_LEN - 1)
                .is_some_and(|text| Base64UrlUnpadded::decode(text, key.expose_mut()).is_ok());
            Self::decoded(decoded, key, "43 characters of base64url, or 44 of which the last is =")
        })
        .map_err(|error| {
            // A text of 44 characters may be a key with its padding, or one without it and a line feed.
            let is_padded = text.len() == BASE64_KEY_LEN && text.ends_with('=');
            or_surrounding(error, text, if is_padded { BASE64_KEY_LEN } else { BASE64_KEY_LEN - 1 })
        })
    }

    fn decoded(decoded: bool, mut key: KeyBytes, expected: &'static str) -> Result<Self, KeyError> {
        if decoded {
            KeyBytes::take(key.expose_mut()).map(Self)
        } else {
            Err(KeyError::Encoding { expected })
        }
    }

    /// Hashes a text with SHA-256, as `createHash('sha256').update(process.env.KEY).digest()` does.
    ///
    /// The text is neither trimmed nor decoded. A hash turns any text into a key of the right length, but
    /// not into a stronger one: if a person chose the text, anyone who stole the database can guess it at
    /// billions of texts per second. Use this only for rows that already exist.
    #[must_use]
    pub fn insecure_sha256_of(text: &str) -> Self {
        wipe_stack_after_row(|| Self::derived(&cipher::sha256(&[text.as_bytes()])))
    }

    /// Repeats one byte 32 times, for a placeholder key that went into production.
    ///
    /// The 64 zeros of an example configuration are such a key. The other constructors reject it. Anyone
    /// can read the rows under it: treat their credentials as leaked.
    #[must_use]
    pub fn insecure_repeated_byte(byte: u8) -> Self {
        Self(KeyBytes::copy_of(&[byte; KEY_LEN]))
    }

    /// Copies the output of a key derivation, which is never one repeated byte.
    pub(crate) fn derived(bytes: &[u8; KEY_LEN]) -> Self {
        Self(KeyBytes::copy_of(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.expose()
    }

    /// Encrypts under a fresh IV, for a reader that still needs such rows.
    ///
    /// The IV comes from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`TripletError::TooLong`] for more than 16 MiB, [`TripletError::Random`] if the randomness source
    /// fails.
    #[cfg(feature = "getrandom")]
    pub fn encrypt(&self, secret: &Secret, iv_len: IvLen) -> Result<Triplet, TripletError> {
        self.encrypt_with_rng(secret, iv_len, &mut getrandom::SysRng)
    }

    /// Encrypts like [`encrypt`](Self::encrypt), and draws the IV from `rng` in one call.
    ///
    /// # Errors
    ///
    /// The same as `encrypt`.
    pub fn encrypt_with_rng(
        &self,
        secret: &Secret,
        iv_len: IvLen,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Triplet, TripletError> {
        self.encrypt_bound_with_rng(secret, iv_len, &[], rng)
    }

    pub(crate) fn encrypt_bound_with_rng(
        &self,
        secret: &Secret,
        iv_len: IvLen,
        associated_data: &[u8],
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Triplet, TripletError> {
        wipe_stack_after_row(|| {
            let iv = match iv_len {
                IvLen::Twelve => Iv::Twelve(draw(rng)?),
                IvLen::Sixteen => Iv::Sixteen(draw(rng)?),
            };
            self.encrypt_bound(secret, iv, associated_data)
        })
    }

    /// Computes AES-256-GCM(key, IV, associated data, plaintext).
    pub(crate) fn encrypt_bound(
        &self,
        secret: &Secret,
        iv: Iv,
        associated_data: &[u8],
    ) -> Result<Triplet, TripletError> {
        if secret.len() > MAX_PLAINTEXT_LEN {
            return Err(TripletError::TooLong);
        }
        let (key, plaintext) = (self.0.expose(), secret.expose_secret());
        let mut ciphertext = vec![0; plaintext.len()];
        let tag = match &iv {
            Iv::Twelve(iv) => {
                let suite = Suite::Aes256Gcm;
                cipher::encrypt(suite, key, iv, associated_data, plaintext, &mut ciphertext)
            }
            Iv::Sixteen(iv) => {
                cipher::encrypt_long_iv(key, iv, associated_data, plaintext, &mut ciphertext)
            }
        }
        .map_err(|_| TripletError::TooLong)?;
        Ok(Triplet { iv, tag, ciphertext })
    }

    /// Decrypts a row.
    ///
    /// # Errors
    ///
    /// [`TripletError::NotAuthentic`] if the tag does not verify.
    pub fn decrypt(&self, triplet: &Triplet) -> Result<Secret, TripletError> {
        self.decrypt_with_associated_data(triplet, &[])
    }

    /// Decrypts a row that is bound to associated data, such as the row's id.
    ///
    /// No method writes such rows, except for [`cloak`](crate::legacy::cloak): a context is a better way to
    /// bind a row.
    ///
    /// # Errors
    ///
    /// [`TripletError::NotAuthentic`] if the tag does not verify.
    pub fn decrypt_with_associated_data(
        &self,
        triplet: &Triplet,
        associated_data: &[u8],
    ) -> Result<Secret, TripletError> {
        wipe_stack_after_row(|| {
            let Triplet { iv, tag, ciphertext } = triplet;
            let key = self.0.expose();
            let mut plaintext = vec![0; ciphertext.len()];
            match iv {
                Iv::Twelve(iv) => {
                    let suite = Suite::Aes256Gcm;
                    cipher::decrypt(
                        suite,
                        key,
                        iv,
                        associated_data,
                        ciphertext,
                        tag,
                        &mut plaintext,
                    )
                }
                Iv::Sixteen(iv) => cipher::decrypt_long_iv(
                    key,
                    iv,
                    associated_data,
                    ciphertext,
                    tag,
                    &mut plaintext,
                ),
            }
            .map_err(|_| TripletError::NotAuthentic)?;
            Ok(Secret::from(plaintext))
        })
    }

    /// Decrypts a row that holds the 32 bytes of another row's key.
    ///
    /// # Errors
    ///
    /// [`TripletError::Malformed`] if the ciphertext is not 32 bytes long and so cannot be a wrapped key,
    /// which is checked before a key is used. [`TripletError::NotAuthentic`] if the tag does not verify,
    /// [`TripletError::Key`] if the plaintext is one repeated byte.
    pub fn unwrap_key(&self, triplet: &Triplet) -> Result<Self, TripletError> {
        if triplet.ciphertext.len() != KEY_LEN {
            let expected = "a wrapped key of 32 bytes";
            return Err(TripletError::malformed(Field::Ciphertext, expected, 0));
        }
        wipe_stack_after_row(|| {
            let mut unwrapped = Zeroizing::new(self.decrypt(triplet)?.expose_secret().to_vec());
            KeyBytes::take(&mut unwrapped).map(Self).map_err(|source| TripletError::Key { source })
        })
    }
}

/// Draws an IV or a salt, and rejects zeros.
///
/// Neither is secret, but nothing may be encrypted with an RNG that left its buffer unwritten: a second
/// row under the same IV reveals both rows.
pub(crate) fn draw<const N: usize>(
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<[u8; N], TripletError> {
    let mut drawn = [0; N];
    rng.try_fill_bytes(&mut drawn).map_err(|_| TripletError::Random)?;
    if drawn == [0; N] { Err(TripletError::Random) } else { Ok(drawn) }
}

impl fmt::Debug for TripletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("TripletKey([REDACTED])")
    }
}
