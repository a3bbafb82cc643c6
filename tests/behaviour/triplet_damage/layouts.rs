//! A row has the layout that the reader declares, and a layout that no row can have is an error.

use sealwax::Field;
use sealwax::triplet::{Encoding, IvLen, Triplet};

use crate::fixtures::CREDENTIAL;
use crate::triplet::{
    ENCODINGS, Form, IV_LENS, IV12_ROW, ORDERS, PARTS, Row, Told, forms, parsed, told, written,
};
use crate::triplet_damage::{expected, read};

#[test]
fn a_row_of_another_layout_is_refused() {
    let (mut tried, mut same) = (0, 0);
    for form in forms() {
        let row = Row::written(form.iv_len, CREDENTIAL.as_bytes());
        let text = form.write(&row);
        for order in ORDERS {
            if order == form.order {
                continue;
            }
            let other = Form { order, ..form };
            let mut taken = row.clone();
            for (is, was) in order.iter().zip(form.order) {
                *taken.part(*is) = row.clone().part(was).clone();
            }
            assert_eq!(read(&text, other.layout()), expected(other, &taken), "{form:?} {order:?}");
            tried += 1;
        }
        for encoding in ENCODINGS {
            let other = Form { encoding, ..form };
            // If another encoding spells it the same way, it is the same row.
            let is_same = other.write(&row) == text;
            let done = read(&text, other.layout()) == Told::Done;
            assert_eq!(done, is_same, "{form:?} read as {encoding:?}");
            tried += 1;
            same += usize::from(is_same);
        }
        for iv_len in IV_LENS {
            let done = read(&text, Form { iv_len, ..form }.layout()) == Told::Done;
            assert_eq!(done, iv_len == form.iv_len, "{form:?} read with an IV of {iv_len:?}");
            tried += 1;
        }
        for separator in [None, Some(':'), Some(';'), Some('\u{ff1a}'), Some('\u{a789}')] {
            if separator != form.separator {
                let found = read(&text, Form { separator, ..form }.layout());
                let at = if separator.is_some() { text.len() } else { 0 };
                assert_eq!(found, Told::Malformed(Field::Row, at), "{form:?} by {separator:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 120 * (5 + 5 + 2 + 4));
    // Hex in both of its encodings, because the text has no upper-case letters.
    assert_eq!(same, 120 + 48);
}

#[test]
fn a_layout_that_names_a_part_twice_is_an_error() {
    let mut tried = 0;
    let row = written(IvLen::Twelve, CREDENTIAL.as_bytes());
    for first in PARTS {
        for second in PARTS {
            for third in PARTS {
                let order = [first, second, third];
                if ORDERS.contains(&order) {
                    continue;
                }
                for encoding in ENCODINGS {
                    for separator in [Some(':'), Some('a'), None] {
                        for iv_len in IV_LENS {
                            let layout = Form { order, separator, encoding, iv_len }.layout();
                            for text in ["", "::", IV12_ROW] {
                                assert_eq!(told(&Triplet::parse(text, layout)), Told::Layout);
                            }
                            assert_eq!(told(&row.encode(layout)), Told::Layout, "{layout:?}");
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(tried, 21 * 5 * 3 * 2);
}

/// A character outside the alphabet is a separator; one in the alphabet is an error.
#[test]
fn a_separator_is_any_character_that_no_part_can_hold() {
    let digits = "0123456789abcdefABCDEF";
    let letters: String =
        ('0'..='9').chain('a'..='z').chain('A'..='Z').chain(['+', '/', '=']).collect();
    let url_letters = letters.replace(['+', '/'], "") + "-_";
    let odd = ['€', '\u{a0}', '\u{feff}', '\u{ff11}', '\u{430}', '\u{1f511}', char::MAX];
    let mut found = Vec::new();
    for encoding in ENCODINGS {
        let alphabet = match encoding {
            Encoding::HexLower | Encoding::HexAnyCase => digits,
            Encoding::Base64 => &letters,
            _ => &url_letters,
        };
        let (mut legal, mut illegal) = (0, 0);
        for separator in ('\0'..='\u{7f}').chain(odd) {
            for iv_len in IV_LENS {
                for order in ORDERS {
                    let form = Form { order, separator: Some(separator), encoding, iv_len };
                    let layout = form.layout();
                    let row = written(iv_len, CREDENTIAL.as_bytes());
                    let text = form.write(&Row::of(&row));
                    if alphabet.contains(separator) {
                        assert_eq!(told(&row.encode(layout)), Told::Layout, "{form:?}");
                        assert_eq!(told(&Triplet::parse(&text, layout)), Told::Layout, "{form:?}");
                        illegal += 1;
                    } else {
                        assert_eq!(row.encode(layout).unwrap(), text, "{form:?}");
                        assert_eq!(parsed(&text, layout), row, "{form:?}");
                        legal += 1;
                    }
                }
            }
        }
        found.push([legal / 12, illegal / 12]);
    }
    assert_eq!(found, [[113, 22], [113, 22], [70, 65], [70, 65], [70, 65]]);
}

#[test]
fn a_row_of_the_other_iv_length_is_not_written() {
    for form in forms() {
        let other = if form.iv_len == IvLen::Twelve { IvLen::Sixteen } else { IvLen::Twelve };
        let row = written(other, CREDENTIAL.as_bytes());
        assert_eq!(told(&row.encode(form.layout())), Told::Layout, "{form:?}");
    }
}
