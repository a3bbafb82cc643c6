//! The verifier in Python agrees, about 10,000 records.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use sealwax_tokens::{Record, Tokens};

use crate::format::{OLD, existing};
use crate::given::{NOW, Parts, grant, issue, line, shown, under};

fn is_here() -> bool {
    let probed = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    let is_here = probed.is_ok_and(|status| status.success());
    if !is_here {
        println!("skipped: python3 is not installed");
        assert!(std::env::var_os("SEALWAX_REQUIRE_INTEROP").is_none(), "python3 is missing");
    }
    is_here
}

fn ring() -> String {
    [
        "# of the tests\n".into(),
        line("primary", "tokens-2026", 0),
        line("retired", "tokens-2025", 9),
    ]
    .concat()
}

fn python(lines: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python");
    fs::create_dir_all(&folder).unwrap();
    let [peppers, file] = ["peppers", "lines"].map(|name| folder.join(name));
    fs::write(&peppers, ring()).unwrap();
    fs::write(&file, lines).unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py");
    // -B: do not write compiled files next to the sources.
    let arguments = ["-B".as_ref(), program.as_ref(), peppers.as_os_str()];
    let output =
        Command::new("python3").args(arguments).arg(NOW.to_string()).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

#[test]
fn it_is_short() {
    assert!((30..60).contains(&include_str!("../../verify.py").lines().count()));
}

/// Returns records of every state, scheme and pepper, with their token.
fn some(tokens: &Tokens, old: &Tokens, n: u64) -> Vec<(String, Record)> {
    let grant = grant().not_before(NOW + n % 3 - 1).expires(NOW + n % 5 * 100);
    let of = if n.is_multiple_of(2) { tokens } else { old };
    let (token, record) = issue(of, grant.clone());
    let rotated = tokens.rotate(&record, NOW, Duration::from_secs(n % 4), None).unwrap();
    let (single, for_one) = issue(of, grant.clone().single_use().not_before(0).expires(NOW + 1));
    let spent = tokens.redeem(&single, &for_one, NOW, "read").unwrap().change().record.clone();
    let (_, kind) = &existing()[n as usize % 4];
    let converted = tokens.convert(kind, grant).unwrap().record;
    vec![
        (token.clone(), tokens.revoke(&record).unwrap().record),
        (token.clone(), rotated.change.previous.unwrap()),
        (shown(rotated.token), rotated.change.record),
        (token, record),
        (single, spent),
        (OLD.into(), converted),
    ]
}

#[test]
fn it_says_the_same_of_ten_thousand_records() {
    if !is_here() {
        return;
    }
    let tokens = under(&ring()).accept_existing([]);
    let old = under(&line("primary", "tokens-2025", 9));
    let (mut lines, mut expected) = (String::new(), Vec::new());
    let mut before: Option<String> = None;
    let mut n = 0;
    while expected.len() < 10_000 {
        for (token, record) in some(&tokens, &old, n) {
            let mut altered = Parts::of(&record);
            let len = altered.claims.len();
            altered.claims[n as usize % len] ^= 1;
            let mixed = before.replace(token.clone()).unwrap_or_else(|| token.clone());
            for (token, record) in
                [(&token, &record), (&mixed, &record), (&token, &altered.record())]
            {
                let single =
                    tokens.inspect(record).is_ok_and(|claims| claims.grant.is_single_use());
                let found = if single {
                    tokens.redeem(token, record, NOW, "read").map(drop)
                } else {
                    tokens.verify(token, record, NOW, "read").map(drop)
                };
                expected.push(found.map_or_else(|error| error.name(), |()| "ok"));
                writeln!(lines, "{record} {token}").unwrap();
            }
        }
        n += 1;
    }
    let printed = python(&lines);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    assert_eq!(printed.len(), expected.len());
    for (line, (printed, expected)) in printed.iter().zip(&expected).enumerate() {
        assert_eq!(printed, expected, "line {line}");
        *counts.entry(expected).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(counts.len() == 7 && counts.values().all(|count| *count > 200), "{counts:?}");
}
