//! `census` never says that a key is safe to retire while a row still needs it.

use byok_vault::row::{Place, Row};
use byok_vault::store::{Access, Store};
use sealwax::Secret;
use serde_json::json;

use crate::sandbox::{Change, Key, Keys, Sandbox, credential, owner};

fn retire<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["census", "--retire", id], more].concat()
}

#[test]
fn a_key_is_needed_until_the_last_row_has_left_it() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 5);
    for more in [&[][..], &["--verify"]] {
        sandbox
            .vault(&keys.both, &retire("old", more))
            .expect_code(1)
            .expect_in_stdout("can old be retired? no, 5 rows need it");
    }
    sandbox.without_keys(&retire("old", &[])).expect_code(1).expect_in_stdout("no, 5 rows");

    // Leave one row under the old key.
    let left = sandbox.envelope(3);
    sandbox.vault(&keys.both, &["rotate"]).expect_code(0);
    sandbox.overwrite(3, &left);
    sandbox.vault(&keys.both, &retire("old", &[])).expect_code(1).expect_in_stdout("no, 1 row");
    sandbox.without_keys(&retire("old", &[])).expect_code(1).expect_in_stdout("no, 1 row");

    sandbox.vault(&keys.both, &["rotate"]).expect_code(0);
    for more in [&[][..], &["--verify"]] {
        sandbox
            .vault(&keys.both, &retire("old", more))
            .expect_code(0)
            .expect_in_stdout("can old be retired? yes, no row needs it")
            .expect_in_stdout("Checked the key ids");
    }
    // Without the keyring, nothing distinguishes a key that the rows have left from a misspelled one.
    sandbox
        .without_keys(&retire("old", &[]))
        .expect_code(11)
        .expect_in_stdout("There was no keyring, so the primary is unknown")
        .expect_in_stderr("no row names the key of --retire, and there was no keyring")
        .expect_in_stderr("check again with the keyring");
}

#[test]
fn an_empty_vault_says_nothing_about_a_key() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.both, 0);
    let empty = "can old be retired? unknown: the vault has no rows";
    for more in [&[][..], &["--verify"]] {
        let ran = sandbox.vault(&keys.both, &retire("old", more));
        ran.expect_code(1).expect_in_stdout(empty).expect_in_stdout("next: check --db");
        let ran = sandbox.vault(&keys.both, &retire("new", more));
        ran.expect_code(1).expect_in_stdout("no, it is the primary");
    }
    sandbox.without_keys(&retire("old", &[])).expect_code(1).expect_in_stdout(empty);
    let census = sandbox.vault(&keys.both, &retire("old", &["--json"])).expect_code(1).json();
    assert_eq!(census["retire"]["safe"], json!(false));
    assert_eq!(census["keys"]["old"]["safe_to_retire"], json!(false));
}

#[test]
fn nothing_is_created_before_there_is_a_credential() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    let owner = ["--tenant", "acme", "--provider", "openai"];
    for credential in [&b""[..], b"\n", b"sk-canary\0", b"sk-canary\xff"] {
        sandbox.put(&keys.both, &owner, credential).expect_code(6);
        assert!(!sandbox.db().exists());
        sandbox.vault(&keys.both, &retire("old", &[])).expect_code(13);
    }
    let rows = sandbox.path("rows.jsonl");
    std::fs::write(&rows, "{}\n").unwrap();
    let import = ["import", "--layout", "langfuse", "--key-env", "OLD_KEY", rows.to_str().unwrap()];
    let mut command = sandbox.command(Some(&keys.both), &import);
    command.env("OLD_KEY", "0f1e".repeat(16));
    sandbox.finish(command, b"").expect_code(14);
    assert!(!sandbox.db().exists());
}

#[test]
fn the_primary_and_a_misspelled_key_are_never_safe() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.both, 2);
    for more in [&[][..], &["--verify"]] {
        sandbox
            .vault(&keys.both, &retire("new", more))
            .expect_code(1)
            .expect_in_stdout("no, it is the primary")
            .expect_in_stdout(if more.is_empty() {
                "No ciphertext was read"
            } else {
                "Checked the key ids of every row, and opened it. Backups"
            });
        sandbox
            .vault(&keys.both, &retire("odl", more))
            .expect_code(11)
            .expect_in_stderr("no row names the key of --retire, and neither does the keyring")
            .expect_in_stderr("check the spelling");
    }
    let json = sandbox.vault(&keys.both, &retire("odl", &["--json"])).expect_code(11).json();
    assert_eq!(json["retire"]["safe"], json!(false));
    for id in ["NEW", "odl"] {
        sandbox.without_keys(&retire(id, &[])).expect_code(11).expect_in_stderr("no row names");
    }
    sandbox.without_keys(&retire("new", &[])).expect_code(1).expect_in_stdout("no, 2 rows need");
}

