//! A key that opens, and who holds it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use crate::format::key_id::KeyId;
use crate::format::sizes::{COMMITMENT_LEN, KEY_LEN, LOCAL_BODY_LEN};
use crate::format::suite::Suite;
use crate::format::wrapped_key::{Wrap, WrapKind};
use crate::keys::answer::Answer;
use crate::keys::data_key::DataKey;
use crate::keys::master_key::MasterKey;
use crate::keys::provider::{
    Binding, MasterKeyProvider, ProviderError, UnwrapRequest, WrapRequest,
};
use crate::secret::wiping::{wipe_stack, wipe_stack_after};

/// A key that opens.
#[derive(Clone)]
pub(crate) struct UsableKey {
    pub(crate) key_id: KeyId,
    /// Asked once: in the middle of a verb it would be others' code, over a stack that is not wiped.
    pub(crate) kind: WrapKind,
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
        let (kind, key) = (key.kind(), Arc::new(key));
        let any: Arc<dyn Any + Send + Sync> = key.clone();
        let holder = match any.downcast::<MasterKey>() {
            Ok(key) => Holder::Memory(key),
            Err(any) => match any.downcast::<Arc<MasterKey>>() {
                Ok(key) => Holder::Memory(Arc::clone(&key)),
                Err(_) => Holder::Provider(key),
            },
        };
        Self { key_id, kind, holder }
    }

    /// Whether both are the same master key in memory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.holder, &other.holder) {
            (Holder::Memory(one), Holder::Memory(other)) => one.is_same(other),
            _ => false,
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.kind == WrapKind::Local
    }

    /// A key's entry in the keyring fixes the kind of wrap it is asked to unwrap.
    pub(crate) fn accepts(&self, wrap: &Wrap<'_>) -> bool {
        wrap.kind == self.kind && wrap.kind.is_usable()
    }

    pub(crate) fn is_current(&self, body: &[u8]) -> bool {
        match &self.holder {
            Holder::Memory(key) => key.is_current(body),
            Holder::Provider(provider) => provider.is_current(body),
        }
    }

    /// The key as any other provider, and the stack as it may see it. A key in memory wipes for itself.
    fn provider(&self) -> &dyn MasterKeyProvider {
        match &self.holder {
            Holder::Memory(key) => key,
            Holder::Provider(provider) => {
                wipe_stack();
                provider
            }
        }
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
                Some(Ok(Body::Local(key.wrap(&binding, data_key))))
            }
            Holder::Provider(_) => {
                let data_key = DataKey::copy_of(data_key);
                // What others wrote may use more of the stack than a verb does that has no cipher.
                let answer =
                    wipe_stack_after(|| self.wrap_later(suite, commitment, &data_key).into_now())?;
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
            Holder::Provider(_) => {
                let answer =
                    wipe_stack_after(|| self.unwrap_later(suite, commitment, body).into_now())?;
                Some(answer.map(|unwrapped| data_key.copy_from_slice(unwrapped.expose_secret())))
            }
        }
    }

    /// Wraps a data key, now or later.
    pub(crate) fn wrap_later<'a>(
        &'a self,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        data_key: &'a DataKey,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        self.provider().wrap_key(WrapRequest::new(&self.key_id, suite, commitment, data_key))
    }

    /// Unwraps a data key, now or later.
    pub(crate) fn unwrap_later<'a>(
        &'a self,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        body: &'a [u8],
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        self.provider().unwrap_key(UnwrapRequest::new(&self.key_id, suite, commitment, body))
    }
}
