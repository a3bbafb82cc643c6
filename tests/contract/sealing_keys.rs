//! Feature `hpke`: sealing keys, opening keys and sealers.

use std::str::FromStr;

use sealwax::{
    Envelope, KeyError, KeyState, KeyWrapper, Keyring, KeyringError, MasterKeyProvider, OpeningKey,
    SealError, Sealer, SealingKey, Secret, Suite, WrapKind,
};

use crate::{Steps, context, id, ring, secret};

assert_not_impl!(SealingKey: MasterKeyProvider);
assert_not_impl!(SealingKey: Clone);
assert_not_impl!(OpeningKey: Clone);
assert_not_impl!(Sealer: KeyWrapper);

#[test]
fn every_type_is_send_and_sync() {
    fn are<T: Send + Sync>() {}

    are::<(OpeningKey, SealingKey, Sealer)>();
}

#[test]
fn a_pair_is_generated_written_and_read() {
    let opening: Result<OpeningKey, KeyError> = OpeningKey::generate();
    let text: Secret = opening.unwrap().to_text();
    let opening: Result<OpeningKey, KeyError> = OpeningKey::from_str(text.expose_str().unwrap());
    let sealing: SealingKey = opening.unwrap().sealing_key();
    let text: Secret = sealing.to_text();
    let sealing: Result<SealingKey, KeyError> = text.expose_str().unwrap().parse();
    assert_eq!(sealing.unwrap().kind(), WrapKind::Hpke);
    let opening: Result<OpeningKey, KeyError> =
        OpeningKey::generate_with_rng(&mut Steps::default());
    assert_eq!(opening.unwrap().kind(), WrapKind::Hpke);
}

#[test]
fn a_sealer_seals_and_a_keyring_opens() {
    let (own, escrow) = (OpeningKey::generate().unwrap(), OpeningKey::generate().unwrap());
    let sealer: Result<Sealer, KeyringError> = Sealer::new(id("dashboard"), own.sealing_key());
    let sealer: Result<Sealer, KeyringError> =
        sealer.unwrap().with_offline_escrow(id("eu-dr"), escrow.sealing_key());
    let sealer: Sealer = sealer.unwrap().with_suite(Suite::ChaCha20Poly1305);
    let sealed: Result<Envelope, SealError> = sealer.seal(&secret(), &context());
    let sealed = sealed.unwrap();
    let again: Result<Envelope, SealError> =
        sealer.seal_with_rng(&secret(), &context(), &mut Steps::default());
    assert_eq!(again.unwrap().suite(), Suite::ChaCha20Poly1305);

    let worker: Keyring = ring().with_retired(id("dashboard"), own).unwrap();
    assert!(worker.open(&sealed, &context()).unwrap() == secret());
    let drill = Keyring::opening_only().with_escrow(id("eu-dr"), escrow).unwrap();
    assert!(drill.open(&sealed, &context()).unwrap() == secret());
}

#[test]
fn a_sealers_text_is_parsed() {
    let key = OpeningKey::generate().unwrap().sealing_key().to_text();
    let text = format!("primary dashboard {}", key.expose_str().unwrap());
    let sealer: Result<Sealer, KeyringError> = text.parse();
    assert!(sealer.is_ok());
    let sealer: Result<Sealer, KeyringError> = "".parse();
    assert!(matches!(sealer, Err(KeyringError::NoPrimary)));
}

#[test]
fn a_ring_has_an_offline_escrow() {
    let key = OpeningKey::generate().unwrap().sealing_key();
    let ring: Result<Keyring, KeyringError> = ring().with_offline_escrow(id("eu-dr"), key);
    let ring = ring.unwrap();
    assert_eq!(ring.state("eu-dr"), Some(KeyState::OfflineEscrow));
    let check: Option<[u8; 4]> = ring.check_value("eu-dr");
    assert!(check.is_some());
}
