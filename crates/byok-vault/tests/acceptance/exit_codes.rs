//! Each exit code, and what the error says.
//!
//! Exit code 10 needs a remote key provider, which the program does not have.

use std::fs;

use byok_vault::exit::Exit;
use byok_vault::formatting::is_invisible;
use byok_vault::key_text::LIMIT;
use byok_vault::row::{Owner, Place};
use rusqlite::Connection;
use sealwax::{Envelope, MasterKey, Secret};

use crate::sandbox::{Change, Key, Keys, Sandbox, audit_key, owner};

const RUN: [&str; 7] = ["run", "--tenant", "tenant-0", "--provider", "openai", "--", "true"];
const PUT: [&str; 4] = ["--tenant", "tenant-9", "--provider", "openai"];

fn filled() -> (Sandbox, Change) {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    (sandbox, keys)
}

#[test]
fn the_table_stands_in_the_help_and_in_the_readme() {
    let help = Sandbox::new().without_keys(&["--help"]).expect_code(0);
    assert!(help.stdout.contains(Exit::TABLE));
    let readme = include_str!("../../README.md");
    assert!(readme.contains(Exit::TABLE), "README.md has a different table from --help");
}

#[test]
fn usage_is_2() {
    let (sandbox, keys) = filled();
    sandbox.vault(&keys.before, &["frobnicate"]).expect_code(2);
    sandbox.vault(&keys.before, &["put", "--tenant", "acme"]).expect_code(2);
    sandbox.vault(&keys.before, &["rotate", "--batch-size", "0"]).expect_code(2);
    sandbox.vault(&keys.before, &["census", "--retire", "not an id"]).expect_code(2);
    for name in
        ["", " acme", "acme\n", "ac\u{202e}me", "ac\u{200b}me", "acme\u{feff}", &"a".repeat(201)]
    {
        let arguments = ["--tenant", name, "--provider", "openai"];
        sandbox.put(&keys.before, &arguments, b"sk-canary").expect_code(2);
    }
}

#[test]
fn a_credential_as_an_argument_is_2_and_is_not_repeated() {
    let (sandbox, keys) = filled();
    for stray in [&["sk-canary-arg"][..], &["--", "sk-canary-arg"], &["x", "sk-canary-arg"]] {
        sandbox
            .put(&keys.before, &[&PUT[..], stray].concat(), b"")
            .expect_code(2)
            .expect_in_stderr("given as an argument");
    }
    assert_eq!(sandbox.assert_rows_open(&keys.before), 3);
}

#[test]
fn the_keyring_is_3() {
    let (sandbox, keys) = filled();
    sandbox.without_keys(&RUN).expect_code(3).expect_in_stderr("byok-vault keygen");
    sandbox.without_keys(&["rotate"]).expect_code(3);
    sandbox.without_keys(&["census", "--verify"]).expect_code(3);
    let missing = ["list", "--keys-file", "/nonexistent/keys.txt"];
    sandbox
        .vault(&keys.before, &missing)
        .expect_code(3)
        .expect_in_stderr("cannot read the keyring from --keys-file: No such file");

    let good = keys.before.0.trim().to_owned();
    for broken in [
        String::new(),
        good.replace("primary", "retired"),
        format!("{good}\n{good}"),
        good.get(..good.len() - 1).unwrap().to_owned(),
        format!("{good}x"),
        "primary old sk-canary-in-the-wrong-variable".to_owned(),
    ] {
        // A malformed keyring is reported even by a command that needs none.
        for arguments in [&["list"][..], &["rotate"], &RUN] {
            sandbox
                .vault(&Keys(broken.clone()), arguments)
                .expect_code(3)
                .expect_in_stderr("the keyring from SEALWAX_KEYS is invalid");
        }
    }
    let file = sandbox.path("keys.bin");
    fs::write(&file, [0xff, 0x80]).unwrap();
    let arguments = ["rotate", "--keys-file", file.to_str().unwrap()];
    sandbox.without_keys(&arguments).expect_code(3).expect_in_stderr("not UTF-8");
}

