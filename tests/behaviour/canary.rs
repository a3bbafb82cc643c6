//! No output shows a secret: not four consecutive bytes, in any notation, of any type or error. This file has the
//! secrets and the search for them; each file below searches the output of one kind of thing.

use core::error::Error;
use core::fmt::Debug;
use std::collections::{BTreeMap, BTreeSet};

use sealwax::triplet::{IvLen, Triplet, TripletKey};
use sealwax::{DataKey, EncryptionContext, Envelope, Keyring, MasterKey, Secret, Suite};

use crate::fixtures::{Scripted, base64url, context, key_id};

mod parsers;
mod rows_of_others;
mod types;
mod verbs;

// Printable, so that they are also found where bytes are printed as text, and unlike any word.
const PLAINTEXT: &str = "sk-live-qZ7~Xw9!vK3^Jp5%Hd8*Bn2@Gm6+Ry4=Tf1|Wc0?Lx";
const PRIMARY: &[u8; 32] = b"Ajz4]Qkw7[Vhx2>Bqy9<Nfj6}Ztk3{Wv";
const RETIRED: &[u8; 32] = b"uE5;oI8:yA1,cU6.gO3/mY9-pK2_rL7$";
const OTHER: &[u8; 32] = b"(J2d)S7f&K4h#P9j!X3l@C6z%V8n^B5m";
/// The data key and the IV, as they are drawn.
const DRAWN: &[u8; 44] = b"Hy3?Ux7*Dk1+Gq9=Wf4~Zs8|Lc2^Mv6%qxjvwkzyqxjv";

