//! A pair: a sealing key, which wraps data keys and cannot unwrap them, and its opening key.

#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use rand_core::TryCryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::cipher::{self, Message, PUBLIC_KEY_LEN, Prf, PrivateKey, PublicKey, Shared};
use crate::format::sizes::{HPKE_BODY_LEN, KEY_LEN};
use crate::keys::binding::Binding;
use crate::keys::key_text::{OPENING_KEY_LEN, TextForm};
use crate::keys::master_key::CHECK_LEN;
use crate::keys::provider_error::ProviderErrorKind;
use crate::keys::requests::{UnwrapRequest, WrapRequest};
use crate::secret::Secret;
use crate::secret::key_bytes::{KeyError, is_weak};
use crate::secret::wiping::{Wiped, wipe_stack_after, wipe_stack_after_kem};

/// A key that wraps data keys and cannot unwrap them: for a writer that must not read.
///
/// It is a public key (1216 bytes) and the pair's writer key, the psk (32 bytes). The public key alone wraps nothing that
/// the [`OpeningKey`] accepts, so anyone who must not write must not see a sealing key. It is no signature: the opener,
/// and every writer that has the key, can seal. Give each writer a pair of its own.
///
/// It implements [`KeyWrapper`](crate::KeyWrapper) and nothing that opens. It is wiped when dropped.
///
/// ```
/// use sealwax::{OpeningKey, Sealer, SealingKey};
///
/// let text = OpeningKey::generate()?.sealing_key().to_text(); // sws1_…, for the environment of the writer
/// assert_eq!(text.len(), 1675);
///
/// let key: SealingKey = text.expose_str()?.parse()?;
/// assert_eq!(format!("{key:?}"), "SealingKey([REDACTED])");
/// let sealer = Sealer::new("dashboard-2026".parse()?, key)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0277
/// # fn f(key: sealwax::SealingKey) {
/// let ring = sealwax::Keyring::new("dashboard-2026".parse().unwrap(), key);
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn f(key: &sealwax::SealingKey, request: sealwax::UnwrapRequest<'_>) {
/// use sealwax::MasterKeyProvider;
///
/// let data_key = key.unwrap_key(request);
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn f(key: sealwax::SealingKey) {
/// let copy: sealwax::SealingKey = key.clone();
/// # }
/// ```
// Shared with the opening key that it came from.
pub struct SealingKey(Arc<Half>);

struct Half {
    public: PublicKey,
    /// SHA-256(public key)
    digest: [u8; 32],
    psk: Wiped<KEY_LEN>,
    check: [u8; CHECK_LEN],
}

impl SealingKey {
    pub(super) const FORM: TextForm =
        TextForm { key_len: PUBLIC_KEY_LEN + KEY_LEN, ..TextForm::new("sws1", "sw1") };

    fn new(public: &[u8; PUBLIC_KEY_LEN], psk: &[u8; KEY_LEN]) -> Result<Self, KeyError> {
        if is_weak(psk) {
            return Err(KeyError::Weak);
        }
        let public = PublicKey::parse(public).ok_or(KeyError::Weak)?;
        let digest = cipher::sha256(&[public.bytes()]);
        // check = SHA-256("sw1/pair" ‖ public key ‖ SHA-256(psk))[0..4]
        let [a, b, c, d, ..] =
            cipher::sha256(&[b"sw1/pair", public.bytes(), &cipher::sha256(&[psk])]);
        let mut kept = Wiped::zeroed();
        kept.copy_from_slice(psk);
        Ok(Self(Arc::new(Half { public, digest, psk: kept, check: [a, b, c, d] })))
    }

    /// Returns the key as text: `sws1_` and 1670 characters of base64url.
    ///
    /// sws1_ base64url( public key(1216) ‖ psk(32) ‖ first 4 bytes of SHA-256("sw1/key" ‖ public key ‖ psk) )
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let Half { public, psk, .. } = &*self.0;
        wipe_stack_after(|| Self::FORM.write(&[public.bytes(), psk.as_slice()]))
    }

    /// Returns four public bytes that are derived from the pair and are in every wrap for it.
    pub(super) fn check_value(&self) -> [u8; CHECK_LEN] {
        self.0.check
    }

    /// Returns whether both are the same key: the same public key and the same psk.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.has_public_key_of(other) && cipher::is_equal(&self.0.psk, &other.0.psk)
    }

    /// Returns whether a keyring may not have both under two ids: one public key, or one psk, is one material.
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        self.has_public_key_of(other) || cipher::is_equal(&self.0.psk, &other.0.psk)
    }

    fn has_public_key_of(&self, other: &Self) -> bool {
        self.0.public.bytes() == other.0.public.bytes()
    }

    /// Returns whether the body was made for this pair, judging by the check value in it.
    pub(super) fn made(&self, body: &[u8]) -> bool {
        Body::split(body).is_some_and(|body| body.check == &self.0.check)
    }

    // HPKE (RFC 9180), single shot, mode_psk:
    //
    // psk_id = key_id      info = "sw1/hpke" ‖ bind      aad = ""
    // body   = check(4) ‖ enc(1120) ‖ ciphertext(32) ‖ tag(16)
    //
    // `bind` is in info and not in aad, so that each row has a key and a nonce of its own, whatever the encapsulation.
    fn shared<'a>(&'a self, binding: &'a Binding<'a>, info: &'a [u8]) -> Shared<'a> {
        let [_, key_id, _] = binding.parts();
        Shared { psk: &self.0.psk, psk_id: key_id, info }
    }

    // m = expand(DEK, "sw1/mlkem"  ‖ bind ‖ SHA-256(public key), 32)
    // e = expand(DEK, "sw1/x25519" ‖ bind ‖ SHA-256(public key), 32)
    //
    // The coins are derived from the data key, which is uniform, secret and used for one row (Bellare, Boldyreva and
    // O'Neill 2007). So nothing is drawn, and a wrap can be checked by making it again.
    pub(crate) fn wrap(&self, request: WrapRequest<'_>) -> Result<Vec<u8>, ProviderErrorKind> {
        wipe_stack_after_kem(|| {
            let (binding, data_key) = (request.binding(), request.data_key().expose_secret());
            let Half { public, digest, check, psk: _ } = &*self.0;
            let [head, key_id, commitment] = binding.parts();
            let prf = Prf::new(data_key);
            let coin = |label| prf.expand(&[label, head, key_id, commitment, digest]);
            let (m, e) = (coin(b"sw1/mlkem"), coin(b"sw1/x25519"));
            let mut key = Wiped::zeroed();
            key.copy_from_slice(data_key);
            let info = info(&binding);
            let shared = self.shared(&binding, &info);
            let (encapsulated, tag) = cipher::encrypt_to(public, &shared, &m, &e, &mut key)
                .map_err(|cipher::OtherCoins| ProviderErrorKind::Other)?;
            Ok([check.as_slice(), &encapsulated, key.as_slice(), &tag].concat())
        })
    }
}