#[cfg(unix)]
#[test]
fn a_keyring_is_read_up_to_a_limit() {
    let (sandbox, keys) = filled();
    let file = sandbox.path("keys.txt");
    let audit = ["audit", "--keys-file", file.to_str().unwrap()];
    let fill = |length: usize| {
        format!("{}#{}", keys.before.0, "x".repeat(length - 1 - keys.before.0.len()))
    };
    fs::write(&file, fill(LIMIT)).unwrap();
    sandbox.without_keys(&audit).expect_code(0);
    fs::write(&file, fill(LIMIT + 1)).unwrap();
    sandbox.without_keys(&audit).expect_code(3).expect_in_stderr(
        "cannot read the keyring from --keys-file: it is longer than 1048576 bytes",
    );
    // It has no end.
    let endless = ["audit", "--keys-file", "/dev/zero"];
    sandbox.without_keys(&endless).expect_code(3).expect_in_stderr("it is longer than");
}

#[test]
fn a_missing_row_is_4_and_a_present_one_5() {
    let (sandbox, keys) = filled();
    let nobody = ["run", "--tenant", "nobody", "--provider", "openai", "--", "true"];
    sandbox
        .vault(&keys.before, &nobody)
        .expect_code(4)
        .expect_in_stderr("tenant nobody, provider openai");
    let there = ["--tenant", "tenant-0", "--provider", "openai"];
    sandbox.put(&keys.before, &there, b"sk-canary-new").expect_code(5);
    assert_eq!(sandbox.assert_rows_open(&keys.before), 3);
}

#[test]
fn an_unusable_credential_is_6_and_is_not_stored() {
    let (sandbox, keys) = filled();
    let most = b"sk-canary".repeat(7_282).split_off(2);
    assert_eq!(most.len(), 65_536);
    let more = [&most[..], b"k"].concat();
    for (credential, why) in [
        (&b""[..], "it is empty"),
        (b"\n", "it is empty"),
        (b"\r\n", "it is empty"),
        (b"sk-canary\0x", "a NUL byte"),
        (b"sk-canary\xff", "it is not UTF-8"),
        // UTF-16 of either order, with and without its mark, and with a line end of its own.
        (b"\xff\xfes\0k\0-\0c\0\r\0\n\0", "UTF-16"),
        (b"\xfe\xff\0s\0k\0-\0c\0\r\0\n", "UTF-16"),
        (b"s\0k\0-\0c\0\r\0\n\0", "UTF-16"),
        (b"\0s\0k\0-\0c\0\r\0\n", "$OutputEncoding"),
        (&more, "longer than 65536 bytes"),
    ] {
        sandbox
            .put(&keys.before, &PUT, credential)
            .expect_code(6)
            .expect_in_stderr(why)
            .expect_in_stderr("tenant tenant-9");
    }
    assert_eq!(sandbox.assert_rows_open(&keys.before), 3);
    sandbox.put(&keys.before, &PUT, &[&most[..], b"\n"].concat()).expect_code(0);
}

