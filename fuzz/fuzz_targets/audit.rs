//! The fuzz target; the property it checks is in `companions/audit.rs`.
#![no_main]

#[path = "../companions/audit.rs"]
mod audit;

use sealwax_fuzz::heap;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    audit::check(input);
});
