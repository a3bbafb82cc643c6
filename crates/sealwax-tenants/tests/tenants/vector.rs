//! Rows as an earlier version wrote them: the contexts of keys and pairs, and the text of a record, stay what they are.

use std::collections::BTreeMap;

use sealwax::{EncryptionContext, Envelope, Held, KeyState, Keyring, MasterKey};
use sealwax_tenants::{TenantId, TenantKeys, TenantRecord, Tombstone};

use crate::scene::tenant;

/// Each line has a name and a text. `\n` stands for the end of a line in the text.
const VECTOR: &str = include_str!("vector.txt");

fn texts() -> BTreeMap<&'static str, String> {
    let lines = VECTOR.lines().map(|line| line.split_once(' ').unwrap());
    let texts: BTreeMap<_, _> =
        lines.map(|(name, text)| (name, text.replace("\\n", "\n"))).collect();
    assert_eq!(texts.len(), 6);
    texts
}

/// The bytes of the root count up from 0, those of the tenant's keys from 32 and 64, and those of the pair from 96.
fn bytes(start: u8, len: u8) -> Vec<u8> {
    (start..start + len).collect()
}

fn service() -> Keyring {
    let root = MasterKey::from_bytes(&mut bytes(0, 32)).unwrap();
    Keyring::new("epoch-2026-11".parse().unwrap(), root).unwrap()
}

fn context(pairs: [(&str, &str); 2]) -> EncryptionContext {
    EncryptionContext::new(pairs).unwrap()
}

fn row() -> EncryptionContext {
    context([("tenant", "42"), ("row", "7")])
}

#[test]
fn a_stored_record_makes_its_keyring() {
    let texts = texts();
    let record = TenantRecord::from_row(tenant("42"), Some(&texts["record"]));
    let ring = TenantKeys::new(service(), []).keyring(&record).unwrap();
    let states: Vec<_> = ring.keys().map(|(key_id, state)| (key_id.as_ref(), state)).collect();
    let expected = [
        ("tenant/42@3", KeyState::Primary),
        ("tenant/42@2", KeyState::Retired),
        ("tenant/42@1", KeyState::Destroyed),
    ];
    assert_eq!(states, expected);
    for name in ["credential-2", "credential-3"] {
        let envelope: Envelope = texts[name].parse().unwrap();
        assert_eq!(ring.open(&envelope, &row()).unwrap(), "the customer's API key".into());
    }
}

#[test]
fn a_stored_key_opens_in_the_context_of_the_page() {
    let texts = texts();
    let mut opened = 0;
    for (number, line) in (2..=3).zip(texts["record"].lines().skip(1)) {
        let envelope: Envelope = line.split_once(' ').unwrap().1.parse().unwrap();
        let key = format!("tenant/42@{number}");
        let context = context([("tenant", "42"), ("key", &key)]);
        let held = service().open(&envelope, &context.holding(Held::MasterKey).unwrap()).unwrap();
        assert_eq!(held.expose_secret(), bytes(32 * (number - 1), 32));
        opened += 1;
    }
    assert_eq!(opened, 2);
}

#[test]
fn a_stored_tombstone_is_read() {
    let text = &texts()["tombstone"];
    let tombstone: Tombstone = text.parse().unwrap();
    assert_eq!(tombstone.tenant(), &TenantId::try_from("42").unwrap());
    assert_eq!(tombstone.to_string(), *text);
    // The check value in it is the root's.
    let check = u32::from_be_bytes(service().check_value("epoch-2026-11").unwrap());
    assert_eq!(*text, format!("tenant/42@3 epoch-2026-11:{check:08x} ."));
}

#[cfg(feature = "hpke")]
#[test]
fn a_stored_pair_opens_what_its_writer_sealed() {
    use sealwax_tenants::WriterPair;

    let texts = texts();
    let pair = "dashboard-2026-11".parse().unwrap();
    let pair = WriterPair::from_row(pair, texts["pair"].parse().unwrap());
    let opening_key = pair.open(&service()).unwrap();
    let held = context([("pair", "dashboard-2026-11"), ("root", "epoch-2026-11")]);
    let held = held.holding(Held::OpeningKey).unwrap();
    let held = service().open(pair.envelope(), &held).unwrap();
    assert_eq!(held.expose_secret(), bytes(96, 64));
    let reader = Keyring::new(pair.key_id().clone(), opening_key).unwrap();
    let written: Envelope = texts["written"].parse().unwrap();
    assert_eq!(reader.open(&written, &row()).unwrap(), "the customer's API key".into());
}
