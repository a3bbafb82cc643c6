//! 16 MiB fit in a row, and one byte more does not.

use sealwax::triplet::{Encoding, IvLen, Layout, Triplet};
use sealwax::{Field, Secret};

use crate::fixtures::Counting;
use crate::triplet::{ENCODINGS, Form, IV_LENS, ORDERS, Row, Told, key, parsed, told};

const MAX_LEN: usize = 16 * 1024 * 1024;

#[test]
fn sixteen_mebibytes_are_a_row_and_one_byte_more_is_none() {
    let joined = Layout::joined(ORDERS[1], Encoding::Base64, IvLen::Twelve);
    for (layout, iv_len) in
        [(Layout::HEX_IV16_TAG_CIPHERTEXT, IvLen::Sixteen), (joined, IvLen::Twelve)]
    {
        for len in [1024 * 1024, MAX_LEN] {
            let secret = Secret::from(vec![b'q'; len]);
            let row = key().encrypt(&secret, iv_len).unwrap();
            let text = row.encode(layout).unwrap();
            let read = parsed(&text, layout);
            assert!(read == row && read.encode(layout).unwrap() == text, "{layout:?}, {len} bytes");
            assert!(key().decrypt(&read).unwrap() == secret, "{layout:?}, {len} bytes");
        }
    }
    for iv_len in IV_LENS {
        let secret = Secret::from(vec![b'q'; MAX_LEN + 1]);
        let encrypted = key().encrypt_with_rng(&secret, iv_len, &mut Counting(1));
        assert_eq!(told(&encrypted), Told::TooLong);
    }
}

#[test]
fn a_ciphertext_of_sixteen_mebibytes_and_one_byte_is_refused() {
    let long = Row { iv: vec![1; 12], tag: vec![2; 16], ciphertext: vec![3; MAX_LEN + 1] };
    let sealed = [long.ciphertext.as_slice(), &long.tag].concat();
    let too_long = Told::Malformed(Field::Ciphertext, 0);
    assert_eq!(told(&Triplet::from_parts(&long.iv, &long.tag, &long.ciphertext)), too_long);
    assert_eq!(told(&Triplet::from_joined_parts(&long.iv, &sealed)), too_long);
    assert_eq!(told(&Triplet::from_joined_parts(&long.iv, &sealed[1..])), Told::Done);
    let mut tried = 0;
    for encoding in ENCODINGS {
        // Returns this many zero bytes as text.
        let zeros = |bytes: usize| match encoding {
            Encoding::HexLower | Encoding::HexAnyCase => "0".repeat(2 * bytes),
            Encoding::Base64 | Encoding::Base64UrlPadded => {
                let padding = (3 - bytes % 3) % 3;
                "A".repeat(bytes.div_ceil(3) * 4 - padding) + &"=".repeat(padding)
            }
            _ => "A".repeat((bytes * 4).div_ceil(3)),
        };
        let (iv, tag) = (zeros(12), zeros(16));
        // A single column may have the maximum length, which is that of a ciphertext followed by
        // its tag.
        assert_eq!(encoding.decode(&zeros(MAX_LEN + 16)).unwrap().len(), MAX_LEN + 16);
        let longer = encoding.decode(&zeros(MAX_LEN + 17));
        assert_eq!(told(&longer), Told::Malformed(Field::Column, 0), "{encoding:?}");
        for (more, expected) in [(0, Told::Done), (1, too_long), (2, too_long), (3, too_long)] {
            let text = zeros(MAX_LEN + more);
            let columns = Triplet::from_columns(&iv, &tag, &text, encoding);
            assert_eq!(told(&columns), expected, "{encoding:?}, columns, {more} more");
            let sealed = Triplet::from_joined(&iv, &zeros(MAX_LEN + more + 16), encoding);
            assert_eq!(told(&sealed), expected, "{encoding:?}, joined columns, {more} more");
            let form =
                Form { order: ORDERS[2], separator: Some(':'), encoding, iv_len: IvLen::Twelve };
            let texts = [tag.clone(), iv.clone(), text];
            let separated = told(&Triplet::parse(&form.join(&texts), form.layout()));
            let form = Form { separator: None, ..form };
            let joined = told(&Triplet::parse(&zeros(MAX_LEN + more + 28), form.layout()));
            if more == 0 {
                assert_eq!([separated, joined], [Told::Done; 2]);
            } else {
                let at = tag.len() + iv.len() + 2;
                let expected = [(Field::Ciphertext, at), (Field::Row, 0)];
                assert_eq!([separated, joined], expected.map(|(f, at)| Told::Malformed(f, at)));
            }
            tried += 4;
        }
    }
    assert_eq!(tried, 5 * 4 * 4);
}
