//! Texts that are not a row `iv:tag:ciphertext`, or no longer one: each is rejected with the part and the position, is
//! never read as another row, and is rejected quickly and without an echo. This file has the ways in which texts are
//! misspelt; each file below tests one rule.

use sealwax::Field;
use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet};

use crate::fixtures::BASE64URL;
use crate::triplet::{Form, Row, Told, key, told};

mod layouts;
mod never_a_row;
mod no_echo;
mod parts;
mod spelling;

/// Parses and decrypts a row.
fn read(text: &str, layout: Layout) -> Told {
    told(&Triplet::parse(text, layout).and_then(|row| key().decrypt(&row)))
}

/// Returns the result for a row whose parts are not those that were written.
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

/// Characters that editors, spreadsheets, shells and careless copying put into a text.
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

/// Returns a text with each of them in front, in the middle and at the end, both added and in place of as many bytes,
/// so that the length stays right.
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

/// Returns other spellings of the same bytes, none of which the encoding allows.
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
            // Unused bits.
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

/// Returns bytes whose text has all signs and look-alikes.
fn spelt(iv_len: IvLen, len: usize) -> Row {
    let bytes = [0xfb, 0xff, 0xbf, 0xac, 0x0e, 0x15, 0x69, 0x20, 0xd1].into_iter().cycle();
    let of_len = |len| bytes.clone().take(len).collect();
    Row { iv: of_len(iv_len.bytes()), tag: of_len(16), ciphertext: of_len(len) }
}

/// Returns each invalid text with its expected error: for a part at its position, or for the whole row.
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
