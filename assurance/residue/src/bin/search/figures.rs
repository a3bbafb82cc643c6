//! Counts what was found, and compares it with what must be found.

use std::collections::{BTreeMap, BTreeSet};

use super::windows::Found;

/// A step of the probe.
#[derive(Debug)]
pub struct Ended {
    pub name: String,
    pub suite: u8,
    pub size: usize,
}

/// What was found after the steps of one name.
#[derive(Default)]
struct Operation {
    steps: usize,
    fragments: usize,
    bytes: usize,
    in_vectors: usize,
    /// What kinds of secrets were found.
    kinds: BTreeSet<&'static str>,
    /// Steps that left nothing.
    empty: usize,
}

#[derive(Default)]
pub struct Figures {
    operations: BTreeMap<String, Operation>,
    kinds: BTreeMap<&'static str, usize>,
    /// How often a fragment was found and how deep below the stack pointer, by operation, secret and place.
    places: BTreeMap<String, (usize, u64)>,
    sizes: [usize; 2],
    registers_refused: bool,
    /// Fragments in the current step.
    of_step: usize,
    pub searched: usize,
    /// How many windows of secrets were not searched for.
    pub ignored: usize,
}

/// How many operations the probe does. The page *assurance* has the same figures.
const OPERATIONS: usize = 115;
const STEPS: usize = 11_293;
/// How many steps the control does, with each operation at one length.
const CONTROL_STEPS: usize = 956;
/// How many steps of the control may leave nothing, each with the reason.
const EMPTY: [(&str, usize); 8] = [
    // An empty credential.
    ("secret deserialised", 3),
    // Drawn from the system's randomness, which the search does not know.
    ("master key made", 2),
    ("data key made", 2),
    ("pair made", 2),
    // A second draw overwrites the first one, and one repeated byte is not searched for. In the other steps,
    // unwinding the stack overwrites the draw.
    ("master key refused", 4),
    ("row key refused", 1),
    ("derivation key refused", 2),
    // A text that is too short is rejected before it is decoded.
    ("master key's text refused", 4),
];
/// What each canary leaves, in bytes. The live master key is in memory as a key and as two states.
const CANARIES: [(&str, usize); 7] = [
    ("canary: nothing is left", 0),
    ("canary: left on the heap", 32),
    ("canary: left on the stack", 32),
    ("canary: left in a static", 32),
    ("canary: and wiped there", 0),
    ("canary: a master key that lives", 96),
    // The data key in hex.
    ("canary: a client that never wipes", 64),
];
/// What other crates leave, if nobody wipes the stack after them. A format's own buffer contains the credential of 51
/// bytes once.
const KNOWN: [(&str, &[&str]); 4] = [
    ("known: hpke expands a seed", &["expanded seed", "key", "private polynomial"]),
    (
        "known: hpke opens",
        &[
            "AES round keys",
            "GHASH key",
            "HPKE's key",
            "coins",
            "expanded seed",
            "keystream",
            "private polynomial",
            "shared secret",
        ],
    ),
    (
        "known: hpke seals",
        &["AES round keys", "GHASH key", "HPKE's key", "coins", "keystream", "shared secret"],
    ),
    ("known: serde_json unescapes", &["plaintext"]),
];
/// How many bytes the last of them leaves. The others spill a few bytes more or less in each build.
const UNESCAPED: usize = 51;
/// How many windows of secrets memory may contain before there is a secret. A few of the ten million in a run
/// occur there by chance.
const IGNORED: usize = 8;
/// How many lines of findings are printed.
const SHOWN: usize = 24;

fn is_canary(name: &str) -> bool {
    name.starts_with("canary")
}

fn is_known(name: &str) -> bool {
    name.starts_with("known")
}

impl Figures {
    pub fn steps(&self) -> usize {
        self.operations.values().map(|operation| operation.steps).sum()
    }

    pub fn count(
        &mut self,
        ended: &Ended,
        place: &str,
        found: &[Found],
        depth: impl Fn(&Found) -> Option<u64>,
    ) {
        let operation = self.operations.entry(ended.name.clone()).or_default();
        for fragment in found {
            operation.fragments += 1;
            operation.bytes += fragment.len;
            operation.kinds.insert(fragment.kind);
            self.of_step += 1;
            if is_canary(&ended.name) || is_known(&ended.name) {
                continue;
            }
            *self.kinds.entry(fragment.kind).or_default() += 1;
            let what =
                format!("{}, suite {}: {} in {place}", ended.name, ended.suite, fragment.kind);
            let (times, deepest) = self.places.entry(what).or_default();
            *times += 1;
            if place == "[stack]" {
                *deepest = depth(fragment).unwrap_or_default().max(*deepest);
            }
        }
    }

