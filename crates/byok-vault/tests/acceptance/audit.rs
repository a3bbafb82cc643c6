//! `audit` opens every row, and finds what counting and rewrapping cannot.

use sealwax::Envelope;

use crate::sandbox::{CANARY, Change, Key, Keys, Sandbox, credential};

const RUN: [&str; 7] = ["run", "--tenant", "tenant-1", "--provider", "openai", "--", "true"];

fn keys(id: &str) -> Change {
    let (old, new) = (Key::new(), Key::new());
    Change {
        before: Keys::new(&[("primary", id, &old)]),
        both: Keys::new(&[("primary", "new", &new), ("retired", id, &old)]),
        after: Keys::new(&[("primary", "new", &new)]),
    }
}

/// Changes the first character of the ciphertext.
fn with_another_ciphertext(envelope: &str) -> String {
    let (front, ciphertext) = envelope.rsplit_once(':').unwrap();
    let other = if ciphertext.starts_with('A') { "B" } else { "A" };
    format!("{front}:{other}{}", ciphertext.get(1..).unwrap())
}

#[test]
fn every_row_of_every_batch_is_opened() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1_203);
    sandbox
        .vault(&keys.before, &["audit"])
        .expect_code(0)
        .expect_in_stdout("1,203 rows opened\n")
        .expect_in_stdout("Backups, rows written later, and whether the providers still accept");
    for n in [0, 499, 500, 501, 1_202] {
        sandbox.overwrite(n, &with_another_ciphertext(&sandbox.envelope(n)));
    }
    sandbox.overwrite(1_001, &sandbox.envelope(1_000));
    sandbox.overwrite(1_002, "null");
    let ran = sandbox.vault(&keys.before, &["audit"]).expect_code(12);
    for text in [
        "1,196 rows opened\n",
        "5 rows faulty: altered\n",
        "1 row faulty: in another row's place\n",
        "1 row faulty: not an envelope\n",
        "    row 1203 (tenant tenant-1202, provider openai): the payload of the envelope was altered\n",
    ] {
        assert!(ran.stdout.contains(text), "no {text:?} in {ran:#?}");
    }
    assert_eq!(ran.stdout.matches("    row ").count(), 7);
}

#[test]
fn it_needs_the_keyring_and_exits_with_the_worst_kind() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    sandbox.without_keys(&["audit"]).expect_code(3);
    sandbox.vault(&keys.after, &["audit"]).expect_code(11).expect_in_stdout("0 rows opened");
    sandbox.seal(&keys.after, 1, &credential(1));
    sandbox.overwrite(2, "");
    sandbox
        .vault(&keys.after, &["audit"])
        .expect_code(12)
        .expect_in_stdout("1 row opened")
        .expect_in_stdout("1 row faulty: key not in the keyring");
    assert!(sandbox.envelope(2).is_empty(), "an audit changes nothing");
}

#[test]
fn an_empty_vault_is_no_success() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.both, 0);
    sandbox
        .vault(&keys.both, &["audit"])
        .expect_code(1)
        .expect_in_stdout("0 rows opened\n")
        .expect_in_stdout("next: check --db: this may not be the vault with the rows");
}

#[test]
fn a_ciphertext_that_nothing_else_reads_is_read() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    sandbox.overwrite(1, &with_another_ciphertext(&sandbox.envelope(1)));
    sandbox
        .vault(&keys.before, &["census"])
        .expect_code(0)
        .expect_in_stdout("No ciphertext was read: `byok-vault audit`");
    sandbox
        .vault(&keys.both, &["rotate"])
        .expect_code(0)
        .expect_in_stdout("No ciphertext was read: `byok-vault audit` opens every row.");
    sandbox
        .vault(&keys.both, &["census", "--retire", "old"])
        .expect_code(0)
        .expect_in_stdout("before you retire it, check again with --verify");
    sandbox
        .vault(&keys.both, &["census", "--retire", "old", "--verify"])
        .expect_code(1)
        .expect_in_stdout("can old be retired? no, 1 row does not open without it")
        .expect_in_stdout("1 row faulty: altered");
    sandbox.vault(&keys.both, &["census", "--verify"]).expect_code(12);
    sandbox.seal(&keys.both, 1, &credential(1));
    sandbox
        .vault(&keys.both, &["census", "--retire", "old", "--verify"])
        .expect_code(0)
        .expect_in_stdout("can old be retired? yes, no row needs it")
        .expect_in_stdout("change the key's line to `disabled old`")
        .expect_in_stdout("opened it with old disabled");
}

