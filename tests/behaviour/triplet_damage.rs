//! What is no row `iv:tag:ciphertext`, or is one no more: refused with the part and the place, never
//! read as another row, quickly, and without an echo.

use std::time::{Duration, Instant};

use sealwax::Field;
use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError};

use crate::canary::{Scanner, Shown};
use crate::fixtures::{BASE64URL, CREDENTIAL};
use crate::triplet::{ENCODINGS, Form, IV_LENS, IV12_ROW, ORDERS, PARTS, Row, Told};
use crate::triplet::{encoded, forms, key, parsed, told, written};

/// Parses and decrypts.
fn read(text: &str, layout: Layout) -> Told {
    told(&Triplet::parse(text, layout).and_then(|row| key().decrypt(&row)))
}

/// What a row is told to be whose parts are not those that were written.
fn expected(form: Form, row: &Row) -> Told {
    let short = form.separator.is_none() && row.len() < form.iv_len.bytes() + 16;
    if short || form.separator.is_some() && row.iv.len() != form.iv_len.bytes() {
        form.fault(&form.texts(row), Part::Iv)
    } else if form.separator.is_some() && row.tag.len() != 16 {
        form.fault(&form.texts(row), Part::Tag)
    } else {
        Told::NotAuthentic
    }
}

fn assert_refused(form: Form, row: &Row, what: &str) {
    assert_eq!(read(&form.write(row), form.layout()), expected(form, row), "{form:?}, {what}");
}

/// The first so many bytes, the last, and all of them with more behind and in front.
fn of_len(bytes: &[u8], len: usize) -> Vec<Vec<u8>> {
    if len <= bytes.len() {
        return vec![bytes[..len].to_vec(), bytes[bytes.len() - len..].to_vec()];
    }
    let more = vec![0; len - bytes.len()];
    vec![[bytes, &more].concat(), [&more, bytes].concat()]
}

/// What Node's `crypto` takes unless told otherwise: every one of them a forgery in waiting.
#[test]
fn a_tag_of_another_length_is_refused_before_it_is_tried() {
    let (mut tried, mut cut_texts) = (0, 0);
    for form in forms() {
        for plaintext in ["", CREDENTIAL] {
            let row = Row::written(form.iv_len, plaintext.as_bytes());
            assert_eq!(read(&form.write(&row), form.layout()), Told::Done);
            for len in (0..16).chain([17, 32]) {
                for tag in of_len(&row.tag, len) {
                    let bad = Row { tag, ..row.clone() };
                    assert_refused(form, &bad, &format!("{len} bytes"));
                    // As parts and as columns, in which there is nothing to run into.
                    let found = Triplet::from_parts(&bad.iv, &bad.tag, &bad.ciphertext);
                    assert_eq!(told(&found), Told::Malformed(Field::Tag, 0), "{len} bytes");
                    let [iv, tag, ciphertext] = [&bad.iv, &bad.tag, &bad.ciphertext]
                        .map(|part| encoded(form.encoding, part));
                    let found = Triplet::from_columns(&iv, &tag, &ciphertext, form.encoding);
                    assert_eq!(told(&found), Told::Malformed(Field::Tag, 0), "{len} bytes");

                    let sealed = [bad.ciphertext, bad.tag].concat();
                    let expected = match sealed.len() {
                        ..16 => Told::Malformed(Field::Tag, 0),
                        _ => Told::NotAuthentic,
                    };
                    let found = Triplet::from_joined_parts(&row.iv, &sealed);
                    assert_eq!(told(&found.and_then(|row| key().decrypt(&row))), expected);
                    let sealed = encoded(form.encoding, &sealed);
                    let found = Triplet::from_joined(&iv, &sealed, form.encoding);
                    assert_eq!(told(&found.and_then(|row| key().decrypt(&row))), expected);
                    tried += 1;
                }
            }
            // Cut between two characters; of one text, from its start or its end.
            if form.separator.is_some() {
                let texts = form.texts(&row);
                let at = form.order.iter().position(|part| *part == Part::Tag).unwrap();
                for cut in 0..texts[at].len() {
                    for tag in [&texts[at][..cut], &texts[at][cut + 1..]] {
                        let mut texts = texts.clone();
                        texts[at] = tag.to_owned();
                        let fault = form.fault(&texts, Part::Tag);
                        assert_eq!(read(&form.join(&texts), form.layout()), fault, "{form:?}");
                        cut_texts += 1;
                    }
                }
            }
            let text = form.write(&row);
            for cut in 0..text.len() {
                for text in [&text[..cut], &text[cut + 1..]] {
                    assert_ne!(read(text, form.layout()), Told::Done, "{form:?} cut at {cut}");
                    cut_texts += 1;
                }
            }
        }
    }
    assert_eq!(tried, 120 * 2 * 18 * 2);
    assert!(cut_texts > 30_000, "{cut_texts}");
}

