//! The one joint: who wraps data keys, and who also unwraps them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::format::wrapped_key::WrapKind;
use crate::keys::data_key::DataKey;
use crate::keys::master_key::MasterKey;
use crate::keys::provider_error::ProviderError;
use crate::keys::provider_future::ProviderFuture;
use crate::keys::requests::{UnwrapRequest, WrapRequest};
use crate::secret::key_bytes::KeyBytes;
use crate::secret::wiping::wipe_stack_after;

/// Wraps data keys under a master key: in memory, in an HSM, in a cloud KMS. Who only wraps has no method
/// that opens.
///
/// [`MasterKey`] does; so do `Arc<P>`, `Box<P>` and `&P` of whatever `P` does.
pub trait KeyWrapper: Send + Sync {
    /// Wraps the data key of a request. Returns the body of the wrapped key: 1 to 65,534 bytes.
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>>;

    /// The kind of wrap it makes, and the only one that it is asked to unwrap. Asked once, when the key is put
    /// into a keyring.
    ///
    /// A type around another must pass the question on. One that forgets writes rows of the wrong kind, which
    /// are refused as [`WrongWrapKind`](crate::UnwrapError::WrongWrapKind) once it is taken away.
    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }

    /// Whether this provider would make an equivalent body today. Decide from `body` alone, without calling
    /// the service; it is of the provider's kind and stands under its key id. If false, a rewrap replaces it.
    ///
    /// A master key in memory compares the check value; a provider whose service versions the key
    /// behind one id can compare the version. The default is true, but for the kind
    /// [`WrapKind::Local`]: a type around a master key must pass the question on to it, or an
    /// envelope is never current and every rewrap writes the same wrap again.
    fn is_current(&self, body: &[u8]) -> bool {
        let _ = body;
        self.kind() != WrapKind::Local
    }
}

/// Wraps data keys under a master key, and unwraps them.
///
/// [`MasterKey`] does; so do `Arc<P>`, `Box<P>` and `&P` of whatever `P` does.
/// [`crate::docs::providers`] says how to write one. The template, with its lifetimes spelled out:
///
/// ```
/// use sealwax::{
///     DataKey, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest, WrapRequest,
/// };
///
/// struct Kms { /* a client of your own */ }
///
/// impl KeyWrapper for Kms {
///     fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
///         ProviderFuture::boxed(async move {
///             # let _ = request;
///             // Send request.data_key().expose_secret(), bound to request.associated_data().
///             # Ok(Vec::new())
///         })
///     }
/// }
///
/// impl MasterKeyProvider for Kms {
///     fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
///         ProviderFuture::boxed(async move {
///             // Send request.body(), bound to request.associated_data().
///             # let _ = request;
///             # let mut plaintext = [0; 32];
///             Ok(DataKey::from_bytes(&mut plaintext)?)
///         })
///     }
/// }
/// ```
///
/// A faulty provider cannot make a row open wrongly: the MAC must verify under whatever data key it returns.
pub trait MasterKeyProvider: KeyWrapper {
    /// Unwraps the body of a wrapped key.
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>>;

    /// The master key in memory that it is, behind whatever pointer. A keyring asks such a key directly, into a
    /// buffer that the verb wipes anyway, and sees by it whether one key stands under two ids. Nobody outside can
    /// name the argument, and so neither call it nor answer for another key.
    #[doc(hidden)]
    fn as_master_key(&self, _: Inside) -> Option<&MasterKey> {
        None
    }
}

/// Made in this crate alone: a type around a master key cannot say that it is one.
#[derive(Debug)]
#[expect(unnameable_types, reason = "so that a method of a public trait is not one to implement")]
pub struct Inside(pub(super) ());

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<P: KeyWrapper + ?Sized> KeyWrapper for $pointer {
            fn wrap_key<'a>(
                &'a self,
                request: WrapRequest<'a>,
            ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
                (**self).wrap_key(request)
            }

            fn kind(&self) -> WrapKind {
                (**self).kind()
            }

            fn is_current(&self, body: &[u8]) -> bool {
                (**self).is_current(body)
            }
        }

        impl<P: MasterKeyProvider + ?Sized> MasterKeyProvider for $pointer {
            fn unwrap_key<'a>(
                &'a self,
                request: UnwrapRequest<'a>,
            ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
                (**self).unwrap_key(request)
            }

            fn as_master_key(&self, inside: Inside) -> Option<&MasterKey> {
                (**self).as_master_key(inside)
            }
        }
    )*};
}

forward!(&P, Arc<P>, Box<P>);

impl KeyWrapper for MasterKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let data_key = request.data_key().expose_secret();
        let body = wipe_stack_after(|| self.wrap(&request.binding(), data_key).to_vec());
        ProviderFuture::ready(Ok(body))
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Local
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.made(body)
    }
}

impl MasterKeyProvider for MasterKey {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(wipe_stack_after(|| {
            let mut data_key = KeyBytes::zeroed();
            self.unwrap(&request.binding(), request.body(), data_key.expose_mut())?;
            Ok(DataKey::from_key_bytes(data_key))
        }))
    }

    fn as_master_key(&self, _: Inside) -> Option<&MasterKey> {
        Some(self)
    }
}
