//! Runs one operation of the library a given number of times, under a program that counts
//! instructions: `instructions <suite> <operation> <times>`.
//!
//! Without arguments, it lists the suites and operations, one pair per line. It is run by
//! `instructions.sh`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a benchmark may panic, and computes with small numbers"
)]

mod cases;
mod floor;
mod turns;

use cases::{Case, VERBS};

fn main() {
    // `cargo bench` adds a flag of its own.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let arguments: Vec<String> = arguments.collect();
    let [suite, verb, times] = arguments.as_slice() else {
        for (verb, suites) in VERBS {
            suites.iter().for_each(|suite| println!("{suite} {verb}"));
        }
        return;
    };
    let case = Case::new(suite.parse().unwrap(), 51);
    let [mut ours, _] = case.contenders(verb);
    (ours.run)(times.parse().unwrap());
}
