//! The history of a service: keys are added, removed and changed, and rows are sealed, rewrapped, copied and altered.
//!
//! After each step, every row must give the result that a ledger predicts. The ledger remembers what was written and
//! knows nothing about ciphers. It predicts that a row opens exactly if all of these hold: a key that may open finds
//! its wrap, its front and its payload as they were once written; the context is the one they were written for; and no
//! key that the row is wrapped for has leaked. Some rows have additional wraps of other kinds, as another service would
//! add them. A remote key opens these, fails for now, fails for good, or would have to be waited for.

use std::sync::LazyLock;

use sealwax::{EncryptionContext, Envelope, Held, Keyring, Secret};

use super::agree::{failure, fields, rewrap_failure, unwrap_failure};
use super::input::Input;
use super::material::{self, Scripted};
use super::parse_keyring::has_fault;
use super::reference::Key;
use super::reference::context::{Pairs, encode, whole};
use super::reference::envelope::Envelope as Parts;
use super::reference::keyring::{self, Entry, Fault, State};
use super::reference::procedures::{self, Failure};
use super::remote::{self, Mode, Remote};

const IDS: [&str; 9] = ["a", "a.b", "b", "c", "d-1", "e_2", "f/3", "g@4", "h"];
/// The ids of remote keys, which are only ever retired.
const REMOTE: [&str; 2] = ["hsm", "kms"];
/// More than there are ids, so that each id can have its own key; but two ids can also share one, which no keyring
/// allows.
const MATERIALS: u8 = 12;
const MAX_STEPS: usize = 24;
const MAX_ROWS: usize = 4;
const MAX_LEN: usize = 300;

static CONTEXTS: LazyLock<[EncryptionContext; 7]> = LazyLock::new(|| {
    let context = |held: Option<Held>, hosts: &[&str]| {
        let mut context = material::context("1");
        if let Some(held) = held {
            context = context.holding(held).unwrap();
        }
        if !hosts.is_empty() {
            context = context.with_hosts(hosts).unwrap();
        }
        // The crate sets the pairs that the format page prescribes.
        let pairs: Pairs = [("tenant", "acme"), ("row", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let held = held.map(|held| match held {
            Held::MasterKey => "swk1",
            Held::OpeningKey => "swo1",
            _ => "ring",
        });
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let whole = whole(&pairs, held, Some(hosts.as_slice()).filter(|hosts| !hosts.is_empty()));
        assert_eq!(Some(context.encoded().to_vec()), encode(&whole.unwrap()));
        context
    };
    [
        context(None, &[]),
        material::context("2"),
        EncryptionContext::empty(),
        context(Some(Held::MasterKey), &[]),
        context(Some(Held::Keyring), &[]),
        context(None, &["b.example", "a.example"]),
        context(Some(Held::OpeningKey), &["a.example"]),
    ]
});
static CHECKS: LazyLock<Vec<[u8; 4]>> =
    LazyLock::new(|| (0..MATERIALS).map(|n| material::master_key(n).check_value()).collect());

#[derive(Clone, Copy)]
struct Slot {
    id: &'static str,
    state: Option<State>,
    material: u8,
    /// Whether the text contains the key even though the state needs none.
    keeps_key: bool,
}

impl Slot {
    fn has_key(&self) -> bool {
        self.state.is_some_and(|state| state.has_material() || self.keeps_key)
    }
}

/// The keys of the service, in the order of its keyring text.
#[derive(Clone)]
struct Keys {
    slots: Vec<Slot>,
    suite: u8,
    /// How each remote key replies; `None` if it is not in the keyring.
    remote: [Option<Mode>; 2],
}

impl Keys {
    /// Returns the entries as they appear in the text.
    fn entries(&self) -> keyring::Keyring {
        let entries = self.slots.iter().filter_map(|slot| {
            let state = slot.state?;
            let key = slot.has_key().then(|| material::key(slot.material));
            Some(Entry { state, id: slot.id.to_owned(), key })
        });
        entries.collect()
    }

    fn with(&self, state: State) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.state == Some(state))
    }

    /// Returns why the text is not a keyring, or nothing if it is one.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.with(State::Primary).count() {
            0 => faults.push(Fault::NoPrimary),
            1 => (),
            _ => faults.push(Fault::TwoPrimaries),
        }
        if self.with(State::Escrow).count() > 7 {
            faults.push(Fault::TooManyEscrows);
        }
        for slot in self.slots.iter().filter(|slot| slot.has_key()) {
            let is_same = |other: &&Slot| {
                other.has_key() && other.material == slot.material && other.id != slot.id
            };
            let same = self.slots.iter().filter(is_same);
            faults.extend(same.map(|o| Fault::TwiceTheKey(slot.id.to_owned(), o.id.to_owned())));
        }
        faults
    }

    fn sealing(&self) -> impl Iterator<Item = &Slot> {
        self.with(State::Primary).chain(self.with(State::Escrow))
    }

    fn opening(&self) -> impl Iterator<Item = &Slot> {
        let others = |slot: &&Slot| matches!(slot.state, Some(State::Retired | State::Escrow));
        self.with(State::Primary).chain(self.slots.iter().filter(others))
    }
}

