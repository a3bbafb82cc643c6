//! `backup` makes a whole vault in one file, and overwrites nothing.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rusqlite::Connection;

use crate::sandbox::{Keys, Sandbox};

const ROWS: u64 = 400;

/// Returns a vault that consists of a backup.
fn restored(sandbox: &Sandbox, name: &str) -> Sandbox {
    let restored = Sandbox::new();
    fs::copy(sandbox.path(name), restored.db()).unwrap();
    restored
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.directory.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_backup_is_a_private_vault_in_one_file_and_needs_no_key() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, ROWS);
    // What `cp` would lose: a row that is only in the -wal file while somebody has the vault open.
    let reader = Connection::open(sandbox.db()).unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM credentials", [], |r| r.get(0)).unwrap();
    let owner = ["--tenant", "tenant-400", "--provider", "openai"];
    let credential = crate::sandbox::credential(400);
    sandbox.put(&keys, &owner, credential.as_bytes()).expect_code(0);
    let copied = Sandbox::new();
    fs::copy(sandbox.db(), copied.db()).unwrap();
    assert_eq!(copied.assert_rows_open(&keys), ROWS, "`cp` took the row along");

    let file = sandbox.path("backup.db");
    sandbox
        .without_keys(&["backup", file.to_str().unwrap()])
        .expect_code(0)
        .expect_in_stdout("copied 401 rows to ")
        .expect_in_stdout("keep the keys");
    assert_eq!(
        names(&sandbox),
        ["backup.db", "vault.db", "vault.db-shm", "vault.db-wal"],
        "something is left behind"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let restored = restored(&sandbox, "backup.db");
    assert_eq!(restored.assert_rows_open(&keys), ROWS + 1);
    assert_eq!(names(&restored), ["vault.db"], "reading a backup writes nothing");
    restored.vault(&keys, &["rotate"]).expect_code(0);
}

#[test]
fn a_backup_overwrites_nothing() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 3);
    let taken = sandbox.path("taken");
    fs::write(&taken, "something else").unwrap();
    let vault = sandbox.db();
    for path in [&taken, &vault, &sandbox.directory.path().to_owned()] {
        sandbox
            .without_keys(&["backup", path.to_str().unwrap()])
            .expect_code(5)
            .expect_in_stderr("already exists and was left unchanged");
    }
    for end in ["-wal", "-shm", "-journal"] {
        let path = format!("{}{end}", vault.display());
        sandbox
            .without_keys(&["backup", &path])
            .expect_code(2)
            .expect_in_stderr("a file of the vault");
    }
    for end in ["-wal", "-shm", "-journal"] {
        let stale = sandbox.path(&format!("backup.db{end}"));
        fs::write(&stale, "of another database").unwrap();
        sandbox
            .without_keys(&["backup", sandbox.path("backup.db").to_str().unwrap()])
            .expect_code(5)
            .expect_in_stderr(&format!("backup.db{end} already exists and was left unchanged"));
        assert!(!sandbox.path("backup.db").exists());
        assert_eq!(fs::read_to_string(&stale).unwrap(), "of another database");
        fs::remove_file(stale).unwrap();
    }
    let nowhere = sandbox.path("missing/backup.db");
    sandbox.without_keys(&["backup", nowhere.to_str().unwrap()]).expect_code(7);
    assert_eq!(fs::read_to_string(&taken).unwrap(), "something else");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);

    let empty = Sandbox::new();
    let file = empty.path("backup.db");
    empty.without_keys(&["backup", file.to_str().unwrap()]).expect_code(13);
    assert_eq!(names(&empty), [""; 0]);
}

#[test]
fn a_backup_is_one_moment_of_a_vault_that_others_change() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, ROWS);
    let is_over = AtomicBool::new(false);
    let mut backups = 0;
    thread::scope(|scope| {
        // Two rows at a time, so that an odd number would be a torn copy.
        let writer = scope.spawn(|| {
            let database = Connection::open(sandbox.db()).unwrap();
            database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
            let mut n = 0;
            while !is_over.load(Ordering::Relaxed) {
                let sql = format!(
                    "BEGIN IMMEDIATE;
                     INSERT INTO credentials (tenant, provider, env_name, envelope, revision, created_at,
                         updated_at) VALUES ('x{n}', 'a', 'K', 'e', 1, 0, 0), ('x{n}', 'b', 'K', 'e', 1, 0, 0);
                     COMMIT;"
                );
                database.execute_batch(&sql).unwrap();
                n += 1;
            }
            n
        });
        for n in 0..5 {
            let file = sandbox.path(&format!("backup-{n}.db"));
            sandbox.without_keys(&["backup", file.to_str().unwrap()]).expect_code(0);
            let copy = Connection::open(&file).unwrap();
            let rows: i64 =
                copy.query_row("SELECT count(*) FROM credentials", [], |row| row.get(0)).unwrap();
            assert!(rows >= 400 && rows % 2 == 0, "{rows} rows");
            backups += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 0, "nobody wrote");
    });
    assert_eq!(backups, 5);
}
