//! A part has only one spelling in each encoding, in a text and in a column; only hex may be in
//! either case.

use sealwax::Field;
use sealwax::triplet::{Encoding, Triplet};

use crate::fixtures::CREDENTIAL;
use crate::triplet::{
    ENCODINGS, Form, IV_LENS, Row, Told, encoded, forms, key, parsed, told, written,
};
use crate::triplet_damage::{faulty_texts, misspelt, spelt, with_strays};

#[test]
fn a_stray_character_or_another_spelling_is_refused_in_its_place() {
    let (mut strays, mut spellings) = (0, [0; 5]);
    for form in forms() {
        for len in [100, 101, 102] {
            let row = spelt(form.iv_len, len);
            assert_eq!(told(&Triplet::parse(&form.write(&row), form.layout())), Told::Done);
            for (text, expected) in faulty_texts(form, &row, |_, text| with_strays(text)) {
                let found = told(&Triplet::parse(&text, form.layout()));
                assert_eq!(found, expected, "{form:?}, stray in {text:?}");
                strays += 1;
            }
            for (text, expected) in faulty_texts(form, &row, misspelt) {
                let found = told(&Triplet::parse(&text, form.layout()));
                assert_eq!(found, expected, "{form:?}, misspelt in {text:?}");
                spellings[ENCODINGS.iter().position(|own| *own == form.encoding).unwrap()] += 1;
            }
        }
    }
    assert_eq!(strays, 3 * (60 * 3 + 60) * 24 * 6);
    assert_eq!(spellings, [15_156, 4_176, 3_720, 3_720, 3_720]);
}

#[test]
fn columns_are_as_strict_as_texts() {
    let mut tried = 0;
    for encoding in ENCODINGS {
        for iv_len in IV_LENS {
            let row = spelt(iv_len, 100);
            let sealed = [row.ciphertext.as_slice(), &row.tag].concat();
            let [iv, tag, ciphertext, sealed] =
                [&row.iv, &row.tag, &row.ciphertext, &sealed].map(|part| encoded(encoding, part));
            let columns = |iv: &str, tag: &str, ciphertext: &str| {
                told(&Triplet::from_columns(iv, tag, ciphertext, encoding))
            };
            let joined = |iv: &str, sealed: &str| told(&Triplet::from_joined(iv, sealed, encoding));
            assert_eq!([columns(&iv, &tag, &ciphertext), joined(&iv, &sealed)], [Told::Done; 2]);
            let bad = |text: &str| [with_strays(text), misspelt(encoding, text)].concat();
            for text in [&iv, &tag, &ciphertext, &sealed].into_iter().flat_map(|text| bad(text)) {
                assert_eq!(told(&encoding.decode(&text)), Told::Malformed(Field::Column, 0));
                tried += 1;
            }
            for text in bad(&iv) {
                assert_eq!(columns(&text, &tag, &ciphertext), Told::Malformed(Field::Iv, 0));
                assert_eq!(joined(&text, &sealed), Told::Malformed(Field::Iv, 0), "{text:?}");
                tried += 2;
            }
            for text in bad(&tag) {
                assert_eq!(columns(&iv, &text, &ciphertext), Told::Malformed(Field::Tag, 0));
                tried += 1;
            }
            for text in bad(&ciphertext) {
                let found = columns(&iv, &tag, &text);
                assert_eq!(found, Told::Malformed(Field::Ciphertext, 0), "{text:?}");
                tried += 1;
            }
            for text in bad(&sealed) {
                assert_eq!(joined(&iv, &text), Told::Malformed(Field::Ciphertext, 0), "{text:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 5 * 2 * 9 * 24 * 6, "{tried}");
}

#[test]
fn hex_of_any_case_is_the_same_row_and_is_written_in_lower_case() {
    let mut tried = 0;
    for form in forms().into_iter().filter(|form| form.encoding == Encoding::HexAnyCase) {
        let row = written(form.iv_len, CREDENTIAL.as_bytes());
        let lower = form.write(&Row::of(&row));
        let mixed = |odd| {
            let cased = lower
                .char_indices()
                .map(|(at, digit)| if at % 2 == odd { digit.to_ascii_uppercase() } else { digit });
            cased.collect::<String>()
        };
        for text in [lower.to_uppercase(), mixed(0), mixed(1)] {
            assert_ne!(text, lower);
            let read = parsed(&text, form.layout());
            assert!(read == row && read.encode(form.layout()).unwrap() == lower, "{form:?}");
            assert_eq!(told(&key().decrypt(&read)), Told::Done, "{form:?}");
            let strict = Form { encoding: Encoding::HexLower, ..form };
            let refused = told(&Triplet::parse(&text, strict.layout()));
            assert!(matches!(refused, Told::Malformed(..)), "{form:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 24 * 3);
}
