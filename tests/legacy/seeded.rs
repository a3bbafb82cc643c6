//! The randomness of these tests, from a seed that a failure prints.

use std::convert::Infallible;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use rand_core::{TryCryptoRng, TryRng};

/// A different seed in every run, unless `SEALWAX_LEGACY_SEED` sets it.
pub(crate) static SEED: LazyLock<u64> = LazyLock::new(|| match env::var("SEALWAX_LEGACY_SEED") {
    Ok(seed) => seed.parse().unwrap(),
    Err(_) => RandomState::new().hash_one("sealwax"),
});

/// SplitMix64. Nothing that is encrypted with it is secret.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// Derives an independent generator from the run's seed for each purpose.
    pub(crate) fn for_purpose(purpose: &str) -> Self {
        // FNV-1a, which is the same in every run.
        let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(purpose.bytes().fold(0xcbf2_9ce4_8422_2325 ^ *SEED, fold))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_be_bytes()[0]).take(len).collect()
    }

    /// Returns text, because some stacks store nothing else; half of its characters are not ASCII.
    pub(crate) fn text(&mut self, len: usize) -> String {
        self.bytes(len).into_iter().map(char::from).collect()
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let drawn = self.bytes(bytes.len());
        bytes.copy_from_slice(&drawn);
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}
