//! Exchanges rows with the original stacks themselves, where they are installed: what they write now opens here, and
//! what is written here opens there.
//!
//! `tests/legacy/legacy.mjs` needs only Node 20; `legacy.py` needs Python 3.10 and its package `cryptography`. If one
//! of them is missing, its part is skipped, unless the variable `SEALWAX_REQUIRE_INTEROP` is set.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::files::File;
use crate::kinds::{KINDS, Kind, Stack};
use crate::seeded::{SEED, Seeded};

const ROWS: usize = 20;

impl Stack {
    fn program(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python3",
        }
    }

    /// Returns whether everything that the scripts need is installed, and prints a message if not.
    pub(crate) fn is_installed(self) -> bool {
        let (flag, check, name) = match self {
            Self::Node => {
                ("-e", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)", "node")
            }
            Self::Python => (
                "-c",
                "import sys, cryptography; sys.exit(sys.version_info < (3, 10))",
                "python3 with cryptography",
            ),
        };
        let checked = Command::new(self.program()).args([flag, check]).output();
        let installed = checked.is_ok_and(|output| output.status.success());
        if !installed {
            println!("skipped: {name} is not installed");
            let required = env::var_os("SEALWAX_REQUIRE_INTEROP").is_some();
            assert!(!required, "SEALWAX_REQUIRE_INTEROP is set, and {name} is not installed");
        }
        installed
    }

    fn kinds(self) -> impl Iterator<Item = &'static Kind> {
        KINDS.iter().filter(move |kind| kind.stack == self)
    }

    /// Runs a script of `tests/legacy`. Returns its JSON, or its error output.
    pub(crate) fn run(
        self,
        script: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Value, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/legacy");
        let mut child = Command::new(self.program())
            .arg(folder.join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Each script reads all its input before it writes, or reads none.
        let mut stdin = child.stdin.take().unwrap();
        let written = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8(output.stderr).unwrap());
        }
        written.unwrap();
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn script(self) -> &'static str {
        match self {
            Self::Node => "legacy.mjs",
            Self::Python => "legacy.py",
        }
    }
}

fn what_a_stack_writes_opens_here(stack: Stack) {
    if !stack.is_installed() {
        return;
    }
    let made = stack.run(stack.script(), &["make", &SEED.to_string()], "").unwrap();
    let files: Vec<_> = made.as_array().unwrap().iter().map(File::of).collect();
    let names: Vec<_> = files.iter().map(|file| file.kind.name).collect();
    assert_eq!(names, stack.kinds().map(|kind| kind.name).collect::<Vec<_>>());
    for file in &files {
        assert_eq!(file.rows.len(), ROWS, "{}", file.kind.name);
        for (number, row) in file.rows.iter().enumerate() {
            let opened = (file.kind.read)(&file.keys[row.key], &row.columns);
            let fine = opened.is_ok_and(|secret| secret.expose_secret() == row.plaintext);
            assert!(fine, "{} row {number}, seed {}", file.kind.name, *SEED);
        }
    }
    println!("{} kinds of {stack:?}, {ROWS} rows each, opened here", files.len());
}

fn what_is_written_here_opens_in(stack: Stack) {
    if !stack.is_installed() {
        return;
    }
    let mut rng = Seeded::for_purpose("written for another");
    let files: Vec<_> = stack.kinds().map(|kind| File::fresh(kind, ROWS, &mut rng)).collect();
    let sent = Value::Array(files.iter().map(File::json).collect());
    let opened = stack.run(stack.script(), &["open"], &sent.to_string());
    let opened = opened.unwrap_or_else(|complaint| panic!("seed {}: {complaint}", *SEED));
    let expected: serde_json::Map<_, _> =
        stack.kinds().map(|kind| (kind.name.to_owned(), json!(ROWS))).collect();
    assert_eq!(opened, Value::Object(expected));
    println!("{} kinds, {ROWS} rows each, opened in {stack:?}", files.len());

    // Checks the script itself: it compares the plaintexts.
    for kind in stack.kinds() {
        let mut file = File::fresh(kind, 1, &mut rng);
        file.rows[0].plaintext.push(b'x');
        let sent = Value::Array(vec![file.json()]);
        let complaint = stack.run(stack.script(), &["open"], &sent.to_string()).unwrap_err();
        assert!(complaint.contains("wrong plaintext"), "{}: {complaint}", kind.name);
    }
}

#[test]
fn what_node_writes_opens_here() {
    what_a_stack_writes_opens_here(Stack::Node);
}

#[test]
fn what_python_writes_opens_here() {
    what_a_stack_writes_opens_here(Stack::Python);
}

#[test]
fn what_is_written_here_opens_in_node() {
    what_is_written_here_opens_in(Stack::Node);
}

#[test]
fn what_is_written_here_opens_in_python() {
    what_is_written_here_opens_in(Stack::Python);
}
