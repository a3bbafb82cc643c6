//! Checks the architecture rules against the sources.
//!
//! 1. No import runs upward: not from a floor to one above it, not from a module to a later one on the same floor, and
//!    not to a sibling through the parent.
//! 2. For some floors, the modules that they may use from `format` are listed: a module that needs no key id cannot get
//!    one.
//! 3. Only `cipher` names a crate that is a primitive, so another backend changes only one folder.
//! 4. No module is called `util` or the like, and there is no glob import, no `mod.rs`, and no file of more than 400
//!    lines.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of `src/`. The list starts at the bottom.
struct Floor {
    name: &'static str,
    /// Its modules, each of which imports only from earlier ones. "" is the file with the folder's own name.
    modules: &'static [&'static str],
    /// The floors that it may import from.
    below: &'static [&'static str],
    /// The modules of `format` that it may use. If the list is empty and `format` is below, it may use all of them.
    of_format: &'static [&'static str],
}

const FLOORS: &[Floor] = &[
    Floor {
        name: "format",
        modules: &[
            "sizes",
            "error_class",
            "surrounding",
            "error",
            "suite",
            "key_id",
            "wrapped_key",
            "context",
            "binary",
            "text",
            "envelope",
            "reading",
            "serde",
            "",
        ],
        below: &[],
        of_format: &[],
    },
    Floor {
        name: "secret",
        modules: &["wiping", "key_bytes", "", "serde"],
        below: &["format"],
        of_format: &["sizes", "error", "error_class", "surrounding", "reading"],
    },
    Floor {
        name: "cipher",
        modules: &[
            "",
            "hashing",
            "hpke",
            "rust_crypto",
            "aws_lc",
            "fuzzing",
            "tests",
            "wycheproof",
        ],
        below: &["format", "secret"],
        of_format: &["sizes", "suite"],
    },
    Floor {
        name: "keys",
        modules: &[
            "data_key",
            "binding",
            "requests",
            "provider_error",
            "provider_future",
            "recorder",
            "key_text",
            "master_key",
            "pair",
            "in_memory",
            "intermediate_key",
            "provider",
            "usable_key",
            "keyring",
            "derivation_key",
            "",
        ],
        below: &["format", "secret", "cipher"],
        of_format: &[],
    },
    Floor { name: "companion", modules: &[""], below: &["keys"], of_format: &[] },
    Floor {
        name: "verbs",
        modules: &[
            "errors",
            "payload",
            "recording",
            "wrapping",
            "two_phase",
            "sealing",
            "rewrapping",
            "checking",
            "sealer",
            "batch",
            "",
        ],
        below: &["format", "secret", "cipher", "keys"],
        of_format: &[],
    },
    Floor {
        name: "triplet",
        modules: &["", "encoding", "layout", "key"],
        below: &["format", "secret", "cipher"],
        of_format: &["sizes", "error", "error_class", "surrounding", "suite"],
    },
    Floor {
        name: "legacy",
        modules: &["", "cloak", "litellm", "n8n"],
        below: &["format", "secret", "cipher", "triplet"],
        of_format: &["sizes", "error", "error_class", "surrounding", "suite"],
    },
    Floor { name: "docs", modules: &[""], below: &[], of_format: &[] },
];

/// Dependencies that are not primitives. All others are named in `cipher` alone. The crate `cipher` has the same name
/// as the floor; no code uses it.
const NO_PRIMITIVES: &[&str] = &[
    "base16ct",
    "base64",
    "base64ct",
    "cipher",
    "getrandom",
    "rand_core",
    "secrecy",
    "serde_core",
    "subtle",
    "thiserror",
    "zeroize",
];
/// The maximum number of lines in a file, including its docs.
const LONGEST: usize = 400;
const NAMELESS: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];

/// Returns the direct dependencies of the library, as code spells them.
fn dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect()
}

