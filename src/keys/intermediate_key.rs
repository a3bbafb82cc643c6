//! A key between a provider and data keys: the provider wraps it, and it wraps data keys.

use core::fmt;

use crate::cipher;
use crate::format::sizes::{COMMITMENT_LEN, LOCAL_BODY_LEN};
use crate::keys::data_key::DataKey;
use crate::keys::master_key::MasterKey;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::requests::{UnwrapRequest, WrapRequest};
use crate::secret::key_bytes::KeyBytes;
use crate::secret::wiping::wipe_stack_after_hashing;

/// A key between a provider and data keys: the provider wraps it, and it wraps data keys as a [`MasterKey`] does.
///
/// It is the branch key or the fresh key in section 7 of the page [format](crate::docs::format). It is wiped when
/// dropped. Unlike a master key, it is in no keyring, so it may wrap under the id of any provider.
pub struct IntermediateKey(MasterKey);

impl IntermediateKey {
    /// Makes the intermediate key that was generated, or that a provider unwrapped, as a data key.
    #[must_use]
    pub fn new(key: &DataKey) -> Self {
        wipe_stack_after_hashing(|| Self(MasterKey::copy_of(key.expose_secret())))
    }

    /// Computes the public name of a branch key, which the provider binds in place of a commitment.
    ///
    /// branch_id = expand(branch key, "sw1/branch", 32)
    #[must_use]
    pub fn branch_id(&self) -> [u8; COMMITMENT_LEN] {
        wipe_stack_after_hashing(|| self.0.branch_id())
    }

    /// Returns whether this is the branch key with this name, in constant time.
    ///
    /// **Ask before you use a key that a provider unwrapped.** Otherwise, anyone who knows the data key of a row that the
    /// provider wrapped directly can pass it off as a branch key, and write every row. The provider must also bind the
    /// name, as it binds a commitment: over one that binds nothing, the name of such a key is right.
    #[must_use]
    pub fn is_branch(&self, branch_id: &[u8; COMMITMENT_LEN]) -> bool {
        cipher::is_equal(&self.branch_id(), branch_id)
    }

    /// Wraps a data key, and returns a local body: check(4) ‖ salt(24) ‖ wrapped data key(32).
    #[must_use]
    pub fn wrap(&self, request: WrapRequest<'_>) -> [u8; LOCAL_BODY_LEN] {
        let data_key = request.data_key().expose_secret();
        wipe_stack_after_hashing(|| self.0.wrap(&request.binding(), data_key))
    }

    /// Unwraps a local body, which is the body of the request.
    ///
    /// # Errors
    ///
    /// Returns `Rejected` if this key did not make the body for the data that the request binds.
    pub fn unwrap(&self, request: UnwrapRequest<'_>) -> Result<DataKey, ProviderError> {
        let mut data_key = KeyBytes::zeroed();
        let unwrapped = wipe_stack_after_hashing(|| {
            self.0.unwrap(&request.binding(), request.body(), data_key.expose_mut())
        });
        // The provider has returned this very key, so a check value that differs is an altered wrap.
        unwrapped.map_err(|_| ProviderErrorKind::Rejected)?;
        Ok(DataKey::from_key_bytes(data_key))
    }
}

impl fmt::Debug for IntermediateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("IntermediateKey([REDACTED])")
    }
}