    /// Ends a step. `in_vectors` says whether a vector register held a fragment, if they could be read.
    pub fn end_step(&mut self, ended: &Ended, in_vectors: Option<bool>) {
        self.registers_refused |= in_vectors.is_none();
        let operation = self.operations.entry(ended.name.clone()).or_default();
        operation.steps += 1;
        operation.in_vectors += usize::from(in_vectors == Some(true));
        operation.empty += usize::from(self.of_step == 0);
        self.of_step = 0;
        self.sizes = [self.sizes[0].min(ended.size), self.sizes[1].max(ended.size)];
    }

    /// Returns the operations, except the canaries and what is known.
    fn own(&self) -> impl Iterator<Item = (&String, &Operation)> {
        self.operations.iter().filter(|(name, _)| !is_canary(name) && !is_known(name))
    }

    fn sum(&self, of: impl Fn(&Operation) -> usize) -> usize {
        self.own().map(|(_, operation)| of(operation)).sum()
    }

    /// Prints the figures of the probe that wipes, and returns what is wrong.
    pub fn report(&self) -> Vec<String> {
        let (operations, steps) = (self.own().count(), self.sum(|operation| operation.steps));
        let (fragments, bytes) = (self.sum(|o| o.fragments), self.sum(|o| o.bytes));
        let [least, most] = self.sizes;
        let mebibytes = self.searched >> 20;
        println!(
            "steps: {steps} of {operations} operations, two suites, {least} to {most} bytes; \
             {mebibytes} MiB searched"
        );
        println!("left: {fragments} fragments, {bytes} bytes");
        let known = self.operations.iter().filter(|(name, _)| is_known(name));
        let known: Vec<_> = known
            .map(|(name, operation)| {
                let kinds: Vec<_> = operation.kinds.iter().copied().collect();
                println!("{name}: {} bytes of {}", operation.bytes, kinds.join(", "));
                (name.as_str(), kinds, operation.bytes)
            })
            .collect();
        if self.registers_refused {
            println!("skipped: the registers, which the kernel does not let a parent read here");
        } else {
            let vectors = self.sum(|operation| operation.in_vectors);
            println!(
                "known: after {vectors} steps a vector register holds a fragment; \
                 safe code cannot clear it"
            );
        }
        let mut wrong = Vec::new();
        let are_known = known.iter().map(|(name, kinds, _)| (*name, kinds.as_slice())).eq(KNOWN);
        if !are_known || known.last().is_none_or(|(.., bytes)| *bytes != UNESCAPED) {
            wrong.push(format!("{known:?} is left, but only {KNOWN:?} is known"));
        }
        let mut canaries = 0;
        for (name, expected) in CANARIES {
            let found = self.operations.get(name).map(|operation| operation.bytes);
            if found == Some(expected) {
                canaries += 1;
            } else {
                wrong.push(format!("{name}: {found:?} bytes found, {expected} expected"));
            }
        }
        println!("canaries: {canaries} of {} found as they were left", CANARIES.len());
        println!(
            "not searched for: {} fragments that were in memory before there was a secret",
            self.ignored
        );
        if self.ignored > IGNORED {
            wrong.push(format!("{} fragments were in memory before", self.ignored));
        }
        if fragments > 0 {
            wrong.push(format!("{fragments} fragments are left, {}", self.of_kinds()));
            wrong.extend(self.places());
        }
        if (operations, steps) != (OPERATIONS, STEPS) {
            wrong.push(format!("the probe did {steps} steps of {operations} operations"));
        }
        wrong
    }

    fn of_kinds(&self) -> String {
        let counts: Vec<_> = self.kinds.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        format!("of {} kinds: {}", counts.len(), counts.join(", "))
    }

    fn places(&self) -> impl Iterator<Item = String> {
        self.places.iter().take(SHOWN).map(|(what, (times, deepest))| match deepest {
            0 => format!("  {times} × {what}"),
            _ => format!("  {times} × {what}, up to {deepest} bytes below the caller"),
        })
    }

    /// Prints the figures of the probe that wipes nothing, and returns what was not found.
    pub fn report_control(&self, kinds: &[&str]) -> Vec<String> {
        let found = self.sum(|operation| operation.fragments);
        let (operations, steps) = (self.own().count(), self.sum(|operation| operation.steps));
        let empty = self.sum(|operation| operation.empty);
        println!(
            "without wiping: {found} fragments, after {} of {steps} steps of {operations} \
             operations",
            steps - empty
        );
        println!("  {}", self.of_kinds());
        let mut wrong = Vec::new();
        for (name, operation) in self.own() {
            let may_be = EMPTY.iter().find(|(empty, _)| empty == name).map_or(0, |(_, most)| *most);
            if operation.empty > may_be {
                let (empty, steps) = (operation.empty, operation.steps);
                wrong.push(format!(
                    "{name}: without wiping, nothing is found after {empty} of {steps} steps"
                ));
            }
        }
        let missing = kinds.iter().filter(|kind| !self.kinds.contains_key(**kind));
        wrong.extend(missing.map(|kind| format!("without wiping, no {kind} is found")));
        if (operations, steps) != (OPERATIONS, CONTROL_STEPS) {
            wrong.push(format!("the control did {steps} steps of {operations} operations"));
        }
        wrong
    }
}
