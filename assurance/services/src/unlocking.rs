use sealwax::{ContextError, EncryptionContext, Envelope, Held, Keyring, Secret};

use crate::start::AnyError;

fn context(service: &str) -> Result<EncryptionContext, ContextError> {
    EncryptionContext::new([("service", service)])?.holding(Held::Keyring)
}

/// Seals a keyring text under the key at the KMS. An operator does this once for each new text.
pub async fn lock(kms: &Keyring, service: &str, text: &Secret) -> Result<String, AnyError> {
    text.expose_str()?.parse::<Keyring>()?;
    Ok(kms.seal_async(text, &context(service)?).await?.to_string())
}

/// Opens the text with one request to the KMS. Each process does this when it starts or reloads.
pub async fn unlock(kms: &Keyring, service: &str, file: &str) -> Result<Keyring, AnyError> {
    let envelope: Envelope = file.trim().parse()?;
    let text = kms.open_async(&envelope, &context(service)?).await?;
    Ok(text.expose_str()?.parse()?)
}
