//! Keyrings from a few words, and a service that does one thing, for the tests of bindings and of rewrapping.

use sealwax::{
    DataKey, Envelope, KeyWrapper, Keyring, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::fixtures::{counted_data_key, key_id, master_key};

/// Returns a keyring of `prod` alone; [`dr`] returns one of `dr` alone.
pub(crate) fn prod() -> Keyring {
    Keyring::new(key_id("prod"), master_key(1)).unwrap()
}

pub(crate) fn dr() -> Keyring {
    Keyring::new(key_id("dr"), master_key(2)).unwrap()
}

/// Returns a keyring with a different primary, which opens with the keys that sealed: no envelope is current under it.
pub(crate) fn next() -> Keyring {
    Keyring::new(key_id("next"), master_key(3))
        .unwrap()
        .with_retired(key_id("prod"), master_key(1))
        .unwrap()
        .with_retired(key_id("dr"), master_key(2))
        .unwrap()
}

pub(crate) fn other(suite: Suite) -> Suite {
    match suite {
        Suite::Aes256Gcm => Suite::ChaCha20Poly1305,
        _ => Suite::Aes256Gcm,
    }
}

pub(crate) fn wraps_of(envelope: &Envelope) -> Vec<WrappedKey> {
    envelope.wrapped_keys().collect()
}

/// A service that does one thing, whatever it is asked.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    /// Replies to each request by flipping bits: deterministic, and not a cipher.
    Turns(u8, WrapKind),
    /// Fails.
    Fails(ProviderErrorKind),
    /// Unwraps to a data key of no row.
    Lies,
    /// Would reply later.
    Remote,
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        match *self {
            Self::Turns(bits, _) => ProviderFuture::ready(Ok(request
                .data_key()
                .expose_secret()
                .iter()
                .map(|byte| byte ^ bits)
                .collect())),
            Self::Fails(kind) => ProviderFuture::ready(Err(kind.into())),
            Self::Lies => ProviderFuture::ready(Ok(b"lies".to_vec())),
            Self::Remote => ProviderFuture::boxed(async { Ok(b"remote".to_vec()) }),
        }
    }

    fn kind(&self) -> WrapKind {
        match *self {
            Self::Turns(_, kind) => kind,
            _ => WrapKind::Provider,
        }
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        match *self {
            Self::Turns(bits, _) => {
                let mut bytes: Vec<u8> = request.body().iter().map(|byte| byte ^ bits).collect();
                ProviderFuture::ready(DataKey::from_bytes(&mut bytes).map_err(Into::into))
            }
            Self::Fails(kind) => ProviderFuture::ready(Err(kind.into())),
            Self::Lies => ProviderFuture::ready(Ok(counted_data_key(200))),
            Self::Remote => ProviderFuture::boxed(async { Ok(counted_data_key(200)) }),
        }
    }
}

pub(crate) fn retired(ring: Keyring, id: &str, key: u8) -> Keyring {
    ring.with_retired(key_id(id), master_key(key)).unwrap()
}

pub(crate) fn escrow(ring: Keyring, id: &str, key: u8) -> Keyring {
    ring.with_escrow(key_id(id), master_key(key)).unwrap()
}

pub(crate) fn disabled(ring: Keyring, id: &str) -> Keyring {
    ring.with_disabled(key_id(id)).unwrap()
}

pub(crate) fn destroyed(ring: Keyring, id: &str) -> Keyring {
    ring.with_destroyed(key_id(id)).unwrap()
}
