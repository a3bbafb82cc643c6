//! Who may seal and open: the text of a keyring, and the same keyring built by hand.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax::{
    Envelope, FormatError, KeyError, KeyState, Keyring, KeyringError, LineProblem, ReloadProblem,
};
use sealwax::{Secret, Suite};
use sha2::{Digest, Sha256};

use crate::fixtures::{CREDENTIAL, Counting, SUITES, acme, key_id, master_key, open_outcome};

fn key_text(number: u8) -> String {
    master_key(number).to_text().expose_str().unwrap().to_owned()
}

/// Returns the text of a key of one repeated byte, with a valid checksum.
fn weak_text() -> String {
    let key = [0x41; 32];
    let checksum = Sha256::new().chain_update(b"sw1/key").chain_update(key).finalize();
    let bytes = [key.as_slice(), &checksum[..4]].concat();
    let mut encoded = [0; 48];
    format!("swk1_{}", Base64UrlUnpadded::encode(&bytes, &mut encoded).unwrap())
}

/// Puts keys in place of `<1>` to `<9>`; `<typo>` has one wrong character, and `<cut>` is missing one.
fn fill(template: &str) -> String {
    let typo = key_text(2).replacen(char::from(key_text(2).as_bytes()[20]), "-", 1);
    let filled = (1..=9).fold(template.to_owned(), |text, number| {
        text.replace(&format!("<{number}>"), &key_text(number))
    });
    filled
        .replace("<typo>", &typo)
        .replace("<cut>", &key_text(2)[..52])
        .replace("<weak>", &weak_text())
}

fn describe(error: &KeyringError) -> String {
    match error {
        KeyringError::Line { line, problem, .. } => {
            let problem = match problem {
                LineProblem::StrayCharacter { .. } => "stray character".to_owned(),
                LineProblem::Commented => "commented".to_owned(),
                LineProblem::UnknownState => "unknown state".to_owned(),
                LineProblem::KeyId { source: None, .. } => "no key id".to_owned(),
                LineProblem::KeyId {
                    source: Some(FormatError::Malformed { offset, .. }), ..
                } => {
                    format!("key id, at {offset}")
                }
                LineProblem::MissingKey => "no key".to_owned(),
                LineProblem::Key { source: KeyError::Malformed, .. } => "key malformed".to_owned(),
                LineProblem::Key { source: KeyError::Checksum, .. } => "key mistyped".to_owned(),
                LineProblem::Key { source: KeyError::Weak, .. } => "key weak".to_owned(),
                LineProblem::Key { source: KeyError::Surrounded { surrounding, .. }, .. } => {
                    format!("the key: found {surrounding}")
                }
                LineProblem::Key { source: KeyError::OtherKind { expected, .. }, .. } => {
                    format!("no {expected}_ key")
                }
                LineProblem::ExtraWord => "extra word".to_owned(),
                LineProblem::Surrounded { surrounding, .. } => format!("found {surrounding}"),
                other => panic!("a problem without a name: {other}"),
            };
            format!("line {line}: {problem}")
        }
        KeyringError::DuplicateKeyId { .. } => "duplicate".to_owned(),
        KeyringError::DuplicateKey { key_id, other, .. } => format!("{key_id} is {other}"),
        KeyringError::KeyAsKeyId => "key as key id".to_owned(),
        KeyringError::NoPrimary => "no primary".to_owned(),
        KeyringError::TwoPrimaries => "two primaries".to_owned(),
        KeyringError::TooManyEscrows => "too many escrows".to_owned(),
        other => panic!("a variant without a name: {other}"),
    }
}

fn outcome(text: &str) -> String {
    match text.parse::<Keyring>() {
        Ok(_) => "accepted".to_owned(),
        Err(error) => describe(&error),
    }
}

fn listed(keyring: &Keyring) -> Vec<(String, KeyState)> {
    keyring.keys().map(|(id, state)| (id.to_string(), state)).collect()
}

fn seal(keyring: &Keyring) -> Envelope {
    keyring.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1)).unwrap()
}

