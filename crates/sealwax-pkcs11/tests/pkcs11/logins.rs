//! Logins, which belong to the whole process, and PINs, which tokens lock.

use std::error::Error as _;

use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use pollster::block_on;
use sealwax::{KeyWrapper, ProviderErrorKind as Kind};
use sealwax_pkcs11::{TokenError, TokenKey};

use crate::token::{PIN, Row, SO_PIN, Token, source, with_token};

/// Whether a login has failed since the last one that succeeded.
fn a_login_has_failed(token: &Token) -> bool {
    token.library.get_token_info(token.slot).unwrap().user_pin_count_low()
}

#[test]
fn a_logout_elsewhere_is_repaired() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let elsewhere = token.user();
        for _ in 0..8 {
            elsewhere.logout().unwrap();
            row.unwrap(&key, &body).unwrap();
            elsewhere.logout().unwrap();
            row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
            elsewhere.logout().unwrap();
            block_on(key.check(&row.key_id)).unwrap();
        }
    });
}

/// A logout makes handles of private keys invalid, also if somebody has logged in again meanwhile.
#[test]
fn a_logout_and_login_elsewhere_is_repaired() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let elsewhere = token.user();
        for _ in 0..8 {
            elsewhere.logout().unwrap();
            elsewhere.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
            row.unwrap(&key, &body).unwrap();
        }
    });
}

#[test]
fn a_logout_in_the_middle_of_many_operations_is_repaired() {
    with_token(|token| {
        let key = token.key();
        let elsewhere = token.user();
        std::thread::scope(|scope| {
            let working: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let row = Row::new(3);
                        let errors = (0..200).filter_map(|_| row.wrap(&key).err());
                        errors.map(|error| (error.is_transient(), error.kind())).collect::<Vec<_>>()
                    })
                })
                .collect();
            for _ in 0..50 {
                let _ = elsewhere.logout();
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            let errors: Vec<_> = working.into_iter().flat_map(|one| one.join().unwrap()).collect();
            // An operation is tried twice, so a second logout within one may fail it; but the key is never missing.
            assert!(errors.len() < 60, "{}", errors.len());
            assert!(errors.iter().all(|(transient, _)| *transient), "{errors:?}");
        });
        let row = Row::new(1);
        row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
    });
}

#[test]
fn a_login_elsewhere_is_no_error() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        let _elsewhere = token.user();
        let (key, row) = (token.connect(), Row::new(1));
        row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
    });
}

#[test]
fn a_wrong_pin_fails_to_connect_and_is_tried_once() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        assert!(!a_login_has_failed(&token));
        let error = block_on(TokenKey::connect(token.config_of("byok", "0000"))).unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated);
        let code = "CKR_PIN_INCORRECT";
        assert!(matches!(source(&error), TokenError::Login { code: found, .. } if found == code));
        assert!(a_login_has_failed(&token));
        let text = format!("{error:?} {error} {}", error.source().unwrap());
        assert!(!text.contains("0000"));
        // The right one works, and is not held up by the wrong one.
        token.connect();
        assert!(!a_login_has_failed(&token));
    });
}

#[test]
fn a_pin_with_a_line_end_is_not_tried() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        for pin in
            [format!("{PIN}\n"), format!("{PIN}\r\n"), format!("\u{feff}{PIN}"), String::new()]
        {
            let error = block_on(TokenKey::connect(token.config_of("byok", &pin))).unwrap_err();
            assert_eq!(error.kind(), Kind::Unauthenticated);
            assert!(matches!(source(&error), TokenError::NotAPin));
        }
        assert!(!a_login_has_failed(&token));
    });
}

#[test]
fn a_pin_that_was_changed_is_tried_once_by_all_threads() {
    const NEW: &str = "another PIN";
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let elsewhere = token.user();
        elsewhere.set_pin(&AuthPin::from(PIN), &AuthPin::from(NEW)).unwrap();
        elsewhere.logout().unwrap();
        assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::Unauthenticated);
        assert!(a_login_has_failed(&token));
        // The right PIN clears the flag; another attempt with the old one would raise it again.
        elsewhere.login(UserType::User, Some(&AuthPin::from(NEW))).unwrap();
        elsewhere.logout().unwrap();
        for _ in 0..8 {
            let error = row.wrap(&key).unwrap_err();
            assert_eq!(error.kind(), Kind::Unauthenticated);
            assert!(matches!(source(&error), TokenError::Login { .. }));
            assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::Unauthenticated);
            assert!(block_on(key.check(&row.key_id)).is_err());
        }
        assert!(!a_login_has_failed(&token));
        let key = block_on(TokenKey::connect(token.config_of("byok", NEW))).unwrap();
        row.unwrap(&key, &body).unwrap();
    });
}

#[test]
fn a_logged_in_officer_is_an_outage() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        let officer = token.library.open_rw_session(token.slot).unwrap();
        officer.login(UserType::So, Some(&AuthPin::from(SO_PIN))).unwrap();
        let error = block_on(TokenKey::connect(token.config())).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{}", source(&error));
        officer.logout().unwrap();
        token.connect();
    });
}
