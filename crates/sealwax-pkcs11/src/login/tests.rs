//! How often a token is asked about a PIN.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cryptoki::context::Function;
use sealwax::ProviderErrorKind as Kind;

use super::*;

fn fails(code: RvError) -> Result<()> {
    Err(Error::Pkcs11(code, Function::Login))
}

#[test]
fn eight_threads_try_a_wrong_pin_once() {
    let (login, tries) = (Login::default(), AtomicUsize::new(0));
    let log_in = || {
        tries.fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
        fails(RvError::PinIncorrect)
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let error = login.attempt(log_in).unwrap_err();
                assert!(
                    matches!(&error, TokenError::Login { code } if code == "CKR_PIN_INCORRECT")
                );
                assert_eq!(error.kind(), Kind::Unauthenticated);
            });
        }
    });
    assert_eq!((tries.into_inner(), login.count()), (1, 1));
}

#[test]
fn a_login_is_tried_again_only_if_the_token_has_not_looked_at_the_pin() {
    let unseen = [
        RvError::SessionHandleInvalid,
        RvError::SessionClosed,
        RvError::CryptokiNotInitialized,
        RvError::TokenNotPresent,
        RvError::UserAnotherAlreadyLoggedIn,
    ];
    for code in unseen {
        let login = Login::default();
        assert_eq!(
            login.attempt(|| fails(code)).unwrap_err().kind(),
            Kind::Unavailable,
            "{code:?}"
        );
        login.attempt(|| Ok(())).unwrap();
    }
    let perhaps_seen = [
        RvError::PinIncorrect,
        RvError::PinInvalid,
        RvError::PinLenRange,
        RvError::PinExpired,
        RvError::PinLocked,
        RvError::UserPinNotInitialized,
        RvError::DeviceError,
        RvError::DeviceRemoved,
        RvError::FunctionFailed,
        RvError::GeneralError,
        RvError::VendorDefined(0x8000_0001),
    ];
    for code in perhaps_seen {
        let login = Login::default();
        for log_in in [fails(code), Ok(())] {
            let error = login.attempt(|| log_in).unwrap_err();
            assert!(matches!(&error, TokenError::Login { code: found } if *found == name_of(code)));
        }
    }
}

#[test]
fn no_pin_is_tried_for_a_caller_who_has_given_up() {
    let login = Login::default();
    login.attempt(|| Ok(())).unwrap();
    assert!(!login.give_up());
    let error = login.attempt(|| panic!("a try")).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    // While the token has the PIN, and ever after.
    let login = Login::default();
    let given_up = || {
        assert!(login.give_up());
        Ok(())
    };
    login.attempt(given_up).unwrap();
    assert!(login.attempt(|| panic!("a try")).is_err());
}

#[test]
fn a_login_elsewhere_is_one_too() {
    let login = Login::default();
    login.attempt(|| fails(RvError::UserAlreadyLoggedIn)).unwrap();
    login.attempt(|| Ok(())).unwrap();
}
