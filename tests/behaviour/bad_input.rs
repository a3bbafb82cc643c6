//! Bad input: what is not an envelope, a key id or a key is refused, with the field and the place,
//! quickly, and without an echo.

use std::time::{Duration, Instant};

use sealwax::{Answer, DataKey, EncryptionContext, Envelope, Field, FormatError, KeyError, KeyId};
use sealwax::{Keyring, MasterKey, MasterKeyProvider, ProviderError, SealError, Secret, Suite};
use sealwax::{UnwrapRequest, WrapKind, WrapRequest, WrappedKey, sealing};

use crate::fixtures::{BASE64URL, CREDENTIAL, Counting, Parts, SUITES, acme, base64url, expand};
use crate::fixtures::{
    counted_data_key, key_id, keyring, master_bytes, master_key, opening, sealed, sha256,
};

/// A fault as it is told: which field, and at which byte.
type Fault = (Field, usize);

fn fault(error: &FormatError) -> Fault {
    match error {
        FormatError::Malformed { field, offset, .. } => (*field, *offset),
        other => panic!("not malformed: {other}"),
    }
}

fn text_fault(text: &str) -> Fault {
    match text.parse::<Envelope>() {
        Err(error) => fault(&error),
        Ok(_) => panic!("parsed"),
    }
}

fn binary_fault(bytes: &[u8]) -> Fault {
    match Envelope::from_bytes(bytes) {
        Err(error) => fault(&error),
        Ok(_) => panic!("parsed"),
    }
}

/// The text form of an envelope under one wrap, in fields.
struct Text {
    suite: String,
    key_id: String,
    wrapped: String,
    proof: String,
    iv: String,
    tag: String,
    ciphertext: String,
}

impl Text {
    fn of(envelope: &Envelope) -> Self {
        let text = envelope.to_string();
        let fields: Vec<&str> = text.split(':').collect();
        let [_, suite, wraps, proof, iv, tag, ciphertext] = fields[..] else {
            panic!("not seven fields")
        };
        let (key_id, wrapped) = wraps.split_once('=').unwrap();
        assert!(!wrapped.contains(','), "more than one wrap");
        let [suite, key_id, wrapped, proof, iv, tag, ciphertext] =
            [suite, key_id, wrapped, proof, iv, tag, ciphertext].map(str::to_owned);
        Self { suite, key_id, wrapped, proof, iv, tag, ciphertext }
    }

    fn join(&self) -> String {
        let Self { suite, key_id, wrapped, proof, iv, tag, ciphertext } = self;
        format!("sw1:{suite}:{key_id}={wrapped}:{proof}:{iv}:{tag}:{ciphertext}")
    }

    /// Each field, with what an error calls it.
    fn fields(&mut self) -> [(Field, &mut String); 7] {
        [
            (Field::Suite, &mut self.suite),
            (Field::KeyId, &mut self.key_id),
            (Field::WrappedKey, &mut self.wrapped),
            (Field::Proof, &mut self.proof),
            (Field::Iv, &mut self.iv),
            (Field::Tag, &mut self.tag),
            (Field::Ciphertext, &mut self.ciphertext),
        ]
    }

    /// Where a field starts.
    fn start(&mut self, wanted: Field) -> usize {
        let mut start = "sw1:".len();
        for (field, text) in self.fields() {
            if field == wanted {
                return start;
            }
            start += text.len() + 1;
        }
        panic!("{wanted} is no field of the text form")
    }

    /// The same text with one field changed.
    fn with(&self, wanted: Field, change: impl Fn(&str) -> String) -> Self {
        let mut changed = Self::of(&self.join().parse().unwrap());
        for (field, text) in changed.fields() {
            if field == wanted {
                *text = change(text);
            }
        }
        changed
    }
}

const TEXT_FIELDS: [Field; 7] = [
    Field::Suite,
    Field::KeyId,
    Field::WrappedKey,
    Field::Proof,
    Field::Iv,
    Field::Tag,
    Field::Ciphertext,
];

/// An envelope under `prod` alone. Of its fields, the wrapped key (61 bytes), the tag (16) and a
/// ciphertext whose length is no multiple of three leave unused bits in the text form.
fn one_wrap(suite: Suite, plaintext: &str) -> Envelope {
    Keyring::new(key_id("prod"), master_key(1))
        .with_suite(suite)
        .seal_with_rng(&Secret::from(plaintext), &acme(), &mut Counting(9))
        .unwrap()
}

#[test]
fn what_was_never_an_envelope_is_refused_and_not_echoed() {
    let row = sealed(Suite::default(), 1).to_string();
    let quoted = format!("\"{row}\"");
    let single_quoted = format!("'{row}'");
    let escaped = row.replace(':', "\\u003a");
    let percent = row.replace(':', "%3A");
    let hex: String = row.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex_prefixed = format!("0x{hex}");
    let upper_prefix = row.replacen("sw1", "SW1", 1);
    let dotted = row.replace(':', ".");
    let postgres_hex = format!("\\x{hex}");
    let rows: [(&str, &str, Fault); 31] = [
        ("empty", "", (Field::Prefix, 0)),
        ("a space", " ", (Field::Prefix, 0)),
        ("null", "null", (Field::Prefix, 0)),
        ("undefined", "undefined", (Field::Prefix, 0)),
        ("None", "None", (Field::Prefix, 0)),
        ("an object in JavaScript", "[object Object]", (Field::Prefix, 0)),
        ("JSON's empty object", "{}", (Field::Prefix, 0)),
        ("a JSON-quoted row", &quoted, (Field::Prefix, 0)),
        ("a quoted row", &single_quoted, (Field::Prefix, 0)),
        ("a row in hex", &hex, (Field::Prefix, 0)),
        ("a row in hex with 0x", &hex_prefixed, (Field::Prefix, 0)),
        ("a row in hex with \\x", &postgres_hex, (Field::Prefix, 0)),
        ("a plaintext key", CREDENTIAL, (Field::Prefix, 0)),
        ("a plaintext key with colons", "sk:live:QZXJ:KVWB", (Field::Prefix, 0)),
        ("a plaintext key that starts as a row", "sw1:QZXJKVWBHYPF", (Field::Envelope, 16)),
        ("a master key", "swk1_QZXJKVWBHYPFQZXJKVWBHYPF", (Field::Prefix, 0)),
        ("a master key with a colon", "swk1:QZXJKVWBHYPF", (Field::Prefix, 0)),
        ("iv:tag:ciphertext", "00112233:44556677:QZXJKVWB", (Field::Prefix, 0)),
        ("no version", "sw:QZXJ", (Field::Prefix, 0)),
        ("a version in letters", "swx:QZXJ", (Field::Prefix, 0)),
        ("a version with a sign", "sw+1:QZXJ", (Field::Prefix, 0)),
        ("a full-width version", "sw\u{ff11}:QZXJ", (Field::Prefix, 0)),
        ("a prefix without its colon", "sw1", (Field::Prefix, 0)),
        ("a newer prefix without its colon", "sw2", (Field::Prefix, 0)),
        ("an upper-case prefix", &upper_prefix, (Field::Prefix, 0)),
        ("a Cyrillic prefix", "\u{455}w1:a256gcm", (Field::Prefix, 0)),
        ("the prefix alone", "sw1:", (Field::Envelope, 4)),
        ("the binary form's magic", "SW\u{1}\u{1}\u{1}", (Field::Prefix, 0)),
        ("dots for colons", &dotted, (Field::Prefix, 0)),
        ("escaped colons", &escaped, (Field::Prefix, 0)),
        ("percent-encoded colons", &percent, (Field::Prefix, 0)),
    ];
    let mut windows = 0;
    for (name, text, expected) in rows {
        let error = text.parse::<Envelope>().expect_err(name);
        assert_eq!(fault(&error), expected, "{name}");
        let said = format!("{error} {error:?}");
        for secret in [CREDENTIAL, "QZXJKVWBHYPF", "[object"] {
            for window in secret.as_bytes().windows(4) {
                let window = std::str::from_utf8(window).unwrap();
                assert!(!said.contains(window), "{name}: the error echoes the input");
                windows += 1;
            }
        }
        // The same bytes where the binary form is expected.
        let bytes = Envelope::from_bytes(text.as_bytes()).expect_err(name);
        let expected = match text.len() {
            _ if text.starts_with("SW\u{1}") => (Field::KeyId, 5),
            _ => (Field::Prefix, 0),
        };
        if text.starts_with("SW1") {
            assert!(matches!(bytes, FormatError::NewerVersion { version: 0x31, .. }), "{name}");
        } else {
            assert_eq!(fault(&bytes), expected, "{name}, as bytes");
        }
    }
    assert_eq!(windows, 31 * (48 + 9 + 4));
}