/// A column of 255 characters, under a program that does not reject longer texts. From public reports of
/// other services.
#[test]
fn a_cut_column_is_suspected_before_an_incident() {
    let secret = format!("{CANARY}-0123456789abcdefghijklmnopqrstuvwxyz01234567");
    assert_eq!(secret.len(), 54);
    let (mut parsed, mut unparsable) = (0, 0);
    // With some lengths of the key id, the cut falls between two groups of four characters, and what is
    // left still parses as an envelope.
    for id in ["prod-2026", "prod-2026a", "prod-2026ab", "prod-2026abc"] {
        for length in [255, 256, 191, 121] {
            let (sandbox, keys) = (Sandbox::new(), keys(id));
            sandbox.fill(&keys.before, 2);
            let whole = sandbox.seal(&keys.before, 1, &secret);
            let cut = whole.get(..length).unwrap();
            match cut.parse::<Envelope>() {
                Ok(_) => parsed += 1,
                Err(_) => unparsable += 1,
            }
            sandbox.overwrite(1, cut);
            let label = "1 row faulty: cut off by a column?\n";
            let says = format!("row 2 (tenant tenant-1, provider openai): cut off after {length} ");
            for check in [&["audit"][..], &["census", "--verify"]] {
                sandbox
                    .vault(&keys.both, check)
                    .expect_code(12)
                    .expect_in_stdout(label)
                    .expect_in_stdout(&says)
                    .expect_in_stdout("remove the limit (`TEXT` has none)");
            }
            sandbox
                .vault(&keys.both, &["rotate"])
                .expect_code(14)
                .expect_in_stdout("1 row rewrapped, 0 rows already current\n")
                .expect_in_stdout("1 row left untouched: cut off by a column?\n");
            let retire = sandbox.vault(&keys.both, &["census", "--retire", id, "--verify"]);
            let retire = retire.expect_code(1);
            assert!(!retire.stdout.contains("retired? yes"), "{retire:#?}");
            sandbox.vault(&keys.both, &RUN).expect_code(12).expect_in_stderr("first check whether");

            sandbox.overwrite(1, &whole);
            sandbox.vault(&keys.both, &["audit"]).expect_code(0).expect_in_stdout("2 rows opened");
        }
    }
    assert!(parsed >= 2 && unparsable >= 10, "{parsed} of them parse, {unparsable} do not");
    assert_eq!(parsed + unparsable, 16);
}

#[test]
fn what_has_its_full_length_or_no_usual_one_is_not_called_cut() {
    let secret = format!("{CANARY}-0123456789abcdefghijklmnopqrstuvwxyz01234567");
    let (sandbox, keys) = (Sandbox::new(), keys("prod-2026-primary"));
    sandbox.fill(&keys.before, 2);
    // The whole envelope has 256 characters, and its ciphertext another first byte.
    let whole = sandbox.envelope(0);
    assert_eq!(whole.len(), 256);
    sandbox.overwrite(0, &with_another_ciphertext(&whole));
    // A cut that is no usual size: it may be an alteration.
    let longer = sandbox.seal(&keys.before, 1, &secret);
    let cut = longer.get(..longer.len() - 4).unwrap();
    assert_eq!((cut.len(), cut.parse::<Envelope>().is_ok()), (286, true));
    sandbox.overwrite(1, cut);
    let ran = sandbox.vault(&keys.before, &["audit"]).expect_code(12);
    assert!(ran.stdout.contains("2 rows faulty: altered\n"), "{ran:#?}");
    assert!(!ran.stdout.contains("cut off after"), "{ran:#?}");
    // Text of a usual size that does not begin like an envelope.
    sandbox.overwrite(0, &"x".repeat(255));
    let ran = sandbox.vault(&keys.before, &["audit"]).expect_code(12);
    assert!(ran.stdout.contains("1 row faulty: not an envelope\n"), "{ran:#?}");
}

/// Of two rows that lost their ends, one may still parse: the common length tells that a column did it.
#[test]
fn a_length_that_several_cut_rows_have_is_reported() {
    let (sandbox, keys) = (Sandbox::new(), keys("prod-2026-primary"));
    sandbox.fill(&keys.before, 5);
    // With ids of different lengths, some of the cuts fall between two groups of four characters.
    let ids = ["a", "ab", "abc", "abcd"].map(|id| (id, Key::new()));
    let retired: Vec<_> = ids.iter().map(|(id, key)| ("retired", *id, key)).collect();
    let all = Keys(keys.before.0.clone() + &Keys::new(&retired).0);
    let mut parsed = 0;
    for ((id, key), n) in ids.iter().zip(0..) {
        let whole = sandbox.seal(&Keys::new(&[("primary", id, key)]), n, &credential(n));
        let cut = whole.get(..if n == 3 { 235 } else { 237 }).unwrap();
        parsed += u32::from(cut.parse::<Envelope>().is_ok());
        sandbox.overwrite(n, cut);
    }
    assert!(parsed < 3, "{parsed}");
    let ran = sandbox.vault(&all, &["audit"]).expect_code(12);
    let ran = ran.expect_in_stdout("1 row opened\n").expect_in_stdout(
        "3 of these rows have exactly 237 characters: a column or a tool probably cuts texts to this length",
    );
    assert_eq!(ran.stdout.matches("have exactly").count(), 1, "{ran:#?}");
    // Rows of one length that somebody altered are no sign of a column.
    for n in 0..5 {
        sandbox.seal(&keys.before, n, &credential(n));
        let envelope = sandbox.envelope(n);
        let (front, tag_and_ciphertext) = envelope.split_at(200);
        let other = if tag_and_ciphertext.starts_with('A') { "B" } else { "A" };
        sandbox.overwrite(n, &format!("{front}{other}{}", tag_and_ciphertext.get(1..).unwrap()));
    }
    let ran = sandbox.vault(&keys.before, &["audit"]).expect_code(12);
    assert!(!ran.stdout.contains("have exactly"), "{ran:#?}");
}
