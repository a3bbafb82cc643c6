//! Several credentials of one tenant for one provider, and vaults from before there were labels.

use std::fs;
use std::thread;

use byok_vault::row::Owner;
use byok_vault::store::{Access, Store};
use rusqlite::Connection;
use sealwax::Secret;
use serde_json::json;

use crate::import::{export, quarantine_of};
use crate::sandbox::{CANARY, Change, Keys, Sandbox, credential, owner};

const ACME: [&str; 4] = ["--tenant", "acme", "--provider", "openai"];

fn acme<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command], ACME.as_slice(), more].concat()
}

/// Returns the credential that `run` passes on.
#[track_caller]
fn passed(sandbox: &Sandbox, keys: &Keys, more: &[&str]) -> String {
    let seen = sandbox.path("seen");
    let script = format!("printf %s \"$OPENAI_API_KEY\" > {}", seen.display());
    let run = acme("run", &[more, &["--", "sh", "-c", &script]].concat());
    sandbox.vault(keys, &run).expect_code(0);
    fs::read_to_string(&seen).unwrap()
}

#[test]
fn credentials_with_different_labels_do_not_meet() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let labels: [&[&str]; 3] = [&[], &["--label", "staging"], &["--label", "production"]];
    for (n, label) in labels.iter().enumerate() {
        let secret = format!("{CANARY}-{n}");
        let ran = sandbox.put(&keys, &[&ACME, *label].concat(), secret.as_bytes());
        let name = label.last().map(|label| format!(", label {label}")).unwrap_or_default();
        ran.expect_code(0).expect_in_stdout(&format!("tenant acme, provider openai{name} (row "));
        sandbox.put(&keys, &[&ACME, *label].concat(), b"sk-canary-x").expect_code(5);
    }
    for (n, label) in labels.iter().enumerate() {
        assert!(passed(&sandbox, &keys, label) == format!("{CANARY}-{n}"), "{label:?}");
    }
    sandbox.vault(&keys, &["audit"]).expect_code(0).expect_in_stdout("3 rows opened");

    let all = sandbox.vault(&keys, &["list", "--json"]).expect_code(0).json();
    let listed: Vec<_> = all.as_array().unwrap().iter().map(|row| &row["label"]).collect();
    assert_eq!(listed, [&json!(null), &json!("production"), &json!("staging")]);
    let staging = sandbox.vault(&keys, &["list", "--label", "staging"]).expect_code(0);
    assert_eq!(staging.stdout.lines().count(), 2);
    assert!(staging.stdout.contains("staging") && !staging.stdout.contains("production"));

    let staging = ["--label", "staging"];
    sandbox.without_keys(&acme("delete", &staging)).expect_code(0).expect_in_stdout("staging");
    sandbox
        .vault(&keys, &acme("run", &["--label", "staging", "--", "true"]))
        .expect_code(4)
        .expect_in_stderr("label staging");
    assert!(passed(&sandbox, &keys, &[]) == format!("{CANARY}-0"));
    sandbox.without_keys(&acme("delete", &["--label", ""])).expect_code(2);
}

#[test]
fn a_label_is_bound_to_the_envelope() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.put(&keys, &ACME, b"sk-canary-1").expect_code(0);
    let labelled = [&ACME[..], &["--label", "staging"]].concat();
    sandbox.put(&keys, &labelled, b"sk-canary-2").expect_code(0);
    let set = |id: i64, label: &str| {
        let database = Connection::open(sandbox.db()).unwrap();
        let sql = "UPDATE credentials SET label = ?1 WHERE id = ?2";
        assert_eq!(database.execute(sql, (label, id)).unwrap(), 1);
    };
    let faulty = |count: &str| {
        let ran = sandbox.vault(&keys, &["audit"]).expect_code(12);
        ran.expect_in_stdout(&format!("{count} faulty: in another row's place"));
    };
    set(1, "production");
    faulty("1 row");
    set(2, "");
    faulty("2 rows");
    set(1, "staging");
    faulty("2 rows");
    set(2, "x");
    set(1, "");
    faulty("1 row");
    set(2, "staging");
    sandbox.vault(&keys, &["audit"]).expect_code(0).expect_in_stdout("2 rows opened");
}

