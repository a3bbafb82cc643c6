//! What a configuration keeps, and what it shows.

use super::*;

fn config(pin: &str) -> TokenConfig {
    TokenConfig::new("/lib.so", "byok", "master", &Secret::from(pin))
}

#[test]
fn each_setting_is_kept_and_shown_but_for_the_pin() {
    let shown = format!("{:?}", config("271828"));
    let expected = r#"TokenConfig { module: "/lib.so", token: "byok", serial: None, key: "master", current: None, pin: "[REDACTED]", sessions: 4, timeout: 10s }"#;
    assert_eq!(shown, expected);
    let all = config("271828")
        .with_serial("0a1b")
        .with_current([0xca, 0xfe])
        .with_sessions(NonZeroUsize::MIN)
        .with_timeout(Duration::from_secs(2));
    let expected = r#"TokenConfig { module: "/lib.so", token: "byok", serial: Some("0a1b"), key: "master", current: Some([202, 254]), pin: "[REDACTED]", sessions: 1, timeout: 2s }"#;
    assert_eq!(format!("{all:?}"), expected);
}

#[test]
fn what_no_token_needs_to_be_asked_about_is_no_pin() {
    for pin in ["1", "1234", "a pass phrase", "é"] {
        assert!(config(pin).pin.is_some(), "{pin:?}");
    }
    for pin in ["", "\n", "1234\n", "1234\r\n", "\t1234", "12\u{0}34", "1234\u{7f}"] {
        assert!(config(pin).pin.is_none(), "{pin:?}");
    }
}
