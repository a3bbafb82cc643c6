//! What holds for all inputs: round trips, one encoding for each envelope, and no row that is lost
//! over a history of keys. `PROPTEST_CASES` raises the number of cases.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use proptest::{option, prop_oneof};
use sealwax::{
    Answer, DataKey, EncryptionContext, Envelope, KeyState, Keyring, MasterKey, MasterKeyProvider,
    ProviderError, ProviderErrorKind, Secret, Suite, UnwrapRequest, WrapKind, WrapRequest,
};

use crate::fixtures::{
    CREDENTIAL, Counting, SUITES, acme, context, key_id, master_key, open_outcome, rewrap_outcome,
    seal_outcome,
};

/// Runs a test over so many values of a strategy, or over as many as the environment asks for.
fn for_all<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value))
where
    S::Value: fmt::Debug,
{
    let asked = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.map_or(cases, |asked: u32| asked.max(cases));
    // No file is written next to the sources: a failure prints the value it failed with.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = Cell::new(0);
    let result = TestRunner::new(config).run(&strategy, |value| {
        run.set(run.get() + 1);
        test(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert_eq!(run.get(), cases);
}

fn suite() -> impl Strategy<Value = Suite> {
    select(SUITES.as_slice())
}

fn text(chars: core::ops::Range<usize>) -> impl Strategy<Value = String> {
    // All of Unicode, and often what fields are joined with.
    let char = prop_oneof![any::<char>(), select(b":=,;\0 a".map(char::from).to_vec())];
    vec(char, chars).prop_map(|chars| chars.into_iter().collect())
}

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(1..16), text(0..100), 0..6)
}

fn ring_of(suite: Suite, escrows: usize) -> Keyring {
    let ring = Keyring::new(key_id("prod"), master_key(0)).with_suite(suite);
    (1..=escrows).fold(ring, |ring, n| {
        let key = master_key(u8::try_from(n).unwrap());
        ring.with_escrow(key_id(&format!("dr/{n}")), key).unwrap()
    })
}

#[test]
fn what_is_sealed_opens_in_its_context_by_each_of_its_keys_from_either_form() {
    let values = (vec(any::<u8>(), 0..3000), pairs(), suite(), 0_usize..=7, text(1..4));
    for_all(64, values, |(plaintext, pairs, suite, escrows, other)| {
        let ring = ring_of(suite, escrows);
        let context = EncryptionContext::new(&pairs).unwrap();
        let secret = Secret::from(plaintext.as_slice());
        let row = ring.seal(&secret, &context).unwrap();

        assert_eq!((row.suite(), row.key_ids().count()), (suite, escrows + 1));
        assert_eq!(row.ciphertext().len(), plaintext.len());
        // As the format page counts: len8, id, u16, kind and body, for each wrap.
        let ids: usize = row.key_ids().map(|id| id.as_ref().len()).sum();
        let front = 5 + ids + (escrows + 1) * (1 + 2 + 61) + 32 + 16 + 12 + 16;
        assert_eq!(row.as_bytes().len(), front + plaintext.len());

        let from_text: Envelope = row.to_string().parse().unwrap();
        let from_bytes = Envelope::from_bytes(row.as_bytes()).unwrap();
        assert_eq!((&from_text, &from_bytes), (&row, &row));
        assert_eq!(ring.open(&from_text, &context).unwrap(), secret);
        ring.verify(&from_bytes).unwrap();
        assert!(ring.is_current(&row));
        assert_eq!(ring.rewrap(&row).unwrap(), None);
        for (n, id) in row.key_ids().enumerate() {
            let alone = Keyring::new(id, master_key(u8::try_from(n).unwrap()));
            assert_eq!(alone.open(&row, &context).unwrap(), secret);
            assert_eq!(alone.is_current(&row), escrows == 0 && n == 0);
        }

        // Another context: one pair more, or one value longer.
        let mut others = vec![pairs.clone(); 2];
        others[0].entry(other.clone()).or_insert_with(|| other.clone());
        if let Some((_, value)) = others[1].iter_mut().next() {
            value.push_str(&other);
        }
        for changed in others.into_iter().filter(|changed| *changed != pairs) {
            let opened = ring.open(&row, &EncryptionContext::new(&changed).unwrap());
            assert_eq!(open_outcome(&opened), "context_mismatch", "{changed:?}");
        }

        // A new primary, and the old one retired.
        let next = Keyring::new(key_id("next"), master_key(100))
            .with_retired(key_id("prod"), master_key(0))
            .unwrap();
        let fresh = next.rewrap(&row).unwrap().unwrap();
        assert_eq!(next.open(&fresh, &context).unwrap(), secret);
        let after = [fresh.commitment().as_slice(), fresh.iv(), fresh.tag(), fresh.ciphertext()];
        assert_eq!(after, [row.commitment().as_slice(), row.iv(), row.tag(), row.ciphertext()]);
    });
}

/// Whether bytes are an envelope; if they are, they are its only encoding.
fn parses_as_bytes(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::from_bytes(bytes) else {
        assert!(Envelope::try_from(bytes.to_vec()).is_err());
        return false;
    };
    assert_eq!(envelope.as_bytes(), bytes);
    let text = envelope.to_string();
    assert_eq!(text.parse().as_ref(), Ok(&envelope), "{text}");
    assert_eq!(String::from(envelope.clone()), text);
    check_parts(&envelope);
    assert_eq!(Vec::from(envelope), bytes);
    true
}

/// The same for text.
fn parses_as_text(text: &str) -> bool {
    let Ok(envelope) = text.parse::<Envelope>() else {
        assert!(Envelope::try_from(text.to_owned()).is_err());
        return false;
    };
    assert_eq!(envelope.to_string(), text);
    assert_eq!(Envelope::from_bytes(envelope.as_bytes()).as_ref(), Ok(&envelope), "{text}");
    check_parts(&envelope);
    true
}

/// The parts, put together as the format page says, are the whole.
fn check_parts(envelope: &Envelope) {
    let suite = match envelope.suite() {
        Suite::Aes256Gcm => 1,
        Suite::ChaCha20Poly1305 => 2,
        other => panic!("a suite without an id: {other}"),
    };
    let wraps: Vec<_> = envelope.wrapped_keys().collect();
    let mut whole = [b"SW".as_slice(), &[1, suite, u8::try_from(wraps.len()).unwrap()]].concat();
    for wrap in &wraps {
        let id = wrap.key_id().as_ref().as_bytes();
        whole.push(u8::try_from(id.len()).unwrap());
        whole.extend(id);
        whole.extend(u16::try_from(wrap.body().len() + 1).unwrap().to_be_bytes());
        whole.push(wrap.kind().byte());
        whole.extend(wrap.body());
    }
    whole.extend(envelope.commitment());
    whole.extend(envelope.mac());
    whole.extend(envelope.iv());
    whole.extend(envelope.tag());
    whole.extend(envelope.ciphertext());
    assert_eq!(whole, envelope.as_bytes());
    assert!((1..=8).contains(&wraps.len()));
    assert!(envelope.key_ids().eq(wraps.iter().map(|wrap| wrap.key_id().clone())));
    let distinct: BTreeSet<_> = envelope.key_ids().collect();
    assert_eq!(distinct.len(), wraps.len());
}

/// A change to a sequence of bytes or characters.
#[derive(Clone, Debug)]
enum Edit<T> {
    Replace(Index, T),
    Insert(Index, T),
    Remove(Index),
    /// Of what stands between two places, a copy behind it.
    Double(Index, Index),
    Truncate(Index),
}

impl<T: Clone> Edit<T> {
    fn apply(&self, items: &mut Vec<T>) {
        let len = items.len();
        if len == 0 {
            return;
        }
        match self {
            Self::Replace(at, item) => items[at.index(len)] = item.clone(),
            Self::Insert(at, item) => items.insert(at.index(len + 1), item.clone()),
            Self::Remove(at) => drop(items.remove(at.index(len))),
            Self::Double(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let doubled = items[from.min(to)..from.max(to)].to_vec();
                let end = from.max(to);
                items.splice(end..end, doubled);
            }
            Self::Truncate(at) => items.truncate(at.index(len)),
        }
    }
}

fn edits<T: Clone + fmt::Debug + 'static>(
    item: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Vec<Edit<T>>> {
    let edit = prop_oneof![
        6 => (any::<Index>(), item.clone()).prop_map(|(at, item)| Edit::Replace(at, item)),
        2 => (any::<Index>(), item).prop_map(|(at, item)| Edit::Insert(at, item)),
        2 => any::<Index>().prop_map(Edit::Remove),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Edit::Double(from, to)),
        1 => any::<Index>().prop_map(Edit::Truncate),
    ];
    vec(edit, 1..4)
}

