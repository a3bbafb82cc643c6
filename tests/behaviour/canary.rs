//! No output shows a secret: not four bytes in a row, in no notation, of no type and no error.

use core::error::Error;
use core::fmt::Debug;
use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::panic::catch_unwind;

use sealwax::triplet::{IvLen, Layout, Part, Triplet, TripletError, TripletKey};
use sealwax::{
    Answer, ContextError, DataKey, EncryptionContext, Envelope, KeyError, KeyId, Keyring,
    KeyringError, LineProblem, MasterKey, MasterKeyProvider, OpenError, ProviderError,
    ProviderErrorKind, Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey, sealing,
};

use crate::fixtures::{SUITES, Scripted, base64url, context, key_id};
use crate::triplet::ENCODINGS;

// Printable, so that they are found also where bytes are printed as text, and like no word.
const PLAINTEXT: &str = "sk-live-qZ7~Xw9!vK3^Jp5%Hd8*Bn2@Gm6+Ry4=Tf1|Wc0?Lx";
const PRIMARY: &[u8; 32] = b"Ajz4]Qkw7[Vhx2>Bqy9<Nfj6}Ztk3{Wv";
const RETIRED: &[u8; 32] = b"uE5;oI8:yA1,cU6.gO3/mY9-pK2_rL7$";
const OTHER: &[u8; 32] = b"(J2d)S7f&K4h#P9j!X3l@C6z%V8n^B5m";
/// Data key and iv, as they are drawn.
const DRAWN: &[u8; 44] = b"Hy3?Ux7*Dk1+Gq9=Wf4~Zs8|Lc2^Mv6%qxjvwkzyqxjv";