#[test]
fn another_number_of_fields_is_refused_where_it_ends_or_where_the_eighth_starts() {
    let row = one_wrap(Suite::default(), CREDENTIAL).to_string();
    let fields: Vec<&str> = row.split(':').collect();
    let mut tried = 0;
    for count in [2, 3, 4, 5, 6, 8, 9, 70_000] {
        // Whole fields taken away from the end, or empty ones added.
        let mut text = fields[..fields.len().min(count)].join(":");
        text.extend(std::iter::repeat_n(':', count.saturating_sub(fields.len())));
        assert_eq!(text.split(':').count(), count);
        let expected = if count < 7 { text.len() } else { row.len() + 1 };
        assert_eq!(text_fault(&text), (Field::Envelope, expected), "{count} fields");
        // Of fields with nothing in them.
        let empty = format!("sw1{}", ":".repeat(count - 1));
        let expected = if count < 7 { empty.len() } else { "sw1:::::::".len() };
        assert_eq!(text_fault(&empty), (Field::Envelope, expected), "{count} empty fields");
        tried += 2;
    }
    assert_eq!(tried, 16);
    assert_eq!(text_fault("sw1::::::"), (Field::Suite, 4), "seven empty fields");
}

/// The largest column a caller is likely to hand over by mistake, full of what the parser looks
/// for.
#[test]
fn sixty_four_mebibytes_of_nothing_are_refused_quickly() {
    const LEN: usize = 64 * 1024 * 1024;
    // Linear work takes a fraction of it, also on a slow machine; quadratic work takes days.
    const LIMIT: Duration = Duration::from_secs(5);
    let head = "sw1:a256gcm:";
    let row = one_wrap(Suite::default(), "").to_string();
    let (_, tail) = row.strip_prefix(head).unwrap().split_once(':').unwrap();
    let tail = format!(":{tail}");
    let one_id = format!("{head}prod=");
    let cases: [(&str, &str, &str, &str, Fault); 11] = [
        ("colons", "", ":", "", (Field::Prefix, 0)),
        ("colons after the prefix", "sw1:", ":", "", (Field::Envelope, 10)),
        ("colons after the suite", head, ":", "", (Field::Envelope, head.len() + 5)),
        ("commas for wraps", head, ",", &tail, (Field::WrappedKey, head.len())),
        ("a key id", head, "A", &tail, (Field::WrappedKey, head.len())),
        ("equals signs", head, "=", &tail, (Field::KeyId, head.len())),
        ("a wrapped key", &one_id, "A", &tail, (Field::WrappedKey, one_id.len())),
        ("a proof", "sw1:a256gcm:prod=AAAA:", "A", ":::", (Field::Proof, 22)),
        ("no version", "sw", "A", "", (Field::Prefix, 0)),
        ("digits without a colon", "sw", "9", "", (Field::Prefix, 0)),
        ("NULs", "", "\0", "", (Field::Prefix, 0)),
    ];
    let mut refused = 0;
    for (name, before, filling, after, expected) in cases {
        let text = [before, &filling.repeat(LEN), after].concat();
        let start = Instant::now();
        assert_eq!(text_fault(&text), expected, "{name}");
        if before.is_empty() {
            assert_eq!(binary_fault(text.as_bytes()), (Field::Prefix, 0), "{name}, as bytes");
        }
        assert!(start.elapsed() < LIMIT, "{name}: {:?}", start.elapsed());
        refused += 1;
    }
    assert_eq!(refused, 11);
}

/// Characters that editors, spreadsheets, shells and copying hands put into a field.
const STRAY: [(&str, &str); 24] = [
    ("a space", " "),
    ("a tab", "\t"),
    ("a line feed", "\n"),
    ("a carriage return", "\r"),
    ("CRLF", "\r\n"),
    ("a vertical tab", "\u{b}"),
    ("NUL", "\0"),
    ("DEL", "\u{7f}"),
    ("a byte order mark", "\u{feff}"),
    ("a no-break space", "\u{a0}"),
    ("a zero-width space", "\u{200b}"),
    ("a line separator", "\u{2028}"),
    ("a full-width digit", "\u{ff11}"),
    ("an Arabic-Indic digit", "\u{661}"),
    ("a Cyrillic a", "\u{430}"),
    ("a full-width A", "\u{ff21}"),
    ("a combining accent", "\u{301}"),
    ("an emoji", "\u{1f511}"),
    ("a replacement character", "\u{fffd}"),
    ("a quotation mark", "\""),
    ("a plus sign", "+"),
    ("a percent sign", "%"),
    ("a tilde", "~"),
    ("a backslash", "\\"),
];