/// A row of the table: its current content, and the context it belongs to.
#[derive(Clone)]
struct Row {
    parts: Parts,
    context: usize,
}

/// Everything that a seal or a rewrap ever wrote.
#[derive(Default)]
struct Ledger {
    /// Each with the context and the plaintext it was sealed with.
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

    /// Compares everything except the ciphertext, of which only the length counts.
    fn knows_front(&self, row: &Parts) -> bool {
        let front = |Parts { suite, wraps, commitment, iv, tag, ciphertext, .. }: &Parts| {
            let (wraps, commitment) = (wraps.clone(), commitment.clone());
            (*suite, wraps, commitment, iv.clone(), tag.clone(), ciphertext.len())
        };
        let wanted = front(row);
        self.written.iter().any(|written| written.mac == row.mac && front(written) == wanted)
    }

    fn verify(&self, keys: &Keys, row: &Parts) -> Result<(), Failure> {
        let ids = || row.wraps.iter().map(|(id, _)| id.clone());
        let first = |state| ids().find(|id| keys.with(state).any(|slot| slot.id == id));
        let wrap_of = |slot: &Slot| row.wraps.iter().find(|(id, _)| id == slot.id);
        let remote: Vec<(&str, Mode)> =
            REMOTE.iter().zip(keys.remote).filter_map(|(id, mode)| Some((*id, mode?))).collect();
        let has_remote = remote.iter().any(|(id, _)| ids().any(|other| other == *id));
        let is_candidate = has_remote || keys.opening().any(|slot| wrap_of(slot).is_some());
        if let (Some(id), true) = (first(State::Leaked), is_candidate) {
            return Err(Failure::KeyLeaked(id));
        }
        let mut failures = Vec::new();
        for slot in keys.opening() {
            let Some(wrap) = wrap_of(slot) else { continue };
            let (id, wrapped) = wrap.clone();
            let failure = if wrapped[0] != 1 {
                Failure::WrongWrapKind(id)
            } else if wrapped.len() != 61 {
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
            failures.push(failure);
        }
        // Remote keys come after all local keys.
        for (id, mode) in remote {
            let Some((_, wrapped)) = row.wraps.iter().find(|(other, _)| other == id) else {
                continue;
            };
            if wrapped[0] != 2 {
                failures.push(Failure::WrongWrapKind(id.to_owned()));
                continue;
            }
            match remote::answer(mode, id, &wrapped[1..]) {
                Ok(dek) if self.knows_front(row) && self.has_dek(row, &dek) => return Ok(()),
                Ok(_) => failures.push(Failure::EnvelopeAltered),
                Err(failure) => failures.push(failure),
            }
        }
        // An error for a key that was not tried comes first, then a transient one, then the first of all.
        let blocks = |failure: &&Failure| matches!(failure, Failure::WouldBlock(_));
        let passes =
            |failure: &&Failure| matches!(failure, Failure::Provider { may_pass: true, .. });
        let told = failures.iter().find(blocks).or(failures.iter().find(passes));
        Err(told.or(failures.first()).cloned().unwrap_or_else(|| {
            match [State::Destroyed, State::Leaked, State::Disabled].map(first) {
                [Some(id), _, _] => Failure::KeyDestroyed(id),
                [_, Some(id), _] => Failure::KeyLeaked(id),
                [_, _, Some(id)] => Failure::KeyDisabled(id),
                [None, None, None] => Failure::UnknownKey(ids().collect()),
            }
        }))
    }

    /// Returns whether this is the data key that the row was sealed with.
    fn has_dek(&self, row: &Parts, dek: &Key) -> bool {
        let sealed = self.sealed.iter().position(|(parts, ..)| parts.commitment == row.commitment);
        sealed.is_some_and(|number| data_key(number) == *dek)
    }

    fn open(&self, keys: &Keys, row: &Parts, context: usize) -> Result<&[u8], Failure> {
        self.verify(keys, row)?;
        // A row that verifies was sealed once.
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
        slot.id == id && wrapped.len() == 61 && wrapped[0] == 1 && wrapped[1..5] == *check
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

/// Reads nine states, then steps.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let slots = (0..).zip(IDS).map(|(material, id)| {
        let state = state(&mut input);
        Slot { id, state, material, keeps_key: false }
    });
    let mut keys = Keys { slots: slots.collect(), suite: 1, remote: [None; 2] };
    keys.slots[0] = Slot { state: Some(State::Primary), ..keys.slots[0] };
    for slot in &mut keys.slots[1..] {
        slot.state = slot.state.filter(|state| *state != State::Primary);
    }
    let Some(keyring) = keyring_of(&keys) else { return false };
    let (rows, ledger) = (Vec::new(), Ledger::default());
    let mut service = Service { keys, keyring, rows, ledger };
    for _ in 0..MAX_STEPS {
        let Some(step) = input.next_byte() else { break };
        service.step(step, &mut input);
        for row in 0..service.rows.len() {
            service.check(row);
        }
    }
    // At least one row was rewrapped.
    service.ledger.written.len() > service.ledger.sealed.len()
}

