//! The other languages: whether one is installed, and how to query one of its programs.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;

pub(crate) struct Language {
    pub(crate) name: &'static str,
    command: &'static [&'static str],
    /// Arguments with which the command succeeds if everything is installed.
    probe: &'static [&'static str],
    extension: &'static str,
}

pub(crate) const NODE: Language = Language {
    name: "node",
    command: &["node"],
    probe: &["-e", "process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)"],
    extension: "mjs",
};

pub(crate) const PYTHON: Language = Language {
    name: "python3 with cryptography 47 or newer",
    // -B: do not write compiled files next to the sources.
    command: &["python3", "-B"],
    probe: &["-c", "import cryptography.hazmat.primitives.asymmetric.mlkem"],
    extension: "py",
};

impl Language {
    /// Returns whether the language is installed. With `SEALWAX_REQUIRE_INTEROP`, which CI sets, a
    /// missing language is a failure.
    pub(crate) fn is_here(&self) -> bool {
        let probed = self.start(self.probe).stderr(Stdio::null()).output();
        let here = probed.is_ok_and(|output| output.status.success());
        if !here {
            println!("skipped: {} is not installed", self.name);
            assert!(env::var_os("SEALWAX_REQUIRE_INTEROP").is_none(), "{} is missing", self.name);
        }
        here
    }

    fn start(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.command[0]);
        command.args(&self.command[1..]).args(arguments);
        command
    }

    /// Runs `open` or `seal` and returns one reply for each line, all from one process.
    pub(crate) fn answers(&self, program: &str, lines: &[String]) -> Vec<Value> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/interop")
            .join(program)
            .with_extension(self.extension);
        let mut process = self
            .start(&[file.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        let questions = lines.join("\n") + "\n";
        // Written from a thread, because a program may reply before it has read everything. A
        // program that has died stops reading; its error output is shown below.
        let writer = thread::spawn(move || drop(stdin.write_all(questions.as_bytes())));
        let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(status.success(), "{}: {}", self.name, String::from_utf8_lossy(&stderr));

        let stdout = String::from_utf8(stdout).unwrap();
        let answers: Vec<Value> =
            stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), lines.len(), "{}: number of replies", self.name);
        answers
    }
}
