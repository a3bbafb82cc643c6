//! Tests that start the program and send it a SIGHUP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::given;
use crate::reload::KeyFile;
use crate::server::database;

static NUMBER: AtomicUsize = AtomicUsize::new(1);

struct Program {
    child: Child,
    _audit_keys: KeyFile,
    log: BufReader<ChildStderr>,
}

impl Program {
    fn start(url: &str, file: &KeyFile, most: Option<&str>) -> Self {
        let audit_keys =
            KeyFile::new(&format!("audit-{}", NUMBER.fetch_add(1, Ordering::SeqCst)), &given::audit_keys());
        let mut child = Command::new(env!("CARGO_BIN_EXE_services"))
            .env("SEALWAX_KEYS_FILE", &file.0)
            .env("SEALWAX_AUDIT_KEYS_FILE", &audit_keys.0)
            .env("DATABASE_URL", url)
            .env("LISTEN", "127.0.0.1:0")
            .envs(most.map(|most| ("MAX_UNKNOWN_ROWS", most)))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, _audit_keys: audit_keys, log }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Returns the line that the program logs before it exits with an error.
    ///
    /// Panics if the program does not exit, or exits without an error.
    fn refuses(mut self) -> String {
        let line = self.line();
        let ended = (0..100).find_map(|_| {
            sleep(Duration::from_millis(50));
            self.child.try_wait().unwrap()
        });
        assert_eq!(ended.map(|status| status.success()), Some(false));
        line
    }

