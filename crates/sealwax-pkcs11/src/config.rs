//! Which key, on which token, behind which library.

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use cryptoki::types::RawAuthPin;
use sealwax::Secret;

/// Where a key is, how to log in, and how many threads use it.
///
/// ```
/// use sealwax::Secret;
/// use sealwax_pkcs11::TokenConfig;
///
/// let pin = Secret::from("1234"); // from a mounted secret
/// let config = TokenConfig::new("/usr/lib/softhsm/libsofthsm2.so", "byok", "master", &pin).with_current([0x02]);
/// assert!(!format!("{config:?}").contains("1234"));
/// ```
pub struct TokenConfig {
    pub(crate) module: PathBuf,
    pub(crate) token: String,
    pub(crate) serial: Option<String>,
    pub(crate) key: String,
    pub(crate) current: Option<Vec<u8>>,
    /// In a type that wipes it; `None` if no token needs to be asked whether it is right.
    pub(crate) pin: Option<RawAuthPin>,
    pub(crate) sessions: NonZeroUsize,
    pub(crate) timeout: Duration,
}

impl TokenConfig {
    /// Names the token's library, the label of the token, and the label of the key (`CKA_LABEL`), and keeps a copy of
    /// the user's PIN, which is wiped when the provider is dropped.
    ///
    /// The keys with this label are the versions of one key, and differ in their `CKA_ID`.
    #[must_use]
    pub fn new(module: impl Into<PathBuf>, token: &str, key: &str, pin: &Secret) -> Self {
        Self {
            module: module.into(),
            token: token.to_owned(),
            serial: None,
            key: key.to_owned(),
            current: None,
            pin: checked(pin.expose_secret()),
            sessions: NonZeroUsize::MIN.saturating_add(3),
            timeout: Duration::from_secs(10),
        }
    }

    /// Also names the serial number of the token, for when several have the same label.
    #[must_use]
    pub fn with_serial(self, serial: &str) -> Self {
        Self { serial: Some(serial.to_owned()), ..self }
    }

    /// Names the version that wraps, by its `CKA_ID` of 1 to 255 bytes. The others only unwrap.
    ///
    /// Without it, only one key may have the label, and `connect` fails once there is a second one. So name it from the
    /// start in a service that must restart during a rotation.
    #[must_use]
    pub fn with_current(self, id: impl Into<Vec<u8>>) -> Self {
        Self { current: Some(id.into()), ..self }
    }

    /// Sets how many threads there are, each with one session. The default is 4.
    ///
    /// As many operations run at the same time. Each session counts towards the token's limit.
    #[must_use]
    pub fn with_sessions(self, sessions: NonZeroUsize) -> Self {
        Self { sessions, ..self }
    }

    /// Sets how long one operation may take, including the wait for a thread. The default is 10 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

/// Refuses the usual mistake with a PIN in a file, which would cost an attempt each time that a program starts.
fn checked(pin: &[u8]) -> Option<RawAuthPin> {
    const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
    let is_plain = !pin.is_empty()
        && !pin.starts_with(BYTE_ORDER_MARK)
        && !pin.iter().any(u8::is_ascii_control);
    is_plain.then(|| RawAuthPin::new(Box::new(pin.to_vec())))
}

impl fmt::Debug for TokenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, token, serial, key, current, pin: _, sessions, timeout } = self;
        f.debug_struct("TokenConfig")
            .field("module", module)
            .field("token", token)
            .field("serial", serial)
            .field("key", key)
            .field("current", current)
            .field("pin", &"[REDACTED]")
            .field("sessions", sessions)
            .field("timeout", timeout)
            .finish()
    }
}
