//! Every small change to an envelope, in both forms: none opens, and none is rewrapped into
//! something that opens.

use std::collections::BTreeMap;

use sealwax::{EncryptionContext, Envelope, Keyring, Secret, Suite};

use crate::fixtures::{BASE64URL, Counting, Parts, SUITES, acme, class, key_id, keyring};
use crate::fixtures::{master_key, opening};

/// Four bytes: 4 mod 3 = 1 leaves unused bits in the last character of the text form.
const PLAINTEXT: &str = "sk-1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Binary,
}

const FORMS: [Form; 2] = [Form::Text, Form::Binary];

impl Form {
    fn encode(self, envelope: &Envelope) -> Vec<u8> {
        match self {
            Self::Text => envelope.to_string().into_bytes(),
            Self::Binary => envelope.as_bytes().to_vec(),
        }
    }

    /// Parses damaged bytes. Anything that parses must encode back to exactly the same bytes.
    fn parse(self, bytes: &[u8]) -> Result<Envelope, &'static str> {
        let parsed = match self {
            Self::Binary => Envelope::from_bytes(bytes),
            // Bytes that are not text reach the parser as they would from a careless caller.
            Self::Text => String::from_utf8_lossy(bytes).parse(),
        };
        let envelope = parsed.map_err(|error| match error {
            sealwax::FormatError::NewerVersion { .. } => "newer_version",
            _ => "format",
        })?;
        assert_eq!(self.encode(&envelope), bytes, "two encodings of one envelope");
        Ok(envelope)
    }
}

/// Keyrings that contain every key that an envelope of these tests is wrapped for.
struct Rings {
    /// `prod`, then `dr`: the keyring that sealed.
    whole: Keyring,
    /// `dr` alone, so it uses the wrap that is not tried first.
    escrow: Keyring,
    /// A different primary, so that no envelope is current and each is rewrapped.
    next: Keyring,
    context: EncryptionContext,
}

impl Rings {
    fn new(suite: Suite) -> Self {
        let next = Keyring::new(key_id("next"), master_key(3))
            .unwrap()
            .with_retired(key_id("prod"), master_key(1))
            .unwrap()
            .with_retired(key_id("dr"), master_key(2))
            .unwrap();
        let escrow = Keyring::new(key_id("dr"), master_key(2)).unwrap();
        Self { whole: keyring(suite), escrow, next, context: acme() }
    }

    fn seal(&self, seed: u8, plaintext: &str) -> Envelope {
        let secret = Secret::from(plaintext);
        self.whole.seal_with_rng(&secret, &self.context, &mut Counting(seed)).unwrap()
    }

    /// Returns the errors of the whole keyring and of the escrow key alone, after asserting that no
    /// keyring opens the envelope and that no rewrap repairs it.
    fn refusals(
        &self,
        damaged: &Envelope,
        originals: &[&Envelope],
    ) -> Result<[&'static str; 2], String> {
        let refusal = |ring: &Keyring| match ring.open(damaged, &self.context) {
            Ok(_) => Err("it opened".to_owned()),
            Err(error) => Ok(class(&error)),
        };
        let refusals = [refusal(&self.whole)?, refusal(&self.escrow)?];
        let is_its = |original: &&Envelope| {
            front(damaged) == front(original)
                && damaged.ciphertext().len() == original.ciphertext().len()
        };
        let only_payload = originals.iter().any(is_its);
        let rewrapped = self.next.rewrap(damaged);
        if !only_payload {
            return match rewrapped {
                Err(_) => Ok(refusals),
                Ok(_) => Err("it was rewrapped".to_owned()),
            };
        }
        // Of the ciphertext, the MAC covers only the length, and a rewrap does not read it.
        let fresh = rewrapped
            .map_err(|error| {
                format!("an envelope with a damaged payload was not rewrapped: {error}")
            })?
            .ok_or("it was considered current")?;
        match opening(&self.next, &fresh, &self.context).as_str() {
            "payload_altered" => Ok(refusals),
            other => Err(format!("{other} after it was rewrapped")),
        }
    }
}

