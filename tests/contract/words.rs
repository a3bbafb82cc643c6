//! Key ids, suites, wrap kinds, contexts and wrapped keys.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt::{Debug, Display},
    hash::Hash,
    str::FromStr,
};

use sealwax::{
    ContextError, EncryptionContext, FormatError, Held, KeyId, Suite, WrapKind, WrappedKey,
};

use crate::id;

fn is_key<T: Eq + Ord + Hash + Clone + Debug + Display + AsRef<str> + Borrow<str>>() {}
fn is_word<T: Copy + Eq + Debug>() {}

#[test]
fn a_key_id_is_made_from_text_and_becomes_text() {
    is_key::<KeyId>();

    let parsed: KeyId = "prod-2026".parse().unwrap();
    let borrowed = KeyId::try_from("prod-2026").unwrap();
    let owned = KeyId::try_from(String::from("prod-2026")).unwrap();
    assert_eq!(parsed, borrowed);
    assert_eq!(borrowed, owned);

    assert_eq!(parsed.to_string(), "prod-2026");
    assert_eq!(AsRef::<str>::as_ref(&parsed), "prod-2026");
    assert_eq!(Borrow::<str>::borrow(&parsed), "prod-2026");
    assert_eq!(String::from(owned), "prod-2026");
}

#[test]
fn a_key_id_is_found_in_a_map_by_its_text() {
    let hashed = HashMap::from([(id("prod-2026"), 1)]);
    assert_eq!(hashed.get("prod-2026"), Some(&1));

    let ordered = BTreeMap::from([(id("b"), 2), (id("a"), 1)]);
    assert_eq!(ordered.get("b"), Some(&2));
    assert_eq!(ordered.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);

    let copied = id("prod-2026").clone();
    assert!(HashSet::from([id("prod-2026")]).contains(&copied));
}

#[test]
fn key_ids_of_every_allowed_form_are_taken() {
    for text in ["a", "9", "prod-2026", "tenant/42@3", "A.b_c-d/e@f", &"k".repeat(128)] {
        assert!(KeyId::from_str(text).is_ok(), "{text}");
    }
}

#[test]
fn key_ids_that_are_no_labels_are_refused() {
    let long = "k".repeat(129);
    for text in [
        "",
        "-a",
        ".a",
        "_a",
        "/a",
        "@a",
        "a b",
        "a:b",
        "a=b",
        "a,b",
        "ä",
        "a\n",
        &long,
        "swk1_",
        "swo1_x",
        "prod-swk1_x",
        "SWS1_x",
        "swkt1_x",
        "x.SwH1_",
    ] {
        assert!(KeyId::from_str(text).is_err(), "{text}");
        assert!(KeyId::try_from(text).is_err(), "{text}");
        assert!(KeyId::try_from(text.to_owned()).is_err(), "{text}");
    }
}

#[test]
fn a_suite_has_a_name() {
    is_word::<Suite>();

    assert_eq!(Suite::default(), Suite::Aes256Gcm);
    for (suite, name) in [(Suite::Aes256Gcm, "a256gcm"), (Suite::ChaCha20Poly1305, "c20p")] {
        assert_eq!(suite.to_string(), name);
        assert_eq!(name.parse::<Suite>().unwrap(), suite);
    }
    for name in ["A256GCM", "c20", "", " c20p"] {
        assert!(Suite::from_str(name).is_err(), "{name}");
    }
}

#[test]
fn wrap_kinds_are_words() {
    is_word::<WrapKind>();

    assert_ne!(WrapKind::Local, WrapKind::Provider);
}

#[test]
fn a_context_is_encoded_in_the_order_of_its_names() {
    let context: EncryptionContext = EncryptionContext::new([("b", "22"), ("a", "1")]).unwrap();
    let encoded: &[u8] = context.encoded();

    assert_eq!(encoded, b"\x00\x02\x00\x01a\x00\x011\x00\x01b\x00\x0222");
    assert_eq!(context, EncryptionContext::new([("a", "1"), ("b", "22")]).unwrap());
    assert_ne!(context, EncryptionContext::new([("a", "1"), ("b", "2")]).unwrap());
    assert_eq!(context.clone(), context);
    assert!(!format!("{context:?}").is_empty());
}

#[test]
fn a_context_is_made_of_whatever_yields_pairs() {
    let expected = EncryptionContext::new([("row", "1"), ("tenant", "acme")]).unwrap();

    let owned = vec![("tenant".to_owned(), "acme".to_owned()), ("row".to_owned(), "1".to_owned())];
    assert_eq!(EncryptionContext::new(owned.iter().map(|(n, v)| (n, v))).unwrap(), expected);
    assert_eq!(EncryptionContext::new(owned).unwrap(), expected);

    let map = BTreeMap::from([("tenant", "acme".to_owned()), ("row", "1".to_owned())]);
    assert_eq!(EncryptionContext::new(&map).unwrap(), expected);
}