fn info(binding: &Binding<'_>) -> Vec<u8> {
    let [head, key_id, commitment] = binding.parts();
    [b"sw1/hpke", head, key_id, commitment].concat()
}

/// The key that opens what is wrapped for its [`SealingKey`], and wraps for it as well.
///
/// It is the seed of X-Wing (32 bytes) and the psk (32 bytes), and is wiped when dropped. Keep it where envelopes are
/// opened, or in a safe, if its sealing key is an offline escrow.
///
/// ```
/// use sealwax::{EncryptionContext, Keyring, OpeningKey, Sealer};
///
/// let opening_key = OpeningKey::generate()?;
/// let dashboard = Sealer::new("dashboard-2026".parse()?, opening_key.sealing_key())?;
/// let envelope = dashboard.seal(&"the customer's API key".into(), &EncryptionContext::empty())?;
///
/// let worker = Keyring::new("dashboard-2026".parse()?, opening_key)?;
/// let secret = worker.open(&envelope, &EncryptionContext::empty())?;
/// assert_eq!(secret.expose_str()?, "the customer's API key");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0599
/// # fn f(key: sealwax::OpeningKey) {
/// let copy: sealwax::OpeningKey = key.clone();
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # fn f(key: &sealwax::OpeningKey) {
/// println!("{key}");
/// # }
/// ```
pub struct OpeningKey {
    private: PrivateKey,
    sealing: SealingKey,
}

impl OpeningKey {
    const FORM: TextForm = TextForm { key_len: OPENING_KEY_LEN, ..TextForm::new("swo1", "sw1") };