/// Returns the outcome of opening; "done" for the right plaintext.
fn opening(keyring: &Keyring, envelope: &Envelope) -> String {
    let opened = keyring.open(envelope, &acme());
    if let Ok(secret) = &opened {
        assert_eq!(secret.expose_str(), Ok(CREDENTIAL));
    }
    open_outcome(&opened)
}

const EVERY_STATE: &str = "\
primary   prod-2026  <1>
retired   prod-2025  <2>
escrow    eu-dr      <3>
disabled  prod-2023
leaked    prod-2024
destroyed prod-2022
";

/// Builds [`EVERY_STATE`] without a text.
fn every_state() -> Keyring {
    Keyring::new(key_id("prod-2026"), master_key(1))
        .unwrap()
        .with_retired(key_id("prod-2025"), master_key(2))
        .and_then(|ring| ring.with_escrow(key_id("eu-dr"), master_key(3)))
        .and_then(|ring| ring.with_disabled(key_id("prod-2023")))
        .and_then(|ring| ring.with_leaked(key_id("prod-2024")))
        .and_then(|ring| ring.with_destroyed(key_id("prod-2022")))
        .unwrap()
}

#[test]
fn a_text_gives_each_key_its_state() {
    let keyring: Keyring = fill(EVERY_STATE).parse().unwrap();
    let expected = [
        ("prod-2026", KeyState::Primary),
        ("prod-2025", KeyState::Retired),
        ("eu-dr", KeyState::Escrow),
        ("prod-2023", KeyState::Disabled),
        ("prod-2024", KeyState::Leaked),
        ("prod-2022", KeyState::Destroyed),
    ];
    assert_eq!(listed(&keyring), expected.map(|(id, state)| (id.to_owned(), state)));
    assert_eq!(keyring.primary().unwrap().as_ref(), "prod-2026");
    assert_eq!(keyring.suite(), Suite::Aes256Gcm);
    let words = expected.map(|(_, state)| state.to_string());
    assert_eq!(words, ["primary", "retired", "escrow", "disabled", "leaked", "destroyed"]);
}

/// Each spelling of a keyring seals to the same bytes as the keyring built by hand.
#[test]
fn separators_comments_and_line_ends_do_not_matter() {
    let plain = fill(EVERY_STATE);
    let primary = fill("primary prod-2026 <1>");
    let rest =
        fill("retired prod-2025 <2>\nescrow eu-dr <3>\ndisabled prod-2023\nleaked prod-2024");
    let rows = [
        ("as in the format", plain.clone()),
        ("no line feed at the end", plain.trim_end().to_owned()),
        ("CRLF", plain.replace('\n', "\r\n")),
        ("CRLF except in the last line, which ends in CR", {
            plain.trim_end().replace('\n', "\r\n") + "\r"
        }),
        ("spaces before CRLF", plain.replace('\n', "  \t\r\n")),
        ("tabs", plain.replace(' ', "\t")),
        ("a mixture of spaces and tabs", plain.replace(' ', " \t ")),
        ("spaces and tabs around", plain.lines().map(|line| format!(" \t{line}\t \n")).collect()),
        ("semicolons", plain.trim_end().replace('\n', ";")),
        ("semicolons and spaces", plain.trim_end().replace('\n', " ;\t")),
        ("a semicolon at the end", plain.trim_end().replace('\n', ";") + ";"),
        ("semicolons and line feeds", plain.replace('\n', ";\n")),
        ("many semicolons", plain.replace('\n', ";; ;\n;")),
        ("empty lines", plain.replace('\n', "\n\n \n\t\n\r\n")),
        ("empty lines in front", format!("\n\r\n  \n{plain}")),
        ("comments", plain.replace('\n', "\n# a comment\n")),
        ("a comment in front", format!("#\n#comment\n{plain}")),
        ("an indented comment", format!("  \t# comment\n{plain}")),
        ("an entry in a comment", format!("# primary other swk1_x ; disabled eu-dr\n{plain}")),
        ("anything in a comment", format!("# \u{feff}\u{a0}\u{2028}\u{b} \0#;;\n{plain}")),
        ("a comment at the end, no line feed", format!("{plain}# end")),
        (
            "some entries in one line",
            format!("{primary};{}\ndestroyed prod-2022", rest.replace('\n', "; ")),
        ),
    ];
    let reference = every_state();
    let sealed = seal(&reference);
    assert_eq!(sealed.key_ids().count(), 2);
    for (row, text) in &rows {
        let keyring: Keyring = text.parse().map_err(|error| format!("{row}: {error}")).unwrap();
        assert_eq!(listed(&keyring), listed(&reference), "{row}");
        assert_eq!(seal(&keyring), sealed, "{row}");
    }
    assert_eq!(rows.len(), 22);
}

