//! Whether the keys of a keyring are usable, asked before they are needed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use rand_core::TryCryptoRng;

use crate::format::context::EncryptionContext;
use crate::format::key_id::KeyId;
use crate::keys::keyring::Keyring;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::provider_future::ProviderFuture;
use crate::keys::usable_key::UsableKey;
use crate::secret::Secret;
use crate::secret::wiping::wipe_stack_after_polls;
use crate::verbs::errors::SealError;
use crate::verbs::rewrapping::{holds_later, is_verdict};
use crate::verbs::two_phase::Draft;
use crate::verbs::wrapping::wrap_later;

impl Keyring {
    /// Checks, when a service starts, that each key is usable.
    ///
    /// Asks the provider of each key, with [`KeyWrapper::check`](crate::KeyWrapper::check); a key that seals also wraps
    /// and unwraps a data key that is then thrown away, because a seal does not check what it wrapped. Returns one
    /// result for each key that opens or seals, in the order of [`keys`](Self::keys).
    ///
    /// - A key that this process may use to wrap, but not to unwrap, fails with `Denied`, although it can seal.
    /// - A key that does not unwrap what it wrapped fails with `WrongKeyMaterial`.
    /// - An offline escrow, which cannot unwrap, wraps twice; if the bytes differ, it fails with `Other`.
    /// - If there is no randomness, each key that seals fails with `Other`.
    /// - A provider without a `check` of its own passes as a retired key without being asked.
    /// - The keys are asked one after the other. A provider that hangs keeps back the results of all of them, so each
    ///   needs a deadline of its own.
    ///
    /// Draws 44 bytes of the operating system's randomness before it returns the future.
    ///
    /// ```
    /// use sealwax::{Keyring, MasterKey};
    ///
    /// # pollster::block_on(async {
    /// let ring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
    /// for (key_id, usable) in ring.check_async().await {
    ///     usable.map_err(|error| format!("key {key_id}: {error}"))?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "getrandom")]
    pub fn check_async(
        &self,
    ) -> impl Future<Output = Vec<(KeyId, Result<(), ProviderError>)>> + Send + use<'_> {
        self.check_async_with_rng(&mut getrandom::SysRng)
    }

    /// Checks as [`check_async`](Self::check_async) does, with randomness from `rng`: 44 bytes in one call.
    pub fn check_async_with_rng<'a>(
        &'a self,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> ProviderFuture<'a, Vec<(KeyId, Result<(), ProviderError>)>> {
        // Only its data key is used. The secret is not empty, because the tag of an empty message is a block of the
        // keystream, and stays in memory.
        let (secret, context) = (Secret::from("not a secret"), EncryptionContext::empty());
        let draft = Draft::new_with_rng(&secret, &context, self.suite(), rng);
        ProviderFuture::boxed(wipe_stack_after_polls(async move {
            let mut results = Vec::new();
            for (key, seals) in self.usable_keys() {
                let mut result = key.check().await;
                if result.is_ok() && seals {
                    result = round_trip(key, &draft).await;
                }
                results.push((key.key_id.clone(), result));
            }
            results
        }))
    }
}

/// Has a key wrap and unwrap the data key of a draft.
async fn round_trip(
    key: &UsableKey,
    draft: &Result<Draft, SealError>,
) -> Result<(), ProviderError> {
    let other = |error: SealError| ProviderError::new(ProviderErrorKind::Other, error);
    let Draft { data_key, sealed } = draft.as_ref().map_err(|error| other(error.clone()))?;
    let (suite, commitment) = (sealed.suite, &sealed.commitment);
    let wrapped = wrap_later(core::iter::once(key), suite, commitment, data_key).await;
    let wraps =
        wrapped.map_err(|failure| failure.source.unwrap_or(ProviderErrorKind::Other.into()))?;
    let body = wraps.body_of(key).unwrap_or_default();
    match holds_later(key, suite, commitment, body, data_key).await {
        Ok(true) => Ok(()),
        Ok(false) if key.is_offline() => {
            let problem = "an offline escrow has to wrap the same way each time: a rewrap compares";
            Err(ProviderError::new(ProviderErrorKind::Other, problem))
        }
        Ok(false) => Err(does_not_unwrap("it unwrapped another data key")),
        Err(error) if is_verdict(&error) => Err(does_not_unwrap(error)),
        Err(error) => Err(error),
    }
}

/// Returns the error of a key that refuses its own wrap. Nothing was altered, so the error is not `Rejected`.
fn does_not_unwrap(source: impl Into<Box<dyn Error + Send + Sync>>) -> ProviderError {
    #[derive(Debug, thiserror::Error)]
    #[error("the key does not unwrap what it wraps")]
    struct NotUnwrapped(#[source] Box<dyn Error + Send + Sync>);

    ProviderError::new(ProviderErrorKind::WrongKeyMaterial, NotUnwrapped(source.into()))
}
