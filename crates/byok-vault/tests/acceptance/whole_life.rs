//! Every command, from the first key to the last row.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use byok_vault::store::{Access, Store};
use rusqlite::{Connection, TransactionBehavior};

use crate::sandbox::{CANARY, Change, Keys, Sandbox, keyring_ids};
use serde_json::json;

const ACME: [&str; 4] = ["--tenant", "acme", "--provider", "openai"];

fn acme<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command], ACME.as_slice(), more].concat()
}

#[test]
fn a_credential_is_put_listed_run_rotated_counted_and_deleted() {
    let sandbox = Sandbox::new();
    let keys = Change::new();
    let secret = format!("{CANARY}-acme");

    sandbox
        .put(&keys.before, &ACME, format!("{secret}\n").as_bytes())
        .expect_code(0)
        .expect_in_stdout("tenant acme, provider openai (row 1, revision 1, key old");

    let listed = sandbox.vault(&keys.before, &["list"]).expect_code(0);
    let line = listed.stdout.lines().nth(1).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..6], ["acme", "openai", "-", "OPENAI_API_KEY", "old", "current"]);
    assert_eq!(listed.stdout.lines().count(), 2);

    sandbox.vault(&keys.both, &["list"]).expect_code(0).expect_in_stdout("stale");
    sandbox
        .vault(&keys.both, &["census", "--retire", "old"])
        .expect_code(1)
        .expect_in_stdout("can old be retired? no, 1 row need");
    sandbox
        .vault(&keys.both, &["rotate"])
        .expect_code(0)
        .expect_in_stdout("1 row rewrapped, 0 rows already current");
    sandbox
        .vault(&keys.both, &["rotate"])
        .expect_code(0)
        .expect_in_stdout("0 rows rewrapped, 1 row already current");
    sandbox
        .vault(&keys.both, &["census", "--retire", "old"])
        .expect_code(0)
        .expect_in_stdout("can old be retired? yes");

    let seen = sandbox.path("seen");
    let script = format!("printf %s \"$OPENAI_API_KEY\" > {}", seen.display());
    sandbox.vault(&keys.after, &acme("run", &["--", "sh", "-c", &script])).expect_code(0);
    assert!(fs::read_to_string(&seen).unwrap() == secret);

    sandbox.without_keys(&acme("delete", &[])).expect_code(0).expect_in_stdout("tenant acme");
    sandbox.vault(&keys.after, &acme("delete", &[])).expect_code(4);
    let listed = sandbox.without_keys(&["list"]).expect_code(0);
    assert_eq!(listed.stdout.lines().count(), 1);
}

#[test]
fn the_next_row_does_not_take_over_a_deleted_rows_id() {
    let sandbox = Sandbox::new();
    let keys = Keys::primary("k");
    sandbox.put(&keys, &ACME, b"sk-canary-1").expect_code(0).expect_in_stdout("(row 1,");
    sandbox.vault(&keys, &acme("delete", &[])).expect_code(0);
    sandbox.put(&keys, &ACME, b"sk-canary-2").expect_code(0).expect_in_stdout("(row 2,");
}

#[test]
fn replacing_keeps_the_row_and_the_variable_and_counts_the_revision() {
    let sandbox = Sandbox::new();
    let keys = Keys::primary("k");
    let named = [&ACME[..], &["--env", "ACME_KEY"]].concat();
    let replace = [&ACME[..], &["--replace"]].concat();
    sandbox.put(&keys, &named, b"sk-canary-1").expect_code(0);
    sandbox.put(&keys, &ACME, b"sk-canary-2").expect_code(5).expect_in_stderr("--replace");
    sandbox
        .put(&keys, &replace, b"sk-canary-2")
        .expect_code(0)
        .expect_in_stdout("(row 1, revision 2, key k, variable ACME_KEY)");
    let check = "test \"$ACME_KEY\" = sk-canary-2";
    sandbox.vault(&keys, &acme("run", &["--", "sh", "-c", check])).expect_code(0);
}

