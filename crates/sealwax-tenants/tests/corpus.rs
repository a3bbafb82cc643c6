//! Replays the inputs in `fuzz/corpus/tenants`, so that what a fuzzer once found is checked without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    dead_code,
    reason = "tests fail by panicking; the targets use more of what they share"
)]

#[path = "../../../fuzz/src/heap.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library")]
mod heap;
/// The property of the target. Included by path, because the fuzz targets are in a separate workspace.
#[path = "../../../fuzz/companions/tenants.rs"]
#[expect(unreachable_pub, reason = "it is a module of the target")]
mod tenants;

use std::fs;
use std::path::Path;

#[test]
fn every_input_still_has_its_property() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tenants");
    let (mut files, mut reached) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        reached += usize::from(tenants::check(&input));
    }
    println!("tenants: {files} inputs, {reached} of them checked");
    assert!(reached >= 20 && reached < files, "{reached} of {files}");
}
