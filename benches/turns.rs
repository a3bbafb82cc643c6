//! Times contenders that take turns, so that whatever slows the machine down affects all of them.
//!
//! In each round every contender runs one short batch, in an order that rotates. The fastest batch
//! of each contender counts, and ratios compare figures from the same rounds.

#![allow(dead_code, reason = "each program that shares this file uses only part of it")]

use std::time::{Duration, Instant};

/// Long enough that reading the clock twice, about 40 ns, does not matter.
const BATCH: Duration = Duration::from_micros(40);
const FEWEST_ROUNDS: usize = 20;

/// One way to do a piece of work.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    /// Runs the given number of iterations, and returns how long they took.
    pub(crate) run: Box<dyn FnMut(u32) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: impl Into<String>, mut once: impl FnMut() + 'a) -> Self {
        let run = move |iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                once();
            }
            start.elapsed()
        };
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Lets the contenders take turns for about `time` in all.
///
/// Returns the nanoseconds per iteration of each contender, in its fastest batch.
pub(crate) fn take_turns(contenders: &mut [Contender<'_>], time: Duration) -> Vec<f64> {
    let batches: Vec<u32> = contenders.iter_mut().map(batch_of).collect();
    let mut fastest = vec![f64::MAX; contenders.len()];
    let start = Instant::now();
    for round in 0.. {
        if round >= FEWEST_ROUNDS && start.elapsed() >= time {
            break;
        }
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let took = (contenders[at].run)(batches[at]);
            fastest[at] = fastest[at].min(took.as_nanos() as f64 / f64::from(batches[at]));
        }
    }
    fastest
}

/// Takes a sample of one contender for criterion.
///
/// The sample is taken in slices. Between two slices the other contenders run one untimed, so that
/// drift and the state of the caches are the same for all.
pub(crate) fn sample(contenders: &mut [Contender<'_>], timed: usize, iterations: u64) -> Duration {
    let slice = u64::from(contenders.iter_mut().map(batch_of).min().unwrap_or(1));
    let (mut took, mut left) = (Duration::ZERO, iterations);
    while left > 0 {
        let now = left.min(slice);
        for (at, contender) in contenders.iter_mut().enumerate() {
            let slice_took = (contender.run)(now as u32);
            if at == timed {
                took += slice_took;
            }
        }
        left -= now;
    }
    took
}

/// Finds by trial how many iterations make a batch, which also warms up.
fn batch_of(contender: &mut Contender<'_>) -> u32 {
    let mut iterations = 1;
    while (contender.run)(iterations) < BATCH && iterations < 1 << 20 {
        iterations *= 2;
    }
    iterations
}

/// Formats nanoseconds in a unit that is easy to read.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 100_000.0 => thousands(ns),
        ns => format!("{} µs", thousands(ns / 1000.0)),
    }
}

/// Formats a number as an integer with commas.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
