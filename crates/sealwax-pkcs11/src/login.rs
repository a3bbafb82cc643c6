//! Logging in, which a wrong PIN ends: tokens lock a PIN after a few failures.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::error::{Error, Result, RvError};
use sealwax::ProviderErrorKind;

use crate::error::{TokenError, name_of, refused, refused_as};

/// What the threads of a provider know about its PIN.
#[derive(Default)]
pub(crate) struct Login {
    tries: Mutex<Tries>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Tries {
    count: usize,
    /// With which return value the token refused the PIN.
    refused: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Idle,
    /// The token has the PIN, and has not replied yet.
    Asking,
    /// The caller no longer waits for the provider.
    GivenUp,
}

impl Login {
    /// Logs in, unless a login was refused before. One thread at a time asks, and the others then know.
    ///
    /// All sessions of a process share one login, so another part of the program may have been faster.
    pub(crate) fn attempt(
        &self,
        log_in: impl FnOnce() -> Result<()>,
    ) -> std::result::Result<(), TokenError> {
        let mut tries = self.tries();
        if let Some(code) = &tries.refused {
            return Err(TokenError::Login { code: code.clone() });
        }
        if self.set(Progress::Asking) == Progress::GivenUp {
            return Err(TokenError::Late);
        }
        tries.count = tries.count.wrapping_add(1);
        let result = log_in();
        self.set(Progress::Idle);
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
            _ => Err(TokenError::Login { code: tries.refused.insert(name_of(code)).clone() }),
        }
    }

    /// Returns how often a login was tried, once none is under way.
    pub(crate) fn count(&self) -> usize {
        self.tries().count
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that no thread tries the PIN any more. Returns whether the token has it.
    ///
    /// To connect again would spend another try.
    pub(crate) fn give_up(&self) -> bool {
        self.set(Progress::GivenUp) == Progress::Asking
    }

    /// Returns what was before. What was given up stays so.
    fn set(&self, progress: Progress) -> Progress {
        let mut now = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *now;
        if before != Progress::GivenUp {
            *now = progress;
        }
        before
    }
}
