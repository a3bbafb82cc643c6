//! Replays the inputs in `fuzz/corpus` for the fuzz targets of this crate.

#[path = "../../../../fuzz/companions/destination.rs"]
pub(crate) mod destination;
#[path = "../../../../fuzz/companions/redaction.rs"]
pub(crate) mod redaction;
#[path = "../../../../fuzz/companions/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn every_input_still_has_its_property() {
    let (files, reached) = replay("destination", destination::check);
    assert!(reached >= 28 && reached < files, "{reached} of {files}");
    let (files, reached) = replay("redaction", redaction::check);
    assert!(reached >= 12 && reached < files, "{reached} of {files}");
}
