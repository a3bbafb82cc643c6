//! An envelope with bytes exchanged opens only if it is still what was sealed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret, Suite};

struct Row {
    keyring: Keyring,
    next: Keyring,
    context: EncryptionContext,
    envelope: Envelope,
}

fn row(suite: Suite) -> Row {
    let text = MasterKey::generate().unwrap().to_text();
    let key = || text.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let id = |id: &str| id.parse().unwrap();
    let keyring = Keyring::new(id("prod"), key())
        .with_escrow(id("dr"), MasterKey::generate().unwrap())
        .unwrap()
        .with_suite(suite);
    let next = Keyring::new(id("next"), MasterKey::generate().unwrap())
        .with_retired(id("prod"), key())
        .unwrap();
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let envelope = keyring.seal(&Secret::from("a credential"), &context).unwrap();
    Row { keyring, next, context, envelope }
}

static ROWS: LazyLock<[Row; 2]> =
    LazyLock::new(|| [row(Suite::Aes256Gcm), row(Suite::ChaCha20Poly1305)]);

// Triples of offset (two bytes) and mask; the first byte chooses the suite.
fuzz_target!(|input: &[u8]| {
    let Some((suite, changes)) = input.split_first() else { return };
    let row = &ROWS[usize::from(suite & 1)];
    let mut bytes = row.envelope.as_bytes().to_vec();
    let len = bytes.len();
    for change in changes.chunks_exact(3) {
        bytes[usize::from(u16::from_be_bytes([change[0], change[1]])) % len] ^= change[2];
    }
    let Ok(envelope) = Envelope::try_from(bytes) else { return };
    let unchanged = envelope == row.envelope;
    assert_eq!(row.keyring.open(&envelope, &row.context).is_ok(), unchanged);
    if let Ok(Some(fresh)) = row.next.rewrap(&envelope) {
        assert_eq!(row.next.open(&fresh, &row.context).is_ok(), unchanged);
    }
});
