//! A master key held in memory, and how it wraps data keys.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::cipher::{self, Prf};
use crate::format::sizes::{KEY_LEN, LOCAL_BODY_LEN};
use crate::format::surrounding::Surrounding;
use crate::keys::binding::Binding;
use crate::keys::provider_error::ProviderErrorKind;
use crate::secret::Secret;
use crate::secret::key_bytes::{KeyError, is_weak, take_key_bytes};
use crate::secret::wiping::Wiped;
use crate::secret::wiping::wipe_stack_after;

/// The prefix of a master key's text, by which secret scanners find a leaked key: `swk1_[A-Za-z0-9_-]{48}`.
pub(super) const TEXT_PREFIX: &str = "swk1_";
pub(super) const CHECK_LEN: usize = 4;
/// Bytes of a key and its checksum, which are whole base64 groups of three bytes.
const CHECKED_LEN: usize = KEY_LEN + CHECK_LEN;
/// Characters of a key and its checksum, after the prefix.
const ENCODED_LEN: usize = 48;
/// The label that is hashed with a key to give its checksum.
const KEY_LABEL: &[u8] = b"sw1/key";
/// The same label for a test key.
const TEST_KEY_LABEL: &[u8] = b"swkt1/key";
/// Bytes of an opening key, the longest key whose text is short enough for a key id.
const OPENING_KEY_LEN: usize = 64;
/// Bytes of an opening key and its checksum.
const LONGEST_CHECKED_LEN: usize = 68;
const _: () = assert!(OPENING_KEY_LEN + CHECK_LEN == LONGEST_CHECKED_LEN, "a key and its checksum");
/// Bytes of the salt in a wrap.
const SALT_LEN: usize = 24;

/// A master key held in memory: 32 bytes from a CSPRNG, wiped when dropped.
///
/// A master key wraps data keys and must not be used for anything else. Do not reuse the key of another format, and do
/// not hash a text to make one. No service can reach the limit on how many data keys one master key wraps: two wraps
/// are unlikely to have the same salt before there are 2^96 of them.
///
/// ```
/// use sealwax::MasterKey;
///
/// let key = MasterKey::generate()?;
/// let text = key.to_text(); // swk1_…, for the environment of a service
/// assert_eq!(text.len(), 53);
/// assert_eq!(format!("{key:?}"), "MasterKey([REDACTED])");
/// # Ok::<(), sealwax::KeyError>(())
/// ```
///
/// ```compile_fail,E0599
/// # fn f(key: &sealwax::MasterKey) {
/// let copy: sealwax::MasterKey = key.clone();
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # fn f(key: &sealwax::MasterKey) {
/// println!("{key}");
/// # }
/// ```
// On the heap, so that moving the master key moves a pointer and leaves no copy behind.
pub struct MasterKey(Box<Material>);

struct Material {
    key: Wiped<KEY_LEN>,
    prf: Prf,
    check: [u8; CHECK_LEN],
}