/// Two rows of one tenant for one provider, which only a label distinguishes. From public reports of
/// other services.
#[test]
fn rows_that_only_a_label_distinguishes_are_imported() {
    const ROWS: [&str; 2] = [
        r#"{"id": 1, "tenant": "acme", "provider": "openai", "label": "production", "value": "486975e8f27b237ee239fa0c:c5e699d2ea2315158897474d01b00985:eb061724a7709a1f089d3c736d54967d358a"}"#,
        r#"{"id": 2, "tenant": "acme", "provider": "openai", "label": "staging", "value": "9c963907d812663030394133:683b15254c7e89a337226b0fb162e43e:f3c96abd39595201b7b64dd0f326ca"}"#,
    ];
    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let import = |lines: &[&str], more: &[&str]| {
        let file = export(&sandbox, lines);
        let options =
            ["import", "--layout", "hex-iv12-tag-ct", "--key-env", "OLD", "--key-as", "hex"];
        let arguments = [&options, more, &[file.as_str()]].concat();
        let mut command = sandbox.command(Some(&keys), &arguments);
        command.env("OLD", KEY);
        (sandbox.finish(command, b""), file)
    };
    import(&ROWS, &["--dry-run"]).0.expect_code(0).expect_in_stdout("2 rows would be imported");
    import(&ROWS, &[]).0.expect_code(0).expect_in_stdout("2 rows imported");
    import(&ROWS, &[]).0.expect_code(0).expect_in_stdout("2 rows already imported");
    let production = passed(&sandbox, &keys, &["--label", "production"]);
    let staging = passed(&sandbox, &keys, &["--label", "staging"]);
    assert!(production == "sk-test-production" && staging == "sk-test-staging");

    // Without labels, nobody can say which is right, and the message says how to import both.
    let unlabelled = ROWS.map(|row| row.replace("acme", "beta").replace("\"label\"", "\"name\""));
    let (ran, file) = import(&[&unlabelled[0], &unlabelled[1]], &[]);
    ran.expect_code(14)
        .expect_in_stdout("2 rows quarantined: two credentials or variables for one tenant")
        .expect_in_stdout("give each line its own `label`");
    fs::remove_file(quarantine_of(&file)).unwrap();

    // No label is null, an empty one is a mistake.
    let null = ROWS[0].replace("acme", "gamma").replace("\"production\"", "null");
    let empty = ROWS[1].replace("acme", "gamma").replace("\"staging\"", "\"\"");
    let number = ROWS[1].replace("acme", "gamma").replace("\"staging\"", "7");
    import(&[&null, &empty, &number], &[])
        .0
        .expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported, 2 rows quarantined")
        .expect_in_stdout("label: a name must have 1 to 200 bytes")
        .expect_in_stdout("label: expected a string");
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    let gamma = Owner { tenant: "gamma".to_owned(), provider: "openai".to_owned(), label: None };
    assert!(store.find(&gamma).unwrap().is_some());
}

/// Turns a vault of [`Sandbox::fill`] into one of version 1, which had no labels.
fn make_version_1(sandbox: &Sandbox) {
    Connection::open(sandbox.db())
        .unwrap()
        .execute_batch(
            "PRAGMA journal_mode = DELETE;
             BEGIN;
             ALTER TABLE credentials RENAME TO newer;
             CREATE TABLE credentials (
                id         INTEGER PRIMARY KEY AUTOINCREMENT,
                tenant     TEXT NOT NULL,
                provider   TEXT NOT NULL,
                env_name   TEXT NOT NULL,
                envelope   TEXT NOT NULL,
                revision   INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                updated_at INTEGER NOT NULL,
                UNIQUE (tenant, provider)
             ) STRICT;
             INSERT INTO credentials
                SELECT id, tenant, provider, env_name, envelope, revision, created_at, updated_at
                FROM newer;
             DROP TABLE newer;
             DROP VIEW sealwax_audit_entries;
             DROP TABLE sealwax_audit;
             -- Rows with higher ids were deleted.
             UPDATE sqlite_sequence SET seq = 400 WHERE name = 'credentials';
             PRAGMA user_version = 1;
             COMMIT;
             VACUUM;",
        )
        .unwrap();
}

