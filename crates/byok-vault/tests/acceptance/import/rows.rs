//! What happens to good rows, to bad rows, and to the rows of the vault.

use std::fs;

use byok_vault::import::NO_CONTEXT;
use byok_vault::row::{Owner, Place};
use rusqlite::Connection;
use sealwax::Secret;
use sealwax::triplet::{IvLen, Layout};
use serde_json::{Value, json};

use super::{
    HEX_KEY, OTHER_HEX_KEY, Row, dump, export, files, flipped, in_vault, key, langfuse, line,
    lobechat, new, quarantine_of, quarantined, reasons, text, value, write,
};
use crate::sandbox::{CANARY, Change, Keys, Ran, Sandbox, credential, owner};

#[test]
fn a_row_is_stored_as_put_does_it() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = old.row(&format!("{CANARY}-1"));
    let own = |n: u64, provider: &str, env: Value| {
        let owner = Owner { provider: provider.to_owned(), ..owner(n) };
        let mut object: Value = serde_json::from_str(&line(json!(n), &owner, &row)).unwrap();
        object["env"] = env;
        object["created_at"] = json!(["not", "looked", "at", 1.5]);
        object.to_string()
    };
    let file = export(
        &sandbox,
        [own(0, "google", Value::Null), own(1, "x-ai", json!("OURS_KEY")), old.line(2)],
    );
    old.import(&sandbox, &keys, &[&file]).expect_code(0).expect_in_stdout("3 rows imported");
    let listed = sandbox.vault(&keys, &["list", "--json"]).expect_code(0).json();
    let variables: Vec<_> = (0..3).map(|n| listed[n]["variable"].as_str().unwrap()).collect();
    assert_eq!(variables, ["GEMINI_API_KEY", "OURS_KEY", "OPENAI_API_KEY"]);
    for n in 0..3 {
        assert_eq!(listed[n]["revision"], json!(1));
        assert_eq!(listed[n]["row"], json!(n + 1));
        assert_eq!(listed[n]["state"], json!("current"));
        assert!(listed[n]["age_seconds"].as_i64().unwrap() < 600);
    }
    let run = ["run", "--tenant", "tenant-1", "--provider", "x-ai", "--", "sh", "-c"];
    let script = format!("test \"$OURS_KEY\" = {CANARY}-1");
    sandbox.vault(&keys, &[&run[..], &[&script]].concat()).expect_code(0);
}

