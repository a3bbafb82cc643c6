//! The fuzz target; the property it checks is in `src/audit.rs`.
#![no_main]

#[path = "../src/audit.rs"]
mod audit;

use sealwax_fuzz::heap;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    audit::check(input);
});