#[test]
fn a_row_that_cannot_be_read_may_need_any_key() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.both, 3);
    sandbox.vault(&keys.both, &retire("old", &[])).expect_code(0);
    sandbox.overwrite(1, "null");
    for more in [&[][..], &["--verify"]] {
        sandbox
            .vault(&keys.both, &retire("old", more))
            .expect_code(1)
            .expect_in_stdout("unknown: 1 row cannot be read")
            .expect_in_stdout("row 2 (tenant tenant-1, provider openai)");
    }
    sandbox.without_keys(&retire("old", &[])).expect_code(1);
    sandbox.vault(&keys.both, &["census"]).expect_code(12);
}

#[test]
fn a_row_with_two_wraps_needs_neither_if_the_other_is_tried() {
    let (old, new, escrow) = (Key::new(), Key::new(), Key::new());
    let sandbox = Sandbox::new();
    sandbox.fill(&Keys::new(&[("primary", "old", &old), ("escrow", "dr", &escrow)]), 4);
    let ring = |escrow: &Key| {
        Keys::new(&[("primary", "new", &new), ("retired", "old", &old), ("escrow", "dr", escrow)])
    };

    sandbox.without_keys(&retire("old", &[])).expect_code(1).expect_in_stdout("no, 4 rows need it");
    sandbox
        .vault(&ring(&escrow), &retire("old", &[]))
        .expect_code(1)
        .expect_in_stdout("unknown: 4 rows also name a key that stays");
    sandbox
        .vault(&ring(&escrow), &retire("old", &["--verify"]))
        .expect_code(0)
        .expect_in_stdout("yes, no row needs it");
    // Another key has the escrow key's id. It does not open the rows.
    sandbox
        .vault(&ring(&Key::new()), &retire("old", &["--verify"]))
        .expect_code(1)
        .expect_in_stdout("no, 4 rows do not open without it")
        .expect_in_stdout("4 rows faulty: different key under the same id");

    // A retired key is not a reason to retire another one.
    let both_retired = Keys::new(&[
        ("primary", "new", &new),
        ("retired", "old", &old),
        ("retired", "dr", &escrow),
    ]);
    for more in [&[][..], &["--verify"]] {
        sandbox
            .vault(&both_retired, &retire("old", more))
            .expect_code(1)
            .expect_in_stdout("no, 4 rows need it");
    }
}

#[test]
fn verifying_finds_what_counting_does_not() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    let good = sandbox.envelope(2);
    let mut fields: Vec<String> = good.split(':').map(str::to_owned).collect();
    let other = if fields[5].starts_with('A') { "B" } else { "A" };
    fields[5].replace_range(0..1, other);
    sandbox.overwrite(2, &fields.join(":"));

    sandbox.vault(&keys.before, &["census"]).expect_code(0);
    sandbox
        .vault(&keys.before, &["census", "--verify"])
        .expect_code(12)
        .expect_in_stdout("1 row faulty: altered")
        .expect_in_stdout("row 3 (tenant tenant-2, provider openai)");
    sandbox.overwrite(2, &good);
    sandbox.vault(&keys.before, &["census", "--verify"]).expect_code(0);
    sandbox
        .vault(&Keys::primary("new"), &["census", "--verify"])
        .expect_code(11)
        .expect_in_stdout("3 rows faulty: key not in the keyring");
}

#[test]
fn json_says_the_same() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    sandbox.overwrite(0, "null");
    let census = sandbox.vault(&keys.both, &retire("old", &["--json"])).expect_code(1).json();
    assert_eq!(census["rows"], json!(3));
    assert_eq!(census["keys"]["old"]["rows"], json!(2));
    assert_eq!(census["keys"]["old"]["state"], json!("retired"));
    assert_eq!(census["keys"]["old"]["safe_to_retire"], json!(false));
    assert_eq!(census["keys"]["new"]["rows"], json!(0));
    assert_eq!(census["faulty_rows"].as_array().unwrap().len(), 1);
    assert_eq!(census["faulty_rows"][0]["row"], json!(1));
    assert_eq!(census["verified"], json!(false));
    assert_eq!(
        census["retire"],
        json!({"key": "old", "safe": false, "reason": "no, 2 rows need it"})
    );
}

#[test]
fn a_row_whose_variable_run_refuses_opens_without_a_retired_key() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.both, 2);
    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    let found = store.find(&owner(1)).unwrap().unwrap();
    let place = Place { env_name: "NODE_OPTIONS".to_owned(), ..found.place };
    let envelope = place.seal(&keys.both.keyring(), &Secret::from(credential(1))).unwrap();
    let writer = store.begin().unwrap();
    writer.replace(&Row { place, envelope, ..found }).unwrap();
    writer.commit().unwrap();
    drop(store);

    let refused = "1 row faulty: a variable that programs may obey";
    sandbox.vault(&keys.both, &["audit"]).expect_code(12).expect_in_stdout(refused);
    sandbox
        .vault(&keys.both, &retire("old", &["--verify"]))
        .expect_code(0)
        .expect_in_stdout(refused)
        .expect_in_stdout("can old be retired? yes, no row needs it");
}