/// Valid envelopes of many shapes, sealed once.
fn valid() -> &'static [Envelope] {
    static VALID: OnceLock<Vec<Envelope>> = OnceLock::new();
    VALID.get_or_init(|| {
        let mut rows = Vec::new();
        for suite in SUITES {
            for escrows in [0, 1, 7] {
                for len in [0, 1, 2, 51, 300] {
                    let secret = Secret::from(&CREDENTIAL.repeat(6)[..len]);
                    let ring = ring_of(suite, escrows);
                    rows.push(ring.seal_with_rng(&secret, &acme(), &mut Counting(1)).unwrap());
                }
            }
        }
        assert_eq!(rows.len(), 2 * 3 * 5);
        rows
    })
}

/// How many of the tried values parsed: both some and not all, or nothing was shown.
#[derive(Default)]
struct Parsed(Cell<usize>, Cell<usize>);

impl Parsed {
    fn count(&self, parsed: bool) {
        let counter = if parsed { &self.0 } else { &self.1 };
        counter.set(counter.get() + 1);
    }

    fn assert_both(&self) {
        let (parsed, refused) = (self.0.get(), self.1.get());
        assert!(parsed > 50 && refused > 50, "{parsed} parsed, {refused} refused");
    }
}

#[test]
fn bytes_that_parse_are_the_only_encoding_of_an_envelope() {
    let parsed = Parsed::default();
    let values = (select(valid()), edits(any::<u8>()));
    for_all(1000, values, |(row, edits)| {
        let mut bytes = row.as_bytes().to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        parsed.count(parses_as_bytes(&bytes));
    });
    parsed.assert_both();
}

