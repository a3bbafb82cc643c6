//! Rules for the repository around the library. They are not in the published package, which has none of these files.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Returns all files below the root that `wanted` picks by path, except build output.
fn files(wanted: fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let (mut found, mut left) = (BTreeSet::new(), vec![PathBuf::from(ROOT)]);
    while let Some(dir) = left.pop() {
        // A directory with build output is marked as such.
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

/// Returns our own packages.
fn ours(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().unwrap().iter().filter(|package| package["source"].is_null())
}

/// Returns the workspaces: every directory with a `Cargo.lock`.
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
    // No package was left out. `dependencies.rs` shows that the check detects build scripts.
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

/// Returns the crates that the library depends on in a workspace, each with its version.
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

/// Returns the versions of a crate in a workspace's lock file.
fn locked(workspace: &Path, name: &str) -> Vec<String> {
    let lock = fs::read_to_string(Path::new(ROOT).join(workspace).join("Cargo.lock")).unwrap();
    let named = format!("name = \"{name}\"\nversion = ");
    lock.split(&named).skip(1).map(|rest| rest.lines().next().unwrap().to_owned()).collect()
}

/// Figures measured in another workspace are only valid for the library as it is built at the root.
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
        // A feature of a package in another workspace cannot be requested, but what it would add is in the lock file.
        let locked = locked(workspace, "aws-lc-rs");
        assert!(locked.is_empty() || locked == locked_here, "{}: {locked:?}", workspace.display());
        backends += locked.len();
        others.extend(theirs.difference(&ours).map(|other| (workspace.as_path(), other.clone())));
    }
    // The crate that wipes nothing, which the control of assurance/residue is built with.
    let control = (Path::new("assurance/residue/without_wiping"), "zeroize v1.9.999".to_owned());
    others.retain(|other| *other != control);
    // What the SDK of AWS has the hashes called. Nothing is measured there.
    let names = |workspace: &Path, other: &str| {
        workspace == Path::new("crates/sealwax-aws-kms") && other.starts_with("const-oid ")
    };
    others.retain(|(workspace, other)| !names(workspace, other));
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
    // A C library, behind a crate that needs std.
    assert!(library.remove("aws-lc"));
    assert!(!library.is_empty());
    assert_eq!(features("assurance/no_std/Cargo.toml", "no-std"), library);
}

/// The benchmarks time a stack wipe on its own, of the length that the library wipes after a seal.
#[test]
fn the_benchmarks_know_how_much_stack_is_wiped() {
    let read = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let bytes = |text: &str| -> Vec<String> {
        let is_one = |line: &&str| line.contains("const") && line.contains("STACK_LEN");
        let lines = text
            .lines()
            .filter(is_one)
            .filter(|line| !line.contains("HASHING") && !line.contains("KEM"));
        let products = lines.flat_map(|line| line.split(['{', '}', '=', ';']));
        let products = products.filter(|part| part.trim().ends_with("* 1024"));
        products.map(|product| product.trim().to_owned()).collect()
    };
    let library = bytes(&read("src/secret/wiping.rs"));
    assert_eq!(library.len(), 2, "{library:?}");
    assert_eq!(bytes(&read("benches/floor.rs")), library);
}

/// The address of the repository, empty until there is one. Nothing else may invent it.
fn address() -> String {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let lines: Vec<_> =
        manifest.lines().filter_map(|l| l.strip_prefix("repository = \"")).collect();
    assert_eq!(lines.len(), 1, "one address");
    lines.first().unwrap().trim_end_matches('"').to_owned()
}

