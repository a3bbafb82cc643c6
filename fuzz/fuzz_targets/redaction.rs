//! The fuzz target; the property it checks is in `companions/redaction.rs`.
#![no_main]

#[path = "../companions/redaction.rs"]
mod redaction;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    redaction::check(input);
});
