//! Input that was never a row is rejected as such, at once, whatever its length.

use std::time::{Duration, Instant};

use sealwax::Field;
use sealwax::triplet::{Encoding, IvLen, Part};

use crate::fixtures::CREDENTIAL;
use crate::triplet::{ENCODINGS, Form, IV12_ROW, ORDERS, PARTS, Row, Told, forms};
use crate::triplet_damage::read;

#[test]
fn another_number_of_parts_is_refused_where_it_ends_or_where_the_fourth_starts() {
    let mut tried = 0;
    for form in forms().into_iter().filter(|form| form.separator.is_some()) {
        let row = form.write(&Row::written(form.iv_len, CREDENTIAL.as_bytes()));
        let parts: Vec<&str> = row.split(':').collect();
        for count in [1, 2, 4, 9, 70_000] {
            let mut text = parts[..count.min(3)].join(":");
            text.extend(std::iter::repeat_n(':', count.saturating_sub(3)));
            assert_eq!(text.split(':').count(), count);
            let at = if count < 3 { text.len() } else { row.len() + 1 };
            assert_eq!(read(&text, form.layout()), Told::Malformed(Field::Row, at), "{count}");
            let empty = ":".repeat(count - 1);
            let at = if count < 3 { empty.len() } else { 3 };
            assert_eq!(read(&empty, form.layout()), Told::Malformed(Field::Row, at), "{count}");
            tried += 2;
        }
        let nothing = [const { String::new() }; 3];
        assert_eq!(read("::", form.layout()), form.fault(&nothing, Part::Iv));
    }
    assert_eq!(tried, 60 * 5 * 2);
}

#[test]
fn sixty_four_mebibytes_of_nothing_are_refused_quickly() {
    const LEN: usize = 64 * 1024 * 1024;
    // As in `bad_input::never_an_envelope`: linear work takes a fraction of this.
    const LIMIT: Duration = Duration::from_secs(5);
    let mut refused = 0;
    for filling in [":", "0", "A", "=", "\0"] {
        let text = filling.repeat(LEN);
        for encoding in ENCODINGS {
            for separator in [Some(':'), None] {
                let iv_len = IvLen::Twelve;
                let form = Form { order: ORDERS[0], separator, encoding, iv_len };
                let start = Instant::now();
                let at = match (separator, filling) {
                    (None, _) => 0,
                    (Some(_), ":") => 3,
                    (Some(_), _) => LEN,
                };
                assert_eq!(read(&text, form.layout()), Told::Malformed(Field::Row, at), "{form:?}");
                assert!(start.elapsed() < LIMIT, "{form:?}: {:?}", start.elapsed());
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 5 * 5 * 2);
    for part in PARTS {
        let form = Form {
            order: ORDERS[0],
            separator: Some(':'),
            encoding: Encoding::Base64,
            iv_len: IvLen::Sixteen,
        };
        let mut texts = form.texts(&Row::written(form.iv_len, b"s"));
        let at = form.order.iter().position(|other| *other == part).unwrap();
        texts[at] = "A".repeat(LEN);
        let start = Instant::now();
        assert_eq!(read(&form.join(&texts), form.layout()), form.fault(&texts, part), "{part:?}");
        assert!(start.elapsed() < LIMIT, "{part:?}: {:?}", start.elapsed());
    }
}

#[test]
fn what_was_never_a_row_is_refused() {
    let row = IV12_ROW;
    let texts = [
        String::new(),
        " ".to_owned(),
        "\0".to_owned(),
        "null".to_owned(),
        "undefined".to_owned(),
        "None".to_owned(),
        "true".to_owned(),
        "0".to_owned(),
        "{}".to_owned(),
        "[object Object]".to_owned(),
        "[object Object]:[object Object]:[object Object]".to_owned(),
        "undefined:undefined:undefined".to_owned(),
        "sk:live:QZXJKVWB".to_owned(),
        "https://user:pass@example.com".to_owned(),
        "swk1_QZXJKVWBHYPFQZXJKVWBHYPF".to_owned(),
        "sw1:a256gcm:prod=AAAA:AAAA:AAAA:AAAA:AAAA".to_owned(),
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(),
        CREDENTIAL.to_owned(),
        format!("\"{row}\""),
        format!("'{row}'"),
        format!("{{\"row\":\"{row}\"}}"),
        format!("[\"{row}\"]"),
        format!("v1:{row}"),
        format!("aes-256-gcm:{row}"),
        format!("{row}:v1"),
        format!("{row}{row}"),
        format!("{row}:{row}"),
        row.replace(':', "\\u003a"),
        row.replace(':', "%3A"),
        row.replace(':', "::"),
        row.replace(':', ": "),
        row.replace(':', "\u{ff1a}"),
        row.replace(':', "."),
        "sk-live-0123456789abcdefghijklmnopqrstuvwxyzABCD".to_owned(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
    ];
    let (mut malformed, mut others) = (0, Vec::new());
    for form in forms() {
        for text in &texts {
            match read(text, form.layout()) {
                Told::Malformed(..) => malformed += 1,
                // Some texts happen to be valid in the encoding.
                Told::NotAuthentic if form.separator.is_none() => others.push(form.encoding),
                other => panic!("{form:?}, a text of {} bytes: {other:?}", text.len()),
            }
        }
    }
    let found = ENCODINGS.map(|encoding| others.iter().filter(|found| **found == encoding).count());
    // The last two: a key that is valid base64url, and a hash that is valid in every encoding.
    assert_eq!(found, [12, 12, 12, 24, 24]);
    assert_eq!(malformed + others.len(), 120 * texts.len());
}