#[test]
fn a_stray_character_in_any_field_is_refused_there() {
    let mut tried = 0;
    for suite in SUITES {
        let row = Text::of(&one_wrap(suite, CREDENTIAL));
        for field in TEXT_FIELDS {
            for (name, stray) in STRAY {
                // In front of the field, within it, after it; as one more, and in the place of as
                // many bytes, so that the length stays right.
                for (at, replaces) in [(0, 0), (1, 0), (usize::MAX, 0), (0, 1), (1, 1)] {
                    let mut changed = row.with(field, |text| {
                        let at = at.min(text.len());
                        let kept = at + replaces * stray.len();
                        format!("{}{stray}{}", &text[..at], text.get(kept..).unwrap_or_default())
                    });
                    let expected = (field, changed.start(field));
                    let found = text_fault(&changed.join());
                    assert_eq!(found, expected, "{suite}, {name} at {at} of the {field}");
                    tried += 1;
                }
            }
        }
        // Around the whole row, as a line that was read and not stripped.
        for (name, stray) in STRAY {
            let found = text_fault(&format!("{stray}{}", row.join()));
            assert_eq!(found, (Field::Prefix, 0), "{suite}, {name} in front");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * (7 * 24 * 5 + 24));
}

#[test]
fn no_error_about_a_faulty_row_holds_four_bytes_of_it() {
    let secret = Secret::from(CREDENTIAL);
    let row = Keyring::new(key_id("QZXJKVWB"), master_key(1))
        .seal_with_rng(&secret, &acme(), &mut Counting(9))
        .unwrap();
    let text = Text::of(&row);
    let mut windows = 0;
    let mut says_nothing = |error: FormatError, of: &[u8]| {
        let said = format!("{error} {error:?} {error:#?}");
        for window in of.windows(4) {
            let echo = said.as_bytes().windows(4).any(|said| said == window);
            assert!(!echo, "four bytes of the row in: {said}");
            windows += 1;
        }
    };
    for field in TEXT_FIELDS {
        for stray in ["!", ":", "=", "\u{feff}"] {
            let faulty = text.with(field, |text| format!("{}{stray}{}", &text[..1], &text[1..]));
            let faulty = faulty.join();
            let error = faulty.parse::<Envelope>().unwrap_err();
            // But for the prefix and the suite, whose names an error may well say.
            says_nothing(error, &faulty.as_bytes()["sw1:a256gcm:".len() + stray.len()..]);
        }
    }
    for len in 0..row.as_bytes().len() - CREDENTIAL.len() {
        says_nothing(Envelope::from_bytes(&row.as_bytes()[..len]).unwrap_err(), row.as_bytes());
    }
    // All but the prefix of each text, and the whole row for each part of its front.
    let (of_text, of_bytes) = (row.to_string().len(), row.as_bytes().len());
    let in_texts = 7 * 4 * (of_text - "sw1:a256gcm:".len() - 3);
    assert_eq!(windows, in_texts + (of_bytes - CREDENTIAL.len()) * (of_bytes - 3));
}

/// Separators do not stay in their field, so each moves the fault to a place of its own.
#[test]
fn a_stray_separator_is_refused() {
    let row = Text::of(&one_wrap(Suite::default(), CREDENTIAL));
    let length = row.join().len();
    let mut tried = 0;
    for field in TEXT_FIELDS {
        // An eighth field: what follows the last colon.
        let mut with_colon = row.with(field, |text| format!("{}:{}", &text[..1], &text[1..]));
        let last = with_colon.start(Field::Ciphertext);
        let expected = if field == Field::Ciphertext { last + 2 } else { last };
        assert_eq!(text_fault(&with_colon.join()), (Field::Envelope, expected), ": in the {field}");

        let mut with_equals = row.with(field, |text| format!("{}={}", &text[..1], &text[1..]));
        let expected = match field {
            // The id ends at the first one, and the rest of it is no wrapped key.
            Field::KeyId => (Field::WrappedKey, with_equals.start(Field::KeyId) + 2),
            field => (field, with_equals.start(field)),
        };
        assert_eq!(text_fault(&with_equals.join()), expected, "= in the {field}");

        let mut with_comma = row.with(field, |text| format!("{},{}", &text[..4], &text[4..]));
        let expected = match field {
            // Two wraps, the first of them without its half.
            Field::KeyId => (Field::WrappedKey, with_comma.start(Field::KeyId)),
            Field::WrappedKey => (Field::WrappedKey, with_comma.start(Field::WrappedKey) + 5),
            field => (field, with_comma.start(field)),
        };
        assert_eq!(text_fault(&with_comma.join()), expected, ", in the {field}");
        tried += 3;
    }
    assert_eq!(tried, 21);
    assert_eq!(row.join().len(), length);
}

#[test]
fn another_encoding_of_a_field_is_refused() {
    let byte_fields = [Field::WrappedKey, Field::Proof, Field::Iv, Field::Tag, Field::Ciphertext];
    let mut tried = 0;
    for plaintext in ["1", "22", "333", CREDENTIAL] {
        let envelope = one_wrap(Suite::default(), plaintext);
        let parts = Parts::of(&envelope);
        let row = Text::of(&envelope);
        for field in byte_fields {
            let bytes = match field {
                Field::WrappedKey => parts.wraps[0].1.clone(),
                Field::Proof => [parts.commitment.clone(), parts.mac.clone()].concat(),
                Field::Iv => parts.iv.clone(),
                Field::Tag => parts.tag.clone(),
                _ => parts.ciphertext.clone(),
            };
            let encoded = base64url(&bytes);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let padding = "=".repeat((4 - encoded.len() % 4) % 4);
            let mut faulty = vec![
                ("padding where none is due", format!("{encoded}=")),
                ("four characters of padding", format!("{encoded}====")),
                ("plus", format!("+{}", &encoded[1..])),
                ("slash", format!("/{}", &encoded[1..])),
                ("a dot", format!("{}.", &encoded[1..])),
                ("a line break in the middle", format!("{}\n{}", &encoded[..1], &encoded[1..])),
                ("CRLF at the end", format!("{encoded}\r\n")),
            ];
            if !padding.is_empty() {
                faulty.push(("padding", format!("{encoded}{padding}")));
            }
            // A wrapped key or a ciphertext of another length is one that the keys refuse.
            if !matches!(field, Field::WrappedKey | Field::Ciphertext) {
                faulty.push(("one character less", encoded[1..].to_owned()));
                faulty.push(("one character more", format!("{encoded}A")));
                faulty.push(("hex", hex.clone()));
                faulty.push(("upper-case hex", hex.to_uppercase()));
                faulty.push(("0x and hex", format!("0x{hex}")));
                faulty.push(("hex of odd length", format!("{hex}0")));
            }
            for (name, text) in faulty {
                let mut changed = row.with(field, |_| text.clone());
                let expected = (field, changed.start(field));
                assert_eq!(text_fault(&changed.join()), expected, "{name} in the {field}");
                tried += 1;
            }
        }
    }
    // Padded where there is room for it: the wrapped key and the tag always, the ciphertext thrice.
    assert_eq!(tried, 4 * (5 * 7 + 3 * 6 + 2) + 2);
}

#[test]
fn unused_bits_that_are_not_zero_are_refused() {
    let mut tried = 0;
    // Fields of 61 and 16 bytes end in 4 unused bits; a ciphertext of 1 or 2 in 4 and 2.
    for (plaintext, ciphertext_bits) in [("1", 4), ("22", 2), ("333", 0), ("4444", 4)] {
        let row = Text::of(&one_wrap(Suite::default(), plaintext));
        for (field, bits) in [
            (Field::WrappedKey, 4),
            (Field::Tag, 4),
            (Field::Proof, 0),
            (Field::Iv, 0),
            (Field::Ciphertext, ciphertext_bits),
        ] {
            for value in 1..1_usize << bits {
                let mut changed = row.with(field, |text| {
                    let (rest, last) = text.split_at(text.len() - 1);
                    let last = BASE64URL.iter().position(|c| *c == last.as_bytes()[0]).unwrap();
                    assert!(last.is_multiple_of(1 << bits), "the sealed {field} is not canonical");
                    format!("{rest}{}", char::from(BASE64URL[last | value]))
                });
                let expected = (field, changed.start(field));
                let found = text_fault(&changed.join());
                assert_eq!(found, expected, "unused bits {value:#b} in the {field}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 4 * (15 + 15) + 15 + 3 + 15);
}

#[test]
fn a_field_of_another_length_is_refused_in_the_text_form() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = one_wrap(suite, CREDENTIAL);
        let row = Text::of(&envelope);
        let lengths: [(Field, &[usize]); 3] = [
            (Field::Tag, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 32]),
            (Field::Iv, &[0, 1, 8, 11, 13, 15, 16, 17, 24]),
            (Field::Proof, &[0, 16, 32, 47, 49, 64]),
        ];
        for (field, lengths) in lengths {
            for len in lengths {
                let mut changed = row.with(field, |_| base64url(&vec![7; *len]));
                let expected = (field, changed.start(field));
                assert_eq!(text_fault(&changed.join()), expected, "{suite}, a {field} of {len}");
                tried += 1;
            }
        }
        let mut exchanged = Text::of(&envelope);
        std::mem::swap(&mut exchanged.iv, &mut exchanged.tag);
        let at = exchanged.start(Field::Iv);
        assert_eq!(text_fault(&exchanged.join()), (Field::Iv, at), "{suite}, iv and tag exchanged");
        tried += 1;
    }
    assert_eq!(tried, 2 * (18 + 9 + 6 + 1));

    // The binary form has no separators, so that there the mac tells.
    let envelope = sealed(Suite::default(), 5);
    let mut exchanged = Parts::of(&envelope);
    std::mem::swap(&mut exchanged.iv, &mut exchanged.tag);
    let found = opening(&keyring(Suite::default()), &exchanged.envelope(), &acme());
    assert_eq!(found, "envelope_altered");
}

#[test]
fn names_are_case_sensitive() {
    let row = one_wrap(Suite::default(), CREDENTIAL);
    let text = row.to_string();
    let at = "sw1:".len();
    for name in ["A256GCM", "A256gcm", "C20P", "aes-256-gcm", "a256gcm ", "a256", "c20p1305", ""] {
        let changed = text.replacen("a256gcm", name, 1);
        assert_eq!(text_fault(&changed), (Field::Suite, at), "suite {name:?}");
        assert_eq!(fault(&name.parse::<Suite>().unwrap_err()), (Field::Suite, 0), "{name:?}");
    }
    // Another id, and not another spelling of the same.
    let renamed: Envelope = text.replacen("prod=", "PROD=", 1).parse().unwrap();
    let keyring = Keyring::new(key_id("prod"), master_key(1));
    assert_eq!(opening(&keyring, &renamed, &acme()), "unknown_key(PROD)");
}

#[test]
fn a_key_id_is_one_to_128_characters_of_its_alphabet() {
    let longest = "k".repeat(128);
    for id in ["a", "Z", "0", "tenant/42@3", "a._-/@", "prod-2026", &longest] {
        assert_eq!(id.parse::<KeyId>().unwrap().as_ref(), id);
    }
    let mut tried = 0;
    // Every byte, at the start and later on.
    for byte in 0..=u8::MAX {
        let envelope = sealed(Suite::default(), 3);
        for (at, alphabet) in [(0, ""), (1, "._-/@")] {
            let allowed = byte.is_ascii_alphanumeric() || alphabet.as_bytes().contains(&byte);
            let mut parts = Parts::of(&envelope);
            parts.wraps[0].0[at] = byte;
            match Envelope::from_bytes(&parts.binary()) {
                Ok(_) => assert!(allowed, "byte {byte:#04x} at {at} of a key id"),
                Err(error) => {
                    assert!(!allowed, "byte {byte:#04x} at {at} of a key id");
                    assert_eq!(fault(&error), (Field::KeyId, 6), "byte {byte:#04x} at {at}");
                }
            }
            if byte.is_ascii() {
                let id = String::from_utf8(parts.wraps[0].0.clone()).unwrap();
                let expected = (Field::KeyId, at);
                match id.parse::<KeyId>() {
                    Ok(parsed) => assert!(allowed && parsed.as_ref() == id, "{byte:#04x} at {at}"),
                    Err(error) => assert_eq!(fault(&error), expected, "{byte:#04x} at {at}"),
                }
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 512);
    let too_long = "k".repeat(129);
    let rows = [
        ("", 0),
        ("../x", 0),
        ("/x", 0),
        (".", 0),
        ("-rf", 0),
        ("@home", 0),
        ("_x", 0),
        ("a b", 1),
        ("a\0", 1),
        ("a\n", 1),
        ("a=b", 1),
        ("a,b", 1),
        ("a:b", 1),
        ("pr\u{43e}d", 2),
        ("caf\u{e9}", 3),
        ("\u{ff41}", 0),
        (too_long.as_str(), 128),
    ];
    for (id, offset) in rows {
        assert_eq!(fault(&id.parse::<KeyId>().unwrap_err()), (Field::KeyId, offset), "{id:?}");
        assert_eq!(fault(&KeyId::try_from(id).unwrap_err()), (Field::KeyId, offset), "{id:?}");
    }
}

/// Where the first wrap lies in the binary form: its id's length, the id, its own length, itself.
const ID_LEN_AT: usize = 5;
const ID_AT: usize = 6;
const WRAP_LEN_AT: usize = ID_AT + "prod".len();
const WRAP_AT: usize = WRAP_LEN_AT + 2;

#[test]
fn each_fault_of_the_binary_form_is_named_with_its_field_and_place() {
    let envelope = sealed(Suite::default(), 3);
    let row = envelope.as_bytes();
    let parts = Parts::of(&envelope);
    let with_byte = |at: usize, byte: u8| {
        let mut bytes = row.to_vec();
        bytes[at] = byte;
        bytes
    };
    let with_ids = |ids: &[&[u8]]| {
        let mut changed = parts.clone();
        changed.wraps = ids.iter().map(|id| (id.to_vec(), parts.wraps[0].1.clone())).collect();
        changed.binary()
    };
    let with_wrapped = |wrapped: &[u8]| {
        let mut changed = parts.clone();
        changed.wraps[0].1 = wrapped.to_vec();
        changed.binary()
    };
    let with_len = |len: u16| {
        let mut bytes = row.to_vec();
        bytes[WRAP_LEN_AT..WRAP_AT].copy_from_slice(&len.to_be_bytes());
        bytes
    };
    let many: Vec<Vec<u8>> = (0..255_u8).map(|i| format!("k{i}").into_bytes()).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let second_at = WRAP_AT + 61;
    let commitment_at = second_at + 1 + "dr".len() + 2 + 61;

    let rows: Vec<(&str, Vec<u8>, Fault)> = vec![
        ("nothing", vec![], (Field::Prefix, 0)),
        ("half the magic", b"S".to_vec(), (Field::Prefix, 0)),
        ("the magic alone", b"SW".to_vec(), (Field::Prefix, 2)),
        ("another magic", with_byte(0, b's'), (Field::Prefix, 0)),
        ("no suite", row[..3].to_vec(), (Field::Suite, 3)),
        ("suite 0", with_byte(3, 0), (Field::Suite, 3)),
        ("an unknown suite", with_byte(3, 3), (Field::Suite, 3)),
        ("suite 255", with_byte(3, 255), (Field::Suite, 3)),
        ("no number of wraps", row[..4].to_vec(), (Field::WrapCount, 4)),
        ("0 wraps", with_ids(&[]), (Field::WrapCount, 4)),
        ("9 wraps", with_ids(&many[..9]), (Field::WrapCount, 4)),
        ("255 wraps", with_ids(&many), (Field::WrapCount, 4)),
        ("0 wraps said, 2 there", with_byte(4, 0), (Field::WrapCount, 4)),
        ("255 wraps said, 2 there", with_byte(4, 255), (Field::WrapCount, 4)),
        ("a key id of 0 bytes", with_ids(&[b""]), (Field::KeyId, ID_AT)),
        ("a key id of 129 bytes", with_ids(&[&[b'k'; 129]]), (Field::KeyId, ID_AT)),
        ("a key id of 255 bytes", with_ids(&[&[b'k'; 255]]), (Field::KeyId, ID_AT)),
        ("a key id that climbs", with_ids(&[b"../x"]), (Field::KeyId, ID_AT)),
        ("a key id with a NUL", with_ids(&[b"pr\0d"]), (Field::KeyId, ID_AT)),
        ("a key id that is no UTF-8", with_ids(&[b"pr\xffd"]), (Field::KeyId, ID_AT)),
        ("a key id in UTF-8", with_ids(&["pr\u{43e}d".as_bytes()]), (Field::KeyId, ID_AT)),
        ("one key id twice", with_ids(&[b"prod", b"prod"]), (Field::KeyId, second_at)),
        ("no key id", row[..ID_LEN_AT].to_vec(), (Field::KeyId, ID_LEN_AT)),
        ("half a key id", row[..ID_AT + 2].to_vec(), (Field::KeyId, ID_AT)),
        ("no wrap", row[..WRAP_LEN_AT].to_vec(), (Field::WrappedKey, WRAP_LEN_AT)),
        ("half a wrap's length", row[..WRAP_LEN_AT + 1].to_vec(), (Field::WrappedKey, WRAP_LEN_AT)),
        ("half a wrap", row[..WRAP_AT + 40].to_vec(), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of 0 bytes", with_wrapped(&[]), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of its kind alone", with_wrapped(&[1]), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of kind 0", with_byte(WRAP_AT, 0), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of 0 bytes said", with_len(0), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of 65535 bytes said", with_len(u16::MAX), (Field::WrappedKey, WRAP_AT)),
        (
            "the second wrap of kind 0",
            with_byte(second_at + 5, 0),
            (Field::WrappedKey, second_at + 5),
        ),
        (
            "half a commitment",
            row[..commitment_at + 31].to_vec(),
            (Field::Commitment, commitment_at),
        ),
        ("half a mac", row[..commitment_at + 47].to_vec(), (Field::Mac, commitment_at + 32)),
        ("half an iv", row[..commitment_at + 59].to_vec(), (Field::Iv, commitment_at + 48)),
        ("half a tag", row[..commitment_at + 75].to_vec(), (Field::Tag, commitment_at + 60)),
    ];
    assert_eq!(rows.len(), 37);
    for (name, bytes, expected) in rows {
        assert_eq!(binary_fault(&bytes), expected, "{name}");
    }
    // The least that is an envelope, and one byte less in each of its fields but the last.
    let least = &row[..commitment_at + 76];
    assert_eq!(Envelope::from_bytes(least).unwrap().ciphertext(), b"");
}

#[test]
fn the_text_form_keeps_every_limit_of_the_binary_form() {
    let envelope = sealed(Suite::default(), 3);
    let parts = Parts::of(&envelope);
    assert_eq!(parts.text(), envelope.to_string(), "the parts are put together as the format says");
    assert_eq!(parts.binary(), envelope.as_bytes());
    let wraps_at = "sw1:a256gcm:".len();
    let with_wraps = |wraps: &str| {
        let text = parts.text();
        let fields: Vec<&str> = text.split(':').collect();
        [&fields[..2], &[wraps], &fields[3..]].concat().join(":")
    };
    let wrapped = base64url(&parts.wraps[0].1);
    let nine: Vec<String> = (0..9).map(|i| format!("k{i}={wrapped}")).collect();
    let ninth_at = wraps_at + 8 * (nine[0].len() + 1);
    let many: Vec<String> = (0..70_000).map(|i| format!("{i:05}={wrapped}")).collect();
    let too_long = base64url(&vec![1; 65_536]);
    let rows: Vec<(&str, String, Fault)> = vec![
        ("0 wraps", String::new(), (Field::WrappedKey, wraps_at)),
        ("a comma alone", ",".to_owned(), (Field::WrappedKey, wraps_at)),
        ("9 wraps", nine.join(","), (Field::WrapCount, ninth_at)),
        ("70 000 wraps", many.join(","), (Field::WrapCount, wraps_at + 8 * (many[0].len() + 1))),
        ("8 wraps and a comma", format!("{},", nine[..8].join(",")), (Field::WrapCount, ninth_at)),
        ("a comma after a wrap", format!("prod={wrapped},"), (Field::WrappedKey, wraps_at + 88)),
        ("no id", format!("={wrapped}"), (Field::KeyId, wraps_at)),
        ("no wrapped key", "prod=".to_owned(), (Field::WrappedKey, wraps_at + 5)),
        ("an id alone", "prod".to_owned(), (Field::WrappedKey, wraps_at)),
        ("a wrap of its kind alone", "prod=AQ".to_owned(), (Field::WrappedKey, wraps_at + 5)),
        ("a wrap of 65536 bytes", format!("prod={too_long}"), (Field::WrappedKey, wraps_at + 5)),
        ("an id of 129", format!("{}={wrapped}", "k".repeat(129)), (Field::KeyId, wraps_at)),
        ("an id of 255", format!("{}={wrapped}", "k".repeat(255)), (Field::KeyId, wraps_at)),
        ("an id that climbs", format!("../x={wrapped}"), (Field::KeyId, wraps_at)),
        ("a wrap of kind 0", "prod=AAAA".to_owned(), (Field::WrappedKey, wraps_at + 5)),
    ];
    assert_eq!(rows.len(), 15);
    for (name, wraps, expected) in rows {
        assert_eq!(text_fault(&with_wraps(&wraps)), expected, "{name}");
    }
    let longest = base64url(&vec![1; 65_535]);
    let parsed: Envelope = with_wraps(&format!("prod={longest}")).parse().unwrap();
    assert_eq!(parsed.wrapped_keys().next().unwrap().body().len(), 65_534);
    let parsed: Envelope = with_wraps(&nine[..8].join(",")).parse().unwrap();
    assert_eq!(parsed.key_ids().count(), 8);
}

/// The text form is told where the faulty wrap starts, as the binary form is.
#[test]
fn a_fault_in_a_later_wrap_is_placed_at_that_wrap_in_the_text_form() {
    let parts = Parts::of(&sealed(Suite::default(), 3));
    let second_at = "sw1:a256gcm:prod=,".len() + base64url(&parts.wraps[0].1).len();
    let mut twice = parts.clone();
    twice.wraps[1].0 = b"prod".to_vec();
    assert_eq!(text_fault(&twice.text()), (Field::KeyId, second_at), "an id twice");
    let mut kind = parts;
    kind.wraps[1].1[0] = 0;
    let expected = (Field::WrappedKey, second_at + "dr=".len());
    assert_eq!(text_fault(&kind.text()), expected, "kind 0");
}

#[test]
fn a_wrap_has_a_body_of_1_to_65534_bytes() {
    for (len, fits) in [(0, false), (1, true), (60, true), (65_534, true), (65_535, false)] {
        let made = WrappedKey::new(key_id("prod"), WrapKind::Provider, &vec![7; len]);
        match made {
            Ok(made) => assert!(fits && made.body().len() == len, "{len} bytes"),
            Err(error) => {
                assert_eq!(fault(&error), (Field::WrappedKey, 0), "{len} bytes");
                assert!(!fits, "{len} bytes");
            }
        }
    }
}

#[test]
fn a_draft_takes_1_to_8_wraps_and_no_id_twice() {
    let draft = || {
        let secret = Secret::from(CREDENTIAL);
        sealing::prepare_with_rng(&secret, &acme(), Suite::default(), &mut Counting(1)).unwrap()
    };
    let wraps = |count: usize| -> Vec<WrappedKey> {
        let wrapped =
            |i| WrappedKey::new(key_id(&format!("k{i}")), WrapKind::Provider, b"body").unwrap();
        (0..count).map(wrapped).collect()
    };
    for count in [1, 2, 8] {
        assert_eq!(draft().finish(wraps(count)).unwrap().wrapped_keys().count(), count);
    }
    for count in [0, 9, 255, 256, 257] {
        let error = draft().finish(wraps(count)).unwrap_err();
        assert_eq!(fault(&error), (Field::WrapCount, 4), "{count} wraps");
    }
    let twice = [wraps(2), wraps(1)].concat();
    let at = 5 + 2 * (1 + 2 + 2 + 5);
    assert_eq!(fault(&draft().finish(twice).unwrap_err()), (Field::KeyId, at), "k0 twice");
}

/// A local wrap made by hand, of a data key of any length; of a long one, the pad begins again.
///
/// check ‖ salt ‖ data key xor pad
fn hand_made_body(master: &[u8; 32], suite: Suite, commitment: &[u8], data_key: &[u8]) -> Vec<u8> {
    let bind = [&[1, suite.id(), 4], b"prod".as_slice(), commitment].concat();
    let salt = &expand(master, &[b"sw1/salt", &bind, data_key])[..24];
    let pad = expand(master, &[b"sw1/wrap", salt]);
    let check = &expand(master, &[b"sw1/check"])[..4];
    let wrapped: Vec<u8> = data_key.iter().zip(pad.iter().cycle()).map(|(a, b)| a ^ b).collect();
    [check, salt, &wrapped].concat()
}

#[test]
fn a_local_wrap_of_another_length_is_refused() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = one_wrap(suite, CREDENTIAL);
        let keyring = Keyring::new(key_id("prod"), master_key(1));
        let data_key = counted_data_key(9);
        let master = master_bytes(1);
        let with_body = |body: &[u8]| {
            let wrapped = WrappedKey::new(key_id("prod"), WrapKind::Local, body).unwrap();
            let parts = Parts::of(&envelope).with_wraps(&[wrapped]).with_mac_under(&data_key);
            opening(&keyring, &parts.envelope(), &acme())
        };
        // A control: what is made by hand of the right key opens, and is what the crate made.
        let right = hand_made_body(&master, suite, envelope.commitment(), data_key.expose_secret());
        assert_eq!(right, envelope.wrapped_keys().next().unwrap().body(), "{suite}");
        assert_eq!(with_body(&right), "opened", "{suite}");

        let long: Vec<u8> = [data_key.expose_secret().as_slice(); 2].concat();
        for len in [0, 16, 24, 31, 33, 64] {
            let body = hand_made_body(&master, suite, envelope.commitment(), &long[..len]);
            let found = with_body(&body);
            assert_eq!(found, "wrap_altered(prod)", "{suite}, a data key of {len} bytes");
            tried += 1;
        }
        let bare = data_key.expose_secret();
        assert_eq!(with_body(bare), "wrap_altered(prod)", "{suite}, the bare data key");
        // The right one, shorter and longer.
        for len in [1, 4, 28, 59, 61, 62, 76, 1000, 65_534] {
            let mut body = right.clone();
            body.resize(len, 0);
            assert_eq!(with_body(&body), "wrap_altered(prod)", "{suite}, a body of {len} bytes");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * (6 + 9));
}

/// A service that unwraps whatever it is asked to into these bytes.
struct Unwraps(Vec<u8>);

impl MasterKeyProvider for Unwraps {
    fn wrap_key<'a>(&'a self, _: WrapRequest<'a>) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        Answer::now(Ok(b"opaque".to_vec()))
    }

    fn unwrap_key<'a>(
        &'a self,
        _: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        let mut bytes = self.0.clone();
        Answer::now(DataKey::from_bytes(&mut bytes).map_err(Into::into))
    }
}

#[test]
fn a_service_that_unwraps_to_another_length_is_refused_before_use() {
    let data_key = counted_data_key(1).expose_secret().to_vec();
    let ring = |bytes: &[u8]| Keyring::new(key_id("kms"), Unwraps(bytes.to_vec()));
    let envelope = ring(&data_key)
        .seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1))
        .unwrap();
    assert_eq!(opening(&ring(&data_key), &envelope, &acme()), "opened");
    let twice = data_key.repeat(2);
    for len in [0, 16, 24, 31, 33, 64] {
        let found = opening(&ring(&twice[..len]), &envelope, &acme());
        assert_eq!(found, "wrap_altered(kms)", "{len} bytes");
    }
    assert_eq!(opening(&ring(&[7; 32]), &envelope, &acme()), "wrap_altered(kms)", "a weak one");
    let other = counted_data_key(2);
    let found = opening(&ring(other.expose_secret()), &envelope, &acme());
    assert_eq!(found, "envelope_altered", "another data key");
}

