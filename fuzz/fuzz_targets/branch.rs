//! The fuzz target; the property it checks is in `companions/branch.rs`.
#![no_main]

#[path = "../companions/branch.rs"]
mod branch;

use sealwax_fuzz::{edits, heap, input};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    branch::check(input);
});