#[test]
fn a_fault_is_told_with_its_line_and_its_kind() {
    // The middle line of each text; two lines come before it, one of them a comment.
    let rows = [
        ("a byte order mark", "\u{feff}retired b <2>", "found a byte order mark"),
        ("a byte order mark and a comment", "\u{feff}# comment", "found a byte order mark"),
        ("a byte order mark inside", "retired b\u{feff} <2>", "stray character"),
        ("a no-break space between words", "retired\u{a0}b <2>", "stray character"),
        ("a no-break space at the end", "retired b <2>\u{a0}", "stray character"),
        ("a no-break space alone", "\u{a0}", "stray character"),
        ("a no-break space before a comment", "\u{a0}# comment", "stray character"),
        ("a line separator", "retired b <2>\u{2028}", "stray character"),
        ("a paragraph separator", "retired b <2>\u{2029}", "stray character"),
        ("a line separator for a line feed", "disabled b\u{2028}disabled c", "stray character"),
        ("a vertical tab", "retired\u{b}b <2>", "stray character"),
        ("a form feed", "\u{c}retired b <2>", "stray character"),
        ("a next-line character", "disabled b\u{85}", "stray character"),
        ("an ideographic space", "disabled\u{3000}b", "stray character"),
        ("a carriage return inside", "disabled b\rdisabled c", "stray character"),
        ("two carriage returns at the end", "disabled b\r\r", "stray character"),
        ("a carriage return before spaces", "disabled b\r ", "stray character"),
        // A reader that breaks lines there would see an entry after it.
        ("a carriage return in a comment", "# comment\rdisabled b", "stray character"),
        ("a carriage return at the start of a comment", "\r# comment", "stray character"),
        ("a carriage return after the `#`", "#\rdisabled b", "stray character"),
        ("two carriage returns after a comment", "# comment\r\r", "stray character"),
        ("a carriage return and spaces after a comment", "# comment\r ", "stray character"),
        ("a carriage return alone, twice", "\r\r", "stray character"),
        ("a carriage return before a semicolon", "disabled b\r;", "stray character"),
        ("a comment after an entry", "retired b <2> # mine", "stray character"),
        ("a comment after a semicolon", "retired b <2>; # mine", "stray character"),
        ("# inside an id", "disabled b#c", "stray character"),
        ("# at the end of a key", "retired b <2>#", "stray character"),
        ("a zero-width space in the state", "retired\u{200b} b <2>", "stray character"),
        ("NUL in the state", "retired\0 b <2>", "stray character"),
        ("no such state", "active b <2>", "unknown state"),
        ("a state in upper case", "RETIRED b <2>", "unknown state"),
        ("a state with a capital", "Retired b <2>", "unknown state"),
        (
            "a state with a colon",
            "retired: b <2>",
            "found YAML: a name and a colon before the value",
        ),
        ("a state with a full-width letter", "\u{ff52}etired b <2>", "stray character"),
        ("a state with a Cyrillic letter", "r\u{435}tired b <2>", "stray character"),
        ("a quoted line", "\"retired b <2>\"", "found leading or trailing quotes"),
        (
            "a shell's export",
            "export SEALWAX_KEYS=x",
            "found a variable name and = before the value",
        ),
        (
            "a variable's name",
            "SEALWAX_KEYS=retired b <2>",
            "found a variable name and = before the value",
        ),
        ("a variable", "${SEALWAX_KEYS}", "found a $ variable that was not expanded"),
        ("a path", "/run/secrets/keys", "found a path or a reference instead of the contents"),
        ("JSON", "{\"keys\":\"retired b <2>\"}", "found JSON"),
        ("base64", "cmV0aXJlZCBiIHN3azE", "found a layer of base64 around the text"),
        (
            "a line feed as two characters",
            "retired b <2>\\nretired c <3>",
            "found \\n as two characters instead of a line feed",
        ),
        ("a key alone", "<2>", "unknown state"),
        ("id and key without a state", "b <2>", "unknown state"),
        ("retired alone", "retired", "no key id"),
        ("escrow alone", "escrow\t", "no key id"),
        ("disabled alone", "disabled", "no key id"),
        ("leaked alone", "leaked", "no key id"),
        ("destroyed alone", "destroyed ;", "no key id"),
        ("an id that starts with a dot", "disabled .b", "key id, at 0"),
        ("an id that climbs", "disabled ../b", "key id, at 0"),
        ("an id in quotes", "disabled 'b'", "key id, at 0"),
        ("an id with a colon", "disabled b:c", "key id, at 1"),
        ("an id with a NUL", "disabled bc\0", "stray character"),
        ("an id with a letter outside of ASCII", "disabled bé", "stray character"),
        ("an id with a comma", "retired b, <2>", "key id, at 1"),
        ("retired without a key", "retired b", "no key"),
        ("escrow without a key", "escrow b", "no key"),
        ("escrow, its key in the next line", "escrow b\n<2>", "no key"),
        ("a mistyped key", "retired b <typo>", "key mistyped"),
        ("a truncated key", "retired b <cut>", "key malformed"),
        ("a key with one character more", "retired b <2>A", "key malformed"),
        ("a key in quotes", "retired b \"<2>\"", "the key: found leading or trailing quotes"),
        ("a key without its prefix", "retired b AAAA", "key malformed"),
        ("a key with a prefix in upper case", "retired b SWK1_AAAA", "key malformed"),
        ("a prefix alone", "retired b swk1_", "key malformed"),
        ("a key of one repeated byte", "retired b <weak>", "key weak"),
        ("a mistyped key after disabled", "disabled b <typo>", "key mistyped"),
        ("a truncated key after disabled", "disabled b <cut>", "key malformed"),
        ("a key of one repeated byte after disabled", "disabled b <weak>", "key weak"),
        ("a mistyped key after leaked", "leaked b <typo>", "key mistyped"),
        ("a truncated key after leaked", "leaked b <cut>", "key malformed"),
        ("a key of one repeated byte after leaked", "leaked b <weak>", "key weak"),
        ("a mistyped key after destroyed", "destroyed b <typo>", "key mistyped"),
        ("a truncated key after destroyed", "destroyed b <cut>", "key malformed"),
        ("a key of one repeated byte after destroyed", "destroyed b <weak>", "key weak"),
        ("no key after destroyed, but a word", "destroyed b yesterday", "key malformed"),
        ("a fourth word", "retired b <2> today", "extra word"),
        ("two keys", "retired b <2> <3>", "extra word"),
        ("a fourth word after disabled", "disabled b <2> today", "extra word"),
        ("two entries without a separator", "disabled b disabled c", "extra word"),
    ];
    for (row, middle, problem) in rows {
        let text = fill(&format!("primary a <1>; disabled z\n# comment\n{middle}\ndisabled y\n"));
        assert_eq!(outcome(&text), format!("line 3: {problem}"), "{row}");
    }
    assert_eq!(rows.len(), 83);
}