#[test]
fn a_context_is_read_by_name_and_in_order() {
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "")]).unwrap();
    let row: Option<&str> = context.get("row");

    assert_eq!(row, Some(""));
    assert_eq!(context.get("tenant"), Some("acme"));
    assert_eq!(context.get("Tenant"), None);
    let pairs: Vec<(&str, &str)> = context.iter().collect();
    assert_eq!(pairs, [("row", ""), ("tenant", "acme")]);
}

#[test]
fn the_empty_context_is_two_bytes() {
    let empty: EncryptionContext = EncryptionContext::empty();

    assert_eq!(empty.encoded(), [0, 0]);
    assert_eq!(empty.iter().count(), 0);
    assert_eq!(empty, EncryptionContext::new([("", ""); 0]).unwrap());
}

#[test]
fn a_context_has_limits() {
    let pairs = |count: u32| (0..count).map(|n| (n.to_string(), "v"));
    assert!(EncryptionContext::new(pairs(32)).is_ok());
    assert!(EncryptionContext::new(pairs(33)).is_err());

    assert!(EncryptionContext::new([("n".repeat(64), "v".repeat(1024))]).is_ok());
    assert!(EncryptionContext::new([("n".repeat(65), "v")]).is_err());
    assert!(EncryptionContext::new([("n", "v".repeat(1025))]).is_err());
    assert!(EncryptionContext::new([("", "v")]).is_err());
    assert!(EncryptionContext::new([("n", "1"), ("n", "2")]).is_err());
}

#[test]
fn the_formats_own_names_are_refused_from_callers() {
    for name in ["sw1/", "sw1/holds", "sw1/hosts", "sw1/later"] {
        let refused: Result<EncryptionContext, ContextError> =
            EncryptionContext::new([(name, "x")]);
        assert!(refused.is_err(), "{name}");
    }
    assert!(EncryptionContext::new([("sw1", "x"), ("SW1/x", "x")]).is_ok());
}

#[test]
fn a_context_says_which_key_its_envelope_holds() {
    for (held, value) in
        [(Held::MasterKey, "swk1"), (Held::OpeningKey, "swo1"), (Held::Keyring, "ring")]
    {
        let context: Result<EncryptionContext, ContextError> =
            EncryptionContext::new([("tenant", "acme")]).unwrap().holding(held);
        let context = context.unwrap();
        assert_eq!(context.get("sw1/holds"), Some(value));
        assert_eq!(context.get("tenant"), Some("acme"));
    }

    let full = EncryptionContext::new((0..32_u32).map(|n| (n.to_string(), "v"))).unwrap();
    assert!(full.holding(Held::MasterKey).is_err());
}

#[test]
fn a_context_names_the_hosts_that_may_receive_the_credential() {
    let context: Result<EncryptionContext, ContextError> =
        EncryptionContext::empty().with_hosts(&["b.example", "a-1.example", "x_y"]);
    let context = context.unwrap();

    assert_eq!(context.get("sw1/hosts"), Some("a-1.example b.example x_y"));
    assert_eq!(
        context,
        EncryptionContext::empty().with_hosts(&["x_y", "b.example", "a-1.example"]).unwrap()
    );
}

#[test]
fn hosts_are_refused_and_not_mended() {
    let long = "h".repeat(254);
    for host in [
        "",
        "API.example",
        "api.example:443",
        "*.example",
        "api.example.",
        ".example",
        "api..example",
        "a b",
        "[::1]",
        "ä.example",
        &long,
    ] {
        assert!(EncryptionContext::empty().with_hosts(&[host]).is_err(), "{host}");
    }
    assert!(EncryptionContext::empty().with_hosts(&["a.example", "a.example"]).is_err());
    assert!(EncryptionContext::empty().with_hosts(&[]).is_err());
}

#[test]
fn a_wrapped_key_is_an_id_a_kind_and_a_body() {
    let wrapped: Result<WrappedKey, FormatError> =
        WrappedKey::new(id("kms"), WrapKind::Provider, b"body");
    let wrapped = wrapped.unwrap();
    let kind: WrapKind = wrapped.kind();
    let body: &[u8] = wrapped.body();

    assert_eq!(wrapped.key_id().to_string(), "kms");
    assert_eq!(kind, WrapKind::Provider);
    assert_eq!(body, b"body");
}

#[test]
fn a_wrapped_key_has_limits() {
    assert!(WrappedKey::new(id("kms"), WrapKind::Provider, &[]).is_err());
    assert!(WrappedKey::new(id("kms"), WrapKind::Provider, &[7_u8; 65_534]).is_ok());
    assert!(WrappedKey::new(id("kms"), WrapKind::Provider, &[7_u8; 65_535]).is_err());
}