fn version(sandbox: &Sandbox) -> i64 {
    let database = Connection::open(sandbox.db()).unwrap();
    database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn a_vault_without_labels_is_read_as_it_is() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    make_version_1(&sandbox);
    let before = fs::read(sandbox.db()).unwrap();
    let backup = sandbox.path("backup.db");
    for (arguments, text) in [
        (&["list"][..], "tenant-2"),
        (&["census"], "3 rows"),
        (&["rotate", "--dry-run"], "3 rows would be rewrapped"),
        (&["log"], "TENANT"),
        (&["backup", backup.to_str().unwrap()], "copied 3 rows"),
    ] {
        sandbox.vault(&keys.both, arguments).expect_code(0).expect_in_stdout(text);
    }
    sandbox.without_keys(&["log", "--verify"]).expect_code(1).expect_in_stdout("0 entries");
    assert_eq!(version(&sandbox), 1);
    assert!(fs::read(sandbox.db()).unwrap() == before, "a reader changed the vault");
}

/// Returns the schema, as SQLite keeps it.
fn schema(sandbox: &Sandbox) -> String {
    let database = Connection::open(sandbox.db()).unwrap();
    let sql = "SELECT group_concat(type || name || coalesce(sql, ''), ';')
               FROM (SELECT * FROM sqlite_schema ORDER BY type, name)";
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_first_write_migrates_a_vault_and_loses_nothing() {
    for write in [
        &["rotate"][..],
        &["repair", "--trim"],
        &["repair", "--trim", "--dry-run"],
        &["audit"],
        &["census", "--verify"],
        &["run", "--tenant", "tenant-1", "--provider", "openai", "--", "true"],
        &["run", "--tenant", "tenant-1", "--provider", "openai", "--label", "x", "--", "true"],
        &["delete", "--tenant", "nobody", "--provider", "openai"],
    ] {
        let (sandbox, keys) = (Sandbox::new(), Change::new());
        sandbox.fill(&keys.before, 3);
        let envelope = sandbox.envelope(2);
        make_version_1(&sandbox);
        let ran = sandbox.vault(&keys.both, write);
        assert!(ran.code == 0 || ran.code == 4, "{ran:#?}");
        assert_eq!(version(&sandbox), 3);
        assert_eq!(sandbox.assert_rows_open(&keys.both), 3);
        // The ids of deleted rows are not used again.
        let more = ["--tenant", "tenant-0", "--provider", "openai", "--label", "staging"];
        let put = sandbox.put(&keys.before, &more, credential(0).as_bytes()).expect_code(0);
        put.expect_in_stdout("(row 401,");
        assert_eq!(sandbox.assert_rows_open(&keys.both), 4);
        // The table is the one of a new vault, and the old one is erased.
        let new = Sandbox::new();
        new.fill(&keys.before, 1);
        assert_eq!(schema(&sandbox), schema(&new));
        let file = fs::read(sandbox.db()).unwrap();
        let copies = file.windows(envelope.len()).filter(|part| *part == envelope.as_bytes());
        assert!(copies.count() <= 1, "an old copy of an envelope is still in the file");
    }
}

#[test]
fn a_vault_is_migrated_once_by_all_who_come_first() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 50);
    make_version_1(&sandbox);
    // A second migration would lose the label of a row that was stored after the first.
    let open = |n: usize, access| {
        let mut store = Store::open(&sandbox.db(), access).unwrap();
        assert!(store.find(&owner(49)).unwrap().is_some());
        if access != Access::Read {
            let writer = store.begin().unwrap();
            let owner = Owner { label: Some(format!("of thread {n}")), ..owner(49) };
            let (variable, secret) = (owner.variable(), Secret::from(credential(49)));
            writer.add(&keys.before.keyring(), owner, variable, &secret, 0).unwrap();
            writer.commit().unwrap();
        }
    };
    thread::scope(|scope| {
        let each = [Access::Write, Access::Read, Access::Create].repeat(4);
        for (n, access) in each.into_iter().enumerate() {
            let open = &open;
            scope.spawn(move || open(n, access));
        }
    });
    assert_eq!(version(&sandbox), 3);
    assert_eq!(sandbox.assert_rows_open(&keys.before), 58);
}
