//! The witness of a job that writes: an envelope that is sealed when the job is planned, and that every worker has to
//! open.
//!
//! A fingerprint tells the ids of remote keys, and not where they are. So a worker could wrap for a key of another service
//! with the same id, such as one for tests.

use sealwax::{EncryptionContext, Envelope, KeyId, KeyState, Keyring, OpenError, Secret, UnwrapError};

use crate::plan::PlanError;

/// Seals a witness. What it holds is public.
pub(crate) async fn seal(ring: &Keyring) -> Result<Envelope, PlanError> {
    let sealed = ring.seal_async(&Secret::from("witness"), &context()).await;
    sealed.map_err(|source| PlanError::Witness { source })
}

/// Unwraps a witness, with each of the keys that it is wrapped for and that can unwrap.
pub(crate) async fn open(ring: &Keyring, witness: &Envelope) -> Result<(), OpenError> {
    // Not opened: it is no credential, so the keyring's recorder has nothing to do with it.
    ring.verify_async(witness).await?;
    // One right key was enough for that, so a wrong one may be behind it.
    let is_offline = |id: KeyId| ring.state(id.as_ref()) == Some(KeyState::OfflineEscrow);
    for alone in with_each_wrap_alone(witness) {
        // It opens nothing. Of a sealing key, the fingerprint has the check value; of a key at a service, nobody knows here
        // which one it is.
        if alone.key_ids().all(is_offline) {
            continue;
        }
        match ring.verify_async(&alone).await {
            // A keyring says so only after the key has unwrapped: the other wraps are missing.
            Err(UnwrapError::EnvelopeAltered) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Returns the same envelope without all wraps but one, for each of them.
fn with_each_wrap_alone(envelope: &Envelope) -> Vec<Envelope> {
    let text = envelope.to_string();
    // The format, the suite, the wraps, and the rest. No key id has a colon or a comma.
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    let [format, suite, wraps, rest] = parts.as_slice() else { return Vec::new() };
    let each = wraps.split(',').filter_map(|wrap| format!("{format}:{suite}:{wrap}:{rest}").parse().ok());
    // If it has only one wrap, it has been opened with that.
    each.filter(|alone| alone != envelope).collect()
}

/// A context that no row has, so that a witness in the place of a row does not open.
#[expect(clippy::expect_used, reason = "it is one pair, and short")]
fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "witness of a job of sealwax-sqlx")]).expect("one short pair")
}
