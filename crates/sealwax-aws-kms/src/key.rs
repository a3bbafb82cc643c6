//! The provider itself.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType};
use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest,
    WrapRequest,
};

use crate::config::{self, BOUND, ConfigError, KEY_ID, MAX_ENTRIES};
use crate::error::{KmsError, request_id_of};

/// The longest ciphertext of AWS KMS, in bytes.
const MAX_CIPHERTEXT: usize = 6144;

/// A symmetric key in AWS KMS.
///
/// - **One request for each wrap (`Encrypt`) or unwrap (`Decrypt`)**, bound to the row by the encryption context. AWS KMS
///   has no batches: put `BranchKeys` of the crate `sealwax-branch` around it for many rows.
/// - **It stands for one key**: its ARN is fixed when it is made, each request names it, and a reply that names another
///   key is an error.
/// - **It does not wait, retry or log in**: the client does, as you configured it.
///
/// A wrap is current whatever key material made it: AWS KMS keeps old material after a rotation, and a ciphertext does
/// not say which one made it.
#[derive(Clone)]
pub struct KmsKey {
    client: Client,
    arn: String,
    /// The readable entries that the caller adds.
    entries: Vec<(String, String)>,
}

impl KmsKey {
    /// Reads the key at the service (`DescribeKey`), and returns a provider for it.
    ///
    /// `key` is an ARN, a key id, or an alias (`alias/byok`). **An alias is followed here, once**: the provider then stands
    /// for the ARN that it led to, so that rows still open after somebody has moved the alias. After you moved one on
    /// purpose, give the new key a new id in the keyring. The policy needs `kms:DescribeKey`.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such key, `Disabled` or `Unavailable` with [`KmsError::State`] if its state is
    /// not `Enabled`, `WrongKeyMaterial` if `key` is the ARN of a key and the service describes another one, and `Other`
    /// with [`KmsError::UnsuitableKey`] if it is not symmetric or not for encryption. The other errors are those of every
    /// request.
    pub async fn connect(client: Client, key: &str) -> Result<Self, ProviderError> {
        let arn = usable(&client, key).await?;
        Ok(Self { client, arn, entries: Vec::new() })
    }

    /// Returns a provider for a key that the service is not asked about.
    ///
    /// For a process that must start while the service is away, or may not call `DescribeKey`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Arn`] if `arn` is not the ARN of a key: an alias or a bare id may lead elsewhere tomorrow.
    pub fn unchecked(client: Client, arn: &str) -> Result<Self, ConfigError> {
        config::check_arn(arn)?;
        Ok(Self { client, arn: arn.to_owned(), entries: Vec::new() })
    }

