//! A key in a keyring that can wrap, and unwrap unless it is an offline escrow.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::format::key_id::KeyId;
use crate::format::sizes::{COMMITMENT_LEN, KEY_LEN, LOCAL_BODY_LEN};
use crate::format::suite::Suite;
use crate::format::wrapped_key::{Wrap, WrapKind};
use crate::keys::binding::Binding;
use crate::keys::data_key::DataKey;
use crate::keys::in_memory::InMemory;
use crate::keys::master_key::{CHECK_LEN, MasterKey};
use crate::keys::provider::{Inside, KeyWrapper, MasterKeyProvider};
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::provider_future::ProviderFuture;
use crate::keys::requests::{UnwrapRequest, WrapRequest};
use crate::secret::wiping::{wipe_stack, wipe_stack_after};

/// A key in a keyring that can wrap, and unwrap unless it is an offline escrow.
#[derive(Clone)]
pub(crate) struct UsableKey {
    pub(crate) key_id: KeyId,
    /// Cached: calling `kind()` later would run third-party code while key material is on the stack.
    pub(crate) kind: WrapKind,
    key: Holder,
}

#[derive(Clone)]
enum Holder {
    Opens(Arc<dyn MasterKeyProvider>),
    /// An offline escrow.
    Wraps(Arc<dyn KeyWrapper>),
}

/// The body of a wrap that was just made.
pub(crate) enum Body {
    Local([u8; LOCAL_BODY_LEN]),
    Returned(Vec<u8>),
}

impl Body {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Local(body) => body,
            Self::Returned(body) => body,
        }
    }
}

impl UsableKey {
    pub(super) fn new(key_id: KeyId, key: impl MasterKeyProvider + 'static) -> Self {
        Self { key_id, kind: key.kind(), key: Holder::Opens(Arc::new(key)) }
    }

    pub(super) fn offline(key_id: KeyId, key: impl KeyWrapper + 'static) -> Self {
        Self { key_id, kind: key.kind(), key: Holder::Wraps(Arc::new(key)) }
    }

