//! Makes the secrets of a step for the probe, and derives again what the library derives from them.

use std::collections::BTreeMap;

use residue::pipe::role;
use sealwax::{EncryptionContext, Held};

use super::windows::Windows;
use super::{derived, pairs, tokens};

/// The probe's ids and contexts, encoded as in `src/docs/format.md`.
const IDS: [&str; 4] = ["prod", "dr", "next", "old"];
const CONTEXT: &[u8] = b"\x00\x02\x00\x03row\x00\x011\x00\x06tenant\x00\x04acme";
const ELSEWHERE: &[u8] = b"\x00\x00";
/// The ids of its pairs.
const PAIR_IDS: [&str; 2] = ["dash", "safe"];
/// The length of the longest key that is sealed, a pair.
const HELD_LEN: usize = 64;
/// The tenants that have the probe's tenant key.
const TENANTS: [&str; 2] = ["42", "43"];
/// The commitment that the probe passes when it calls a key directly.
const COMMITMENT: [u8; 32] = [7; 32];

pub struct Secrets {
    step: u64,
    /// What the probe has received in this step, by role and number.
    given: BTreeMap<(u8, u8), Vec<u8>>,
}

impl Secrets {
    pub fn new() -> Self {
        Self { step: 0, given: BTreeMap::new() }
    }

    /// Starts a step, which has different secrets.
    pub fn next_step(&mut self) {
        self.step += 1;
        self.given.clear();
    }

    /// Returns the bytes for the probe. Within a step, they are the same for the same role and number.
    pub fn give(&mut self, role: u8, number: u8, size: usize) -> Vec<u8> {
        let bytes = self.make(role, number, size);
        self.given.insert((role, number), bytes.clone());
        bytes
    }

    fn make(&mut self, role: u8, number: u8, size: usize) -> Vec<u8> {
        match role {
            role::PLAINTEXT => self.printable(role, number, size),
            role::PASSPHRASE => self.printable(role, number, 40),
            // If fewer bytes are requested, the start of the key.
            role::DATA_KEY => self.random(role, number, if size == 0 { 32 } else { size }),
            role::IV if size == 0 => self.random(role, number, 12),
            role::IV | role::SALT | role::MASTER_KEY => self.random(role, number, size.max(12)),
            role::ROW_KEY => self.random(role, 0, 32),
            role::DERIVATION_KEY => self.random(role, number, 32),
            role::TENANT_KEY => self.random(role, number, 32),
            role::PAIR => self.random(role, number, 64),
            role::PUBLIC_KEY => pairs::public_key(&self.random(role::PAIR, number, 64)),
            role::OPENING_TEXT => self.pair_text(number, pairs::opening_text),
            role::SEALING_TEXT => self.pair_text(number, pairs::sealing_text),
            role::COINS => {
                let (pair, key) = (self.give(role::PAIR, 0, 64), self.give(role::DATA_KEY, 0, 32));
                let bind = derived::bind(number, PAIR_IDS[0], &COMMITMENT);
                pairs::coins(&pair, &bind, &key, &mut Windows::new())
            }
            role::SEALER_TEXT => self.sealer_text(number),
            role::PAIRS_TEXT => self.pairs_text(number),
            role::PEPPER => self.random(role, number, 32),
            role::PEPPERS_TEXT => self.peppers_text(number),
            // The id is public, so it is not the start of the draw.
            role::TOKEN_DRAW if size == 16 => self.random(role::IV, number, size),
            role::TOKEN_DRAW => self.random(role, number, size),
            role::TOKEN => tokens::token(size, &self.random(role::TOKEN_DRAW, number, 64)),
            role::OLD_TOKEN => self.printable(role, number, size),
            role::OLD_DIGEST => {
                tokens::old_digest(number, &self.printable(role::OLD_TOKEN, 0, size))
            }
            role::DRAWN => {
                [self.random(role::DATA_KEY, 0, 32), self.random(role::IV, 0, 12)].concat()
            }
            role::MASTER_TEXT => self.master_text(number, false),
            role::MISTYPED_TEXT => self.master_text(number, true),
            role::KEYRING_TEXT => self.keyring_text(number),
            role::ROW_KEY_HEX => {
                let hex = derived::hex(&self.give(role::ROW_KEY, 0, 32));
                if number == 1 { hex.to_ascii_uppercase() } else { hex }
            }
            role::ROW_KEY_BASE64 => derived::base64(&self.give(role::ROW_KEY, 0, 32), true),
            role::JSON => {
                let plaintext = self.give(role::PLAINTEXT, 0, size);
                let escaped: &[u8] = if number == 1 { b"\\n" } else { b"" };
                [b"\"", escaped, &plaintext, b"\""].concat()
            }
            role::POSTCARD => {
                let plaintext = self.give(role::PLAINTEXT, 0, size);
                [derived::varint(size), plaintext].concat()
            }
            other => panic!("the probe requests the unknown role {other}"),
        }
    }

