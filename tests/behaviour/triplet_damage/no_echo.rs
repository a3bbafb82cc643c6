//! No error about an invalid row repeats any of it.

use sealwax::triplet::{IvLen, Part, Triplet, TripletError};

use crate::canary::{Scanner, Shown};
use crate::fixtures::CREDENTIAL;
use crate::triplet::{Form, Row, forms, key};
use crate::triplet_damage::{faulty_texts, misspelt, with_strays};

#[test]
fn no_error_about_a_faulty_row_holds_four_bytes_of_it() {
    let mut tried = 0;
    for form in forms() {
        let row = Row::written(form.iv_len, CREDENTIAL.as_bytes());
        let layout = form.layout();
        let text = form.write(&row);
        let mut errors: Vec<(&str, TripletError)> = Vec::new();
        let mut faulty = vec![String::new(), format!("{text}:{text}"), format!("{text};")];
        faulty.extend((0..text.len()).map(|cut| text[..cut].to_owned()));
        for (text, _) in faulty_texts(form, &row, |_, text| with_strays(text)) {
            faulty.push(text);
        }
        faulty.extend(faulty_texts(form, &row, misspelt).into_iter().map(|(text, _)| text));
        for text in &faulty {
            let read = Triplet::parse(text, layout).and_then(|row| key().decrypt(&row));
            errors.push(("a faulty text", read.unwrap_err()));
        }
        let own = Triplet::parse(&text, layout).unwrap();
        let other = if form.iv_len == IvLen::Twelve { IvLen::Sixteen } else { IvLen::Twelve };
        let layouts = [
            Form { iv_len: other, ..form },
            Form { order: [Part::Tag; 3], ..form },
            Form { separator: Some('0'), ..form },
        ];
        errors.extend(layouts.map(|form| ("no layout", own.encode(form.layout()).unwrap_err())));
        let [iv, tag, ciphertext] = [&row.iv, &row.tag, &row.ciphertext];
        for len in 0..=11 {
            let short = [
                Triplet::from_parts(&iv[..len], tag, ciphertext),
                Triplet::from_parts(iv, &tag[..len], ciphertext),
                Triplet::from_joined_parts(iv, &ciphertext[..len]),
            ];
            errors.extend(short.map(|parts| ("a short part", parts.unwrap_err())));
        }
        errors.push(("not a key", key().unwrap_key(&own).unwrap_err()));

        tried += errors.len();
        // Many errors are the same.
        let mut shown = Shown::default();
        let mut distinct: Vec<TripletError> = Vec::new();
        for (what, error) in errors {
            if !distinct.contains(&error) {
                shown.error(what, &error);
                distinct.push(error);
            }
        }
        shown.text("the row", format!("{own:?} {own:#?} {layout:?}"));
        let scanner = Scanner::new(&[
            ("the IV", iv),
            ("the tag", tag),
            ("the ciphertext", ciphertext),
            ("the text", text.as_bytes()),
            ("the plaintext", CREDENTIAL.as_bytes()),
        ]);
        shown.assert_clean(&scanner, 5 * distinct.len());
        // Layout, NotAuthentic, Key, and Malformed at one or more positions.
        assert!(distinct.len() > 4, "{}", distinct.len());
    }
    assert!(tried > 50_000, "{tried}");
}