#[test]
fn bad_rows_are_quarantined_with_their_reason_and_stop_nothing() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = |n: u64, row: &Row| line(json!(n), &owner(n), row);
    let good = |n: u64| old.row(&credential(n))["value"].clone();
    let with = |n: u64, field: &str, content: Value| {
        let mut object: Value = serde_json::from_str(&old.line(n)).unwrap();
        object[field] = content;
        object.to_string()
    };
    let without = |n: u64, field: &str| {
        let mut object: Value = serde_json::from_str(&old.line(n)).unwrap();
        object.as_object_mut().unwrap().remove(field).unwrap();
        object.to_string()
    };
    let stranger = |n: u64| {
        let secret = Secret::from(credential(n));
        text(&key(OTHER_HEX_KEY), Layout::HEX_IV12_TAG_CIPHERTEXT, IvLen::Twelve, &secret)
    };
    let short_tag = |n: u64| {
        let parts: Vec<_> = good(n).split(':').map(str::to_owned).collect();
        format!("{}:{}:{}", parts[0], parts[1].get(..8).unwrap(), parts[2])
    };
    let bad: Vec<(String, &str, &str)> = vec![
        (
            row(0, &value(short_tag(0))),
            "not-of-the-layout",
            "value, {tag:hex} at byte 25: expected 16 bytes, found 4",
        ),
        (row(1, &value(flipped(&good(1), 0))), "not-authentic", "wrong key, wrong layout"),
        (row(2, &value(flipped(&good(2), 26))), "not-authentic", "altered"),
        (row(3, &value(flipped(&good(3), 60))), "not-authentic", "altered"),
        (row(4, &stranger(4)), "not-authentic", "wrong key"),
        (
            row(5, &value(credential(5))),
            "not-of-the-layout",
            "expected 3 parts separated by \":\", found 1",
        ),
        (
            row(6, &value(String::new())),
            "not-of-the-layout",
            "expected 3 parts separated by \":\", found 1",
        ),
        (row(7, &old.row("")), "empty", "the plaintext is empty"),
        (row(8, &old.row(&format!("{CANARY}\0x"))), "credential-refused", "a NUL byte"),
        (row(9, &old.row(&CANARY.repeat(8000))), "credential-refused", "longer than 65536"),
        (
            row(10, &{
                let secret = Secret::from(&b"sk-canary\xff"[..]);
                text(&key(HEX_KEY), Layout::HEX_IV12_TAG_CIPHERTEXT, IvLen::Twelve, &secret)
            }),
            "credential-refused",
            "not UTF-8",
        ),
        (credential(11), "not-json", "not JSON at byte"),
        (old.line(12).get(..40).unwrap().to_owned(), "not-json", "ends in the middle"),
        ("[1]".to_owned(), "not-json", "not an object"),
        (format!("{}{}", old.line(13), old.line(13)), "not-json", "not JSON at byte"),
        (without(14, "id"), "field", "id is missing"),
        (without(15, "tenant"), "field", "tenant is missing"),
        (without(16, "provider"), "field", "provider is missing"),
        (without(17, "value"), "field", "value is missing"),
        (with(18, "id", json!(1.5)), "field", "id: expected a string or an integer"),
        (with(19, "tenant", json!(7)), "field", "tenant: expected a string"),
        (with(20, "value", json!([CANARY])), "field", "value: expected a string"),
        (with(21, "value", Value::Null), "field", "value is missing"),
        (with(22, "env", json!(true)), "field", "env: expected a string"),
        (with(23, "tenant", json!("")), "name", "tenant: a name must have 1 to 200"),
        (with(24, "tenant", json!(" acme")), "name", "tenant: a name must not contain control"),
        (
            with(25, "provider", json!("a\u{1b}[2J")),
            "name",
            "provider: a name must not contain control",
        ),
        (with(26, "env", json!("1A")), "name", "env: a variable name"),
        (with(27, "env", json!("SEALWAX_KEYS")), "name", "env: commands never see"),
        (with(32, "env", json!("LD_PRELOAD")), "name", "env: programs obey this variable"),
        (with(33, "env", json!("NODE_OPTIONS")), "name", "env: programs obey this variable"),
        (with(34, "env", json!("OTHER")), "name", "env: the variable must have the name"),
        (with(28, "id", json!("")), "name", "id: a name must have 1 to 200"),
        (with(29, "id", json!("x".repeat(201))), "name", "id: a name must have 1 to 200"),
        (old.line(30).replacen("{", "{\"tenant\":\"other\",", 1), "field", "tenant appears twice"),
        (
            old.line(31).replacen("{", "{\"env\":null,\"env\":\"OURS_KEY\",", 1),
            "field",
            "env appears twice",
        ),
    ];
    let mut lines: Vec<String> = bad.iter().map(|(line, _, _)| line.clone()).collect();
    // Insert good rows between the bad ones.
    let good_lines: Vec<String> = (100..110).map(|n| old.line(n)).collect();
    for (at, line) in good_lines.iter().enumerate() {
        lines.insert(at * 4, line.clone());
    }
    let expected: Vec<_> = lines
        .iter()
        .zip(1..)
        .filter_map(|(line, number)| {
            bad.iter().find(|(other, _, _)| other == line).map(|bad| (number, bad))
        })
        .collect();
    assert_eq!(expected.len(), bad.len());
    let file = export(&sandbox, &lines);
    let mut quarantines = Vec::new();
    for (arguments, first_line) in [
        (&["--dry-run"][..], "10 rows would be imported, 0 rows already imported, "),
        (&["--batch-size", "3"], "10 rows imported, 0 rows already imported, "),
        (&[], "0 rows imported, 10 rows already imported, "),
    ] {
        let ran = old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat());
        let ran = ran.expect_code(14).expect_in_stdout(NO_CONTEXT);
        assert!(ran.stdout.starts_with(first_line), "{ran:#?}");
        assert!(!ran.stdout.contains('\u{1b}'));
        assert_eq!(ran.stdout.matches("    line ").count(), bad.len(), "{ran:#?}");
        for (number, (_, _, detail)) in &expected {
            let line = ran
                .stdout
                .lines()
                .find(|line| {
                    line.starts_with(&format!("    line {number},"))
                        || line.starts_with(&format!("    line {number} "))
                        || line.starts_with(&format!("    line {number}:"))
                })
                .unwrap();
            assert!(line.contains(detail), "no {detail:?} in {line:?}");
        }
        if arguments == ["--dry-run"] {
            assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
            continue;
        }
        ran.expect_in_stdout(
            "line 2, id 0 (tenant tenant-0, provider openai): value, {tag:hex} at byte 25",
        )
        .expect_in_stdout(&format!("{} rows in the quarantine file", bad.len()))
        .expect_in_stdout(quarantine_of(&file).to_str().unwrap());
        let found = reasons(quarantine_of(&file));
        let reasons: Vec<_> =
            expected.iter().map(|(number, bad)| (*number, bad.1.to_owned())).collect();
        assert_eq!(found, reasons);
        for (found, (_, bad)) in quarantined(quarantine_of(&file)).iter().zip(&expected) {
            assert!(found["quarantined"]["detail"].as_str().unwrap().contains(bad.2));
        }
        // It contains each original unchanged, to the byte, or as a JSON string.
        let text = fs::read_to_string(quarantine_of(&file)).unwrap();
        for (line, (_, bad)) in text.lines().zip(&expected) {
            let original =
                if bad.1 == "not-json" { json!(bad.0).to_string() } else { bad.0.clone() };
            assert!(line.ends_with(&format!(",\"row\":{original}}}")), "{line}");
        }
        quarantines.push(text);
        assert_eq!(sandbox.assert_rows_open(&keys), 10);
    }
    assert_eq!(quarantines[0], quarantines[1], "a second run quarantines the same");

    // The quarantine file of the quarantine file has the same rows for the same reasons.
    let first = quarantine_of(&file);
    old.import(&sandbox, &keys, &[first.to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 0 rows already imported");
    let second = quarantined(quarantine_of(first.to_str().unwrap()));
    for (line, (before, number)) in second.iter().zip(quarantined(&first).iter().zip(1..)) {
        assert_eq!(line["row"], before["row"]);
        assert_eq!(line["quarantined"]["reason"], before["quarantined"]["reason"]);
        assert_eq!(line["quarantined"]["id"], before["quarantined"]["id"]);
        assert_eq!(line["quarantined"]["line"], json!(number));
    }
    assert_eq!(second.len(), bad.len());
    assert_eq!(
        fs::read_to_string(&first).unwrap(),
        quarantines[0],
        "the imported file stays unchanged"
    );
}

#[test]
fn a_second_run_changes_nothing() {
    let (sandbox, keys) = new();
    let old = langfuse();
    let file = export(&sandbox, (0..20).map(|n| old.line(n)).chain(["{}".to_owned()]));
    old.import(&sandbox, &keys, &[&file, "--batch-size", "7"])
        .expect_code(14)
        .expect_in_stdout("20 rows imported, 0 rows already imported");
    // Set old times, so that any write would be visible.
    Connection::open(sandbox.db())
        .unwrap()
        .execute("UPDATE credentials SET created_at = 7, updated_at = 7", [])
        .unwrap();
    let before = dump(&sandbox);
    let quarantine = fs::read(quarantine_of(&file)).unwrap();
    for arguments in [&[][..], &["--batch-size", "1"], &["--dry-run"]] {
        old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat())
            .expect_code(14)
            .expect_in_stdout("already imported")
            .expect_in_stdout(", 20 rows already imported");
        assert_eq!(dump(&sandbox), before);
        assert!(fs::read(quarantine_of(&file)).unwrap() == quarantine);
    }

    // The same is true after a change of the master key, because the credentials are compared.
    let change = Change::new();
    let (sandbox, file) = (Sandbox::new(), String::new() + &file);
    old.import(&sandbox, &change.before, &[&file]).expect_code(14);
    sandbox.vault(&change.both, &["rotate"]).expect_code(0);
    let before = dump(&sandbox);
    old.import(&sandbox, &change.after, &[&file])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 20 rows already imported");
    assert_eq!(dump(&sandbox), before);
}

