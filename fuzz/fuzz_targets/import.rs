//! The fuzz target; the property it checks is in `src/import.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealwax_fuzz::import::check(input);
});
