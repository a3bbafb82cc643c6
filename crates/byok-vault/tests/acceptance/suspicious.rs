//! Texts that look like no credential: `put` asks or refuses, and `import` puts their rows aside.

use std::fs;

use serde_json::{Value, json};

use crate::import::{export, lobechat, quarantine_of, quarantined};
use crate::sandbox::{CANARY, Keys, Ran, Sandbox, credential, owner};

const PUT: [&str; 4] = ["--tenant", "tenant-9", "--provider", "openai"];
const HEX_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const RAILS_KEY: &str = "cade5f1755b3159c8dc35888d6a75c2682a1b38c4e20cfdbbcb32287575d32ee";
const NO_CREDENTIAL: &str = include_str!("cases/01_no_credential.jsonl");
const RAILS: &str = include_str!("cases/13_rails_flat.jsonl");

#[test]
fn put_refuses_what_looks_like_no_credential_and_says_why() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let key = credential(9);
    let accidents: [(String, &str); 12] = [
        (format!("{key} "), "white space at the end"),
        (format!("{key}\n\n"), "white space at the end"),
        (format!("\u{feff}{key}"), "a byte order mark"),
        (format!("'{key}'"), "quotes or other punctuation around it"),
        (format!("Bearer {key}"), "white space inside, an authorization scheme in front"),
        (format!("OPENAI_API_KEY={key}"), "a variable name and = in front"),
        (format!("{key}\u{200b}"), "zero-width or bidirectional characters"),
        (format!("{key}\u{1b}[D"), "a control character"),
        ("undefined".to_owned(), "a word that programs print for nothing"),
        (format!("{CANARY}-...4f2a"), "masked"),
        (keys.0.trim().to_owned(), "white space inside, a keyring of sealwax"),
        (
            "-----BEGIN PRIVATE KEY-----".to_owned(),
            "white space inside, PEM or JSON without its start or its end",
        ),
    ];
    for (text, why) in &accidents {
        sandbox
            .put(&keys, &PUT, text.as_bytes())
            .expect_code(6)
            .expect_in_stderr("tenant tenant-9, provider openai")
            .expect_in_stderr(&format!("does not look like a credential: {why}"))
            .expect_in_stderr("put --anyway");
    }
    assert_eq!(stored(&sandbox, &keys), 0);
    for (text, _) in &accidents {
        let arguments = [&PUT[..], &["--anyway", "--replace"]].concat();
        sandbox.put(&keys, &arguments, text.as_bytes()).expect_code(0);
    }
}

#[test]
fn put_stores_documents_and_keys_without_a_question() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let documents = [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n".to_owned(),
        format!("{{\n  \"type\": \"service_account\",\n  \"private_key\": \"{CANARY}\"\n}}\n"),
        credential(9),
        format!("{}\n", credential(9)),
    ];
    for document in documents {
        let ran = sandbox.put(&keys, &[&PUT[..], &["--replace"]].concat(), document.as_bytes());
        assert_eq!(ran.expect_code(0).stderr, "");
    }
}

#[test]
fn put_names_compressed_data() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    // There is no variable that could hold this.
    let arguments = [&PUT[..], &["--anyway"]].concat();
    sandbox
        .put(&keys, &arguments, b"\x78\x9c\x2b\xce\xd6\x2d\x4e\xcc\xcb\x4b\xac\xd2\x35")
        .expect_code(6)
        .expect_in_stderr("it is compressed")
        .expect_in_stderr("decompress it");
}