/// Returns everything before the ciphertext.
fn front(envelope: &Envelope) -> &[u8] {
    let bytes = envelope.as_bytes();
    &bytes[..bytes.len() - envelope.ciphertext().len()]
}

/// Counts the damaged forms that were tried, and their outcomes by class of error.
#[derive(Default)]
struct Tally {
    tried: usize,
    outcomes: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Tries one damaged form. Returns the classes of the errors.
    fn refuse(
        &mut self,
        rings: &Rings,
        form: Form,
        originals: &[&Envelope],
        damaged: &[u8],
        what: &str,
    ) -> [&'static str; 2] {
        self.tried += 1;
        let classes = match form.parse(damaged) {
            Err(class) => [class; 2],
            Ok(envelope) => match rings.refusals(&envelope, originals) {
                Ok(classes) => classes,
                Err(fault) => panic!("{form:?}, {what}: {fault}"),
            },
        };
        *self.outcomes.entry(classes[0]).or_default() += 1;
        classes
    }

    #[expect(clippy::print_stdout, reason = "prints the counts of a run")]
    fn report(&self, what: &str, expected: usize) {
        println!("{what}: {} damaged forms, none opened: {:?}", self.tried, self.outcomes);
        assert_eq!(self.tried, expected, "{what}");
        assert_eq!(self.outcomes.values().sum::<usize>(), expected, "{what}");
    }
}

/// The indices of the keyrings' outcomes.
const WHOLE: usize = 0;
const ESCROW: usize = 1;

/// Returns which part of the binary form each byte belongs to, and the possible outcomes of a
/// flipped bit in it: with the whole keyring, which uses `prod` first, and with the escrow's, which
/// has only `dr`.
fn regions(envelope: &Envelope) -> Vec<(usize, &'static str, [&'static [&'static str]; 2])> {
    const FORMAT: &[&str] = &["format"];
    // Seven of the flipped bits give a newer version, and the lowest one gives version 0.
    const VERSION: &[&str] = &["format", "newer_version"];
    const ENVELOPE: &[&str] = &["envelope_altered"];
    const WRAP: &[&str] = &["wrap_altered"];
    // A wrap under an id that is not in the keyring is not used; under an invalid id, there is no
    // envelope.
    const NAME: &[&str] = &["format", "envelope_altered"];
    const OWN_NAME: &[&str] = &["format", "unknown_key"];
    // A length that is off by a little may still leave an envelope, with a different commitment.
    const LENGTH: &[&str] = &["format", "wrap_altered"];

    let mut regions = vec![
        (2, "magic", [FORMAT, FORMAT]),
        (1, "version", [VERSION, VERSION]),
        (1, "suite", [FORMAT, FORMAT]),
        (1, "number of wraps", [FORMAT, FORMAT]),
    ];
    // A damaged wrap that a keyring uses gives a more specific error than the MAC; the MAC rejects
    // everything else.
    for (used_by, id_len, names) in
        [(WHOLE, "prod".len(), [NAME, NAME]), (ESCROW, "dr".len(), [NAME, OWN_NAME])]
    {
        let by_ring = |used: &'static [&'static str], otherwise| {
            let mut verdicts = [otherwise; 2];
            verdicts[used_by] = used;
            verdicts
        };
        regions.extend([
            (1, "length of a key id", [FORMAT, FORMAT]),
            (id_len, "key id", names),
            (2, "length of a wrap", [LENGTH, LENGTH]),
            (1, "kind", by_ring(&["format", "wrong_wrap_kind"], NAME)),
            (4, "check value", by_ring(&["wrong_key_material"], ENVELOPE)),
            (24 + 32, "salt and wrapped key", by_ring(WRAP, ENVELOPE)),
        ]);
    }
    regions.extend([
        (32, "commitment", [WRAP, WRAP]),
        (16, "mac", [ENVELOPE, ENVELOPE]),
        (12, "iv", [ENVELOPE, ENVELOPE]),
        (16, "tag", [ENVELOPE, ENVELOPE]),
        (envelope.ciphertext().len(), "ciphertext", [&["payload_altered"]; 2]),
    ]);
    regions
}