#[test]
fn a_credential_that_no_variable_can_hold_is_6_also_when_it_is_stored_already() {
    let (sandbox, keys) = filled();
    let place = Place { id: 1, owner: owner(0), env_name: "OPENAI_API_KEY".to_owned() };
    for (credential, why) in [(&b"sk-canary\0x"[..], "a NUL byte"), (b"sk-canary\xff", "not UTF-8")]
    {
        let envelope = place.seal(&keys.before.keyring(), &Secret::from(credential)).unwrap();
        sandbox.overwrite(0, &envelope);
        sandbox.vault(&keys.before, &RUN).expect_code(6).expect_in_stderr(why);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_7() {
    let sandbox = Sandbox::new();
    sandbox.without_keys(&["keygen", "k", "--out", "/nonexistent/keys.txt"]).expect_code(7);
}

#[test]
fn keys_are_11() {
    let (sandbox, _) = filled();
    let stranger = Keys::primary("new");
    let says = |keys: &Keys, text: &str| {
        sandbox
            .vault(keys, &RUN)
            .expect_code(11)
            .expect_in_stderr(text)
            .expect_in_stderr("row 1 (tenant tenant-0, provider openai)")
            .expect_in_stderr("old");
    };
    says(&stranger, "add the key to the keyring");
    says(&stranger.and("disabled", "old"), "disabled this key on purpose");
    says(&stranger.and("leaked", "old"), "a key of this row has leaked");
    says(&stranger.and("destroyed", "old"), "gone for good");
    says(&Keys::primary("old"), "is not the key that sealed the row");
}

/// A column of 255 characters, in a database that does not reject longer texts.
#[test]
fn a_row_that_a_column_cut_is_12_for_whoever_reads_the_table() {
    let (sandbox, keys) = filled();
    let text = sandbox.envelope(0);
    // If the cut falls between two groups of four characters, the rest still parses as an envelope.
    let cuts = (1..8).filter_map(|more| text.get(..text.len() - more));
    let cut = cuts.rev().find(|cut| cut.parse::<Envelope>().is_ok()).unwrap();
    sandbox.overwrite(0, cut);
    let census = sandbox.vault(&keys.both, &["census", "--verify"]).expect_code(12);
    census.expect_in_stdout("1 row faulty: altered");
    let rotation = sandbox.vault(&keys.both, &["rotate"]).expect_code(14);
    rotation.expect_in_stdout("1 row left untouched: altered");
    assert_eq!(sandbox.envelope(0), cut, "left unchanged");
    let retire = ["census", "--retire", "old", "--verify"];
    sandbox.vault(&keys.both, &retire).expect_code(1).expect_in_stdout("no, 1 row");
    sandbox.vault(&keys.both, &RUN).expect_code(12).expect_in_stderr("a tool cut it off");
}

/// Two variables of a deployment were swapped.
#[test]
fn a_key_in_the_place_of_an_id_is_refused_and_not_shown() {
    let sandbox = Sandbox::new();
    let text = MasterKey::generate().unwrap().to_text();
    let text = text.expose_str().unwrap();
    let bare = text.strip_prefix("swk1_").unwrap();
    let mut refused = 0;
    for id in [text, &text.to_uppercase(), bare] {
        let file = sandbox.path("keys.txt");
        let ran = sandbox.without_keys(&["keygen", id, "--out", file.to_str().unwrap()]);
        assert_ne!(ran.code, 0);
        assert!(!file.exists());
        // A bare key can be recognized only once the keyring is parsed.
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!shown.contains(id.get(..20).unwrap()), "{shown}");
        refused += 1;
    }
    assert_eq!(refused, 3);
}

#[test]
fn altered_rows_are_12() {
    let (sandbox, keys) = filled();
    let good = sandbox.envelope(0);
    let says = |envelope: &str, text: &str| {
        sandbox.overwrite(0, envelope);
        sandbox
            .vault(&keys.before, &RUN)
            .expect_code(12)
            .expect_in_stderr(text)
            .expect_in_stderr("row 1 (tenant tenant-0, provider openai)");
    };
    says(&sandbox.envelope(1), "rows were swapped");
    says("null", "overwrote the row");
    says("", "overwrote the row");
    says("sk-canary-in-the-clear", "overwrote the row");
    says(good.get(..good.len() - 30).unwrap(), "next:");
    says(&good.replacen("sw1:", "sw2:", 1), "newer release");
    // The kind of the wrap, as in a row that was changed to lower case.
    says(&good.replacen("old=A", "old=a", 1), "changed outside of byok-vault");
    // Change one character of each field, from the proof to the ciphertext.
    let fields: Vec<_> = good.split(':').collect();
    assert_eq!(fields.len(), 7);
    for field in 3..7 {
        let mut changed: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
        let first = if changed[field].starts_with('A') { "B" } else { "A" };
        changed[field].replace_range(0..1, first);
        says(&changed.join(":"), "changed outside of byok-vault");
    }
    sandbox.overwrite(0, &good);
    sandbox.vault(&keys.before, &RUN).expect_code(0);
}

#[test]
fn names_are_bound_to_the_envelope() {
    let (sandbox, keys) = filled();
    let database = Connection::open(sandbox.db()).unwrap();
    for (change, back, tenant) in [
        ("env_name = 'LD_PRELOAD'", "env_name = 'OPENAI_API_KEY'", "tenant-0"),
        ("tenant = 'mallory'", "tenant = 'tenant-0'", "mallory"),
        ("id = 77", "id = 1", "tenant-0"),
    ] {
        let set = |what: &str| {
            let sql = format!("UPDATE credentials SET {what} WHERE created_at = 7");
            assert_eq!(database.execute(&sql, []).unwrap(), 1);
        };
        database
            .execute("UPDATE credentials SET created_at = 7 WHERE tenant = 'tenant-0'", [])
            .unwrap();
        set(change);
        let run = ["run", "--tenant", tenant, "--provider", "openai", "--", "true"];
        sandbox.vault(&keys.before, &run).expect_code(12).expect_in_stderr("variable name");
        set(back);
        sandbox.vault(&keys.before, &RUN).expect_code(0);
    }
}

/// Anyone who can write to the database can write names that control a terminal.
#[test]
fn what_is_invisible_is_escaped_in_all_output() {
    let (sandbox, keys) = filled();
    let name = "a\u{7f}\u{9b}31m\u{202e}b\u{e0041}";
    let database = Connection::open(sandbox.db()).unwrap();
    let place = Place {
        id: 1,
        owner: Owner { tenant: name.to_owned(), ..owner(0) },
        env_name: "OPENAI_API_KEY".to_owned(),
    };
    let envelope = place.seal(&keys.before.keyring(), &Secret::from("sk-canary")).unwrap();
    let sql = "UPDATE credentials SET tenant = ?1, envelope = ?2 WHERE id = 1";
    assert_eq!(database.execute(sql, [name, envelope.as_str()]).unwrap(), 1);
    let sql = "UPDATE credentials SET tenant = ?1, env_name = ?1, envelope = 'x' WHERE id = 2";
    assert_eq!(database.execute(sql, [&format!("{name}2")]).unwrap(), 1);
    let list = ["list", "--json"];
    let mut ran = 0;
    for (arguments, code) in [
        (&["list"][..], 0),
        (&list, 0),
        (&["census", "--verify"], 12),
        (&["census", "--verify", "--json"], 12),
        (&["audit"], 12),
        (&["reseal", "old"], 14),
    ] {
        let ran_it = sandbox.vault(&keys.both, arguments).expect_code(code);
        for text in [&ran_it.stdout, &ran_it.stderr] {
            let raw = text.chars().any(|c| name.contains(c) && is_invisible(c));
            assert!(!raw, "{arguments:?}");
        }
        assert!(ran_it.stdout.contains("202e"), "{arguments:?} shows no name");
        ran += 1;
    }
    assert_eq!(ran, 6);
    let listed = sandbox.vault(&keys.both, &list).json();
    assert_eq!(listed[0]["tenant"], name);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let file = fs::read_to_string(sandbox.path("vault.db.untrusted.jsonl")).unwrap();
    assert!(!file.chars().any(|c| is_invisible(c) && c != '\n'));
    let line: serde_json::Value = serde_json::from_str(file.lines().next().unwrap()).unwrap();
    assert_eq!(line["tenant"], name);

    // The path of the list, too.
    let odd = sandbox.path("odd\u{1b}[2J.db");
    fs::copy(sandbox.db(), &odd).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_byok-vault"));
    command
        .arg("--db")
        .arg(&odd)
        .args(["reseal", "old"])
        .env("SEALWAX_KEYS", &keys.both.0)
        .env("SEALWAX_AUDIT_KEY", audit_key());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let ran = sandbox.finish(command, b"");
    assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.contains("odd\\u{1b}[2J.db"), "{ran:?}");
}

