//! Every crate below the library that can wipe what it holds is told to.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

#[test]
fn zeroize_is_on_in_every_crate_that_offers_it() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let node = |id: &Value| {
        list(&metadata["resolve"], "nodes").iter().find(|node| node["id"] == *id).unwrap()
    };
    let package = |id: &Value| {
        list(&metadata, "packages").iter().find(|package| package["id"] == *id).unwrap()
    };
    let root = list(&metadata, "packages").iter().find(|p| p["name"] == "sealwax").unwrap();

    let (mut seen, mut wiping) = (BTreeSet::new(), BTreeSet::new());
    let mut left = vec![&root["id"]];
    while let Some(id) = left.pop() {
        if !seen.insert(id.to_string()) {
            continue;
        }
        let (node, package) = (node(id), package(id));
        if package["features"].get("zeroize").is_some() {
            let on = list(node, "features").iter().any(|feature| feature == "zeroize");
            assert!(on, "{} can wipe, and is not told to", package["name"]);
            wiping.insert(package["name"].as_str().unwrap());
        }
        let normal =
            |dep: &&Value| list(dep, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
        left.extend(list(node, "deps").iter().filter(normal).map(|dep| &dep["pkg"]));
    }
    // The crates that hold keys are among them, and the tree was walked.
    for name in
        ["aes-gcm", "aes", "ghash", "polyval", "ctr", "chacha20", "poly1305", "sha2", "hmac"]
    {
        assert!(wiping.contains(name), "{name} is not among {wiping:?}");
    }
    assert!(seen.len() > 20, "{seen:?}");
}