#[test]
fn lines_are_counted_at_line_feeds_alone() {
    let rows = [
        ("the first", "nonsense", 1),
        ("after an empty line", "\nnonsense", 2),
        ("after a comment", "# comment\nnonsense", 2),
        ("after three semicolons", "disabled b;;;nonsense", 1),
        ("after CRLF", "disabled b\r\n\r\nnonsense\r\n", 3),
        ("the last of many", "\n\n\n\n\n\n\n\n\n\nnonsense", 11),
        ("a second entry of a line", "disabled b\ndisabled c; nonsense", 2),
        ("the first of two", "nonsense\nnonsense", 1),
    ];
    for (row, text, line) in rows {
        assert_eq!(outcome(text), format!("line {line}: unknown state"), "{row}");
    }
}

#[test]
fn a_text_without_exactly_one_primary_is_no_keyring() {
    let rows = [
        ("empty", "", "no primary"),
        ("white space", " \n\t\r\n\n", "no primary"),
        ("semicolons", ";;\n;", "no primary"),
        ("a comment", "# primary a", "no primary"),
        ("a key behind a comment", "# keys; primary a <1>", "line 1: commented"),
        ("a commented key and another", "# primary a <1>\nretired b <2>", "line 1: commented"),
        ("one retired key", "retired a <1>", "no primary"),
        (
            "all states but primary",
            "retired a <1>; escrow b <2>; disabled c; leaked d; destroyed e",
            "no primary",
        ),
        ("two primaries", "primary a <1>\nprimary b <2>", "two primaries"),
        ("two primaries in one line", "primary a <1>;primary b <2>", "two primaries"),
        ("two primaries of one id", "primary a <1>\nprimary a <1>", "two primaries"),
        (
            "two primaries, others between",
            "primary a <1>; disabled c; primary b <2>",
            "two primaries",
        ),
        ("three primaries", "primary a <1>; primary b <2>; primary c <3>", "two primaries"),
        ("a second without its key", "primary a <1>\nprimary b", "line 2: no key"),
        ("one", "primary a <1>", "accepted"),
    ];
    for (row, text, expected) in rows {
        assert_eq!(outcome(&fill(text)), expected, "{row}");
    }
}

