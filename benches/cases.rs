//! The operations that the benchmarks run, by suite and size, each with its floor.

#![allow(dead_code, reason = "each program that shares this file uses only part of it")]

use std::hint::black_box;

use sealwax::triplet::{IvLen, Layout, Triplet, TripletKey};
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret, Suite};

use crate::floor;
use crate::turns::Contender;

pub(crate) const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
/// An API key, a service-account file, and two sizes at which only the cipher matters.
pub(crate) const SIZES: [usize; 4] = [51, 2048, 64 * 1024, 1024 * 1024];
/// The operations, each with the suites that make a difference to it.
pub(crate) const VERBS: [(&str, &[Suite]); 13] = [
    ("seal", &SUITES),
    ("open", &SUITES),
    ("verify", &SUITES),
    ("rewrap", &SUITES),
    ("seal to text", &[Suite::Aes256Gcm]),
    ("open from text", &[Suite::Aes256Gcm]),
    ("parse binary", &[Suite::Aes256Gcm]),
    ("parse text", &[Suite::Aes256Gcm]),
    ("encode binary", &[Suite::Aes256Gcm]),
    ("encode text", &[Suite::Aes256Gcm]),
    ("triplet encrypt", &[Suite::Aes256Gcm]),
    ("triplet decrypt", &[Suite::Aes256Gcm]),
    ("triplet parse", &[Suite::Aes256Gcm]),
];

const KEY_ID: &str = "prod-2025";
const NEXT_KEY_ID: &str = "prod-2026";
const PAIRS: [(&str, &str); 3] = [("tenant", "acme"), ("provider", "openai"), ("row", "4711")];

/// Everything that is set up before the first row.
pub(crate) struct Case {
    suite: Suite,
    keyring: Keyring,
    /// A keyring with another primary, in which the key of `keyring` is retired.
    next: Keyring,
    context: EncryptionContext,
    secret: Secret,
    envelope: Envelope,
    text: String,
    triplet_key: TripletKey,
    triplet: Triplet,
    row: String,
    master: floor::Master,
    next_master: floor::Master,
}

impl Case {
    pub(crate) fn new(suite: Suite, size: usize) -> Self {
        let (old, new): ([u8; 32], [u8; 32]) = (counting(1), counting(101));
        let key = |bytes: [u8; 32]| MasterKey::from_bytes(&mut bytes.clone()).unwrap();
        let keyring = Keyring::new(KEY_ID.parse().unwrap(), key(old)).unwrap().with_suite(suite);
        let next = Keyring::new(NEXT_KEY_ID.parse().unwrap(), key(new))
            .unwrap()
            .with_retired(KEY_ID.parse().unwrap(), key(old))
            .unwrap();
        let context = EncryptionContext::new(PAIRS).unwrap();
        let secret = Secret::from(vec![b'k'; size]);
        let envelope = keyring.seal(&secret, &context).unwrap();
        let triplet_key = TripletKey::from_bytes(&mut old.clone()).unwrap();
        let triplet = triplet_key.encrypt(&secret, IvLen::Twelve).unwrap();
        let case = Self {
            suite,
            next,
            master: floor::Master::new(&old, KEY_ID),
            next_master: floor::Master::new(&new, NEXT_KEY_ID),
            text: envelope.to_string(),
            row: triplet.encode(Layout::HEX_IV12_TAG_CIPHERTEXT).unwrap(),
            keyring,
            context,
            secret,
            envelope,
            triplet_key,
            triplet,
        };
        case.check_floor();
        case
    }

