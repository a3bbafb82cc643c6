//! The target; its property stands in `src/stateful.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealwax_fuzz::stateful::check(input);
});
