//! The tables of `src/docs/performance.md`, as Markdown: `cargo bench --bench summary`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a benchmark may panic, and reckons with small numbers"
)]

mod cases;
mod floor;
mod turns;

use std::time::Duration;

use cases::{Case, SIZES, SUITES, VERBS};
use turns::{take_turns, time};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 400 });
    println!("| verb | suite | bytes | sealwax | floor | ratio |");
    println!("|---|---|--:|--:|--:|--:|");
    for verb in VERBS {
        for suite in SUITES {
            for size in SIZES {
                let case = Case::new(suite, size);
                let found = take_turns(&mut case.contenders(verb), budget);
                let (ours, floor) = (found[0], found[1]);
                println!(
                    "| {verb} | {suite} | {size} | {} | {} | {:.2} |",
                    time(ours.min),
                    time(floor.min),
                    ours.min / floor.min
                );
            }
        }
    }
}
