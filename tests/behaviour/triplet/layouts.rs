//! A row can be read in each layout that it was written in, as Node and Python write it, and in the same way from
//! columns.

use sealwax::Secret;
use sealwax::triplet::{Encoding, IvLen, Layout, Triplet};

use crate::fixtures::{CREDENTIAL, Scripted};
use crate::triplet::{
    ENCODINGS, Form, IV_LENS, IV12_ROW, IV16_ROW, ORDERS, Row, encoded, forms, key, parsed, written,
};

/// A row with an empty ciphertext under the IV 30 31 32 …, generated in the same way.
const IV16_EMPTY_ROW: &str = "303132333435363738393a3b3c3d3e3f:59f46f79db4288dbf81d6b2a95273b68:";

#[test]
fn each_layout_reads_what_it_writes_and_writes_what_it_read() {
    let mut tried = 0;
    for form in forms() {
        let layout = form.layout();
        for len in [0_usize, 1, 15, 16, 17, 51, 4096] {
            let plaintext = Secret::from((0..=250).cycle().take(len).collect::<Vec<u8>>());
            let row = written(form.iv_len, plaintext.expose_secret());
            assert_eq!((row.iv_len(), row.iv().len()), (form.iv_len, form.iv_len.bytes()));
            assert_eq!(row.ciphertext().len(), len);
            let text = row.encode(layout).unwrap();
            assert!(
                text == form.write(&Row::of(&row)),
                "{form:?}, {len} bytes, written differently"
            );
            let read = parsed(&text, layout);
            assert!(read == row && read.encode(layout).unwrap() == text, "{form:?}, {len} bytes");
            assert_eq!(key().decrypt(&read).unwrap(), plaintext, "{form:?}, {len} bytes");
            tried += 1;
        }
    }
    assert_eq!(tried, 120 * 7);
}

#[test]
fn the_constants_read_what_node_and_python_wrote() {
    let [iv12, iv16] = [IV12_ROW, IV16_ROW].map(|row| row.split(':').collect::<Vec<_>>());
    let swapped = |row: &[&str]| [row[0], row[2], row[1]].join(":");
    // From Python: base64.b64encode(iv + tag + ciphertext), and with the last two swapped.
    let [joined, sealed] = [
        "ICEiIyQlJicoKSormd26eVJWW4I9OdOm4uh1ZaFRiwQJ624jKk1w/fUtws7ocI3+5OQGiAueBXgi5jNnGv6Udv1RQKxj\
         hRfoGUtcjKdsqw==",
        "ICEiIyQlJicoKSoroVGLBAnrbiMqTXD99S3Czuhwjf7k5AaIC54FeCLmM2ca/pR2/VFArGOFF+gZS1yMp2yrmd26eVJW\
         W4I9OdOm4uh1ZQ==",
    ];
    let hex =
        |order, iv_len| Form { order, separator: Some(':'), encoding: Encoding::HexLower, iv_len };
    let base64 =
        |order| Form { order, separator: None, encoding: Encoding::Base64, iv_len: IvLen::Twelve };
    let [tag_first, tag_last, ..] = ORDERS;
    let (twelve, sixteen) = (IvLen::Twelve, IvLen::Sixteen);
    let rows = [
        (Layout::HEX_IV16_TAG_CIPHERTEXT, IV16_ROW, hex(tag_first, sixteen)),
        (Layout::HEX_IV12_TAG_CIPHERTEXT, IV12_ROW, hex(tag_first, twelve)),
        (Layout::HEX_IV16_CIPHERTEXT_TAG, &swapped(&iv16), hex(tag_last, sixteen)),
        (Layout::HEX_IV12_CIPHERTEXT_TAG, &swapped(&iv12), hex(tag_last, twelve)),
        (Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED, joined, base64(tag_first)),
        (Layout::BASE64_IV12_CIPHERTEXT_TAG_JOINED, sealed, base64(tag_last)),
    ];
    for (layout, text, form) in rows {
        // So the tests of each form apply to each constant.
        assert_eq!(layout, form.layout());
        let row = parsed(text, layout);
        assert_eq!(key().decrypt(&row).unwrap(), Secret::from(CREDENTIAL), "{layout:?}");
        assert_eq!(row.encode(layout).unwrap(), text);
        // Written byte for byte as Node and Python write it.
        let mut rng = Scripted(vec![(0x20..).take(form.iv_len.bytes()).collect()]);
        let own = key().encrypt_with_rng(&CREDENTIAL.into(), form.iv_len, &mut rng).unwrap();
        assert_eq!(own, row, "{layout:?}");
    }
    let empty = parsed(IV16_EMPTY_ROW, Layout::HEX_IV16_TAG_CIPHERTEXT);
    assert_eq!(key().decrypt(&empty).unwrap(), Secret::from(""));
}

#[test]
fn columns_parts_and_texts_agree() {
    let mut tried = 0;
    for iv_len in IV_LENS {
        for len in [0, 1, 15, 16, 17, 51] {
            let row = written(iv_len, &CREDENTIAL.as_bytes()[..len]);
            let sealed = [row.ciphertext(), row.tag()].concat();
            let mut same = vec![
                Triplet::from_parts(row.iv(), row.tag(), row.ciphertext()),
                Triplet::from_joined_parts(row.iv(), &sealed),
            ];
            for encoding in ENCODINGS {
                let columns = row.to_columns(encoding);
                let expected = [row.iv(), row.tag(), row.ciphertext()];
                assert_eq!(columns, expected.map(|part| encoded(encoding, part)));
                assert_eq!(columns, expected.map(|part| encoding.encode(part)));
                let decoded = columns.each_ref().map(|text| encoding.decode(text).unwrap());
                assert_eq!(decoded, expected);
                let [iv, tag, ciphertext] = columns;
                same.push(Triplet::from_columns(&iv, &tag, &ciphertext, encoding));
                let text = [iv, tag, ciphertext].join(":");
                same.push(Triplet::parse(
                    &text,
                    Layout::separated(':', ORDERS[0], encoding, iv_len),
                ));
                let joined = row.to_joined(encoding);
                assert_eq!(joined, [row.iv(), &sealed].map(|part| encoded(encoding, part)));
                same.push(Triplet::from_joined(&joined[0], &joined[1], encoding));
            }
            for other in same {
                assert!(other.unwrap() == row, "{iv_len:?}, {len} bytes");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 6 * (2 + 5 * 3));
}
