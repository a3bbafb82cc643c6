//! Random rows: keyrings, contexts and credentials, all drawn from one seed.

use std::collections::BTreeMap;
use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    ContextError, EncryptionContext, Envelope, Held, KeyId, Keyring, MasterKey, Secret, Suite,
};
use serde_json::json;

/// SplitMix64, which gives the same rows for the same seed. Nothing that is sealed with it is
/// secret.
#[derive(Clone)]
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Returns true once in this many times, on average.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_be_bytes()[0]).take(len).collect()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }

    /// Returns text of this many bytes of UTF-8. Its order as bytes often differs from its order as
    /// UTF-16: a character beyond the first plane sorts after U+FFxx as bytes, and before it as
    /// UTF-16.
    fn text(&mut self, len: usize) -> String {
        let mut text = String::new();
        while text.len() < len {
            let char = match self.below(8) {
                0 => self.pick(&['\u{1f511}', '\u{10000}', '\u{10ffff}']),
                1 => self.pick(&['\u{ff21}', '\u{fffd}', '\u{feff}', '\u{e000}']),
                2 => self.pick(&['e', '\u{301}', 'é', 'ß', '\0', '\u{2028}', '\u{a0}', '\r']),
                3 => self.pick(&[':', '=', ',', ';', '#', ' ', '"', '\\']),
                _ => char::from(b'a' + u8::try_from(self.below(26)).unwrap()),
            };
            // The last character has to fit.
            text.push(if text.len() + char.len_utf8() > len { 'z' } else { char });
        }
        text
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.bytes(bytes.len()));
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// A master key: its id and its text.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Key {
    pub(crate) fn of(id: &str, bytes: &[u8]) -> Self {
        let key = MasterKey::from_bytes(&mut bytes.to_vec()).unwrap();
        Self { id: id.to_owned(), text: key.to_text().expose_str().unwrap().to_owned() }
    }

    pub(crate) fn draw(random: &mut Seeded) -> Self {
        let id = match random.below(20) {
            0 => random_id(random, 128),
            1 => random_id(random, 1),
            _ => {
                let len = 1 + random.below(30);
                random_id(random, len)
            }
        };
        Self::of(&id, &random.bytes(32))
    }
}

fn random_id(random: &mut Seeded, len: usize) -> String {
    const FIRST: usize = 62;
    const ALLOWED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/@";
    loop {
        let id: String = (0..len)
            .map(|place| char::from(random.pick(&ALLOWED[..if place == 0 { FIRST } else { 67 }])))
            .collect();
        // About once in ten thousand times, a random id looks like a key.
        if id.parse::<KeyId>().is_ok() {
            return id;
        }
    }
}

/// What is sealed, for which context, and under which keys.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) suite: Suite,
    /// The primary, then the escrow keys: the keys that an envelope is wrapped for.
    pub(crate) keys: Vec<Key>,
    /// The keyring text of those keys, with others among them and a random layout.
    pub(crate) keyring: String,
    /// In any order.
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) plaintext: Vec<u8>,
}

impl Row {
    pub(crate) fn draw(random: &mut Seeded) -> Self {
        let keys = draw_keys(random, 1, 4);
        let mut row = Self {
            suite: random.pick(&[Suite::Aes256Gcm, Suite::ChaCha20Poly1305]),
            keyring: String::new(),
            pairs: draw_pairs(random),
            plaintext: draw_plaintext(random),
            keys,
        };
        row.keyring = row.laid_out(random);
        row
    }

    /// Returns the entries in an order that keeps the order of the escrow keys, with some entries
    /// that seal nothing.
    fn laid_out(&self, random: &mut Seeded) -> String {
        let words = ["escrow", "primary"];
        let mut entries: Vec<[&str; 3]> = self
            .keys
            .iter()
            .enumerate()
            .map(|(place, key)| [words[usize::from(place == 0)], &key.id, &key.text])
            .collect();
        let primary = entries.remove(0);
        entries.insert(random.below(entries.len() + 1), primary);
        let taken: Vec<String> = self.keys.iter().map(|key| key.id.to_lowercase()).collect();
        let mut more = draw_keys(random, 0, 3);
        more.retain(|key| !taken.contains(&key.id.to_lowercase()));
        for key in &more {
            let entry = match random.below(4) {
                0 => ["retired", &key.id, &key.text],
                1 => ["disabled", &key.id, &key.text],
                2 => ["leaked", &key.id, &key.text],
                _ => ["destroyed", &key.id, ""],
            };
            entries.insert(random.below(entries.len() + 1), entry);
        }
        let mut text = String::new();
        for entry in entries {
            // A comment takes a whole line.
            if random.once_in(4) && (text.is_empty() || text.ends_with('\n')) {
                text += "\t# a comment; with a part\n";
            }
            text += random.pick(&["", "", " \t", "\n\r\n", ";; "]);
            text += &entry.join(random.pick(&[" ", "\t", "   \t "]));
            text += random.pick(&["\n", "\r\n", ";", " ; ", " \n"]);
        }
        text
    }

