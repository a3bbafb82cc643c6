//! Replays the inputs in `fuzz/corpus/tokens`, so that what a fuzzer once found is checked without a fuzzer.

// The target issues a token.
#![cfg(feature = "getrandom")]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    dead_code,
    reason = "tests fail by panicking; the targets use more of what they share"
)]

#[path = "../../../fuzz/src/heap.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library")]
mod heap;
#[path = "../../../fuzz/companions/replay.rs"]
mod replay;
/// The property of the target. Included by path, because the fuzz targets are in a separate workspace.
#[path = "../../../fuzz/companions/tokens.rs"]
#[expect(unreachable_pub, reason = "it is a module of the target")]
mod tokens;

#[test]
fn every_input_still_has_its_property() {
    let (files, reached) = replay::replay("tokens", tokens::check);
    assert!(reached >= 9 && reached < files, "{reached} of {files}");
}
