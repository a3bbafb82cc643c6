//! Shared by many tests: keys and contexts from a few words, and deterministic randomness.

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

/// Returns a master key that is the same for the same number, and never weak.
pub(crate) fn master_key(number: u8) -> MasterKey {
    MasterKey::from_bytes(&mut master_bytes(number)).unwrap()
}

pub(crate) fn master_bytes(number: u8) -> [u8; 32] {
    let mut bytes = [number; 32];
    bytes[31] = !number;
    bytes
}

/// Returns a keyring with `prod` as primary (material 1) and `dr` as escrow key (material 2).
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

/// Seals the usual credential for [`acme`] with [`keyring`], using randomness that starts at `seed`.
pub(crate) fn sealed(suite: Suite, seed: u8) -> Envelope {
    let mut rng = Counting(seed);
    keyring(suite).seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut rng).unwrap()
}

/// Fills buffers with bytes that count up: not random at all, and the same in every run.
pub(crate) struct Counting(pub(crate) u8);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the crate only fills buffers")
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

/// The script ran out, or a call had another length.
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

/// A remote key that always returns this body, and unwraps it to this data key.
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

/// Seals as someone with a data key would: with a generator that yields it and the IV.
pub(crate) fn forge(
    data_key: &[u8; 32],
    iv: &[u8; 12],
    context: &EncryptionContext,
    suite: Suite,
) -> Draft {
    let mut rng = Scripted(vec![[data_key.as_slice(), iv].concat()]);
    Draft::new_with_rng(&Secret::from("forged"), context, suite, &mut rng).unwrap()
}

/// Returns the name of an error's variant, as the vectors spell it.
pub(crate) fn class(error: &(impl Into<OpenError> + Clone)) -> &'static str {
    match error.clone().into() {
        OpenError::Unwrap(error) => unwrap_class(&error),
        OpenError::ContextMismatch => "context_mismatch",
        OpenError::PayloadAltered => "payload_altered",
        other => panic!("no name for this variant: {other}"),
    }
}

fn unwrap_class(error: &UnwrapError) -> &'static str {
    match error {
        UnwrapError::UnknownKey { .. } => "unknown_key",
        UnwrapError::KeyDisabled { .. } => "key_disabled",
        UnwrapError::KeyLeaked { .. } => "key_leaked",
        UnwrapError::KeyDestroyed { .. } => "key_destroyed",
        UnwrapError::WrongWrapKind { .. } => "wrong_wrap_kind",
        UnwrapError::TestKey { .. } => "test_key",
        UnwrapError::WrongKeyMaterial { .. } => "wrong_key_material",
        UnwrapError::WrapAltered { .. } => "wrap_altered",
        UnwrapError::EnvelopeAltered => "envelope_altered",
        UnwrapError::Provider { .. } => "provider",
        UnwrapError::WouldBlock { .. } => "would_block",
        other => panic!("no name for this variant: {other}"),
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    encoding::unhex(hex, true).unwrap()
}

/// Returns an error's variant and the keys it names: `wrap_altered(prod)`.
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
            | UnwrapError::TestKey { key_id, .. }
            | UnwrapError::WrongKeyMaterial { key_id, .. }
            | UnwrapError::WrapAltered { key_id, .. }
            | UnwrapError::Provider { key_id, .. }
            | UnwrapError::WouldBlock { key_id, .. },
        ) => key_id.to_string(),
        _ => return class(&error).to_owned(),
    };
    format!("{}({keys})", class(&error))
}

/// Returns the outcome of opening: `opened`, or the error as in [`open_outcome`].
pub(crate) fn opening(
    keyring: &Keyring,
    envelope: &Envelope,
    context: &EncryptionContext,
) -> String {
    open_outcome(&keyring.open(envelope, context)).replace("done", "opened")
}

/// Returns the outcome of rewrapping: `current`, `rewrapped`, or the error as in [`rewrap_outcome`].
pub(crate) fn rewrapping(keyring: &Keyring, envelope: &Envelope) -> String {
    rewrap_outcome(&keyring.rewrap(envelope)).replace("done", "rewrapped")
}

/// Returns the data key of an envelope that was sealed with [`Counting`] randomness starting at `seed`.
pub(crate) fn counted_data_key(seed: u8) -> DataKey {
    DataKey::generate_with_rng(&mut Counting(seed)).unwrap()
}

/// Wraps a data key with this master key under this id, for this suite and commitment.
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

/// An envelope in parts, each of which a test may set to anything. The reference puts them together, following the
/// format page and not the crate.
pub(crate) use crate::reference::envelope::Envelope as Parts;

impl Parts {
    /// Reads an envelope with the reference, and asserts that the crate finds the same parts.
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
        assert_eq!(parts, told.with_wraps(&wraps), "the reference and the crate disagree");
        parts
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope::from_bytes(&self.binary()).unwrap()
    }

    /// Replaces the wraps.
    pub(crate) fn with_wraps(self, wraps: &[WrappedKey]) -> Self {
        let wraps = wraps.iter().map(|wrapped| {
            let id = wrapped.key_id().as_ref().to_owned();
            (id, [&[wrapped.kind().byte()], wrapped.body()].concat())
        });
        Self { wraps: wraps.collect(), ..self }
    }

    /// Replaces the MAC with the one that someone with this data key computes.
    pub(crate) fn with_mac_under(self, data_key: &DataKey) -> Self {
        with_mac(self, data_key.expose_secret())
    }

    /// Replaces the MAC with one under 32 zeros, which are not a valid data key but are what a wiped buffer holds.
    pub(crate) fn with_mac_of_zeros(self) -> Self {
        with_mac(self, &[0; 32])
    }
}

/// The characters of base64url, in order of their values.
pub(crate) use crate::reference::encoding::URL_SAFE as BASE64URL;

/// Encodes as base64url without padding (RFC 4648 §5).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    encoding::BASE64URL.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    reference::sha256(&[bytes])
}

/// Returns the outcome of opening or verifying: `done`, or the error as in [`told`], with the kind of a provider's
/// error: `provider(prod) Throttled`.
pub(crate) fn open_outcome<T, E: Into<OpenError> + Clone>(result: &Result<T, E>) -> String {
    let Err(error) = result else { return "done".to_owned() };
    match error.clone().into() {
        OpenError::Unwrap(UnwrapError::Provider { source, .. }) => {
            format!("{} {:?}", told(error), source.kind())
        }
        error => told(&error),
    }
}

/// Returns the outcome of a seal, such as `wrap(prod) Throttled` if a key did not wrap.
pub(crate) fn seal_outcome<T>(result: &Result<T, SealError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(SealError::Random) => "random".to_owned(),
        Err(SealError::TooLong) => "too_long".to_owned(),
        Err(SealError::Wrap { key_id, source, .. }) => {
            format!("wrap({key_id}) {:?}", source.kind())
        }
        Err(SealError::WouldBlock { key_id, .. }) => format!("would_block({key_id})"),
        Err(other) => panic!("no name for this variant: {other}"),
    }
}

/// Returns the outcome of a rewrap, as in the two functions above, or `current` if there was nothing to do. A key that
/// would have to be waited for is reported the same way whether it had to unwrap or to wrap.
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
        Err(other) => panic!("no name for this variant: {other}"),
    }
}

/// Returns the outcomes of all three operations, in both of their forms; `done` if they succeed.
///
/// The order is open, verify and rewrap, then the same again for the async forms.
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
