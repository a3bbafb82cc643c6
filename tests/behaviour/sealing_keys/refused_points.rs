//! Public keys and encapsulations that are refused before a library sees them.

use sealwax::{
    KeyError, MasterKeyProvider, OpeningKey, ProviderErrorKind, SealingKey, UnwrapRequest,
};
use serde_json::Value;

use super::{PUBLIC_KEY_LEN, bytes_of, pair, text_of};
use crate::fixtures::{key_id, unhex};

/// The u-coordinates of small order, with the top bit cleared, as the format page has them.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];

/// Numbers next to them, which have no small order.
const OTHER: [&str; 4] = [
    "0200000000000000000000000000000000000000000000000000000000000000",
    "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e1eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
];

fn points(of: &[&str]) -> Vec<Vec<u8>> {
    let points = of.iter().map(|hex| unhex(hex));
    points
        .flat_map(|point| {
            let mut with_top_bit = point.clone();
            with_top_bit[31] |= 0x80;
            [point, with_top_bit]
        })
        .collect()
}

fn parsed(change: impl FnOnce(&mut Vec<u8>)) -> Option<KeyError> {
    let mut bytes = bytes_of(&pair(1).sealing_key());
    change(&mut bytes);
    text_of("sws1", &bytes).parse::<SealingKey>().err()
}

#[test]
fn a_public_key_of_small_order_is_refused() {
    let at = PUBLIC_KEY_LEN - 32..PUBLIC_KEY_LEN;
    let outcome = |point: &Vec<u8>| parsed(|bytes| bytes[at.clone()].copy_from_slice(point));
    let small = points(&SMALL_ORDER);
    assert_eq!(small.len(), 14);
    assert!(small.iter().all(|point| outcome(point) == Some(KeyError::Weak)));
    assert!(points(&OTHER).iter().all(|point| outcome(point).is_none()));
}

/// These wraps are right except for their point: the shared secret of X25519 is zero, as someone who knows the psk can
/// compute without the public key. Only the check of the point refuses them, with the error of any altered wrap.
#[test]
fn an_encapsulation_of_small_order_is_an_altered_wrap() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/small_order.json")).unwrap();
    let text = |name: &str| file[name].as_str().unwrap();
    let key: OpeningKey = text("opening_key").parse().unwrap();
    let (id, suite) = (key_id(text("key_id")), text("suite").parse().unwrap());
    let commitment = unhex(text("commitment")).try_into().unwrap();
    let unwrapped = |made: &Value| {
        let [point, rest] =
            ["point", "ciphertext_and_tag"].map(|part| unhex(made[part].as_str().unwrap()));
        let body = [unhex(text("check")), unhex(text("ct_m")), point, rest].concat();
        let request = UnwrapRequest::new(&id, suite, &commitment, &body);
        key.unwrap_key(request).into_ready().unwrap().map_err(|error| error.kind())
    };
    let list = |name: &str| file[name].as_array().unwrap().clone();

    let refused = list("refused");
    let mut expected = points(&SMALL_ORDER);
    for made in &refused {
        let point = unhex(made["point"].as_str().unwrap());
        expected.retain(|expected| *expected != point);
        assert_eq!(unwrapped(made).err(), Some(ProviderErrorKind::Rejected), "{point:?}");
    }
    assert_eq!((refused.len(), expected.len()), (14, 0));
    let controls = list("controls");
    for made in &controls {
        assert!(*unwrapped(made).unwrap().expose_secret() == *unhex(text("data_key")));
    }
    assert_eq!(controls.len(), 6);
}

/// FIPS 203 §7.2: each coefficient is less than 3329. Two of them are in three bytes.
#[test]
fn a_public_key_in_another_encoding_is_refused() {
    let with = |place: usize, value: u16| {
        let [low, high] = value.to_le_bytes();
        parsed(|bytes| {
            let at = place / 2 * 3;
            if place.is_multiple_of(2) {
                bytes[at] = low;
                bytes[at + 1] = bytes[at + 1] & 0xf0 | high;
            } else {
                bytes[at + 1] = bytes[at + 1] & 0x0f | low << 4;
                bytes[at + 2] = low >> 4 | high << 4;
            }
        })
    };
    let mut tried = 0;
    for place in [0, 1, 2, 255, 256, 511, 766, 767] {
        for value in [3329, 3330, 4095] {
            assert_eq!(with(place, value), Some(KeyError::Weak), "{value} at {place}");
            tried += 1;
        }
        for value in [0, 1, 3327, 3328] {
            assert_eq!(with(place, value), None, "{value} at {place}");
            tried += 1;
        }
    }
    assert_eq!(tried, 8 * 7);
    // The seed of the matrix, after the coefficients, may be anything.
    assert_eq!(parsed(|bytes| bytes[1152..1184].fill(0xff)), None);
}
