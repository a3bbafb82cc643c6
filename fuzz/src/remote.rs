//! Keys at a service that only masks a data key, and that replies as it is told to.

use std::future;

use sealwax::{
    DataKey, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind, ProviderFuture,
    UnwrapRequest, WrapKind, WrapRequest,
};

use super::reference::Key;
use super::reference::keyring::is_weak;
use super::reference::procedures::Failure;

/// How the service treats a wrapped key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Opens,
    /// The caller has to wait.
    Blocks,
    Throttled,
    /// The service refuses, now and later.
    Denied,
}

impl Mode {
    pub const ALL: [Self; 4] = [Self::Opens, Self::Blocks, Self::Throttled, Self::Denied];
}

const MASK: u8 = 0x55;

/// Returns the body of a wrap.
pub fn body(dek: &Key) -> Vec<u8> {
    dek.iter().map(|byte| byte ^ MASK).collect()
}

/// Returns the data key in a body, if there is one.
fn data_key(body: &[u8]) -> Option<Key> {
    let key: Key = self::body(body.try_into().ok()?).try_into().ok()?;
    (!is_weak(&key)).then_some(key)
}

/// Returns what a keyring makes of the reply.
pub fn answer(mode: Mode, key_id: &str, body: &[u8]) -> Result<Key, Failure> {
    let key_id = key_id.to_owned();
    match mode {
        Mode::Opens => data_key(body).ok_or(Failure::WrapAltered(key_id)),
        Mode::Blocks => Err(Failure::WouldBlock(key_id)),
        Mode::Throttled => Err(Failure::Provider { key_id, may_pass: true }),
        Mode::Denied => Err(Failure::Provider { key_id, may_pass: false }),
    }
}

#[derive(Debug)]
pub struct Remote(pub Mode);

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        panic!("a retired key wraps nothing")
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }
}

impl MasterKeyProvider for Remote {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let error = |kind: ProviderErrorKind| ProviderFuture::ready(Err(kind.into()));
        match self.0 {
            Mode::Opens => match data_key(request.body()) {
                Some(mut key) => ProviderFuture::ready(Ok(DataKey::from_bytes(&mut key).unwrap())),
                None => error(ProviderErrorKind::Rejected),
            },
            Mode::Blocks => ProviderFuture::boxed(future::pending()),
            Mode::Throttled => error(ProviderErrorKind::Throttled),
            Mode::Denied => error(ProviderErrorKind::Denied),
        }
    }
}
