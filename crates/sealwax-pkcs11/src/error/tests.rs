//! Every return value of the standard has a meaning, and a name.

use std::collections::BTreeMap;

use cryptoki::context::Function;
use cryptoki::error::{Error, Rv, RvError};
use sealwax::ProviderErrorKind;

use super::{Meaning, TokenError, name_of, refused};

/// Returns all values that cryptoki knows, apart from those of vendors.
fn values() -> Vec<RvError> {
    let known = (1..0x400).filter_map(|value| match Rv::from(value) {
        Rv::Error(RvError::UnknownErrorCode(_)) | Rv::Ok => None,
        Rv::Error(code) => Some(code),
    });
    known.collect()
}

#[test]
fn every_value_means_something() {
    let mut counts = BTreeMap::new();
    for code in values() {
        *counts.entry(format!("{:?}", Meaning::of(code))).or_insert(0) += 1;
    }
    let expected = [
        ("BadWrap", 8),
        ("Kind(Denied)", 4),
        ("Kind(Disabled)", 1),
        ("Kind(Other)", 42),
        ("Kind(Throttled)", 1),
        ("Kind(Unauthenticated)", 9),
        ("Kind(Unavailable)", 26),
        ("Unclear", 2),
    ];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)).into());
    let total: i32 = counts.values().sum();
    assert_eq!(usize::try_from(total), Ok(values().len()));
}

#[test]
fn what_operators_meet() {
    use ProviderErrorKind as Kind;
    let table = [
        (0xa0, "CKR_PIN_INCORRECT", Kind::Unauthenticated),
        (0xa4, "CKR_PIN_LOCKED", Kind::Unauthenticated),
        (0x102, "CKR_USER_PIN_NOT_INITIALIZED", Kind::Unauthenticated),
        (0x68, "CKR_KEY_FUNCTION_NOT_PERMITTED", Kind::Disabled),
        (0xb1, "CKR_SESSION_COUNT", Kind::Throttled),
        (0xb3, "CKR_SESSION_HANDLE_INVALID", Kind::Unavailable),
        (0xb0, "CKR_SESSION_CLOSED", Kind::Unavailable),
        (0x30, "CKR_DEVICE_ERROR", Kind::Unavailable),
        (0x31, "CKR_DEVICE_MEMORY", Kind::Unavailable),
        (0x32, "CKR_DEVICE_REMOVED", Kind::Unavailable),
        (0xe0, "CKR_TOKEN_NOT_PRESENT", Kind::Unavailable),
        (0x101, "CKR_USER_NOT_LOGGED_IN", Kind::Unavailable),
        (0x60, "CKR_KEY_HANDLE_INVALID", Kind::Unavailable),
        (0x5, "CKR_GENERAL_ERROR", Kind::Unavailable),
        (0x40, "CKR_ENCRYPTED_DATA_INVALID", Kind::Other),
        (0x70, "CKR_MECHANISM_INVALID", Kind::Other),
        (0x8000_0001, "0x80000001", Kind::Other),
    ];
    for (value, name, kind) in table {
        let Rv::Error(code) = Rv::from(value) else { panic!("{name} is no error") };
        assert_eq!(name_of(code), name);
        let error = refused(Error::Pkcs11(code, Function::Encrypt));
        assert_eq!(error.kind(), kind, "{name}");
        assert_eq!(error.to_string(), format!("C_Encrypt failed with {name}"));
    }
}

#[test]
fn a_failed_tag_of_version_3_is_a_bad_wrap() {
    let Rv::Error(code) = Rv::from(0x42) else { panic!("0x42 is no error") };
    assert_eq!(Meaning::of(code), Meaning::BadWrap);
}

#[test]
fn what_is_tried_again_and_what_a_new_session_may_mend() {
    let refused = |kind| TokenError::Refused { function: "C_X".into(), code: "CKR_X".into(), kind };
    for (error, again, new_session) in [
        (TokenError::TokenGone, true, true),
        (TokenError::Late, true, true),
        (TokenError::ThreadEnded, true, true),
        (refused(ProviderErrorKind::Unavailable), true, true),
        // A value that is the vendor's own.
        (refused(ProviderErrorKind::Other), false, true),
        // A logout hides keys.
        (TokenError::NoKey, true, false),
        (TokenError::UnknownVersion, true, false),
        (TokenError::Busy, false, false),
        (TokenError::LastTry, false, false),
        (TokenError::NotAWrap, false, false),
        (TokenError::SeveralKeys, false, false),
        (TokenError::NotPermitted, false, false),
    ] {
        assert_eq!(error.may_pass(), again, "{error}");
        assert_eq!(error.may_be_the_sessions(), new_session, "{error}");
    }
}
