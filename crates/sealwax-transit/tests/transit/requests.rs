//! What is sent, and what is not.

use http::Method;
use sealwax::{
    EncryptionContext, KeyWrapper, Keyring, MasterKeyProvider, ProviderErrorKind, Secret,
};
use sealwax_transit::{ConfigError, KeyLocation, Token, TransitKey};

use crate::scripted::{
    BODY, DATA_KEY_BASE64, KEY, Row, Scripted, TOKEN, token, transit, unchecked,
};

#[test]
fn a_keyring_seals_and_opens() {
    let (key, _) = unchecked(Scripted::new(|sent| Ok(transit(sent, 1))));
    let ring = Keyring::new("transit/byok".parse().unwrap(), key).unwrap();
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let secret = Secret::from("sk-proj-42");
    let envelope = pollster::block_on(ring.seal_async(&secret, &context)).unwrap();
    assert_eq!(pollster::block_on(ring.open_async(&envelope, &context)).unwrap(), secret);
    assert_eq!(pollster::block_on(ring.rewrap_async(&envelope)).unwrap(), None);
}

#[test]
fn a_wrap_is_one_request() {
    let (key, service) = unchecked(Scripted::new(|sent| Ok(transit(sent, 1))));
    let row = Row::new(1);
    let body = pollster::block_on(key.wrap_key(row.wrap())).unwrap();
    let unwrapped = pollster::block_on(key.unwrap_key(row.unwrap(&body))).unwrap();
    assert_eq!(unwrapped.expose_secret(), row.wrap().data_key().expose_secret());
    let sent = service.sent();
    let [wrap, unwrap] = &sent[..] else { panic!("{} requests", sent.len()) };
    assert_eq!(wrap.method, Method::POST);
    assert_eq!(wrap.uri, "https://bao.example:8200/v1/transit/encrypt/byok");
    assert_eq!(wrap.json()["plaintext"], DATA_KEY_BASE64);
    assert_eq!(unwrap.method, Method::POST);
    assert_eq!(unwrap.uri, "https://bao.example:8200/v1/transit/decrypt/byok");
    assert_eq!(unwrap.json()["ciphertext"].as_str().unwrap().as_bytes(), body);
    // 0x01, the suite, the length of the key id, the key id, the commitment: the same bytes both times.
    let data = wrap.json()["associated_data"].clone();
    assert_eq!(data, "AQEMdHJhbnNpdC9ieW9rAAAAAQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    assert_eq!(data, unwrap.json()["associated_data"]);
    for sent in [wrap, unwrap] {
        assert_eq!(sent.headers["x-vault-token"], TOKEN);
        assert!(sent.headers["x-vault-token"].is_sensitive());
        assert_eq!(sent.headers["x-vault-request"], "true");
        assert_eq!(sent.headers["content-type"], "application/json");
        assert_eq!(sent.headers.len(), 3);
        assert_eq!(sent.json().as_object().unwrap().len(), 2);
    }
}

#[test]
fn mount_and_namespace_are_part_of_every_request() {
    let location = KeyLocation::new("https://proxy.example/bao/", "byok").unwrap();
    let location = location.with_mount("/eu/transit/").unwrap().with_namespace("a/b/").unwrap();
    let transport = Scripted::always(200, KEY);
    let key = pollster::block_on(TransitKey::connect(&transport, location, token())).unwrap();
    let row = Row::new(1);
    let _ = pollster::block_on(key.wrap_key(row.wrap()));
    let sent = transport.sent();
    assert_eq!(sent[0].method, Method::GET);
    assert_eq!(sent[0].uri, "https://proxy.example/bao/v1/eu/transit/keys/byok");
    assert!(sent[0].body.is_empty());
    assert_eq!(sent[1].uri, "https://proxy.example/bao/v1/eu/transit/encrypt/byok");
    assert!(sent.iter().all(|sent| sent.headers["x-vault-namespace"] == "a/b"));
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_future_that_is_not_polled_sends_nothing() {
    let (key, service) = unchecked(Scripted::always(200, KEY));
    let row = Row::new(1);
    let key_id = "k".parse().unwrap();
    drop(key.wrap_key(row.wrap()));
    drop(key.unwrap_key(row.unwrap(BODY)));
    drop(key.wrap_keys(&[row.wrap()]));
    drop(key.unwrap_keys(&[row.unwrap(BODY)]));
    drop(key.check(&key_id));
    drop(key.refresh());
    assert_eq!(service.sent().len(), 0);
    let _ = pollster::block_on(key.refresh());
    assert_eq!(service.sent().len(), 1);
}

#[test]
fn a_body_that_transit_did_not_write_is_not_sent() {
    let (key, service) = unchecked(Scripted::new(|sent| Ok(transit(sent, 1))));
    let row = Row::new(1);
    let long = [b"vault:v1:", &[b'A'; 248][..]].concat();
    let bodies: [&[u8]; 14] = [
        b"",
        b"vault",
        b"vault:v1",
        b"vault:v1:",
        b"vault:v:AAAA",
        b"vault:v0:AAAA",
        b"vault:v01:AAAA",
        b"vault:v+1:AAAA",
        b"vault:v4294967296:AAAA",
        b"vault:v1:AA\"AA",
        b"vault:v1:AA\\AA",
        b"vault:v1:AA\nAA",
        b"vault:v1:\xff",
        &long,
    ];
    for body in bodies {
        let error = pollster::block_on(key.unwrap_key(row.unwrap(body))).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Rejected, "{}", body.escape_ascii());
    }
    assert_eq!(service.sent().len(), 0);
    // The limit itself is not refused here.
    let _ = pollster::block_on(key.unwrap_key(row.unwrap(&long[..256])));
    assert_eq!(service.sent().len(), 1);
}

#[test]
fn a_token_can_be_replaced() {
    let token = token();
    let transport = Scripted::always(200, KEY);
    let key = TransitKey::unchecked(&transport, crate::scripted::location(), token.clone());
    pollster::block_on(key.refresh()).unwrap();
    token.replace(&Secret::from("s.other")).unwrap();
    pollster::block_on(key.refresh()).unwrap();
    // A token that is refused leaves the old one in place.
    assert_eq!(token.replace(&Secret::from("s.third\n")), Err(ConfigError::Token));
    pollster::block_on(key.refresh()).unwrap();
    let sent: Vec<_> =
        transport.sent().iter().map(|sent| sent.headers["x-vault-token"].clone()).collect();
    assert_eq!(sent, [TOKEN, "s.other", "s.other"]);
}

#[test]
fn a_token_that_no_header_can_carry_is_refused() {
    for text in ["", "s.a b", "s.a\n", "s.a\r\nx-evil: 1", "s.\u{e9}", "s.\0", "\ts.a"] {
        let error = Token::new(&Secret::from(text)).unwrap_err();
        assert_eq!(error, ConfigError::Token, "{}", text.escape_debug());
    }
    Token::new(&Secret::from("hvs.CAESIJ_-.~!\"#$%&'()*+,/:;<=>?@[\\]^`{|}")).unwrap();
}

#[test]
fn debug_shows_no_token() {
    let (key, _) = unchecked(Scripted::always(200, KEY));
    let shown = format!("{key:?} {:?} {:?}", token(), crate::scripted::location());
    assert!(!shown.contains("CANARY"), "a token is shown");
    assert!(shown.contains("https://bao.example:8200/v1/transit/keys/byok"), "{shown}");
}
