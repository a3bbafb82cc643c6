//! All types, and the futures of all operations, may move to another thread.

use core::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::Draft;
use sealwax::{
    ContextError, DataKey, EncryptionContext, Envelope, Field, FormatError, KeyError, KeyId,
    KeyState, Keyring, KeyringError, LineProblem, MasterKey, MasterKeyProvider, OpenError,
    ProviderError, ProviderErrorKind, ProviderFuture, RewrapError, SealError, Secret, Suite,
    UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::fixtures::{Counting, acme, context};
use crate::providers::{Log, When, old, seal, secret, successor};

const fn is_send_and_sync<T: Send + Sync + ?Sized>() {}
const fn is_send_and_unpin<T: Send + Unpin>() {}

/// The compiler checks this: the test passes if it compiles.
#[test]
fn all_types_are_send_and_sync_and_answers_are_send_and_unpin() {
    is_send_and_sync::<ContextError>();
    is_send_and_sync::<DataKey>();
    is_send_and_sync::<Draft>();
    is_send_and_sync::<EncryptionContext>();
    is_send_and_sync::<Envelope>();
    is_send_and_sync::<Field>();
    is_send_and_sync::<FormatError>();
    is_send_and_sync::<KeyError>();
    is_send_and_sync::<KeyId>();
    is_send_and_sync::<KeyState>();
    is_send_and_sync::<Keyring>();
    is_send_and_sync::<KeyringError>();
    is_send_and_sync::<LineProblem>();
    is_send_and_sync::<MasterKey>();
    is_send_and_sync::<dyn MasterKeyProvider>();
    is_send_and_sync::<OpenError>();
    is_send_and_sync::<ProviderError>();
    is_send_and_sync::<ProviderErrorKind>();
    is_send_and_sync::<RewrapError>();
    is_send_and_sync::<SealError>();
    is_send_and_sync::<Secret>();
    is_send_and_sync::<Suite>();
    is_send_and_sync::<UnwrapRequest<'_>>();
    is_send_and_sync::<WrapKind>();
    is_send_and_sync::<WrapRequest<'_>>();
    is_send_and_sync::<WrappedKey>();

    is_send_and_unpin::<ProviderFuture<'_, Result<Envelope, SealError>>>();
    is_send_and_unpin::<ProviderFuture<'_, Result<DataKey, ProviderError>>>();
    // This holds even if the result is pinned in place.
    is_send_and_unpin::<ProviderFuture<'_, core::marker::PhantomPinned>>();
}

/// Randomness that must not leave its thread.
struct NotSend(Rc<()>, Counting);

impl TryRng for NotSend {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.1.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.1.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        assert_eq!(Rc::strong_count(&self.0), 1);
        self.1.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for NotSend {}

/// Moves a future to another thread and waits for it there.
fn elsewhere<'scope, T: Send + 'scope>(future: impl Future<Output = T> + Send + 'scope) -> T {
    std::thread::scope(|scope| scope.spawn(|| pollster::block_on(future)).join().unwrap())
}

#[test]
fn futures_are_send_whatever_the_randomness_was() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Later(1), &log);
    let acme = acme();
    let sealing = {
        let mut rng = NotSend(Rc::new(()), Counting(1));
        // The future borrows neither the RNG nor the secret nor the context.
        ring.seal_async_with_rng(&secret(), &context(&[("a", "b")]), &mut rng)
    };
    let envelope = elsewhere(sealing).unwrap();
    let opened = elsewhere(ring.open_async(&envelope, &context(&[("a", "b")]))).unwrap();
    assert_eq!(opened, secret());
    elsewhere(ring.verify_async(&envelope)).unwrap();
    let fresh = elsewhere(ring.rewrap_async(&row)).unwrap().unwrap();
    assert_eq!(elsewhere(ring.open_async(&fresh, &acme)).unwrap(), secret());
}
