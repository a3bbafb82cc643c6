//! The fuzz target; the property it checks is in `src/hmac.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealwax_fuzz::hmac::check(input);
});
