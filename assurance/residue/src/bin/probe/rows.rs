//! Rows of other programs: triplets, Cloak, LiteLLM, n8n.

use std::hint::black_box;

use residue::pipe::role;
use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{IvLen, Layout, Triplet, TripletError, TripletKey};
use sealwax::{Secret, Suite};

use crate::given::{IV, Lent, Rng, bytes, says, secret, text};
use crate::{SOME, step};

/// Rows always use AES-256-GCM, whatever the suite of envelopes.
const SUITE: Suite = Suite::Aes256Gcm;
const SALT: Rng = Rng::Of(role::SALT, 0);

fn key() -> TripletKey {
    TripletKey::from_bytes(&mut bytes(role::ROW_KEY, 0, 32)).expect("32 random bytes")
}

fn passphrase() -> Lent {
    Lent::new(role::PASSPHRASE, 0, 0)
}

pub fn steps(sizes: &[usize]) {
    keys();
    for &size in sizes {
        for (iv_len, layout) in [
            (IvLen::Twelve, Layout::HEX_IV12_TAG_CIPHERTEXT),
            (IvLen::Sixteen, Layout::HEX_IV16_TAG_CIPHERTEXT),
        ] {
            triplets(size, iv_len, layout);
            cloaks(size, iv_len);
        }
        litellms(size);
        n8ns(size);
    }
    unwrapped_keys();
}

fn keys() {
    let made = "row key made";
    step(made, SUITE, 0, &mut || drop(black_box(key())));
    for number in [0, 1] {
        step(made, SUITE, 0, &mut || {
            let lent = Lent::new(role::ROW_KEY_HEX, number, 0);
            black_box(format!("{:?}", TripletKey::from_hex(lent.text()).expect("64 digits")));
        });
    }
    step(made, SUITE, 0, &mut || {
        let lent = Lent::new(role::ROW_KEY_BASE64, 0, 0);
        drop(black_box(TripletKey::from_base64(lent.text()).expect("44 characters")));
    });
    step(made, SUITE, 0, &mut || {
        let url = base64url();
        drop(black_box(TripletKey::from_base64url(&url).expect("44 characters")));
        drop(black_box(TripletKey::from_base64url(&url[..43]).expect("43 characters")));
        wipe(url);
    });
    step(made, SUITE, 0, &mut || {
        drop(black_box(TripletKey::insecure_sha256_of(passphrase().text())));
    });
    for version in [litellm::Version::V2, litellm::Version::V3] {
        step(made, SUITE, 0, &mut || {
            drop(black_box(litellm::insecure_key(version, passphrase().text())));
        });
    }
    let refused = "row key refused";
    step(refused, SUITE, 0, &mut || {
        let lent = Lent::new(role::ROW_KEY_HEX, 0, 0);
        says(&TripletKey::from_hex(&lent.text()[1..]).expect_err("63 digits"));
        let base64 = Lent::new(role::ROW_KEY_BASE64, 0, 0);
        says(&TripletKey::from_base64(&base64.text()[1..]).expect_err("cut"));
        let mut long = bytes(role::DRAWN, 0, 44);
        says(&TripletKey::from_bytes(&mut long).expect_err("44 bytes"));
    });
    step(refused, SUITE, 0, &mut || {
        // The last character is invalid, so everything before it has been decoded by then.
        let mut lent = text(role::ROW_KEY_HEX, 0, 0);
        lent.pop();
        lent.push('g');
        says(&TripletKey::from_hex(&lent).expect_err("not hex"));
        wipe(lent);
        let mut lent = text(role::ROW_KEY_BASE64, 0, 0);
        lent.replace_range(42..43, "*");
        says(&TripletKey::from_base64(&lent).expect_err("not base64"));
        wipe(lent);
        let mut url = base64url();
        url.replace_range(42..43, "*");
        says(&TripletKey::from_base64url(&url).expect_err("not base64url"));
        wipe(url);
    });
    step(refused, SUITE, 0, &mut || {
        says(&TripletKey::from_hex(&"77".repeat(32)).expect_err("weak"));
    });
}

/// Returns a row key in base64url, in a buffer that has not grown.
fn base64url() -> String {
    let base64 = text(role::ROW_KEY_BASE64, 0, 0);
    let mut url = String::with_capacity(base64.len());
    url.extend(base64.chars().map(|character| match character {
        '+' => '-',
        '/' => '_',
        other => other,
    }));
    wipe(base64);
    url
}

/// Wipes a text that the probe itself has changed.
fn wipe(text: String) {
    for byte in &mut text.into_bytes() {
        // SAFETY: a byte that we own.
        unsafe { std::ptr::from_mut(byte).write_volatile(0) };
    }
}

