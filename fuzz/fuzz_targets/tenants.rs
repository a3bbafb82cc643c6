//! The fuzz target; the property it checks is in `companions/tenants.rs`.
#![no_main]

#[path = "../companions/tenants.rs"]
mod tenants;

use sealwax_fuzz::heap;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    tenants::check(input);
});