    pub(crate) fn context(&self) -> EncryptionContext {
        context(&self.pairs).unwrap()
    }

    pub(crate) fn ring(&self) -> Keyring {
        self.keyring.parse::<Keyring>().unwrap().with_suite(self.suite)
    }

    pub(crate) fn sealed(&self, random: &mut Seeded) -> Envelope {
        let secret = Secret::from(self.plaintext.as_slice());
        self.ring().seal_with_rng(&secret, &self.context(), random).unwrap()
    }

    /// Returns the question in the form that `seal` reads.
    pub(crate) fn to_seal(&self) -> String {
        json!({
            "suite": self.suite.to_string(),
            "keyring": self.keyring,
            "context": self.pairs,
            "plaintext": hex(&self.plaintext),
        })
        .to_string()
    }

    /// Returns the whole keyring, and a keyring of each key alone.
    pub(crate) fn rings(&self) -> Vec<Keyring> {
        let alone = self.keys.iter().map(|key| format!("primary {} {}", key.id, key.text));
        let texts = [self.keyring.clone()].into_iter().chain(alone);
        texts.map(|text| text.parse().unwrap()).collect()
    }

    /// Returns the keyring of someone who has one of the keys, and their own primary.
    pub(crate) fn opener(&self, random: &mut Seeded) -> String {
        let known = &self.keys[random.below(self.keys.len())];
        let state = random.pick(&["retired", "escrow"]);
        let own = Key::of("-", &random.bytes(32)).text;
        format!("primary another/primary@ {own}\n{state} {} {}", known.id, known.text)
    }
}

/// Builds the context of these pairs. Pairs that belong to the format are added by the methods that
/// set them.
pub(crate) fn context(pairs: &[(String, String)]) -> Result<EncryptionContext, ContextError> {
    let is_own = |name: &String| ["sw1/holds", "sw1/hosts"].contains(&name.as_str());
    let (own, given): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| is_own(name));
    let given = EncryptionContext::new(given.iter().map(|(name, value)| (name, value)))?;
    own.iter().try_fold(given, |context, (name, value)| match (name.as_str(), value.as_str()) {
        ("sw1/holds", "swk1") => context.holding(Held::MasterKey),
        ("sw1/holds", "swo1") => context.holding(Held::OpeningKey),
        ("sw1/holds", "ring") => context.holding(Held::Keyring),
        ("sw1/hosts", hosts) => context.with_hosts(&hosts.split(' ').collect::<Vec<_>>()),
        _ => panic!("no test uses this value: {value}"),
    })
}

fn draw_keys(random: &mut Seeded, least: usize, most: usize) -> Vec<Key> {
    let count = least + random.below(most - least + 1);
    let mut keys = BTreeMap::new();
    while keys.len() < count {
        let key = Key::draw(random);
        keys.insert(key.id.to_lowercase(), key);
    }
    let mut keys: Vec<Key> = keys.into_values().collect();
    random.shuffle(&mut keys);
    keys
}

fn draw_pairs(random: &mut Seeded) -> Vec<(String, String)> {
    let count = if random.once_in(50) { random.below(33) } else { random.below(6) };
    let mut pairs = BTreeMap::new();
    while pairs.len() < count {
        let (longest_name, longest_value) = random.pick(&[(64, 1024), (12, 40), (12, 40), (4, 0)]);
        let (name_len, value_len) =
            (1 + random.below(longest_name), random.below(longest_value + 1));
        pairs.insert(random.text(name_len), random.text(value_len));
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    random.shuffle(&mut pairs);
    pairs
}

fn draw_plaintext(random: &mut Seeded) -> Vec<u8> {
    let len = match random.below(1_000) {
        0 => 200_000,
        1..=20 => random.below(20_000),
        _ => random.below(401),
    };
    random.bytes(len)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && hex.is_ascii(), "not hex");
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// An envelope in the form in which a question contains it.
pub(crate) enum Form {
    Text(String),
    Binary(Vec<u8>),
}
