//! A server that belongs to one test, which may seal and stop it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Bao, run};

/// A server that runs until this is dropped.
pub(super) struct Running {
    child: Child,
    unseal_key: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a test against a new server, if the program is there.
pub(super) fn with_own_bao<F: Future<Output = ()>>(test: impl FnOnce(Bao, Running) -> F) {
    let Some(program) = std::env::var_os("SEALWAX_TEST_OPENBAO_BIN") else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.args(["server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root"]);
    command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running { child: command.spawn().unwrap(), unseal_key: String::new() };
    // It prints the root token once that is valid.
    let mut lines =
        BufReader::new(running.child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let key = lines.find_map(|line| line.strip_prefix("Unseal Key: ").map(str::to_owned));
    running.unseal_key = key.unwrap();
    assert!(lines.any(|line| line == "Root Token: root"));
    std::thread::spawn(move || lines.for_each(drop));
    let address = format!("http://127.0.0.1:{port}");
    run(async { test(Bao::new(address, String::from("root")).await, running).await });
}

impl Running {
    pub(super) async fn unseal(&self, bao: &Bao) {
        bao.post("sys/unseal", json!({ "key": self.unseal_key })).await;
        // Until it is active again.
        for _ in 0..100 {
            if bao.send("GET", "sys/health", Value::Null).await.0 == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server stays sealed");
    }
}
