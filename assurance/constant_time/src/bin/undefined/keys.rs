//! Keys: from bytes and text, and to text.

use std::hint::black_box;

use sealwax::companion::{DerivationKey, IntermediateKey, LineKey as _, Purpose};
use sealwax::triplet::TripletKey;
use sealwax::{DataKey, Keyring, MasterKey, UnwrapRequest, WrapRequest};

use crate::given::{bytes, credential, data_key, drawn, id, master_key, public_bytes, text};
use crate::memcheck::{public, public_verdict, published, secret};
use crate::{SUITES, operation};

/// Returns the text of a master key, all of it secret except `swk1_`.
fn master_text(first: u8) -> String {
    let key = MasterKey::from_bytes(&mut public_bytes(first)).expect("not a weak key");
    let text = key.to_text().expose_str().expect("text").to_owned();
    secret(&text.as_bytes()[5..]);
    text
}

/// Returns the text of a master key with one character changed.
fn mistyped(at: usize) -> String {
    let text = master_text(1);
    public(text.as_bytes());
    let mut text = text.into_bytes();
    text[at] ^= 1;
    let text = String::from_utf8(text).expect("still text");
    secret(&text.as_bytes()[5..]);
    text
}

pub fn operations() {
    operation("master key from bytes", || drop(black_box(master_key(1))));
    operation("master key drawn", || {
        drop(black_box(MasterKey::generate_with_rng(&mut drawn()).expect("drawn")));
    });
    operation("master key to text", || {
        let text = master_key(1).to_text();
        public(text.expose_secret());
        assert!(text.expose_str().is_ok_and(|text| text.starts_with("swk1_")));
    });
    operation("master key from text", || {
        drop(black_box(master_text(1).parse::<MasterKey>().expect("a key")));
    });
    for at in [5, 30, 52] {
        operation(&format!("master key from text, mistyped at {at}"), || {
            assert!(mistyped(at).parse::<MasterKey>().is_err());
        });
    }
    operation("data key", || {
        drop(black_box(data_key(1).duplicate()));
        drop(black_box(DataKey::generate_with_rng(&mut drawn()).expect("drawn")));
    });
    operation("a weak key", || {
        for repeated in [0, 0x77] {
            let mut weak = [repeated; 32];
            secret(&weak);
            assert!(published(DataKey::from_bytes(&mut weak)).is_err());
        }
        // All bytes are equal except the first or the last.
        for at in [0, 31] {
            let mut key = [0x77; 32];
            key[at] = 0x78;
            secret(&key);
            assert!(published(DataKey::from_bytes(&mut key)).is_ok());
        }
    });
    derivation_keys();
    intermediate_keys();
    row_keys();
}

enum Invoices {}

impl Purpose for Invoices {
    const NAME: &str = "swi1";
}

type Derivation = DerivationKey<Invoices>;

fn derivation_keys() {
    let key = |first| Derivation::from_bytes(&mut bytes(first)).expect("not a weak key");
    operation("derivation key from bytes, and drawn", || {
        drop(black_box(key(1)));
        drop(black_box(Derivation::generate_with_rng(&mut drawn()).expect("drawn")));
    });
    operation("derivation key to and from text", || {
        let text = key(1).to_text();
        public(text.expose_secret());
        let text = text.expose_str().expect("text").to_owned();
        secret(&text.as_bytes()[5..]);
        drop(black_box(text.parse::<Derivation>().expect("a key")));
    });
    operation("derivations", || {
        let key = key(1);
        black_box(key.expand(&[b"invoices", credential(51).expose_secret()]));
        black_box(key.derive_key(&[b"swi1/next"]).expand(&[b"invoices"]));
    });
    operation("derivation keys compared", || {
        assert!(!public_verdict(key(1).is_same(&key(2))));
        assert!(public_verdict(key(1).is_same(&key(1))));
    });
}

fn intermediate_keys() {
    let key = || IntermediateKey::new(&data_key(1));
    operation("intermediate key made", || drop(black_box(key())));
    operation("branch keys compared with a name", || {
        let (key, mut branch_id) = (key(), key().branch_id());
        public(&branch_id);
        assert!(public_verdict(key.is_branch(&branch_id)));
        branch_id[31] ^= 1;
        assert!(!public_verdict(key.is_branch(&branch_id)));
    });
    for suite in SUITES {
        let (key_id, commitment) = (id("prod"), [7; 32]);
        let wrapped = || {
            let body = key().wrap(WrapRequest::new(&key_id, suite, &commitment, &data_key(9)));
            public(&body);
            body
        };
        let unwrap = |body: &[u8; 60]| {
            let request = UnwrapRequest::new(&key_id, suite, &commitment, body);
            published(key().unwrap(request))
        };
        operation("intermediate key wraps and unwraps", || {
            drop(black_box(unwrap(&wrapped()).expect("its own wrap")));
        });
        operation("intermediate key refuses", || {
            let mut body = wrapped();
            body[59] ^= 1;
            assert!(unwrap(&body).is_err());
        });
    }
}

const BASE64: &str = "ABEiM0RVZneImaq7zN3u/w8eLTxLWml4h5altMPS4fA=";

fn row_keys() {
    let hex = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let base64 = BASE64;
    operation("row key from bytes", || {
        drop(black_box(published(TripletKey::from_bytes(&mut bytes(1))).expect("not a weak key")));
    });
    operation("row key from hex", || {
        drop(black_box(TripletKey::from_hex(&text(hex)).expect("a key")));
        drop(black_box(TripletKey::from_hex(&text(&hex.to_uppercase())).expect("a key")));
        assert!(TripletKey::from_hex(&text(&hex.replacen('0', "g", 1))).is_err());
        assert!(TripletKey::from_hex(&text(&hex.replace("f0", "fg"))).is_err());
    });
    // The padding is the same in every key.
    let padded = |base64: &str| {
        let text = text(base64);
        public(&text.as_bytes()[43..]);
        text
    };
    operation("row key from base64", || {
        drop(black_box(TripletKey::from_base64(&padded(base64)).expect("a key")));
        assert!(TripletKey::from_base64(&padded(&base64.replacen('A', "*", 1))).is_err());
        assert!(TripletKey::from_base64(&padded(&base64.replace("fA=", "*A="))).is_err());
        let url = base64.replace('/', "_");
        drop(black_box(TripletKey::from_base64url(&padded(&url)).expect("a key")));
        drop(black_box(TripletKey::from_base64url(&text(&url[..43])).expect("a key")));
        assert!(TripletKey::from_base64url(&padded(&url.replacen('A', "*", 1))).is_err());
        assert!(TripletKey::from_base64url(&text(&url[..43].replace("fA", "*A"))).is_err());
    });
    operation("row key from a passphrase", || {
        drop(black_box(TripletKey::insecure_sha256_of(&text("a passphrase, not a key"))));
    });
}

/// Runs what looks at each character.
pub fn known() {
    // The parser has to distinguish lines, words and stray characters before it knows that a word is a key.
    crate::known("keyring from text", 2, |key| {
        let [prod, old, dr] = [[1, 2, 3], [4, 5, 6]][key].map(master_text);
        let lines = ["primary prod ", &prod, "\nretired old ", &old, "\ndisabled dr ", &dr];
        drop(black_box(lines.concat().parse::<Keyring>().expect("a keyring")));
    });
}