#[test]
fn text_that_parses_is_the_only_encoding_of_an_envelope() {
    let parsed = Parsed::default();
    let base64url = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let char = prop_oneof![
        8 => select(base64url.collect::<Vec<_>>()),
        1 => select(":=,.+/@ \n\r\t\0".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    let values = (select(valid()), edits(char.boxed()));
    for_all(1000, values, |(row, edits)| {
        let mut chars: Vec<char> = row.to_string().chars().collect();
        edits.iter().for_each(|edit| edit.apply(&mut chars));
        parsed.count(parses_as_text(&chars.into_iter().collect::<String>()));
    });
    parsed.assert_both();
}

/// What a parser is fed by whoever can write to the database, from nothing to nearly an envelope.
#[test]
fn arbitrary_bytes_and_text_are_refused_or_canonical() {
    let front =
        select(vec![&b""[..], b"S", b"SW", b"SW\x01", b"SW\x01\x01\x01", b"SW\x01\x02\x02"]);
    for_all(500, (front, vec(any::<u8>(), 0..300)), |(front, bytes)| {
        parses_as_bytes(&[front, &bytes].concat());
    });
    let front = select(vec!["", "sw", "sw1", "sw1:", "sw1:a256gcm:", "sw1:c20p:prod=AQ:", "sw2:"]);
    for_all(500, (front, text(0..200)), |(front, text)| {
        parses_as_text(&format!("{front}{text}"));
    });
    // Any bodies, ids and kinds, in envelopes built of nothing but random fields.
    let parsed = Parsed::default();
    let wrap = (vec(select(b"aZ0._-/@".to_vec()), 0..5), vec(any::<u8>(), 1..60));
    let values = (suite(), vec(wrap, 0..10), vec(any::<u8>(), 76..200));
    for_all(500, values, |(suite, wraps, tail)| {
        let count = u8::try_from(wraps.len()).unwrap();
        let mut bytes = vec![b'S', b'W', 1, u8::from(suite != Suite::Aes256Gcm) + 1, count];
        for (i, (rest, wrapped)) in wraps.iter().enumerate() {
            bytes.push(u8::try_from(rest.len()).unwrap() + 1);
            bytes.push(b"AZaz09bcde"[i]); // So that no two are alike.
            bytes.extend(rest);
            bytes.extend(u16::try_from(wrapped.len()).unwrap().to_be_bytes());
            bytes.extend(wrapped);
        }
        bytes.extend(tail);
        parsed.count(parses_as_bytes(&bytes));
    });
    parsed.assert_both();
}

// A history of keys and rows, against a model that knows no cryptography.

/// The keys of the history. Of every second one the material is remote: it answers later.
const KEYS: usize = 4;

fn name(key: usize) -> String {
    format!("k{key}")
}

fn is_remote(key: usize) -> bool {
    key % 2 == 1
}

fn names(keys: &[usize]) -> String {
    keys.iter().map(|key| name(*key)).collect::<Vec<_>>().join(",")
}

/// The calls of one verb, and the one that fails; none where it is 0.
#[derive(Default)]
struct Calls {
    made: AtomicUsize,
    failing: AtomicUsize,
}

struct Key {
    material: MasterKey,
    remote: bool,
    calls: Arc<Calls>,
}

impl Key {
    fn answer<'a, T: Send + 'a>(
        &self,
        answer: Answer<'a, Result<T, ProviderError>>,
    ) -> Answer<'a, Result<T, ProviderError>> {
        let call = self.calls.made.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.calls.failing.load(Ordering::SeqCst) {
            return Answer::now(Err(ProviderErrorKind::Unavailable.into()));
        }
        if self.remote { Answer::later(answer) } else { answer }
    }
}

impl MasterKeyProvider for Key {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        self.answer(self.material.wrap_key(request))
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        self.answer(self.material.unwrap_key(request))
    }

    fn kind(&self) -> WrapKind {
        if self.remote { WrapKind::Provider } else { WrapKind::Local }
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.remote || self.material.is_current(body)
    }
}

