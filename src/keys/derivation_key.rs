//! A key that a crate beside this one derives from.

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use rand_core::TryCryptoRng;

use crate::cipher::{self, Prf};
use crate::format::sizes::KEY_LEN;
use crate::keys::key_text::TextForm;
use crate::keys::keyring::lines::LineKey;
use crate::secret::Secret;
use crate::secret::key_bytes::{KeyError, take_key_bytes};
use crate::secret::wiping::{Wiped, wipe_stack_after, wipe_stack_after_hashing};

/// What a [`DerivationKey`] is for.
pub trait Purpose {
    /// The name, with which the texts of its keys start: `sw`, a letter of its own, and `1`.
    ///
    /// The letters `k`, `o` and `s` are those of keys that wrap. A purpose with one of them does not compile.
    const NAME: &'static str;
}

/// A key for one purpose, from which HKDF derives: 32 bytes from a CSPRNG, wiped when dropped.
///
/// A key for one purpose is another type than a key for another one, and has another text.
///
/// ```
/// use sealwax::companion::{DerivationKey, Purpose};
///
/// #[derive(Debug)]
/// enum Invoices {}
///
/// impl Purpose for Invoices {
///     const NAME: &str = "swi1";
/// }
///
/// let key = DerivationKey::<Invoices>::generate()?;
/// let mac = key.expand(&[b"invoices/total", &1200_u64.to_be_bytes()]);
/// assert!(key.to_text().expose_str()?.starts_with("swi1_"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0080
/// # use sealwax::companion::{DerivationKey, Purpose};
/// enum Masters {}
///
/// impl Purpose for Masters {
///     const NAME: &str = "swk1"; // That of master keys.
/// }
///
/// let key: Result<DerivationKey<Masters>, _> = "swk1_".parse();
/// ```
///
/// ```compile_fail,E0599
/// # use sealwax::companion::{DerivationKey, Purpose};
/// # fn f<P: Purpose>(key: DerivationKey<P>) {
/// let copy: DerivationKey<P> = key.clone();
/// # }
/// ```
// On the heap, so that moving the key moves a pointer and leaves no copy behind.
pub struct DerivationKey<P>(Box<Material>, PhantomData<fn() -> P>);

struct Material {
    key: Wiped<KEY_LEN>,
    prf: Prf,
}

/// Returns whether no key that wraps has this name.
const fn is_own(name: &str) -> bool {
    match name.as_bytes() {
        [b's', b'w', letter, b'1'] => {
            letter.is_ascii_lowercase() && !matches!(letter, b'k' | b'o' | b's')
        }
        _ => false,
    }
}

impl<P: Purpose> DerivationKey<P> {
    const FORM: TextForm = {
        assert!(is_own(P::NAME), "a purpose is named sw?1, with a letter of its own");
        TextForm::new(P::NAME, P::NAME)
    };

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
        Ok(Self(Box::new(Material { key, prf }), PhantomData))
    }

    /// Returns the key as text: the name, `_`, and 48 characters of base64url.
    ///
    /// name ‖ "_" ‖ base64url( key(32) ‖ first 4 bytes of SHA-256(name ‖ "/key" ‖ key) )
    #[must_use]
    pub fn to_text(&self) -> Secret {
        wipe_stack_after(|| Self::FORM.write(&[self.0.key.as_slice()]))
    }

    /// Calls `derive` with the key's HKDF-Expand, and wipes the stack that it used, to a depth of 4 KiB.
    ///
    /// Use it for several derivations in a row.
    #[inline]
    pub fn derive<T>(&self, derive: impl FnOnce(Expand<'_>) -> T) -> T {
        wipe_stack_after_hashing(|| derive(Expand(&self.0.prf)))
    }

    /// Computes HKDF-Expand with SHA-256 (RFC 5869 §2.3) to one block: HMAC(key, info ‖ 01).
    ///
    /// `info` is the parts, one after the other. Start it with a label, and give each part of variable length its length.
    #[must_use]
    pub fn expand(&self, info: &[&[u8]]) -> [u8; 32] {
        self.derive(|expand| expand.expand(info))
    }

    /// Derives a key for the same purpose, as [`expand`](Self::expand) does.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a hash with one repeated byte is as unlikely as a guessed key"
    )]
    #[expect(clippy::missing_panics_doc, reason = "as above")]
    pub fn derive_key(&self, info: &[&[u8]]) -> Self {
        let derive = || Self::take(self.0.prf.expand::<KEY_LEN>(info).as_mut_slice());
        wipe_stack_after_hashing(derive).expect("a hash is not one repeated byte")
    }
}

/// HKDF-Expand under a key, for the time of [`DerivationKey::derive`].
#[derive(Clone, Copy)]
pub struct Expand<'a>(&'a Prf);

impl Expand<'_> {
    /// Computes what [`DerivationKey::expand`] does.
    #[must_use]
    pub fn expand(&self, info: &[&[u8]]) -> [u8; 32] {
        *self.0.expand(info)
    }

    /// Computes what [`DerivationKey::expand`] does, and returns whether it is `expected`, in constant time.
    ///
    /// Use it to check a MAC, or a digest of a secret.
    #[must_use]
    #[inline]
    pub fn matches(&self, info: &[&[u8]], expected: &[u8; 32]) -> bool {
        cipher::is_equal(&self.0.expand(info), expected)
    }
}

impl<P: Purpose> FromStr for DerivationKey<P> {
    type Err = KeyError;

    /// Parses the name, `_`, and 48 characters of base64url.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        wipe_stack_after(|| Self::take(Self::FORM.read(text)?.as_mut_slice()))
    }
}

impl<P: Purpose> LineKey for DerivationKey<P> {
    const NAME: &str = Self::FORM.name;
    const LABEL: &str = Self::FORM.label;

    fn is_same(&self, other: &Self) -> bool {
        cipher::is_equal(&self.0.key, &other.0.key)
    }
}

impl<P> fmt::Debug for DerivationKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_, _) = self;
        f.write_str("DerivationKey([REDACTED])")
    }
}

impl fmt::Debug for Expand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Expand([REDACTED])")
    }
}
