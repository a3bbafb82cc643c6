//! No public type prints a secret, nor does a panic that involves one.

use std::future;
use std::panic::catch_unwind;

use sealwax::triplet::{IvLen, Layout, Part, TripletKey};
use sealwax::{
    Draft, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, OpenError, ProviderError,
    ProviderFuture, Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::canary::{
    OTHER, PLAINTEXT, PRIMARY, RETIRED, Shown, acme, base64, data_key, drawn, key, key_text, row,
    scanner, secret, triplet, triplet_key,
};
use crate::fixtures::{Counting, SUITES, key_id};
use crate::triplet::ENCODINGS;

#[test]
fn no_public_type_prints_a_secret() {
    let mut shown = Shown::default();
    let id = key_id("prod");
    shown.value("a secret", &secret());
    shown.value("a secret in an option", &Some(secret()));
    shown.value("secrets in a list", &[secret(), Secret::from(PRIMARY)]);
    shown.value("a secret in a result", &Ok::<_, OpenError>(secret()));
    shown.value("a master key", &key(PRIMARY));
    shown.value("a master key's text", &key(PRIMARY).to_text());
    shown.value("a data key", &data_key());
    shown.value("a duplicate", &data_key().duplicate());
    shown.value("a ready result", &ProviderFuture::ready(secret()));
    shown.value(
        "a data key as a result",
        &ProviderFuture::ready(Ok::<_, ProviderError>(data_key())),
    );
    shown.value("a pending result", &ProviderFuture::boxed(future::ready(secret())));
    shown.value("the reply of a key", &key(PRIMARY).check_value().len());

    let text = format!(
        "primary prod {}; retired old {}; disabled leaked {}",
        key_text(PRIMARY),
        key_text(RETIRED),
        key_text(OTHER)
    );
    let keyring: Keyring = text.parse().unwrap();
    shown.value("a keyring", &keyring);
    shown.value("a keyring's clone", &keyring.clone());
    shown.value("a keyring's keys", &keyring.keys().collect::<Vec<_>>());
    shown.text("a key id", format!("{id} {id:?}"));
    shown.value("a context", &acme());

    let mut printed = 0;
    for suite in SUITES {
        let row = row(suite);
        shown.value("an envelope", &row);
        shown.text("an envelope's text", row.to_string());
        shown.value("an envelope's bytes", &row.as_bytes());
        shown.value("an envelope's wraps", &row.wrapped_keys().collect::<Vec<_>>());
        let draft = Draft::new_with_rng(&secret(), &acme(), suite, &mut drawn()).unwrap();
        shown.value("a draft", &draft);
        let wrap = WrapRequest::new(&id, suite, draft.commitment(), draft.data_key());
        shown.value("a request to wrap", &wrap);
        shown.value("what it binds", &wrap.associated_data());
        let body = key(PRIMARY).wrap_key(wrap).into_ready().unwrap().unwrap();
        shown.value("a wrapped key", &WrappedKey::new(id.clone(), WrapKind::Local, &body).unwrap());
        let unwrap = UnwrapRequest::new(&id, suite, draft.commitment(), &body);
        shown.value("a request to unwrap", &unwrap);
        shown.value("the reply to it", &key(PRIMARY).unwrap_key(unwrap));
        shown.value("a suite", &suite);
        let opened = keyring.open(&row, &acme());
        shown.value("an opened secret", &opened);
        let envelope = keyring.seal_async_with_rng(&secret(), &acme(), &mut Counting(1));
        shown.value("a seal to come", &envelope);
        printed += 1;
    }
    assert_eq!(printed, 2);

    let hex: String = OTHER.iter().map(|byte| format!("{byte:02x}")).collect();
    shown.value("the key of others' rows", &triplet_key());
    shown.value("it, from hex", &TripletKey::from_hex(&hex));
    shown.value("it, from base64", &TripletKey::from_base64(&base64(OTHER)));
    shown.value("a key of a text", &TripletKey::insecure_sha256_of(PLAINTEXT));
    shown.value("a key of a byte", &TripletKey::insecure_repeated_byte(b'q'));
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        let row = triplet(iv_len);
        shown.value("the length of an IV", &iv_len);
        shown.value("a row from another program", &row);
        shown.value("its parts", &(row.iv(), row.tag(), row.ciphertext()));
        for encoding in ENCODINGS {
            shown.value("an encoding", &encoding);
            let layout = Layout::joined([Part::Iv, Part::Tag, Part::Ciphertext], encoding, iv_len);
            shown.value("a layout", &layout);
            shown.text("a row from another program as text", row.encode(layout).unwrap());
            shown.value("its columns", &(row.to_columns(encoding), row.to_joined(encoding)));
        }
        shown.value("a decrypted row", &triplet_key().decrypt(&row));
        let wrapped = triplet_key().encrypt(&Secret::from(PRIMARY), iv_len).unwrap();
        shown.value("an unwrapped key", &triplet_key().unwrap_key(&wrapped));
        printed += 1;
    }
    assert_eq!(printed, 4);
    shown.assert_clean(&scanner(), 200);
}

fn opened() -> Result<Secret, OpenError> {
    Keyring::new(key_id("prod"), key(PRIMARY)).unwrap().open(&row(Suite::default()), &acme())
}

/// A failed assertion prints its values with `Debug`, and the output ends up in a log.
#[test]
fn no_panic_over_a_secret_shows_it() {
    let panics: [fn(); 5] = [
        || assert_eq!(secret(), Secret::from("another")),
        || assert_eq!(Secret::from(PRIMARY), Secret::from(RETIRED)),
        || drop(opened().unwrap_err()),
        || panic!("{:?}", key_text(PRIMARY).parse::<MasterKey>()),
        || drop(key_text(PRIMARY)[..50].parse::<MasterKey>().unwrap()),
    ];
    let mut shown = Shown::default();
    for panic in panics {
        let payload = catch_unwind(panic).unwrap_err();
        shown.text("a panic", payload.downcast_ref::<String>().unwrap());
    }
    shown.assert_clean(&scanner(), 5);
}
