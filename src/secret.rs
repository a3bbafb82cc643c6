//! What is being protected: redacted when printed, wiped when dropped.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::str::Utf8Error;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

#[cfg(feature = "serde")]
mod serde;

/// A credential: bytes that are wiped when dropped and that nothing prints.
///
/// Made from owned or borrowed text and bytes. An owned source is wiped over its whole capacity
/// (or becomes the secret itself, where nothing has to be copied); a borrowed one stays the
/// caller's to wipe. [`expose_secret`](Self::expose_secret) and [`expose_str`](Self::expose_str)
/// are the only ways out, so that one search of a code base finds every use.
///
/// ```
/// use sealwax::Secret;
///
/// let secret = Secret::from("not for the log");
/// assert_eq!(format!("{secret:?}"), "Secret([REDACTED])");
/// assert_eq!(secret.expose_str(), Ok("not for the log"));
/// ```
///
/// There is no `Display`:
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// println!("{secret}");
/// ```
///
/// no `Clone`:
///
/// ```compile_fail,E0599
/// # let secret = sealwax::Secret::from("x");
/// let copy: sealwax::Secret = secret.clone();
/// ```
///
/// no `Deref` or `AsRef`:
///
/// ```compile_fail,E0308
/// # let secret = sealwax::Secret::from("x");
/// let bytes: &[u8] = &secret;
/// ```
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// fn log(line: impl AsRef<[u8]>) {}
/// log(secret);
/// ```
///
/// and no `Serialize`, also with feature `serde`:
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// serde_json::to_string(&secret);
/// ```
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// The bytes.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The bytes as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] where they are not UTF-8. It tells a position and no byte.
    pub fn expose_str(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(self.expose_secret())
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expose_secret().len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose_secret().is_empty()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into());
        }
        // To shrink would reallocate and leave the old bytes behind.
        let secret = Self::from(bytes.as_slice());
        bytes.zeroize();
        secret
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        // Of exactly the right size, so that nothing is left behind on the way into the box.
        Self(bytes.to_vec().into())
    }
}

impl<const N: usize> From<&[u8; N]> for Secret {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for Secret {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<SecretString> for Secret {
    fn from(text: SecretString) -> Self {
        Self::from(text.expose_secret())
    }
}

impl TryFrom<Secret> for SecretString {
    type Error = Utf8Error;

    fn try_from(secret: Secret) -> Result<Self, Utf8Error> {
        Self::try_from(&secret)
    }
}

impl TryFrom<&Secret> for SecretString {
    type Error = Utf8Error;

    fn try_from(secret: &Secret) -> Result<Self, Utf8Error> {
        secret.expose_str().map(Self::from)
    }
}

impl PartialEq for Secret {
    /// In constant time: hides the contents, not the length.
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret().ct_eq(other.expose_secret()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Secret([REDACTED])")
    }
}

/// Bytes of stack that are wiped after a verb over envelopes and master keys.
///
/// Of the stack below its caller such a verb touches 9,976 bytes in a release build for x86-64 (rustc 1.95), and
/// 11,751 at the most (level `z` with fat LTO): for AES-256-GCM of RustCrypto on a processor with AVX-512, whose
/// wider code spills more than that for others. Where the AEADs are those of aws-lc it is 4,272. A verb that waits goes
/// deeper, where a master key in memory wipes for itself. The rest is for compilers to come: `tests/stack.rs` looks
/// whether what is wiped is the deepest that was touched, and `tests/residue` searches what is left.
const STACK_LEN: usize = if cfg!(feature = "aws-lc") { 6 * 1024 } else { ROWS_STACK_LEN };
/// The same for verbs that use no cipher: a rewrap touches 2,984 bytes where the hash is the portable one, and 2,696
/// where the processor has instructions for it. A provider wipes for itself, or is wiped after.
const HASHING_STACK_LEN: usize = 4 * 1024;
/// The same for verbs over rows that others wrote, whose long ivs RustCrypto takes in every build.
const ROWS_STACK_LEN: usize = 14 * 1024;

/// Runs a verb, then wipes the stack that it used.
///
/// The primitives wipe what they own. What the compiler spilled or moved on the way is nobody's:
/// it is still there when the frames are gone.
pub(crate) fn wipe_stack_after<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<STACK_LEN, T>(verb)
}

/// The same for a verb that uses no cipher.
pub(crate) fn wipe_stack_after_hashing<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<HASHING_STACK_LEN, T>(verb)
}

/// The same for a verb over rows that others wrote.
pub(crate) fn wipe_stack_after_row<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<ROWS_STACK_LEN, T>(verb)
}

fn wipe_after<const LEN: usize, T>(verb: impl FnOnce() -> T) -> T {
    /// Wipes also where a provider or an RNG panics, and somebody above catches it.
    struct Wipe<const LEN: usize>;

    impl<const LEN: usize> Drop for Wipe<LEN> {
        fn drop(&mut self) {
            zeroize::zeroize_stack::<LEN>();
        }
    }

    /// Not inlined, so that the verb's frames lie below the caller's, where the wipe will be.
    #[inline(never)]
    fn run<T>(verb: impl FnOnce() -> T) -> T {
        verb()
    }

    let _wipe = Wipe::<LEN>;
    run(verb)
}

/// The same for a verb that waits: wipes the stack after each poll.
pub(crate) fn wipe_stack_after_polls<'a, T>(
    verb: impl Future<Output = T> + Send + 'a,
) -> impl Future<Output = T> + Send + 'a {
    let mut verb = Box::pin(verb);
    poll_fn(move |context| wipe_stack_after(|| verb.as_mut().poll(context)))
}

/// Wipes what a verb has left on the stack by now, before it calls what others wrote: a future that is
/// moved into its box takes along what lay where it was made.
pub(crate) fn wipe_stack() {
    zeroize::zeroize_stack::<STACK_LEN>();
}
