//! A history of a service: keys come, go and change, rows are sealed, rewrapped, copied and altered.
//! After each step every row answers what a ledger says that remembers what was written, and knows
//! nothing of ciphers: a row opens exactly where a key that may open finds its wrap, its front and its
//! payload as somebody once wrote them, in the context they were written for.

use std::sync::LazyLock;

use sealwax::{EncryptionContext, Envelope, Keyring, KeyringError, Secret};

use super::agree::{failure, fields, rewrap_failure};
use super::input::Input;
use super::material::{self, Scripted};
use super::reference::envelope::Envelope as Parts;
use super::reference::keyring::{self, Entry, State};
use super::reference::procedures::{self, Failure};

const IDS: [&str; 9] = ["a", "a.b", "b", "c", "d-1", "e_2", "f/3", "g@4", "h"];
/// Fewer than ids: two ids can have one material.
const MATERIALS: u8 = 4;
const MAX_STEPS: usize = 24;
const MAX_ROWS: usize = 4;
const MAX_LEN: usize = 300;

static CONTEXTS: LazyLock<[EncryptionContext; 3]> =
    LazyLock::new(|| [material::context("1"), material::context("2"), EncryptionContext::empty()]);
static CHECKS: LazyLock<Vec<[u8; 4]>> =
    LazyLock::new(|| (0..MATERIALS).map(|n| material::master_key(n).check_value()).collect());

#[derive(Clone, Copy)]
struct Slot {
    id: &'static str,
    state: Option<State>,
    material: u8,
}

/// The keys of the service, in the order of its keyring text.
#[derive(Clone)]
struct Keys {
    slots: Vec<Slot>,
    suite: u8,
}

impl Keys {
    fn entries(&self) -> keyring::Keyring {
        let entries = self.slots.iter().filter_map(|slot| {
            let state = slot.state?;
            let key = state.has_material().then(|| material::key(slot.material));
            Some(Entry { state, id: slot.id.to_owned(), key })
        });
        entries.collect()
    }

    fn with(&self, state: State) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.state == Some(state))
    }

    /// Why the text is none of a keyring.
    fn fault(&self) -> Option<KeyringError> {
        match (self.with(State::Primary).count(), self.with(State::Escrow).count()) {
            (0, _) => Some(KeyringError::NoPrimary),
            (1, 0..=7) => None,
            (1, _) => Some(KeyringError::TooManyEscrows),
            _ => Some(KeyringError::TwoPrimaries),
        }
    }

    fn sealing(&self) -> impl Iterator<Item = &Slot> {
        self.with(State::Primary).chain(self.with(State::Escrow))
    }

    fn opening(&self) -> impl Iterator<Item = &Slot> {
        let others = |slot: &&Slot| matches!(slot.state, Some(State::Retired | State::Escrow));
        self.with(State::Primary).chain(self.slots.iter().filter(others))
    }
}

/// A row of the table: what stands there now, and where it belongs.
#[derive(Clone)]
struct Row {
    parts: Parts,
    context: usize,
}

/// What was ever written, by a seal or a rewrap.
#[derive(Default)]
struct Ledger {
    /// With the context and the plaintext that they were sealed with.
    sealed: Vec<(Parts, usize, Vec<u8>)>,
    written: Vec<Parts>,
}

impl Ledger {
    fn knows_wrap(&self, row: &Parts, wrap: &(String, Vec<u8>)) -> bool {
        self.written.iter().any(|written| {
            (written.suite, &written.commitment) == (row.suite, &row.commitment)
                && written.wraps.contains(wrap)
        })
    }

    /// All of it but the ciphertext.
    fn knows_front(&self, row: &Parts) -> bool {
        let front =
            |parts: &Parts| [parts.head(), parts.mac.clone(), parts.iv.clone(), parts.tag.clone()];
        let wanted = front(row);
        self.written.iter().any(|written| written.mac == row.mac && front(written) == wanted)
    }

    fn verify(&self, keys: &Keys, row: &Parts) -> Result<(), Failure> {
        let mut first_failure = None;
        for slot in keys.opening() {
            let Some(wrap) = row.wraps.iter().find(|(id, _)| id == slot.id) else { continue };
            let (id, wrapped) = wrap.clone();
            let failure = if wrapped.len() != 77 || wrapped[0] != 1 {
                Failure::WrapAltered(id)
            } else if wrapped[1..5] != CHECKS[usize::from(slot.material)] {
                Failure::WrongKeyMaterial(id)
            } else if !self.knows_wrap(row, wrap) {
                Failure::WrapAltered(id)
            } else if !self.knows_front(row) {
                Failure::EnvelopeAltered
            } else {
                return Ok(());
            };
            first_failure.get_or_insert(failure);
        }
        Err(first_failure.unwrap_or_else(|| {
            let ids = || row.wraps.iter().map(|(id, _)| id.clone());
            let first = |state| ids().find(|id| keys.with(state).any(|slot| slot.id == id));
            match (first(State::Destroyed), first(State::Disabled)) {
                (Some(id), _) => Failure::KeyDestroyed(id),
                (None, Some(id)) => Failure::KeyDisabled(id),
                (None, None) => Failure::UnknownKey(ids().collect()),
            }
        }))
    }