fn state(input: &mut Input<'_>) -> Option<State> {
    State::ALL.get(input.below(State::ALL.len() + 1)).copied()
}

/// Returns the keyring as the service reads it. Returns `None` if it does not parse, after checking the reason.
fn keyring_of(keys: &Keys) -> Option<Keyring> {
    let (parsed, faults) = (keyring::text(&keys.entries()).parse::<Keyring>(), keys.faults());
    match parsed {
        Ok(parsed) => {
            assert!(faults.is_empty(), "{faults:?}");
            let mut keyring = parsed.with_suite(material::suite(keys.suite));
            for (id, mode) in REMOTE.iter().zip(keys.remote) {
                if let Some(mode) = mode {
                    keyring = keyring.with_retired(id.parse().unwrap(), Remote(mode)).unwrap();
                }
            }
            Some(keyring)
        }
        Err(error) => {
            assert!(has_fault(&error, &faults), "{error}: none of {faults:?}");
            None
        }
    }
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
            // Makes a backup of a row, or restores one.
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
        match input.below(10) {
            // The usual case: a new primary, and the old one is retired.
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
            4 => keys.slots[at].keeps_key ^= true,
            8 | 9 => keys.remote[at % 2] = Mode::ALL.get(input.below(Mode::ALL.len() + 1)).copied(),
            _ => keys.slots[at].state = state(input),
        }
        if let Some(keyring) = keyring_of(&keys) {
            (self.keys, self.keyring) = (keys, keyring);
        }
    }

    fn seal(&mut self, input: &mut Input<'_>) {
        let context = input.below(CONTEXTS.len());
        let plaintext = input.long(MAX_LEN);
        let number = self.ledger.sealed.len();
        let (dek, iv) = (data_key(number), [u8::try_from(number).unwrap() + 1; 12]);
        let rng = [dek.as_slice(), &iv].concat();
        let secret = Secret::from(plaintext.as_slice());
        let sealed = self.keyring.seal_with_rng(&secret, &CONTEXTS[context], &mut Scripted(&rng));
        let mut parts = fields(&sealed.unwrap());
        let (reference, encoded) = (ordered(&self.keys), CONTEXTS[context].encoded());
        let suite = self.keys.suite;
        let expected = procedures::seal(&reference, suite, encoded, &plaintext, &dek, &iv);
        assert_eq!(parts, expected);
        // Another service also has the data key, and adds its own wraps, or wraps under the id of a local key.
        for _ in 0..input.below(4) {
            let id = *input.choose(&["kms", "hsm", "h", "b", "g@4"]);
            let wrapped = match input.below(3) {
                0 => wrap_of_another_kind(input),
                _ => [vec![2], remote::body(&dek)].concat(),
            };
            if parts.wraps.len() < 8 && parts.wraps.iter().all(|(other, _)| other != id) {
                parts.wraps.push((id.to_owned(), wrapped));
                parts = procedures::with_mac(parts, &dek);
            }
        }
        self.ledger.written.push(parts.clone());
        self.ledger.sealed.push((parts.clone(), context, plaintext));
        self.put(Row { parts, context });
    }

    fn rewrap(&mut self, row: usize) {
        let Some(Row { parts, .. }) = self.rows.get_mut(row) else { return };
        let envelope = Envelope::try_from(parts.binary()).unwrap();
        let Ok(Some(fresh)) = self.keyring.rewrap(&envelope) else { return };
        let fresh = fields(&fresh);
        // The reference has no remote keys, so rows that only they open are not compared.
        match procedures::rewrap(&ordered(&self.keys), parts) {
            Ok(expected) => assert_eq!(Some(&fresh), expected.as_ref()),
            Err(_) => assert!(self.keys.remote.contains(&Some(Mode::Opens))),
        }
        let (wraps, mac) = (parts.wraps.clone(), parts.mac.clone());
        assert_eq!(Parts { wraps, mac, ..fresh.clone() }, *parts, "a rewrap changed more");
        self.ledger.written.push(fresh.clone());
        *parts = fresh;
    }

    /// Asserts that a row gives the result that the ledger predicts.
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
        assert_eq!(keyring.verify(&envelope).map_err(|error| unwrap_failure(&error)), verified);

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

