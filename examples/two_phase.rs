//! Seals and opens without a provider, for callers that have their own transport to a KMS: the
//! library encrypts and decrypts, and the caller wraps and unwraps the data key.
//!
//! `cargo run --example two_phase` prints:
//!
//! ```text
//! sealed for kms/eu, with a wrap of 60 bytes
//! opened 28 bytes: Secret([REDACTED])
//! moved to kms/us: ["kms/us"]
//! the same wrap in another row: the service rejects it
//! ```

use std::error::Error;

use sealwax::{
    DataKey, Draft, EncryptionContext, Envelope, KeyId, KeyWrapper, MasterKey, MasterKeyProvider,
    Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

fn main() -> Result<(), Box<dyn Error>> {
    let (eu, us) = (Service::new("kms/eu")?, Service::new("kms/us")?);
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "7")])?;
    let secret = Secret::from("sk-not-a-real-key-0123456789");

    // Draft the envelope, have the data key wrapped and bound to this row, then finish.
    let draft = Draft::new(&secret, &context, Suite::default())?;
    let wrapped = eu.wrap(draft.wrap_request(&eu.key_id))?;
    println!("sealed for kms/eu, with a wrap of {} bytes", wrapped.body().len());
    let envelope = draft.finish(vec![wrapped])?;

    // Have the data key unwrapped, then open.
    let opened = envelope.open_with(&eu.unwrap(&envelope)?, &context)?;
    println!("opened {} bytes: {opened:?}", opened.len());
    assert_eq!(opened, secret);

    // To move to another service, unwrap with one and wrap with the other. The payload is
    // unchanged.
    let data_key = eu.unwrap(&envelope)?;
    let request = WrapRequest::new(&us.key_id, envelope.suite(), envelope.commitment(), &data_key);
    let moved = envelope.rewrap_with(&data_key, vec![us.wrap(request)?])?;
    println!("moved to kms/us: {:?}", moved.key_ids().map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(moved.ciphertext(), envelope.ciphertext());
    assert_eq!(moved.open_with(&us.unwrap(&moved)?, &context)?, secret);

    // A wrap that is bound to one row does not unwrap in another.
    let draft = Draft::new(&secret, &context, Suite::default())?;
    let forged = draft.finish(envelope.wrapped_keys().collect())?;
    match eu.unwrap(&forged) {
        Ok(_) => println!("the same wrap in another row: the service unwraps it"),
        Err(_) => println!("the same wrap in another row: the service rejects it"),
    }
    Ok(())
}

const NOT_READY: &str = "a key in memory is always ready";

/// Stands in for a KMS that binds associated data. A real one is across the network.
struct Service {
    key_id: KeyId,
    key: MasterKey,
}

impl Service {
    fn new(key_id: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self { key_id: key_id.parse()?, key: MasterKey::generate()? })
    }

    fn wrap(&self, request: WrapRequest<'_>) -> Result<WrappedKey, Box<dyn Error>> {
        // Your call goes here: encrypt request.data_key(), bound to request.associated_data().
        let body = self.key.wrap_key(request).into_ready().map_err(|_| NOT_READY)??;
        Ok(WrappedKey::new(self.key_id.clone(), WrapKind::Provider, &body)?)
    }

    fn unwrap(&self, envelope: &Envelope) -> Result<DataKey, Box<dyn Error>> {
        let wrapped = envelope.wrapped_keys().find(|wrapped| wrapped.key_id() == &self.key_id);
        let wrapped = wrapped.ok_or("no wrap for this service")?;
        let (suite, commitment) = (envelope.suite(), envelope.commitment());
        let request = UnwrapRequest::new(&self.key_id, suite, commitment, wrapped.body());
        // Your call goes here: decrypt request.body(), bound to request.associated_data().
        Ok(self.key.unwrap_key(request).into_ready().map_err(|_| NOT_READY)??)
    }
}
