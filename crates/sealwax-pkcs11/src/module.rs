//! The libraries of this process, and the tokens behind them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::slot::{Slot, TokenInfo};

use crate::config::TokenConfig;
use crate::error::{TokenError, refused};

type Module = Arc<Mutex<Option<Pkcs11>>>;

/// What was loaded stays loaded and initialized: other parts of the program may use it too, a thread may still be in it,
/// and many libraries have threads of their own.
static MODULES: Mutex<BTreeMap<PathBuf, Module>> = Mutex::new(BTreeMap::new());

/// Returns the library, initialized, and the slot and the serial number of the token.
///
/// One thread at a time asks a library: it may be initialized only once, and SoftHSM lists its slots unsafely.
pub(crate) fn find_token(
    config: &TokenConfig,
    serial: Option<&str>,
) -> Result<(Pkcs11, Slot, String), TokenError> {
    let module = {
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(modules.entry(config.module.clone()).or_default())
    };
    let mut module = module.lock().unwrap_or_else(PoisonError::into_inner);
    let library = match module.take() {
        Some(library) => library,
        None => load(config)?,
    };
    let library = &*module.insert(library);
    // Each time, because another part of the program may have finalized it.
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(refused(error)),
    }
    slot(library, config, serial).map(|(slot, serial)| (library.clone(), slot, serial))
}

fn load(config: &TokenConfig) -> Result<Pkcs11, TokenError> {
    Pkcs11::new(&config.module).map_err(|error| TokenError::Library { message: error.to_string() })
}

fn slot(
    library: &Pkcs11,
    config: &TokenConfig,
    serial: Option<&str>,
) -> Result<(Slot, String), TokenError> {
    let is_named = |token: &TokenInfo| {
        plain(token.label()) == config.token
            && serial.is_none_or(|serial| plain(token.serial_number()) == serial)
    };
    let (mut found, mut failed) = (Vec::new(), None);
    for slot in library.get_slots_with_token().map_err(refused)? {
        match library.get_token_info(slot) {
            Ok(token) if is_named(&token) => {
                found.push((slot, serial_of(&token)));
            }
            Ok(_) => {}
            Err(error) => failed = Some(refused(error)),
        }
    }
    match (found.as_slice(), failed) {
        ([one], _) => Ok(one.clone()),
        ([], Some(error)) => Err(error), // It may be the one that is wanted.
        ([], None) => Err(TokenError::NoToken),
        _ => Err(TokenError::SeveralTokens),
    }
}

pub(crate) fn serial_of(token: &TokenInfo) -> String {
    plain(token.serial_number()).to_owned()
}

/// Without the padding, for which some tokens have NUL instead of a space.
fn plain(text: &str) -> &str {
    text.trim_end_matches(['\0', ' '])
}
