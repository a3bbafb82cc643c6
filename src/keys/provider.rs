//! The one joint: who wraps and unwraps data keys.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::format::key_id::KeyId;
use crate::format::sizes::COMMITMENT_LEN;
use crate::format::suite::Suite;
use crate::format::wrapped_key::WrapKind;
use crate::keys::answer::Answer;
use crate::keys::binding::Binding;
use crate::keys::data_key::DataKey;
use crate::keys::master_key::MasterKey;
use crate::keys::provider_error::ProviderError;
use crate::secret::key_bytes::KeyBytes;
use crate::secret::wiping::wipe_stack_after;

/// Wraps data keys under a master key and unwraps them: in memory, in an HSM, in a cloud KMS.
///
/// [`MasterKey`](crate::MasterKey) is one; so are `Arc<P>`, `Box<P>` and `&P` of any provider `P`.
/// [`crate::docs::providers`] tells how to write one. The template, with its lifetimes spelled out:
///
/// ```
/// use sealwax::{Answer, DataKey, MasterKeyProvider, ProviderError, UnwrapRequest, WrapRequest};
///
/// struct Kms { /* a client of your own */ }
///
/// impl MasterKeyProvider for Kms {
///     fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
///         Answer::later(async move {
///             # let _ = request;
///             // Send request.data_key().expose_secret(), bound to request.associated_data().
///             # Ok(Vec::new())
///         })
///     }
///
///     fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> Answer<'a, Result<DataKey, ProviderError>> {
///         Answer::later(async move {
///             // Send request.body(), bound to request.associated_data().
///             # let _ = request;
///             # let mut plaintext = [0; 32];
///             Ok(DataKey::from_bytes(&mut plaintext)?)
///         })
///     }
/// }
/// ```
///
/// A provider that answers a wrong data key cannot make a row open wrongly: the envelope's MAC is
/// checked under whatever it answers.
pub trait MasterKeyProvider: Send + Sync {
    /// Wraps the data key of a request; answers the body of the wrapped key, 1 to 65,534 bytes.
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>>;

    /// Unwraps the body of a wrapped key.
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>>;

    /// The kind of wrap it makes, and the only one it is asked to unwrap. Asked once, when it is put
    /// into a keyring.
    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }

    /// Whether a body of its kind, wrapped under its key id, is as it would make one today; told
    /// from public bytes alone. Where it answers false, a rewrap renews the wrap.
    ///
    /// A master key in memory compares the check value; a provider whose service versions the key
    /// behind one id can compare the version. The default is true, but for the kind
    /// [`WrapKind::Local`]: a type around a master key must pass the question on to it, or an
    /// envelope is never current and every rewrap writes the same wrap again.
    fn is_current(&self, body: &[u8]) -> bool {
        let _ = body;
        self.kind() != WrapKind::Local
    }

    /// The master key in memory that it is, behind whatever pointer. A keyring asks such a key directly, into a
    /// buffer that the verb wipes anyway, and tells by it whether one key stands under two ids.
    #[doc(hidden)]
    fn as_master_key(&self) -> Option<&MasterKey> {
        None
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<P: MasterKeyProvider + ?Sized> MasterKeyProvider for $pointer {
            fn wrap_key<'a>(
                &'a self,
                request: WrapRequest<'a>,
            ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
                (**self).wrap_key(request)
            }

            fn unwrap_key<'a>(
                &'a self,
                request: UnwrapRequest<'a>,
            ) -> Answer<'a, Result<DataKey, ProviderError>> {
                (**self).unwrap_key(request)
            }

            fn kind(&self) -> WrapKind {
                (**self).kind()
            }

            fn is_current(&self, body: &[u8]) -> bool {
                (**self).is_current(body)
            }

            fn as_master_key(&self) -> Option<&MasterKey> {
                (**self).as_master_key()
            }
        }
    )*};
}

forward!(&P, Arc<P>, Box<P>);

impl MasterKeyProvider for MasterKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        let data_key = request.data_key().expose_secret();
        Answer::now(wipe_stack_after(|| Ok(self.wrap(&request.binding(), data_key).to_vec())))
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        Answer::now(wipe_stack_after(|| {
            let mut data_key = KeyBytes::zeroed();
            self.unwrap(&request.binding(), request.body(), data_key.expose_mut())?;
            Ok(DataKey::from_key_bytes(data_key))
        }))
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Local
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.made(body)
    }

    fn as_master_key(&self) -> Option<&MasterKey> {
        Some(self)
    }
}

/// A data key to wrap, and what to bind it to.
#[derive(Clone, Copy, Debug)]
pub struct WrapRequest<'a> {
    key_id: &'a KeyId,
    suite: Suite,
    commitment: &'a [u8; COMMITMENT_LEN],
    data_key: &'a DataKey,
}

impl<'a> WrapRequest<'a> {
    /// A request, for tests of providers and for callers with a transport of their own.
    #[must_use]
    pub const fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        data_key: &'a DataKey,
    ) -> Self {
        Self { key_id, suite, commitment, data_key }
    }

    /// The id under which the keyring holds the provider.
    #[must_use]
    pub const fn key_id(&self) -> &'a KeyId {
        self.key_id
    }

    /// The suite of the envelope.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The commitment of the envelope: different in every row, and public.
    #[must_use]
    pub const fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.commitment
    }

    /// The data key to wrap.
    #[must_use]
    pub const fn data_key(&self) -> &'a DataKey {
        self.data_key
    }

    /// What a KMS or HSM that can bind associated data binds: 36 to 163 bytes, all public.
    ///
    /// 0x01 (format version) ‖ suite ‖ len8(key_id) ‖ commitment
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        self.binding().parts().concat()
    }

    pub(super) fn binding(&self) -> Binding<'a> {
        Binding::new(self.key_id, self.suite, self.commitment)
    }
}

/// A wrapped key to unwrap, and what it was bound to.
#[derive(Clone, Copy, Debug)]
pub struct UnwrapRequest<'a> {
    key_id: &'a KeyId,
    suite: Suite,
    commitment: &'a [u8; COMMITMENT_LEN],
    body: &'a [u8],
}

impl<'a> UnwrapRequest<'a> {
    /// A request, for tests of providers and for callers with a transport of their own.
    #[must_use]
    pub const fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        body: &'a [u8],
    ) -> Self {
        Self { key_id, suite, commitment, body }
    }

    /// The id under which the keyring holds the provider.
    #[must_use]
    pub const fn key_id(&self) -> &'a KeyId {
        self.key_id
    }

    /// The suite of the envelope.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The commitment of the envelope.
    #[must_use]
    pub const fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.commitment
    }

    /// The wrapped data key, as the provider made it. Read from a database: not yet trusted.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// What the wrap was bound to: the same bytes as in the [`WrapRequest`].
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        self.binding().parts().concat()
    }

    pub(super) fn binding(&self) -> Binding<'a> {
        Binding::new(self.key_id, self.suite, self.commitment)
    }
}
