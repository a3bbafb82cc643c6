//! A database with the table of a service, and runs of the program.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use sealwax::{EncryptionContext, Keyring, MasterKey};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, query, query_scalar};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::{readme, server};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sealwax-rotate");

/// What every credential begins with.
const PLAINTEXT: &str = "sk-proj-4Jq8Zr2Lw";
/// The key of the rows of an import.
pub(crate) const FOREIGN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) struct Scene {
    pub(crate) db: PgPool,
    pub(crate) url: String,
    pub(crate) dir: PathBuf,
    password: String,
    a: String,
    b: String,
}

impl Scene {
    /// Returns an empty database, or `None` if the test is skipped.
    pub(crate) async fn empty() -> Option<Self> {
        let (db, options) = server::empty().await?;
        let server = server::url()?;
        let password = server.rsplit_once('@')?.0.rsplit_once(':')?.1.to_owned();
        let dir = env::temp_dir().join(format!("sealwax-rotate-{}", options.get_database()?));
        fs::create_dir(&dir).unwrap();
        let url = format!("{}?options[search_path]=public", options.to_url_lossy().as_str().split('?').next()?);
        let key = || MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned();
        Some(Self { db, url, dir, password, a: key(), b: key() })
    }

    /// Returns the same, with the schema and a table of 100 rows under the key `a`.
    pub(crate) async fn new() -> Option<Self> {
        let scene = Self::empty().await?;
        scene.fill(100).await;
        assert_eq!(scene.run("", "install").await.code, 0);
        Some(scene)
    }

    /// Creates the table `credentials`.
    pub(crate) async fn fill(&self, rows: i64) {
        self.sql("CREATE TABLE credentials (id bigint PRIMARY KEY, tenant int, envelope bytea NOT NULL)").await;
        let ring: Keyring = self.old().parse().unwrap();
        for id in 1..=rows {
            let context = EncryptionContext::new([("tenant", format!("t{}", id % 7))]).unwrap();
            let envelope = ring.seal(&format!("{PLAINTEXT}{id}").into(), &context).unwrap();
            let insert = query("INSERT INTO credentials VALUES ($1, $1 % 7, $2)").bind(id).bind(envelope.as_bytes());
            insert.execute(&self.db).await.unwrap();
        }
    }

    /// Returns the keyring of the rows.
    pub(crate) fn old(&self) -> String {
        format!("primary a {}", self.a)
    }

    /// Returns the keyring that rotates them.
    pub(crate) fn both(&self) -> String {
        format!("primary b {}; retired a {}", self.b, self.a)
    }

    /// Returns the keyring after the rotation.
    pub(crate) fn new_alone(&self) -> String {
        format!("primary b {}; disabled a", self.b)
    }

    /// Returns the text of the key `b`.
    pub(crate) fn key(&self) -> &str {
        &self.b
    }

    pub(crate) async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.db).await.unwrap();
    }

    pub(crate) async fn is(&self, condition: &str) -> bool {
        let is: Option<bool> = query_scalar(AssertSqlSafe(condition)).fetch_one(&self.db).await.unwrap();
        is == Some(true)
    }

    /// Waits until this is true.
    pub(crate) async fn until(&self, condition: &str) {
        for _ in 0..3_000 {
            if self.is(condition).await {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("not within a minute: {condition}");
    }

    pub(crate) async fn until_rows(&self) {
        self.until("SELECT sum(rows) > 0 FROM sealwax.ranges").await;
    }

    /// Waits until processes with so many connections run: one for each worker, and one for each process.
    pub(crate) async fn until_connected(&self, connections: i64) {
        let of_program = "FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'sealwax-rotate'";
        self.until(&format!("SELECT count(*) = {connections} {of_program}")).await;
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Returns a command with nothing of ours in its environment but the URL, and the keyring unless it is empty.
    pub(crate) fn command(&self, program: &str, ring: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in ["SEALWAX_KEYS", "SEALWAX_IMPORT_KEY", "SEALWAX_IMPORT_WRAPPED_KEY", "SEALWAX_TEST_POSTGRES"] {
            command.env_remove(variable);
        }
        if !ring.is_empty() {
            command.env("SEALWAX_KEYS", ring);
        }
        command.env("DATABASE_URL", &self.url).kill_on_drop(true);
        command
    }

    /// Starts the program with these arguments, which spaces separate.
    pub(crate) fn start(&self, ring: &str, arguments: &str) -> Process<'_> {
        let mut command = self.command(PROGRAM, ring);
        command.args(arguments.split_whitespace());
        self.spawn(command)
    }

    pub(crate) fn spawn(&self, mut command: Command) -> Process<'_> {
        Process { scene: self, child: command.spawn().unwrap() }
    }

    /// Runs the program.
    pub(crate) async fn run(&self, ring: &str, arguments: &str) -> Run {
        self.start(ring, arguments).end().await
    }

    /// Runs the program with arguments that have spaces.
    pub(crate) async fn run_with(&self, ring: &str, arguments: &[impl AsRef<OsStr>]) -> Run {
        let mut command = self.command(PROGRAM, ring);
        command.args(arguments);
        self.spawn(command).end().await
    }

    /// Fails without repeating the text if a secret is in it.
    fn check(&self, text: &str) {
        let secrets = [&self.a, &self.b, &self.password, PLAINTEXT, FOREIGN];
        let number = secrets.iter().position(|secret| text.contains(*secret));
        assert_eq!(number, None, "a secret was printed");
        // Messages may say what a key begins with, and no more.
        let is_key = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let kinds = ["swk1_", "swo1_", "sws1_"];
        assert!(!kinds.iter().any(|kind| text.split(kind).skip(1).any(is_key)), "a key was printed");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

/// A run of the program that has not ended.
pub(crate) struct Process<'a> {
    scene: &'a Scene,
    child: Child,
}

impl Process<'_> {
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    pub(crate) async fn end(self) -> Run {
        let output = timeout(Duration::from_secs(90), self.child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("the program does not end")).unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        self.scene.check(&out);
        self.scene.check(&err);
        Run { code: output.status.code().unwrap(), out, err }
    }
}

/// A run of the program that has ended, and has printed no secret.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Returns the lines of JSON, each of which has the fields that the README documents.
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines: Vec<Value> = self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &lines {
            let fields: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
            assert!(readme::documented().contains(&fields), "{fields:?}");
        }
        lines
    }

    /// Returns the only line of JSON.
    pub(crate) fn one(&self) -> Value {
        let mut lines = self.json();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    /// Asserts how it ended, and that it says this on stderr.
    pub(crate) fn fails(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(says), "{self:?}");
    }

    /// Asserts that it succeeded and says this, and nothing on stderr.
    pub(crate) fn says(&self, says: &str) {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        assert!(self.out.contains(says), "{self:?}");
    }
}
