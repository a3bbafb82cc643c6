//! Replays the inputs in `fuzz/corpus` for the fuzz targets of this crate.

#[path = "../../../../fuzz/companions/destination.rs"]
pub(crate) mod destination;
#[path = "../../../../fuzz/companions/redaction.rs"]
pub(crate) mod redaction;

use std::fs;
use std::path::Path;

/// Returns the number of inputs of a target, and of those that got far enough to be checked.
fn replay(target: &str, property: fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let (mut files, mut reached) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        files += 1;
        reached += usize::from(property(&fs::read(path).unwrap()));
    }
    (files, reached)
}

#[test]
fn every_input_still_has_its_property() {
    let (files, reached) = replay("destination", destination::check);
    assert!(reached >= 28 && reached < files, "{reached} of {files}");
    let (files, reached) = replay("redaction", redaction::check);
    assert!(reached >= 12 && reached < files, "{reached} of {files}");
}
