//! The forms of a key that a filter finds, and what it leaves alone.

use base64ct::{Base64, Encoding};

use crate::{KEY, bound, redacted};

fn body(text: &str) -> String {
    String::from_utf8(redacted(&bound(KEY), [text.as_bytes()])).unwrap()
}

/// Written by hand and by other programs: Python's `base64`, `quote` and `json`.
#[test]
fn known_answers() {
    let stars = |count: usize| "*".repeat(count);
    let rows = [
        ("as it is", "a sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4 b", format!("a {} b", stars(29))),
        ("twice", "sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4", stars(58)),
        (
            "after its own start",
            "sk-sk-qZ7_sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4!",
            format!("sk-sk-qZ7_{}!", stars(29)),
        ),
        (
            "base64, whose last character has 4 bits of the key",
            "\"c2stcVo3X1h3OXZLM0pwNUhkOC5CbjJHbTZSeTQ=\"",
            format!("\"{}Q=\"", stars(38)),
        ),
        (
            "base64 of user:key",
            "Basic dXNlcjpzay1xWjdfWHc5dkszSnA1SGQ4LkJuMkdtNlJ5NA==",
            format!("Basic dXNlcjp{}A==", stars(38)),
        ),
        ("hex", "736b2d715a375f587739764b334a70354864382e426e32476d36527934", stars(58)),
        ("HEX", "736B2D715A375F587739764B334A70354864382E426E32476D36527934", stars(58)),
        (
            "percent-encoded in part",
            "?k=sk%2DqZ7%5fXw9vK3Jp5Hd8%2EBn2Gm6Ry4&",
            format!("?k={}&", stars(35)),
        ),
        (
            "escaped as in JSON",
            "{\"k\":\"\\u0073k-qZ7\\u005FXw9vK3Jp5Hd8.Bn2Gm6Ry4\"}",
            format!("{{\"k\":\"{}\"}}", stars(39)),
        ),
    ];
    assert_eq!(rows.len(), 9);
    for (name, text, expected) in rows {
        assert_eq!(body(text), expected, "{name}");
    }
}

#[test]
fn what_is_no_key_is_left_alone() {
    for text in [
        "",
        "sk-",
        "sk-...6Ry4",
        "sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry",
        "k-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4",
        "SK-QZ7_XW9VK3JP5HD8.BN2GM6RY4",
        "sk-qZ7_Xw9vK3Jp 5Hd8.Bn2Gm6Ry4",
        "sk%-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4",
        "%",
        "%7",
        "%%%",
        "\\",
        "\\u",
        "\\u00",
        "\\u0073k",
        "100% of \\ and %41%4",
    ] {
        assert_eq!(body(text), text);
    }
    // Every byte, which a filter of texts might not expect.
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3000).collect();
    assert!(redacted(&bound(KEY), [bytes.as_slice()]) == bytes);
}

/// The start of an escape that is none takes nothing of the key behind it, in which there is another escape.
#[test]
fn what_is_no_escape_is_itself() {
    let rows = [
        ("%", "%2d"),
        ("%6", "%2d"),
        ("\\u", "\\u002d"),
        ("\\u0", "\\u002d"),
        ("\\u006", "\\u002d"),
    ];
    for (start, dash) in rows {
        let key = KEY.replace('-', dash);
        let text = [start, &key, "."].concat();
        assert_eq!(body(&text), [start, &"*".repeat(key.len()), "."].concat());
    }
    // At the end of a body, it is complete.
    for (key, text) in [
        ("sk-qZ7_Xw9%", "sk%2dqZ7_Xw9%"),
        ("sk-qZ7_Xw9%2", "sk%2dqZ7_Xw9%2"),
        ("sk-qZ7_Xw9\\u0", "sk\\u002dqZ7_Xw9\\u0"),
    ] {
        assert!(redacted(&bound(key), [text.as_bytes()]) == "*".repeat(text.len()).as_bytes());
    }
}