/// Secrets, and the printed forms of any four consecutive bytes of them.
pub(crate) struct Scanner(Vec<(&'static str, Vec<String>)>);

impl Scanner {
    pub(crate) fn new(secrets: &[(&'static str, &[u8])]) -> Self {
        Self(secrets.iter().map(|(name, secret)| (*name, needles(secret))).collect())
    }

    /// Returns the name of a secret if the text contains a part of it.
    pub(crate) fn find(&self, text: &str) -> Option<&'static str> {
        // Lists of bytes are printed on one line or on many.
        let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let shown = |needle: &String| text.contains(needle) || dense.contains(needle);
        self.0.iter().find(|(_, needles)| needles.iter().any(shown)).map(|(name, _)| *name)
    }
}

fn needles(secret: &[u8]) -> Vec<String> {
    let mut needles = Vec::new();
    for window in secret.windows(4) {
        let join = |separator: &str, byte: fn(&u8) -> String| {
            window.iter().map(byte).collect::<Vec<_>>().join(separator)
        };
        needles.push(String::from_utf8_lossy(window).into_owned());
        needles.push(join("", |byte| format!("{byte:02x}")));
        needles.push(join("", |byte| format!("{byte:02X}")));
        needles.push(join(",", |byte| format!("{byte}")));
        needles.push(join(",", |byte| format!("{byte:x}")));
        needles.push(join(",0x", |byte| format!("{byte:02x}")));
    }
    for window in secret.windows(6) {
        needles.push(base64url(window));
        needles.push(base64url(window).replace('-', "+").replace('_', "/"));
    }
    needles
}

fn key(bytes: &[u8; 32]) -> MasterKey {
    MasterKey::from_bytes(&mut bytes.clone()).unwrap()
}

/// Returns a key's text. Its prefix is public and appears in messages.
fn key_text(bytes: &[u8; 32]) -> String {
    key(bytes).to_text().expose_str().unwrap().to_owned()
}

fn scanner() -> Scanner {
    let texts = [PRIMARY, RETIRED, OTHER].map(|bytes| key_text(bytes)["swk1_".len()..].to_owned());
    Scanner::new(&[
        ("the plaintext", PLAINTEXT.as_bytes()),
        ("the primary", PRIMARY),
        ("the retired key", RETIRED),
        ("the other key", OTHER),
        ("the data key", &DRAWN[..32]),
        ("the primary's text", texts[0].as_bytes()),
        ("the retired key's text", texts[1].as_bytes()),
        ("the other key's text", texts[2].as_bytes()),
    ])
}

/// Everything that was printed, by its origin; and for errors, which variants.
#[derive(Default)]
pub(crate) struct Shown {
    texts: Vec<(String, String)>,
    variants: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Shown {
    pub(crate) fn text(&mut self, what: &str, text: impl Into<String>) {
        self.texts.push((what.to_owned(), text.into()));
    }

    fn value(&mut self, what: &str, value: &dyn Debug) {
        self.text(what, format!("{value:?}"));
        self.text(what, format!("{value:#?}"));
        self.text(what, format!("{value:x?}"));
    }

    /// Records everything that an error can say, followed by its sources.
    pub(crate) fn error(&mut self, what: &str, error: &dyn Error) {
        self.value(what, &error);
        self.text(what, format!("{error}"));
        self.text(what, format!("{error:#}"));
        if let Some(source) = error.source() {
            self.error(&format!("{what}, source"), source);
        }
    }

    fn variant<E: Error + 'static>(&mut self, kind: &'static str, what: &str, error: &E) {
        let debug = format!("{error:?}");
        let debug = debug.strip_prefix("Unwrap(").unwrap_or(&debug);
        let name = debug.split([' ', '(', '{', ')']).next().unwrap_or_default().to_owned();
        self.variants.entry(kind).or_default().insert(name);
        self.error(what, error);
    }

    pub(crate) fn assert_clean(&self, scanner: &Scanner, at_least: usize) {
        // Many texts are the same.
        let distinct: BTreeMap<_, _> = self.texts.iter().map(|(what, text)| (text, what)).collect();
        for (text, what) in &distinct {
            assert_eq!(scanner.find(text), None, "in {what}");
        }
        println!("{} texts searched, {} of them distinct", self.texts.len(), distinct.len());
        assert!(self.texts.len() >= at_least, "only {} texts", self.texts.len());
    }

    fn assert_variants(&self, kind: &'static str, expected: &[&str]) {
        let found: Vec<_> = self.variants[kind].iter().map(String::as_str).collect();
        assert_eq!(found, expected, "variants of {kind}");
    }
}

fn acme() -> EncryptionContext {
    context(&[("tenant", "acme")])
}

fn secret() -> Secret {
    Secret::from(PLAINTEXT)
}

fn drawn() -> Scripted {
    Scripted(vec![DRAWN.to_vec()])
}

fn data_key() -> DataKey {
    DataKey::from_bytes(&mut DRAWN[..32].to_vec()).unwrap()
}

/// Returns the key of rows from other programs, made from the other key's bytes.
fn triplet_key() -> TripletKey {
    TripletKey::from_bytes(&mut OTHER.clone()).unwrap()
}

/// Encrypts the plaintext under that key. All bytes of the row are public, and none of them is from a secret.
fn triplet(iv_len: IvLen) -> Triplet {
    let iv = DRAWN[32..].iter().chain(b"xjqv").copied().take(iv_len.bytes()).collect();
    triplet_key().encrypt_with_rng(&secret(), iv_len, &mut Scripted(vec![iv])).unwrap()
}

/// Seals under the primary alone.
fn row(suite: Suite) -> Envelope {
    let ring = Keyring::new(key_id("prod"), key(PRIMARY)).unwrap().with_suite(suite);
    ring.seal_with_rng(&secret(), &acme(), &mut drawn()).unwrap()
}

/// Checks the scanner: it finds each secret, in each notation, from start to end.
#[test]
fn the_scanner_finds_a_window_that_is_there_and_no_other() {
    let scanner = scanner();
    let raw: [(&str, &[u8]); 5] = [
        ("the plaintext", PLAINTEXT.as_bytes()),
        ("the primary", PRIMARY),
        ("the retired key", RETIRED),
        ("the other key", OTHER),
        ("the data key", &DRAWN[..32]),
    ];
    let mut found = 0;
    for (name, secret) in raw {
        for window in secret.windows(4) {
            let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
            for text in [
                format!("key {} failed", String::from_utf8_lossy(window)),
                format!("{:?}", String::from_utf8_lossy(window)),
                format!("0x{hex}"),
                hex.to_uppercase(),
                format!("{window:?}"),
                format!("{window:#?}"),
                format!("{window:x?}"),
                format!("{window:#04x?}"),
            ] {
                assert_eq!(scanner.find(&text), Some(name));
                found += 1;
            }
        }
        for offset in 0..3 {
            assert_eq!(scanner.find(&base64url(&secret[offset..])), Some(name));
            found += 1;
        }
    }
    assert_eq!(found, (47 + 4 * 29) * 8 + 5 * 3);
    for (name, bytes) in [
        ("the primary's text", PRIMARY),
        ("the retired key's text", RETIRED),
        ("the other key's text", OTHER),
    ] {
        for window in key_text(bytes).as_bytes()[5..].windows(4) {
            let window = String::from_utf8_lossy(window);
            let by_text = scanner.find(&format!("({window})")).unwrap();
            // The base64 notation of the key is its text.
            assert!([name, name.trim_end_matches("'s text")].contains(&by_text), "{by_text}");
        }
    }

    for text in [
        "",
        "swk1_",
        "sk-",
        &PLAINTEXT[10..13],
        "expected swk1_ and 48 characters of base64url",
        "the quick brown fox jumps over the lazy dog 0123456789 [1, 2, 3, 4] 00ff00ff",
    ] {
        assert_eq!(scanner.find(text), None);
    }
}

/// Encodes 32 bytes as base64 with padding (RFC 4648 §4).
fn base64(bytes: &[u8; 32]) -> String {
    base64url(bytes).replace('-', "+").replace('_', "/") + "="
}

/// Returns the usual scanner with one more secret, the last of the inputs.
fn scanner_of(inputs: &[String]) -> Scanner {
    let mut all = scanner();
    all.0.extend(Scanner::new(&[("the last input", inputs[inputs.len() - 1].as_bytes())]).0);
    all
}