#[test]
fn every_flipped_bit_of_the_binary_form_is_refused_with_the_error_of_its_field() {
    for suite in SUITES {
        let rings = Rings::new(suite);
        let envelope = rings.seal(10, PLAINTEXT);
        let original = envelope.as_bytes();
        let mut tally = Tally::default();
        let mut offset = 0;
        for (len, field, expected) in regions(&envelope) {
            for _ in 0..len {
                for bit in 0..8 {
                    let mut damaged = original.to_vec();
                    damaged[offset] ^= 1 << bit;
                    let what = format!("{suite}, bit {bit} of byte {offset}, {field}");
                    let found = tally.refuse(&rings, Form::Binary, &[&envelope], &damaged, &what);
                    for (found, expected) in found.iter().zip(expected) {
                        assert!(expected.contains(found), "{what}: {found}, not {expected:?}");
                    }
                }
                offset += 1;
            }
        }
        assert_eq!(offset, original.len(), "the regions are not the whole envelope");
        tally.report(&format!("bits of the binary form, {suite}"), original.len() * 8);
        assert_eq!(tally.outcomes["newer_version"], 7, "{suite}");
        // Not only the parser rejected them: this many bits are in fields that accept any value.
        let keyed = 2 * (4 + 24 + 32) + 32 + 16 + 12 + 16 + PLAINTEXT.len();
        let by_key = tally.tried - tally.outcomes["format"] - tally.outcomes["newer_version"];
        assert!(by_key >= keyed * 8, "{suite}: {by_key}");
    }
}

#[test]
fn every_flipped_bit_of_the_text_form_is_refused() {
    for suite in SUITES {
        let rings = Rings::new(suite);
        let envelope = rings.seal(20, PLAINTEXT);
        let original = envelope.to_string().into_bytes();
        let mut tally = Tally::default();
        for offset in 0..original.len() {
            for bit in 0..8 {
                let mut damaged = original.clone();
                damaged[offset] ^= 1 << bit;
                let what = format!("{suite}, bit {bit} of byte {offset}");
                tally.refuse(&rings, Form::Text, &[&envelope], &damaged, &what);
            }
        }
        tally.report(&format!("bits of the text form, {suite}"), original.len() * 8);
        for class in ["wrong_key_material", "wrap_altered", "envelope_altered", "payload_altered"] {
            assert!(tally.outcomes.contains_key(class), "{suite}: no bit led to {class}");
        }
    }
}

/// A flipped bit seldom turns a character into another one of the alphabet; this does so every
/// time.
#[test]
fn every_character_of_the_text_form_exchanged_for_another_of_its_alphabet_is_refused() {
    for suite in SUITES {
        let rings = Rings::new(suite);
        let envelope = rings.seal(30, PLAINTEXT);
        let original = envelope.to_string().into_bytes();
        let mut tally = Tally::default();
        for offset in 0..original.len() {
            // One that differs in the high bits of the six, one in the low bits, and the next one.
            let value = BASE64URL.iter().position(|c| *c == original[offset]).unwrap_or_default();
            for other in [value ^ 0b10_0000, value ^ 0b00_0001, (value + 1) % 64] {
                let mut damaged = original.clone();
                damaged[offset] = BASE64URL[other];
                let what = format!("{suite}, character {offset} as {other}");
                tally.refuse(&rings, Form::Text, &[&envelope], &damaged, &what);
            }
        }
        tally.report(&format!("characters of the text form, {suite}"), original.len() * 3);
    }
}

