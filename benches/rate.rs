//! Measures the throughput of one thread and of two.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough that starting a thread does not matter, and short enough that a take fits between
/// two interruptions.
const TAKE: Duration = Duration::from_millis(5);
const TAKES: usize = 12;

/// One operation.
///
/// The thread that runs the operation calls this, and the closure it gets runs the operation once.
pub(crate) type Work<'a> = dyn Fn() -> Box<dyn FnMut() + 'a> + Sync + 'a;

/// Returns the iterations per second on one thread and on two.
///
/// Each is the best of several takes, and the takes of all contenders alternate.
pub(crate) fn one_and_two(work: &[&Work<'_>], quick: bool) -> Vec<[f64; 2]> {
    let (take, takes) = if quick { (Duration::ZERO, 1) } else { (TAKE, TAKES) };
    let iterations: Vec<u32> = work.iter().map(|&work| iterations(work, take)).collect();
    let mut best = vec![[0.0_f64; 2]; work.len()];
    for _ in 0..takes {
        for ((&work, iterations), best) in work.iter().zip(&iterations).zip(&mut best) {
            for (threads, best) in (1..).zip(best) {
                *best = best.max(rate(work, threads, *iterations));
            }
        }
    }
    best
}

fn iterations(work: &Work<'_>, take: Duration) -> u32 {
    let mut once = work();
    let mut iterations: u32 = 0;
    let start = Instant::now();
    while iterations == 0 || start.elapsed() < take {
        once();
        iterations += 1;
    }
    iterations
}

/// Returns the iterations per second of all threads together, from the first start to the last end.
fn rate(work: &Work<'_>, threads: usize, iterations: u32) -> f64 {
    let barrier = Barrier::new(threads);
    let run = || {
        let mut once = work();
        once();
        barrier.wait();
        let start = Instant::now();
        for _ in 0..iterations {
            once();
        }
        (start, Instant::now())
    };
    let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let first = spans.iter().map(|(start, _)| *start).min().unwrap();
    let last = spans.iter().map(|(_, end)| *end).max().unwrap();
    threads as f64 * f64::from(iterations) / (last - first).as_secs_f64()
}
