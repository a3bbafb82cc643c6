//! No row is lost or opened wrongly over a history of keys and faults, compared with a model of keys and rows that
//! knows no cryptography.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{Index, select};
use proptest::{option, prop_oneof};
use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyState, KeyWrapper, Keyring, MasterKey,
    MasterKeyProvider, ProviderError, ProviderErrorKind, ProviderFuture, Secret, Suite,
    UnwrapRequest, WrapKind, WrapRequest,
};

use crate::fixtures::{context, key_id, master_key, open_outcome, rewrap_outcome, seal_outcome};
use crate::properties::{for_all, suite};

/// The keys of the history. Every second one is remote: it replies later.
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

/// Counts the provider calls of one operation. The call with number `failing` fails; 0 means none.
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
        answer: ProviderFuture<'a, Result<T, ProviderError>>,
    ) -> ProviderFuture<'a, Result<T, ProviderError>> {
        let call = self.calls.made.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.calls.failing.load(Ordering::SeqCst) {
            return ProviderFuture::ready(Err(ProviderErrorKind::Unavailable.into()));
        }
        if self.remote { ProviderFuture::boxed(answer) } else { answer }
    }
}

impl KeyWrapper for Key {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.answer(self.material.wrap_key(request))
    }

    fn kind(&self) -> WrapKind {
        if self.remote { WrapKind::Provider } else { WrapKind::Local }
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.remote || self.material.is_current(body)
    }
}

impl MasterKeyProvider for Key {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.answer(self.material.unwrap_key(request))
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

/// How an operation is called: in which form, and which of its provider calls fails.
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
    /// Retired, escrow, disabled, leaked or destroyed; without a state, the key is removed from the keyring.
    Other(usize, Option<KeyState>),
    /// If it is not stored, the compare-and-swap failed or the worker was killed.
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

/// How many calls an operation makes, and the error it ends with, if any.
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
        let ring =
            Keyring::new(key_id(&name(self.primary)), key(self.primary)).unwrap().with_suite(suite);
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

    /// Records the outcome of an operation, and compares it.
    fn compare(&mut self, verb: &str, found: &str, expected: &Expected) {
        let (calls, expected) = expected;
        assert_eq!(found, expected.as_ref().map_or_else(String::as_str, |()| "done"), "{verb}");
        assert_eq!(self.calls.made.load(Ordering::SeqCst), *calls, "calls of {verb}: {found}");
        let class = found.split('(').next().unwrap_or_default();
        *self.seen.entry(format!("{verb}: {class}")).or_default() += 1;
    }

    // The model

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
        others.sort_by_key(|key| is_remote(*key)); // The sort is stable, so local keys come first.
        [vec![self.primary], others].concat()
    }

    /// Returns the outcome of one call to a key.
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
        // The other failures are transient; a key that was not asked may open the row now.
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

    /// Calls each sealing key once, after this many calls.
    fn expect_each(&self, mut calls: usize, how: How) -> Expected {
        for key in self.sealing_keys() {
            calls += 1;
            if let Err(error) = Self::call(calls, key, how) {
                return (calls, Err(error.replace("provider(", "wrap(")));
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
        // Wraps, and then checks the wraps.
        match self.expect_each(calls, how) {
            (calls, Ok(())) => self.expect_each(calls, how),
            failed => failed,
        }
    }

    // The operations, compared with the model

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
            assert_eq!(secret.expose_secret(), plaintext, "wrong plaintext");
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

    /// Opens each row with both forms of the operation, as the model predicts.
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
    // Every outcome of every operation must have occurred, or the test would show nothing about it.
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
        "rewrap: wrap",
        "seal: done",
        "seal: would_block",
        "seal: wrap",
    ];
    assert!(seen.keys().eq(wanted), "{seen:?}");
    assert!(seen["open: done"] > 1000, "{seen:?}");
}
