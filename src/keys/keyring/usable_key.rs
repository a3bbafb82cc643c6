//! A key that opens, and who holds it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use crate::key_id::KeyId;
use crate::keys::data_key::DataKey;
use crate::keys::master_key::MasterKey;
use crate::keys::provider::{
    Binding, MasterKeyProvider, ProviderError, UnwrapRequest, WrapRequest,
};
use crate::secret::wipe_stack;
use crate::suite::{COMMITMENT_LEN, KEY_LEN, Suite};
use crate::wrapped_key::{LOCAL_BODY_LEN, WrapKind};

/// A key that opens.
#[derive(Clone)]
pub(crate) struct UsableKey {
    pub(crate) key_id: KeyId,
    holder: Holder,
}

/// A master key in memory is known as what it is: a verb that wipes its stack asks it there, without
/// a box for the data key, an allocation for the body, and another wipe.
#[derive(Clone)]
enum Holder {
    Memory(Arc<MasterKey>),
    Provider(Arc<dyn MasterKeyProvider>),
}

/// The body of a wrap that was just made.
pub(crate) enum Body {
    Local([u8; LOCAL_BODY_LEN]),
    Answered(Vec<u8>),
}

impl Body {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Local(body) => body,
            Self::Answered(body) => body,
        }
    }
}

impl UsableKey {
    pub(super) fn new(key_id: KeyId, key: impl MasterKeyProvider + 'static) -> Self {
        let key = Arc::new(key);
        let any: Arc<dyn Any + Send + Sync> = key.clone();
        let holder = match any.downcast::<MasterKey>() {
            Ok(key) => Holder::Memory(key),
            Err(any) => match any.downcast::<Arc<MasterKey>>() {
                Ok(key) => Holder::Memory(Arc::clone(&key)),
                Err(_) => Holder::Provider(key),
            },
        };
        Self { key_id, holder }
    }

    /// The key as any other provider.
    pub(crate) fn provider(&self) -> &dyn MasterKeyProvider {
        match &self.holder {
            Holder::Memory(key) => key,
            Holder::Provider(provider) => provider,
        }
    }

    pub(crate) fn kind(&self) -> WrapKind {
        self.provider().kind()
    }

    pub(crate) fn is_local(&self) -> bool {
        self.kind() == WrapKind::Local
    }

    /// Wraps a data key; none where the answer would come later. The stack is the caller's to wipe.
    pub(crate) fn wrap_now(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        data_key: &[u8; KEY_LEN],
    ) -> Option<Result<Body, ProviderError>> {
        match &self.holder {
            Holder::Memory(key) => {
                let binding = Binding::new(&self.key_id, suite, commitment);
                Some(key.wrap(&binding, data_key).map(Body::Local))
            }
            Holder::Provider(provider) => {
                wipe_stack();
                let data_key = DataKey::copy_of(data_key);
                let request = WrapRequest::new(&self.key_id, suite, commitment, &data_key);
                let answer = provider.wrap_key(request).into_now()?;
                Some(answer.map(Body::Answered))
            }
        }
    }

    /// Unwraps into `data_key`; none where the answer would come later. The stack is the caller's
    /// to wipe.
    pub(crate) fn unwrap_now(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        body: &[u8],
        data_key: &mut [u8; KEY_LEN],
    ) -> Option<Result<(), ProviderError>> {
        match &self.holder {
            Holder::Memory(key) => {
                Some(key.unwrap(&Binding::new(&self.key_id, suite, commitment), body, data_key))
            }
            Holder::Provider(provider) => {
                wipe_stack();
                let request = UnwrapRequest::new(&self.key_id, suite, commitment, body);
                let answer = provider.unwrap_key(request).into_now()?;
                Some(answer.map(|unwrapped| data_key.copy_from_slice(unwrapped.expose_secret())))
            }
        }
    }
}