#[test]
fn the_database_is_13() {
    let keys = Keys::primary("k");
    let empty = Sandbox::new();
    for arguments in
        [&["list"][..], &["rotate"], &["census"], &RUN, &["delete", PUT[0], PUT[1], PUT[2], PUT[3]]]
    {
        empty.vault(&keys, arguments).expect_code(13).expect_in_stderr("there is no vault at");
        assert!(!empty.db().exists(), "only `put` makes a vault");
    }

    let garbage = Sandbox::new();
    fs::write(garbage.db(), "this is no database at all, only a text file").unwrap();
    garbage.vault(&keys, &["list"]).expect_code(13);
    garbage.put(&keys, &PUT, b"sk-canary").expect_code(13);

    let foreign = Sandbox::new();
    Connection::open(foreign.db()).unwrap().execute("CREATE TABLE theirs (x)", []).unwrap();
    foreign.vault(&keys, &["list"]).expect_code(13).expect_in_stderr("is not a vault");
    foreign.put(&keys, &PUT, b"sk-canary").expect_code(13).expect_in_stderr("is not a vault");

    let newer = Sandbox::new();
    newer.fill(&keys, 1);
    Connection::open(newer.db()).unwrap().pragma_update(None, "user_version", 4).unwrap();
    newer.vault(&keys, &["list"]).expect_code(13).expect_in_stderr("newer release");
    newer.vault(&keys, &["rotate"]).expect_code(13).expect_in_stderr("schema version 4");
}