/// Returns a wrap of a provider, of a kind that no reader implements yet, or of a private kind. Some are as long as a
/// local wrap.
fn wrap_of_another_kind(input: &mut Input<'_>) -> Vec<u8> {
    let kind = *input.choose(&[2, 3, 4, 5, 6, 0x7f, 0x80, 0xff]);
    let len = *input.choose(&[60, 1, 2, 300]);
    [vec![kind], vec![input.byte(); len]].concat()
}

/// Returns a fresh data key for each row.
fn data_key(row: usize) -> Key {
    material::key(u8::try_from(row).unwrap() + 0x81)
}

/// Returns the keys in the reference's form: the primary first, and only the keys that are in use.
fn ordered(keys: &Keys) -> keyring::Keyring {
    let mut entries = keys.entries();
    for entry in &mut entries {
        entry.key = entry.key.filter(|_| entry.state.has_material());
    }
    entries.sort_by_key(|entry| entry.state != State::Primary);
    entries
}

/// The number of ways to alter a row.
pub const ALTERATIONS: u8 = 19;

/// Changes one field, replaces it with another row's, or moves the wraps. The result is still an envelope.
fn alter(mut parts: Parts, other: &Parts, input: &mut Input<'_>) -> Parts {
    let other = other.clone();
    let count = parts.wraps.len();
    let at = input.below(count);
    let ids: Vec<String> = parts.wraps.iter().map(|(id, _)| id.clone()).collect();
    let (id, wrapped) = &mut parts.wraps[at];
    let field = match input.below(ALTERATIONS.into()) {
        0 => &mut parts.commitment,
        1 => &mut parts.mac,
        2 => &mut parts.iv,
        3 => &mut parts.tag,
        4 => &mut parts.ciphertext,
        5 | 6 => wrapped,
        7 => {
            wrapped.resize(60 + input.below(3), 0);
            return parts;
        }
        8 => {
            *wrapped = other.wraps[0].1.clone();
            return parts;
        }
        9 => {
            let name = *input.choose(&[IDS.as_slice(), &REMOTE].concat());
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
        14 => {
            *wrapped = wrap_of_another_kind(input);
            return parts;
        }
        // The same body under another kind.
        15 => {
            wrapped[0] = *input.choose(&[2, 3, 4, 5, 6, 0x80]);
            return parts;
        }
        // What a column that is too short does, or one that pads.
        16 => {
            parts.ciphertext.truncate(input.byte().into());
            return parts;
        }
        17 => {
            parts.ciphertext.push(input.byte());
            return parts;
        }
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
