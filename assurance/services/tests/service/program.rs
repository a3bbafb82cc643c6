//! The program: its start, and a SIGHUP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::given;
use crate::reload::KeyFile;
use crate::server::database;

struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Program {
    fn start(url: &str, file: &KeyFile) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_services"))
            .env("SEALWAX_KEYS_FILE", &file.0)
            .env("DATABASE_URL", url)
            .env("LISTEN", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line.trim().to_owned()
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
    let Some((_db, url)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    let file = KeyFile::new("program", &format!("primary old {old}"));
    let mut program = Program::start(&url, &file);
    let address = program.line().strip_prefix("listening on ").unwrap().to_owned();
    let stored = ask(&address, "PUT /credentials/openai", r#"{"api_key": "sk-of-seven"}"#);
    assert!(stored.starts_with("HTTP/1.1 204"), "{stored}");
    let before = ask(&address, "GET /health", "");

    file.write(&format!("primary new {new}"));
    program.hang_up();
    assert!(program.line().starts_with("keys not reloaded: "));
    let health = |address: &str| ask(address, "GET /health", "").split_once("\r\n\r\n").unwrap().1.to_owned();
    assert!(before.ends_with(&health(&address)));

    file.write(&format!("primary old {old}; retired new {new}"));
    program.hang_up();
    assert_eq!(program.line(), "keys reloaded");
    let fingerprint = given::ring(&format!("primary old {old}; retired new {new}")).fingerprint();
    let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(health(&address), hex);
    drop(program);

    // A text without the key of the row.
    file.write(&format!("primary new {new}"));
    let mut program = Program::start(&url, &file);
    let line = program.line();
    assert!(line.contains("rows need keys that the keyring lacks: old"), "{line}");
    for _ in 0..100 {
        if let Some(status) = program.child.try_wait().unwrap() {
            assert!(!status.success());
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("the program did not end");
}
