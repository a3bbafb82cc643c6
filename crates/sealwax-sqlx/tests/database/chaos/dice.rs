//! Random numbers that a seed repeats.

use std::time::{Duration, SystemTime};

/// A linear congruential generator.
pub(super) struct Dice(u64);

impl Dice {
    /// Prints its seed.
    pub(super) fn new() -> Self {
        let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        println!("seed {seed}");
        Self(seed)
    }

    /// Returns a number from 0 to `end - 1`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).checked_rem(end).unwrap()
    }

    /// Returns a time of at most this many milliseconds.
    pub(super) fn milliseconds(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most.saturating_add(1)))
    }
}