#[cfg(unix)]
#[test]
fn a_read_only_database_is_13_and_stays_as_it_is() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let (sandbox, keys) = filled();
    let before = fs::read(sandbox.db()).unwrap();
    let read_only = fs::Permissions::from_mode(0o444);
    fs::set_permissions(sandbox.db(), read_only).unwrap();
    // The superuser may write anyway, so the program must not run as the superuser.
    let program = sandbox.path("byok-vault");
    // Copied by `cp`: if this process opens a file for writing, even for a moment, a process that
    // another test starts just then may inherit it, and it cannot be executed until that process ends.
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_byok-vault")).arg(&program);
    assert!(copy.status().unwrap().success());
    let root = fs::metadata(&program).unwrap().uid() == 0;
    fs::set_permissions(sandbox.directory.path(), fs::Permissions::from_mode(0o555)).unwrap();

    for arguments in [&["rotate"][..], &["delete", "--tenant", "tenant-0", "--provider", "openai"]]
    {
        let mut command = std::process::Command::new(&program);
        command
            .arg("--db")
            .arg(sandbox.db())
            .args(arguments)
            .env("SEALWAX_KEYS", &keys.both.0)
            .env("SEALWAX_AUDIT_KEY", audit_key());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if root {
            command.uid(65_534).gid(65_534);
        }
        sandbox.finish(command, b"").expect_code(13).expect_in_stderr("write");
    }
    fs::set_permissions(sandbox.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(fs::read(sandbox.db()).unwrap() == before);
    assert_eq!(sandbox.assert_rows_open(&keys.before), 3);
}

#[test]
fn a_rotation_that_leaves_rows_is_14() {
    let (sandbox, keys) = filled();
    sandbox.overwrite(1, "null");
    sandbox.vault(&keys.both, &["rotate"]).expect_code(14);
}

#[test]
fn a_row_of_another_keyring_between_good_ones_is_14() {
    let (sandbox, keys) = filled();
    let place = Place { id: 2, owner: owner(1), env_name: "OPENAI_API_KEY".to_owned() };
    let foreign = Keys::new(&[("primary", "elsewhere", &Key::new())]);
    let envelope = place.seal(&foreign.keyring(), &Secret::from("sk-canary")).unwrap();
    sandbox.overwrite(1, &envelope);
    sandbox
        .vault(&keys.both, &["rotate"])
        .expect_code(14)
        .expect_in_stdout("2 rows rewrapped, 0 rows already current")
        .expect_in_stdout("1 row left untouched: key not in the keyring")
        .expect_in_stdout("row 2 (tenant tenant-1, provider openai)");
    assert_eq!(sandbox.envelope(1), envelope);
}
