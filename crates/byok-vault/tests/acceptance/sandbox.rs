//! A vault in a temporary directory, and a check of all output of the program.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use byok_vault::row::{Owner, Place, Row};
use byok_vault::store::{Access, Store};
use rusqlite::Connection;
use sealwax::{KeyId, Keyring, MasterKey, OpeningKey, Secret};
use sealwax_audit::AuditKey;
use tempfile::TempDir;

/// A text in every credential of these tests, which the program must never print.
pub(crate) const CANARY: &str = "sk-canary";

/// A vault, and the means to run commands on it.
pub(crate) struct Sandbox {
    pub(crate) directory: TempDir,
}

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_in_stderr(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_in_stdout(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in {self:#?}");
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.path("vault.db")
    }

    /// Returns a command that runs the program with this keyring.
    pub(crate) fn command(&self, keys: Option<&Keys>, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byok-vault"));
        command.env_remove("SEALWAX_KEYS").env("SEALWAX_AUDIT_KEY", audit_key());
        if let Some(keys) = keys {
            command.env("SEALWAX_KEYS", &keys.0);
        }
        command.arg("--db").arg(self.db()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    pub(crate) fn vault(&self, keys: &Keys, arguments: &[&str]) -> Ran {
        self.finish(self.command(Some(keys), arguments), b"")
    }

    #[track_caller]
    pub(crate) fn without_keys(&self, arguments: &[&str]) -> Ran {
        self.finish(self.command(None, arguments), b"")
    }

    #[track_caller]
    pub(crate) fn put(&self, keys: &Keys, arguments: &[&str], credential: &[u8]) -> Ran {
        self.finish(self.command(Some(keys), &[&["put"], arguments].concat()), credential)
    }

    /// Runs a command to its end, and searches its output for secrets.
    #[track_caller]
    pub(crate) fn finish(&self, mut command: Command, input: &[u8]) -> Ran {
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may exit without reading its input.
        let _ = child.stdin.take().unwrap().write_all(input);
        searched(child.wait_with_output().unwrap())
    }

    /// Stores n credentials in one transaction, without running the program.
    pub(crate) fn fill(&self, keys: &Keys, n: u64) {
        let keyring = keys.keyring();
        let mut store = Store::open(&self.db(), Access::Create).unwrap();
        let writer = store.begin().unwrap();
        for n in 0..n {
            let place = Place {
                id: writer.next_id().unwrap(),
                owner: owner(n),
                env_name: "OPENAI_API_KEY".to_owned(),
            };
            let envelope = place.seal(&keyring, &Secret::from(credential(n))).unwrap();
            let row = Row { place, envelope, revision: 1, created_at: 0, updated_at: 0 };
            writer.insert(&row).unwrap();
        }
        writer.commit().unwrap();
    }

    /// Overwrites an envelope, like somebody with write access to the database.
    pub(crate) fn overwrite(&self, n: u64, envelope: &str) {
        let changed = Connection::open(self.db())
            .unwrap()
            .execute(
                "UPDATE credentials SET envelope = ?1 WHERE tenant = ?2",
                [envelope, &owner(n).tenant],
            )
            .unwrap();
        assert_eq!(changed, 1);
    }

    /// Seals a credential with these keys into the row of [`Sandbox::fill`], like another process.
    pub(crate) fn seal(&self, keys: &Keys, n: u64, credential: &str) -> String {
        let id = i64::try_from(n).unwrap() + 1;
        let place = Place { id, owner: owner(n), env_name: "OPENAI_API_KEY".to_owned() };
        let envelope = place.seal(&keys.keyring(), &Secret::from(credential)).unwrap();
        self.overwrite(n, &envelope);
        envelope
    }

    pub(crate) fn envelope(&self, n: u64) -> String {
        let store = Store::open(&self.db(), Access::Read).unwrap();
        store.find(&owner(n)).unwrap().unwrap().envelope
    }

    /// Asserts that every row opens to the credential that was stored, and returns the number of rows.
    #[track_caller]
    pub(crate) fn assert_rows_open(&self, keys: &Keys) -> u64 {
        let keyring = keys.keyring();
        let mut rows = 0;
        let store = Store::open(&self.db(), Access::Read).unwrap();
        store
            .for_each(|row| {
                let n = row.place.owner.tenant.strip_prefix("tenant-").unwrap().parse().unwrap();
                let opened = row.open(&keyring)?;
                assert!(opened == Secret::from(credential(n)), "row {} is wrong", row.place.id);
                rows += 1;
                Ok(())
            })
            .unwrap();
        rows
    }

    /// Returns how many rows are current under this keyring.
    pub(crate) fn current(&self, keys: &Keys) -> u64 {
        let keyring = keys.keyring();
        let mut rows = 0;
        let store = Store::open(&self.db(), Access::Read).unwrap();
        store
            .for_each(|row| {
                rows += u64::from(row.parse().is_ok_and(|envelope| keyring.is_current(&envelope)));
                Ok(())
            })
            .unwrap();
        rows
    }
}

/// Fails if the program printed a secret, without showing the output.
#[track_caller]
pub(crate) fn searched(output: Output) -> Ran {
    let ran = Ran {
        code: output.status.code().expect("the program was killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!shows_a_secret(&ran.stdout), "a secret in the output of exit code {}", ran.code);
    assert!(!shows_a_secret(&ran.stderr), "a secret in the errors of exit code {}", ran.code);
    ran
}

/// Returns whether a text contains a credential or a key.
///
/// A key is `swk1_`, or the beginning of another kind, followed by at least one character of it. Messages say
/// `swk1_...`.
fn shows_a_secret(text: &str) -> bool {
    let is_of_a_key = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.contains(CANARY)
        || ["swk1_", "swa1_", "swo1_", "sws1_"]
            .iter()
            .any(|begin| text.split(begin).skip(1).any(|after| after.starts_with(is_of_a_key)))
}

pub(crate) fn owner(n: u64) -> Owner {
    Owner { tenant: format!("tenant-{n}"), provider: "openai".to_owned(), label: None }
}

pub(crate) fn credential(n: u64) -> String {
    format!("{CANARY}-{n}-0123456789abcdef")
}

/// Returns the text of the audit key that the commands of these tests have.
pub(crate) fn audit_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| new_audit_key("primary", "log-1"))
}

/// Returns the line of a new audit key.
pub(crate) fn new_audit_key(state: &str, id: &str) -> String {
    let key = AuditKey::generate().unwrap().to_text();
    format!("{state} {id} {}\n", key.expose_str().unwrap())
}

/// The text of a keyring.
#[derive(Clone)]
pub(crate) struct Keys(pub(crate) String);

impl Keys {
    /// Creates the text of a keyring from states, ids and keys.
    pub(crate) fn new(entries: &[(&str, &str, &Key)]) -> Self {
        let lines: Vec<_> =
            entries.iter().map(|(state, id, key)| format!("{state} {id} {}\n", key.0)).collect();
        Self(lines.concat())
    }

    pub(crate) fn primary(id: &str) -> Self {
        Self::new(&[("primary", id, &Key::new())])
    }

    /// Adds a line for a key without its material.
    pub(crate) fn and(&self, state: &str, id: &str) -> Self {
        Self(format!("{}{state} {id}\n", self.0))
    }

    pub(crate) fn keyring(&self) -> Keyring {
        self.0.parse().unwrap()
    }
}

/// The text of a key in a keyring.
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new() -> Self {
        Self(MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned())
    }

    /// Returns the half of a new pair that seals, and the half that opens.
    pub(crate) fn pair() -> (Self, Self) {
        let key = OpeningKey::generate().unwrap();
        let texts = [key.sealing_key().to_text(), key.to_text()];
        texts.map(|text| Self(text.expose_str().unwrap().to_owned())).into()
    }
}

/// The keyrings before, during and after a change from `old` to `new`.
pub(crate) struct Change {
    pub(crate) before: Keys,
    pub(crate) both: Keys,
    pub(crate) after: Keys,
}

impl Change {
    pub(crate) fn new() -> Self {
        let (old, new) = (Key::new(), Key::new());
        Self {
            before: Keys::new(&[("primary", "old", &old)]),
            both: Keys::new(&[("primary", "new", &new), ("retired", "old", &old)]),
            after: Keys::new(&[("primary", "new", &new)]),
        }
    }
}

pub(crate) fn keyring_ids(keyring: &Keyring) -> Vec<KeyId> {
    keyring.keys().map(|(id, _)| id.clone()).collect()
}

#[cfg(unix)]
mod the_search_itself {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn output(stdout: &str, stderr: &str) -> Output {
        let (stdout, stderr) = (stdout.into(), stderr.into());
        Output { status: ExitStatus::from_raw(0), stdout, stderr }
    }

    #[test]
    fn passes_what_is_clean() {
        assert_eq!(searched(output("stored", "write it as swk1_...")).code, 0);
    }

    #[test]
    #[should_panic(expected = "a secret in the output")]
    fn finds_a_credential() {
        searched(output(&credential(3), ""));
    }

    #[test]
    #[should_panic(expected = "a secret in the errors")]
    fn finds_a_key() {
        searched(output("", &Key::new().0));
    }

    #[test]
    #[should_panic(expected = "a secret in the output")]
    fn finds_a_sealing_key() {
        searched(output(&Key::pair().0.0, ""));
    }

    #[test]
    #[should_panic(expected = "a secret in the output")]
    fn finds_an_opening_key() {
        searched(output(&Key::pair().1.0, ""));
    }

    #[test]
    #[should_panic(expected = "a secret in the output")]
    fn finds_an_audit_key() {
        searched(output(audit_key(), ""));
    }
}
