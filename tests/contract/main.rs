//! The public interface as dependent crates use it: programs that use all of it, one module for each part. If a change
//! makes one of them fail to compile or to pass, dependent crates would notice that change.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

/// Fails to compile if the type implements the trait, because two implementations would then apply.
macro_rules! assert_not_impl {
    ($type:ty: $($bound:tt)+) => {
        const _: fn() = || {
            trait AmbiguousIfImplemented<A> {
                fn item() {}
            }
            impl<T: ?Sized> AmbiguousIfImplemented<()> for T {}
            impl<T: ?Sized + $($bound)+> AmbiguousIfImplemented<u8> for T {}
            let _ = <$type as AmbiguousIfImplemented<_>>::item;
        };
    };
}

mod errors;
mod joint;
mod keyring;
mod paved_path;
mod public_bytes;
#[cfg(feature = "hpke")]
mod sealing_keys;
mod secrets;
mod stability;
mod triplet;
mod words;

use std::{
    convert::Infallible, fmt, future::poll_fn, marker::PhantomData, mem, rc::Rc, task::Poll,
};

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyId, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    ProviderError, ProviderErrorKind, ProviderFuture, Secret, UnwrapRequest, WrapRequest,
};

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

/// Returns a key whose 32 bytes count up from `first`.
fn key(first: u8) -> MasterKey {
    let mut bytes: [u8; 32] = std::array::from_fn(|n| first.wrapping_add(u8::try_from(n).unwrap()));
    MasterKey::from_bytes(&mut bytes).unwrap()
}

fn key_text(first: u8) -> String {
    key(first).to_text().expose_str().unwrap().to_owned()
}

/// Returns a keyring of `prod-2026` with `key(0)`, and nothing else.
fn ring() -> Keyring {
    Keyring::new(id("prod-2026"), key(0)).unwrap()
}

/// Returns the keyring after a rotation: `prod-2027` with `key(1)`; `prod-2026` is retired.
fn rotated() -> Keyring {
    Keyring::new(id("prod-2027"), key(1)).unwrap().with_retired(id("prod-2026"), key(0)).unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", "1")]).unwrap()
}

fn secret() -> Secret {
    Secret::from("sk-live-0123456789")
}

fn sealed() -> Envelope {
    sealed_by(&ring())
}

fn sealed_by(ring: &Keyring) -> Envelope {
    ring.seal(&secret(), &context()).unwrap()
}

/// The offsets of the fields of `sealed()`, which has one local wrap under an id of nine characters.
mod at {
    pub(crate) const CHECK: usize = 18;
    pub(crate) const SALT: usize = 22;
    pub(crate) const COMMITMENT: usize = 78;
    pub(crate) const MAC: usize = 110;
    pub(crate) const TAG: usize = 138;
    pub(crate) const CIPHERTEXT: usize = 154;
}

/// Returns the same envelope with one bit flipped.
fn flipped(envelope: &Envelope, offset: usize) -> Envelope {
    let mut bytes = envelope.as_bytes().to_vec();
    *bytes.get_mut(offset).unwrap() ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

/// Returns the same envelope without its last byte, as a column that is too short stores it.
fn cut(envelope: &Envelope) -> Envelope {
    let (_, shorter) = envelope.as_bytes().split_last().unwrap();
    Envelope::from_bytes(shorter).unwrap()
}

fn key_ids(envelope: &Envelope) -> Vec<String> {
    let mut ids = Vec::new();
    for key_id in envelope.key_ids() {
        ids.push(key_id.to_string());
    }
    ids
}

/// An in-memory key service that replies at once. Its body is the masked key, followed by the associated data.
#[derive(Debug)]
struct Service {
    mask: u8,
}

impl Service {
    fn wrap_now(&self, request: WrapRequest<'_>) -> Result<Vec<u8>, ProviderError> {
        let data_key: &DataKey = request.data_key();
        let mut body: Vec<u8> =
            data_key.expose_secret().iter().map(|byte| byte ^ self.mask).collect();
        body.extend(request.associated_data());
        Ok(body)
    }

    fn unwrap_now(&self, request: UnwrapRequest<'_>) -> Result<DataKey, ProviderError> {
        let (masked, bound) =
            request.body().split_at_checked(32).ok_or(ProviderErrorKind::Rejected)?;
        if bound != request.associated_data() {
            return Err(ProviderErrorKind::Rejected.into());
        }
        let mut bytes: Vec<u8> = masked.iter().map(|byte| byte ^ self.mask).collect();
        Ok(DataKey::from_bytes(&mut bytes)?)
    }
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(self.wrap_now(request))
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(self.unwrap_now(request))
    }
}

/// The same service behind a network: pending once, then ready.
#[derive(Debug)]
struct Remote(Service);

async fn trip() {
    let mut away = true;
    poll_fn(|cx| {
        if mem::replace(&mut away, false) {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            trip().await;
            self.0.wrap_now(request)
        })
    }
}

impl MasterKeyProvider for Remote {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            trip().await;
            self.0.unwrap_now(request)
        })
    }
}

/// A key service that always returns this error.
#[derive(Debug)]
struct Refuses(ProviderError);

impl KeyWrapper for Refuses {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Err(self.0.clone()))
    }
}

impl MasterKeyProvider for Refuses {
    fn unwrap_key<'a>(
        &'a self,
        _: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(Err(self.0.clone()))
    }
}

/// A key service whose wraps open to a different data key.
#[derive(Debug)]
struct Lies;

impl KeyWrapper for Lies {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Service { mask: 1 }.wrap_now(request))
    }
}

impl MasterKeyProvider for Lies {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(Service { mask: 2 }.unwrap_now(request))
    }
}

/// An RNG that counts up and records the length of each draw. It is deliberately not `Send`.
#[derive(Debug, Default)]
struct Steps {
    next: u8,
    draws: Vec<usize>,
    _not_send: PhantomData<Rc<()>>,
}

impl TryRng for Steps {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.draws.push(target.len());
        for byte in target {
            *byte = self.next;
            self.next = self.next.wrapping_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for Steps {}

/// An RNG that fails.
#[derive(Debug)]
struct Dry;

impl TryRng for Dry {
    type Error = fmt::Error;

    fn try_next_u32(&mut self) -> Result<u32, fmt::Error> {
        Err(fmt::Error)
    }

    fn try_next_u64(&mut self) -> Result<u64, fmt::Error> {
        Err(fmt::Error)
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }
}

impl TryCryptoRng for Dry {}
