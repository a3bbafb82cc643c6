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

use std::fs;
use std::path::Path;

#[test]
fn every_input_still_has_its_property() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/branch");
    let (mut files, mut reached) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        reached += usize::from(branch::check(&input));
    }
    println!("branch: {files} inputs, {reached} of them checked");
    assert!(reached >= 9 && reached < files, "{reached} of {files}");
}