impl MasterKey {
    /// Generates a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_with_rng(&mut getrandom::SysRng)
    }

    /// Generates a key from `rng`, in one call for 32 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Random`] if `rng` fails, or returns one repeated byte.
    pub fn generate_with_rng(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        wipe_stack_after(|| {
            let mut bytes = Wiped::<KEY_LEN>::zeroed();
            rng.try_fill_bytes(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
            Self::take(bytes.as_mut_slice()).map_err(|_| KeyError::Random)
        })
    }

    /// Takes a key out of a buffer, and wipes the buffer even if this fails.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Length`] if the buffer is not exactly 32 bytes long, and [`KeyError::Weak`] if it holds
    /// one repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        wipe_stack_after(|| Self::take(bytes))
    }

    fn take(bytes: &mut [u8]) -> Result<Self, KeyError> {
        let mut key = Wiped::zeroed();
        take_key_bytes(bytes, &mut key)?;
        let prf = Prf::new(&key);
        // check = expand(master, "sw1/check", 4)
        let check = *prf.expand(&[b"sw1/check"]);
        Ok(Self(Box::new(Material { key, prf, check })))
    }

    /// Returns the key as text: `swk1_` and 48 characters of base64url.
    ///
    /// swk1_ base64url( key(32) ‖ first 4 bytes of SHA-256("sw1/key" ‖ key) )
    #[must_use]
    #[expect(clippy::expect_used, reason = "a default would lose the key")]
    #[expect(clippy::missing_panics_doc, reason = "the buffer has the encoded length")]
    pub fn to_text(&self) -> Secret {
        wipe_stack_after(|| {
            let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
            let (key, check) = bytes.split_at_mut(KEY_LEN);
            key.copy_from_slice(self.0.key.as_slice());
            check.copy_from_slice(&checksum(KEY_LABEL, self.0.key.as_slice()));
            let mut encoded = Zeroizing::new([0; ENCODED_LEN]);
            let encoded = Base64UrlUnpadded::encode(&*bytes, &mut *encoded)
                .expect("the buffer has the encoded length");
            let mut text = String::with_capacity(const { TEXT_PREFIX.len() + ENCODED_LEN });
            text.push_str(TEXT_PREFIX);
            text.push_str(encoded);
            Secret::from(text)
        })
    }

    /// Returns four public bytes that are derived from the key and are in every wrap it makes.
    ///
    /// They distinguish two keys under one id.
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_LEN] {
        self.0.check
    }

    /// Returns whether both are the same key, in constant time.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        cipher::is_equal(&self.0.key, &other.0.key)
    }

    // bind = 0x01 (format version) ‖ suite ‖ len8(key_id) ‖ commitment
    // salt = expand(master, "sw1/salt" ‖ bind ‖ DEK, 24)
    // pad  = expand(master, "sw1/wrap" ‖ salt, 32)
    // body = check(4) ‖ salt(24) ‖ (DEK xor pad)(32)
    //
    // Deterministic authenticated encryption: the SIV construction of Rogaway and Shrimpton (2006),
    // with HMAC-SHA-256 as the PRF and as a keystream of one block. The salt is the tag.
    pub(super) fn wrap(
        &self,
        binding: &Binding<'_>,
        data_key: &[u8; KEY_LEN],
    ) -> [u8; LOCAL_BODY_LEN] {
        let salt = self.salt(binding, data_key);
        let pad = self.pad(&salt);
        let mut body = [0; LOCAL_BODY_LEN];
        let (check, rest) = body.split_at_mut(CHECK_LEN);
        check.copy_from_slice(&self.0.check);
        let (place, wrapped) = rest.split_at_mut(SALT_LEN);
        place.copy_from_slice(salt.as_slice());
        wrapped.copy_from_slice(data_key);
        wrapped.iter_mut().zip(pad.iter()).for_each(|(byte, pad)| *byte ^= pad);
        body
    }

    /// Unwraps into `data_key`, which is unchanged or zeroed if this fails.
    pub(super) fn unwrap(
        &self,
        binding: &Binding<'_>,
        body: &[u8],
        data_key: &mut [u8; KEY_LEN],
    ) -> Result<(), ProviderErrorKind> {
        let body = LocalBody::split(body).ok_or(ProviderErrorKind::Rejected)?;
        if body.check != &self.0.check {
            return Err(ProviderErrorKind::WrongKeyMaterial);
        }
        data_key.copy_from_slice(body.wrapped);
        data_key.iter_mut().zip(self.pad(body.salt).iter()).for_each(|(byte, pad)| *byte ^= pad);
        // Only this check detects an altered wrap: flipping a bit of the wrapped key flips a bit of the data key.
        let is_authentic = cipher::is_equal(&self.salt(binding, data_key), body.salt);
        if !is_authentic || is_weak(data_key) {
            data_key.zeroize();
            return Err(ProviderErrorKind::Rejected);
        }
        Ok(())
    }

    /// Returns whether this key made the body, judging by the check value in it.
    pub(super) fn made(&self, body: &[u8]) -> bool {
        LocalBody::split(body).is_some_and(|body| body.check == &self.0.check)
    }

    fn salt(&self, binding: &Binding<'_>, data_key: &[u8; KEY_LEN]) -> Wiped<SALT_LEN> {
        let [head, key_id, commitment] = binding.parts();
        self.0.prf.expand(&[b"sw1/salt", head, key_id, commitment, data_key])
    }

    fn pad(&self, salt: &[u8; SALT_LEN]) -> Wiped<KEY_LEN> {
        self.0.prf.expand(&[b"sw1/wrap", salt])
    }
}

/// The parts of a local body: check(4) ‖ salt(24) ‖ wrapped data key(32).
struct LocalBody<'a> {
    check: &'a [u8; CHECK_LEN],
    salt: &'a [u8; SALT_LEN],
    wrapped: &'a [u8; KEY_LEN],
}

const _: () = assert!(CHECK_LEN + SALT_LEN + KEY_LEN == LOCAL_BODY_LEN, "the parts of a body");

impl<'a> LocalBody<'a> {
    fn split(body: &'a [u8]) -> Option<Self> {
        let (check, rest) = body.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let wrapped = rest.try_into().ok()?;
        Some(Self { check, salt, wrapped })
    }
}

