//! Checks what the library depends on: every crate that can wipe what it holds is configured to do
//! so, and none needs a newer Rust than the library declares. None of our own code runs during a
//! build.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--all-features", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the library and everything that a service gets with it: the package and the node of
/// each.
fn tree(metadata: &Value) -> Vec<(&Value, &Value)> {
    let root = list(metadata, "packages").iter().find(|p| p["name"] == "sealwax").unwrap();
    let (mut seen, mut tree, mut left) = (BTreeSet::new(), Vec::new(), vec![&root["id"]]);
    while let Some(id) = left.pop() {
        if !seen.insert(id.to_string()) {
            continue;
        }
        let package = list(metadata, "packages").iter().find(|p| p["id"] == *id).unwrap();
        let nodes = list(&metadata["resolve"], "nodes");
        let node = nodes.iter().find(|node| node["id"] == *id).unwrap();
        let normal =
            |dep: &&Value| list(dep, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
        left.extend(list(node, "deps").iter().filter(normal).map(|dep| &dep["pkg"]));
        tree.push((package, node));
    }
    // Make sure that the tree was walked.
    assert!(tree.len() > 20, "{seen:?}");
    tree
}

/// Returns whether a package has a build script or is a macro, so that its code runs on the build
/// machine.
fn runs_in_a_build(package: &Value) -> bool {
    list(package, "targets").iter().any(|target| {
        list(target, "kind").iter().any(|kind| kind == "custom-build" || kind == "proc-macro")
    })
}

#[test]
fn zeroize_is_on_in_every_crate_that_offers_it() {
    let metadata = metadata();
    let mut wiping = BTreeSet::new();
    for (package, node) in tree(&metadata) {
        if package["features"].get("zeroize").is_some() {
            let on = list(node, "features").iter().any(|feature| feature == "zeroize");
            assert!(on, "{} can wipe, but its `zeroize` feature is off", package["name"]);
            wiping.insert(package["name"].as_str().unwrap());
        }
    }
    // The crates that hold keys are among them.
    for name in ["aes-gcm", "aes", "ghash", "polyval", "ctr", "chacha20", "poly1305", "sha2"] {
        assert!(wiping.contains(name), "{name} is not among {wiping:?}");
    }
}

#[test]
fn none_needs_a_newer_rust_than_the_library_says() {
    let number = |package: &Value| -> Option<Vec<u32>> {
        let parts = package["rust_version"].as_str()?.split('.').map(|part| part.parse().unwrap());
        Some(parts.chain([0]).take(3).collect())
    };
    let metadata = metadata();
    let tree = tree(&metadata);
    let ours = number(tree[0].0).unwrap();
    let mut told = 0;
    for (package, _) in &tree {
        let Some(theirs) = number(package) else { continue };
        assert!(theirs <= ours, "{} needs Rust {theirs:?}", package["name"]);
        told += 1;
    }
    assert!(told > 20, "only {told} crates declare a version");
    // Versions are compared as numbers.
    assert!(ours > vec![1, 9, 0] && ours < vec![1, 100, 0]);
}

#[test]
fn nothing_of_ours_runs_while_it_is_built() {
    let metadata = metadata();
    let (ours, theirs): (Vec<_>, Vec<_>) =
        list(&metadata, "packages").iter().partition(|package| package["source"].is_null());
    assert!(ours.iter().any(|package| package["name"] == "sealwax"));
    for package in ours {
        assert!(!runs_in_a_build(package), "{}", package["name"]);
    }
    // Both kinds are detected where they exist.
    for name in ["libc", "thiserror-impl"] {
        assert!(theirs.iter().any(|package| package["name"] == name && runs_in_a_build(package)));
    }
}
