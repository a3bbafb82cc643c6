//! The verifier in Python agrees, about 10,000 records and about every alteration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use alterations::{CLAIMS, Line, REDEEMED, TIMES, altered};
use sealwax_tokens::{Prefix, Previous, Record, TokenError, Tokens};

use crate::format::{OLD, existing};
use crate::given::{
    Fields, NOW, Parts, SUBJECT, grant, issue, line, rotation, shown, tokens, under,
};

mod alterations;

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
        "# of the tests; and of nothing else\n".into(),
        line("primary", "tokens-2026", 0),
        "\t disabled tokens-2023 ;".into(),
        line("retired", "tokens-2025", 9),
        line("disabled", "tokens-2024", 18),
        ";\r\n".into(),
    ]
    .concat()
}

/// What a verifier accepts, and what it is asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    accepts_existing: bool,
    redeem: bool,
}

const TO_VERIFY: Asked = Asked { accepts_existing: false, redeem: false };
const TO_REDEEM: Asked = Asked { redeem: true, ..TO_VERIFY };
const TO_VERIFY_EXISTING: Asked = Asked { accepts_existing: true, ..TO_VERIFY };

/// Returns what the verifier in Python says of each line.
fn python(test: &str, asked: Asked, lines: &[u8]) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python").join(test);
    fs::create_dir_all(&folder).unwrap();
    let [peppers, file] = ["peppers", "lines"].map(|name| folder.join(name));
    fs::write(&peppers, ring()).unwrap();
    fs::write(&file, lines).unwrap();
    let mut command = Command::new("python3");
    // -B: do not write compiled files next to the sources. -O: without assertions, it checks as much.
    command.args(["-B", "-O", concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py")]).arg(peppers);
    command.args(["live", "acme_live_", &NOW.to_string()]).arg(file).args(["--scope", "read"]);
    command.args(asked.accepts_existing.then_some("--existing"));
    command.args(asked.redeem.then_some("--redeem"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

/// Returns what the crate says of a line, as a service does: it searches, reads the row, and verifies.
fn sealwax_tokens(asked: Asked, record: &str, token: &str) -> &'static str {
    let tokens = under(&ring());
    let tokens = if asked.accepts_existing { tokens.accept_existing([]) } else { tokens };
    let check = || -> Result<(), TokenError> {
        let record: Record = record.parse()?;
        if asked.redeem {
            tokens.redeem(token, &record, NOW, "read").map(drop)
        } else {
            tokens.verify(token, &record, NOW, "read").map(drop)
        }
    };
    let found = tokens.lookup_keys(token).and_then(|_| check());
    // Without the search, a row that has a record gets the same answer.
    assert!(check() == found || record.parse::<Record>().is_err());
    found.map_or_else(|error| error.name(), |()| "ok")
}

/// The expression finds tokens in a text, and no others.
#[test]
fn a_scanner_finds_tokens() {
    if !is_here() {
        return;
    }
    let pattern = "acme_live_".parse::<Prefix>().unwrap().pattern();
    let tokens: Vec<String> = (0..9).map(|_| issue(&tokens(), grant()).0).collect();
    let longer = tokens[0].clone() + "0";
    let text = tokens.join(", key='") + &format!("\nx{} {longer} {}", tokens[0], &tokens[0][1..]);
    let mut command = Command::new("python3");
    command.args(["-c", "import re, sys; print(*re.findall(*sys.argv[1:]))", &pattern, &text]);
    let found = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(found.trim_end(), tokens.join(" "));
}

/// Returns records of every state, scheme, pepper and mode, with their token.
fn some(tokens: &Tokens, old: &Tokens, n: u64) -> Vec<(String, Record)> {
    let grant = grant().not_before(NOW + n % 3 - 1).expires(NOW + n % 5 * 100);
    let (of, first) = if n.is_multiple_of(2) { (tokens, 0) } else { (old, 9) };
    let (token, record) = issue(of, grant.clone());
    let grace = Duration::from_secs(n % 4);
    let change = tokens.rotate(&record, SUBJECT, rotation(NOW, grace, Some(NOW + 50))).unwrap();
    let Previous::Is(previous) = change.previous.clone() else { panic!("{:?}", change.previous) };
    let successor = change.record.clone();
    let rotated = change.finish(true).unwrap();
    let (single, for_one) = issue(of, grant.clone().single_use().not_before(0).expires(NOW + 1));
    let spent = tokens.redeem(&single, &for_one, NOW, "read").unwrap().record;
    let (_, kind) = &existing()[n as usize % 4];
    let converted = tokens.convert(kind, grant).unwrap().record;
    let for_tests = altered(&record, |fields| fields.mode = 0).signed(first);
    vec![
        (token.clone(), tokens.revoke(&record, SUBJECT).unwrap().record),
        (token.clone(), previous),
        (shown(rotated.token), successor),
        (token.clone(), for_tests),
        (token, record),
        (single.clone(), for_one),
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
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut before: Option<String> = None;
    let mut n = 0;
    // Each record with another token and with its own, and once altered.
    while lines.len() < 3 * 10_000 {
        for (token, record) in some(&tokens, &old, n) {
            let mut altered = Parts::of(&record);
            let len = altered.claims.len();
            altered.claims[n as usize % len] ^= 1;
            let mixed = before.replace(token.clone()).unwrap_or_else(|| token.clone());
            lines.push((altered.text(), token.clone()));
            lines.extend([mixed, token].map(|token| (record.to_string(), token)));
        }
        n += 1;
    }
    let text: String = lines.iter().map(|(record, token)| format!("{record} {token}\n")).collect();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for redeem in [false, true] {
        let asked = Asked { accepts_existing: true, redeem };
        let printed = python("ten_thousand", asked, text.as_bytes());
        assert_eq!(printed.len(), lines.len());
        for (at, ((record, token), printed)) in lines.iter().zip(&printed).enumerate() {
            let expected = sealwax_tokens(asked, record, token);
            assert_eq!(printed, expected, "line {at}");
            *counts.entry(expected).or_default() += 1;
        }
    }
    println!("{counts:?}");
    // All but what only other peppers, scopes and texts have.
    assert!(counts.len() == 9 && counts.values().all(|count| *count > 100), "{counts:?}");
}

/// Checks that the verifier says of each line what the page does. Returns how many lines there are.
fn check_python(test: &str, asked: Asked, lines: &[Line]) -> usize {
    let text: String =
        lines.iter().map(|line| format!("{} {}\n", line.record, line.token)).collect();
    let printed = python(test, asked, text.as_bytes());
    assert_eq!(printed.len(), lines.len());
    for (line, printed) in lines.iter().zip(&printed) {
        assert_eq!(printed, line.expected, "{asked:?}: {}", line.name);
    }
    let mut names = BTreeSet::new();
    for line in lines {
        assert!(names.insert(&line.name), "two lines are called {}", line.name);
    }
    lines.len()
}

/// Checks that the crate says the same.
fn check_both(test: &str, asked: Asked, lines: &[Line]) -> usize {
    for Line { name, record, token, expected } in lines {
        assert_eq!(sealwax_tokens(asked, record, token), *expected, "{asked:?}: {name}");
    }
    check_python(test, asked, lines)
}

#[test]
fn it_says_the_same_of_every_alteration() {
    if !is_here() {
        return;
    }
    let mut lines = alterations::lines_of(&CLAIMS);
    lines.extend(alterations::lengths());
    lines.extend(alterations::texts());
    lines.extend(alterations::tokens(false));
    lines.extend(alterations::texts_with_the_prefix(false));
    assert_eq!(check_both("every_alteration", TO_VERIFY, &lines), 126 + 73 + 77 + 101 + 44 + 118);
    let lines = alterations::tokens(true);
    assert_eq!(check_both("existing", TO_VERIFY_EXISTING, &lines), 44);
    let lines = alterations::lines_of(&REDEEMED);
    assert_eq!(check_both("redeemed", TO_REDEEM, &lines), 12);
}

#[test]
fn it_refuses_later_times_and_tells_old_tokens_with_the_prefix_from_typos() {
    if !is_here() {
        return;
    }
    assert_eq!(check_both("times", TO_VERIFY, &alterations::lines_of(&TIMES)), 16);
    let lines = alterations::texts_with_the_prefix(true);
    assert_eq!(check_both("with_the_prefix", TO_VERIFY_EXISTING, &lines), 118);
    let lines = alterations::old_tokens_with_the_prefix();
    assert_eq!(check_both("old_with_the_prefix", TO_VERIFY_EXISTING, &lines), 24);
}

#[test]
fn a_record_alone_is_verified_as_far_as_it_can_be() {
    if !is_here() {
        return;
    }
    let (token, record) = issue(&under(&ring()), grant());
    let of = |alter: fn(&mut Fields)| altered(&record, alter).signed(0).to_string();
    let rows = [
        (record.to_string(), "ok"),
        (of(|f| f.single_use = 1), "ok"),
        (of(|f| f.scopes = vec![b"write".into()]), "ok"),
        (of(|f| f.mode = 0), "wrong_mode"),
        (of(|f| f.state = 3), "spent"),
        (of(|f| f.state = 4), "revoked"),
        (of(|f| f.not_before = NOW + 1), "not_yet"),
        (of(|f| f.expires = NOW), "expired"),
        (altered(&record, |f| f.mode = 0).text(), "altered"),
        (record.to_string().replace("-2026", "-2024"), "pepper"),
        (String::new(), "altered"),
        (token, "altered"),
    ];
    let mut lines: Vec<u8> =
        rows.iter().flat_map(|(row, _)| format!("{row}\n").into_bytes()).collect();
    // A text that is not UTF-8, in each place. The last line does not end.
    let text = record.to_string();
    lines.extend([text.as_bytes(), b" \xff\n", text.as_bytes(), b"\xff"].concat());
    let expected: Vec<&str> = rows.iter().map(|(_, verdict)| *verdict).collect();
    let expected = [&expected[..], &["malformed", "altered"]].concat();
    for asked in [TO_VERIFY, TO_REDEEM, TO_VERIFY_EXISTING] {
        assert_eq!(python("alone", asked, &lines), expected, "{asked:?}");
    }
}
