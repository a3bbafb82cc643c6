//! The fuzz target; the property it checks is in `companions/tokens.rs`.
#![no_main]

#[path = "../companions/tokens.rs"]
mod tokens;

use sealwax_fuzz::heap;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    tokens::check(input);
});