    /// Returns whether this key cannot unwrap what it wraps.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self.key, Holder::Wraps(_))
    }

    fn wrapper(&self) -> &dyn KeyWrapper {
        match &self.key {
            Holder::Opens(key) => &**key,
            Holder::Wraps(key) => &**key,
        }
    }

    /// Returns whether both have material in memory in common, which no keyring may have under two ids.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let both = self.in_memory().zip(other.in_memory());
        both.is_some_and(|(one, other)| one.is_one_material_with(other))
    }

    /// Returns whether they cannot be the same key: their kinds or their keys in memory differ.
    pub(super) fn is_other(&self, other: &Self) -> bool {
        let both = self.in_memory().zip(other.in_memory());
        self.kind != other.kind || both.is_some_and(|(one, other)| !one.is_same(other))
    }

    /// Returns the check value, if this is a key in memory.
    pub(super) fn check_value(&self) -> Option<[u8; CHECK_LEN]> {
        self.in_memory().map(InMemory::check_value)
    }

    /// Returns the key in memory that this is, and that no type is around.
    pub(super) fn in_memory(&self) -> Option<InMemory<'_>> {
        self.wrapper().in_memory(Inside(()))
    }

    /// Returns the master key in memory that this is, and that no type is around.
    fn master_key(&self) -> Option<&MasterKey> {
        match self.in_memory() {
            Some(InMemory::Master(key)) => Some(key),
            _ => None,
        }
    }

    /// Returns whether this is a test key, also if a type is around it: no other local key wraps under such an id.
    pub(super) fn is_for_tests(&self) -> bool {
        // A branch key or a fresh key is as safe as the key that wrapped it, which cannot be seen.
        let may_be = matches!(
            self.kind,
            WrapKind::Local | WrapKind::Hpke | WrapKind::Branch | WrapKind::Rebound
        );
        may_be && self.key_id.is_for_tests()
    }

    /// Returns whether this is a key in memory, and not a type around one.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory().is_some()
    }

    /// Returns whether keys of this kind are in memory.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.kind, WrapKind::Local | WrapKind::Hpke)
    }

    /// Returns whether this key may be asked to unwrap: its entry in the keyring fixes the kind of its wraps.
    pub(crate) fn accepts(&self, wrap: &Wrap<'_>) -> bool {
        wrap.kind == self.kind && wrap.kind.is_usable()
    }

    pub(crate) fn is_current(&self, body: &[u8]) -> bool {
        self.wrapper().is_current(body)
    }

    /// Wipes the stack that third-party code could read.
    ///
    /// A key in memory is not third-party code, and wipes the stack itself.
    pub(crate) fn wipe_stack_before(&self) {
        if !self.is_in_memory() {
            wipe_stack();
        }
    }

    /// Returns the key, over a wiped stack.
    fn over_wiped_stack(&self) -> &dyn KeyWrapper {
        self.wipe_stack_before();
        self.wrapper()
    }

    fn ask_to_unwrap<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        match &self.key {
            Holder::Opens(key) => key.unwrap_key(request),
            Holder::Wraps(_) => ProviderFuture::ready(Err(is_offline())),
        }
    }

    /// Wraps a data key, or returns `None` if the provider would have to be waited for.
    ///
    /// The caller must wipe the stack.
    pub(crate) fn wrap_now(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        data_key: &[u8; KEY_LEN],
    ) -> Option<Result<Body, ProviderError>> {
        match self.master_key() {
            Some(key) => {
                let binding = Binding::new(&self.key_id, suite, commitment);
                Some(Ok(Body::Local(key.wrap(&binding, data_key))))
            }
            None => {
                let data_key = DataKey::copy_of(data_key);
                // An operation without a cipher wipes less of the stack than third-party code may use.
                let answer = wipe_stack_after(|| {
                    self.wrap_later(suite, commitment, &data_key).into_ready().ok()
                })?;
                Some(answer.map(Body::Returned))
            }
        }
    }

    /// Unwraps into `data_key`, or returns `None` if the provider would have to be waited for.
    ///
    /// The caller must wipe the stack, also [before](Self::wipe_stack_before) if there may be a secret on it.
    pub(crate) fn unwrap_now(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        body: &[u8],
        data_key: &mut [u8; KEY_LEN],
    ) -> Option<Result<(), ProviderError>> {
        match self.master_key() {
            Some(key) => {
                let binding = Binding::new(&self.key_id, suite, commitment);
                Some(key.unwrap(&binding, body, data_key).map_err(ProviderError::from))
            }
            None => {
                let request = UnwrapRequest::new(&self.key_id, suite, commitment, body);
                // An operation without a cipher wipes less of the stack than third-party code may use.
                let answer = wipe_stack_after(|| self.ask_to_unwrap(request).into_ready().ok())?;
                Some(answer.map(|unwrapped| data_key.copy_from_slice(unwrapped.expose_secret())))
            }
        }
    }

    /// Wraps a data key, and returns a future that may have to be waited for.
    pub(crate) fn wrap_later<'a>(
        &'a self,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        data_key: &'a DataKey,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.over_wiped_stack().wrap_key(WrapRequest::new(
            &self.key_id,
            suite,
            commitment,
            data_key,
        ))
    }

    /// Unwraps a data key, and returns a future that may have to be waited for.
    pub(crate) fn unwrap_later<'a>(
        &'a self,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        body: &'a [u8],
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.wipe_stack_before();
        self.ask_to_unwrap(UnwrapRequest::new(&self.key_id, suite, commitment, body))
    }

    /// Wraps the data key of each request, and returns one result for each.
    pub(crate) async fn wrap_all(
        &self,
        requests: &[WrapRequest<'_>],
    ) -> Vec<Result<Vec<u8>, ProviderError>> {
        if requests.is_empty() {
            return Vec::new();
        }
        one_each(requests.len(), self.over_wiped_stack().wrap_keys(requests).await)
    }

    /// Unwraps the body of each request, and returns one result for each.
    pub(crate) async fn unwrap_all(
        &self,
        requests: &[UnwrapRequest<'_>],
    ) -> Vec<Result<DataKey, ProviderError>> {
        if requests.is_empty() {
            return Vec::new();
        }
        self.wipe_stack_before();
        match &self.key {
            Holder::Opens(key) => one_each(requests.len(), key.unwrap_keys(requests).await),
            Holder::Wraps(_) => requests.iter().map(|_| Err(is_offline())).collect(),
        }
    }

    /// Asks the provider whether the key is there and usable.
    pub(crate) fn check(&self) -> ProviderFuture<'_, Result<(), ProviderError>> {
        self.over_wiped_stack().check(&self.key_id)
    }
}

/// Nobody asks an offline escrow to unwrap.
fn is_offline() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Denied, "an offline escrow only wraps")
}

/// Returns the results, or that many errors if the provider returned a different number: nobody knows which is whose.
fn one_each<T>(
    count: usize,
    results: Vec<Result<T, ProviderError>>,
) -> Vec<Result<T, ProviderError>> {
    if results.len() == count {
        return results;
    }
    let found = results.len();
    let miscounted = ProviderError::new(
        ProviderErrorKind::Other,
        format!("the provider returned {found} results for {count} requests"),
    );
    (0..count).map(|_| Err(miscounted.clone())).collect()
}
