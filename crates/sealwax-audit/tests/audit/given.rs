//! What the tests share: keys that count up, and a sink in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sealwax::{KeyId, ProviderFuture, RecorderError};
use sealwax_audit::{
    Action, Anchor, Appended, AuditKey, AuditKeys, AuditLog, AuditSink, Record, verify,
};
use sha2::Sha256;

pub(crate) type Reply<'a, T> = ProviderFuture<'a, Result<T, RecorderError>>;

pub(crate) fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

/// Returns the key whose bytes count up from `first`.
pub(crate) fn key(first: u8) -> AuditKey {
    let mut bytes: Vec<u8> = (first..first + 32).collect();
    AuditKey::from_bytes(&mut bytes).unwrap()
}

/// Returns keys with one key, the primary.
pub(crate) fn only(key_id: &str, first: u8) -> AuditKeys {
    AuditKeys::new(id(key_id), key(first)).unwrap()
}

/// A sink in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) chains: Mutex<BTreeMap<String, Vec<Record>>>,
    pub(crate) raced: AtomicU64,
}

impl Memory {
    /// A sink that has one chain.
    pub(crate) fn with(chain: &[Record]) -> Self {
        let memory = Self::default();
        memory.chains.lock().unwrap().insert(chain[0].subject.clone(), chain.to_vec());
        memory
    }

    pub(crate) fn chain(&self, subject: &str) -> Vec<Record> {
        self.chains.lock().unwrap().get(subject).cloned().unwrap_or_default()
    }

    pub(crate) fn last_of(&self, subject: &str) -> Option<Record> {
        self.chains.lock().unwrap().get(subject)?.last().cloned()
    }

    pub(crate) fn insert(&self, record: &Record, after: Option<&[u8; 32]>) -> Appended {
        let mut chains = self.chains.lock().unwrap();
        let chain = chains.entry(record.subject.clone()).or_default();
        let last = chain.last().map(|last| (last.number, &last.mac));
        if last != after.map(|mac| (record.number - 1, mac)) {
            self.raced.fetch_add(1, Ordering::Relaxed);
            return Appended::Raced;
        }
        chain.push(record.clone());
        Appended::Done
    }
}

impl AuditSink for Memory {
    fn last<'a>(&'a self, subject: &'a str) -> Reply<'a, Option<Record>> {
        let last = self.last_of(subject);
        // So that another writer comes in between.
        std::thread::yield_now();
        ProviderFuture::ready(Ok(last))
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> Reply<'a, Appended> {
        let appended = self.insert(record, after);
        if appended == Appended::Raced {
            // As the documentation advises. Otherwise the same writers could lose again and again.
            let raced = self.raced.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_micros(raced * 7919 % 500));
        }
        ProviderFuture::ready(Ok(appended))
    }
}

/// Returns a log whose clock counts from 1,790,000,000,000 milliseconds.
pub(crate) fn log<S: AuditSink>(keys: AuditKeys, sink: S) -> AuditLog<S> {
    let clock = AtomicU64::new(1_790_000_000_000);
    AuditLog::new(keys, sink, move || clock.fetch_add(1, Ordering::Relaxed))
}

/// Waits for nothing: the sink is ready.
pub(crate) fn now<T>(future: ProviderFuture<'_, T>) -> T {
    future.into_ready().unwrap_or_else(|_| panic!("the sink is ready"))
}

/// Appends entries of two kinds: with all fields, and with as few as possible.
pub(crate) fn append(log: &AuditLog<impl AuditSink>, subject: &str, count: u8) -> Vec<Anchor> {
    let context = sealwax::EncryptionContext::new([("tenant", subject), ("row", "42")]).unwrap();
    let key_id = id("prod-2026");
    let appended = (0..count).map(|n| {
        let commitment = [n; 32];
        let full = Action {
            key_id: Some(&key_id),
            commitment: Some(&commitment),
            context: Some(&context),
            ..Action::new("open", "mia", "ticket 7", "opened")
        };
        let action = if n % 2 == 0 { full } else { Action::new("noted", "ops", "", "") };
        now(log.append(subject, action)).unwrap()
    });
    appended.collect()
}

/// Returns a chain of nine entries: three under `audit-2026`, the two that hand over to its next step, and four under it;
/// and the keys that verify it.
pub(crate) fn chain(subject: &str) -> (AuditKeys, Vec<Record>) {
    let first = log(only("audit-2026", 0), Memory::default());
    append(&first, subject, 3);
    let ratcheted = only("audit-2026", 0).ratcheted().unwrap();
    let second = log(ratcheted, Memory::with(&first.sink().chain(subject)));
    now(second.hand_over(subject, "ops", "daily")).unwrap().unwrap();
    append(&second, subject, 4);
    let chain = second.sink().chain(subject);
    let keys = only("audit-2026", 0);
    assert_eq!(verify(&keys, subject, &chain, &[]).unwrap().last.unwrap().number, 9);
    (keys, chain)
}

/// Computes a MAC as the page says, also of an entry that a log does not append.
pub(crate) fn mac(key: &[u8; 32], before: &[u8; 32], record: &Record) -> [u8; 32] {
    let entry = &record.entry;
    let fields: [&[u8]; 8] = [
        &entry.time.to_be_bytes(),
        entry.action.as_bytes(),
        entry.who.as_bytes(),
        entry.why.as_bytes(),
        entry.outcome.as_bytes(),
        entry.key_id.as_ref().map_or("", AsRef::as_ref).as_bytes(),
        entry.commitment.as_ref().map_or(&[], <[u8; 32]>::as_slice),
        entry.context.as_ref().map_or(&[], <[u8; 32]>::as_slice),
    ];
    let sized = |field: &[u8]| [&(field.len() as u16).to_be_bytes(), field].concat();
    let fields: Vec<u8> = fields.iter().flat_map(|field| sized(field)).collect();
    let (key_id, subject) = (record.audit_key.as_ref(), sized(record.subject.as_bytes()));
    let chain = [&[key_id.len() as u8], key_id.as_bytes(), &subject].concat();
    let number = record.number.to_be_bytes();
    hmac(key, &[b"swa1/entry", chain.as_slice(), before, &number, &fields, &[1]].concat())
}

pub(crate) fn hmac(key: &[u8; 32], data: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(data).finalize().into_bytes().into()
}
