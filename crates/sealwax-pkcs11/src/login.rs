//! Logging in, which a wrong PIN ends: tokens lock a PIN after a few failures.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use cryptoki::error::{Error, Result, RvError};
use sealwax::ProviderErrorKind;

use crate::error::{TokenError, name_of, refused, refused_as};

/// What the threads of a provider know about its PIN.
#[derive(Default)]
pub(crate) struct Login {
    /// With which return value the token refused it.
    refused: Mutex<Option<String>>,
    /// Whether the token has not replied yet.
    is_asking: AtomicBool,
}

impl Login {
    /// Logs in, unless a login was refused before. One thread at a time asks, and the others then know.
    ///
    /// All sessions of a process share one login, so another part of the program may have been faster.
    pub(crate) fn attempt(
        &self,
        log_in: impl FnOnce() -> Result<()>,
    ) -> std::result::Result<(), TokenError> {
        let mut before = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = &*before {
            return Err(TokenError::Login { code: code.clone() });
        }
        self.is_asking.store(true, Ordering::SeqCst);
        let result = log_in();
        self.is_asking.store(false, Ordering::SeqCst);
        let (code, function) = match result {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => return Ok(()),
            Err(Error::Pkcs11(code, function)) => (code, function),
            Err(error) => return Err(refused(error)),
        };
        match code {
            // The token has not looked at the PIN.
            RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::CryptokiNotInitialized
            | RvError::TokenNotPresent
            | RvError::UserAnotherAlreadyLoggedIn => {
                Err(refused_as(code, function, ProviderErrorKind::Unavailable))
            }
            // It may have: some tokens have no clearer value for a wrong one.
            _ => Err(TokenError::Login { code: before.insert(name_of(code)).clone() }),
        }
    }
    /// Makes an error of a provider that gave up while the token had the PIN: to connect again would spend another try.
    pub(crate) fn of_late(&self, error: TokenError) -> TokenError {
        match error {
            TokenError::Late if self.is_asking.load(Ordering::SeqCst) => {
                TokenError::Login { code: "no reply in time".into() }
            }
            error => error,
        }
    }
}