/// Secrets, and what four bytes in a row of them look like in print.
pub(crate) struct Scanner(Vec<(&'static str, Vec<String>)>);

impl Scanner {
    pub(crate) fn new(secrets: &[(&'static str, &[u8])]) -> Self {
        Self(secrets.iter().map(|(name, secret)| (*name, needles(secret))).collect())
    }

    /// The name of a secret of which a part stands in the text.
    pub(crate) fn find(&self, text: &str) -> Option<&'static str> {
        // Lists of bytes are printed in one line or in many.
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

/// A key's text, whose prefix is public and stands in messages.
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

/// What was printed, by what printed it; and of errors, which variants.
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

    /// All that an error can tell, and its sources after it.
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
        let name = debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        self.variants.entry(kind).or_default().insert(name);
        self.error(what, error);
    }

    pub(crate) fn assert_clean(&self, scanner: &Scanner, at_least: usize) {
        // Many say the same.
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

/// The key of rows that others wrote, made of the other key's bytes.
fn triplet_key() -> TripletKey {
    TripletKey::from_bytes(&mut OTHER.clone()).unwrap()
}

/// The plaintext under that key. Of its bytes, all of which are public, none is a secret's.
fn triplet(iv_len: IvLen) -> Triplet {
    let iv = DRAWN[32..].iter().chain(b"xjqv").copied().take(iv_len.bytes()).collect();
    triplet_key().encrypt_with_rng(&secret(), iv_len, &mut Scripted(vec![iv])).unwrap()
}

/// Sealed by the primary alone.
fn row(suite: Suite) -> Envelope {
    let ring = Keyring::new(key_id("prod"), key(PRIMARY)).with_suite(suite);
    ring.seal_with_rng(&secret(), &acme(), &mut drawn()).unwrap()
}

/// The scanner finds what is there: each secret, in each notation, from start to end.
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

#[test]
fn no_public_type_prints_a_secret() {
    let mut shown = Shown::default();
    let id = key_id("prod");
    shown.value("a secret", &secret());
    shown.value("a secret in an option", &Some(secret()));
    shown.value("secrets in a list", &[secret(), Secret::from(PRIMARY)]);
    shown.value("a secret in a result", &Ok::<_, OpenError>(secret()));
    shown.value("a master key", &key(PRIMARY));
    shown.value("a master key's text", &key(PRIMARY).to_text());
    shown.value("a data key", &data_key());
    shown.value("a duplicate", &data_key().duplicate());
    shown.value("an answer that is there", &Answer::now(secret()));
    shown.value("an answer of a data key", &Answer::now(Ok::<_, ProviderError>(data_key())));
    shown.value("an answer to come", &Answer::later(future::ready(secret())));
    shown.value("what a key answers", &key(PRIMARY).check_value().len());

    let text = format!(
        "primary prod {}; retired old {}; disabled leaked {}",
        key_text(PRIMARY),
        key_text(RETIRED),
        key_text(OTHER)
    );
    let keyring: Keyring = text.parse().unwrap();
    shown.value("a keyring", &keyring);
    shown.value("a keyring's clone", &keyring.clone());
    shown.value("a keyring's keys", &keyring.keys().collect::<Vec<_>>());
    shown.text("a key id", format!("{id} {id:?}"));
    shown.value("a context", &acme());

    let mut printed = 0;
    for suite in SUITES {
        let row = row(suite);
        shown.value("an envelope", &row);
        shown.text("an envelope's text", row.to_string());
        shown.value("an envelope's bytes", &row.as_bytes());
        shown.value("an envelope's wraps", &row.wrapped_keys().collect::<Vec<_>>());
        let draft = sealing::prepare_with_rng(&secret(), &acme(), suite, &mut drawn()).unwrap();
        shown.value("a draft", &draft);
        let wrap = WrapRequest::new(&id, suite, draft.commitment(), draft.data_key());
        shown.value("a request to wrap", &wrap);
        shown.value("what it binds", &wrap.associated_data());
        let body = key(PRIMARY).wrap_key(wrap).into_now().unwrap().unwrap();
        shown.value("a wrapped key", &WrappedKey::new(id.clone(), WrapKind::Local, &body).unwrap());
        let unwrap = UnwrapRequest::new(&id, suite, draft.commitment(), &body);
        shown.value("a request to unwrap", &unwrap);
        shown.value("an answer to it", &key(PRIMARY).unwrap_key(unwrap));
        shown.value("a suite", &suite);
        let opened = keyring.open(&row, &acme());
        shown.value("what was opened", &opened);
        shown.value("an open to come", &keyring.open_async(&row, &acme()));
        printed += 1;
    }
    assert_eq!(printed, 2);

    let hex: String = OTHER.iter().map(|byte| format!("{byte:02x}")).collect();
    shown.value("the key of others' rows", &triplet_key());
    shown.value("it, from hex", &TripletKey::from_hex(&hex));
    shown.value("it, from base64", &TripletKey::from_base64(&base64(OTHER)));
    shown.value("a key of a text", &TripletKey::insecure_sha256_of(PLAINTEXT));
    shown.value("a key of a byte", &TripletKey::insecure_repeated_byte(b'q'));
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        let row = triplet(iv_len);
        shown.value("the length of an iv", &iv_len);
        shown.value("another's row", &row);
        shown.value("its parts", &(row.iv(), row.tag(), row.ciphertext()));
        for encoding in ENCODINGS {
            shown.value("an encoding", &encoding);
            let layout = Layout::joined([Part::Iv, Part::Tag, Part::Ciphertext], encoding, iv_len);
            shown.value("a layout", &layout);
            shown.text("another's row as text", row.encode(layout).unwrap());
            shown.value("its columns", &(row.to_columns(encoding), row.to_joined(encoding)));
        }
        shown.value("what was decrypted", &triplet_key().decrypt(&row));
        let wrapped = triplet_key().encrypt(&Secret::from(PRIMARY), iv_len).unwrap();
        shown.value("what was unwrapped", &triplet_key().unwrap_key(&wrapped));
        printed += 1;
    }
    assert_eq!(printed, 4);
    shown.assert_clean(&scanner(), 200);
}

/// Base64 with padding (RFC 4648 §4) of 32 bytes.
fn base64(bytes: &[u8; 32]) -> String {
    base64url(bytes).replace('-', "+").replace('_', "/") + "="
}

fn opened() -> Result<Secret, OpenError> {
    Keyring::new(key_id("prod"), key(PRIMARY)).open(&row(Suite::default()), &acme())
}

/// What a failed assertion prints is printed by `Debug`, and ends in a log.
#[test]
fn no_panic_over_a_secret_shows_it() {
    let panics: [fn(); 5] = [
        || assert_eq!(secret(), Secret::from("another")),
        || assert_eq!(Secret::from(PRIMARY), Secret::from(RETIRED)),
        || drop(opened().unwrap_err()),
        || panic!("{:?}", key_text(PRIMARY).parse::<MasterKey>()),
        || drop(key_text(PRIMARY)[..50].parse::<MasterKey>().unwrap()),
    ];
    let mut shown = Shown::default();
    for panic in panics {
        let payload = catch_unwind(panic).unwrap_err();
        shown.text("a panic", payload.downcast_ref::<String>().unwrap());
    }
    shown.assert_clean(&scanner(), 5);
}

/// Texts and bytes that are no envelope, with a secret in every field of one.
#[test]
fn no_parser_of_an_envelope_or_of_its_words_shows_its_input() {
    let mut shown = Shown::default();
    let mut refused = 0;
    let inputs =
        [PLAINTEXT.to_owned(), PLAINTEXT[..11].to_owned(), key_text(PRIMARY), "q7Zx-".repeat(40)];
    let sealed = row(Suite::default()).to_string();
    let fields: Vec<&str> = sealed.split(':').collect();
    assert_eq!(fields.len(), 7);
    for input in &inputs {
        let mut texts = vec![
            input.clone(),
            format!("\"{input}\""),
            format!("{{\"key\":\"{input}\"}}"),
            format!("Bearer {input}"),
            format!("sw1:{input}"),
            format!("sw2:{input}"),
            format!("sw1:a256gcm:prod={input}"),
            format!("{input}:{input}:{input}"),
            format!("{sealed}:{input}"),
            format!("{sealed}{input}="),
            format!("sw1:a256gcm:{input}={}", fields[2..].join(":")),
            sealed.replacen("prod=", &format!("{input}:="), 1),
            sealed.replacen("prod=", &format!("prod={input}="), 1),
        ];
        for field in 0..7 {
            for changed in [format!("{input}="), format!("{}{input}", fields[field])] {
                let mut fields = fields.clone();
                fields[field] = &changed;
                texts.push(fields.join(":"));
            }
        }
        for text in texts {
            // A longer wrap or ciphertext is none the less one.
            if let Err(error) = text.parse::<Envelope>() {
                shown.variant("FormatError", "an envelope's text", &error);
                refused += 1;
            }
            shown.error("a suite", &text.parse::<Suite>().unwrap_err());
        }

        let bytes = input.as_bytes();
        let fronts: [&[u8]; 9] = [
            b"",
            b"SW",
            b"SW\x01",
            b"SW\x01\x01",
            b"SW\x01\x01\x01",
            b"SW\x01\x01\x01\xff",
            b"SW\x01\x01\x01\x08",
            b"SW\x01\x01\x01\x04prod\xff\xff",
            b"SW\x01\x01\x01\x04prod\0\x02\x02q",
        ];
        for front in fronts {
            let bytes = [front, bytes, b"\0\0\0"].concat();
            // Long enough, the last one is an envelope.
            if let Err(error) = Envelope::from_bytes(&bytes) {
                shown.variant("FormatError", "an envelope's bytes", &error);
                refused += 1;
            }
        }
        let spaced = format!("{input} ");
        shown.variant("FormatError", "a key id", &spaced.parse::<KeyId>().unwrap_err());
        let long = input.repeat(7000);
        let body = WrappedKey::new(key_id("prod"), WrapKind::Provider, long.as_bytes());
        shown.variant("FormatError", "a wrapped key", &body.unwrap_err());
    }
    assert!(refused > 100, "{refused}");
    shown.assert_variants("FormatError", &["Malformed", "NewerVersion"]);
    shown.assert_clean(&scanner_of(&inputs), 1000);
}

/// The usual scanner, and one more secret: the last of the inputs.
fn scanner_of(inputs: &[String]) -> Scanner {
    let mut all = scanner();
    all.0.extend(Scanner::new(&[("the last input", inputs[inputs.len() - 1].as_bytes())]).0);
    all
}

#[test]
fn no_error_over_keys_and_contexts_shows_a_secret() {
    let mut shown = Shown::default();

    let long = PLAINTEXT.repeat(21);
    let contexts: [Vec<(String, String)>; 4] = [
        vec![(long.clone(), PLAINTEXT.to_owned())],
        vec![(PLAINTEXT.to_owned(), long)],
        vec![(PLAINTEXT.to_owned(), PLAINTEXT.to_owned()); 2],
        vec![(PLAINTEXT.to_owned(), PLAINTEXT.to_owned()); 33],
    ];
    for pairs in contexts {
        let error: ContextError = EncryptionContext::new(pairs).unwrap_err();
        shown.variant("ContextError", "a context", &error);
    }

    for len in [0, 1, 16, 31] {
        let error = MasterKey::from_bytes(&mut PRIMARY[..len].to_vec()).unwrap_err();
        shown.variant("KeyError", "a short master key", &error);
        let error = DataKey::from_bytes(&mut DRAWN[..len].to_vec()).unwrap_err();
        shown.variant("KeyError", "a short data key", &error);
        shown.variant("ProviderError", "a provider's data key", &ProviderError::from(error));
    }
    shown.variant(
        "KeyError",
        "a long data key",
        &DataKey::from_bytes(&mut DRAWN.to_vec()).unwrap_err(),
    );
    shown.variant("KeyError", "a weak key", &MasterKey::from_bytes(&mut [b'q'; 32]).unwrap_err());
    let text = key_text(PRIMARY);
    let mut mistyped = vec![text[..52].to_owned(), format!("{text}="), format!("\"{text}\"")];
    mistyped.extend([format!("{text}\n"), text[5..].to_owned(), PLAINTEXT.to_owned()]);
    for place in 5..text.len() {
        let other = if &text[place..=place] == "A" { "B" } else { "A" };
        let mut text = text.clone();
        text.replace_range(place..=place, other);
        mistyped.push(text);
    }
    assert_eq!(mistyped.len(), 6 + 48);
    for text in mistyped {
        let error = text.parse::<MasterKey>().unwrap_err();
        assert!(matches!(error, KeyError::Malformed | KeyError::Checksum));
        shown.variant("KeyError", "a mistyped key", &error);
    }
    let error = MasterKey::generate_with_rng(&mut Scripted(vec![])).unwrap_err();
    shown.variant("KeyError", "a generated key", &error);

    let (one, two, cut) = (key_text(PRIMARY), key_text(RETIRED), &key_text(OTHER)[..40]);
    let another = |i: u8| {
        let mut key = *RETIRED;
        key[0] ^= i;
        key_text(&key)
    };
    let escrows: String = (1..9).map(|i| format!("escrow e{i} {}\n", another(i))).collect();
    let rings = [
        one.clone(),
        format!("prod {one}"),
        format!("primary {one}"),
        format!("primary prod {one} {two}"),
        format!("primary prod {cut}"),
        format!("primary prod \"{one}\""),
        format!("primary prod {one} # {two}"),
        format!("primary prod\u{a0}{one}"),
        format!("primary\nprod {one}"),
        format!("primary prod\n{one}"),
        format!("primary ={one} {two}"),
        format!("disabled prod {cut}"),
        format!("retired prod {one}"),
        format!("primary prod {one}; primary old {two}"),
        format!("primary prod {one}; retired prod {two}"),
        format!("primary prod {one}; retired old {one}"),
        format!("primary {} {two}", &one[5..]),
        format!("primary prod {one}\n{escrows}"),
        format!("{PLAINTEXT} {PLAINTEXT}"),
        format!("primary {PLAINTEXT} {one}"),
        format!("primary prod {PLAINTEXT}"),
        format!("SEALWAX_KEYS={one}"),
    ];
    for text in &rings {
        let error = text.parse::<Keyring>().unwrap_err();
        if let KeyringError::Line { problem, .. } = &error {
            shown.variant::<LineProblem>("LineProblem", "a keyring's line", problem);
        }
        shown.variant("KeyringError", "a keyring", &error);
    }
    let built = Keyring::new(key_id("prod"), key(PRIMARY)).with_disabled(key_id(&two[5..]));
    shown.variant("KeyringError", "a key in the place of an id", &built.unwrap_err());

    let reserved = [(format!("sw1/{PLAINTEXT}"), PLAINTEXT)];
    shown.variant("ContextError", "a name", &EncryptionContext::new(reserved).unwrap_err());
    for hosts in [&[][..], &[PLAINTEXT], &["a.example", "a.example"]] {
        let error = EncryptionContext::empty().with_hosts(hosts).unwrap_err();
        shown.variant("ContextError", "hosts", &error);
    }

    shown.assert_variants(
        "ContextError",
        &[
            "DuplicateHost",
            "DuplicateName",
            "Host",
            "NameLength",
            "NoHosts",
            "ReservedName",
            "TooManyPairs",
            "ValueLength",
        ],
    );
    shown.assert_variants("KeyError", &["Checksum", "Length", "Malformed", "Random", "Weak"]);
    shown.assert_variants(
        "KeyringError",
        &[
            "DuplicateKey",
            "DuplicateKeyId",
            "KeyAsKeyId",
            "Line",
            "NoPrimary",
            "TooManyEscrows",
            "TwoPrimaries",
        ],
    );
    shown.assert_variants(
        "LineProblem",
        &["ExtraWord", "Key", "KeyId", "MissingKey", "StrayCharacter", "UnknownState"],
    );
    shown.assert_clean(&scanner(), 400);
}

/// Rows that others wrote, with a secret in every part of one; and the keys of such rows.
#[test]
fn no_error_over_rows_that_others_wrote_shows_a_secret() {
    let mut shown = Shown::default();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let inputs = [
        PLAINTEXT.to_owned(),
        PLAINTEXT[..11].to_owned(),
        hex(PLAINTEXT.as_bytes()),
        hex(OTHER),
        base64(OTHER),
        base64url(OTHER),
        key_text(PRIMARY),
        "q7Zx-".repeat(40),
    ];
    let orders = [[Part::Iv, Part::Tag, Part::Ciphertext], [Part::Ciphertext, Part::Tag, Part::Iv]];
    let mut refused = 0;
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        let row = triplet(iv_len);
        for encoding in ENCODINGS {
            let [iv, tag, ciphertext] = row.to_columns(encoding);
            for input in &inputs {
                let mut reads = Vec::new();
                for text in [
                    input.clone(),
                    format!("\"{input}\""),
                    format!("{input}:{input}:{input}"),
                    format!("{input}:{tag}:{ciphertext}"),
                    format!("{iv}:{input}:{ciphertext}"),
                    format!("{iv}:{tag}:{input}"),
                    format!("{iv}:{tag}:{ciphertext}:{input}"),
                    format!("{iv}{tag}{ciphertext}{input}"),
                ] {
                    for order in orders {
                        let separated = Layout::separated(':', order, encoding, iv_len);
                        reads.push(Triplet::parse(&text, separated));
                        let joined = Layout::joined(order, encoding, iv_len);
                        reads.push(Triplet::parse(&text, joined));
                        let twice = Layout::joined([order[0]; 3], encoding, iv_len);
                        reads.push(Triplet::parse(&text, twice));
                    }
                }
                reads.push(Triplet::from_columns(input, &tag, &ciphertext, encoding));
                reads.push(Triplet::from_columns(&iv, input, &ciphertext, encoding));
                reads.push(Triplet::from_columns(&iv, &tag, input, encoding));
                reads.push(Triplet::from_joined(input, &ciphertext, encoding));
                reads.push(Triplet::from_joined(&iv, input, encoding));
                reads.push(Triplet::from_parts(input.as_bytes(), row.tag(), row.ciphertext()));
                reads.push(Triplet::from_parts(row.iv(), input.as_bytes(), row.ciphertext()));
                reads.push(Triplet::from_parts(row.iv(), row.tag(), input.as_bytes()));
                reads.push(Triplet::from_joined_parts(row.iv(), input.as_bytes()));
                for read in reads {
                    let error = read.and_then(|row| triplet_key().decrypt(&row)).unwrap_err();
                    shown.variant("TripletError", "another's row", &error);
                    refused += 1;
                }
            }
        }
        let other = TripletKey::from_bytes(&mut PRIMARY.clone()).unwrap();
        for error in [
            other.decrypt(&row).unwrap_err(),
            triplet_key().decrypt_with_associated_data(&row, PLAINTEXT.as_bytes()).unwrap_err(),
            triplet_key().unwrap_key(&row).unwrap_err(),
            other.unwrap_key(&row).unwrap_err(),
        ] {
            shown.variant("TripletError", "a row that does not open", &error);
        }
        for wrapped in [&PRIMARY[..31], &[PRIMARY.as_slice(), b"q"].concat(), b"", &[b'q'; 32]] {
            let wrapped = triplet_key().encrypt(&Secret::from(wrapped), iv_len).unwrap();
            let error = triplet_key().unwrap_key(&wrapped).unwrap_err();
            shown.variant("TripletError", "what was unwrapped", &error);
            match &error {
                TripletError::Key { source, .. } => {
                    shown.variant("KeyError", "what was unwrapped", source);
                }
                // Of another length, and told before it is.
                other => assert!(matches!(other, TripletError::Malformed { .. }), "{other}"),
            }
        }
        let encrypted = triplet_key().encrypt_with_rng(&secret(), iv_len, &mut Scripted(vec![]));
        shown.variant("TripletError", "randomness that fails", &encrypted.unwrap_err());
        let long = Secret::from(PLAINTEXT.repeat(16 * 1024 * 1024 / PLAINTEXT.len() + 1));
        let encrypted = triplet_key().encrypt(&long, iv_len);
        shown.variant("TripletError", "a long plaintext", &encrypted.unwrap_err());
    }
    assert_eq!(refused, 2 * 5 * 8 * (8 * 2 * 3 + 9));

    let (hex, base64_text) = (hex(OTHER), base64(OTHER));
    let faulty = |text: &str, other: &str| {
        [text[1..].to_owned(), format!("{text}\n"), format!("0x{text}"), other.to_owned()]
    };
    for text in faulty(&hex, &base64_text).into_iter().chain(["71".repeat(32)]) {
        shown.variant("KeyError", "a key in hex", &TripletKey::from_hex(&text).unwrap_err());
    }
    for text in faulty(&base64_text, &hex).into_iter().chain([base64(&[b'q'; 32])]) {
        shown.variant("KeyError", "a key in base64", &TripletKey::from_base64(&text).unwrap_err());
    }
    let error = TripletKey::from_bytes(&mut OTHER[..31].to_vec()).unwrap_err();
    shown.variant("KeyError", "a short key", &error);

    shown.assert_variants(
        "TripletError",
        &["Key", "Layout", "Malformed", "NotAuthentic", "Random", "TooLong"],
    );
    shown.assert_variants("KeyError", &["Encoding", "Length", "Weak"]);
    shown.assert_clean(&scanner_of(&inputs), 10_000);
}

/// A remote key that does nothing but fail, or answers later.
struct Failing(Option<ProviderErrorKind>);

impl MasterKeyProvider for Failing {
    fn wrap_key<'a>(
        &'a self,
        _request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        match self.0 {
            Some(kind) => Answer::now(Err(ProviderError::new(kind, "as told"))),
            None => Answer::later(future::pending()),
        }
    }

    fn unwrap_key<'a>(
        &'a self,
        _request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        match self.0 {
            Some(kind) => Answer::now(Err(ProviderError::new(kind, "as told"))),
            None => Answer::later(future::pending()),
        }
    }
}

/// One that wraps anything and unwraps it to another key.
struct Forgetful;

impl MasterKeyProvider for Forgetful {
    fn wrap_key<'a>(
        &'a self,
        _request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        Answer::now(Ok(vec![1]))
    }

    fn unwrap_key<'a>(
        &'a self,
        _request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        Answer::now(Ok(DataKey::from_bytes(&mut OTHER.clone()).unwrap()))
    }
}

