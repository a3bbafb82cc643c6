//! The fuzz target; the property it checks is in `src/open_altered.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealwax_fuzz::open_altered::check(input);
});