#[test]
fn exactly_one_line_end_is_trimmed() {
    let sandbox = Sandbox::new();
    let keys = Keys::primary("k");
    // White space around it is suspicious.
    let replace = [&ACME[..], &["--replace", "--anyway"]].concat();
    for (given, kept) in
        [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
    {
        let given = format!("{CANARY}{given}");
        let seen = sandbox.path("seen");
        let script = format!("printf %s \"$OPENAI_API_KEY\" > {}", seen.display());
        sandbox.put(&keys, &replace, given.as_bytes()).expect_code(0);
        sandbox.vault(&keys, &acme("run", &["--", "sh", "-c", &script])).expect_code(0);
        assert!(fs::read_to_string(&seen).unwrap() == format!("{CANARY}{kept}"), "{kept:?}");
    }
}

#[test]
fn a_document_of_many_lines_is_kept_to_the_byte() {
    let sandbox = Sandbox::new();
    let keys = Keys::primary("k");
    let document = format!("{{\n  \"key\": \"{CANARY}\",\n  \"é\": 1\n}}");
    let seen = sandbox.path("seen");
    let script = format!("printf %s \"$DOCUMENT_JSON\" > {}", seen.display());
    let named = [&ACME[..], &["--env", "DOCUMENT_JSON"]].concat();
    sandbox.put(&keys, &named, format!("{document}\n").as_bytes()).expect_code(0);
    sandbox.vault(&keys, &acme("run", &["--", "sh", "-c", &script])).expect_code(0);
    assert!(fs::read_to_string(&seen).unwrap() == document);
}

#[test]
fn a_list_needs_no_key_and_says_what_it_does_not_know() {
    let sandbox = Sandbox::new();
    let keys = Keys::primary("k");
    sandbox.put(&keys, &ACME, b"sk-canary-1").expect_code(0);
    sandbox.put(&keys, &["--tenant", "beta", "--provider", "x-ai"], b"sk-canary-2").expect_code(0);

    let table = sandbox.without_keys(&["list"]).expect_code(0);
    assert_eq!(table.stdout.matches(" unknown ").count(), 2);
    assert_eq!(table.stdout.matches(" current ").count(), 0);

    let one = sandbox.vault(&keys, &["list", "--json", "--tenant", "beta"]).expect_code(0).json();
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(one[0]["tenant"], json!("beta"));
    assert_eq!(one[0]["variable"], json!("X_AI_API_KEY"));
    assert_eq!(one[0]["key_ids"], json!(["k"]));
    assert_eq!(one[0]["state"], json!("current"));
    assert_eq!(one[0]["row"], json!(2));
    assert!(one[0]["age_seconds"].as_i64().unwrap() < 60);
    assert!(one[0]["created_at"].as_i64().unwrap() > 1_700_000_000);
}

#[test]
fn keygen_makes_a_keyring_line_and_never_overwrites_a_file() {
    let sandbox = Sandbox::new();
    // Not searched for secrets, because this command prints one.
    let output = sandbox.command(None, &["keygen", "prod-1"]).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with("primary prod-1 swk1_") && line.ends_with('\n'));
    let keyring = Keys(line).keyring();
    assert_eq!(keyring_ids(&keyring), ["prod-1".parse().unwrap()]);
    assert!(output.stderr.is_empty(), "a warning, although standard output is not a terminal");

    let file = sandbox.path("keys.txt");
    let keygen = ["keygen", "prod-1", "--out", file.to_str().unwrap()];
    sandbox.without_keys(&keygen).expect_code(0).expect_in_stdout("wrote key prod-1");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(Keys(text.clone()).keyring().primary().unwrap().as_ref(), "prod-1");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    sandbox.without_keys(&keygen).expect_code(5).expect_in_stderr("left unchanged");
    assert!(fs::read_to_string(&file).unwrap() == text);

    let put = ["--keys-file", file.to_str().unwrap(), "put"];
    let put = [&put[..], &ACME].concat();
    sandbox.finish(sandbox.command(None, &put), b"sk-canary").expect_code(0);
}

#[test]
fn a_keys_file_goes_before_the_variable() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("keys.txt");
    fs::write(&file, Keys::primary("in-the-file").0).unwrap();
    let arguments = [&["put", "--keys-file", file.to_str().unwrap()][..], &ACME].concat();
    let command = sandbox.command(Some(&Keys::primary("in-the-variable")), &arguments);
    sandbox.finish(command, b"sk-canary").expect_code(0).expect_in_stdout("key in-the-file");
}

#[test]
fn a_vault_is_made_once_by_all_who_come_first() {
    const OPENERS: usize = 12;
    for _ in 0..25 {
        let sandbox = Sandbox::new();
        let together = Barrier::new(OPENERS);
        thread::scope(|scope| {
            let open = || {
                together.wait();
                Store::open(&sandbox.db(), Access::Create).unwrap().count().unwrap()
            };
            let openers = [(); OPENERS].map(|()| scope.spawn(open));
            assert_eq!(openers.map(|opener| opener.join().unwrap()), [0; OPENERS]);
        });
    }
}

#[test]
fn a_vault_that_another_process_is_making_is_waited_for() {
    let sandbox = Sandbox::new();
    sandbox.fill(&Keys::primary("k"), 1);
    let mut database = Connection::open(sandbox.db()).unwrap();
    // The state of a new vault for a moment: created, but not yet in WAL mode.
    database.pragma_update(None, "journal_mode", "DELETE").unwrap();
    let writing = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    thread::scope(|scope| {
        let opening = scope.spawn(|| Store::open(&sandbox.db(), Access::Write).unwrap().count());
        thread::sleep(Duration::from_millis(100));
        assert!(!opening.is_finished());
        writing.rollback().unwrap();
        assert_eq!(opening.join().unwrap().unwrap(), 1);
    });
}

#[cfg(unix)]
#[test]
fn a_new_vault_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.put(&Keys::primary("k"), &ACME, b"sk-canary").expect_code(0);
    assert_eq!(fs::metadata(sandbox.db()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn names_from_the_database_do_not_drive_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.put(&Keys::primary("k"), &ACME, b"sk-canary").expect_code(0);
    Connection::open(sandbox.db())
        .unwrap()
        .execute("UPDATE credentials SET tenant = 'ac' || char(27) || '[2Jme'", [])
        .unwrap();
    let listed = sandbox.without_keys(&["list"]).expect_code(0);
    assert!(listed.stdout.contains("ac\\u{1b}[2Jme"));
    assert!(!listed.stdout.contains('\u{1b}'));
    Connection::open(sandbox.db())
        .unwrap()
        .execute("UPDATE credentials SET tenant = 'ac' || char(0x202e, 0x200b) || 'me'", [])
        .unwrap();
    sandbox.without_keys(&["list"]).expect_code(0).expect_in_stdout("ac\\u{202e}\\u{200b}me");
}