/// As `Redactor` says: an escape takes the first two characters of a key that is escaped too. One that is not is found.
#[test]
fn an_escape_takes_hex_digits_of_the_key() {
    let secret = bound("ab-cdefgh");
    for (start, dash) in [("%", "%2d"), ("\\u00", "\\u002d")] {
        let text = format!("{start}ab{dash}cdefgh");
        assert!(redacted(&secret, [text.as_bytes()]) == text.as_bytes());
        let text = format!("{start}ab-cdefgh");
        let expected = [start, &"*".repeat(9)].concat();
        assert!(redacted(&secret, [text.as_bytes()]) == expected.as_bytes());
    }
}

/// A block ends after 1 KiB: the key comes at each place around two of them, in each form, alone and in a base64 text.
#[test]
fn every_form_is_found_at_every_place() {
    let secret = bound(KEY);
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let encoded = |format: fn(u8) -> String| KEY.bytes().map(format).collect::<String>();
    let forms = [
        KEY.to_owned(),
        hex.to_uppercase(),
        hex,
        encoded(|byte| format!("%{byte:02x}")),
        encoded(|byte| format!("%{byte:02X}")),
        encoded(|byte| format!("\\u{byte:04x}")),
        // Of the key after 0, 1 and 2 other bytes: the characters that only the key decides.
        "c2stcVo3X1h3OXZLM0pwNUhkOC5CbjJHbTZSeT".to_owned(),
        "NrLXFaN19YdzlzSwp".to_owned(),
    ];
    let mut found = 0;
    for (number, form) in forms.iter().enumerate().take(7) {
        for place in (0..40).chain(980..1070).chain(2040..2060) {
            let text = [".".repeat(place), form.clone(), ".".repeat(30)].concat();
            let out = redacted(&secret, [text.as_bytes()]);
            let expected = [".".repeat(place), "*".repeat(form.len()), ".".repeat(30)].concat();
            assert!(out == expected.as_bytes(), "form {number} at {place}");
            found += 1;
        }
    }
    assert_eq!(found, 7 * 150);
}

/// Base64 of a text with the key in it, in both alphabets, with and without padding: no 6 characters of it remain that
/// belong to the key.
#[test]
fn base64_is_found_in_every_alignment() {
    // Its base64 has both characters in which the alphabets differ.
    let key = "~~?>o?~?>~?>ab~?>";
    let secret = bound(key);
    let (mut found, mut special) = (0, 0);
    for before in 0..7 {
        for after in 0..7 {
            let text = ["u".repeat(before), key.to_owned(), ":".repeat(after)].concat();
            let standard = base64(text.as_bytes());
            let url = standard.replace('+', "-").replace('/', "_");
            special += usize::from(standard != url);
            let bare = standard.trim_end_matches('=').to_owned();
            for encoded in [standard, bare, url.trim_end_matches('=').to_owned(), url] {
                let out = redacted(&secret, [encoded.as_bytes()]);
                let stars = out.iter().filter(|byte| **byte == b'*').count();
                // What the key decides alone: the bits from the first whole character to the last one.
                let start = (before * 8).div_ceil(6);
                let end = (before + key.len()) * 8 / 6;
                assert_eq!(stars, end - start, "{before} before, {after} after");
                assert!(out[start..end].iter().all(|byte| *byte == b'*'));
                assert!(out[..start] == encoded.as_bytes()[..start]);
                assert!(out[end..] == encoded.as_bytes()[end..]);
                found += 1;
            }
        }
    }
    assert_eq!((found, special), (7 * 7 * 4, 49));
}

fn base64(bytes: &[u8]) -> String {
    let mut text = vec![0; Base64::encoded_len(bytes)];
    Base64::encode(bytes, &mut text).unwrap().to_owned()
}

#[test]
fn the_shortest_and_the_longest_key_are_found() {
    for len in [8, 9, 8192] {
        let key = "k".repeat(len);
        assert!(redacted(&bound(&key), [key.as_bytes()]) == "*".repeat(len).as_bytes());
    }
}
