//! The keys that are held in memory.

use crate::keys::master_key::{CHECK_LEN, MasterKey};
#[cfg(feature = "hpke")]
use crate::keys::pair::SealingKey;

/// A key that is held in memory, and not a type around one.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "other crates cannot implement the method that returns it")]
pub enum InMemory<'a> {
    #[doc(hidden)]
    Master(&'a MasterKey),
    /// A sealing key, or that of an opening key.
    #[cfg(feature = "hpke")]
    #[doc(hidden)]
    Pair(&'a SealingKey),
}

impl InMemory<'_> {
    /// Returns whether both are the same key.
    pub(super) fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Master(one), Self::Master(other)) => one.is_same(other),
            #[cfg(feature = "hpke")]
            (Self::Pair(one), Self::Pair(other)) => one.is_same(other),
            #[cfg(feature = "hpke")]
            _ => false,
        }
    }

    /// Returns whether both have material in common, which no keyring may have under two ids.
    pub(super) fn is_one_material_with(self, other: Self) -> bool {
        match (self, other) {
            #[cfg(feature = "hpke")]
            (Self::Pair(one), Self::Pair(other)) => one.shares_with(other),
            (one, other) => one.is_same(other),
        }
    }

    pub(super) fn check_value(self) -> [u8; CHECK_LEN] {
        match self {
            Self::Master(key) => key.check_value(),
            #[cfg(feature = "hpke")]
            Self::Pair(key) => key.check_value(),
        }
    }
}