#[test]
fn every_byte_deleted_doubled_or_swapped_with_its_neighbour_is_refused() {
    for (suite, form) in SUITES.into_iter().flat_map(|suite| FORMS.map(|form| (suite, form))) {
        let rings = Rings::new(suite);
        let envelope = rings.seal(40, PLAINTEXT);
        let original = form.encode(&envelope);
        let mut tally = Tally::default();
        for offset in 0..original.len() {
            let mut deleted = original.clone();
            deleted.remove(offset);
            let what = format!("{suite}, byte {offset} deleted");
            tally.refuse(&rings, form, &[&envelope], &deleted, &what);

            let mut doubled = original.clone();
            doubled.insert(offset, original[offset]);
            let what = format!("{suite}, byte {offset} doubled");
            tally.refuse(&rings, form, &[&envelope], &doubled, &what);

            if original.get(offset + 1).is_some_and(|next| *next != original[offset]) {
                let mut swapped = original.clone();
                swapped.swap(offset, offset + 1);
                let what = format!("{suite}, byte {offset} swapped with the next");
                tally.refuse(&rings, form, &[&envelope], &swapped, &what);
            }
        }
        // Swapping equal neighbours changes nothing.
        let equal = original.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(equal < 20, "{suite}, {form:?}: {equal} equal neighbours");
        let expected = 3 * original.len() - 1 - equal;
        tally.report(&format!("bytes moved in the {form:?} form, {suite}"), expected);
    }
}

#[test]
fn every_prefix_and_every_suffix_is_refused() {
    for (suite, form) in SUITES.into_iter().flat_map(|suite| FORMS.map(|form| (suite, form))) {
        let rings = Rings::new(suite);
        let envelope = rings.seal(50, PLAINTEXT);
        let original = form.encode(&envelope);
        let mut tally = Tally::default();
        for len in 0..original.len() {
            let what = format!("{suite}, the first {len} bytes");
            tally.refuse(&rings, form, &[&envelope], &original[..len], &what);
            let what = format!("{suite}, all but the first {} bytes", len + 1);
            let [class, _] = tally.refuse(&rings, form, &[&envelope], &original[len + 1..], &what);
            assert_eq!(class, "format", "{what}");
        }
        tally.report(
            &format!("prefixes and suffixes of the {form:?} form, {suite}"),
            2 * original.len(),
        );
    }
}

#[test]
fn anything_after_or_before_a_complete_envelope_is_refused() {
    for (suite, form) in SUITES.into_iter().flat_map(|suite| FORMS.map(|form| (suite, form))) {
        let rings = Rings::new(suite);
        let envelope = rings.seal(60, PLAINTEXT);
        let original = form.encode(&envelope);
        let mut tally = Tally::default();
        for byte in 0..=u8::MAX {
            let what = format!("{suite}, {byte:#04x} appended");
            let appended = [&original[..], &[byte]].concat();
            tally.refuse(&rings, form, &[&envelope], &appended, &what);
            let what = format!("{suite}, {byte:#04x} in front");
            let in_front = [&[byte], &original[..]].concat();
            let [class, _] = tally.refuse(&rings, form, &[&envelope], &in_front, &what);
            assert_eq!(class, "format", "{what}");
        }
        for tail in [&original[..], b"\n", b"\r\n", b"\0\0\0\0", "\u{feff}".as_bytes()] {
            let appended = [&original[..], tail].concat();
            let what = format!("{suite}, a tail of {} bytes", tail.len());
            tally.refuse(&rings, form, &[&envelope], &appended, &what);
        }
        tally.report(&format!("{form:?} forms with more around them, {suite}"), 2 * 256 + 5);
    }
}

