//! Replays the inputs in `fuzz/corpus`, so that what a fuzzer once found is checked without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

/// The properties of the targets. Included by path, because the fuzz targets are in a separate workspace, which the
/// library cannot depend on.
#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library in its own workspace")]
mod fuzz;

mod known_answers;

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz::reference::envelope::{Envelope as Reference, Refused};
use sealwax::Envelope;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// Returns the names of the entries in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The result of a replay.
#[derive(Debug, Default)]
struct Replay {
    files: usize,
    /// Inputs that got far enough to be checked.
    reached: usize,
    /// Inputs for which the property fails, and how.
    failures: Vec<String>,
}

/// Runs a property over the corpus of a target.
fn replay(target: &str, property: impl Fn(&[u8]) -> bool) -> Replay {
    let folder = folder("corpus").join(target);
    let mut replay = Replay::default();
    for name in names(&folder) {
        let input = fs::read(folder.join(&name)).unwrap();
        replay.files += 1;
        match catch_unwind(AssertUnwindSafe(|| property(&input))) {
            Ok(reached) => replay.reached += usize::from(reached),
            Err(panic) => replay.failures.push(format!("{target}/{name}: {}", message(&*panic))),
        }
    }
    replay
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

/// The minimum number of inputs of each target that get far enough to be checked. If there are fewer, the corpus is
/// stale, or the property no longer checks anything.
const TAKEN_IN: [(&str, usize); 9] = [
    ("parse_binary", 27),
    ("parse_text", 28),
    ("parse_keyring", 11),
    ("parse_triplet", 25),
    ("context", 13),
    ("hmac", 20),
    ("open_altered", 35),
    ("stateful", 10),
    ("import", 16),
];

#[test]
fn every_input_that_was_found_still_has_its_property() {
    let (mut total, mut failed) = (0, Vec::new());
    for (target, property) in fuzz::TARGETS {
        let Replay { files, reached, failures } = replay(target, property);
        println!("{target}: {files} inputs, {reached} of them checked");
        let (_, least) = TAKEN_IN.into_iter().find(|(name, _)| *name == target).unwrap();
        let is_fresh = reached >= least && reached < files;
        assert!(is_fresh || !failures.is_empty(), "{target}: {reached} of {files}");
        total += files;
        failed.extend(failures);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(total > 100, "{total} inputs");
}

#[test]
fn every_target_has_a_property_a_program_and_a_corpus() {
    let targets = fuzz::TARGETS.iter().map(|(name, _)| name).chain(&fuzz::COMPANIONS);
    let targets: BTreeSet<String> = targets.map(|name| (*name).to_owned()).collect();
    assert_eq!(targets.len(), 15);
    let programs = names(&folder("fuzz_targets"));
    let expected = targets.iter().map(|name| format!("{name}.rs"));
    assert!(programs.iter().eq(expected.collect::<BTreeSet<_>>().iter()), "{programs:?}");
    assert_eq!(names(&folder("corpus")), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in &targets {
        let program = fs::read_to_string(folder("fuzz_targets").join(format!("{target}.rs")));
        assert!(program.unwrap().contains(&format!("{target}::check(")), "{target}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
    }
}

/// Every clone contains the corpora, so they are not a place to collect the output of long runs.
#[test]
fn the_corpora_are_small() {
    let corpus = folder("corpus");
    let files = |target: String| {
        let folder = corpus.join(target);
        let sizes = names(&folder).into_iter().map(move |name| fs::metadata(folder.join(name)));
        sizes.map(|file| file.unwrap().len()).collect::<Vec<_>>()
    };
    let sizes: Vec<u64> = names(&corpus).into_iter().flat_map(files).collect();
    assert!(sizes.len() < 540, "{} files", sizes.len());
    assert!(sizes.iter().sum::<u64>() < 400_000, "{} bytes", sizes.iter().sum::<u64>());
}

type Parsed = Result<Reference, Refused>;

/// Checks the tests above: if the reference differs by one bit of one field, by one class of error, or by accepting
/// what it should reject, the replay fails for each input that shows the difference.
#[test]
fn a_reference_that_disagrees_is_noticed() {
    let wrong: [fn(Parsed) -> Parsed; 4] = [
        |parsed| {
            parsed.map(|mut envelope| {
                envelope.tag[15] ^= 1;
                envelope
            })
        },
        |parsed| {
            parsed.map(|mut envelope| {
                envelope.wraps.rotate_left(1);
                envelope
            })
        },
        |parsed| parsed.map_err(|_| Refused::Malformed),
        |parsed| parsed.or(Reference::from_binary(&accepted())),
    ];
    for wrong in wrong {
        let property = |input: &[u8]| {
            let text = std::str::from_utf8(input).unwrap_or_default();
            let expected = Reference::from_text(text);
            let differs = wrong(expected.clone()) != expected;
            let (found, wrong) = (text.parse::<Envelope>(), wrong(expected));
            let caught = catch_unwind(|| fuzz::agree::envelope(&found, &wrong, text.len()));
            assert_eq!(caught.is_err(), differs, "{text}");
            differs
        };
        let Replay { reached, failures, .. } = replay("parse_text", property);
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert!(reached > 0);
    }
    // A failing property is reported with the name of the input.
    let Replay { files, reached, failures } = replay("parse_text", |_| panic!("wrong"));
    assert_eq!((failures.len(), reached), (files, 0));
    assert!(failures[0].starts_with("parse_text/") && failures[0].ends_with(": wrong"));
}

/// Returns the bytes of some envelope.
fn accepted() -> Vec<u8> {
    [b"SW\x01\x01\x01\x01a\x00\x02\x02\x00".as_slice(), &[0; 76]].concat()
}
