//! Every small change to such a row: none of them opens, and each is rejected with the class of
//! error that the table of kinds requires. A malformed row is reported before a key is used. A row
//! that gets as far as the key is not authentic.
//!
//! The tests change rows that the original stacks wrote, and rows that this crate writes in every
//! run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::anatomy::Parts;
use crate::files::{COMMITTED, File, Key, KeyText};
use crate::kinds::{KINDS, Kind, Refusal, Row};
use crate::seeded::{SEED, Seeded};

mod bytes;
mod strangers;
mod text;

/// If a part is longer than this, every block of it is damaged, but not every bit.
const LONG: usize = 512;
const FRESH_ROWS: usize = 6;

static FRESH: LazyLock<Vec<File>> = LazyLock::new(|| {
    let mut rng = Seeded::for_purpose("fresh rows");
    KINDS.iter().map(|kind| File::fresh(kind, FRESH_ROWS, &mut rng)).collect()
});

/// A row that opens, and that the test will damage.
struct Subject<'a> {
    file: &'a File,
    kind: &'static Kind,
    key: &'a Key,
    key_text: &'a KeyText,
    row: &'a Row,
    parts: Parts,
    /// A key with the same name that opens nothing.
    stranger: Key,
    origin: String,
}

impl<'a> Subject<'a> {
    fn new(file: &'a File, number: usize, origin: &str) -> Self {
        let (kind, good) = (file.kind, &file.rows[number]);
        let (key, key_text) = (&file.keys[good.key], &file.key_texts[good.key]);
        let origin = format!("{} {origin} row {number}, seed {}", kind.name, *SEED);
        file.open(number);
        let parts = kind.parse(&key.name, &good.columns).unwrap();
        let composed = kind.compose(&key.name, &parts);
        assert!(composed == good.columns, "{origin}: the table describes another layout");
        let stranger = KeyText::new("repeated-byte", "5a".repeat(32)).named(&key.name).key();
        Self { file, kind, key, key_text, row: &good.columns, parts, stranger, origin }
    }

    /// Reads a row that must be rejected. Returns the rejection.
    fn refusal(&self, key: &Key, row: &Row, what: &dyn Fn() -> String) -> Refusal {
        match (self.kind.read)(key, row) {
            Ok(_) => panic!("{}: {}: the row opened", self.origin, what()),
            Err(refusal) => refusal,
        }
    }

    /// Reads a damaged row. A change that leaves the row as it was, such as changing the case of a
    /// digit, is not counted.
    fn refuse(
        &self,
        damaged: &Row,
        tally: &mut Tally,
        what: &dyn Fn() -> String,
    ) -> Option<Refusal> {
        if damaged == self.row {
            return None;
        }
        let expected = match self.kind.parse(&self.key.name, damaged) {
            Err(refusal) => {
                let told = self.refusal(&self.stranger, damaged, what);
                assert_eq!(told, refusal, "{}: {}: a key was used", self.origin, what());
                refusal
            }
            Ok(parts) => {
                assert!(
                    parts != self.parts,
                    "{}: {}: two encodings of one row",
                    self.origin,
                    what()
                );
                Refusal::NotAuthentic
            }
        };
        let found = self.refusal(self.key, damaged, what);
        assert_eq!(found, expected, "{}: {}", self.origin, what());
        tally.count(self.kind, found);
        Some(found)
    }

    /// Returns the row with one of its parts replaced.
    fn with(&self, place: usize, bytes: Vec<u8>) -> Row {
        let mut parts = self.parts.clone();
        parts[place].1 = bytes;
        self.kind.compose(&self.key.name, &parts)
    }

    /// Returns the row with one of its columns replaced.
    fn with_column(&self, place: usize, column: Vec<u8>) -> Row {
        let mut row = self.row.clone();
        row[place] = column;
        row
    }
}

/// Counts the damaged rows that were rejected, by class of error, and records their kinds.
#[derive(Default)]
struct Tally {
    refused: BTreeMap<Refusal, usize>,
    kinds: BTreeSet<&'static str>,
}

impl Tally {
    fn count(&mut self, kind: &Kind, refusal: Refusal) {
        *self.refused.entry(refusal).or_default() += 1;
        self.kinds.insert(kind.name);
    }

    /// Prints the totals and asserts a minimum, so that a drop does not go unnoticed.
    fn report(&self, damage: &str, kinds: usize, floor: usize) {
        let total: usize = self.refused.values().sum();
        println!("{damage}: {total} damaged rows refused: {:?}", self.refused);
        assert_eq!(self.kinds.len(), kinds, "{damage}: tried on {:?}", self.kinds);
        assert!(total >= floor, "{damage}: only {total}");
    }
}

/// Damages each row of this many kinds in one way, at least `floor` times.
fn each_row(
    damage: &str,
    kinds: usize,
    floor: usize,
    mut act: impl FnMut(&Subject<'_>, &mut Tally),
) {
    let mut tally = Tally::default();
    for (files, origin) in [(&*COMMITTED, "committed"), (&*FRESH, "fresh")] {
        for file in files {
            for number in 0..file.rows.len() {
                act(&Subject::new(file, number, origin), &mut tally);
            }
        }
    }
    tally.report(damage, kinds, floor);
}