#[test]
fn every_crate_inherits_version_licence_and_address() {
    let address = address();
    // Those in workspaces of their own cannot inherit anything, and repeat it; but they need a newer Rust.
    let alone: BTreeSet<_> =
        workspaces().into_iter().filter(|workspace| workspace.starts_with("crates")).collect();
    assert_eq!(alone.len(), 2, "{alone:?}");
    let all: Vec<_> =
        [PathBuf::new()].iter().chain(&alone).map(|at| at.join("Cargo.toml")).collect();
    let all: Vec<_> = all.iter().map(|manifest| metadata(manifest)).collect();
    let crates: Vec<_> = all.iter().flat_map(ours).collect();
    let names: BTreeSet<_> = crates.iter().map(|package| package["name"].to_string()).collect();
    assert!(names.len() >= 14, "{names:?}");
    for package in &crates {
        let name = &package["name"];
        assert_eq!(package["repository"].as_str().unwrap_or_default(), address, "{name}");
        assert!(package["homepage"].is_null() && package["documentation"].is_null(), "{name}");
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let is_alone = alone.contains(folder.strip_prefix(ROOT).unwrap());
        for word in ["version", "license", "rust_version"] {
            let differs = package[word] != crates[0][word];
            assert_eq!(differs, is_alone && word == "rust_version", "{word} of {name}");
        }
        for file in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let here = fs::read(folder.join(file)).unwrap();
            assert_eq!(here, fs::read(Path::new(ROOT).join(file)).unwrap(), "{name}: {file}");
        }
        // crates.io takes no dependency without a version. Cargo leaves those out that only tests have, by path.
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_left_out = dependency["kind"] == "dev" && dependency["path"].is_string();
            assert!(dependency["req"] != "*" || is_left_out, "{name}: {}", dependency["name"]);
        }
    }
}

/// Returns the links that a page defines, one in a line of its own: the name, and where it leads.
fn definitions(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
}

/// Relative until there is an address; crates.io shows a README without the files around it.
#[test]
fn the_links_of_the_readmes_lead_to_files() {
    let address = address();
    let lib = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let (mut defined, mut linked) = (0, BTreeSet::new());
    for readme in files(|path| path.ends_with("README.md")) {
        let of_a_crate = readme.starts_with("crates") || readme == Path::new("README.md");
        if !of_a_crate {
            continue;
        }
        let text = fs::read_to_string(Path::new(ROOT).join(&readme)).unwrap();
        assert!(!text.contains("]("), "{}: links are defined at its end", readme.display());
        for (name, target) in definitions(&text) {
            let path = if address.is_empty() {
                assert!(!target.contains(':'), "[{name}]: {target}");
                let beside = Path::new(ROOT).join(&readme);
                beside.parent().unwrap().join(target)
            } else {
                // Below the address there is a path to the branch, which depends on the host.
                let below = target.strip_prefix(&format!("{address}/")).unwrap();
                let mut path = Path::new(below);
                while !Path::new(ROOT).join(path).exists() {
                    path = path.strip_prefix(path.iter().next().unwrap()).unwrap();
                }
                Path::new(ROOT).join(path)
            };
            assert!(path.exists(), "[{name}]: {target}");
            assert!(text.matches(&format!("[{name}]")).count() > 1, "[{name}] is not used");
            let is_page = target.ends_with(".md") && !target.ends_with("README.md");
            if readme == Path::new("README.md") && is_page {
                // In the built documentation the same link leads to the page there; those to crates lead to the address.
                assert!(
                    lib.contains(&format!("//! [{name}]: crate::docs::")),
                    "[{name}] in lib.rs"
                );
                linked.insert(path);
            }
            defined += 1;
        }
    }
    assert!(defined >= 18, "only {defined}");
    // Each page is one click from the front page; the tables of measurements are part of another page.
    let pages = files(|path| path.starts_with(Path::new(ROOT).join("src/docs")));
    for page in pages.iter().filter(|page| !page.ends_with("measurements.md")) {
        assert!(linked.contains(&Path::new(ROOT).join(page)), "{} is not linked", page.display());
    }
    assert!(pages.len() >= 13);
}

#[test]
fn the_links_between_pages_lead_to_files() {
    let docs = fs::read_to_string(Path::new(ROOT).join("src/docs.rs")).unwrap().to_lowercase();
    let mut defined = 0;
    for page in files(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let is_a_page = page.starts_with("src/docs") || page.components().count() == 1;
        if !is_a_page || page == Path::new("README.md") {
            continue;
        }
        let path = Path::new(ROOT).join(&page);
        let text = fs::read_to_string(&path).unwrap();
        for (name, target) in definitions(&text) {
            let target = path.parent().unwrap().join(target);
            assert!(target.is_file(), "{}: [{name}]", page.display());
            // RELEASING.md is not part of the documentation.
            let is_in_docs = docs.contains(&format!("[{}]: crate::docs::", name.to_lowercase()));
            assert!(is_in_docs || page == Path::new("RELEASING.md"), "[{name}] in docs.rs");
            defined += 1;
        }
    }
    assert!(defined >= 30, "only {defined}");
}