fn triplets(size: usize, iv_len: IvLen, layout: Layout) {
    step("triplet encrypted", SUITE, size, &mut || {
        drop(black_box(key().encrypt(&secret(size), iv_len).expect("encrypted")));
        let row = key().encrypt_with_rng(&secret(size), iv_len, &mut { IV }).expect("encrypted");
        drop(black_box(row.encode(layout).expect("a row")));
    });
    step("triplet decrypted", SUITE, size, &mut || {
        let row = key().encrypt_with_rng(&secret(size), iv_len, &mut { IV }).expect("encrypted");
        let row = Triplet::parse(&row.encode(layout).expect("a row"), layout).expect("a triplet");
        assert_eq!(black_box(key().decrypt(&row).expect("decrypted")).len(), size);
    });
    step("triplet refused", SUITE, size, &mut || {
        let row = key().encrypt_with_rng(&secret(size), iv_len, &mut { IV }).expect("encrypted");
        let bound = key().decrypt_with_associated_data(&row, b"another row");
        assert_eq!(bound.err(), Some(TripletError::NotAuthentic));
        let mut tag = *row.tag();
        tag[15] ^= 1;
        let row = Triplet::from_parts(row.iv(), &tag, row.ciphertext()).expect("a triplet");
        assert_eq!(key().decrypt(&row).err(), Some(TripletError::NotAuthentic));
        let error = key().unwrap_key(&row).expect_err("no key, or altered");
        assert_eq!(error == TripletError::NotAuthentic, size == 32);
    });
}

fn unwrapped_keys() {
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        step("row key unwrapped", SUITE, 32, &mut || {
            // The row's key is wrapped the same way that a data key is: under another key.
            let wrapped = Secret::from(bytes(role::DATA_KEY, 0, 32));
            let row = key().encrypt_with_rng(&wrapped, iv_len, &mut { IV }).expect("encrypted");
            drop(black_box(key().unwrap_key(&row).expect("a key")));
        });
        step("row key refused", SUITE, SOME, &mut || {
            let row =
                key().encrypt_with_rng(&secret(SOME), iv_len, &mut { IV }).expect("encrypted");
            let error = key().unwrap_key(&row).expect_err("51 bytes");
            assert!(matches!(error, TripletError::Malformed { .. }));
            says(&error);
            // A placeholder, which is not accepted as a key.
            let repeated = Secret::from([0x77; 32].as_slice());
            let row = key().encrypt_with_rng(&repeated, iv_len, &mut { IV }).expect("encrypted");
            let error = key().unwrap_key(&row).expect_err("weak");
            assert!(matches!(error, TripletError::Key { .. }));
        });
    }
}

fn cloaks(size: usize, iv_len: IvLen) {
    step("cloak", SUITE, size, &mut || {
        let row = cloak::encrypt_with_rng(&key(), "V1", iv_len, &secret(size), &mut { IV });
        let row = row.expect("encrypted");
        drop(black_box(cloak::encrypt(&key(), "V1", iv_len, &secret(size)).expect("encrypted")));
        assert_eq!(cloak::label(&row), Ok(b"V1".as_slice()));
        let opened = cloak::decrypt(&key(), "V1", iv_len, &row).expect("decrypted");
        assert_eq!(black_box(opened).len(), size);
        let mut altered = row.clone();
        *altered.last_mut().expect("a byte") ^= 1;
        says(&cloak::decrypt(&key(), "V1", iv_len, &altered).expect_err("altered"));
        says(&cloak::decrypt(&key(), "V2", iv_len, &row).expect_err("another label"));
    });
}

fn litellms(size: usize) {
    for version in [litellm::Version::V2, litellm::Version::V3] {
        step("litellm", SUITE, size, &mut || {
            let key = litellm::insecure_key(version, passphrase().text());
            let row = litellm::encrypt_with_rng(&key, version, &secret(size), &mut { IV });
            let row = row.expect("encrypted");
            drop(black_box(litellm::encrypt(&key, version, &secret(size)).expect("encrypted")));
            let opened = litellm::decrypt(&key, version, &row).expect("decrypted");
            assert_eq!(black_box(opened).len(), size);
            let other = litellm::insecure_key(version, "another passphrase");
            says(&litellm::decrypt(&other, version, &row).expect_err("another key"));
        });
    }
}

fn n8ns(size: usize) {
    step("n8n", SUITE, size, &mut || {
        let row = n8n::encrypt_with_rng(&key(), "ID", &secret(size), &mut { SALT });
        let row = row.expect("encrypted");
        drop(black_box(n8n::encrypt(&key(), "ID", &secret(size)).expect("encrypted")));
        assert_eq!(n8n::key_id(&row), Ok("ID"));
        assert_eq!(black_box(n8n::decrypt(&key(), &row).expect("decrypted")).len(), size);
        let other = TripletKey::insecure_sha256_of("another passphrase");
        says(&n8n::decrypt(&other, &row).expect_err("another key"));
    });
    step("n8n key unwrapped", SUITE, 64, &mut || {
        let instance = TripletKey::insecure_sha256_of(passphrase().text());
        let hex = Secret::from(text(role::ROW_KEY_HEX, 0, 0));
        let row = n8n::encrypt_with_rng(&instance, "ID", &hex, &mut { SALT }).expect("encrypted");
        let value = row.strip_prefix("ID:").expect("an id");
        drop(black_box(n8n::insecure_unwrap_key(passphrase().text(), value).expect("a key")));
        let error = n8n::insecure_unwrap_key("another passphrase", value).expect_err("another");
        says(&error);
    });
    step("n8n key refused", SUITE, size, &mut || {
        let instance = TripletKey::insecure_sha256_of(passphrase().text());
        let row = n8n::encrypt_with_rng(&instance, "ID", &secret(size), &mut { SALT });
        let row = row.expect("encrypted");
        let value = row.strip_prefix("ID:").expect("an id");
        let error = n8n::insecure_unwrap_key(passphrase().text(), value).expect_err("no key");
        assert!(matches!(error, TripletError::Key { .. }));
    });
}
