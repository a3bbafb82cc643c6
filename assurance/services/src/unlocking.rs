use sealwax::{ContextError, EncryptionContext, Envelope, Held, Keyring, Secret};

use crate::start::AnyError;

fn context(service: &str) -> Result<EncryptionContext, ContextError> {
    EncryptionContext::new([("service", service)])?.holding(Held::Keyring)
}

/// An operator, once for each new text: seals it under the key at the KMS.
pub async fn lock(kms: &Keyring, service: &str, text: &Secret) -> Result<String, AnyError> {
    text.expose_str()?.parse::<Keyring>()?;
    Ok(kms.seal_async(text, &context(service)?).await?.to_string())
}

/// Each process, at its start and at a reload: one request to the KMS.
pub async fn unlock(kms: &Keyring, service: &str, file: &str) -> Result<Keyring, AnyError> {
    let envelope: Envelope = file.trim().parse()?;
    let text = kms.open_async(&envelope, &context(service)?).await?;
    Ok(text.expose_str()?.parse()?)
}