struct Row {
    envelope: Envelope,
    wraps: Vec<usize>,
    context: usize,
    plaintext: Vec<u8>,
}

struct History {
    primary: usize,
    others: Vec<(usize, KeyState)>,
    rows: Vec<Row>,
    calls: Arc<Calls>,
    seen: BTreeMap<String, usize>,
}

/// How a verb is called: in which form, and which provider call of it fails.
#[derive(Clone, Copy, Debug)]
struct How {
    sync: bool,
    failing: Option<usize>,
}

const QUIET: [How; 2] = [How { sync: false, failing: None }, How { sync: true, failing: None }];

#[derive(Clone, Debug)]
enum Step {
    Seal {
        plaintext: Vec<u8>,
        context: usize,
        suite: Suite,
        how: How,
    },
    Primary(usize),
    /// Retired, escrow, disabled, leaked or destroyed; without a state the keyring forgets the key.
    Other(usize, Option<KeyState>),
    /// Not stored: the compare-and-swap was lost, or the worker was killed.
    Rewrap {
        row: Index,
        how: How,
        stored: bool,
    },
    Open {
        row: Index,
        context: usize,
        how: How,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let how = || {
        (any::<bool>(), option::weighted(0.4, prop_oneof![Just(1), 2_usize..8]))
            .prop_map(|(sync, failing)| How { sync, failing })
    };
    let states = [
        KeyState::Retired,
        KeyState::Escrow,
        KeyState::Disabled,
        KeyState::Leaked,
        KeyState::Destroyed,
    ];
    let state = option::weighted(0.8, select(states.to_vec()));
    prop_oneof![
        2 => (vec(any::<u8>(), 0..40), 0_usize..3, suite(), how()).prop_map(
            |(plaintext, context, suite, how)| Step::Seal { plaintext, context, suite, how }
        ),
        4 => (0..KEYS).prop_map(Step::Primary),
        7 => (0..KEYS, state).prop_map(|(key, state)| Step::Other(key, state)),
        7 => (any::<Index>(), how(), any::<bool>())
            .prop_map(|(row, how, stored)| Step::Rewrap { row, how, stored }),
        3 => (any::<Index>(), 0_usize..3, how())
            .prop_map(|(row, context, how)| Step::Open { row, context, how }),
    ]
}

fn context_number(number: usize) -> EncryptionContext {
    context(&[[("row", "0")], [("row", "1")], [("ro", "w0")]][number])
}

/// How many calls a verb makes, and the error it ends with, if any.
type Expected = (usize, Result<(), String>);

impl History {
    fn new() -> Self {
        Self {
            primary: 0,
            others: Vec::new(),
            rows: Vec::new(),
            calls: Arc::default(),
            seen: BTreeMap::new(),
        }
    }

