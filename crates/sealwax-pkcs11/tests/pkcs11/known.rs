//! Known answers, which Python's `cryptography` and Node's `crypto` made, with the same result.
//!
//! The key of the token is 40 41 … 5f, the data key 00 01 … 1f, and the IV a0 a1 … ab. The associated data is
//! 01 ‖ 01 ‖ 08 ‖ `hsm/test` ‖ 32 bytes of 07.

use pollster::block_on;
use sealwax::DataKey;
use sealwax_pkcs11::TokenKey;

use crate::token::{Row, with_token};

const AES_GCM: &str = "010101a0a1a2a3a4a5a6a7a8a9aaabd78e043ce6ee9a2a71664bf585b13ef9ff06e7d4f87a933afac5f481f5df60\
                       e7fe60d5eba68d17390cbde4a3f98c1516";
const AES_KEY_WRAP: &str =
    "0201019ba74ec0a3394a43baa95548a2d07bd4ac4f6ead62c4dd166837dcc58680468653db29b899a7668d";

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}

fn row() -> Row {
    let mut data_key: Vec<u8> = (0..0x20).collect();
    Row { data_key: DataKey::from_bytes(&mut data_key).unwrap(), ..Row::new(7) }
}

#[test]
fn aes_gcm() {
    with_token(|token| {
        token.import((0x40..0x60).collect());
        row().unwrap(&token.connect(), &bytes(AES_GCM)).unwrap();
    });
}

#[test]
fn aes_key_wrap() {
    with_token(|token| {
        token.import((0x40..0x60).collect());
        let rebound = block_on(TokenKey::connect_key_wrap(token.config())).unwrap();
        row().unwrap(rebound.service(), &bytes(AES_KEY_WRAP)).unwrap();
        // The same data key always has the same wrap.
        assert_eq!(row().wrap(rebound.service()).unwrap(), bytes(AES_KEY_WRAP));
    });
}
