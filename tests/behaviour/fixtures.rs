//! What many tests need: keys and contexts from a few words, and randomness that is written down.

use std::convert::Infallible;
use std::error::Error;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    DataKey, Draft, EncryptionContext, Envelope, KeyId, KeyWrapper, Keyring, MasterKey, OpenError,
    ProviderFuture, UnwrapError,
};
use sealwax::{
    MasterKeyProvider, ProviderError, RewrapError, SealError, Secret, Suite, UnwrapRequest,
};
use sealwax::{WrapRequest, WrappedKey};

use crate::reference::procedures::with_mac;
use crate::reference::{self, encoding};

pub(crate) const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

/// A credential of the usual length, 51 bytes.
pub(crate) const CREDENTIAL: &str = "sk-test-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

pub(crate) fn key_id(id: &str) -> KeyId {
    id.parse().unwrap()
}

/// A master key that is the same for the same number, and never a weak one.
pub(crate) fn master_key(number: u8) -> MasterKey {
    MasterKey::from_bytes(&mut master_bytes(number)).unwrap()
}

pub(crate) fn master_bytes(number: u8) -> [u8; 32] {
    let mut bytes = [number; 32];
    bytes[31] = !number;
    bytes
}

/// `prod` as primary (material 1) and `dr` as escrow (material 2).
pub(crate) fn keyring(suite: Suite) -> Keyring {
    Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_escrow(key_id("dr"), master_key(2))
        .unwrap()
        .with_suite(suite)
}

pub(crate) fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    EncryptionContext::new(pairs.iter().copied()).unwrap()
}

pub(crate) fn acme() -> EncryptionContext {
    context(&[("tenant", "acme"), ("provider", "openai"), ("row", "1")])
}

/// The usual credential, sealed for [`acme`] by [`keyring`], from randomness that starts at `seed`.
pub(crate) fn sealed(suite: Suite, seed: u8) -> Envelope {
    let mut rng = Counting(seed);
    keyring(suite).seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut rng).unwrap()
}

/// Fills with bytes that count up. Anything but random, and the same on every run.
pub(crate) struct Counting(pub(crate) u8);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the crate fills buffers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the crate fills buffers")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}

/// Yields exactly these bytes, in calls of exactly their lengths, and fails after the last.
pub(crate) struct Scripted(pub(crate) Vec<Vec<u8>>);

/// A script that ran out, or a call of another length.
#[derive(Debug)]
pub(crate) struct OffScript;

impl std::fmt::Display for OffScript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("off script")
    }
}

impl Error for OffScript {}

impl TryRng for Scripted {
    type Error = OffScript;

    fn try_next_u32(&mut self) -> Result<u32, OffScript> {
        Err(OffScript)
    }

    fn try_next_u64(&mut self) -> Result<u64, OffScript> {
        Err(OffScript)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), OffScript> {
        if self.0.first().is_none_or(|next| next.len() != bytes.len()) {
            return Err(OffScript);
        }
        bytes.copy_from_slice(&self.0.remove(0));
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

/// A remote key that always answers this body, and unwraps it to this data key.
pub(crate) struct Opaque {
    pub(crate) body: Vec<u8>,
    pub(crate) data_key: [u8; 32],
}

impl KeyWrapper for Opaque {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        assert_eq!(request.data_key().expose_secret(), &self.data_key);
        ProviderFuture::ready(Ok(self.body.clone()))
    }
}

impl MasterKeyProvider for Opaque {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        assert_eq!(request.body(), self.body);
        ProviderFuture::ready(Ok(DataKey::from_bytes(&mut self.data_key.clone()).unwrap()))
    }
}

/// What somebody seals who has a data key: a generator that yields it, and the iv.
pub(crate) fn forge(
    data_key: &[u8; 32],
    iv: &[u8; 12],
    context: &EncryptionContext,
    suite: Suite,
) -> Draft {
    let mut rng = Scripted(vec![[data_key.as_slice(), iv].concat()]);
    Draft::new_with_rng(&Secret::from("forged"), context, suite, &mut rng).unwrap()
}