/// Returns the path below `legacy` of a line in the list of public items, if it is an item of one of the modules there.
fn item_of_legacy(line: &str) -> Option<&str> {
    let (kind, path) = line.split_once(" sealwax::legacy::")?;
    // For instance `pub const fn` or `#[non_exhaustive] pub enum`; not a type after an item of another module.
    let kind = kind.rsplit_once("] ").map_or(kind, |(_, kind)| kind);
    let is_item = kind.split(' ').next() == Some("pub") && !kind.contains("::");
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let path = path.get(..end.unwrap_or(path.len()))?.trim_end_matches(':');
    // A path of three names is a variant, a method or a field.
    (is_item && path.matches("::").count() == 1).then_some(path)
}

/// An item is on the front page of the documentation, on the page of a module there, or linked from that page.
#[test]
fn no_public_item_is_more_than_two_clicks_away() {
    let read = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let (listing, legacy) = (read("ci/public_api.txt"), read("src/legacy.rs"));
    let (mut modules, mut linked) = (0, 0);
    for line in listing.lines() {
        if let Some(module) = line.strip_prefix("pub mod sealwax::") {
            let module = module.strip_prefix("legacy::").unwrap_or(module);
            assert!(!module.contains("::") || module.starts_with("docs::"), "{module}");
            modules += 1;
        }
        if let Some(item) = item_of_legacy(line) {
            assert!(legacy.contains(&format!("[`{item}`]")), "{item}");
            linked += 1;
        }
    }
    assert!(modules > 10 && linked >= 14, "{modules}, {linked}");
}

#[test]
fn each_kind_of_item_in_legacy_is_recognised() {
    let items = [
        "pub fn sealwax::legacy::a::item(&str) -> core::option::Option<&str>",
        "pub fn sealwax::legacy::a::item<R: rand_core::TryRng>(&mut R) -> sealwax::legacy::a::B",
        "pub const fn sealwax::legacy::a::item() -> u8",
        "#[non_exhaustive] pub enum sealwax::legacy::a::item",
        "#[non_exhaustive] pub struct sealwax::legacy::a::item<T: core::fmt::Debug>",
        "pub const sealwax::legacy::a::item: usize",
        "pub static sealwax::legacy::a::item: sealwax::legacy::a::B",
        "pub trait sealwax::legacy::a::item: core::fmt::Debug",
        "pub type sealwax::legacy::a::item = sealwax::legacy::a::B",
    ];
    for line in items {
        assert_eq!(item_of_legacy(line), Some("a::item"), "{line}");
    }
    let others = [
        "pub mod sealwax::legacy::a",
        "pub sealwax::legacy::a::B::C",
        "pub sealwax::legacy::a::B::field: sealwax::legacy::a::D",
        "pub fn sealwax::legacy::a::B::method(&self) -> sealwax::legacy::a::D",
        "impl core::marker::Copy for sealwax::legacy::a::B",
        "pub fn sealwax::open(sealwax::Secret, sealwax::legacy::a::B)",
        "pub fn sealwax::triplet::a::item(&str)",
    ];
    for line in others {
        assert_eq!(item_of_legacy(line), None, "{line}");
    }
}

/// The phrases of the table in CONTRIBUTING.md that are never right, also across the end of a line.
#[test]
fn no_text_has_a_phrase_that_is_never_right() {
    const PHRASES: [&str; 4] = ["anew", "in clear", "but for", "told from"];
    let texts = files(|path| path.extension().is_some_and(|ext| ext == "md" || ext == "rs"));
    for path in &texts {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap().to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        let words = words.filter(|word| !word.is_empty());
        let words = format!(" {} ", words.collect::<Vec<_>>().join(" "));
        let found = PHRASES.iter().filter(|phrase| words.contains(&format!(" {phrase} "))).count();
        // The two that list them have them all.
        let lists = ["CONTRIBUTING.md", "tests/repository.rs"].map(Path::new).contains(&&**path);
        assert_eq!(found, if lists { PHRASES.len() } else { 0 }, "{}", path.display());
    }
    assert!(texts.len() > 400, "{}", texts.len());
}

/// A block whose first line has prose shows none of it.
#[test]
fn every_block_of_a_page_begins_on_a_line_of_its_own() {
    let mut blocks = 0;
    for path in files(|path| path.extension().is_some_and(|ext| ext == "md")) {
        let text = fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        for fence in text.lines().filter_map(|line| line.trim_start().strip_prefix("```")) {
            assert!(!fence.contains(' '), "{}: ```{fence}", path.display());
            blocks += 1;
        }
    }
    assert!(blocks > 100 && blocks % 2 == 0, "{blocks}");
}
