//! A master key held in memory, and the local wrap.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::answer::Answer;
use super::data_key::DataKey;
use super::provider::{
    Binding, Joined, MasterKeyProvider, ProviderError, ProviderErrorKind, UnwrapRequest,
    WrapRequest,
};
use crate::cipher::{self, Okm, Prf};
use crate::key_bytes::{KeyBytes, KeyError, Wiped, is_weak, take_key_bytes};
use crate::secret::{Secret, wipe_stack_after};
use crate::suite::{IV_LEN, KEY_LEN, Suite, TAG_LEN};
use crate::wrapped_key::{LOCAL_BODY_LEN, WrapKind};

/// What a master key's text starts with, so that secret scanners find a leaked one:
/// `swk1_[A-Za-z0-9_-]{48}`.
pub(super) const TEXT_PREFIX: &str = "swk1_";
const CHECK_LEN: usize = 4;
/// Key and checksum: whole groups of three bytes.
const CHECKED_LEN: usize = KEY_LEN + CHECK_LEN;
/// Their characters, which stand after the prefix.
const ENCODED_LEN: usize = 48;

/// A master key held in memory: 32 bytes from a CSPRNG, wiped when dropped.
///
/// It wraps data keys and is used for nothing else: it must not be the key of another format, nor
/// the hash of a text. It wraps billions of data keys, because each wrap has a key of its own.
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
    /// Draws a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when it fails.
    #[cfg(feature = "getrandom")]
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_with_rng(&mut getrandom::SysRng)
    }

    /// Draws a key from `rng`, in one call of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when it fails, or answers one repeated byte.
    pub fn generate_with_rng(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        wipe_stack_after(|| {
            let mut bytes = Wiped::<KEY_LEN>::zeroed();
            rng.try_fill_bytes(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
            Self::take(bytes.as_mut_slice()).map_err(|_| KeyError::Random)
        })
    }

    /// Takes a key out of a buffer, which is wiped in every case.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] when there are not exactly 32 bytes, [`KeyError::Weak`] when they are
    /// one repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        wipe_stack_after(|| Self::take(bytes))
    }

    fn take(bytes: &mut [u8]) -> Result<Self, KeyError> {
        let mut key = Wiped::zeroed();
        take_key_bytes(bytes, &mut key)?;
        let prf = Prf::new(&key);
        // check = expand(master, "sw1/check", 4)
        let [check] = *prf.expand(&[b"sw1/check"]);
        Ok(Self(Box::new(Material { key, prf, check })))
    }

    /// The key as text: `swk1_` and 48 characters of base64url.
    ///
    /// swk1_ base64url( key(32) ‖ first 4 bytes of SHA-256("sw1/key" ‖ key) )
    #[must_use]
    pub fn to_text(&self) -> Secret {
        wipe_stack_after(|| {
            let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
            for (place, byte) in
                bytes.iter_mut().zip(self.0.key.iter().chain(&checksum(&self.0.key)))
            {
                *place = *byte;
            }
            let mut encoded = Zeroizing::new([0; ENCODED_LEN]);
            let encoded = Base64UrlUnpadded::encode(&*bytes, &mut *encoded).unwrap_or_default();
            let mut text = String::with_capacity(TEXT_PREFIX.len().saturating_add(encoded.len()));
            text.push_str(TEXT_PREFIX);
            text.push_str(encoded);
            Secret::from(text)
        })
    }

    /// Four public bytes derived from the key, in every wrap it makes: two keys under one id are
    /// told apart by them.
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_LEN] {
        self.0.check
    }

    // bind    = 0x01 (format version) ‖ suite ‖ len8(key_id) ‖ commitment
    // salt    = expand(master, "sw1/salt" ‖ bind ‖ DEK, 24)
    // key     = expand(master, "sw1/wrap" ‖ suite ‖ salt, 32)
    // body    = check(4) ‖ salt(24) ‖ AEAD(key, nonce = salt[12..24], associated data = bind, DEK)
    //
    // The salt is synthetic, so that a rewrap draws no randomness and two workers that race write
    // the same bytes. An opener does not recompute it.
    pub(super) fn wrap(
        &self,
        binding: &Binding,
        data_key: &[u8; KEY_LEN],
    ) -> Result<[u8; LOCAL_BODY_LEN], ProviderError> {
        let salt = self.0.prf.expand(&[b"sw1/salt", binding.as_slice(), data_key]);
        let [_, nonce] = &*salt;
        let wrapping_key = self.wrapping_key(binding.suite, &salt);
        let [key] = &*wrapping_key;

        let mut wrapped = [0; KEY_LEN];
        let bound_to = binding.as_slice();
        let tag = cipher::encrypt(binding.suite, key, nonce, bound_to, data_key, &mut wrapped)
            .map_err(|_| ProviderErrorKind::Other)?;
        Ok(Joined::new(&[&self.0.check, salt.as_flattened(), &wrapped, &tag]).bytes)
    }

    /// Unwraps into `data_key`. Where it fails, that is as it was, or zeros.
    pub(super) fn unwrap(
        &self,
        binding: &Binding,
        body: &[u8],
        data_key: &mut [u8; KEY_LEN],
    ) -> Result<(), ProviderError> {
        let body = LocalBody::split(body).ok_or(ProviderErrorKind::Rejected)?;
        if body.check != &self.0.check {
            return Err(ProviderErrorKind::WrongKeyMaterial.into());
        }
        let [_, nonce] = &body.salt;
        let wrapping_key = self.wrapping_key(binding.suite, &body.salt);
        let [key] = &*wrapping_key;
        let bound_to = binding.as_slice();
        cipher::decrypt(binding.suite, key, nonce, bound_to, body.wrapped, body.tag, data_key)
            .map_err(|_| ProviderErrorKind::Rejected)?;
        if is_weak(data_key) {
            data_key.zeroize();
            return Err(KeyError::Weak.into());
        }
        Ok(())
    }

    fn wrapping_key(&self, suite: Suite, salt: &[[u8; IV_LEN]; 2]) -> Okm<1, KEY_LEN> {
        self.0.prf.expand(&[b"sw1/wrap", &[suite.id()], salt.as_flattened()])
    }
}