/// The row as `prod` of another ring would have it: with the bit at `offset` from its end flipped.
fn altered(row: &Envelope, offset: usize) -> Envelope {
    let mut bytes = row.as_bytes().to_vec();
    let at = bytes.len() - offset;
    bytes[at] ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

fn provider_kinds() -> [ProviderErrorKind; 8] {
    [
        ProviderErrorKind::NotFound,
        ProviderErrorKind::Denied,
        ProviderErrorKind::Disabled,
        ProviderErrorKind::Throttled,
        ProviderErrorKind::Unavailable,
        ProviderErrorKind::WrongKeyMaterial,
        ProviderErrorKind::Rejected,
        ProviderErrorKind::Other,
    ]
}

#[test]
fn no_error_of_a_verb_shows_a_secret() {
    let mut shown = Shown::default();
    let prod = || Keyring::new(key_id("prod"), key(PRIMARY));
    let other = || Keyring::new(key_id("next"), key(OTHER));
    let row = row(Suite::default());
    let len = row.ciphertext().len();

    // Sealing.
    let sealed = prod().seal_with_rng(&secret(), &acme(), &mut Scripted(vec![]));
    shown.variant("SealError", "randomness that fails", &sealed.unwrap_err());
    let zeros = Scripted(vec![[&DRAWN[..32], &[0; 12]].concat()]);
    let sealed = prod().seal_with_rng(&secret(), &acme(), &mut { zeros });
    shown.variant("SealError", "an iv of zeros", &sealed.unwrap_err());
    let long = Secret::from(PLAINTEXT.repeat(16 * 1024 * 1024 / PLAINTEXT.len() + 1));
    let sealed = prod().seal_with_rng(&long, &acme(), &mut drawn());
    shown.variant("SealError", "a long plaintext", &sealed.unwrap_err());
    let remote = Keyring::new(key_id("kms"), Failing(None));
    let sealed = remote.seal_with_rng(&secret(), &acme(), &mut drawn());
    shown.variant("SealError", "a remote key", &sealed.unwrap_err());

    // Opening, verifying and rewrapping over rings that each refuse in another way.
    let damaged = [
        ("a mac that was altered", altered(&row, len + 16 + 12 + 1)),
        ("a tag that was altered", altered(&row, len + 1)),
        ("a wrap that was altered", altered(&row, len + 16 + 12 + 16 + 32 + 1)),
        ("a check value that was altered", altered(&row, len + 16 + 12 + 16 + 32 + 60)),
        ("a ciphertext that was altered", altered(&row, 1)),
    ];
    let other_context = context(&[("tenant", "other")]);
    let mut rings = vec![
        ("a ring without the key", other()),
        ("a disabled key", other().with_disabled(key_id("prod")).unwrap()),
        ("a leaked key", other().with_leaked(key_id("prod")).unwrap()),
        ("a destroyed key", other().with_destroyed(key_id("prod")).unwrap()),
        ("other material", other().with_retired(key_id("prod"), key(RETIRED)).unwrap()),
        (
            "a provider for a local key",
            other().with_retired(key_id("prod"), Failing(None)).unwrap(),
        ),
        ("a provider that cannot unwrap what it wraps", {
            Keyring::new(key_id("kms"), Forgetful)
                .with_retired(key_id("prod"), key(PRIMARY))
                .unwrap()
        }),
        ("a remote key to wrap for", {
            Keyring::new(key_id("kms"), Failing(None))
                .with_retired(key_id("prod"), key(PRIMARY))
                .unwrap()
        }),
    ];
    let draft = sealing::prepare_with_rng(&secret(), &acme(), Suite::default(), &mut drawn());
    let body = WrappedKey::new(key_id("kms"), WrapKind::Provider, b"opaque").unwrap();
    let remote_row = draft.unwrap().finish(vec![body]).unwrap();
    for kind in provider_kinds() {
        rings.push(("a provider that fails", Keyring::new(key_id("kms"), Failing(Some(kind)))));
        let sealed = Keyring::new(key_id("kms"), Failing(Some(kind)));
        let sealed = sealed.seal_with_rng(&secret(), &acme(), &mut drawn());
        shown.variant("SealError", "a provider that fails", &sealed.unwrap_err());
    }
    rings.push(("a provider that waits", Keyring::new(key_id("kms"), Failing(None))));
    rings.push(("a provider that answers another key", Keyring::new(key_id("kms"), Forgetful)));
    rings.push(("the right ring", prod()));
    rings.push(("its successor", other().with_retired(key_id("prod"), key(PRIMARY)).unwrap()));

    let intact = [("an intact row", row.clone()), ("a remote row", remote_row)];
    for (what, envelope) in intact.iter().chain(&damaged) {
        for (name, ring) in &rings {
            let what = format!("{what} under {name}");
            for context in [&acme(), &other_context] {
                match ring.open(envelope, context) {
                    Ok(secret) => shown.value(&what, &secret),
                    Err(error) => shown.variant("OpenError", &what, &error),
                }
            }
            if let Err(error) = ring.verify(envelope) {
                shown.variant("OpenError", &what, &error);
            }
            match ring.rewrap(envelope) {
                Ok(fresh) => shown.value(&what, &fresh),
                Err(error) => shown.variant("RewrapError", &what, &error),
            }
        }
    }
    let none = row.rewrapped(&data_key(), vec![]).unwrap_err();
    shown.variant("RewrapError", "no wraps", &none);
    // A provider that fails at wrapping, in a rewrap.
    let failing = Keyring::new(key_id("kms"), Failing(Some(ProviderErrorKind::Denied)))
        .with_retired(key_id("prod"), key(PRIMARY))
        .unwrap();
    shown.variant("RewrapError", "a wrap that is denied", &failing.rewrap(&row).unwrap_err());

    shown.assert_variants("SealError", &["Provider", "Random", "TooLong", "WouldBlock"]);
    shown.assert_variants(
        "OpenError",
        &[
            "ContextMismatch",
            "EnvelopeAltered",
            "KeyDestroyed",
            "KeyDisabled",
            "KeyLeaked",
            "PayloadAltered",
            "Provider",
            "UnknownKey",
            "WouldBlock",
            "WrapAltered",
            "WrongKeyMaterial",
            "WrongWrapKind",
        ],
    );
    shown.assert_variants(
        "RewrapError",
        &[
            "EnvelopeAltered",
            "InvalidWraps",
            "KeyDestroyed",
            "KeyDisabled",
            "KeyLeaked",
            "Provider",
            "UnknownKey",
            "Unverified",
            "WouldBlock",
            "WrapAltered",
            "WrongKeyMaterial",
            "WrongWrapKind",
        ],
    );
    shown.assert_clean(&scanner(), 1000);
}