/// At a terminal, which `script` provides.
#[cfg(target_os = "linux")]
#[test]
fn put_asks_at_a_terminal() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    let keys = Keys::primary("k");
    for (answer, code) in [("y\n", 0), ("Yes\n", 0), ("n\n", 6), ("\n", 6), ("yet\n", 6)] {
        let sandbox = Sandbox::new();
        let program = env!("CARGO_BIN_EXE_byok-vault");
        let line = format!("{program} --db {} put {}", sandbox.db().display(), PUT.join(" "));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("SEALWAX_KEYS", &keys.0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (mut typed, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut text = Vec::new();
        // Nothing is typed before the program asks.
        for (prompt, input) in [("(input is hidden): ", "null\n"), ("[y/N] ", answer)] {
            while !text.ends_with(prompt.as_bytes()) {
                let mut byte = [0];
                shown.read_exact(&mut byte).expect("the program ended without asking");
                text.extend(byte);
            }
            typed.write_all(input.as_bytes()).unwrap();
        }
        shown.read_to_end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let why = "shorter than 5 characters, a word that programs print for nothing";
        assert!(
            text.contains(&format!("does not look like a credential: {why}: store it anyway?"))
        );
        assert_eq!(child.wait().unwrap().code(), Some(code), "{answer:?}");
        assert_eq!(stored(&sandbox, &keys), usize::from(code == 0), "{answer:?}");
    }
}

fn import(sandbox: &Sandbox, keys: &Keys, arguments: &[&str]) -> Ran {
    let key = ["import", "--key-env", "OLD_KEY", "--key-as", "hex"];
    let mut command = sandbox.command(Some(keys), &[&key[..], arguments].concat());
    let key = if arguments.contains(&"columns-base64") { RAILS_KEY } else { HEX_KEY };
    command.env("OLD_KEY", key);
    sandbox.finish(command, b"")
}

/// Returns the reason on the line that a row has in the report.
fn reason_of(ran: &Ran, id: usize) -> Option<&str> {
    let start = format!("suspicious: line {id}, id {id} (tenant t{id}, provider openai): ");
    ran.stdout.lines().find_map(|line| line.strip_prefix(&start))
}

const REASONS: [&str; 11] = [
    "a word that programs print for nothing",
    "shorter than 5 characters, a word that programs print for nothing",
    "white space inside, an object or bytes as a program prints them",
    "shorter than 5 characters, quotes or other punctuation around it, a word that programs print for nothing",
    "masked",
    "white space at the end",
    "white space at the start",
    "a byte order mark",
    "quotes or other punctuation around it",
    "a placeholder",
    "already encrypted by another program",
];

#[test]
fn a_dry_run_names_each_suspicious_row_and_says_what_would_happen() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let file = export(&sandbox, NO_CREDENTIAL.lines());
    let layout = ["--layout", "hex-iv12-tag-ct", "--dry-run", &file];
    for (option, code, first, heading) in [
        (
            &[][..],
            14,
            "1 row would be imported, 0 rows already imported, 11 rows would be quarantined",
            "11 rows would be quarantined: does not look like a credential",
        ),
        (
            &["--suspicious", "import"],
            0,
            "12 rows would be imported, 0 rows already imported, 0 rows would be quarantined",
            "11 rows would be imported all the same: does not look like a credential",
        ),
    ] {
        let ran = import(&sandbox, &keys, &[&layout[..], option].concat()).expect_code(code);
        assert!(ran.stdout.starts_with(first), "{ran:#?}");
        assert_eq!(ran.stdout.matches("suspicious: ").count(), REASONS.len());
        for (reason, id) in REASONS.iter().zip(1..) {
            assert_eq!(reason_of(&ran, id), Some(*reason), "id {id}");
        }
        ran.expect_in_stdout(heading);
        assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
    }
}

#[test]
fn suspicious_rows_are_quarantined_and_can_be_imported_from_there() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let file = export(&sandbox, NO_CREDENTIAL.lines());
    let layout = ["--layout", "hex-iv12-tag-ct"];
    let ran = import(&sandbox, &keys, &[&layout[..], &[&file]].concat())
        .expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported, 11 rows quarantined")
        .expect_in_stdout("11 rows quarantined: does not look like a credential");
    assert_eq!(ran.stdout.matches("suspicious: ").count(), REASONS.len());
    let quarantine = quarantine_of(&file);
    let rows = quarantined(&quarantine);
    assert_eq!(rows.len(), REASONS.len());
    for ((row, original), reason) in rows.iter().zip(NO_CREDENTIAL.lines()).zip(REASONS) {
        assert_eq!(row["quarantined"]["reason"], json!("suspicious"));
        assert_eq!(row["quarantined"]["detail"], json!(reason));
        assert_eq!(row["row"], serde_json::from_str::<Value>(original).unwrap());
    }
    assert_eq!(stored(&sandbox, &keys), 1);

    // Their owners said that they are right.
    let anyway = ["--suspicious", "import", quarantine.to_str().unwrap()];
    let ran = import(&sandbox, &keys, &[&layout[..], &anyway].concat())
        .expect_code(0)
        .expect_in_stdout("11 rows imported, 0 rows already imported, 0 rows quarantined")
        .expect_in_stdout("11 rows imported all the same: does not look like a credential");
    assert_eq!(reason_of(&ran, 8), Some("a byte order mark"));
    assert_eq!(stored(&sandbox, &keys), 12);
}

fn stored(sandbox: &Sandbox, keys: &Keys) -> usize {
    if !sandbox.db().exists() {
        return 0;
    }
    sandbox.vault(keys, &["list", "--json"]).json().as_array().unwrap().len()
}

/// A suspicious row and a good one for the same owner: the good one is right.
#[test]
fn a_suspicious_row_does_not_dispute_a_good_one() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let old = lobechat();
    let null = NO_CREDENTIAL.lines().nth(1).unwrap();
    let mut null: Value = serde_json::from_str(null).unwrap();
    null["tenant"] = json!(owner(7).tenant);
    let file = export(&sandbox, [null.to_string(), old.line(7)]);
    let ran = sandbox.finish(old.command(&sandbox, &keys, &[&file]), b"");
    ran.expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported, 1 row quarantined")
        .expect_in_stdout("suspicious: line 1, id 2 (tenant tenant-7, provider openai): ");
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

#[test]
fn a_deflated_cell_of_rails_is_refused_by_name() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let file = sandbox.path("rails.jsonl");
    fs::write(&file, RAILS).unwrap();
    let file = file.to_str().unwrap();
    for option in ["quarantine", "import"] {
        let arguments = ["--layout", "columns-base64", "--suspicious", option, file];
        import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout(
            "line 2, id 2 (tenant t2, provider openai): it is compressed, not UTF-8 text",
        );
        let reason = &quarantined(quarantine_of(file))[0]["quarantined"]["reason"];
        assert_eq!(reason, &json!("credential-refused"));
    }
    assert_eq!(stored(&sandbox, &keys), 1);
}
