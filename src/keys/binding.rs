//! The data that a wrap is bound to.

use crate::format::key_id::{self, KeyId};
use crate::format::sizes::{COMMITMENT_LEN, FORMAT_VERSION};
use crate::format::suite::Suite;

/// The data that a wrap is bound to: 0x01 (format version) ‖ suite ‖ len8(key_id) ‖ commitment.
pub(super) struct Binding<'a> {
    head: [u8; 3],
    key_id: &'a [u8],
    commitment: &'a [u8; COMMITMENT_LEN],
}

impl<'a> Binding<'a> {
    pub(super) fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
    ) -> Self {
        let key_id = key_id.as_ref();
        let head = [FORMAT_VERSION, suite.id(), key_id::len_byte(key_id)];
        Self { head, key_id: key_id.as_bytes(), commitment }
    }

    pub(super) fn parts(&self) -> [&[u8]; 3] {
        let Self { head, key_id, commitment } = self;
        [head, key_id, commitment.as_slice()]
    }
}