    /// Generates a pair from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_with_rng(&mut getrandom::SysRng)
    }

    /// Generates a pair from `rng`, in one call for 64 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Random`] if `rng` fails, or if either half of what it returns is one repeated byte or both halves
    /// are the same.
    pub fn generate_with_rng(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        wipe_stack_after_kem(|| {
            let mut bytes = Wiped::<OPENING_KEY_LEN>::zeroed();
            rng.try_fill_bytes(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
            Self::of_bytes(bytes.as_slice()).map_err(|_| KeyError::Random)
        })
    }

    /// Takes a pair out of a buffer of seed(32) ‖ psk(32), and wipes the buffer even if this fails.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Length`] if the buffer is not exactly 64 bytes long, and [`KeyError::Weak`] if either half is
    /// one repeated byte or both are the same.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        wipe_stack_after_kem(|| {
            let key = Self::of_bytes(bytes);
            bytes.zeroize();
            key
        })
    }

    /// Makes a pair of seed(32) ‖ psk(32). The caller must wipe the stack.
    fn of_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let (seed, psk) = halves(bytes)?;
        // The writer has the psk, and so would have the seed.
        if is_weak(seed) || cipher::is_equal(seed, psk) {
            return Err(KeyError::Weak);
        }
        let private = PrivateKey::of_seed(seed);
        let sealing = SealingKey::new(&private.public(), psk)?;
        Ok(Self { private, sealing })
    }

    /// Returns the key as text: `swo1_` and 91 characters of base64url.
    ///
    /// swo1_ base64url( seed(32) ‖ psk(32) ‖ first 4 bytes of SHA-256("sw1/key" ‖ seed ‖ psk) )
    #[must_use]
    pub fn to_text(&self) -> Secret {
        wipe_stack_after(|| {
            let mut seed = Wiped::zeroed();
            self.private.write_seed(&mut seed);
            Self::FORM.write(&[seed.as_slice(), self.sealing.0.psk.as_slice()])
        })
    }

    /// Returns the key that only seals.
    #[must_use]
    pub fn sealing_key(&self) -> SealingKey {
        SealingKey(Arc::clone(&self.sealing.0))
    }

    pub(super) fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// Unwraps into `data_key`, which is unchanged or zeroed if this fails.
    ///
    /// It does not recompute the coins: a wrap with other coins opens.
    pub(super) fn unwrap(
        &self,
        request: UnwrapRequest<'_>,
        data_key: &mut [u8; KEY_LEN],
    ) -> Result<(), ProviderErrorKind> {
        wipe_stack_after_kem(|| {
            let body = Body::split(request.body()).ok_or(ProviderErrorKind::Rejected)?;
            if body.check != &self.sealing.0.check {
                return Err(ProviderErrorKind::WrongKeyMaterial);
            }
            let binding = request.binding();
            let info = info(&binding);
            let shared = self.sealing.shared(&binding, &info);
            cipher::decrypt_with(&self.private, &shared, &body.message, data_key)
                .map_err(|_| ProviderErrorKind::Rejected)?;
            if is_weak(data_key) {
                data_key.fill(0);
                return Err(ProviderErrorKind::Rejected);
            }
            Ok(())
        })
    }
}

/// Splits seed(32) ‖ psk(32).
fn halves(bytes: &[u8]) -> Result<(&[u8; KEY_LEN], &[u8; KEY_LEN]), KeyError> {
    let length = KeyError::Length { expected: OPENING_KEY_LEN, found: bytes.len() };
    let (seed, psk) = bytes.split_first_chunk().ok_or(length)?;
    Ok((seed, psk.try_into().map_err(|_| length)?))
}

/// The parts of a body: check(4) ‖ enc(1120) ‖ ciphertext(32) ‖ tag(16).
struct Body<'a> {
    check: &'a [u8; CHECK_LEN],
    message: Message<'a>,
}

const _: () = assert!(
    CHECK_LEN + cipher::ENCAPSULATED_LEN + KEY_LEN + 16 == HPKE_BODY_LEN,
    "the parts of a body"
);

impl<'a> Body<'a> {
    fn split(body: &'a [u8]) -> Option<Self> {
        let (check, rest) = body.split_first_chunk()?;
        let (encapsulated, rest) = rest.split_first_chunk()?;
        let (ciphertext, rest) = rest.split_first_chunk()?;
        let tag = rest.try_into().ok()?;
        Some(Self { check, message: Message { encapsulated, ciphertext, tag } })
    }
}

impl FromStr for SealingKey {
    type Err = KeyError;

    /// Parses `sws1_` and 1670 characters of base64url.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after_kem(|| {
            let bytes: Zeroizing<Vec<u8>> = Self::FORM.read(text)?;
            let length = KeyError::Length { expected: Self::FORM.key_len, found: bytes.len() };
            let (public, psk) = bytes.split_first_chunk().ok_or(length)?;
            Self::new(public, psk.try_into().map_err(|_| length)?)
        })
    }
}

impl FromStr for OpeningKey {
    type Err = KeyError;

    /// Parses `swo1_` and 91 characters of base64url.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after_kem(|| Self::of_bytes(&Self::FORM.read(text)?))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("SealingKey([REDACTED])")
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { private: _, sealing: _ } = self;
        f.write_str("OpeningKey([REDACTED])")
    }
}
