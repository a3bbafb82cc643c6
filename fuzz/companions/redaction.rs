//! The filter of `sealwax-credentials` masks exactly what a search without any cleverness finds, however the text is cut,
//! and changes nothing else. It never holds back more than eight times the length of the key.

use std::sync::LazyLock;

use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
use sealwax_credentials::{BoundSecret, open_bound};

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::new("k".parse().unwrap(), MasterKey::generate().unwrap()).unwrap());

pub(crate) fn check(input: &[u8]) -> bool {
    let Some((choice, rest)) = input.split_first() else { return false };
    let (key, rest) = key(*choice, rest);
    let (text, cuts) = text(&key, rest);
    if text.is_empty() {
        return false;
    }
    let secret = bound(&key);
    let chunks = cuts.windows(2).map(|ends| &text[ends[0]..ends[1]]);
    let expected = masked(&key, &text);
    assert!(redacted(&secret, key.len(), chunks) == expected, "the filter and the search differ");
    expected != text
}

/// Seals and opens a key for some host.
pub(crate) fn bound(key: &[u8]) -> BoundSecret {
    let context = EncryptionContext::empty().with_hosts(&["a.example"]).unwrap();
    let envelope = KEYRING.seal(&Secret::from(key), &context).unwrap();
    open_bound(&KEYRING, &envelope, &context).unwrap()
}

/// Runs the filter over chunks, and watches what it holds back.
pub(crate) fn redacted<'a>(
    secret: &BoundSecret,
    key_len: usize,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let redactor = secret.redactor(&mut http::HeaderMap::new()).unwrap();
    let (mut redactor, mut out, mut given) = (redactor, Vec::new(), 0);
    for chunk in chunks {
        redactor.push(chunk, |bytes| out.extend_from_slice(bytes));
        given += chunk.len();
        assert!(given - out.len() < 8 * key_len, "{} bytes are held back", given - out.len());
    }
    redactor.finish(|bytes| out.extend_from_slice(bytes));
    assert_eq!(out.len(), given);
    out
}

/// Returns a key of at least 8 characters: some repeat themselves, some look like escapes, some are arbitrary.
fn key(choice: u8, rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let len = 8 + usize::from(choice / 8 % 8);
    let repeated = |pattern: &[u8]| pattern.iter().copied().cycle().take(len).collect();
    let key = match choice % 8 {
        0 => repeated(b"a"),
        1 => repeated(b"ab"),
        2 => repeated(b"aabaa"),
        3 => repeated(b"%41"),
        4 => repeated(b"\\u0041"),
        5 => repeated(b"+/=~"),
        6 => b"sk-qZ7_Xw9/vK3+Jp5=".to_vec(),
        _ => {
            let (bytes, rest) = rest.split_at(len.min(rest.len()));
            let graphic = |byte: &u8| b'!' + byte % 94;
            let padding = std::iter::repeat_n(b'x', len - bytes.len());
            return (bytes.iter().map(graphic).chain(padding).collect(), rest);
        }
    };
    (key, rest)
}

/// Returns a text with forms of the key in it, and where it is cut, including both ends.
pub(crate) fn text(key: &[u8], input: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut text, mut cuts) = (Vec::new(), vec![0]);
    let mut input = input.iter().copied();
    while let Some(byte) = input.next() {
        match byte {
            0xf0..=0xf7 => cuts.push(text.len()),
            // A form, and perhaps only the start of it.
            0xf8..=0xff => {
                let form = written(key, byte, input.next().unwrap_or(0));
                let len = input.next().map_or(form.len(), |len| usize::from(len).min(form.len()));
                text.extend_from_slice(&form[..len]);
            }
            byte => text.push(byte),
        }
        if text.len() > 4000 {
            break;
        }
    }
    cuts.push(text.len());
    (text, cuts)
}

fn written(key: &[u8], form: u8, detail: u8) -> Vec<u8> {
    let each = |write: fn(u8) -> String| key.iter().map(|byte| write(*byte)).collect::<String>();
    let some = |write: fn(u8) -> String| {
        let characters =
            key.iter().enumerate().map(|(place, byte)| match detail >> (place % 8) & 1 {
                0 => char::from(*byte).to_string(),
                _ => write(*byte),
            });
        characters.collect::<String>()
    };
    match form {
        0xf8 => key.to_vec(),
        0xf9 => each(|byte| format!("{byte:02x}")).into(),
        0xfa => each(|byte| format!("{byte:02X}")).into(),
        0xfb => some(|byte| format!("%{byte:02x}")).into(),
        0xfc => some(|byte| format!("%{byte:02X}")).into(),
        0xfd => some(|byte| format!("\\u{byte:04x}")).into(),
        _ => {
            let front = &b"xyz"[..usize::from(detail % 3)];
            let alphabet: &[u8; 64] = if detail & 4 == 0 { STANDARD } else { URL };
            let sixes = sixes(&[front, key, b"w"].concat(), 0);
            sixes.iter().map(|six| alphabet[usize::from(*six)]).collect()
        }
    }
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns the whole groups of six bits, from a bit on.
fn sixes(bytes: &[u8], start: usize) -> Vec<u8> {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value = |six: &[u8]| six.iter().fold(0, |value, bit| value << 1 | bit);
    bits[start..].chunks_exact(6).map(value).collect()
}

/// Masks a key in a text: searches for each form at each place, without any state.
pub(crate) fn masked(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut masked = text.to_vec();
    let nibbles: Vec<u8> = key.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).collect();
    let base64 = [0, 4, 2].map(|start| sixes(key, start));
    for (number, notation) in [plain, percent, json].into_iter().enumerate() {
        let (characters, mut starts): (Vec<u8>, Vec<usize>) =
            read(text, notation).into_iter().unzip();
        starts.push(text.len());
        let mut mask = |form: &[u8], value: fn(u8) -> Option<u8>| {
            for (place, window) in characters.windows(form.len()).enumerate() {
                if window.iter().zip(form).all(|(byte, expected)| value(*byte) == Some(*expected)) {
                    masked[starts[place]..starts[place + form.len()]].fill(b'*');
                }
            }
        };
        mask(key, Some);
        // Nothing escapes hex digits.
        if number == 0 {
            mask(&nibbles, |byte| char::from(byte).to_digit(16)?.try_into().ok());
        }
        for form in &base64 {
            mask(form, |byte| {
                let places = [STANDARD, URL].map(|all| all.iter().position(|other| *other == byte));
                places[0].or(places[1]).and_then(|place| place.try_into().ok())
            });
        }
    }
    masked
}

type Notation = fn(&[u8]) -> Option<(u8, usize)>;

/// Returns each character, and where it starts.
fn read(text: &[u8], escape: Notation) -> Vec<(u8, usize)> {
    let (mut characters, mut place) = (Vec::new(), 0);
    while place < text.len() {
        let (character, len) = escape(&text[place..]).unwrap_or((text[place], 1));
        characters.push((character, place));
        place += len;
    }
    characters
}

fn plain(_: &[u8]) -> Option<(u8, usize)> {
    None
}

fn percent(text: &[u8]) -> Option<(u8, usize)> {
    let digits = text.strip_prefix(b"%")?.get(..2)?;
    Some((number(digits)?, 3))
}

fn json(text: &[u8]) -> Option<(u8, usize)> {
    let rest = text.strip_prefix(b"\\")?;
    match rest.first()? {
        b'u' => Some((number(rest.get(1..5)?)?, 6)),
        character @ (b'"' | b'\\' | b'/') => Some((*character, 2)),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(text, 16).ok().filter(|_| is_hex)?.try_into().ok()
}