    fn master_key(&mut self, number: u8) -> Vec<u8> {
        let key = self.random(role::MASTER_KEY, number, 32);
        self.given.insert((role::MASTER_KEY, number), key.clone());
        key
    }

    fn master_text(&mut self, number: u8, mistyped: bool) -> Vec<u8> {
        let key = self.master_key(number);
        let mut text = derived::master_text(&key);
        if mistyped {
            mistype(&mut text);
        }
        text
    }

    fn keyring_text(&mut self, shape: u8) -> Vec<u8> {
        let mut text =
            |number, mistyped| String::from_utf8(self.master_text(number, mistyped)).expect("text");
        // A key without its prefix, in the place of an id.
        let bare = text(5, false)[5..].to_owned();
        let mut line = |state: &str, id: &str, number, mistyped| {
            format!("{state} {id} {}\n", text(number, mistyped))
        };
        let first = if shape == 5 { "retired" } else { "primary" };
        let last = match shape {
            2 => line("retried", "old", 3, false),
            3 => line("retired", "PROD", 3, false),
            4 => line("primary", "old", 3, false),
            6 => line("retired", "old", 0, false),
            7 => line("disabled", &bare, 3, false),
            8 => line("leaked", "old", 2, false),
            _ => line("retired", "old", 3, false),
        };
        let lines = [
            line(first, "prod", 0, false),
            line("escrow", "dr", 1, false),
            "destroyed lost\n".to_owned(),
            line("disabled", "gone", 2, shape == 1),
            line("leaked", "stolen", 4, false),
            last,
        ];
        lines.concat().into_bytes()
    }

    fn pair_text(&mut self, number: u8, text_of: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut text = text_of(&self.give(role::PAIR, number % role::MISTYPED, 64));
        if number >= role::MISTYPED {
            mistype(&mut text);
        }
        text
    }

    fn pair_line(&mut self, state: &str, id: &str, number: u8, is_opening: bool) -> Vec<u8> {
        let of: fn(&[u8]) -> Vec<u8> =
            if is_opening { pairs::opening_text } else { pairs::sealing_text };
        let text = self.pair_text(number, of);
        [state.as_bytes(), b" ", id.as_bytes(), b" ", &text, b"\n"].concat()
    }

    fn sealer_text(&mut self, shape: u8) -> Vec<u8> {
        let last = match shape {
            // One public key twice; an opening key; a mistake in a text.
            1 => self.pair_line("escrow", "safe", 0, false),
            2 => self.pair_line("escrow", "safe", 1, true),
            3 => self.pair_line("escrow", "safe", role::MISTYPED + 1, false),
            _ => self.pair_line("escrow", "safe", 1, false),
        };
        [self.pair_line("primary", "dash", 0, false), last].concat()
    }

    fn pairs_text(&mut self, shape: u8) -> Vec<u8> {
        let last = match shape {
            // A sealing key that is to open; both keys of one pair; a mistake in a text.
            1 => self.pair_line("retired", "safe", 1, false),
            2 => self.pair_line("escrow", "safe", 0, false),
            3 => self.pair_line("retired", "safe", role::MISTYPED + 1, true),
            _ => self.pair_line("escrow", "safe", 1, false),
        };
        [self.pair_line("primary", "dash", 0, true), last].concat()
    }

    fn peppers_text(&mut self, shape: u8) -> Vec<u8> {
        let mut line = |state: &str, id: &str, number| {
            let text = derived::pepper_text(&self.give(role::PEPPER, number, 32));
            format!("{state} {id} {}\n", String::from_utf8(text).expect("text"))
        };
        let lines = match shape {
            // The same pepper twice; no primary; a state that peppers do not have.
            1 => [line("primary", "new", 0), line("retired", "old", 0)],
            2 => [line("retired", "new", 0), line("retired", "old", 1)],
            3 => [line("primary", "new", 0), line("escrow", "old", 1)],
            _ => [line("primary", "new", 0), line("retired", "old", 1)],
        };
        let rest = line("disabled", "gone", 2);
        [lines.concat(), rest].concat().into_bytes()
    }

