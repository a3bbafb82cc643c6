//! Properties that hold for all inputs. `PROPTEST_CASES` raises the number of cases. Each file below tests one
//! property.

use core::cell::Cell;
use core::fmt;
use std::env;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use sealwax::{Keyring, Suite};

use crate::fixtures::{SUITES, key_id, master_key};

mod histories;
mod one_encoding;
mod round_trips;

/// Runs a test over this many values of a strategy, or over the number that the environment sets if it is larger.
fn for_all<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value))
where
    S::Value: fmt::Debug,
{
    let asked = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.map_or(cases, |asked: u32| asked.max(cases));
    // No file is written next to the sources, because a failure prints the value it failed with.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = Cell::new(0);
    let result = TestRunner::new(config).run(&strategy, |value| {
        run.set(run.get() + 1);
        test(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert_eq!(run.get(), cases);
}

fn suite() -> impl Strategy<Value = Suite> {
    select(SUITES.as_slice())
}

fn text(chars: core::ops::Range<usize>) -> impl Strategy<Value = String> {
    // All of Unicode, and often the characters that fields are joined with.
    let char = prop_oneof![any::<char>(), select(b":=,;\0 a".map(char::from).to_vec())];
    vec(char, chars).prop_map(|chars| chars.into_iter().collect())
}

fn ring_of(suite: Suite, escrows: usize) -> Keyring {
    let ring = Keyring::new(key_id("prod"), master_key(0)).unwrap().with_suite(suite);
    (1..=escrows).fold(ring, |ring, n| {
        let key = master_key(u8::try_from(n).unwrap());
        ring.with_escrow(key_id(&format!("dr/{n}")), key).unwrap()
    })
}
