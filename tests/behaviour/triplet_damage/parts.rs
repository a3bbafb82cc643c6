//! A row does not open if one of its parts is longer, shorter, altered or in another place.

use sealwax::Field;
use sealwax::triplet::{Part, Triplet};

use crate::fixtures::CREDENTIAL;
use crate::triplet::{Form, IV_LENS, PARTS, Row, Told, encoded, forms, key, told};
use crate::triplet_damage::{expected, read};

fn assert_refused(form: Form, row: &Row, what: &str) {
    assert_eq!(read(&form.write(row), form.layout()), expected(form, row), "{form:?}, {what}");
}

/// Returns the first `len` bytes and the last, or, if there are fewer, all of them with zeros after
/// or before.
fn of_len(bytes: &[u8], len: usize) -> Vec<Vec<u8>> {
    if len <= bytes.len() {
        return vec![bytes[..len].to_vec(), bytes[bytes.len() - len..].to_vec()];
    }
    let more = vec![0; len - bytes.len()];
    vec![[bytes, &more].concat(), [&more, bytes].concat()]
}

/// Node's `crypto` accepts these unless told otherwise, and each of them makes a forgery easier.
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
                    // As parts and as columns, where no other part is adjacent.
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
            // Cut between two characters of one text, from its start or its end.
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
                // If the length is valid, the tag detects it.
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

/// Even if the parts have the same length.
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
    // In a joined text, a change of places may leave the bytes the same.
    assert_eq!(unchanged, 10 * (4 + 4 + 2 + 2));
    // Tag and ciphertext of 16 bytes. With an IV of 12, a ciphertext of 12 and the IV. With an IV
    // of 16, any two parts of 16, and the IV and the tag with any ciphertext.
    assert_eq!(of_equal_length, 60 * (1 + 1) + 60 * (5 + 3));
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
                // Doubling an empty part changes nothing.
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
    // For a row without a ciphertext, and for one of several blocks.
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
