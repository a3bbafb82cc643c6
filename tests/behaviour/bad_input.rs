//! Bad input: anything that is not an envelope, a key id or a key is rejected with the field and
//! the position, quickly and without an echo. This file defines how faults are reported; each file
//! below tests one rule.

use sealwax::{Envelope, Field, FormatError, Keyring, Secret, Suite};

use crate::fixtures::{Counting, acme, key_id, master_key};

mod keys;
mod limits;
mod never_an_envelope;
mod no_echo;
mod plaintexts;
mod text_spelling;
mod wraps_not_by_the_key;

/// A fault as it is reported: the field, and the byte offset.
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

/// The text form of an envelope with one wrap, split into fields.
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

    /// Returns each field with the name that an error gives it.
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

    /// Returns where a field starts.
    fn start(&mut self, wanted: Field) -> usize {
        let mut start = "sw1:".len();
        for (field, text) in self.fields() {
            if field == wanted {
                return start;
            }
            start += text.len() + 1;
        }
        panic!("the text form has no field {wanted}")
    }

    /// Returns the same text with one field changed.
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

/// Returns an envelope under `prod` alone. The wrapped key (61 bytes), the tag (16) and a
/// ciphertext whose length is not a multiple of three leave unused bits in the text form.
fn one_wrap(suite: Suite, plaintext: &str) -> Envelope {
    Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_suite(suite)
        .seal_with_rng(&Secret::from(plaintext), &acme(), &mut Counting(9))
        .unwrap()
}

/// Where the first wrap is in the binary form: the length of its id, the id, its own length, and
/// the wrap.
const ID_LEN_AT: usize = 5;
const ID_AT: usize = 6;
const WRAP_LEN_AT: usize = ID_AT + "prod".len();
const WRAP_AT: usize = WRAP_LEN_AT + 2;
