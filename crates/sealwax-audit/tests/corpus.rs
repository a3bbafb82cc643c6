//! Replays the inputs in `fuzz/corpus/audit`, so that what a fuzzer once found is checked without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    dead_code,
    reason = "tests fail by panicking; the targets use more of what they share"
)]

/// The property of the target. Included by path, because the fuzz targets are in a separate workspace.
#[path = "../../../fuzz/companions/audit.rs"]
#[expect(unreachable_pub, reason = "it is a module of the target")]
mod audit;
#[path = "../../../fuzz/src/heap.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library")]
mod heap;
#[path = "../../../fuzz/companions/replay.rs"]
mod replay;

#[test]
fn every_input_still_has_its_property() {
    let (files, reached) = replay::replay("audit", audit::check);
    assert!(reached >= 9 && reached < files, "{reached} of {files}");
}