/// Returns pairs of envelopes that open in one keyring and one context, so that only what holds an
/// envelope together can reject a mixture.
fn pairs_to_splice(rings: &Rings) -> Vec<(&'static str, Envelope, Envelope)> {
    let first = rings.seal(70, PLAINTEXT);
    let swapped_order = Keyring::new(key_id("dr"), master_key(2))
        .unwrap()
        .with_escrow(key_id("prod"), master_key(1))
        .unwrap();
    let one_wrap = Keyring::new(key_id("prod"), master_key(1)).unwrap();
    vec![
        ("two rows of one length", first.clone(), rings.seal(120, "sk-2")),
        ("two rows of different lengths", first.clone(), rings.seal(170, "sk-longer-3")),
        (
            "a row and itself under exchanged wraps",
            first.clone(),
            swapped_order.rewrap(&first).unwrap().unwrap(),
        ),
        (
            "a row and itself without the escrow's wrap",
            first.clone(),
            one_wrap.rewrap(&first).unwrap().unwrap(),
        ),
        // From the same randomness: the data key, IV, commitment and wraps are those of the first.
        ("two texts under one data key and IV", first, rings.seal(70, "sk-9")),
    ]
}

#[test]
fn no_splice_of_two_envelopes_opens() {
    for (suite, form) in SUITES.into_iter().flat_map(|suite| FORMS.map(|form| (suite, form))) {
        let rings = Rings::new(suite);
        let pairs = pairs_to_splice(&rings);
        assert_eq!(pairs.len(), 5);
        for (pair, first, second) in pairs {
            for envelope in [&first, &second] {
                assert_eq!(opening(&rings.whole, envelope, &rings.context), "opened", "{pair}");
            }
            let mut tally = Tally::default();
            let (mut same, mut offsets) = (0, 0);
            for [front, back] in [[&first, &second], [&second, &first]] {
                let (front, back) = (form.encode(front), form.encode(back));
                // Spliced at the same distance from the start, and from the end.
                for at in 0..=front.len() {
                    let from_end = (back.len() + at).checked_sub(front.len());
                    let from_end = from_end.filter(|back_at| *back_at != at);
                    for back_at in [Some(at), from_end].into_iter().flatten() {
                        let Some(tail) = back.get(back_at..) else { continue };
                        offsets += 1;
                        let spliced = [&front[..at], tail].concat();
                        if spliced == front || spliced == back {
                            same += 1;
                            continue;
                        }
                        let what = format!("{suite}, {pair}, spliced at {at} and {back_at}");
                        tally.refuse(&rings, form, &[&first, &second], &spliced, &what);
                    }
                }
            }
            let shorter = form.encode(&first).len().min(form.encode(&second).len());
            assert!(offsets >= 2 * shorter, "{suite}, {form:?}, {pair}: {offsets} splices");
            // Two rows share only the first bytes of their heads and the ids between the wraps.
            assert!(tally.tried > offsets / 8, "{suite}, {form:?}, {pair}: {same} changed nothing");
            tally.report(&format!("{pair}, spliced in the {form:?} form, {suite}"), offsets - same);
        }
    }
}

/// No key reads the escrow key's wrap on the way to the data key, and still no bit of it may
/// change, even if the escrow key is not in the keyring.
#[test]
fn a_changed_wrap_that_no_key_reads_is_refused_by_the_mac() {
    for suite in SUITES {
        let rings = Rings::new(suite);
        let envelope = rings.seal(80, PLAINTEXT);
        let without_escrow = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        assert_eq!(opening(&without_escrow, &envelope, &rings.context), "opened");
        let mut tried = 0;
        for bit in 8..8 * 61 {
            let mut parts = Parts::of(&envelope);
            parts.wraps[1].1[bit / 8] ^= 1 << (bit % 8);
            let damaged = parts.envelope();
            for ring in [&without_escrow, &rings.whole] {
                let found = opening(ring, &damaged, &rings.context);
                assert_eq!(found, "envelope_altered", "{suite}, bit {bit}");
                tried += 1;
            }
        }
        assert_eq!(tried, 2 * 8 * 60, "{suite}");
    }
}