    fn open(&self, keys: &Keys, row: &Parts, context: usize) -> Result<&[u8], Failure> {
        self.verify(keys, row)?;
        // What verifies was sealed once.
        let is_origin = |sealed: &&(Parts, usize, Vec<u8>)| sealed.0.commitment == row.commitment;
        let (sealed, sealed_for, plaintext) = self.sealed.iter().find(is_origin).unwrap();
        if *sealed_for != context {
            return Err(Failure::ContextMismatch);
        }
        if sealed.ciphertext != row.ciphertext {
            return Err(Failure::PayloadAltered);
        }
        Ok(plaintext)
    }
}

fn is_current(keys: &Keys, row: &Parts) -> bool {
    let is_wrapped_by = |slot: &Slot, (id, wrapped): &(String, Vec<u8>)| {
        let check = &CHECKS[usize::from(slot.material)];
        slot.id == id && wrapped.len() == 77 && wrapped[0] == 1 && wrapped[1..5] == *check
    };
    row.wraps.len() == keys.sealing().count()
        && keys.sealing().zip(&row.wraps).all(|(slot, wrap)| is_wrapped_by(slot, wrap))
}

struct Service {
    keys: Keys,
    keyring: Keyring,
    rows: Vec<Row>,
    ledger: Ledger,
}

/// Nine states and materials; then steps.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let slots = IDS.map(|id| Slot { id, state: state(&mut input), material: 0 });
    let mut keys = Keys { slots: slots.to_vec(), suite: 1 };
    keys.slots[0] = Slot { state: Some(State::Primary), ..keys.slots[0] };
    for slot in &mut keys.slots[1..] {
        slot.state = slot.state.filter(|state| *state != State::Primary);
    }
    let Ok(keyring) = keyring_of(&keys) else { return false };
    let (rows, ledger) = (Vec::new(), Ledger::default());
    let mut service = Service { keys, keyring, rows, ledger };
    for _ in 0..MAX_STEPS {
        let Some(step) = input.next() else { break };
        service.step(step, &mut input);
        for row in 0..service.rows.len() {
            service.check(row);
        }
    }
    // A row was rewrapped.
    service.ledger.written.len() > service.ledger.sealed.len()
}

fn state(input: &mut Input<'_>) -> Option<State> {
    State::ALL.get(input.below(State::ALL.len() + 1)).copied()
}

/// The keyring as the service reads it; or that it does not start, for the right reason.
fn keyring_of(keys: &Keys) -> Result<Keyring, KeyringError> {
    let parsed = keyring::text(&keys.entries()).parse::<Keyring>();
    assert_eq!(parsed.as_ref().err(), keys.fault().as_ref());
    Ok(parsed?.with_suite(material::suite(keys.suite)))
}

impl Service {
    fn step(&mut self, step: u8, input: &mut Input<'_>) {
        let row = |input: &mut Input<'_>, rows: &[Row]| input.below(rows.len().max(1));
        match step % 10 {
            0 | 1 => self.seal(input),
            2 | 3 => {
                let row = row(input, &self.rows);
                self.rewrap(row);
            }
            4 if !self.rows.is_empty() => {
                let (one, other) = (row(input, &self.rows), row(input, &self.rows));
                let altered = alter(self.rows[one].parts.clone(), &self.rows[other].parts, input);
                self.rows[one].parts = altered;
            }
            // A backup is made, or put back.
            5 if !self.rows.is_empty() => {
                let copy = self.rows[row(input, &self.rows)].clone();
                self.put(copy);
            }
            _ => self.change_keys(input),
        }
    }

    fn put(&mut self, row: Row) {
        if self.rows.len() == MAX_ROWS {
            self.rows.remove(0);
        }
        self.rows.push(row);
    }

    fn change_keys(&mut self, input: &mut Input<'_>) {
        let mut keys = self.keys.clone();
        let at = input.below(keys.slots.len());
        match input.below(6) {
            // The usual way: a new primary, and the old one retired.
            0 => {
                for slot in &mut keys.slots {
                    slot.state = match slot.state {
                        Some(State::Primary) => Some(State::Retired),
                        other => other,
                    };
                }
                keys.slots[at].state = Some(State::Primary);
            }
            1 => keys.slots[at].material = input.byte() % MATERIALS,
            2 => {
                let slot = keys.slots.remove(at);
                keys.slots.insert(0, slot);
            }
            3 => keys.suite = 3 - keys.suite,
            _ => keys.slots[at].state = state(input),
        }
        if let Ok(keyring) = keyring_of(&keys) {
            (self.keys, self.keyring) = (keys, keyring);
        }
    }