    /// Returns bytes that depend on the step, a role and a number, without repetitions.
    fn random(&self, role: u8, number: u8, len: usize) -> Vec<u8> {
        let mut state = self.step << 16 | u64::from(role) << 8 | u64::from(number);
        // Moves the state far away from those of other roles and numbers.
        state = split_mix(&mut state);
        (0..len).map(|_| split_mix(&mut state).to_le_bytes()[7]).collect()
    }

    /// Returns text made of 92 characters that JSON does not escape.
    fn printable(&self, role: u8, number: u8, len: usize) -> Vec<u8> {
        let printable = |byte: u8| match byte % 92 + b'!' {
            b'"' => b'}',
            b'\\' => b'~',
            other => other,
        };
        self.random(role, number, len).into_iter().map(printable).collect()
    }

    /// Adds everything from the step that must not be left.
    pub fn windows(&self, suite: u8, windows: &mut Windows) {
        for ((role, _), bytes) in &self.given {
            match *role {
                role::PLAINTEXT | role::JSON | role::POSTCARD => windows.add("plaintext", bytes),
                role::PASSPHRASE => derived::passphrase(bytes, windows),
                role::MASTER_TEXT | role::MISTYPED_TEXT | role::KEYRING_TEXT => {
                    let keys = bytes.split(|byte| b" \n".contains(byte));
                    keys.filter(|word| word.len() == 53).for_each(|text| {
                        // Without `swk1_`, which is no secret.
                        windows.add("key's text", &text[5..]);
                    });
                }
                role::ROW_KEY_HEX | role::ROW_KEY_BASE64 => windows.add("key's text", bytes),
                role::MASTER_KEY | role::TENANT_KEY => {
                    derived::key(bytes, windows);
                    derived::hmac_key(bytes, windows);
                    windows.add("key's text", &derived::master_text(bytes)[5..]);
                }
                role::PAIR => pairs::pair(bytes, windows),
                // Their pairs are there too.
                role::OPENING_TEXT | role::SEALING_TEXT | role::SEALER_TEXT | role::PAIRS_TEXT => {}
                role::DERIVATION_KEY => derived::derivation_key(bytes, windows),
                role::PEPPER => {
                    derived::key(bytes, windows);
                    derived::hmac_key(bytes, windows);
                    windows.add("key's text", &derived::pepper_text(bytes)[5..]);
                }
                role::PEPPERS_TEXT => (), // Its peppers are there too.
                role::TOKEN_DRAW if bytes.len() == 16 => (),
                role::TOKEN_DRAW => windows.add(tokens::TOKEN, bytes),
                role::TOKEN => tokens::secret_part(bytes, windows),
                role::OLD_TOKEN => tokens::old_token(bytes, windows),
                role::DATA_KEY | role::DRAWN => {
                    derived::key(&bytes[..bytes.len().min(32)], windows);
                    if bytes.len() >= 32 {
                        derived::hmac_key(&bytes[..32], windows);
                    }
                }
                role::ROW_KEY => derived::key(bytes, windows),
                _ => (),
            }
        }
        self.envelope_windows(suite, windows);
        self.row_windows(windows);
        self.token_windows(windows);
    }

    /// Adds the states of the HMACs under peppers, over tokens and credentials, and what existing tables had.
    fn token_windows(&self, windows: &mut Windows) {
        let of = |wanted| {
            let given = self.given.iter().filter(move |((role, _), _)| *role == wanted);
            given.map(|(_, bytes)| bytes)
        };
        // In a step that got a digest of its table, this is in memory.
        let is_shown = of(role::OLD_DIGEST).next().is_some();
        for pepper in of(role::PEPPER) {
            of(role::TOKEN).for_each(|token| tokens::digest(pepper, token, windows));
            of(role::PLAINTEXT).for_each(|text| tokens::fingerprint(pepper, text, windows));
            of(role::OLD_TOKEN).for_each(|token| {
                tokens::digest(pepper, token, windows);
                tokens::old_digests(pepper, token, is_shown, windows);
            });
        }
    }