    fn keyring(&self, suite: Suite) -> Keyring {
        let key = |number: usize| Key {
            material: master_key(u8::try_from(number).unwrap()),
            remote: is_remote(number),
            calls: Arc::clone(&self.calls),
        };
        let ring = Keyring::new(key_id(&name(self.primary)), key(self.primary)).with_suite(suite);
        self.others.iter().fold(ring, |ring, (number, state)| {
            let id = key_id(&name(*number));
            let ring = match state {
                KeyState::Retired => ring.with_retired(id, key(*number)),
                KeyState::Escrow => ring.with_escrow(id, key(*number)),
                KeyState::Disabled => ring.with_disabled(id),
                KeyState::Leaked => ring.with_leaked(id),
                KeyState::Destroyed => ring.with_destroyed(id),
                other => panic!("not a state of another key: {other}"),
            };
            ring.unwrap()
        })
    }

    fn prepare(&self, how: How) {
        self.calls.made.store(0, Ordering::SeqCst);
        self.calls.failing.store(how.failing.unwrap_or(0), Ordering::SeqCst);
    }

    /// Notes what a verb came to, and compares.
    fn compare(&mut self, verb: &str, found: &str, expected: &Expected) {
        let (calls, expected) = expected;
        assert_eq!(found, expected.as_ref().map_or_else(String::as_str, |()| "done"), "{verb}");
        assert_eq!(self.calls.made.load(Ordering::SeqCst), *calls, "calls of {verb}: {found}");
        let class = found.split('(').next().unwrap_or_default();
        *self.seen.entry(format!("{verb}: {class}")).or_default() += 1;
    }

    // The model.

    fn state(&self, key: usize) -> Option<KeyState> {
        if key == self.primary {
            return Some(KeyState::Primary);
        }
        self.others.iter().find(|(other, _)| *other == key).map(|(_, state)| *state)
    }

    fn sealing_keys(&self) -> Vec<usize> {
        let escrows = self.others.iter().filter(|(_, state)| *state == KeyState::Escrow);
        [self.primary].into_iter().chain(escrows.map(|(key, _)| *key)).collect()
    }

    fn opening_keys(&self) -> Vec<usize> {
        let usable = |(_, state): &&_| matches!(state, KeyState::Retired | KeyState::Escrow);
        let mut others: Vec<_> = self.others.iter().filter(usable).map(|(key, _)| *key).collect();
        others.sort_by_key(|key| is_remote(*key)); // Stable: local keys first.
        [vec![self.primary], others].concat()
    }

