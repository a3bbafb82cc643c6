//! Each example prints what its first comment promises.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Returns the text between "```text" and "```" in the comment at the top.
fn promised(source: &str) -> String {
    source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn each_example_prints_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // target/debug/deps/examples-… -> target/debug/examples
    let test = env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap().join("examples");
    let mut run = 0;
    for entry in fs::read_dir(root.join("examples")).unwrap() {
        let source = entry.unwrap().path();
        if source.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = source.file_stem().unwrap();
        let promised = promised(&fs::read_to_string(&source).unwrap());
        assert!(!promised.is_empty(), "{name:?} does not promise any output");
        let program = built.join(name).with_extension(env::consts::EXE_EXTENSION);
        let output = Command::new(program).output().expect("cargo test builds the examples");
        let printed = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{name:?}: {complaint}");
        assert_eq!(printed, promised, "{name:?}");
        run += 1;
    }
    assert_eq!(run, 4);
}
