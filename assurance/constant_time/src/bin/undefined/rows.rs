//! Rows of other programs.

use std::hint::black_box;

use sealwax::Secret;
use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{IvLen, Triplet};
use secrecy::SecretString;

use crate::given::{Draws, bytes, credential, drawn, public_bytes, row_key, text};
use crate::memcheck::{public, public_verdict};
use crate::{LENS, operation};

/// Draws an IV of 12 or 16 bytes, or a salt of 32 bytes, all of them public.
fn iv() -> Draws<impl FnMut(&mut [u8])> {
    let Draws(mut draw) = drawn();
    Draws(move |buffer: &mut [u8]| {
        draw(buffer);
        public(buffer);
    })
}

fn encrypted(iv_len: IvLen, secret: &Secret) -> Triplet {
    let row = row_key(1).encrypt_with_rng(secret, iv_len, &mut iv()).expect("encrypted");
    public(row.tag());
    public(row.ciphertext());
    row
}

pub fn operations() {
    for len in LENS {
        for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
            operation(&format!("triplet {iv_len:?} {len}"), || {
                let row = encrypted(iv_len, &credential(len));
                let opened = row_key(1).decrypt(&row).expect("decrypted");
                assert!(public_verdict(opened == credential(len)));
                assert!(row_key(2).decrypt(&row).is_err());
            });
            operation(&format!("cloak {iv_len:?} {len}"), || {
                let row =
                    cloak::encrypt_with_rng(&row_key(1), "V1", iv_len, &credential(len), &mut iv());
                let row = row.expect("encrypted");
                public(&row);
                drop(black_box(cloak::decrypt(&row_key(1), "V1", iv_len, &row).expect("opened")));
            });
        }
        encoded(len);
    }
    operation("row key unwrapped", || {
        let wrapped = Secret::from(bytes(9));
        for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
            let row = encrypted(iv_len, &wrapped);
            drop(black_box(row_key(1).unwrap_key(&row).expect("a key")));
        }
        assert!(row_key(1).unwrap_key(&encrypted(IvLen::Twelve, &credential(51))).is_err());
    });
    operation("n8n key unwrapped", || {
        let instance = sealwax::triplet::TripletKey::insecure_sha256_of(&text("instance"));
        let hex: String = public_bytes(9).iter().map(|byte| format!("{byte:02x}")).collect();
        let row = n8n::encrypt_with_rng(&instance, "ID", &Secret::from(text(&hex)), &mut iv());
        let row = row.expect("encrypted");
        public(row.as_bytes());
        let value = row.strip_prefix("ID:").expect("an id");
        drop(black_box(n8n::insecure_unwrap_key(&text("instance"), value).expect("a key")));
    });
}

/// Runs what looks at each character.
pub fn known() {
    // Both texts are ASCII and of one length. In other text, the lengths of the characters show.
    crate::known("expose_str", 2, |text| {
        let secret = Secret::from(crate::given::text(["credential", "CREDENTIAL"][text]));
        black_box(secret.expose_str().is_ok());
    });
    crate::known("SecretString::try_from", 2, |text| {
        let secret = Secret::from(crate::given::text(["credential", "CREDENTIAL"][text]));
        drop(black_box(SecretString::try_from(secret)));
    });
}

/// Runs the rows in base64. They are encoded when the library returns them, and public from then on.
fn encoded(len: usize) {
    for version in [litellm::Version::V2, litellm::Version::V3] {
        operation(&format!("litellm {version:?} {len}"), || {
            let key = litellm::insecure_key(version, &text("a salt key"));
            let row = litellm::encrypt_with_rng(&key, version, &credential(len), &mut iv());
            let row = row.expect("encrypted");
            public(row.as_bytes());
            drop(black_box(litellm::decrypt(&key, version, &row).expect("decrypted")));
        });
    }
    operation(&format!("n8n {len}"), || {
        let row = n8n::encrypt_with_rng(&row_key(1), "ID", &credential(len), &mut iv());
        let row = row.expect("encrypted");
        public(row.as_bytes());
        drop(black_box(n8n::decrypt(&row_key(1), &row).expect("decrypted")));
    });
}