    /// What one call to a key comes to.
    fn call(call: usize, key: usize, how: How) -> Result<(), String> {
        if how.failing == Some(call) {
            Err(format!("provider({}) Unavailable", name(key)))
        } else if how.sync && is_remote(key) {
            Err(format!("would_block({})", name(key)))
        } else {
            Ok(())
        }
    }

    fn expect_unwrap(&self, wraps: &[usize], how: How) -> Expected {
        let in_state = |wanted| {
            wraps.iter().find(|key| self.state(**key) == Some(wanted)).map(|key| name(*key))
        };
        let usable: Vec<usize> =
            self.opening_keys().into_iter().filter(|key| wraps.contains(key)).collect();
        if usable.is_empty() {
            let states = [
                (KeyState::Destroyed, "key_destroyed"),
                (KeyState::Leaked, "key_leaked"),
                (KeyState::Disabled, "key_disabled"),
            ];
            let named = states
                .into_iter()
                .find_map(|(state, told)| Some(format!("{told}({})", in_state(state)?)));
            return (0, Err(named.unwrap_or_else(|| format!("unknown_key({})", names(wraps)))));
        }
        if let Some(key) = in_state(KeyState::Leaked) {
            return (0, Err(format!("key_leaked({key})")));
        }
        let (mut calls, mut failures) = (0, Vec::new());
        for key in usable {
            calls += 1;
            match Self::call(calls, key, how) {
                Ok(()) => return (calls, Ok(())),
                Err(error) => failures.push(error),
            }
        }
        // The others may pass; who was not asked may open it now.
        let would_block = failures.iter().find(|error| error.starts_with("would_block"));
        (calls, Err(would_block.unwrap_or(&failures[0]).clone()))
    }

    fn expect_open(&self, row: &Row, context: usize, how: How) -> Expected {
        match self.expect_unwrap(&row.wraps, how) {
            (calls, Ok(())) if context != row.context => {
                (calls, Err("context_mismatch".to_owned()))
            }
            other => other,
        }
    }

    /// Each sealing key called once, after so many calls.
    fn expect_each(&self, mut calls: usize, how: How) -> Expected {
        for key in self.sealing_keys() {
            calls += 1;
            if let Err(error) = Self::call(calls, key, how) {
                return (calls, Err(error));
            }
        }
        (calls, Ok(()))
    }

    fn expect_rewrap(&self, row: &Row, how: How) -> Expected {
        if row.wraps == self.sealing_keys() {
            return (0, Err("current".to_owned()));
        }
        let (calls, unwrapped) = self.expect_unwrap(&row.wraps, how);
        if unwrapped.is_err() {
            return (calls, unwrapped);
        }
        // Wraps, and then checks what it has wrapped.
        match self.expect_each(calls, how) {
            (calls, Ok(())) => self.expect_each(calls, how),
            failed => failed,
        }
    }

    // The verbs, against the model.