#[test]
fn a_dry_run_writes_nothing_but_the_log() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let other = |n: u64, of: u64| line(json!(n), &owner(of), &old.row(&credential(n)));
    let same = |n: u64, of: u64| line(json!(n), &owner(of), &old.row(&credential(of)));
    let lines = [old.line(0), old.line(1), same(2, 0), other(3, 2), "{}".to_owned(), same(4, 1)]
        .into_iter()
        .chain([same(5, 2)]);
    let lines: Vec<_> = lines.collect();
    let file = export(&sandbox, &lines);
    let before = files(&sandbox);
    let would = old
        .import(&sandbox, &keys, &[&file, "--dry-run"])
        .expect_code(14)
        .expect_in_stdout("2 rows would be imported, 2 rows already imported")
        .expect_in_stdout("2 rows would be quarantined: two credentials or variables")
        .expect_in_stdout("1 row would be quarantined: a field is missing")
        .expect_in_stdout(NO_CONTEXT);
    assert_eq!(files(&sandbox), before);

    let does = old.import(&sandbox, &keys, &[&file]).expect_code(14);
    assert!(does.stdout.starts_with("2 rows imported, 2 rows already imported, "));
    let count = |ran: &Ran| ran.stdout.matches("    line ").count();
    assert_eq!(count(&would), count(&does));

    // With a vault, a dry run says what a run would do to it.
    let more = export(&sandbox, (0..5).map(|n| old.line(n + 100)).chain(lines));
    fs::remove_file(quarantine_of(&file)).unwrap();
    let rows = dump(&sandbox);
    old.import(&sandbox, &keys, &[&more, "--dry-run"])
        .expect_code(14)
        .expect_in_stdout("5 rows would be imported, 4 rows already imported");
    assert_eq!(dump(&sandbox), rows);
    let new = export(&sandbox, (0..5).map(|n| old.line(n + 100)));
    old.import(&sandbox, &keys, &[&new, "--dry-run"]).expect_code(0);
    assert_eq!(dump(&sandbox), rows);
    assert!(!quarantine_of(&file).exists());
}

