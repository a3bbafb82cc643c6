//! The requests that a provider receives.

use alloc::vec::Vec;

use crate::cipher;
use crate::format::key_id::KeyId;
use crate::format::sizes::COMMITMENT_LEN;
use crate::format::suite::Suite;
use crate::keys::binding::Binding;
use crate::keys::data_key::DataKey;

/// A data key to wrap, and the data to bind it to.
#[derive(Clone, Copy, Debug)]
pub struct WrapRequest<'a> {
    key_id: &'a KeyId,
    suite: Suite,
    commitment: &'a [u8; COMMITMENT_LEN],
    data_key: &'a DataKey,
}

impl<'a> WrapRequest<'a> {
    /// Creates a request, for tests of providers and for callers with their own transport.
    #[must_use]
    pub const fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        data_key: &'a DataKey,
    ) -> Self {
        Self { key_id, suite, commitment, data_key }
    }

    /// Returns the id under which the keyring holds the provider.
    #[must_use]
    pub const fn key_id(&self) -> &'a KeyId {
        self.key_id
    }

    /// Returns the suite of the envelope.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Returns the commitment of the envelope, which is public and different in every row.
    #[must_use]
    pub const fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.commitment
    }

    /// Returns the data key to wrap.
    #[must_use]
    pub const fn data_key(&self) -> &'a DataKey {
        self.data_key
    }

    /// Returns the associated data for a KMS or HSM that can bind it: 36 to 163 bytes, all public.
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

/// A wrapped key to unwrap, and the data that it was bound to.
#[derive(Clone, Copy, Debug)]
pub struct UnwrapRequest<'a> {
    key_id: &'a KeyId,
    suite: Suite,
    commitment: &'a [u8; COMMITMENT_LEN],
    body: &'a [u8],
}

impl<'a> UnwrapRequest<'a> {
    /// Creates a request, for tests of providers and for callers with their own transport.
    #[must_use]
    pub const fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        body: &'a [u8],
    ) -> Self {
        Self { key_id, suite, commitment, body }
    }

    /// Returns the id under which the keyring holds the provider.
    #[must_use]
    pub const fn key_id(&self) -> &'a KeyId {
        self.key_id
    }

    /// Returns the suite of the envelope.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Returns the commitment of the envelope.
    #[must_use]
    pub const fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.commitment
    }

    /// Returns the wrapped data key, as the provider made it.
    ///
    /// It was read from a database and is not trusted yet.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the data that the wrap was bound to: the same bytes as in the [`WrapRequest`].
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        self.binding().parts().concat()
    }

    /// Returns the key under which a provider may cache the unwrapped data key for a while.
    ///
    /// These 32 public bytes are the same for the same body bound to the same data, and for nothing else:
    ///
    /// SHA-256(associated data ‖ body)
    ///
    /// A cache that is keyed by the body alone would return what the service refuses: that body in another row.
    #[must_use]
    pub fn cache_key(&self) -> [u8; 32] {
        // It is clear where the associated data ends: its only part of variable length is preceded by that length.
        let binding = self.binding();
        let [head, key_id, commitment] = binding.parts();
        cipher::sha256(&[head, key_id, commitment, self.body])
    }

    pub(super) fn binding(&self) -> Binding<'a> {
        Binding::new(self.key_id, self.suite, self.commitment)
    }
}