#[test]
fn an_iv_of_another_length_is_refused() {
    let mut tried = 0;
    for form in forms() {
        let row = Row::written(form.iv_len, CREDENTIAL.as_bytes());
        for len in [0, 1, 8, 11, 12, 13, 15, 16, 17, 24, 32] {
            if len == form.iv_len.bytes() {
                continue;
            }
            for iv in of_len(&row.iv, len) {
                let bad = Row { iv, ..row.clone() };
                assert_refused(form, &bad, &format!("{len} bytes"));
                // Of a length that is one, the tag tells.
                let expected = match len {
                    12 | 16 => Told::NotAuthentic,
                    _ => Told::Malformed(Field::Iv, 0),
                };
                let [iv, tag, ciphertext] =
                    [&bad.iv, &bad.tag, &bad.ciphertext].map(|part| encoded(form.encoding, part));
                let sealed = [bad.ciphertext.as_slice(), &bad.tag].concat();
                for found in [
                    Triplet::from_parts(&bad.iv, &bad.tag, &bad.ciphertext),
                    Triplet::from_joined_parts(&bad.iv, &sealed),
                    Triplet::from_columns(&iv, &tag, &ciphertext, form.encoding),
                    Triplet::from_joined(&iv, &encoded(form.encoding, &sealed), form.encoding),
                ] {
                    let found = found.and_then(|row| key().decrypt(&row));
                    assert_eq!(told(&found), expected, "{form:?}, {len} bytes");
                }
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 120 * 10 * 2);
}

/// Also where the lengths do not tell them apart.
#[test]
fn parts_that_changed_places_are_refused() {
    let (mut of_equal_length, mut unchanged) = (0, 0);
    for form in forms() {
        for len in [0, 12, 16, 51] {
            let row = Row::written(form.iv_len, &CREDENTIAL.as_bytes()[..len]);
            let parts = [row.iv.clone(), row.tag.clone(), row.ciphertext.clone()];
            for places in [[1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
                let [iv, tag, ciphertext] = places.map(|place| parts[place].clone());
                let bad = Row { iv, tag, ciphertext };
                if form.write(&bad) == form.write(&row) {
                    unchanged += 1;
                } else {
                    assert_refused(form, &bad, &format!("{len} bytes as {places:?}"));
                }
                let found = Triplet::from_parts(&bad.iv, &bad.tag, &bad.ciphertext);
                let columns = [&bad.iv, &bad.tag, &bad.ciphertext];
                let [iv, tag, ciphertext] = columns.map(|part| encoded(form.encoding, part));
                let same = Triplet::from_columns(&iv, &tag, &ciphertext, form.encoding);
                assert_eq!(told(&found), told(&same), "{form:?}, {len} bytes as {places:?}");
                assert!(found.as_ref().ok() == same.as_ref().ok());
                assert_ne!(told(&found.and_then(|row| key().decrypt(&row))), Told::Done);
                let fits = bad.iv.len() == form.iv_len.bytes() && bad.tag.len() == 16;
                of_equal_length += usize::from(fits);
            }
        }
    }
    // Where nothing changed places with what stands beside it, in a joined text.
    assert_eq!(unchanged, 10 * (4 + 4 + 2 + 2));
    // Tag and ciphertext of 16 bytes; with an iv of 12, a ciphertext of 12 and the iv; with one of
    // 16, any two of 16, and the iv and the tag beside any ciphertext.
    assert_eq!(of_equal_length, 60 * (1 + 1) + 60 * (5 + 3));
}

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
            // Where another encoding spells it the same, it is the same row.
            let is_same = other.write(&row) == text;
            let done = read(&text, other.layout()) == Told::Done;
            assert_eq!(done, is_same, "{form:?} read as {encoding:?}");
            tried += 1;
            same += usize::from(is_same);
        }
        for iv_len in IV_LENS {
            let done = read(&text, Form { iv_len, ..form }.layout()) == Told::Done;
            assert_eq!(done, iv_len == form.iv_len, "{form:?} read with an iv of {iv_len:?}");
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
    // Hex, which has no letters in capitals here, in both of its encodings.
    assert_eq!(same, 120 + 48);
}

#[test]
fn a_part_with_more_bytes_in_front_or_behind_is_refused() {
    let mut tried = 0;
    for form in forms() {
        for plaintext in ["", CREDENTIAL] {
            let row = Row::written(form.iv_len, plaintext.as_bytes());
            for part in PARTS {
                let own = row.clone().part(part).clone();
                let mut longer = vec![own.repeat(2)];
                for more in [&[0][..], &[0xc5], &[1, 2, 3], &[0; 4], &[0; 16], &[0xff; 32]] {
                    longer.extend([[more, &own].concat(), [&own, more].concat()]);
                }
                // Twice nothing is nothing.
                for bytes in longer.into_iter().filter(|bytes| bytes.len() > own.len()) {
                    let mut bad = row.clone();
                    *bad.part(part) = bytes;
                    assert_refused(form, &bad, &format!("{} bytes for {part:?}", bad.len()));
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 120 * (2 * 3 * 13 - 1));
}

#[test]
fn no_bit_of_a_row_can_be_flipped() {
    let mut tried = 0;
    for form in forms() {
        let row = Row::written(form.iv_len, b"s3c");
        for part in PARTS {
            let own = row.clone().part(part).clone();
            for bit in 0..own.len() * 8 {
                let mut bad = row.clone();
                bad.part(part)[bit / 8] ^= 1 << (bit % 8);
                let found = read(&form.write(&bad), form.layout());
                assert_eq!(found, Told::NotAuthentic, "{form:?}, bit {bit} of {part:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 60 * 8 * (12 + 16 + 3) + 60 * 8 * (16 + 16 + 3));
    // Of a row without a ciphertext, and of one over several blocks.
    let mut tried = 0;
    for iv_len in IV_LENS {
        for plaintext in ["", CREDENTIAL] {
            let row = Row::written(iv_len, plaintext.as_bytes());
            for part in PARTS {
                for bit in 0..row.clone().part(part).len() * 8 {
                    let mut bad = row.clone();
                    bad.part(part)[bit / 8] ^= 1 << (bit % 8);
                    let bad = Triplet::from_parts(&bad.iv, &bad.tag, &bad.ciphertext).unwrap();
                    assert_eq!(told(&key().decrypt(&bad)), Told::NotAuthentic, "bit {bit}");
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 8 * (2 * (12 + 16) + 51 + 2 * (16 + 16) + 51));
}

#[test]
fn no_character_of_a_row_can_be_left_out_doubled_or_exchanged() {
    let (mut characters, mut exchanged) = (0, 0);
    for form in forms() {
        for len in [0, 16, 51] {
            let row = Row::written(form.iv_len, &CREDENTIAL.as_bytes()[..len]);
            let text = form.write(&row);
            for at in 0..text.len() {
                let (before, after) = (&text[..at], &text[at + 1..]);
                let own = &text[at..=at];
                let deleted = [before, after].concat();
                assert_ne!(read(&deleted, form.layout()), Told::Done, "{form:?}, {at} deleted");
                let doubled = [before, own, own, after].concat();
                assert_ne!(read(&doubled, form.layout()), Told::Done, "{form:?}, {at} doubled");
                characters += 1;
                let Some(next) = after.get(..1).filter(|next| *next != own) else { continue };
                let swapped = [before, next, own, &after[1..]].concat();
                assert_ne!(read(&swapped, form.layout()), Told::Done, "{form:?}, {at} exchanged");
                exchanged += 1;
            }
        }
    }
    let text_len = |form: Form, len| form.write(&Row::written(form.iv_len, &vec![0; len])).len();
    let all: usize =
        forms().into_iter().flat_map(|form| [0, 16, 51].map(|len| text_len(form, len))).sum();
    assert_eq!(characters, all);
    assert!(characters > 25_000 && exchanged > 20_000, "{characters} {exchanged}");
}

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
    // As in `bad_input`: linear work takes a fraction of it.
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
                // What happens to be of the encoding.
                Told::NotAuthentic if form.separator.is_none() => others.push(form.encoding),
                other => panic!("{form:?}, a text of {} bytes: {other:?}", text.len()),
            }
        }
    }
    let found = ENCODINGS.map(|encoding| others.iter().filter(|found| **found == encoding).count());
    // The last two: a key that is base64url, and a hash that is of every encoding.
    assert_eq!(found, [12, 12, 12, 24, 24]);
    assert_eq!(malformed + others.len(), 120 * texts.len());
}

/// Characters that editors, spreadsheets, shells and copying hands put into a text.
const STRAY: [&str; 24] = [
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{b}",
    "\0",
    "\u{7f}",
    "\u{feff}",
    "\u{a0}",
    "\u{200b}",
    "\u{2028}",
    "\u{ff11}",
    "\u{661}",
    "\u{430}",
    "\u{ff21}",
    "\u{301}",
    "\u{1f511}",
    "\u{fffd}",
    "\"",
    "'",
    "%",
    "~",
    "\\",
];

/// A text with each of them in front, within and behind; as one more, and in the place of as many
/// bytes, so that the length stays right.
fn with_strays(text: &str) -> Vec<String> {
    let mut faulty = Vec::new();
    for stray in STRAY {
        let last = text.len() - stray.len();
        for (at, replaced) in [(0, 0), (1, 0), (text.len(), 0), (0, 1), (1, 1), (last, 1)] {
            let kept = at + replaced * stray.len();
            faulty.push(format!("{}{stray}{}", &text[..at], &text[kept..]));
        }
    }
    faulty
}

/// The same bytes as others may spell them, none of which the encoding allows.
fn misspelt(encoding: Encoding, text: &str) -> Vec<String> {
    let mut faulty = vec![
        format!("\\x{text}"),
        format!("base64,{text}"),
        format!("{}\n{}", &text[..8], &text[8..]),
        format!("{}\r\n{}\r\n", &text[..12], &text[12..]),
    ];
    // Look-alikes: Cyrillic letters, full-width and Arabic-Indic digits.
    for (plain, other) in [
        ('a', '\u{430}'),
        ('c', '\u{441}'),
        ('e', '\u{435}'),
        ('A', '\u{410}'),
        ('0', '\u{ff10}'),
        ('1', '\u{ff11}'),
        ('0', '\u{660}'),
        ('5', '\u{665}'),
        ('f', '\u{ff46}'),
    ] {
        let other = other.to_string();
        faulty.extend([text.replacen(plain, &other, 1), text.replace(plain, &other)]);
    }
    match encoding {
        Encoding::HexLower | Encoding::HexAnyCase => {
            faulty.extend([&text[1..], &text[..text.len() - 1]].map(str::to_owned));
            faulty.extend([format!("{text}0"), format!("0{text}")]);
            faulty.extend(["0x", "0X"].map(|prefix| format!("{prefix}{text}")));
            faulty.extend(["0x", "0X", "\\x"].map(|prefix| format!("{prefix}{}", &text[2..])));
            if encoding == Encoding::HexLower {
                faulty.push(text.to_uppercase());
                for at in 0..text.len() {
                    let (before, after) = (&text[..at], &text[at + 1..]);
                    faulty.push([before, &text[at..=at].to_uppercase(), after].concat());
                }
            }
        }
        _ => {
            let unpadded = text.trim_end_matches('=');
            let (padding, last) = ((4 - unpadded.len() % 4) % 4, unpadded.len() - 1);
            for other in (0..6).map(|n| format!("{unpadded}{}", "=".repeat(n))) {
                faulty.push(other);
            }
            faulty.push(format!("={unpadded}"));
            faulty.push(format!("{}={}", &text[..last], &text[last..]));
            faulty.push(text.replace('-', "+").replace('_', "/"));
            faulty.push(text.replace('+', "-").replace('/', "_"));
            // Bits that stand for nothing.
            let value = BASE64URL.iter().position(|c| text.as_bytes()[last] == *c);
            for bits in 1..1 << (2 * padding) {
                let other = char::from(BASE64URL[value.unwrap() + bits]).to_string();
                let other = match encoding {
                    Encoding::Base64 => other.replace('-', "+").replace('_', "/"),
                    _ => other,
                };
                faulty.push([&text[..last], &other, &text[last + 1..]].concat());
            }
        }
    }
    faulty.retain(|other| other != text);
    faulty
}

/// Bytes whose text has all signs and look-alikes.
fn spelt(iv_len: IvLen, len: usize) -> Row {
    let bytes = [0xfb, 0xff, 0xbf, 0xac, 0x0e, 0x15, 0x69, 0x20, 0xd1].into_iter().cycle();
    let of_len = |len| bytes.clone().take(len).collect();
    Row { iv: of_len(iv_len.bytes()), tag: of_len(16), ciphertext: of_len(len) }
}

/// Each faulty text with what it is told to be: of a part in its place, or of the whole.
fn faulty_texts(form: Form, row: &Row, faulty: fn(Encoding, &str) -> Vec<String>) -> Vec<Fault> {
    if form.separator.is_none() {
        let texts = faulty(form.encoding, &form.write(row)).into_iter();
        return texts.map(|text| (text, Told::Malformed(Field::Row, 0))).collect();
    }
    let texts = form.texts(row);
    let mut found = Vec::new();
    for (at, part) in form.order.into_iter().enumerate() {
        for text in faulty(form.encoding, &texts[at]) {
            let mut texts = texts.clone();
            texts[at] = text;
            found.push((form.join(&texts), form.fault(&texts, part)));
        }
    }
    found
}

type Fault = (String, Told);

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

/// Whatever does not stand in the alphabet separates; whatever does is an error.
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
        assert_eq!(told(&row.encode(form.layout())), Told::Malformed(Field::Iv, 0), "{form:?}");
    }
}

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
        // Many are the same.
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
            ("the iv", iv),
            ("the tag", tag),
            ("the ciphertext", ciphertext),
            ("the text", text.as_bytes()),
            ("the plaintext", CREDENTIAL.as_bytes()),
        ]);
        shown.assert_clean(&scanner, 5 * distinct.len());
        // Layout, NotAuthentic, Key, and Malformed in one or more places.
        assert!(distinct.len() > 4, "{}", distinct.len());
    }
    assert!(tried > 50_000, "{tried}");
}
