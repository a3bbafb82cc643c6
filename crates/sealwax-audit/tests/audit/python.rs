//! The verifier in Python agrees, about chains that hold and about each alteration.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sealwax_audit::{Anchor, Record, verify};

use crate::alterations::alterations;
use crate::format;
use crate::given::{chain, id, key};

/// Returns whether Python is installed. With `SEALWAX_REQUIRE_INTEROP`, which CI sets, it must be.
fn is_here() -> bool {
    let probed = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    let is_here = probed.is_ok_and(|status| status.success());
    if !is_here {
        println!("skipped: python3 is not installed");
        assert!(std::env::var_os("SEALWAX_REQUIRE_INTEROP").is_none(), "python3 is missing");
    }
    is_here
}

/// Verifies lines in Python: what it prints, or its error.
fn python(name: &str, keys: &str, lines: &str, anchors: &[Anchor]) -> Result<String, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let anchors: String = anchors.iter().map(|anchor| format!("{anchor}\n")).collect();
    let files = [("keys", keys), ("log", lines), ("anchors", &anchors)].map(|(name, text)| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file
    });
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py");
    // -B: do not write compiled files next to the sources.
    let output = Command::new("python3").args(["-B", program]).args(files).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn text(chain: &[Record]) -> String {
    chain.iter().map(|record| format!("{record}\n")).collect()
}

fn keys() -> String {
    let line = |state: &str, key_id: &str, first| {
        let key = key(first).to_text();
        format!("{state} {key_id} {}", key.expose_str().unwrap())
    };
    format!(
        "# of the tests\n{}; {}\n",
        line("primary", "audit-2026", 0),
        line("retired", "audit-2025", 9)
    )
}

#[test]
fn it_is_short() {
    let program = include_str!("../../verify.py");
    assert!((30..60).contains(&program.lines().count()));
}

#[test]
fn it_verifies_the_lines_of_the_page_and_what_is_written_here() {
    if !is_here() {
        return;
    }
    let (parsed, chain) = chain("acme: \"é\"");
    let (_, other) = chain_of_initech();
    let mut mixed = format::lines().to_owned();
    for (ours, theirs) in chain.iter().zip(&other) {
        mixed.push_str(&text(&[ours.clone(), theirs.clone()]));
    }
    let anchors = [chain[8].anchor(), other[2].anchor()];
    let printed = python("holds", &keys(), &mixed, &anchors).unwrap();
    let printed: Vec<Anchor> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(printed.len(), 3);
    assert_eq!(printed[0].number, 3);
    assert_eq!(printed[1..], [chain[8].anchor(), other[8].anchor()]);
    let verified = verify(&parsed, "acme: \"é\"", &chain, &anchors).unwrap();
    assert_eq!(verified.last, Some(printed[1].clone()));
}

fn chain_of_initech() -> (sealwax_audit::AuditKeys, Vec<Record>) {
    chain("initech")
}

#[test]
fn it_names_the_same_entry() {
    if !is_here() {
        return;
    }
    let (parsed, chain) = chain("acme");
    let mut cases = 0;
    let mut refused = |name: &str, altered: &[Record], anchors: &[Anchor]| {
        let error = verify(&parsed, "acme", altered, anchors).unwrap_err();
        let printed = python("refused", &keys(), &text(altered), anchors).unwrap_err();
        let expected = format!("acme: entry {} ", error.number());
        assert!(printed.starts_with(&expected), "{name}: {error}: {printed}");
        cases += 1;
    };
    // One alteration of each field, in an entry of a program and in one that hands over.
    for at in [0, 4] {
        for (name, alter) in [
            alterations()[1],
            alterations()[4],
            alterations()[6],
            alterations()[11],
            alterations()[12],
            alterations()[14],
            alterations()[15],
            alterations()[17],
            alterations()[19],
            alterations()[26],
            alterations()[27],
        ] {
            let mut altered = chain.clone();
            alter(&mut altered[at]);
            refused(name, &altered, &[]);
        }
    }
    for at in [0, 3, 4, 7] {
        let mut dropped = chain.clone();
        dropped.remove(at);
        refused("dropped", &dropped, &[]);
        let mut swapped = chain.clone();
        swapped.swap(at, at + 1);
        refused("swapped", &swapped, &[]);
    }
    let mut wrong = chain[8].anchor();
    wrong.mac[0] ^= 1;
    refused("rewritten", &chain, &[wrong]);
    assert_eq!(cases, 2 * 11 + 2 * 4 + 1);
    // It names the anchor of what is cut off.
    let cut = python("cut", &keys(), &text(&chain[..5]), &[chain[6].anchor()]).unwrap_err();
    assert!(cut.starts_with("acme: entry 7 was cut off"), "{cut}");
    let unknown = id("audit-2027");
    let mut other = chain[..1].to_vec();
    other[0].audit_key = unknown;
    assert!(python("unknown", &keys(), &text(&other), &[]).is_err());
}
