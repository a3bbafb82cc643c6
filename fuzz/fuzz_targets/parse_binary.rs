//! The fuzz target; the property it checks is in `src/parse_binary.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealwax_fuzz::parse_binary::check(input);
});