    /// Adds a readable entry to the encryption context, such as `("service", "billing")`, for key policies and CloudTrail.
    ///
    /// **It must be the same for ever**: a wrap opens only with the entries that it was made with. It is in the log,
    /// unencrypted, so it must not be a secret, and not be different in every row.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the name or the value is not allowed, if the name is there already (in any case of its
    /// letters, because policies do not tell them apart), or if there are
    /// more than 8 entries.
    pub fn with_entry(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        config::check_entry(name, value)?;
        if self.entries.iter().any(|(there, _)| there.eq_ignore_ascii_case(name)) {
            return Err(ConfigError::Duplicate);
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(ConfigError::TooMany);
        }
        self.entries.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Returns the ARN of the key.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// One entry has all of the associated data, so that it does not matter how the service encodes the context.
    fn context(&self, key_id: &KeyId, associated_data: &[u8]) -> HashMap<String, String> {
        let bound = Base64UrlUnpadded::encode_string(associated_data);
        let ours = [(BOUND.to_owned(), bound), (KEY_ID.to_owned(), key_id.as_ref().to_owned())];
        self.entries.iter().cloned().chain(ours).collect()
    }

    async fn encrypt(&self, request: WrapRequest<'_>) -> Result<Vec<u8>, KmsError> {
        let operation = "Encrypt";
        let context = self.context(request.key_id(), &request.associated_data());
        let encrypt = self.client.encrypt().key_id(&self.arn).set_encryption_context(Some(context));
        // The SDK does not wipe it.
        let plaintext = Blob::new(request.data_key().expose_secret().as_slice());
        let answer = encrypt.plaintext(plaintext).send().await;
        let answer = answer.map_err(|error| KmsError::of_sdk(operation, &error))?;
        let reply = Reply { operation, request_id: request_id_of(&answer) };
        reply.check(answer.key_id(), &self.arn)?;
        let body = answer.ciphertext_blob.map(Blob::into_inner);
        body.filter(|body| has_len(body)).ok_or_else(|| reply.unreadable())
    }

    async fn decrypt(&self, request: UnwrapRequest<'_>) -> Result<DataKey, KmsError> {
        let operation = "Decrypt";
        if !has_len(request.body()) {
            return Err(KmsError::NotACiphertext { len: request.body().len() });
        }
        let context = self.context(request.key_id(), &request.associated_data());
        let decrypt = self.client.decrypt().key_id(&self.arn).set_encryption_context(Some(context));
        let answer = decrypt.ciphertext_blob(Blob::new(request.body())).send().await;
        let answer = answer.map_err(|error| KmsError::of_sdk(operation, &error))?;
        let reply = Reply { operation, request_id: request_id_of(&answer) };
        let key = reply.check(answer.key_id(), &self.arn);
        let plaintext = answer.plaintext.ok_or_else(|| reply.unreadable())?;
        // Wipes the buffer, also if this is no data key.
        let data_key = DataKey::from_bytes(&mut plaintext.into_inner());
        key?;
        data_key.map_err(|source| KmsError::NotADataKey { source, request_id: reply.request_id })
    }
}

fn has_len(ciphertext: &[u8]) -> bool {
    (1..=MAX_CIPHERTEXT).contains(&ciphertext.len())
}

/// What errors say of a reply.
struct Reply {
    operation: &'static str,
    request_id: Option<String>,
}

impl Reply {
    /// Returns an error unless the reply names the key that was asked for.
    fn check(&self, named: Option<&str>, asked: &str) -> Result<(), KmsError> {
        match named {
            Some(named) if named == asked => Ok(()),
            Some(_) => {
                let Self { operation, ref request_id } = *self;
                Err(KmsError::OtherKey { operation, request_id: request_id.clone() })
            }
            None => Err(self.unreadable()),
        }
    }

    fn unreadable(&self) -> KmsError {
        let Self { operation, ref request_id } = *self;
        KmsError::Unreadable { operation, request_id: request_id.clone() }
    }
}

/// Returns the ARN of a key, if the key can be used.
async fn usable(client: &Client, key: &str) -> Result<String, KmsError> {
    let operation = "DescribeKey";
    let described = client.describe_key().key_id(key).send().await;
    let described = described.map_err(|error| KmsError::of_sdk(operation, &error))?;
    let reply = Reply { operation, request_id: request_id_of(&described) };
    let found = described.key_metadata().and_then(|found| Some((found, found.arn()?)));
    let (found, arn) = found.ok_or_else(|| reply.unreadable())?;
    config::check_arn(arn).map_err(|_| reply.unreadable())?;
    if config::check_arn(key).is_ok() {
        reply.check(Some(arn), key)?;
    }
    if found.key_usage().is_some_and(|usage| *usage != KeyUsageType::EncryptDecrypt) {
        return Err(KmsError::UnsuitableKey { reason: "it is not for encryption" });
    }
    // An asymmetric key binds nothing, and anyone with its public key can wrap.
    if found.key_spec().is_some_and(|spec| *spec != KeySpec::SymmetricDefault) {
        return Err(KmsError::UnsuitableKey { reason: "it is not symmetric" });
    }
    match found.key_state() {
        None | Some(KeyState::Enabled) => Ok(arn.to_owned()),
        Some(state) => Err(KmsError::State { state: state.as_str().to_owned() }),
    }
}

impl KeyWrapper for KmsKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move { Ok(self.encrypt(request).await?) })
    }

    /// Reads the key, as [`connect`](KmsKey::connect) does.
    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        ProviderFuture::boxed(async { Ok(usable(&self.client, &self.arn).await.map(drop)?) })
    }
}

impl MasterKeyProvider for KmsKey {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move { Ok(self.decrypt(request).await?) })
    }
}

impl fmt::Debug for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, arn, entries } = self;
        f.debug_struct("KmsKey").field("arn", arn).field("entries", entries).finish_non_exhaustive()
    }
}