#[test]
fn another_credential_is_never_overwritten() {
    let (sandbox, keys) = new();
    let old = lobechat();
    sandbox.fill(&keys, 3);
    let before = dump(&sandbox);
    let other = line(json!("a-7"), &owner(1), &old.row(&credential(77)));
    let file = export(&sandbox, [&old.line(0), &other, &old.line(2)]);
    let says = "the vault has another credential for this tenant, provider and label";
    for arguments in [&["--dry-run"][..], &[], &[]] {
        old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat())
            .expect_code(14)
            .expect_in_stdout(", 2 rows already imported")
            .expect_in_stdout(says)
            .expect_in_stdout("line 2, id \"a-7\" (tenant tenant-1, provider openai): see row 2");
        assert_eq!(dump(&sandbox), before);
    }
    let entry = &quarantined(quarantine_of(&file))[0];
    assert_eq!(entry["quarantined"]["reason"], json!("another-credential"));
    assert_eq!(entry["quarantined"]["id"], json!("a-7"));
    assert_eq!(entry["row"], serde_json::from_str::<Value>(&other).unwrap());
}

#[test]
fn a_row_of_the_vault_that_does_not_open_is_left_as_it_is() {
    let (sandbox, keys) = new();
    let old = lobechat();
    sandbox.fill(&keys, 3);
    sandbox.overwrite(1, "null");
    let place = Place { id: 3, owner: owner(2), env_name: "OPENAI_API_KEY".to_owned() };
    let foreign = place.seal(&Keys::primary("f").keyring(), &Secret::from(credential(2))).unwrap();
    sandbox.overwrite(2, &foreign);
    let before = dump(&sandbox);
    let file = export(&sandbox, (0..4).map(|n| old.line(n)));
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 1 row already imported")
        .expect_in_stdout("2 rows quarantined: the vault's own row does not open")
        .expect_in_stdout("row 3 of the vault: ");
    assert_eq!(
        dump(&sandbox)[..3].iter().map(|row| &row[..8]).collect::<Vec<_>>(),
        before.iter().map(|row| &row[..8]).collect::<Vec<_>>()
    );
    let reason = "vault-row".to_owned();
    assert_eq!(reasons(quarantine_of(&file)), [(2, reason.clone()), (3, reason)]);
}