#[test]
fn a_kind_that_the_key_does_not_make_parses_and_is_refused_when_used() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = one_wrap(suite, CREDENTIAL);
        let keyring = Keyring::new(key_id("prod"), master_key(1));
        assert_eq!(opening(&keyring, &envelope, &acme()), "opened");
        for kind in (0..=u8::MAX).filter(|kind| *kind != 1) {
            let mut parts = Parts::of(&envelope);
            parts.wraps[0].1[0] = kind;
            let parts = parts.with_mac_under(&counted_data_key(9));
            if kind == 0 {
                assert_eq!(binary_fault(&parts.binary()), (Field::WrappedKey, WRAP_AT));
                assert_eq!(text_fault(&parts.text()).0, Field::WrappedKey);
                continue;
            }
            let parsed = parts.envelope();
            assert_eq!(parsed.wrapped_keys().next().unwrap().kind().byte(), kind);
            assert_eq!(parts.text().parse::<Envelope>().unwrap(), parsed, "kind {kind:#04x}");
            let found = opening(&keyring, &parsed, &acme());
            assert_eq!(found, "wrong_wrap_kind(prod)", "{suite}, kind {kind:#04x}");
            assert!(!keyring.is_current(&parsed), "{suite}, kind {kind:#04x}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 254);
}

fn round_trips(keyring: &Keyring, context: &EncryptionContext, plaintext: &[u8], name: &str) {
    let sealed = keyring
        .seal_with_rng(&Secret::from(plaintext), context, &mut Counting(1))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(sealed.ciphertext().len(), plaintext.len(), "{name}");
    let from_text: Envelope = sealed.to_string().parse().unwrap();
    let from_bytes = Envelope::from_bytes(sealed.as_bytes()).unwrap();
    for envelope in [from_text, from_bytes] {
        assert_eq!(envelope, sealed, "{name}");
    }
    let opened = keyring.open(&sealed, context).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(opened.expose_secret() == plaintext, "{name}: another plaintext came back");
}

#[test]
fn any_plaintext_comes_back_as_it_was() {
    for suite in SUITES {
        let keyring = keyring(suite);
        for len in [0, 1, 15, 16, 17, 4096] {
            let plaintext: Vec<u8> = (0..=250).cycle().take(len).collect();
            round_trips(&keyring, &acme(), &plaintext, &format!("{suite}, {len} bytes"));
        }
        let row = sealed(suite, 3);
        let row_text = row.to_string();
        let texts: [(&str, &[u8]); 14] = [
            ("NUL", b"\0"),
            ("NULs around", b"\0key\0"),
            ("a newline at the end", b"key\n"),
            ("CRLF", b"key\r\n"),
            ("a newline alone", b"\n"),
            ("a byte order mark", "\u{feff}key".as_bytes()),
            ("spaces", b"  key  "),
            ("colons", b":::::::"),
            ("equals signs", b"key=value=="),
            ("not UTF-8", b"\xff\xfe\x00\xc3\x28"),
            ("null", b"null"),
            ("a row in text", row_text.as_bytes()),
            ("a row in binary", row.as_bytes()),
            ("a credential", CREDENTIAL.as_bytes()),
        ];
        for (name, plaintext) in texts {
            round_trips(&keyring, &acme(), plaintext, &format!("{suite}, {name}"));
        }
    }
}

/// A service once opened what it had opened, because it looked sealed.
#[test]
fn an_envelope_within_an_envelope_is_opened_once() {
    for suite in SUITES {
        let keyring = keyring(suite);
        let inner = sealed(suite, 1);
        for plaintext in [inner.to_string().into_bytes(), inner.as_bytes().to_vec()] {
            let outer = keyring
                .seal_with_rng(&Secret::from(plaintext.as_slice()), &acme(), &mut Counting(100))
                .unwrap();
            let opened = keyring.open(&outer, &acme()).unwrap();
            assert!(opened.expose_secret() == plaintext, "{suite}: opened twice, or not at all");
            assert!(opened.expose_secret() != CREDENTIAL.as_bytes(), "{suite}: opened twice");
        }
    }
}

#[test]
fn an_empty_plaintext_is_not_a_failure_and_a_failure_is_not_empty() {
    let keyring = keyring(Suite::default());
    let sealed = keyring.seal(&Secret::from(""), &acme()).unwrap();
    let opened = keyring.open(&sealed, &acme()).unwrap();
    assert!(opened.is_empty());
    assert_eq!(opening(&keyring, &sealed, &EncryptionContext::empty()), "context_mismatch");
}

#[test]
fn a_plaintext_that_is_no_text_is_an_error_when_asked_as_text_and_whole_as_bytes() {
    let keyring = keyring(Suite::default());
    let plaintext = b"sk-\xff\xfetest";
    let sealed = keyring.seal(&Secret::from(plaintext), &acme()).unwrap();
    let opened = keyring.open(&sealed, &acme()).unwrap();
    assert_eq!(opened.expose_str().unwrap_err().valid_up_to(), 3);
    assert!(opened.expose_secret() == plaintext);
}

/// The largest plaintext, one byte more, and ciphertexts of either length in both forms.
#[test]
fn sixteen_mebibytes_are_the_longest_plaintext() {
    const LONGEST: usize = 16 * 1024 * 1024;
    let keyring = Keyring::new(key_id("prod"), master_key(1));
    let context = acme();
    let mut plaintext = vec![b'x'; LONGEST + 1];
    plaintext[LONGEST - 1] = b'y';

    let too_long = Secret::from(plaintext.as_slice());
    for suite in SUITES {
        let keyring = keyring.clone().with_suite(suite);
        let error = keyring.seal_with_rng(&too_long, &context, &mut Counting(1)).unwrap_err();
        assert!(matches!(error, SealError::TooLong), "{suite}: {error}");
        let error = sealing::prepare(&too_long, &context, suite).unwrap_err();
        assert!(matches!(error, SealError::TooLong), "{suite}: {error}");
    }
    drop(too_long);

    round_trips(&keyring, &context, &plaintext[..1024 * 1024], "1 MiB");
    plaintext.pop();
    // In the suite, and in the form, that take the least time without optimisation.
    let keyring = keyring.with_suite(Suite::ChaCha20Poly1305);
    let longest = keyring.seal(&Secret::from(plaintext.as_slice()), &context).unwrap();
    assert_eq!(longest.ciphertext().len(), LONGEST);
    let longest = Envelope::from_bytes(longest.as_bytes()).unwrap();
    let opened = keyring.open(&longest, &context).unwrap();
    assert!(opened.expose_secret() == plaintext, "another plaintext came back");

    let mut parts = Parts::of(&one_wrap(Suite::default(), ""));
    let front = parts.binary().len();
    parts.ciphertext = plaintext;
    assert_eq!(parts.envelope().ciphertext().len(), LONGEST);
    parts.ciphertext.push(0);
    assert_eq!(binary_fault(&parts.binary()), (Field::Ciphertext, front), "binary");

    // In the text form every length is checked before a byte is decoded, that of the ciphertext
    // before the wraps: a fault there shows that the check was passed.
    let mut row = Text::of(&one_wrap(Suite::default(), ""));
    row.wrapped.clear();
    for (len, expected) in [
        (LONGEST, (Field::WrappedKey, row.start(Field::WrappedKey))),
        (LONGEST + 1, (Field::Ciphertext, row.start(Field::Ciphertext))),
        (2 * LONGEST, (Field::Ciphertext, row.start(Field::Ciphertext))),
    ] {
        row.ciphertext = "A".repeat((len * 4).div_ceil(3));
        assert_eq!(text_fault(&row.join()), expected, "text, {len} bytes");
    }
}

type FromBytes = fn(&mut [u8]) -> Result<(), KeyError>;

/// What makes a key of bytes: `MasterKey` and `DataKey` alike.
const FROM_BYTES: [(&str, FromBytes); 2] = [
    ("master key", |bytes| MasterKey::from_bytes(bytes).map(drop)),
    ("data key", |bytes| DataKey::from_bytes(bytes).map(drop)),
];

#[test]
fn a_key_is_32_bytes_that_are_not_one_repeated_and_its_source_is_wiped() {
    let mut tried = 0;
    for (name, from_bytes) in FROM_BYTES {
        for len in [0_usize, 1, 16, 24, 31, 33, 53, 64] {
            let mut bytes: Vec<u8> = (1..).take(len).collect();
            let error = from_bytes(&mut bytes).unwrap_err();
            assert!(
                matches!(error, KeyError::Length { expected: 32, found, .. } if found == len),
                "a {name} of {len} bytes: {error}"
            );
            assert!(bytes.iter().all(|byte| *byte == 0), "{name}, {len} bytes: not wiped");
            tried += 1;
        }
        for byte in 0..=u8::MAX {
            let mut bytes = [byte; 32];
            assert_eq!(from_bytes(&mut bytes), Err(KeyError::Weak), "{name} of {byte:#04x}");
            assert_eq!(bytes, [0; 32], "{name} of {byte:#04x}: not wiped");
            tried += 1;
        }
        for (place, bit) in (0..32).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut bytes = [0x55; 32];
            bytes[place] ^= 1 << bit;
            assert_eq!(from_bytes(&mut bytes), Ok(()), "{name}, bit {bit} of byte {place}");
            assert_eq!(bytes, [0; 32], "{name}, bit {bit} of byte {place}: not wiped");
            tried += 1;
        }
        // What an environment variable holds when the hex was never decoded.
        let mut hex = *b"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let error = from_bytes(&mut hex).unwrap_err();
        assert!(matches!(error, KeyError::Length { found: 64, .. }), "{name}: {error}");
        assert_eq!(hex, [0; 64], "{name} in hex: not wiped");
        tried += 1;
    }
    assert_eq!(tried, 2 * (8 + 256 + 256 + 1));
}

