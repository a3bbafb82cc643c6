//! The two traits of key providers: one wraps data keys, the other also unwraps them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::format::key_id::KeyId;
use crate::format::wrapped_key::WrapKind;
use crate::keys::data_key::DataKey;
use crate::keys::in_memory::InMemory;
use crate::keys::master_key::MasterKey;
#[cfg(feature = "hpke")]
use crate::keys::pair::{OpeningKey, SealingKey};
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::provider_future::ProviderFuture;
use crate::keys::requests::{UnwrapRequest, WrapRequest};
use crate::secret::key_bytes::KeyBytes;
use crate::secret::wiping::wipe_stack_after;

/// Wraps data keys under a master key in memory, in an HSM or in a cloud KMS.
///
/// A type that implements only this trait has no method that opens; in a keyring, it can be an
/// [offline escrow](crate::Keyring::with_offline_escrow). [`MasterKey`] implements it, and so do `Arc<P>`, `Box<P>` and
/// `&P` if `P` does.
pub trait KeyWrapper: Send + Sync {
    /// Wraps the data key of a request, and returns the body of the wrapped key: 1 to 65,534 bytes.
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>>;

    /// Returns the kind of wrap that this provider makes, which is the only kind that it is asked to unwrap.
    ///
    /// A keyring calls this once, when the key is added. A decorator around another provider must forward the call. One
    /// that does not writes rows of the wrong kind, which are refused as
    /// [`WrongWrapKind`](crate::UnwrapError::WrongWrapKind) once the decorator is removed.
    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }

    /// Returns whether this provider would make an equivalent body today.
    ///
    /// Decide from `body` alone, without calling the service. The body is of this provider's kind and under its key id.
    /// If this returns `false`, a rewrap replaces the wrap.
    ///
    /// A master key in memory compares the check value. A provider whose service versions the key behind one id can
    /// compare the version. The default is `true`, except for [`WrapKind::Local`] and [`WrapKind::Hpke`]: a decorator
    /// around a key in memory must forward the call, or no envelope is ever current and every rewrap writes the same wrap
    /// again.
    fn is_current(&self, body: &[u8]) -> bool {
        let _ = body;
        !matches!(self.kind(), WrapKind::Local | WrapKind::Hpke)
    }

    /// Wraps several data keys, and returns one result for each request, in the order of the requests.
    ///
    /// The default wraps one after the other. Override it if your service takes several keys in one request, and split
    /// `requests` to the service's limit: [`rewrap_batch_async`](crate::Keyring::rewrap_batch_async) passes all rows of
    /// its batch at once. It checks every new wrap before it returns the row: if one is in another row's place, it
    /// returns [`Unverified`](crate::RewrapError::Unverified) for that row, or for all of them.
    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        one_by_one(requests, |request| self.wrap_key(request))
    }

    /// Asks the service whether the key is there and usable, without wrapping anything.
    ///
    /// The default returns `Ok(())` without asking.
    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        let _ = key_id;
        ProviderFuture::ready(Ok(()))
    }

    /// Returns the key in memory that this provider is, even if it is behind a pointer.
    ///
    /// A keyring calls a master key directly, so that it can unwrap into a buffer that is wiped anyway, and compares keys
    /// in memory to find one key under two ids. Code outside this crate cannot name the argument, so it can neither call
    /// this method nor return another key from it.
    #[doc(hidden)]
    fn in_memory(&self, _: Inside) -> Option<InMemory<'_>> {
        None
    }
}

/// Wraps data keys under a master key, and unwraps them.
///
/// [`MasterKey`] implements this trait, and so do `Arc<P>`, `Box<P>` and `&P` if `P` does. [`crate::docs::providers`]
/// explains how to write a provider. This is the template, with its lifetimes spelled out:
///
/// ```
/// use sealwax::{
///     DataKey, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest, WrapRequest,
/// };
///
/// struct Kms { /* your client */ }
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
/// A faulty provider cannot cause a wrong plaintext: the MAC must verify under whatever data key it returns.
pub trait MasterKeyProvider: KeyWrapper {
    /// Unwraps the body of a wrapped key.
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>>;

    /// Unwraps several bodies, and returns one result for each request, in the order of the requests.
    ///
    /// The default unwraps one after the other; see [`wrap_keys`](KeyWrapper::wrap_keys). A data key in another row's
    /// place does not prove that row, which then has the error
    /// [`EnvelopeAltered`](crate::UnwrapError::EnvelopeAltered).
    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        one_by_one(requests, |request| self.unwrap_key(request))
    }
}

