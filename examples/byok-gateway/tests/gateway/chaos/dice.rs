//! Random numbers that a seed repeats.

use std::time::{Duration, SystemTime};

/// A linear congruential generator.
pub(super) struct Dice(u64);

impl Dice {
    /// Prints its seed.
    pub(super) fn new() -> Self {
        let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let seed = variable("BYOK_GATEWAY_CHAOS_SEED").unwrap_or_else(now);
        println!("BYOK_GATEWAY_CHAOS_SEED={seed}");
        Self(seed)
    }

    /// Returns another one, for a task of its own.
    pub(super) fn split(&mut self) -> Self {
        Self(self.next().wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Returns a number from 0 to `end - 1`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    /// Returns a time of at most this many milliseconds.
    pub(super) fn milliseconds(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.next() % (most + 1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// Returns the number that a variable of the environment has.
pub(super) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}
