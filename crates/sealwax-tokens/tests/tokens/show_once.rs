//! A token is shown once.

use crate::given::{grant, tokens};

#[test]
fn it_is_not_printed() {
    let issued = tokens().issue(grant()).unwrap();
    assert!(format!("{issued:?}").contains("ShowOnce([REDACTED])"));
    assert!(!format!("{issued:?}").contains("acme_live_"));
    let token = issued.token.into_secret().unwrap();
    assert!(token.expose_str().unwrap().starts_with("acme_live_"));
}

#[cfg(feature = "serde")]
#[test]
fn it_serialises_once() {
    let issued = tokens().issue(grant()).unwrap();
    let first = serde_json::to_string(&issued.token).unwrap();
    let text: String = serde_json::from_str(&first).unwrap();
    let found = tokens().verify(&text, &issued.record, 0, "read");
    assert!(found.is_ok());
    let second = serde_json::to_string(&issued.token).unwrap_err();
    assert_eq!(second.to_string(), "the token was already shown");
    assert!(issued.token.into_secret().is_none());
}

/// A handler may hold it while it waits for the database.
#[test]
fn it_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    is_shared(&tokens().issue(grant()).unwrap());
}