    fn seal(&mut self, input: &mut Input<'_>) {
        let context = input.below(CONTEXTS.len());
        let plaintext = input.long(MAX_LEN);
        // Fresh for each row.
        let number = u8::try_from(self.ledger.sealed.len()).unwrap() + 1;
        let (dek, iv) = (material::key(number + 0x80), [number; 12]);
        let rng = [dek.as_slice(), &iv].concat();
        let secret = Secret::from(plaintext.as_slice());
        let sealed = self.keyring.seal_with_rng(&secret, &CONTEXTS[context], &mut Scripted(&rng));
        let parts = fields(&sealed.unwrap());
        let (reference, encoded) = (ordered(&self.keys), CONTEXTS[context].encoded());
        let suite = self.keys.suite;
        let expected = procedures::seal(&reference, suite, encoded, &plaintext, &dek, &iv);
        assert_eq!(parts, expected);
        self.ledger.written.push(parts.clone());
        self.ledger.sealed.push((parts.clone(), context, plaintext));
        self.put(Row { parts, context });
    }

    fn rewrap(&mut self, row: usize) {
        let Some(Row { parts, .. }) = self.rows.get_mut(row) else { return };
        let envelope = Envelope::try_from(parts.binary()).unwrap();
        let Ok(Some(fresh)) = self.keyring.rewrap(&envelope) else { return };
        let fresh = fields(&fresh);
        let expected = procedures::rewrap(&ordered(&self.keys), parts).unwrap();
        assert_eq!(Some(&fresh), expected.as_ref());
        let (wraps, mac) = (parts.wraps.clone(), parts.mac.clone());
        assert_eq!(Parts { wraps, mac, ..fresh.clone() }, *parts, "a rewrap changed more");
        self.ledger.written.push(fresh.clone());
        *parts = fresh;
    }

    /// That a row answers what the ledger says.
    fn check(&self, row: usize) {
        let Self { keys, keyring, rows, ledger } = self;
        let Row { parts, context } = &rows[row];
        let envelope = Envelope::try_from(parts.binary()).unwrap();
        for context in [*context, (context + 1) % CONTEXTS.len()] {
            let opened = keyring.open(&envelope, &CONTEXTS[context]);
            let opened = opened.as_ref().map(Secret::expose_secret).map_err(failure);
            assert_eq!(opened, ledger.open(keys, parts, context));
        }
        let verified = ledger.verify(keys, parts);
        assert_eq!(keyring.verify(&envelope).map_err(|error| failure(&error)), verified);

        let is_current = is_current(keys, parts);
        assert_eq!(keyring.is_current(&envelope), is_current);
        match keyring.rewrap(&envelope) {
            Ok(None) => assert!(is_current),
            Ok(Some(fresh)) => {
                assert!(!is_current && verified.is_ok());
                assert!(keyring.is_current(&fresh));
            }
            Err(error) => {
                assert!(!is_current);
                assert_eq!(Err(rewrap_failure(&error)), verified);
            }
        }
    }
}

/// The primary first, as the reference has them.
fn ordered(keys: &Keys) -> keyring::Keyring {
    let mut entries = keys.entries();
    entries.sort_by_key(|entry| entry.state != State::Primary);
    entries
}

/// One field changed, or exchanged with another row's, or the wraps moved; but an envelope still.
fn alter(mut parts: Parts, other: &Parts, input: &mut Input<'_>) -> Parts {
    let other = other.clone();
    let count = parts.wraps.len();
    let at = input.below(count);
    let ids: Vec<String> = parts.wraps.iter().map(|(id, _)| id.clone()).collect();
    let (id, wrapped) = &mut parts.wraps[at];
    let field = match input.below(14) {
        0 => &mut parts.commitment,
        1 => &mut parts.mac,
        2 => &mut parts.iv,
        3 => &mut parts.tag,
        4 => &mut parts.ciphertext,
        5 | 6 => wrapped,
        7 => {
            wrapped.resize(76 + input.below(3), 0);
            return parts;
        }
        8 => {
            *wrapped = other.wraps[0].1.clone();
            return parts;
        }
        9 => {
            let name = *input.choose(&IDS);
            if !ids.iter().any(|id| id == name) {
                name.clone_into(id);
            }
            return parts;
        }
        10 if count > 1 => {
            drop(parts.wraps.remove(at));
            return parts;
        }
        11 => {
            parts.wraps.rotate_left(at);
            return parts;
        }
        12 => return Parts { wraps: other.wraps, ..parts },
        13 => return Parts { iv: other.iv, tag: other.tag, ciphertext: other.ciphertext, ..parts },
        _ => return Parts { suite: 3 - parts.suite, ..parts },
    };
    let place = usize::from(input.byte()) % field.len().max(1);
    if let Some(byte) = field.get_mut(place) {
        *byte ^= input.byte();
    }
    // Kind 0 does not parse.
    let kind = &mut parts.wraps[at].1[0];
    *kind = (*kind).max(1);
    parts
}
