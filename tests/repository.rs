//! What the repository around the library keeps to. Not in the published package, which has none of it.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All files that `wanted` picks by their paths below the root, but what is built.
fn files(wanted: fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let (mut found, mut left) = (BTreeSet::new(), vec![PathBuf::from(ROOT)]);
    while let Some(dir) = left.pop() {
        // A directory that holds builds says so.
        if dir.join("CACHEDIR.TAG").exists() || dir.ends_with(".git") || dir.ends_with("target") {
            continue;
        }
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                left.push(path);
            } else if wanted(&path) {
                found.insert(path.strip_prefix(ROOT).unwrap().to_owned());
            }
        }
    }
    found
}

fn metadata(manifest: &Path) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(Path::new(ROOT).join(manifest))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", manifest.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The packages of ours among them.
fn ours(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().unwrap().iter().filter(|package| package["source"].is_null())
}

/// Where there is a workspace: the directories with a `Cargo.lock`.
fn workspaces() -> BTreeSet<PathBuf> {
    let locks = files(|path| path.ends_with("Cargo.lock"));
    locks.iter().map(|lock| lock.parent().unwrap().to_owned()).collect()
}

#[test]
fn no_package_has_a_build_script_or_is_a_macro() {
    let mut seen = BTreeSet::new();
    for workspace in workspaces() {
        let metadata = metadata(&workspace.join("Cargo.toml"));
        for package in ours(&metadata) {
            for target in package["targets"].as_array().unwrap() {
                let kind = target["kind"].to_string();
                let runs = kind.contains("custom-build") || kind.contains("proc-macro");
                assert!(!runs, "{}: {kind}", package["name"]);
            }
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            seen.insert(manifest.strip_prefix(ROOT).unwrap().to_owned());
        }
    }
    // None was left out. That build scripts are seen at all is shown in dependencies.rs.
    assert_eq!(seen, files(|path| path.ends_with("Cargo.toml")));
    assert!(seen.len() >= 9, "{seen:?}");
}

#[test]
fn ci_knows_every_workspace() {
    let script = fs::read_to_string(Path::new(ROOT).join("ci/setup.sh")).unwrap();
    let line = script.lines().find_map(|line| line.strip_prefix("alone=\"")).unwrap();
    let named: BTreeSet<PathBuf> =
        [""].into_iter().chain(line.trim_end_matches('"').split(' ')).map(PathBuf::from).collect();
    assert_eq!(named, workspaces());
    assert!(named.len() >= 7, "{named:?}");
}

/// The crates below the library, each with its version, as a workspace builds them.
fn below_the_library(manifest: &Path, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package=sealwax", "--edges=normal", "--prefix=none"])
        .args(["--format={p}", "--no-dedupe"])
        .args(features)
        .arg("--manifest-path")
        .arg(Path::new(ROOT).join(manifest))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", manifest.display());
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    String::from_utf8(output.stdout).unwrap().lines().map(words).collect()
}

/// The versions of a crate in a workspace's lock file.
fn locked(workspace: &Path, name: &str) -> Vec<String> {
    let lock = fs::read_to_string(Path::new(ROOT).join(workspace).join("Cargo.lock")).unwrap();
    let named = format!("name = \"{name}\"\nversion = ");
    lock.split(&named).skip(1).map(|rest| rest.lines().next().unwrap().to_owned()).collect()
}

/// A figure of a workspace of its own is one of the library as it is built at the root.
#[test]
fn every_workspace_builds_the_library_from_the_same_versions() {
    let ours = below_the_library(Path::new("Cargo.toml"), &["--all-features"]);
    let (mut workspaces, mut others, mut backends) = (workspaces(), Vec::new(), 0);
    let locked_here = locked(Path::new(""), "aws-lc-rs");
    assert_eq!(locked_here.len(), 1);
    assert!(workspaces.remove(Path::new("")));
    for workspace in &workspaces {
        let theirs = below_the_library(&workspace.join("Cargo.toml"), &[]);
        assert!(theirs.len() > 20, "{}: {theirs:?}", workspace.display());
        // A feature of a package elsewhere cannot be asked for; what it would bring is in the lock file.
        let locked = locked(workspace, "aws-lc-rs");
        assert!(locked.is_empty() || locked == locked_here, "{}: {locked:?}", workspace.display());
        backends += locked.len();
        others.extend(theirs.difference(&ours).map(|other| (workspace.as_path(), other.clone())));
    }
    // The one that wipes nothing, of which the control of assurance/residue is built.
    let control = (Path::new("assurance/residue/without_wiping"), "zeroize v1.9.999".to_owned());
    others.retain(|other| *other != control);
    assert_eq!(others, []);
    assert_eq!(backends, 3, "workspaces that build the other backend");
    assert!(workspaces.len() >= 6, "{workspaces:?}");
}

#[test]
fn the_build_without_std_has_every_feature() {
    let features = |manifest: &str, name: &str| -> BTreeSet<String> {
        let metadata = metadata(Path::new(manifest));
        let package = ours(&metadata).find(|package| package["name"] == name).unwrap();
        package["features"].as_object().unwrap().keys().cloned().collect()
    };
    let mut library = features("Cargo.toml", "sealwax");
    assert!(library.remove("default"));
    // A library in C, behind a crate that needs std.
    assert!(library.remove("aws-lc"));
    assert!(!library.is_empty());
    assert_eq!(features("assurance/no_std/Cargo.toml", "no-std"), library);
}

/// The benchmarks time a wipe of the stack by itself, of the length that the library wipes after a seal.
#[test]
fn the_benchmarks_know_how_much_stack_is_wiped() {
    let read = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let bytes = |text: &str| -> Vec<String> {
        let is_one = |line: &&str| line.contains("const") && line.contains("STACK_LEN");
        let lines = text.lines().filter(is_one).filter(|line| !line.contains("HASHING"));
        let products = lines.flat_map(|line| line.split(['{', '}', '=', ';']));
        let products = products.filter(|part| part.trim().ends_with("* 1024"));
        products.map(|product| product.trim().to_owned()).collect()
    };
    let library = bytes(&read("src/secret/wiping.rs"));
    assert_eq!(library.len(), 2, "{library:?}");
    assert_eq!(bytes(&read("benches/floor.rs")), library);
}

/// Where the documentation is built, other definitions of the same links come first; in the repository
/// it is these.
#[test]
fn the_links_of_the_readme_lead_to_files() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let definitions = readme.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    let mut defined = 0;
    for (name, file) in definitions {
        assert!(Path::new(ROOT).join(file).is_file(), "[{name}]: {file}");
        assert!(readme.contains(&format!("| [{name}] |")), "[{name}] has no row among the pages");
        defined += 1;
    }
    let pages = readme.lines().filter(|line| line.starts_with("| [") && !line.contains("]("));
    assert_eq!(defined, pages.count(), "pages without a link");
    assert!(defined >= 9, "only {defined}");
}