/// The name of an error's variant, as the vectors call it.
pub(crate) fn class(error: &(impl Into<OpenError> + Clone)) -> &'static str {
    match error.clone().into() {
        OpenError::Unwrap(error) => unwrap_class(&error),
        OpenError::ContextMismatch => "context_mismatch",
        OpenError::PayloadAltered => "payload_altered",
        other => panic!("a variant without a name: {other}"),
    }
}

fn unwrap_class(error: &UnwrapError) -> &'static str {
    match error {
        UnwrapError::UnknownKey { .. } => "unknown_key",
        UnwrapError::KeyDisabled { .. } => "key_disabled",
        UnwrapError::KeyLeaked { .. } => "key_leaked",
        UnwrapError::KeyDestroyed { .. } => "key_destroyed",
        UnwrapError::WrongWrapKind { .. } => "wrong_wrap_kind",
        UnwrapError::WrongKeyMaterial { .. } => "wrong_key_material",
        UnwrapError::WrapAltered { .. } => "wrap_altered",
        UnwrapError::EnvelopeAltered => "envelope_altered",
        UnwrapError::Provider { .. } => "provider",
        UnwrapError::WouldBlock { .. } => "would_block",
        other => panic!("a variant without a name: {other}"),
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    encoding::unhex(hex, true).unwrap()
}

/// An error's variant and the keys it names: `wrap_altered(prod)`.
pub(crate) fn told(error: &(impl Into<OpenError> + Clone)) -> String {
    let error = error.clone().into();
    let keys = match &error {
        OpenError::Unwrap(UnwrapError::UnknownKey { key_ids, .. }) => {
            key_ids.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
        }
        OpenError::Unwrap(
            UnwrapError::KeyDisabled { key_id, .. }
            | UnwrapError::KeyLeaked { key_id, .. }
            | UnwrapError::KeyDestroyed { key_id, .. }
            | UnwrapError::WrongWrapKind { key_id, .. }
            | UnwrapError::WrongKeyMaterial { key_id, .. }
            | UnwrapError::WrapAltered { key_id, .. }
            | UnwrapError::Provider { key_id, .. }
            | UnwrapError::WouldBlock { key_id, .. },
        ) => key_id.to_string(),
        _ => return class(&error).to_owned(),
    };
    format!("{}({keys})", class(&error))
}

/// What opening came to: `opened`, or the error as in [`open_outcome`].
pub(crate) fn opening(
    keyring: &Keyring,
    envelope: &Envelope,
    context: &EncryptionContext,
) -> String {
    open_outcome(&keyring.open(envelope, context)).replace("done", "opened")
}

/// What rewrapping came to: `current`, `rewrapped`, or the error as in [`rewrap_outcome`].
pub(crate) fn rewrapping(keyring: &Keyring, envelope: &Envelope) -> String {
    rewrap_outcome(&keyring.rewrap(envelope)).replace("done", "rewrapped")
}

/// The data key of what was sealed from [`Counting`] randomness that started at `seed`.
pub(crate) fn counted_data_key(seed: u8) -> DataKey {
    DataKey::generate_with_rng(&mut Counting(seed)).unwrap()
}

/// A data key as this master key wraps it under this id for this suite and commitment.
pub(crate) fn wrap(
    key: &MasterKey,
    id: &str,
    suite: Suite,
    commitment: &[u8; 32],
    data_key: &DataKey,
) -> WrappedKey {
    let id = key_id(id);
    let answer = key.wrap_key(WrapRequest::new(&id, suite, commitment, data_key));
    let body = answer.into_ready().unwrap().unwrap();
    WrappedKey::new(id, key.kind(), &body).unwrap()
}

/// An envelope in parts, each of which a test may fill with anything, put together by the reference: as the
/// format page says and not by the crate.
pub(crate) use crate::reference::envelope::Envelope as Parts;