#[test]
fn two_lines_of_one_owner_are_one_credential_or_a_question() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let of = |id: Value, secret: u64| line(id, &owner(5), &old.row(&credential(secret)));
    let lines =
        [of(json!(1), 5), of(json!(2), 5), of(json!(3), 6), of(json!(1), 5), of(json!(4), 5)];
    let file = export(&sandbox, lines);
    for arguments in [&["--dry-run"][..], &["--batch-size", "500"], &["--batch-size", "1"]] {
        old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat())
            .expect_code(14)
            .expect_in_stdout("0 rows already imported, 5 rows ")
            .expect_in_stdout("line 1, id 1 (tenant tenant-5, provider openai): lines 1 and 3 have")
            .expect_in_stdout(
                "line 5, id 4 (tenant tenant-5, provider openai): lines 5 and 1 have",
            );
        assert!(!sandbox.db().exists(), "the first line won");
    }
    let all: Vec<_> = (1..=5).map(|n| (n, "owner-twice".to_owned())).collect();
    assert_eq!(reasons(quarantine_of(&file)), all);

    // Once somebody has decided, the rows are imported.
    let text = fs::read_to_string(quarantine_of(&file)).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.contains("\"line\":3")).collect();
    let decided = write(&sandbox, "decided.jsonl", kept.join("\n").as_bytes());
    for (arguments, first_line) in [
        (&["--dry-run"][..], "1 row would be imported, 3 rows already imported, "),
        (&["--batch-size", "1"], "1 row imported, 3 rows already imported, "),
        (&[], "0 rows imported, 4 rows already imported, "),
    ] {
        let arguments = [&[decided.as_str()], arguments].concat();
        let ran = old.import(&sandbox, &keys, &arguments).expect_code(0);
        assert!(ran.stdout.starts_with(first_line), "{ran:#?}");
    }
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

#[test]
fn a_row_that_does_not_open_disputes_nothing() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let secret = Secret::from(credential(6));
    let layout = Layout::HEX_IV12_TAG_CIPHERTEXT;
    let stranger = text(&key(OTHER_HEX_KEY), layout, IvLen::Twelve, &secret);
    let file = export(&sandbox, [old.line(5), line(json!(6), &owner(5), &stranger), old.line(5)]);
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 1 row already imported, 1 row quarantined");
    assert_eq!(reasons(quarantine_of(&file)), [(2, "not-authentic".to_owned())]);
}

