//! Not a target: what the tests of the companion crates include to replay the inputs of one.

use std::fs;
use std::path::Path;

/// Returns the number of inputs of a target, and of those that got far enough to be checked.
pub(crate) fn replay(target: &str, property: fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let (mut files, mut reached) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // So that the output of a test that fails ends with the input that it failed for.
        println!("{}", path.display());
        files += 1;
        reached += usize::from(property(&fs::read(path).unwrap()));
    }
    println!("{target}: {files} inputs, {reached} of them checked");
    (files, reached)
}