impl Parts {
    /// Read by the reference; the crate finds the same in it.
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let parts = Self::from_binary(envelope.as_bytes()).unwrap();
        let wraps: Vec<WrappedKey> = envelope.wrapped_keys().collect();
        let told = Self {
            suite: envelope.suite().id(),
            wraps: Vec::new(),
            commitment: envelope.commitment().to_vec(),
            mac: envelope.mac().to_vec(),
            iv: envelope.iv().to_vec(),
            tag: envelope.tag().to_vec(),
            ciphertext: envelope.ciphertext().to_vec(),
        };
        assert_eq!(parts, told.with_wraps(&wraps), "the reference and the crate");
        parts
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope::from_bytes(&self.binary()).unwrap()
    }

    /// The wraps exchanged for these.
    pub(crate) fn with_wraps(self, wraps: &[WrappedKey]) -> Self {
        let wraps = wraps.iter().map(|wrapped| {
            let id = wrapped.key_id().as_ref().to_owned();
            (id, [&[wrapped.kind().byte()], wrapped.body()].concat())
        });
        Self { wraps: wraps.collect(), ..self }
    }

    /// The mac as somebody computes it who has this data key.
    pub(crate) fn with_mac_under(self, data_key: &DataKey) -> Self {
        with_mac(self, data_key.expose_secret())
    }

    /// The mac under what a data key may not be, 32 zeros: what a wiped buffer holds.
    pub(crate) fn with_mac_of_zeros(self) -> Self {
        with_mac(self, &[0; 32])
    }
}

/// The characters of base64url, in the order of what they stand for.
pub(crate) use crate::reference::encoding::URL_SAFE as BASE64URL;

/// base64url without padding (RFC 4648 §5).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    encoding::BASE64URL.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    reference::sha256(&[bytes])
}

/// What became of an attempt to open or verify: `done`, or the error as [`told`], with the kind of
/// a provider's error: `provider(prod) Throttled`.
pub(crate) fn open_outcome<T, E: Into<OpenError> + Clone>(result: &Result<T, E>) -> String {
    let Err(error) = result else { return "done".to_owned() };
    match error.clone().into() {
        OpenError::Unwrap(UnwrapError::Provider { source, .. }) => {
            format!("{} {:?}", told(error), source.kind())
        }
        error => told(&error),
    }
}

/// What became of a seal: `wrap(prod) Throttled` where a key did not wrap.
pub(crate) fn seal_outcome<T>(result: &Result<T, SealError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(SealError::Random) => "random".to_owned(),
        Err(SealError::TooLong) => "too_long".to_owned(),
        Err(SealError::Wrap { key_id, source, .. }) => {
            format!("wrap({key_id}) {:?}", source.kind())
        }
        Err(SealError::WouldBlock { key_id, .. }) => format!("would_block({key_id})"),
        Err(other) => panic!("a variant without a name: {other}"),
    }
}

/// What became of a rewrap, as in the two above; `current` where there was nothing to do. A key that would have had
/// to be waited for is told alike, whether it was to unwrap or to wrap.
pub(crate) fn rewrap_outcome(result: &Result<Option<Envelope>, RewrapError>) -> String {
    match result {
        Ok(Some(_)) => "done".to_owned(),
        Ok(None) => "current".to_owned(),
        Err(RewrapError::Unwrap(error)) => open_outcome(&Err::<(), _>(error.clone())),
        Err(RewrapError::Wrap { key_id, source, .. }) => {
            format!("wrap({key_id}) {:?}", source.kind())
        }
        Err(RewrapError::WouldBlock { key_id, .. }) => format!("would_block({key_id})"),
        Err(RewrapError::Unverified { key_id, .. }) => format!("unverified({key_id})"),
        Err(RewrapError::InvalidWraps { .. }) => "invalid_wraps".to_owned(),
        Err(other) => panic!("a variant without a name: {other}"),
    }
}

/// What all three verbs came to, in both of their forms; `done` where they went through.
///
/// Opened, verified and rewrapped; then the same again, waiting.
pub(crate) fn verdicts(
    ring: &Keyring,
    envelope: &Envelope,
    context: &EncryptionContext,
) -> [String; 6] {
    use pollster::block_on;
    [
        open_outcome(&ring.open(envelope, context)),
        open_outcome(&ring.verify(envelope)),
        rewrap_outcome(&ring.rewrap(envelope)),
        open_outcome(&block_on(ring.open_async(envelope, context))),
        open_outcome(&block_on(ring.verify_async(envelope))),
        rewrap_outcome(&block_on(ring.rewrap_async(envelope))),
    ]
}