/// check(4) ‖ salt(24) ‖ wrapped data key(32) ‖ tag(16)
struct LocalBody<'a> {
    check: &'a [u8; CHECK_LEN],
    salt: [[u8; IV_LEN]; 2],
    wrapped: &'a [u8; KEY_LEN],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> LocalBody<'a> {
    fn split(body: &'a [u8]) -> Option<Self> {
        let (check, rest) = body.split_first_chunk()?;
        let (front, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (wrapped, rest) = rest.split_first_chunk()?;
        let tag = rest.try_into().ok()?;
        Some(Self { check, salt: [*front, *nonce], wrapped, tag })
    }
}

fn checksum(key: &[u8; KEY_LEN]) -> [u8; CHECK_LEN] {
    let [a, b, c, d, ..] = cipher::sha256(&[b"sw1/key", key]);
    [a, b, c, d]
}

impl FromStr for MasterKey {
    type Err = KeyError;

    /// Reads `swk1_` and 48 characters of base64url.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after(|| {
            let encoded = text.strip_prefix(TEXT_PREFIX).ok_or(KeyError::Malformed)?;
            let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
            let decoded =
                Base64UrlUnpadded::decode(encoded, &mut *bytes).map_err(|_| KeyError::Malformed)?;
            let (key, found) = decoded.split_first_chunk().ok_or(KeyError::Malformed)?;
            if found.len() != CHECK_LEN {
                return Err(KeyError::Malformed);
            }
            if !bool::from(found.ct_eq(&checksum(key))) {
                return Err(KeyError::Checksum);
            }
            let mut key = Zeroizing::new(*key);
            Self::take(key.as_mut_slice())
        })
    }
}

impl MasterKeyProvider for MasterKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        let data_key = request.data_key().expose_secret();
        Answer::now(wipe_stack_after(|| {
            self.wrap(&request.binding(), data_key).map(|body| body.to_vec())
        }))
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        Answer::now(wipe_stack_after(|| {
            let mut data_key = KeyBytes::zeroed();
            self.unwrap(&request.binding(), request.body(), data_key.expose_mut())?;
            Ok(DataKey::from_key_bytes(data_key))
        }))
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Local
    }

    fn is_current(&self, body: &[u8]) -> bool {
        LocalBody::split(body).is_some_and(|body| body.check == &self.0.check)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("MasterKey([REDACTED])")
    }
}