/// Returns whether a text is a master key, a test key or an opening key without its prefix.
///
/// A key in the place of an id must not become an id, because ids are printed.
pub(super) fn is_bare_key(text: &str) -> bool {
    wipe_stack_after(|| {
        let mut bytes = Zeroizing::new([0; LONGEST_CHECKED_LEN]);
        let Ok(decoded) = Base64UrlUnpadded::decode(text, &mut *bytes) else { return false };
        let Some((key, found)) = decoded.split_last_chunk::<CHECK_LEN>() else { return false };
        let is_checked = |label: &[u8]| found.ct_eq(&checksum(label, key)).into();
        match key.len() {
            KEY_LEN => is_checked(KEY_LABEL) || is_checked(TEST_KEY_LABEL),
            OPENING_KEY_LEN => is_checked(KEY_LABEL),
            _ => false,
        }
    })
}

/// Returns the first bytes of SHA-256(label ‖ key), which follow a key in its text.
fn checksum(label: &[u8], key: &[u8]) -> [u8; CHECK_LEN] {
    let [a, b, c, d, ..] = cipher::sha256(&[label, key]);
    [a, b, c, d]
}

impl FromStr for MasterKey {
    type Err = KeyError;

    /// Parses `swk1_` and 48 characters of base64url.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after(|| {
            let surrounded = |surrounding| KeyError::Surrounded { surrounding };
            let Some(encoded) = text.strip_prefix(TEXT_PREFIX) else {
                if text.len() == ENCODED_LEN {
                    // This may be a key without its prefix, so its characters are not inspected.
                    return Err(KeyError::Malformed);
                }
                let found = Surrounding::of(text, &[TEXT_PREFIX]);
                return Err(found.map_or(KeyError::Malformed, surrounded));
            };
            // Only what follows the key is inspected here, not the characters of the key.
            let after = encoded.get(ENCODED_LEN..).and_then(Surrounding::after);
            if let Some(by) = after {
                return Err(surrounded(by));
            }
            let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
            let decoded =
                Base64UrlUnpadded::decode(encoded, &mut *bytes).map_err(|_| KeyError::Malformed)?;
            let (key, found) = decoded.split_first_chunk::<KEY_LEN>().ok_or(KeyError::Malformed)?;
            if found.len() != CHECK_LEN {
                return Err(KeyError::Malformed);
            }
            if !bool::from(found.ct_eq(&checksum(KEY_LABEL, key))) {
                return Err(KeyError::Checksum);
            }
            let mut key = Zeroizing::new(*key);
            Self::take(key.as_mut_slice())
        })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("MasterKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::{Binding, CHECK_LEN, LOCAL_BODY_LEN, MasterKey, ProviderErrorKind};
    use crate::format::sizes::KEY_LEN;
    use crate::format::suite::Suite;

    /// The caller would go on with whatever is left in its buffer.
    #[test]
    fn a_wrap_that_fails_leaves_nothing_of_what_it_held() {
        let counting =
            |first: u8| core::array::from_fn(|i| first.wrapping_add(i.try_into().unwrap()));
        let key = MasterKey::from_bytes(&mut counting(1)).unwrap();
        let (key_id, data_key) = ("prod".parse().unwrap(), counting(0x80));
        let binding = Binding::new(&key_id, Suite::Aes256Gcm, &[7; 32]);
        let unwrap = |body: &[u8]| {
            let mut buffer = [0xee; KEY_LEN];
            let unwrapped = key.unwrap(&binding, body, &mut buffer);
            (unwrapped, buffer)
        };
        let whole = key.wrap(&binding, &data_key);
        assert_eq!(unwrap(&whole), (Ok(()), data_key));
        for bit in 0..8 * LOCAL_BODY_LEN {
            let mut altered = whole;
            let byte = altered.get_mut(bit / 8).unwrap();
            *byte ^= 1 << (bit % 8);
            let expected = if bit < 8 * CHECK_LEN {
                (Err(ProviderErrorKind::WrongKeyMaterial), [0xee; KEY_LEN])
            } else {
                (Err(ProviderErrorKind::Rejected), [0; KEY_LEN])
            };
            assert_eq!(unwrap(&altered), expected, "bit {bit}");
        }
        let short = whole.split_last().unwrap().1;
        assert_eq!(unwrap(short), (Err(ProviderErrorKind::Rejected), [0xee; KEY_LEN]));
        // Wrapped correctly, but refused because the data key is weak.
        let weak = key.wrap(&binding, &[0xa5; KEY_LEN]);
        assert_eq!(unwrap(&weak), (Err(ProviderErrorKind::Rejected), [0; KEY_LEN]));
    }
}
