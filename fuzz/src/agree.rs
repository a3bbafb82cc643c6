//! Assertions that the crate and the reference agree.

use sealwax::{
    EncryptionContext, Envelope, FormatError, KeyId, OpenError, RewrapError, UnwrapError,
};

use super::material::Ring;
use super::reference::envelope::{Envelope as Expected, Refused};
use super::reference::procedures::{self, Failure};

/// Asserts that both parse the input to the same fields, or both reject it for the same reason.
pub fn envelope(
    found: &Result<Envelope, FormatError>,
    expected: &Result<Expected, Refused>,
    input_len: usize,
) {
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(&fields(found), expected),
        (Err(FormatError::NewerVersion { version, .. }), Err(Refused::Version(expected))) => {
            assert_eq!(version, expected);
        }
        (Err(FormatError::Malformed { offset, .. }), Err(Refused::Malformed)) => {
            assert!(*offset <= input_len, "the fault is at byte {offset} of {input_len}");
        }
        _ => panic!("found {found:?}, expected {expected:?}"),
    }
}

/// Reads the fields of one of the crate's envelopes through its accessors.
pub fn fields(envelope: &Envelope) -> Expected {
    let wraps = envelope.wrapped_keys().map(|wrapped| {
        let id = wrapped.key_id().as_ref().to_owned();
        (id, [&[wrapped.kind().byte()], wrapped.body()].concat())
    });
    let expected = Expected {
        suite: envelope.suite().id(),
        wraps: wraps.collect(),
        commitment: envelope.commitment().to_vec(),
        mac: envelope.mac().to_vec(),
        iv: envelope.iv().to_vec(),
        tag: envelope.tag().to_vec(),
        ciphertext: envelope.ciphertext().to_vec(),
    };
    assert!(ids(&envelope.key_ids().collect::<Vec<_>>()).eq(expected.wraps.iter().map(|w| &w.0)));
    expected
}

fn ids(ids: &[KeyId]) -> impl Iterator<Item = &str> {
    ids.iter().map(AsRef::as_ref)
}

/// Asserts that every operation gives the same result for an envelope. Returns the plaintext if it
/// opens.
pub fn verdicts(
    ring: &Ring,
    envelope: &Envelope,
    expected: &Expected,
    context: &EncryptionContext,
) -> Option<Vec<u8>> {
    let Ring { keyring, reference } = ring;
    let opened = keyring.open(envelope, context);
    let opened = opened.map(|secret| secret.expose_secret().to_vec()).map_err(|e| failure(&e));
    assert_eq!(opened, procedures::open(reference, expected, context.encoded()));
    let verified = keyring.verify(envelope).map_err(|error| unwrap_failure(&error));
    assert_eq!(verified, procedures::verify(reference, expected));
    assert_eq!(keyring.is_current(envelope), procedures::is_current(reference, expected));

    let rewrapped = keyring.rewrap(envelope).map_err(|error| rewrap_failure(&error));
    let fresh = rewrapped.as_ref().map(|fresh| fresh.as_ref().map(fields)).map_err(Clone::clone);
    assert_eq!(fresh, procedures::rewrap(reference, expected));
    if let Ok(Some(fresh)) = rewrapped {
        assert!(keyring.is_current(&fresh));
        // A rewrap repairs nothing.
        let reopened = keyring.open(&fresh, context).map(|secret| secret.expose_secret().to_vec());
        assert_eq!(reopened.map_err(|error| failure(&error)), opened);
    }
    opened.ok()
}

pub fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Unwrap(error) => unwrap_failure(error),
        OpenError::ContextMismatch => Failure::ContextMismatch,
        OpenError::PayloadAltered => Failure::PayloadAltered,
        other => panic!("the reference has no such error: {other}"),
    }
}

pub fn unwrap_failure(error: &UnwrapError) -> Failure {
    match error {
        UnwrapError::UnknownKey { key_ids, .. } => {
            Failure::UnknownKey(ids(key_ids).map(str::to_owned).collect())
        }
        UnwrapError::KeyDisabled { key_id, .. } => Failure::KeyDisabled(key_id.to_string()),
        UnwrapError::KeyLeaked { key_id, .. } => Failure::KeyLeaked(key_id.to_string()),
        UnwrapError::KeyDestroyed { key_id, .. } => Failure::KeyDestroyed(key_id.to_string()),
        UnwrapError::WrongWrapKind { key_id, .. } => Failure::WrongWrapKind(key_id.to_string()),
        UnwrapError::WrongKeyMaterial { key_id, .. } => {
            Failure::WrongKeyMaterial(key_id.to_string())
        }
        UnwrapError::WrapAltered { key_id, .. } => Failure::WrapAltered(key_id.to_string()),
        UnwrapError::EnvelopeAltered => Failure::EnvelopeAltered,
        UnwrapError::WouldBlock { key_id, .. } => Failure::WouldBlock(key_id.to_string()),
        UnwrapError::Provider { key_id, source, .. } => {
            Failure::Provider { key_id: key_id.to_string(), may_pass: source.is_transient() }
        }
        other => panic!("the reference has no such error: {other}"),
    }
}

pub fn rewrap_failure(error: &RewrapError) -> Failure {
    match error {
        RewrapError::Unwrap(error) => unwrap_failure(error),
        RewrapError::WouldBlock { key_id, .. } => Failure::WouldBlock(key_id.to_string()),
        RewrapError::Wrap { key_id, source, .. } => {
            Failure::Provider { key_id: key_id.to_string(), may_pass: source.is_transient() }
        }
        other => panic!("the reference has no such error: {other}"),
    }
}