fn key_text(number: u8) -> String {
    master_key(number).to_text().expose_str().unwrap().to_owned()
}

fn key_fault(text: &str) -> KeyError {
    match text.parse::<MasterKey>() {
        Err(error) => error,
        Ok(_) => panic!("parsed"),
    }
}

#[test]
fn a_key_text_is_written_as_the_format_says() {
    let mut key = [1; 32];
    key[31] = !1;
    let checksum = sha256(&[b"sw1/key".as_slice(), &key].concat());
    let expected = format!("swk1_{}", base64url(&[key.as_slice(), &checksum[..4]].concat()));
    assert!(key_text(1) == expected, "another text");
    assert_eq!(expected.len(), 53);
    assert_eq!(expected.parse::<MasterKey>().unwrap().check_value(), master_key(1).check_value());
}

#[test]
fn a_key_text_with_anything_around_it_is_refused() {
    let text = key_text(1);
    let upper = text.to_uppercase();
    let hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let rows: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("a newline at the end", format!("{text}\n")),
        ("CRLF at the end", format!("{text}\r\n")),
        ("a space at the end", format!("{text} ")),
        ("a space in front", format!(" {text}")),
        ("a tab in front", format!("\t{text}")),
        ("a NUL at the end", format!("{text}\0")),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("a no-break space", format!("{text}\u{a0}")),
        ("quotes", format!("\"{text}\"")),
        ("single quotes", format!("'{text}'")),
        ("a name in front", format!("SEALWAX_KEY={text}")),
        ("padding", format!("{text}=")),
        ("one character more", format!("{text}A")),
        ("four characters more", format!("{text}AAAA")),
        ("twice", format!("{text}{text}")),
        ("upper case", upper),
        ("another prefix", text.replacen("swk1_", "swk2_", 1)),
        ("a prefix in upper case", text.replacen("swk1_", "SWK1_", 1)),
        ("a prefix with a hyphen", text.replacen("swk1_", "swk1-", 1)),
        ("no prefix", text.replacen("swk1_", "", 1)),
        ("the prefix alone", "swk1_".to_owned()),
        ("hex", hex.to_owned()),
        ("hex after the prefix", format!("swk1_{hex}")),
        ("base64 after the prefix", format!("swk1_{}=", base64url(&[9; 32]))),
        ("a key without a checksum", format!("swk1_{}", base64url(&[9; 32]))),
        ("a placeholder", "changeme".to_owned()),
    ];
    assert_eq!(rows.len(), 27);
    for (name, text) in rows {
        assert_eq!(key_fault(&text), KeyError::Malformed, "{name}");
    }
}

