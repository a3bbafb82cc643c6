//! The fuzz target; the property it checks is in `src/stateful.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealwax_fuzz::stateful::check(input);
});