#[test]
fn the_primary_is_named_and_never_inferred_from_its_place() {
    let text = fill("retired b <2>\ndisabled c\nescrow d <3>\nprimary a <1>\n");
    let keyring: Keyring = text.parse().unwrap();
    assert_eq!(keyring.primary().unwrap().as_ref(), "a");
    let ids: Vec<_> = keyring.keys().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    assert!(seal(&keyring).key_ids().map(|id| id.to_string()).eq(["a", "d"]));
}

const STATES: [KeyState; 6] = [
    KeyState::Primary,
    KeyState::Retired,
    KeyState::Escrow,
    KeyState::Disabled,
    KeyState::Leaked,
    KeyState::Destroyed,
];

fn entry(state: KeyState, id: &str, number: u8) -> String {
    match state {
        KeyState::Disabled | KeyState::Leaked | KeyState::Destroyed => format!("{state} {id}\n"),
        _ => format!("{state} {id} {}\n", key_text(number)),
    }
}

fn with(keyring: Keyring, state: KeyState, id: &str, number: u8) -> Result<Keyring, KeyringError> {
    match state {
        KeyState::Retired => keyring.with_retired(key_id(id), master_key(number)),
        KeyState::Escrow => keyring.with_escrow(key_id(id), master_key(number)),
        KeyState::Disabled => keyring.with_disabled(key_id(id)),
        KeyState::Leaked => keyring.with_leaked(key_id(id)),
        KeyState::Destroyed => keyring.with_destroyed(key_id(id)),
        other => panic!("not a state of a second key: {other}"),
    }
}

