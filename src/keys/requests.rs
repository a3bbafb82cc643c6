//! What a provider is asked.

use alloc::vec::Vec;

use crate::cipher;
use crate::format::key_id::KeyId;
use crate::format::sizes::COMMITMENT_LEN;
use crate::format::suite::Suite;
use crate::keys::binding::Binding;
use crate::keys::data_key::DataKey;

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

    /// Under what a provider may keep the unwrapped key for a while: 32 public bytes, the same for the same
    /// body bound to the same things, and for nothing else.
    ///
    /// SHA-256(associated data ‖ body)
    ///
    /// Under the body alone a cache would hand out what the service refuses: that body in another row.
    #[must_use]
    pub fn cache_key(&self) -> [u8; 32] {
        // Associated data says its own length: its only part of any length has it in front.
        let binding = self.binding();
        let [head, key_id, commitment] = binding.parts();
        cipher::sha256(&[head, key_id, commitment, self.body])
    }

    pub(super) fn binding(&self) -> Binding<'a> {
        Binding::new(self.key_id, self.suite, self.commitment)
    }
}
