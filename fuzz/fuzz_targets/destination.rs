//! The fuzz target; the property it checks is in `companions/destination.rs`.
#![no_main]

#[path = "../companions/destination.rs"]
mod destination;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    destination::check(input);
});