/// Tries, for each pair of states, the same id and one that differs in case, with the same and with another key, in a
/// text and by hand.
#[test]
fn an_id_stands_once_whatever_its_states_and_its_case() {
    let mut tried = 0;
    for first in STATES {
        for second in STATES {
            for id in ["Key-1", "key-1", "KEY-1"] {
                for number in [1, 2] {
                    let row = format!("{first} Key-1, then {second} {id} with key {number}");
                    let mut text = entry(first, "Key-1", 1) + &entry(second, id, number);
                    if first != KeyState::Primary && second != KeyState::Primary {
                        text += &entry(KeyState::Primary, "main", 3);
                    }
                    let expected = match (first, second) {
                        (KeyState::Primary, KeyState::Primary) => "two primaries",
                        _ => "duplicate",
                    };
                    assert_eq!(outcome(&text), expected, "{row}");
                    tried += 1;

                    // When built by hand, the primary always comes first.
                    if second == KeyState::Primary {
                        continue;
                    }
                    let keyring = match first {
                        KeyState::Primary => Keyring::new(key_id("Key-1"), master_key(1)).unwrap(),
                        _ => {
                            let main = Keyring::new(key_id("main"), master_key(3)).unwrap();
                            with(main, first, "Key-1", 1).unwrap()
                        }
                    };
                    let error = with(keyring, second, id, number).unwrap_err();
                    assert_eq!(describe(&error), "duplicate", "{row}, by hand");
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 6 * 6 * 3 * 2 + 6 * 5 * 3 * 2);
}

#[test]
fn seven_escrows_are_accepted_and_eight_are_not() {
    let escrows = |count: u8| {
        (1..=count).map(|n| entry(KeyState::Escrow, &format!("dr-{n}"), n)).collect::<String>()
    };
    let primary = entry(KeyState::Primary, "prod", 9);
    assert_eq!(outcome(&format!("{primary}{}", escrows(8))), "too many escrows");
    // The primary does not have to come first, and other keys do not count.
    let others: String =
        (1..=20).map(|n| entry(KeyState::Retired, &format!("old-{n}"), 20 + n)).collect();
    assert_eq!(outcome(&format!("{others}{}{primary}", escrows(8))), "too many escrows");

    let seven: Keyring = format!("{others}{}{primary}", escrows(7)).parse().unwrap();
    let envelope = seal(&seven);
    assert_eq!(envelope.key_ids().count(), 8);
    assert_eq!(opening(&seven, &envelope), "done");

    let by_hand = (1..=7).fold(Keyring::new(key_id("prod"), master_key(9)).unwrap(), |ring, n| {
        ring.with_escrow(key_id(&format!("dr-{n}")), master_key(n)).unwrap()
    });
    assert_eq!(seal(&by_hand), envelope);
    let error = by_hand.clone().with_escrow(key_id("dr-8"), master_key(8)).unwrap_err();
    assert_eq!(describe(&error), "too many escrows");
    let with_another = by_hand.with_retired(key_id("dr-8"), master_key(8)).unwrap();
    assert_eq!(with_another.keys().count(), 9);
}

/// Tests what each state allows a keyring to do with an envelope that is wrapped for `a` (key 2) alone.
#[test]
fn a_state_decides_who_opens() {
    let envelope = seal(&Keyring::new(key_id("a"), master_key(2)).unwrap());
    let rows = [
        ("primary", "primary a <2>", "done"),
        ("retired", "primary p <1>; retired a <2>", "done"),
        ("escrow", "primary p <1>; escrow a <2>", "done"),
        ("disabled", "primary p <1>; disabled a", "key_disabled(a)"),
        ("disabled, the key in the text", "primary p <1>; disabled a <2>", "key_disabled(a)"),
        ("leaked", "primary p <1>; leaked a", "key_leaked(a)"),
        ("leaked, the key in the text", "primary p <1>; leaked a <2>", "key_leaked(a)"),
        ("destroyed", "primary p <1>; destroyed a", "key_destroyed(a)"),
        ("destroyed, the key in the text", "primary p <1>; destroyed a <2>", "key_destroyed(a)"),
        ("unknown", "primary p <1>", "unknown_key(a)"),
        ("unknown, its key under another id", "primary p <2>", "unknown_key(a)"),
        ("unknown, its id in other case", "primary p <1>; retired A <2>", "unknown_key(a)"),
        ("other material, primary", "primary a <1>", "wrong_key_material(a)"),
        ("other material, retired", "primary p <1>; retired a <3>", "wrong_key_material(a)"),
        ("other material, escrow", "primary p <1>; escrow a <3>", "wrong_key_material(a)"),
    ];
    for (row, text, expected) in rows {
        let keyring: Keyring = fill(text).parse().unwrap();
        assert_eq!(opening(&keyring, &envelope), expected, "{row}");
        assert_eq!(open_outcome(&keyring.verify(&envelope)), expected, "{row}, verified");
    }
    assert_eq!(rows.len(), 15);
}

/// Only the primary and the escrow keys are written into an envelope.
#[test]
fn a_seal_is_wrapped_for_the_primary_and_the_escrows_in_the_order_of_the_keyring() {
    let text = "retired r <2>; escrow z <3>; disabled d <4>; leaked l <7>; destroyed x <5>; primary p <1>; escrow b <6>";
    let keyring: Keyring = fill(text).parse().unwrap();
    let envelope = seal(&keyring);
    assert!(envelope.key_ids().map(|id| id.to_string()).eq(["p", "z", "b"]));
    for (id, number) in [("p", 1), ("z", 3), ("b", 6)] {
        let alone = Keyring::new(key_id(id), master_key(number)).unwrap();
        assert_eq!(opening(&alone, &envelope), "done", "{id} alone");
    }
}

#[test]
fn a_keyring_seals_with_its_suite_and_opens_either() {
    assert_eq!(SUITES.len(), 2);
    for suite in SUITES {
        let keyring = every_state().with_suite(suite);
        assert_eq!(keyring.suite(), suite);
        assert_eq!(listed(&keyring), listed(&every_state()));
        let envelope = seal(&keyring);
        assert_eq!(envelope.suite(), suite);
        for opener in SUITES {
            assert_eq!(opening(&every_state().with_suite(opener), &envelope), "done");
        }
        // Keys that are added later do not change the suite.
        let longer = keyring.with_disabled(key_id("more")).unwrap();
        assert_eq!(longer.suite(), suite);
    }
}

#[test]
fn a_clone_shares_the_keys_and_changes_to_it_leave_the_original_alone() {
    let key = Arc::new(master_key(1));
    let keyring = Keyring::new(key_id("prod"), Arc::clone(&key)).unwrap();
    assert_eq!(Arc::strong_count(&key), 2);
    let clone = keyring.clone();
    assert_eq!(Arc::strong_count(&key), 2, "a clone shares what holds it");
    assert_eq!(seal(&clone), seal(&keyring));

    let longer = clone.with_escrow(key_id("dr"), master_key(2)).unwrap();
    assert_eq!(Arc::strong_count(&key), 2);
    assert_eq!((keyring.keys().count(), longer.keys().count()), (1, 2));
    assert_eq!(opening(&longer, &seal(&keyring)), "done");

    drop(keyring);
    assert_eq!(opening(&longer, &seal(&longer)), "done");
    drop(longer);
    assert_eq!(Arc::strong_count(&key), 1);
}

#[test]
fn debug_shows_ids_and_states_and_nothing_else() {
    let shown = format!("{:?}", every_state());
    let expected = concat!(
        r#"Keyring {KeyId("prod-2026"): Primary, KeyId("prod-2025"): Retired, "#,
        r#"KeyId("eu-dr"): Escrow, KeyId("prod-2023"): Disabled, "#,
        r#"KeyId("prod-2024"): Leaked, KeyId("prod-2022"): Destroyed}"#,
    );
    assert_eq!(shown, expected);
}

/// Returns whether a text contains four consecutive characters of one of the keys 1 to 3.
fn shows_a_key(text: &str) -> bool {
    (1..=3).any(|number| {
        let key = key_text(number);
        // After the prefix, which messages contain too.
        (5..=49).any(|start| text.contains(&key[start..start + 4]))
    })
}

#[test]
fn no_error_over_a_text_shows_a_part_of_a_key() {
    assert!(shows_a_key(&format!("key {} failed", &key_text(2)[10..14])));
    let rows = [
        "<1>",
        "<1> <2>",
        "prod <1>",
        "primary <1>",
        "primary <1> a",
        "primary a<1>",
        "primary a <1>#",
        "primary a <1>\u{a0}",
        "primary a <1>x",
        "primary a \"<1>\"",
        "primary a <1> <2>",
        "primary a <typo>",
        "primary a <cut>",
        "disabled a <typo>",
        "primary a '<1>'; retired b <2>",
        "primary a <1>\nprimary b <2>",
        "primary a <1>\nretired a <2>",
        "retired a <1>\nescrow b <2>",
        "primary: <1> <2>",
        "primary=<1>",
        "primary é<1>",
        "primary a <1>\n<2>",
    ];
    for row in rows {
        let error = fill(row).parse::<Keyring>().unwrap_err();
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut source = core::error::Error::source(&error);
        while let Some(error) = source {
            shown += &format!(" {error} {error:?}");
            source = error.source();
        }
        assert!(!shows_a_key(&shown), "{row}");
    }
    assert_eq!(rows.len(), 22);
}

/// The cost of a text is bounded, although ids are compared with each other.
#[test]
fn a_keyring_has_at_most_1024_keys() {
    let text = |others: usize| {
        let disabled = (0..others).map(|n| format!("disabled k{n}\n")).collect::<String>();
        fill(&format!("{disabled}primary a <1>"))
    };
    let full: Keyring = text(1023).parse().unwrap();
    assert_eq!(full.keys().count(), 1024);
    assert_eq!(text(1024).parse::<Keyring>().unwrap_err(), KeyringError::TooManyKeys);
    let one_more = full.with_disabled(key_id("one-more"));
    assert_eq!(one_more.unwrap_err(), KeyringError::TooManyKeys);
}

/// Tests what a reload reports about one key, for each of its old and new states, alongside a primary that stays.
#[test]
fn a_reload_is_judged_by_what_each_key_was_and_is() {
    use KeyState::{Destroyed, Disabled, Escrow, Leaked, Retired};
    let with = |state: Option<KeyState>| {
        let ring = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        let id = key_id("k");
        match state {
            None => Ok(ring),
            Some(Retired) => ring.with_retired(id, master_key(2)),
            Some(Escrow) => ring.with_escrow(id, master_key(2)),
            Some(Disabled) => ring.with_disabled(id),
            Some(Leaked) => ring.with_leaked(id),
            Some(Destroyed) => ring.with_destroyed(id),
            Some(other) => panic!("a state of a primary: {other}"),
        }
        .unwrap()
    };
    let states = [None, Some(Retired), Some(Escrow), Some(Disabled), Some(Leaked), Some(Destroyed)];
    let mut judged = 0;
    for old in states {
        for new in states {
            let expected: &[&str] = match (old, new) {
                (None, _) => &[],
                (Some(Escrow), None) => &["dropped", "escrow_lost"],
                (Some(_), None) => &["dropped"],
                (Some(Escrow), Some(Retired | Disabled | Destroyed)) => &["escrow_lost"],
                (Some(Disabled | Destroyed), Some(Retired | Escrow)) => &["revived"],
                (Some(Leaked), Some(Leaked)) => &[],
                (Some(Leaked), Some(_)) => &["revived"],
                _ => &[],
            };
            let problems = with(new).can_replace(&with(old)).err().unwrap_or_default();
            let names: Vec<_> = problems.iter().map(ReloadProblem::name).collect();
            assert_eq!(names, expected, "{old:?} to {new:?}");
            judged += 1;
        }
    }
    assert_eq!(judged, 6 * 6);
    let names = |new: Keyring, old: &Keyring| -> Vec<_> {
        let problems = new.can_replace(old).err().unwrap_or_default();
        problems.iter().map(ReloadProblem::name).collect()
    };

    // The key that seals: refused at once, and leaked, which is the emergency.
    let old = with(Some(Retired));
    let next = || Keyring::new(key_id("k"), master_key(2)).unwrap();
    assert_eq!(names(next().with_retired(key_id("prod"), master_key(1)).unwrap(), &old), [""; 0]);
    assert_eq!(names(next().with_disabled(key_id("prod")).unwrap(), &old), ["dropped"]);
    assert_eq!(names(next().with_destroyed(key_id("prod")).unwrap(), &old), ["dropped"]);
    assert_eq!(names(next().with_leaked(key_id("prod")).unwrap(), &old), [""; 0]);

    // Another key under an id, and a key under another id.
    let prod_with = |key: u8| Keyring::new(key_id("prod"), master_key(key)).unwrap();
    let prod = || prod_with(1);
    let other = prod().with_retired(key_id("k"), master_key(3)).unwrap();
    assert_eq!(names(other, &old), ["other_material"]);
    let renamed = prod().with_leaked(key_id("k")).unwrap();
    let renamed = renamed.with_retired(key_id("l"), master_key(2)).unwrap();
    assert_eq!(names(renamed, &old), ["other_material"]);
    let two =
        |one: u8, other: u8| prod_with(one).with_retired(key_id("k"), master_key(other)).unwrap();
    assert_eq!(names(two(2, 1), &two(1, 2)), ["other_material"; 2], "two keys that change places");
    let opens = Keyring::opening_only().with_retired(key_id("prod"), master_key(1)).unwrap();
    assert_eq!(names(opens.clone(), &prod()), ["no_primary"]);
    assert_eq!(names(opens.clone(), &opens), [""; 0], "neither has a primary");
}
