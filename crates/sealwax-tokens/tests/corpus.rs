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
/// The property of the target. Included by path, because the fuzz targets are in a separate workspace.
#[path = "../../../fuzz/companions/tokens.rs"]
#[expect(unreachable_pub, reason = "it is a module of the target")]
mod tokens;

use std::fs;
use std::path::Path;

#[test]
fn every_input_still_has_its_property() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tokens");
    let (mut files, mut reached) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        reached += usize::from(tokens::check(&input));
    }
    println!("tokens: {files} inputs, {reached} of them checked");
    assert!(reached >= 9 && reached < files, "{reached} of {files}");
}