    /// Adds what an envelope's keys are expanded to, and its wraps.
    fn envelope_windows(&self, suite: u8, windows: &mut Windows) {
        let given = |role, number| self.given.get(&(role, number)).map(Vec::as_slice);
        let drawn = given(role::DRAWN, 0).map(|drawn| drawn.split_at(32));
        let by_hand = given(role::DATA_KEY, 0).zip(given(role::IV, 0));
        if let Some((data_key, iv)) = drawn.or(by_hand).filter(|(key, _)| key.len() == 32) {
            let credential = given(role::PLAINTEXT, 0).map_or(0, <[u8]>::len);
            let held = self.contexts_of_held_keys();
            let of_credentials = [ELSEWHERE, CONTEXT].map(|context| (context, credential));
            let of_keys = held.iter().map(|context| (context.as_slice(), HELD_LEN));
            for (context, size) in of_credentials.into_iter().chain(of_keys) {
                let (key, commitment) =
                    derived::payload_keys(data_key, suite, iv, context, windows);
                derived::aead_key(suite, &key, iv, size, windows);
                self.wrap_windows(suite, &commitment, data_key, windows);
            }
        } else if let Some(data_key) = given(role::DATA_KEY, 0).filter(|key| key.len() == 32) {
            self.wrap_windows(suite, &COMMITMENT, data_key, windows);
        }
    }

    /// Returns the contexts in which the probe may have sealed the key of a tenant or a pair.
    fn contexts_of_held_keys(&self) -> Vec<Vec<u8>> {
        let encoded = |[one, other]: [(&str, &str); 2], held| {
            let context = EncryptionContext::new([one, other]);
            let context = context.and_then(|context| context.holding(held));
            context.expect("three pairs").encoded().to_vec()
        };
        let is_given = |role| self.given.contains_key(&(role, 0));
        let tenants = TENANTS.iter().filter(|_| is_given(role::TENANT_KEY));
        let mut contexts: Vec<_> = tenants
            .map(|tenant| {
                let key = format!("tenant/{tenant}@1");
                encoded([("tenant", tenant), ("key", &key)], Held::MasterKey)
            })
            .collect();
        if is_given(role::PAIR) {
            let pair = [("pair", PAIR_IDS[0]), ("root", IDS[0])];
            contexts.push(encoded(pair, Held::OpeningKey));
        }
        contexts
    }

    fn wrap_windows(&self, suite: u8, commitment: &[u8], data_key: &[u8], windows: &mut Windows) {
        for (number, id) in (0..).zip(IDS) {
            if let Some(master) = self.given.get(&(role::MASTER_KEY, number)) {
                derived::wrap(master, suite, id, commitment, data_key, windows);
            }
        }
        if let Some(key) = self.given.get(&(role::TENANT_KEY, 0)) {
            for tenant in TENANTS {
                let id = format!("tenant/{tenant}@1");
                derived::wrap(key, suite, &id, commitment, data_key, windows);
            }
        }
        for (number, id) in (0..).zip(PAIR_IDS) {
            if let Some(pair) = self.given.get(&(role::PAIR, number)) {
                pairs::wrap(pair, suite, id, commitment, data_key, windows);
            }
        }
        // A branch key or a fresh key wraps as a master key does.
        for number in [2, 3] {
            if let Some(key) = self.given.get(&(role::DATA_KEY, number)) {
                derived::wrap(key, suite, IDS[0], commitment, data_key, windows);
            }
        }
    }

    /// Adds what row keys are expanded to.
    fn row_windows(&self, windows: &mut Windows) {
        let given = |role| self.given.get(&(role, 0));
        let size = given(role::PLAINTEXT).map_or(64, Vec::len);
        let hashed = given(role::PASSPHRASE).map(|text| derived::passphrase_keys(text));
        let keys = given(role::ROW_KEY).cloned().into_iter().chain(hashed.into_iter().flatten());
        for key in keys {
            if let Some(iv) = given(role::IV) {
                derived::aead_key(1, &key, iv, size, windows);
            }
            if let Some(salt) = given(role::SALT) {
                let (key, iv) = derived::n8n_key(&key, salt, windows);
                derived::aead_key(1, &key, &iv, size, windows);
            }
        }
    }
}

/// Changes the last character of a key's text.
fn mistype(text: &mut [u8]) {
    let last = text.last_mut().expect("a text");
    *last = if *last == b'A' { b'B' } else { b'A' };
}

/// splitmix64: advances the state and returns the next value.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