/// An argument that only this crate can make, so that a type around a master key cannot claim to be one.
#[derive(Debug)]
#[expect(unnameable_types, reason = "other crates cannot implement the method that takes it")]
pub struct Inside(pub(super) ());

/// Answers the requests one after the other; the result is ready if each answer is.
fn one_by_one<'a, R: Copy + Sync, T: Send + 'a>(
    requests: &'a [R],
    ask: impl Fn(R) -> ProviderFuture<'a, T> + Send + 'a,
) -> ProviderFuture<'a, Vec<T>> {
    let mut answers = Vec::with_capacity(requests.len());
    let mut requests = requests.iter().copied();
    while let Some(request) = requests.next() {
        match ask(request).into_ready() {
            Ok(answer) => answers.push(answer),
            Err(waiting) => {
                return ProviderFuture::boxed(async move {
                    answers.push(waiting.await);
                    for request in requests {
                        answers.push(ask(request).await);
                    }
                    answers
                });
            }
        }
    }
    ProviderFuture::ready(answers)
}

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

            fn wrap_keys<'a>(
                &'a self,
                requests: &'a [WrapRequest<'a>],
            ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
                (**self).wrap_keys(requests)
            }

            fn check<'a>(
                &'a self,
                key_id: &'a KeyId,
            ) -> ProviderFuture<'a, Result<(), ProviderError>> {
                (**self).check(key_id)
            }

            fn in_memory(&self, inside: Inside) -> Option<InMemory<'_>> {
                (**self).in_memory(inside)
            }
        }

        impl<P: MasterKeyProvider + ?Sized> MasterKeyProvider for $pointer {
            fn unwrap_key<'a>(
                &'a self,
                request: UnwrapRequest<'a>,
            ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
                (**self).unwrap_key(request)
            }

            fn unwrap_keys<'a>(
                &'a self,
                requests: &'a [UnwrapRequest<'a>],
            ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
                (**self).unwrap_keys(requests)
            }
        }
    )*};
}

forward!(&P, Arc<P>, Box<P>);

/// A keyring checks this too, but does not see a key behind a type that it does not know.
fn unfit() -> ProviderError {
    let problem = "a test key has an id that starts with test/, and no other key has";
    ProviderError::new(ProviderErrorKind::Other, problem)
}

impl KeyWrapper for MasterKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        if !self.fits(request.key_id()) {
            return ProviderFuture::ready(Err(unfit()));
        }
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

    fn in_memory(&self, _: Inside) -> Option<InMemory<'_>> {
        Some(InMemory::Master(self))
    }
}

impl MasterKeyProvider for MasterKey {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        if !self.fits(request.key_id()) {
            return ProviderFuture::ready(Err(unfit()));
        }
        let mut data_key = KeyBytes::zeroed();
        // Returns one byte. The gaps of a larger type would take along what is on the stack.
        let unwrapped = wipe_stack_after(|| {
            self.unwrap(&request.binding(), request.body(), data_key.expose_mut())
        });
        let data_key = DataKey::from_key_bytes(data_key);
        ProviderFuture::ready(unwrapped.map(|()| data_key).map_err(ProviderError::from))
    }
}

#[cfg(feature = "hpke")]
impl KeyWrapper for SealingKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(self.wrap(request).map_err(Into::into))
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Hpke
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.made(body)
    }

    fn in_memory(&self, _: Inside) -> Option<InMemory<'_>> {
        Some(InMemory::Pair(self))
    }
}

#[cfg(feature = "hpke")]
impl KeyWrapper for OpeningKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.sealing().wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        self.sealing().kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.sealing().is_current(body)
    }

    fn in_memory(&self, inside: Inside) -> Option<InMemory<'_>> {
        self.sealing().in_memory(inside)
    }
}

#[cfg(feature = "hpke")]
impl MasterKeyProvider for OpeningKey {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let mut data_key = KeyBytes::zeroed();
        let unwrapped = self.unwrap(request, data_key.expose_mut());
        let data_key = DataKey::from_key_bytes(data_key);
        ProviderFuture::ready(unwrapped.map(|()| data_key).map_err(ProviderError::from))
    }
}