    /// Asserts that the floor does the same work: it writes what the library reads and writes.
    fn check_floor(&self) {
        let context = self.context.encoded();
        assert_eq!(floor::context(PAIRS), context);
        let sealed = floor::seal(&self.master, self.suite, self.secret.expose_secret(), context);
        let sealed = Envelope::try_from(sealed).unwrap();
        assert_eq!(self.keyring.open(&sealed, &self.context).unwrap(), self.secret);
        let rewrapped = self.next.rewrap(&self.envelope).unwrap().unwrap();
        let bytes = self.envelope.as_bytes();
        let floor = floor::rewrap(&self.master, &self.next_master, self.suite, bytes);
        assert_eq!(rewrapped.as_bytes(), floor);
        assert_eq!(floor::encode_text(self.suite, KEY_ID, bytes), self.text);
        assert_eq!(floor::parse_text(self.suite, KEY_ID, &self.text), bytes);
    }

    /// Returns the library and the floor, ready to run one operation.
    ///
    /// Each asserts that it has done the work it is timed for.
    pub(crate) fn contenders(&self, verb: &str) -> [Contender<'_>; 2] {
        let Self { suite, master, next_master, context, envelope, secret, .. } = self;
        let (suite, len) = (*suite, secret.len());
        let (bytes, plaintext) = (envelope.as_bytes(), secret.expose_secret());
        match verb {
            "seal" => [
                sealwax(move || {
                    let sealed = black_box(&self.keyring).seal(black_box(secret), context);
                    assert_eq!(sealed.unwrap().ciphertext().len(), len);
                }),
                floor(move || {
                    let context = context.encoded();
                    let sealed =
                        floor::seal(black_box(master), suite, black_box(plaintext), context);
                    assert_eq!(sealed.len(), bytes.len());
                }),
            ],
            "open" => [
                sealwax(move || {
                    let opened = black_box(&self.keyring).open(black_box(envelope), context);
                    assert_eq!(opened.unwrap().len(), len);
                }),
                floor(move || {
                    let context = context.encoded();
                    let opened = floor::open(black_box(master), suite, black_box(bytes), context);
                    assert_eq!(opened.len(), len);
                }),
            ],
            "verify" => [
                sealwax(move || {
                    assert!(black_box(&self.keyring).verify(black_box(envelope)).is_ok());
                }),
                floor(move || {
                    floor::verify(black_box(master), suite, black_box(bytes));
                }),
            ],
            "rewrap" => [
                sealwax(move || {
                    let fresh = black_box(&self.next).rewrap(black_box(envelope)).unwrap().unwrap();
                    assert_eq!(fresh.tag(), envelope.tag());
                }),
                floor(move || {
                    let fresh =
                        floor::rewrap(black_box(master), next_master, suite, black_box(bytes));
                    assert_eq!(fresh.len(), bytes.len());
                }),
            ],
            // The way that the README shows: the context is built first, and the envelope becomes text.
            "seal to text" => [
                sealwax(move || {
                    let context = EncryptionContext::new(black_box(PAIRS)).unwrap();
                    let sealed = black_box(&self.keyring).seal(black_box(secret), &context);
                    assert_eq!(sealed.unwrap().to_string().len(), self.text.len());
                }),
                floor(move || {
                    let context = floor::context(black_box(PAIRS));
                    let sealed =
                        floor::seal(black_box(master), suite, black_box(plaintext), &context);
                    let text = floor::encode_text(suite, KEY_ID, &sealed);
                    assert_eq!(text.len(), self.text.len());
                }),
            ],
            "open from text" => [
                sealwax(move || {
                    let context = EncryptionContext::new(black_box(PAIRS)).unwrap();
                    let envelope: Envelope = black_box(&self.text).parse().unwrap();
                    let opened = black_box(&self.keyring).open(&envelope, &context);
                    assert_eq!(opened.unwrap().len(), len);
                }),
                floor(move || {
                    let context = floor::context(black_box(PAIRS));
                    let envelope = floor::parse_text(suite, KEY_ID, black_box(&self.text));
                    let opened = floor::open(black_box(master), suite, &envelope, &context);
                    assert_eq!(opened.len(), len);
                }),
            ],
            "parse binary" => [
                sealwax(move || {
                    let parsed = Envelope::from_bytes(black_box(bytes)).unwrap();
                    assert_eq!(parsed.as_bytes().len(), bytes.len());
                }),
                floor(move || {
                    assert_eq!(black_box(black_box(bytes).to_vec()).len(), bytes.len());
                }),
            ],
            "parse text" => [
                sealwax(move || {
                    let parsed: Envelope = black_box(&self.text).parse().unwrap();
                    assert_eq!(parsed.as_bytes().len(), bytes.len());
                }),
                floor(move || {
                    let parsed = floor::parse_text(suite, KEY_ID, black_box(&self.text));
                    assert_eq!(parsed.len(), bytes.len());
                }),
            ],
            "encode binary" => [
                sealwax(move || {
                    assert_eq!(Vec::from(black_box(envelope).clone()).len(), bytes.len());
                }),
                floor(move || {
                    assert_eq!(black_box(black_box(bytes).to_vec()).len(), bytes.len());
                }),
            ],
            "encode text" => [
                sealwax(move || {
                    assert_eq!(black_box(envelope).to_string().len(), self.text.len());
                }),
                floor(move || {
                    let text = floor::encode_text(suite, KEY_ID, black_box(bytes));
                    assert_eq!(text.len(), self.text.len());
                }),
            ],
            "triplet encrypt" => [
                sealwax(move || {
                    let key = black_box(&self.triplet_key);
                    let row = key.encrypt(black_box(secret), IvLen::Twelve).unwrap();
                    assert_eq!(row.ciphertext().len(), len);
                }),
                floor(move || {
                    let row = floor::triplet_encrypt(&counting(1), black_box(plaintext));
                    assert_eq!(row.len(), len + 28);
                }),
            ],
            "triplet decrypt" => {
                let row =
                    [self.triplet.iv(), self.triplet.tag(), self.triplet.ciphertext()].concat();
                [
                    sealwax(move || {
                        let key = black_box(&self.triplet_key);
                        assert_eq!(key.decrypt(black_box(&self.triplet)).unwrap().len(), len);
                    }),
                    floor(move || {
                        let decrypted = floor::triplet_decrypt(&counting(1), black_box(&row));
                        assert_eq!(decrypted.len(), len);
                    }),
                ]
            }
            "triplet parse" => [
                sealwax(move || {
                    let layout = Layout::HEX_IV12_TAG_CIPHERTEXT;
                    let parsed = Triplet::parse(black_box(&self.row), layout).unwrap();
                    assert_eq!(parsed.ciphertext().len(), len);
                }),
                floor(move || {
                    assert_eq!(floor::triplet_parse(black_box(&self.row)).1.len(), len);
                }),
            ],
            other => panic!("no operation is called {other}"),
        }
    }
}

impl Case {
    /// Returns the parts of a seal.
    pub(crate) fn parts(&self) -> Vec<Contender<'_>> {
        floor::parts(&self.master, self.suite, self.secret.expose_secret(), self.context.encoded())
    }

    /// Returns the cipher alone, with a fresh key each time.
    pub(crate) fn bare_cipher(&self) -> Contender<'_> {
        let mut out = vec![0; self.secret.len()];
        let plaintext = self.secret.expose_secret();
        Contender::new("cipher", move || {
            let (key, iv) = (black_box(counting(7)), [9; 12]);
            black_box(floor::encrypt(self.suite, &key, &iv, &[], black_box(plaintext), &mut out));
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.envelope.as_bytes()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the first `<key id>=<wrapped key>` of the text.
    pub(crate) fn first_wrap(&self) -> &str {
        self.text.split(':').nth(2).unwrap()
    }
}

fn sealwax<'a>(once: impl Fn() + 'a) -> Contender<'a> {
    Contender::new("sealwax", once)
}

fn floor<'a>(once: impl Fn() + 'a) -> Contender<'a> {
    Contender::new("floor", once)
}

fn counting(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first + i as u8)
}