/// Returns the code of a file without strings, comments and docs, up to the first `#[cfg(test)]`.
fn code(source: &str) -> Vec<String> {
    let without_text = |line: &str| line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    source
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .map(|line| without_text(line).split("//").next().unwrap_or_default().to_owned())
        .fold(Vec::new(), |mut lines: Vec<String>, line| {
            // Joins an import that spans several lines into one line, and leaves the other lines empty.
            match lines.iter_mut().rfind(|line| !line.is_empty()) {
                Some(import)
                    if words(import).any(|word| word == "use") && !import.contains(';') =>
                {
                    import.push_str(&line);
                    lines.push(String::new());
                }
                _ => lines.push(line),
            }
            lines
        })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Returns the violations in one file. `path` is relative to `src`, e.g. `keys/provider.rs`.
fn breaches(path: &str, source: &str, primitives: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    for part in &parts {
        if *part == "mod" || NAMELESS.contains(part) {
            found.push(format!("rule 4: {path} is called {part}"));
        }
    }
    if parts == ["lib"] {
        return found;
    }
    let (floor, module) = (parts[0], parts.get(1).copied().unwrap_or_default());
    let Some(floor) = FLOORS.iter().find(|known| known.name == floor) else {
        found.push(format!("rule 1: {path} is on no floor"));
        return found;
    };
    let place = |module: &str| floor.modules.iter().position(|known| *known == module);
    let Some(own) = place(module) else {
        found.push(format!("rule 1: {path} is not listed on its floor"));
        return found;
    };
    for (number, line) in (1..).zip(&code(source)) {
        let mut breach =
            |wall: u8, what: &str| found.push(format!("rule {wall}: {path}:{number} {what}"));
        for import in line.split("crate::").skip(1) {
            let mut names = words(import);
            let (to, name) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
            let of_floor = import.strip_prefix(to).and_then(|rest| rest.strip_prefix("::{"));
            let is_module = |name: &str| {
                FLOORS.iter().any(|floor| floor.name == to && floor.modules.contains(&name))
            };
            if import.starts_with('{') {
                breach(1, "imports from several floors in one line");
            } else if of_floor.is_some_and(|names| words(names).any(is_module)) {
                breach(1, "imports from several modules in one line");
            } else if to == floor.name {
                // A name that is not a module belongs to the floor's own file.
                if place(name).or(place("")).is_none_or(|there| there > own) {
                    breach(1, &format!("imports {name}, which comes later"));
                }
            } else if !floor.below.contains(&to) {
                breach(1, &format!("imports {to}"));
            } else if to == "format"
                && !floor.of_format.is_empty()
                && !floor.of_format.contains(&name)
            {
                breach(2, &format!("takes {name} from the format"));
            }
        }
        if let Some(import) = line.split("super::").nth(1) {
            if parts.len() == 1 {
                breach(1, "imports from outside its floor through `super`");
            }
            for name in words(import).filter(|name| parts.len() == 2 && place(name).is_some()) {
                breach(1, &format!("imports its sibling {name} through its parent"));
            }
        }
        if floor.name != "cipher" {
            for word in words(line).filter(|word| primitives.iter().any(|name| name == word)) {
                breach(3, &format!("names {word}"));
            }
        }
        if line.contains("::*") || line.contains("::{*") {
            breach(4, "has a glob import");
        }
        if let Some(module) = line.split("mod ").nth(1) {
            for name in words(module).take(1).filter(|name| NAMELESS.contains(name)) {
                breach(4, &format!("has a module {name}"));
            }
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn primitives() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut names = dependencies(&fs::read_to_string(manifest).unwrap());
    let all = names.len();
    names.retain(|name| !NO_PRIMITIVES.contains(&name.as_str()));
    assert_eq!(all - names.len(), NO_PRIMITIVES.len(), "a dependency was removed");
    assert!(names.len() >= 6, "only {names:?}");
    names
}

#[test]
fn every_wall_stands() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, primitives) = (Vec::new(), primitives());
    sources(&src, &mut files);
    let mut found = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        let source = fs::read_to_string(file).unwrap();
        found.extend(breaches(&path, &source, &primitives));
        let lines = source.lines().count();
        if lines > LONGEST {
            found.push(format!("{path} has {lines} lines"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let mut drawn = 0;
    for floor in FLOORS {
        for module in floor.modules {
            let file = [floor.name, module].join("/");
            let file = src.join(format!("{}.rs", file.trim_end_matches('/')));
            assert!(files.contains(&file), "no {file:?}: FLOORS lists a file that does not exist");
            drawn += 1;
        }
    }
    assert!(files.len() >= drawn, "{} sources", files.len());
}

/// Checks the test itself: a violation of each rule is noticed.
#[test]
fn every_breach_is_noticed() {
    let cases = [
        ("rule 1", "format/suite.rs", "use crate::keys::provider_future::ProviderFuture;"),
        ("rule 1", "format/key_id.rs", "use crate::format::envelope::Envelope;"),
        ("rule 1", "format/key_id.rs", "use crate::format::{error, envelope};"),
        (
            "rule 1",
            "format/key_id.rs",
            "pub use crate::format::{\n    error::Field, envelope::Envelope,\n};",
        ),
        ("rule 1", "format/text.rs", "fn f(_: &crate::verbs::two_phase::Draft) {}"),
        ("rule 1", "format/binary.rs", "use super::envelope::Envelope;"),
        ("rule 1", "format/envelope.rs", "fn open(key: &crate::DataKey) {}"),
        ("rule 1", "secret.rs", "use crate::keys::data_key::DataKey;"),
        ("rule 1", "secret/wiping.rs", "use crate::secret::Secret;"),
        ("rule 1", "secret/wiping.rs", "use crate::secret::key_bytes::KeyBytes;"),
        ("rule 1", "keys/provider.rs", "use crate::verbs::errors::OpenError;"),
        ("rule 1", "keys/provider.rs", "use crate::keys::keyring::Keyring;"),
        ("rule 1", "keys.rs", "use crate::verbs::errors::OpenError;"),
        ("rule 1", "verbs/errors.rs", "use crate::verbs::wrapping::Wraps;"),
        ("rule 1", "verbs/errors.rs", "use super::wrapping::Wraps;"),
        ("rule 1", "verbs/sealing.rs", "use crate::verbs::rewrapping::rewrap;"),
        ("rule 1", "verbs/sealing.rs", "use crate::{format, keys};"),
        ("rule 1", "format.rs", "use super::keys::KeyError;"),
        ("rule 1", "attic.rs", ""),
        ("rule 1", "verbs/attic.rs", ""),
        ("rule 2", "secret/key_bytes.rs", "use crate::format::envelope::Envelope;"),
        ("rule 2", "cipher/hashing.rs", "use crate::format::context::EncryptionContext;"),
        ("rule 2", "triplet/key.rs", "use crate::format::key_id::KeyId;"),
        ("rule 3", "verbs/sealing.rs", "use sha2::Sha256;"),
        ("rule 3", "keys/master_key.rs", "fn f() { aes_gcm::Aes256Gcm::new() }"),
        ("rule 4", "keys.rs", "use crate::format::suite::*;"),
        ("rule 4", "keys.rs", "pub(crate) mod helpers;"),
        ("rule 4", "keys/mod.rs", ""),
        ("rule 4", "keys/util.rs", ""),
    ];
    let primitives = primitives();
    for (wall, path, line) in cases {
        let found = breaches(path, line, &primitives);
        assert!(found.iter().any(|b| b.starts_with(wall)), "{wall} {path} {line:?}: {found:?}");
    }
    let fine = [
        ("keys/master_key.rs", "use crate::cipher::Prf;"),
        (
            "format/envelope.rs",
            "/// [`Secret`](crate::Secret) and crate::keys are on other floors.",
        ),
        ("format/envelope.rs", "use crate::format::binary::Layout;"),
        ("format/binary.rs", r#"fault("1 to 8 wrapped keys, crate::keys")"#),
        ("verbs/rewrapping.rs", "use crate::verbs::errors::RewrapError;"),
        ("format/suite.rs", "#[cfg(test)]\nmod tests { use super::*; }"),
        ("cipher.rs", "use sha2::Sha256;"),
        ("cipher/aws_lc.rs", "use super::{BadLength, NotAuthentic};"),
        ("secret/serde.rs", "use crate::secret::Secret;"),
    ];
    for (path, line) in fine {
        assert_eq!(breaches(path, line, &primitives), Vec::<String>::new(), "{path} {line:?}");
    }
}