    fn open(&mut self, row: usize, context: usize, how: How) {
        let ring = self.keyring(Suite::default());
        let Row { envelope, plaintext, .. } = &self.rows[row];
        let expected = self.expect_open(&self.rows[row], context, how);
        self.prepare(how);
        let number = context_number(context);
        let opened = match how.sync {
            true => ring.open(envelope, &number),
            false => pollster::block_on(ring.open_async(envelope, &number)),
        };
        if let Ok(secret) = &opened {
            assert_eq!(secret.expose_secret(), plaintext, "another plaintext");
        }
        self.compare("open", &open_outcome(&opened), &expected);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Seal { plaintext, context, suite, how } => {
                let ring = self.keyring(suite);
                let expected = self.expect_each(0, how);
                self.prepare(how);
                let secret = Secret::from(plaintext.as_slice());
                let number = context_number(context);
                let sealed = match how.sync {
                    true => ring.seal(&secret, &number),
                    false => pollster::block_on(ring.seal_async(&secret, &number)),
                };
                self.compare("seal", &seal_outcome(&sealed), &expected);
                if let Ok(envelope) = sealed {
                    let wraps = self.sealing_keys();
                    self.rows.push(Row { envelope, wraps, context, plaintext });
                }
            }
            Step::Primary(key) => {
                let old = self.primary;
                if key != old {
                    self.others.retain(|(other, _)| *other != key);
                    self.others.push((old, KeyState::Retired));
                    self.primary = key;
                }
            }
            Step::Other(key, _) if key == self.primary => (),
            Step::Other(key, None) => self.others.retain(|(other, _)| *other != key),
            Step::Other(key, Some(state)) => {
                match self.others.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, old)) => *old = state,
                    None => self.others.push((key, state)),
                }
            }
            Step::Rewrap { row, how, stored } if !self.rows.is_empty() => {
                let row = row.index(self.rows.len());
                self.rewrap(row, how, stored);
            }
            Step::Open { row, context, how } if !self.rows.is_empty() => {
                self.open(row.index(self.rows.len()), context, how);
            }
            Step::Rewrap { .. } | Step::Open { .. } => (),
        }
    }

    fn rewrap(&mut self, row: usize, how: How, stored: bool) {
        let ring = self.keyring(Suite::default());
        let old = self.rows[row].envelope.clone();
        let expected = self.expect_rewrap(&self.rows[row], how);
        let current = self.rows[row].wraps == self.sealing_keys();
        assert_eq!(ring.is_current(&old), current);
        self.prepare(how);
        let rewrapped = match how.sync {
            true => ring.rewrap(&old),
            false => pollster::block_on(ring.rewrap_async(&old)),
        };
        self.compare("rewrap", &rewrap_outcome(&rewrapped), &expected);
        if let Ok(Some(fresh)) = rewrapped {
            assert!(ring.is_current(&fresh));
            assert_eq!(fresh.suite(), old.suite());
            assert_eq!(fresh.key_ids().collect::<Vec<_>>(), {
                self.sealing_keys().iter().map(|key| key_id(&name(*key))).collect::<Vec<_>>()
            });
            let kept = |row: &Envelope| (*row.commitment(), *row.iv(), *row.tag());
            assert_eq!(kept(&fresh), kept(&old));
            assert_eq!(fresh.ciphertext(), old.ciphertext());
            if stored {
                self.rows[row].envelope = fresh;
                self.rows[row].wraps = self.sealing_keys();
            }
        }
    }

    /// Each row, in both forms of the verb, as the model says.
    fn open_all(&mut self) {
        for row in 0..self.rows.len() {
            for how in QUIET {
                self.open(row, self.rows[row].context, how);
            }
        }
    }
}

#[test]
fn no_history_of_keys_and_faults_loses_a_row_or_opens_it_wrongly() {
    let seen = RefCell::new(BTreeMap::<String, usize>::new());
    let first = (vec(any::<u8>(), 0..40), Just(0), suite(), Just(QUIET[0]))
        .prop_map(|(plaintext, context, suite, how)| Step::Seal { plaintext, context, suite, how });
    for_all(200, (first, vec(step(), 8..32)), |(first, steps)| {
        let mut history = History::new();
        history.take(first);
        for step in steps {
            history.take(step);
            history.open_all();
        }
        for (outcome, count) in history.seen {
            *seen.borrow_mut().entry(outcome).or_default() += count;
        }
    });
    // That each end of each verb was seen, or nothing was shown about it.
    let seen = seen.into_inner();
    let wanted = [
        "open: context_mismatch",
        "open: done",
        "open: key_destroyed",
        "open: key_disabled",
        "open: key_leaked",
        "open: provider",
        "open: unknown_key",
        "open: would_block",
        "rewrap: current",
        "rewrap: done",
        "rewrap: key_destroyed",
        "rewrap: key_disabled",
        "rewrap: key_leaked",
        "rewrap: provider",
        "rewrap: unknown_key",
        "rewrap: would_block",
        "seal: done",
        "seal: provider",
        "seal: would_block",
    ];
    assert!(seen.keys().eq(wanted), "{seen:?}");
    assert!(seen["open: done"] > 1000, "{seen:?}");
}
