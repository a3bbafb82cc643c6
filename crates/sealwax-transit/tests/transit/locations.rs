//! Which addresses, mounts, names and namespaces are accepted.

use sealwax_transit::{ConfigError, KeyLocation};

#[test]
fn addresses() {
    let good = [
        "https://bao.example",
        "https://bao.example:8200",
        "https://bao.example:8200/",
        "https://10.0.0.7:8200",
        "https://[2001:db8::1]:8200",
        "https://proxy.example/secrets/bao",
        "http://127.0.0.1:8200",
        "http://127.8.9.10:8200",
        "http://[::1]:8200",
        "http://localhost:8200",
    ];
    for address in good {
        KeyLocation::new(address, "byok").unwrap();
    }
    let bad = [
        "",
        "bao.example:8200",
        "/v1",
        "ftp://bao.example",
        "unix:///run/bao.sock",
        "https://",
        "https://:8200",
        "https://user:pass@bao.example",
        "https://bao.example?a=b",
        "https://bao.example#a",
        "https://bao.example/../x",
        "https://bao.example/a//b",
        "https://bao.example/a%2fb",
        "https://bao .example",
    ];
    for address in bad {
        assert_eq!(
            KeyLocation::new(address, "byok").unwrap_err(),
            ConfigError::Address,
            "{address}"
        );
    }
}

#[test]
fn plain_http_is_for_this_machine() {
    let far = [
        "http://bao:8200",
        "http://10.0.0.7:8200",
        "http://localhost.evil.example",
        "HTTP://bao:8200",
    ];
    for address in far {
        assert_eq!(
            KeyLocation::new(address, "byok").unwrap_err(),
            ConfigError::PlainHttp,
            "{address}"
        );
        KeyLocation::with_plain_http(address, "byok").unwrap();
    }
    assert_eq!(KeyLocation::with_plain_http("bao:8200", "byok").unwrap_err(), ConfigError::Address);
}

#[test]
fn paths() {
    let location = || KeyLocation::new("https://bao.example", "byok").unwrap();
    let long = "a".repeat(257);
    let bad = ["", ".", "..", "a/../b", "a//b", "a b", "a?b", "a#b", "a%2fb", "ä", "a\n", &long];
    for path in bad {
        let path_error = location().with_mount(path).unwrap_err();
        assert_eq!(path_error, ConfigError::Mount, "{}", path.escape_debug());
        let path_error = location().with_namespace(path).unwrap_err();
        assert_eq!(path_error, ConfigError::Namespace, "{}", path.escape_debug());
        let name_error = KeyLocation::new("https://bao.example", path).unwrap_err();
        assert_eq!(name_error, ConfigError::KeyName, "{}", path.escape_debug());
    }
    for path in ["a/b", "/a", "a/"] {
        let name_error = KeyLocation::new("https://bao.example", path).unwrap_err();
        assert_eq!(name_error, ConfigError::KeyName, "{path}");
        location().with_mount(path).unwrap().with_namespace(path).unwrap();
    }
    for name in ["byok", "Byok-2026_eu.1"] {
        KeyLocation::new("https://bao.example", name).unwrap();
    }
}
