//! The fingerprint of a keyring.

use alloc::vec::Vec;

use crate::cipher;
use crate::keys::keyring::Keyring;
use crate::keys::usable_key::UsableKey;

impl Keyring {
    /// Returns eight public bytes that show whether all processes have the same keyring text.
    ///
    /// Two keyrings have the same fingerprint if they have the same suite and the same ids, in the same states, with
    /// the same keys in memory, in the same order. The state of an offline escrow is `offline`.
    ///
    /// SHA-256("sw1/ring" ‖ suite ‖ u16(n) ‖ n × (len8(state) ‖ len8(id) ‖ kind ‖ len8(check value)))[0..8]
    ///
    /// The check value of a key that is not in memory is empty, and the kind of an entry without a key is 0x00.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 8] {
        let mut encoded = Vec::from(*b"sw1/ring");
        encoded.push(self.suite.id());
        encoded.extend_from_slice(&counted::<u16>(self.entries.len()).to_be_bytes());
        for entry in self.entries.iter() {
            let key = entry.usable();
            let check = key.and_then(UsableKey::check_value);
            let check = check.as_ref().map_or([].as_slice(), |check| check);
            put_counted(&mut encoded, entry.state().as_str().as_bytes());
            put_counted(&mut encoded, entry.key_id().as_ref().as_bytes());
            encoded.push(key.map_or(0x00, |key| key.kind.byte()));
            put_counted(&mut encoded, check);
        }
        let [a, b, c, d, e, f, g, h, ..] = cipher::sha256(&[&encoded]);
        [a, b, c, d, e, f, g, h]
    }
}

/// Appends len8(bytes) ‖ bytes.
fn put_counted(encoded: &mut Vec<u8>, bytes: &[u8]) {
    encoded.push(counted(bytes.len()));
    encoded.extend_from_slice(bytes);
}

/// Converts a small count to the type in which it is encoded.
#[expect(clippy::expect_used, reason = "a default would leave something out of the fingerprint")]
fn counted<N: TryFrom<usize>>(count: usize) -> N {
    count.try_into().ok().expect("a keyring has at most 1,024 entries, and an id at most 128 bytes")
}
