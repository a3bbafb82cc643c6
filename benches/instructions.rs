//! One verb, so many times, for a program that counts instructions: `instructions <verb> <times>`.
//! `benches/instructions.sh` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may panic"
)]

mod cases;
mod floor;
mod turns;

use cases::{Case, VERBS};
use sealwax::Suite;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(verb) = arguments.next() else {
        VERBS.iter().for_each(|verb| println!("{verb}"));
        return;
    };
    let times = arguments.next().unwrap().parse().unwrap();
    let suite: Suite = arguments.next().unwrap().parse().unwrap();
    let which: usize = arguments.next().unwrap().parse().unwrap();
    let case = Case::new(suite, 51);
    (case.contenders(&verb)[which].run)(times);
}
