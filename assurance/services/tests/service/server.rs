//! Starts a PostgreSQL for the tests, and creates a database in it for each of them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

/// Starts a server that listens only on a socket, prints the socket's directory, and waits until its input ends.
///
/// That happens when the test process ends, even if it was killed. Then the script stops the server.
const SCRIPT: &str = r#"
    set -eu
    # In /tmp, because the path of a socket has at most 107 bytes.
    dir=$(mktemp -d -p /tmp)
    trap '"$1/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
    chmod 755 "$dir"
    "$1/initdb" -D "$dir/data" --auth=trust --username=services --encoding=UTF8 --locale=C --no-sync >"$dir/log" 2>&1
    options="-c listen_addresses= -c unix_socket_directories=$dir -c fsync=off"
    "$1/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "$options" start >/dev/null
    echo "$dir"
    read -r _ || true
"#;

/// The server runs as long as the pipe to its shell is open, which is until the process ends.
struct Server {
    dir: String,
    _shell: Child,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
static NUMBER: AtomicUsize = AtomicUsize::new(1);
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

/// Returns the directory of initdb and pg_ctl.
fn binaries() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let found = env::split_paths(&path).chain(debian.into_iter().rev());
    found.into_iter().find(|dir| dir.join("initdb").exists() && dir.join("pg_ctl").exists())
}

fn id(of: &[&str]) -> Option<String> {
    let output = Command::new("id").arg("-u").args(of).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Returns the command for the shell, as another user if the tests run as root: PostgreSQL refuses to run as root.
fn shell() -> Command {
    if id(&[]).as_deref() != Some("0") {
        return Command::new("sh");
    }
    let user = if id(&["postgres"]).is_some() { "postgres" } else { "nobody" };
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--", "sh"]);
    command
}

fn start() -> Option<Server> {
    let binaries = binaries()?;
    let mut shell = shell()
        .args(["-c", SCRIPT, "sh"])
        .arg(binaries)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut dir = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut dir).unwrap();
    assert!(!dir.is_empty(), "the server did not start");
    Some(Server { dir: dir.trim().to_owned(), _shell: shell })
}

/// Reports a skipped test, even if the test's output is captured, and at the end of .ci/run. Fails if nothing may be
/// skipped.
fn leave_out() {
    assert!(env::var_os("SEALWAX_REQUIRE_ALL").is_none(), "initdb and pg_ctl are not installed");
    let count = LEFT_OUT.fetch_add(1, Ordering::SeqCst) + 1;
    let line = format!("skipped: tests over PostgreSQL, {count} so far: initdb is not installed\n");
    stderr().write_all(line.as_bytes()).unwrap();
    if let (1, Some(list)) = (count, env::var_os("SEALWAX_LEFT_OUT")) {
        let list: File = OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(&list, "left out: services over PostgreSQL: initdb is not installed").unwrap();
    }
}

/// Returns an empty database and its URL, or `None` if the test is skipped.
pub(crate) async fn empty() -> Option<(PgPool, String)> {
    let Some(server) = SERVER.get_or_init(start) else {
        leave_out();
        return None;
    };
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let options = PgConnectOptions::new_without_pgpass().socket(&server.dir).username("services");
    let admin = PgPool::connect_with(options.clone().database("postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options.database(&name));
    Some((pool.await.unwrap(), format!("postgres://services@localhost/{name}?host={}", server.dir)))
}

/// Returns the same, with the tables of the page.
pub(crate) async fn database() -> Option<(PgPool, String)> {
    let (db, url) = empty().await?;
    for file in ["schema.sql", "key_ids.sql"] {
        let sql = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file));
        sqlx::raw_sql(AssertSqlSafe(sql.unwrap())).execute(&db).await.unwrap();
    }
    Some((db, url))
}
