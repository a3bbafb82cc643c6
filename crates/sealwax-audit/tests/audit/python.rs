//! The verifier in Python agrees, about chains that hold and about each alteration.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sealwax_audit::{Anchor, LineError, Record, read_lines, verify};

use crate::alterations::alterations;
use crate::format;
use crate::given::{Memory, append, chain, id, key, log, mac, now, only};

/// Returns whether Python is installed. With `SEALWAX_REQUIRE_INTEROP`, which CI sets, it must be.
pub(crate) fn is_here() -> bool {
    let probed = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    let is_here = probed.is_ok_and(|status| status.success());
    if !is_here {
        println!("skipped: python3 is not installed");
        assert!(std::env::var_os("SEALWAX_REQUIRE_INTEROP").is_none(), "python3 is missing");
    }
    is_here
}

/// Verifies lines in Python: what it prints, or its error. Without anchors, it gets no file of them.
pub(crate) fn python(name: &str, keys: &str, lines: &str, anchors: &str) -> Result<String, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let files = [("keys", keys), ("log", lines), ("anchors", anchors)].map(|(name, text)| {
        fs::write(folder.join(name), text).unwrap();
        name
    });
    let files = if anchors.is_empty() { &files[..2] } else { &files };
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py");
    // -B: do not write compiled files next to the sources.
    let mut python = Command::new("python3");
    python.args(["-B", program]).args(files).current_dir(folder);
    let output = python.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn anchors(anchors: &[Anchor]) -> String {
    anchors.iter().map(|anchor| format!("{anchor}\n")).collect()
}

fn text(chain: &[Record]) -> String {
    chain.iter().map(|record| format!("{record}\n")).collect()
}

pub(crate) fn keys() -> String {
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
    let printed = python("holds", &keys(), &mixed, &self::anchors(&anchors)).unwrap();
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
        let text = text(altered);
        let printed = python("refused", &keys(), &text, &self::anchors(anchors)).unwrap_err();
        let unread = read_lines(&text).find_map(Result::err);
        let expected = match unread {
            None => format!("acme: entry {} ", error.number()),
            Some(LineError { line, .. }) => format!("line {line} of log: "),
        };
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
    // Entries that only somebody who has the keys can make: a number is left out, the key changes, and it begins without
    // an end.
    type Forgery = (u8, fn(&mut Record));
    let forgeries: [Forgery; 3] = [
        (0, |record| record.number = 4),
        (9, |record| record.audit_key = id("audit-2025")),
        (0, |record| {
            let key_id = Some(record.audit_key.clone());
            record.entry.action = "swa1/begin".into();
            (record.entry.key_id, record.entry.commitment, record.entry.context) =
                (key_id, Some([1; 32]), None);
        }),
    ];
    for (first, forge) in forgeries {
        let mut forged = chain[..3].to_vec();
        forge(&mut forged[2]);
        let key = std::array::from_fn(|i| first + i as u8);
        forged[2].mac = mac(&key, &chain[1].mac, &forged[2]);
        let keys =
            only("audit-2026", 0).with_retired(id("audit-2025"), crate::given::key(9)).unwrap();
        assert_eq!(verify(&keys, "acme", &forged, &[]).unwrap_err().number(), 3);
        refused("forged", &forged, &[]);
    }
    let mut wrong = chain[8].anchor();
    wrong.mac[0] ^= 1;
    refused("rewritten", &chain, &[wrong.clone()]);
    // An anchor that holds does not excuse one that does not.
    refused("rewritten", &chain, &[chain[8].anchor(), wrong.clone()]);
    refused("rewritten", &chain, &[wrong, chain[8].anchor()]);
    assert_eq!(cases, 2 * 11 + 2 * 4 + 3 + 3);
    // It names the anchor of what is cut off.
    let cut =
        python("cut", &keys(), &text(&chain[..5]), &anchors(&[chain[6].anchor()])).unwrap_err();
    assert!(cut.starts_with("acme: entry 7 was cut off"), "{cut}");
    // An unknown key, also if its id and that of a known one are plain numbers.
    let numbered = keys().replace("audit-2026", "2026");
    for unknown in ["audit-2027", "2027", "2027@1"] {
        let mut other = chain[..1].to_vec();
        other[0].audit_key = id(unknown);
        let printed = python("unknown", &numbered, &text(&other), "").unwrap_err();
        assert!(printed.starts_with("acme: entry 1 "), "{unknown}: {printed}");
    }
}

/// `2026` is step 0 of itself, and not step 2026 of anything.
#[test]
fn a_key_whose_id_is_a_number_ratchets_as_any_other() {
    let first = log(only("2026", 0), Memory::default());
    append(&first, "acme", 2);
    let ratcheted = only("2026", 0).ratcheted().unwrap();
    let second = log(ratcheted, Memory::with(&first.sink().chain("acme")));
    now(second.hand_over("acme", "ops", "daily")).unwrap().unwrap();
    append(&second, "acme", 1);
    let chain = second.sink().chain("acme");
    assert_eq!(chain[4].audit_key, id("2026@1"));
    let last = verify(&only("2026", 0), "acme", &chain, &[]).unwrap().last.unwrap();
    assert_eq!(last.number, 5);
    if is_here() {
        let numbered = keys().replace("audit-2026", "2026");
        assert_eq!(python("number", &numbered, &text(&chain), ""), Ok(format!("{last}\n")));
    }
}
