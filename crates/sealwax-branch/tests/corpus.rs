//! Replays the inputs in `fuzz/corpus/branch`, so that what a fuzzer once found is checked without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    dead_code,
    reason = "tests fail by panicking; the targets use more of what they share"
)]

/// The property of the target. Included by path, because the fuzz targets are in a separate workspace.
#[path = "../../../fuzz/companions/branch.rs"]
#[expect(unreachable_pub, reason = "it is a module of the target")]
mod branch;
#[path = "../../../fuzz/src/edits.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library")]
mod edits;
#[path = "../../../fuzz/src/heap.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library")]
mod heap;
#[path = "../../../fuzz/src/input.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library")]
mod input;
#[path = "../../../fuzz/companions/replay.rs"]
mod replay;

#[test]
fn every_input_still_has_its_property() {
    let (files, reached) = replay::replay("branch", branch::check);
    assert!(reached >= 9 && reached < files, "{reached} of {files}");
}