#[test]
fn a_key_text_with_a_right_checksum_must_still_hold_a_key() {
    for byte in [0, 0x41, 0xff] {
        let key = [byte; 32];
        let checksum = sha256(&[b"sw1/key".as_slice(), &key].concat());
        let text = format!("swk1_{}", base64url(&[key.as_slice(), &checksum[..4]].concat()));
        assert_eq!(key_fault(&text), KeyError::Weak, "{byte:#04x}");
    }
    let text = format!("swk1_{}", base64url(&[&[1; 31][..], &[2], &[0; 4]].concat()));
    assert_eq!(key_fault(&text), KeyError::Checksum, "a checksum of zeros");
}

#[test]
fn every_truncation_of_a_key_text_is_refused() {
    let text = key_text(1);
    for len in 0..text.len() {
        assert_eq!(key_fault(&text[..len]), KeyError::Malformed, "the first {len} characters");
        let end = &text[len + 1..];
        assert_eq!(key_fault(end), KeyError::Malformed, "all but the first {}", len + 1);
    }
    assert_eq!(text.len(), 53);
}

#[test]
fn every_single_character_of_a_key_text_changed_deleted_or_doubled_is_refused() {
    let text = key_text(1);
    let mut tried = 0;
    for at in 0..text.len() {
        let (front, rest) = text.split_at(at);
        let (character, back) = rest.split_at(1);
        for other in (0..0x80_u8).map(char::from).chain(['\u{430}', '\u{ff11}', '\u{a0}']) {
            if character.starts_with(other) {
                continue;
            }
            let in_alphabet = BASE64URL.iter().any(|c| other == char::from(*c));
            let expected =
                if at >= 5 && in_alphabet { KeyError::Checksum } else { KeyError::Malformed };
            let found = key_fault(&format!("{front}{other}{back}"));
            assert_eq!(found, expected, "character {at} as {other:?}");
            tried += 1;
        }
        assert_eq!(key_fault(&format!("{front}{back}")), KeyError::Malformed, "{at} deleted");
        let doubled = format!("{front}{character}{character}{back}");
        assert_eq!(key_fault(&doubled), KeyError::Malformed, "{at} doubled");
        if let Some(next) = back.get(..1).filter(|next| *next != character) {
            let swapped = format!("{front}{next}{character}{}", &back[1..]);
            let expected = if at >= 5 { KeyError::Checksum } else { KeyError::Malformed };
            assert_eq!(key_fault(&swapped), expected, "{at} swapped with the next");
        }
    }
    assert_eq!(tried, 53 * (127 + 3));
}