    fn hang_up(&self) {
        let kill = format!("kill -HUP {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn ask(address: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-tenant: 7\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[tokio::test]
async fn the_program_serves_reloads_at_a_signal_and_refuses_to_start_without_a_key() {
    let Some((db, url)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    let file = KeyFile::new("program", &format!("primary old {old}"));
    given::rows(&db, &given::ring(&format!("primary old {old}")), 11).await;
    let mut program = Program::start(&url, &file, None);
    let address = program.line().strip_prefix("listening on ").unwrap().to_owned();
    let stored = ask(&address, "PUT /credentials/openai", r#"{"api_key": "sk-of-seven"}"#);
    assert!(stored.starts_with("HTTP/1.1 204"), "{stored}");
    let before = ask(&address, "GET /health", "");

    file.write(&format!("primary new {new}"));
    program.hang_up();
    let line = program.line();
    assert!(line.starts_with("keyring not reloaded: the new keyring drops key old"), "{line}");
    let health = |address: &str| ask(address, "GET /health", "").split_once("\r\n\r\n").unwrap().1.to_owned();
    assert!(before.ends_with(&health(&address)));

    file.write(&format!("primary old {old}; retired new {new}"));
    program.hang_up();
    assert_eq!(program.line(), "keyring reloaded");
    let fingerprint = given::ring(&format!("primary old {old}; retired new {new}")).fingerprint();
    let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(health(&address), hex);
    drop(program);

    // One row with a damaged key id does not stop the program from starting, unless `MAX_UNKNOWN_ROWS` is 0.
    let flip = "UPDATE credentials SET envelope = set_byte(envelope, 6, get_byte(envelope, 6) # 1) WHERE tenant = 3";
    sqlx::raw_sql(flip).execute(&db).await.unwrap();
    let mut program = Program::start(&url, &file, None);
    assert_eq!(program.line(), r#"rows need keys that the keyring lacks: 1 in all; by key ids: [("nld", 1)]"#);
    assert!(program.line().starts_with("listening on "));
    assert!(Program::start(&url, &file, Some("0")).refuses().contains(r#"[("nld", 1)]"#));
    sqlx::raw_sql(flip).execute(&db).await.unwrap();

    // An operator reads what is wrong, and not how the error is built.
    file.write("");
    let line = Program::start(&url, &file, None).refuses();
    assert!(line.starts_with("the keyring has no primary key: add a line"), "{line}");

    // The new keyring text lacks the key that eleven rows need.
    file.write(&format!("primary new {new}"));
    let line = Program::start(&url, &file, None).refuses();
    assert_eq!(line, r#"rows need keys that the keyring lacks: 11 in all; by key ids: [("old", 11)]"#);
    assert!(Program::start(&url, &file, Some("many")).refuses().contains("bad MAX_UNKNOWN_ROWS"));
    let mut program = Program::start(&url, &file, Some("11"));
    assert!(program.line().starts_with("rows need keys"));
    assert!(program.line().starts_with("listening on "));

    // Somebody adds 120 rows, each with an id of its own that sorts before `old`. If the limit is raised to their number,
    // the wrong keyring still does not start, because all rows count. Only 100 lists are printed.
    let junk = "INSERT INTO credentials (tenant, provider, envelope)
        SELECT 100 + n, provider, overlay(envelope PLACING convert_to(to_char(n, 'FM000'), 'UTF8') FROM 7)
          FROM credentials, generate_series(1, 120) AS n WHERE tenant = 1";
    sqlx::raw_sql(junk).execute(&db).await.unwrap();
    let line = Program::start(&url, &file, Some("120")).refuses();
    assert!(line.contains(r#"131 in all; by key ids: [("old", 11), ("001", 1), "#), "{line}");
    assert_eq!(line.matches(", 1)").count(), 99);
    file.write(&format!("primary new {new}; retired old {old}"));
    let mut program = Program::start(&url, &file, Some("120"));
    assert!(program.line().contains("120 in all"));
    assert!(program.line().starts_with("listening on "));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_opened_and_a_refusal_stays_what_it_is() {
    let Some((db, url)) = database().await else { return };
    let key = given::key();
    let file = KeyFile::new("audit", &format!("primary a {key}"));
    given::rows(&db, &given::ring(&format!("primary a {key}")), 7).await;
    sqlx::raw_sql("ALTER TABLE sealwax_audit ADD CHECK (number = 0)").execute(&db).await.unwrap();
    let mut program = Program::start(&url, &file, None);
    let address = program.line().strip_prefix("listening on ").unwrap().to_owned();
    let call = |envelope: &str| {
        let response = ask(&address, "POST /call/openai", "{}");
        assert!(response.starts_with("HTTP/1.1 500"), "{envelope}");
        assert!(!response.contains("secret-7"), "the response shows the key");
    };

    call("as sealed");
    assert!(program.line().starts_with("not_recorded (failed), alert: page: "));
    let cut = "UPDATE credentials SET envelope = substring(envelope FROM 1 FOR octet_length(envelope) - 1)";
    sqlx::raw_sql(cut).execute(&db).await.unwrap();
    call("altered");
    assert!(program.line().starts_with("envelope_altered (altered), alert: security: "));
    sqlx::raw_sql("UPDATE credentials SET envelope = 'sk-plain'").execute(&db).await.unwrap();
    call("no envelope");
    assert!(program.line().starts_with("malformed (altered), alert: security: "));
}

#[tokio::test]
async fn with_the_argument_rotate_the_program_rewraps_all_rows_and_ends() {
    let Some((db, url)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 3).await;
    let file = KeyFile::new("rotate", &format!("primary new {new}; retired old {old}"));
    let rotate = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_services"));
        program.arg("rotate").env("SEALWAX_KEYS_FILE", &file.0).env("DATABASE_URL", &url);
        let output = program.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(rotate(), (true, "to row 3: 3 of 3 written, 0 were current\n".to_owned()));
    let damage = "UPDATE credentials SET envelope = substring(envelope FROM 1 FOR 150) WHERE id = 2";
    sqlx::raw_sql(damage).execute(&db).await.unwrap();
    file.write(&format!("primary old {old}; retired new {new}"));
    let expected = "to row 3: 2 of 2 written, 0 were current\n\
                    row 2: envelope_altered (altered)\n\
                    these rows were not rewrapped\n";
    assert_eq!(rotate(), (false, expected.to_owned()));
}