#[test]
fn another_variable_is_told_and_left() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let with_env = |n: u64, env: &str| old.line(n).replacen('{', &format!("{{\"env\":{env},"), 1);
    let mine = "\"MY_KEY\"";
    let first = export(&sandbox, [with_env(0, mine), old.line(1)]);
    old.import(&sandbox, &keys, &[&first]).expect_code(0);
    let before = dump(&sandbox);
    // A line without a variable accepts the vault's.
    let lines = [
        with_env(0, "\"OTHER_KEY\""),
        with_env(1, mine),
        with_env(1, mine),
        old.line(2),
        with_env(2, mine),
    ];
    let file = export(&sandbox, lines);
    for arguments in [&["--dry-run"][..], &[]] {
        old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat())
            .expect_code(14)
            .expect_in_stdout("the vault has another variable for this credential")
            .expect_in_stdout("line 1, id 0 (tenant tenant-0, provider openai): see row 1");
        assert_eq!(dump(&sandbox), before);
    }
    let variable = |n| (n, "another-variable".to_owned());
    let owner = |n| (n, "owner-twice".to_owned());
    let expected = [variable(1), variable(2), variable(3), owner(4), owner(5)];
    assert_eq!(reasons(quarantine_of(&file)), expected);
    for env in [mine, "null"] {
        let same = export(&sandbox, [with_env(0, env), old.line(1)]);
        old.import(&sandbox, &keys, &[&same])
            .expect_code(0)
            .expect_in_stdout("0 rows imported, 2 rows already imported");
    }
}

#[test]
fn an_id_that_stands_twice_is_a_mistake_for_all_its_rows() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = |id: Value, n: u64| line(id, &owner(n), &old.row(&credential(n)));
    let lines = [
        row(json!(1), 1),
        row(json!(2), 2),
        row(json!(1), 3),
        // Another text, and therefore another id.
        row(json!("02"), 4),
        row(json!(1), 1),
        row(json!(5), 5),
        // This line has no valid owner.
        row(json!(5), 5).replace("tenant-5", ""),
    ];
    let file = export(&sandbox, lines);
    let ran = old
        .import(&sandbox, &keys, &[&file, "--batch-size", "1"])
        .expect_code(14)
        .expect_in_stdout("2 rows imported, 0 rows already imported")
        .expect_in_stdout("4 rows quarantined: two owners for one id")
        .expect_in_stdout("tenant-1, provider openai): lines 1 and 3 have this id")
        .expect_in_stdout("tenant-3, provider openai): lines 3 and 1 have this id")
        .expect_in_stdout("tenant-1, provider openai): lines 5 and 3 have this id")
        .expect_in_stdout("tenant-5, provider openai): lines 6 and 7 have this id");
    assert!(ran.stdout.contains("remove the other line from the quarantine file"));
    let twice = |n| (n, "id-twice".to_owned());
    let expected = [twice(1), twice(3), twice(5), twice(6), (7, "name".to_owned())];
    assert_eq!(reasons(quarantine_of(&file)), expected);
    assert!(in_vault(&sandbox, &keys, &owner(1)).is_none());

    // Importing the quarantine file does not change this ...
    let quarantine = quarantine_of(&file);
    old.import(&sandbox, &keys, &[quarantine.to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 0 rows already imported");
    // ... until somebody has decided.
    let text = fs::read_to_string(&quarantine).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.contains("\"tenant-3\"")).collect();
    fs::write(&quarantine, kept[..2].join("\n")).unwrap();
    old.import(&sandbox, &keys, &[quarantine.to_str().unwrap()])
        .expect_code(0)
        .expect_in_stdout("1 row imported, 1 row already imported");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
}

#[test]
fn a_number_and_the_same_number_as_a_string_are_one_id() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = |id, n| line(id, &owner(n), &old.row(&credential(n)));
    let lines = [row(json!(7), 1), row(json!("7"), 2), row(json!("8"), 3), row(json!(8), 3)];
    let file = export(&sandbox, lines);
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 1 row already imported, 2 rows quarantined")
        .expect_in_stdout("id 7 (tenant tenant-1, provider openai): lines 1 and 2 have this id")
        .expect_in_stdout(
            "id \"7\" (tenant tenant-2, provider openai): lines 2 and 1 have this id",
        );
    let twice = "id-twice".to_owned();
    assert_eq!(reasons(quarantine_of(&file)), [(1, twice.clone()), (2, twice)]);
}
