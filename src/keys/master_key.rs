//! A master key held in memory, and how it wraps data keys.

use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use rand_core::TryCryptoRng;
use zeroize::Zeroize;

use crate::cipher::{self, Prf};
use crate::format::key_id::KeyId;
use crate::format::sizes::{COMMITMENT_LEN, KEY_LEN, LOCAL_BODY_LEN};
use crate::keys::binding::Binding;
use crate::keys::key_text::TextForm;
use crate::keys::provider_error::ProviderErrorKind;
use crate::secret::Secret;
use crate::secret::key_bytes::{KeyError, is_weak, take_key_bytes};
use crate::secret::wiping::Wiped;
use crate::secret::wiping::wipe_stack_after;

/// Bytes of the check value.
pub(super) const CHECK_LEN: usize = 4;
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
/// # fn f(key: sealwax::MasterKey) {
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
    is_for_tests: bool,
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
            Self::take(bytes.as_mut_slice(), false).map_err(|_| KeyError::Random)
        })
    }

    /// Generates the test key with this number, which is the same everywhere.
    ///
    /// key = SHA-256("swkt1/test" ‖ u64(seed))
    ///
    /// Anybody can generate it, so it protects nothing. No keyring for production accepts it: its id must start with
    /// `test/`, all keys of its keyring must be test keys, and [`Keyring::from_str`](crate::Keyring) refuses its text
    /// (`swkt1_…`). Behind a type of your own, it wraps and unwraps under no other id, so a keyring counts each local key
    /// with such an id as a test key, and also each key behind the types of `sealwax-branch`. What it has sealed does not
    /// open with a key for production, which says [`TestKey`](crate::UnwrapError::TestKey).
    ///
    /// ```
    /// use sealwax::{Keyring, KeyringError, MasterKey};
    ///
    /// let keyring = Keyring::new("test/mock".parse()?, MasterKey::generate_for_tests(1))?;
    /// let refused = Keyring::new("prod-2026".parse()?, MasterKey::generate_for_tests(1));
    /// assert!(matches!(refused, Err(KeyringError::TestKey { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[expect(clippy::expect_used, reason = "there is no such number")]
    #[expect(clippy::missing_panics_doc, reason = "no number gives one repeated byte")]
    pub fn generate_for_tests(seed: u64) -> Self {
        let mut key = cipher::sha256(&[b"swkt1/test", &seed.to_be_bytes()]);
        Self::take(&mut key, true).expect("the hash is not one repeated byte")
    }

    /// Takes a key out of a buffer, and wipes the buffer even if this fails.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Length`] if the buffer is not exactly 32 bytes long, and [`KeyError::Weak`] if it holds
    /// one repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        wipe_stack_after(|| Self::take(bytes, false))
    }

    fn take(bytes: &mut [u8], is_for_tests: bool) -> Result<Self, KeyError> {
        let mut key = Wiped::zeroed();
        take_key_bytes(bytes, &mut key)?;
        let prf = Prf::new(&key);
        // check = expand(master, "sw1/check", 4)
        let check = *prf.expand(&[b"sw1/check"]);
        Ok(Self(Box::new(Material { key, prf, check, is_for_tests })))
    }

    /// Makes a master key of bytes that were already checked.
    pub(super) fn copy_of(bytes: &[u8; KEY_LEN]) -> Self {
        let mut key = Wiped::zeroed();
        key.copy_from_slice(bytes);
        let prf = Prf::new(&key);
        let check = *prf.expand(&[b"sw1/check"]);
        Self(Box::new(Material { key, prf, check, is_for_tests: false }))
    }

    // branch_id = expand(branch key, "sw1/branch", 32)
    pub(super) fn branch_id(&self) -> [u8; COMMITMENT_LEN] {
        *self.0.prf.expand(&[b"sw1/branch"])
    }

    /// Returns the key as text: `swk1_` and 48 characters of base64url, or `swkt1_` for a test key.
    ///
    /// swk1_ base64url( key(32) ‖ first 4 bytes of SHA-256("sw1/key" ‖ key) )
    ///
    /// swkt1_ base64url( key(32) ‖ first 4 bytes of SHA-256("swkt1/key" ‖ key) )
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let form = if self.0.is_for_tests { &TextForm::TEST } else { &TextForm::MASTER };
        wipe_stack_after(|| form.write(&[self.0.key.as_slice()]))
    }

    /// Returns four public bytes that are derived from the key and are in every wrap it makes.
    ///
    /// They distinguish two keys under one id.
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_LEN] {
        self.0.check
    }

    /// Parses the text of a [test key](Self::generate_for_tests), `swkt1_` and 48 characters of base64url.
    ///
    /// Nothing else reads it: [`from_str`](Self::from_str) refuses it.
    ///
    /// # Errors
    ///
    /// Returns a [`KeyError`] if it is not such a text.
    pub fn from_test_text(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after(|| Self::take(TextForm::TEST.read(text)?.as_mut_slice(), true))
    }

    /// Checks that the key may have this id: a test key one that starts with `test/`, and any other key another one.
    pub(super) fn fits(&self, key_id: &KeyId) -> bool {
        self.is_for_tests() == key_id.is_for_tests()
    }

    pub(super) fn is_for_tests(&self) -> bool {
        self.0.is_for_tests
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

impl FromStr for MasterKey {
    type Err = KeyError;

    /// Parses `swk1_` and 48 characters of base64url.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after(|| Self::take(TextForm::MASTER.read(text)?.as_mut_slice(), false))
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
