//! A dashboard that runs, and its visitors.

#[path = "../gateway/ports.rs"]
mod ports;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use byok_gateway::config::Home;
use byok_gateway::store::{Proofs, Store};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use sealwax_tenants::TenantId;

const PROGRAM: &str = env!("CARGO_BIN_EXE_byok-gateway");

/// A dashboard in a directory of its own, which logs everything that it can.
pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) store: Store,
    pub(crate) origin: String,
    client: Client,
    process: Child,
}

impl Scene {
    pub(crate) async fn start(name: &str, config: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dashboard-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let port = ports::free_port();
        let origin = format!("http://127.0.0.1:{port}");
        let lines = format!("dashboard = \"127.0.0.1:{port}\"\norigin = \"{origin}\"\n{config}\n");
        fs::write(dir.join("gateway.toml"), lines).unwrap();
        let program = |command: &str| {
            let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
            let mut program = Command::new(PROGRAM);
            program.arg("--home").arg(&dir).arg(command).env("RUST_LOG", "trace").stdin(Stdio::null());
            program.stdout(log.try_clone().unwrap()).stderr(log);
            program
        };
        assert!(program("init").status().unwrap().success());
        let home = Home::read(&dir).unwrap();
        let store = Store::open(&home.database()).await.unwrap();
        let process = program("dashboard").spawn().unwrap();
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        let scene = Self { home, store, origin, client, process };
        scene.until("the dashboard answers", async || scene.client.get(&scene.origin).send().await.is_ok()).await;
        scene
    }

    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        for _ in 0..600 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(is_so().await, "{what}");
    }

    /// Somebody who is not signed in.
    pub(crate) fn stranger(&self) -> Visitor<'_> {
        Visitor { scene: self, cookie: String::new() }
    }

    pub(crate) async fn sign_in(&self, email: &str) -> Visitor<'_> {
        let stranger = self.stranger();
        assert_eq!(stranger.post("/sign-in", &format!("email={email}")).await.status(), StatusCode::OK);
        let link = self.mails().pop().unwrap().1;
        let token = link.split_once("?token=").unwrap().1.to_owned();
        self.redeem(&token).await.unwrap()
    }

    /// Redeems a link, and begins a session.
    pub(crate) async fn redeem(&self, token: &str) -> Result<Visitor<'_>, StatusCode> {
        let reply = self.stranger().post("/sign-in/link", &format!("token={token}")).await;
        let Some(cookie) = reply.headers().get("set-cookie") else { return Err(reply.status()) };
        assert_eq!((reply.status(), location(&reply)), (StatusCode::SEE_OTHER, "/keys"));
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        Ok(Visitor { scene: self, cookie })
    }

    /// Takes the mails out of the outbox: the file, and the link.
    pub(crate) fn mails(&self) -> Vec<(String, String)> {
        let mut mails = Vec::new();
        for entry in fs::read_dir(self.home.path("outbox")).into_iter().flatten() {
            let path = entry.unwrap().path();
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
            let mail: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(mail.as_object().unwrap().len(), 2);
            mails.push((mail["to"].as_str().unwrap().into(), mail["link"].as_str().unwrap().into()));
            fs::remove_file(path).unwrap();
        }
        mails
    }

    pub(crate) async fn tenant(&self, email: &str) -> TenantId {
        let proofs = Proofs::read(&self.home).unwrap();
        self.store.account(&proofs, email, &"none".parse().unwrap()).await.unwrap().unwrap()
    }

    /// Returns the files of the database and of the log. The one of PostgreSQL is a dump.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = vec!["log"];
        if self.home.database().starts_with("sqlite:") {
            files.extend(["gateway.db", "gateway.db-wal"]);
        } else {
            let mut dump = Command::new("pg_dump");
            dump.arg("--file").arg(self.home.path("dump")).arg(self.home.database());
            assert!(dump.status().unwrap().success());
            files.push("dump");
        }
        let files = files.into_iter().map(|file| self.home.path(file));
        files.map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }

    /// Asserts that a text is nowhere in the database and the log, but another one is.
    pub(crate) fn assert_nowhere(&self, text: &str, there: &str) {
        let files = self.files();
        let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(files.iter().any(|(_, bytes)| has(bytes, there)), "{there}");
        for (file, bytes) in files {
            assert!(!has(&bytes, text), "{}", file.display());
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.home.dir);
        }
    }
}

/// Somebody at the dashboard.
pub(crate) struct Visitor<'a> {
    scene: &'a Scene,
    pub(crate) cookie: String,
}

impl Visitor<'_> {
    /// Begins a request, without saying which page it is from.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.scene.client.request(method, format!("{}{path}", self.scene.origin)).header("cookie", &self.cookie)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        reply.text().await.unwrap()
    }

    /// Posts a form from a page of the dashboard.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        request.header("origin", &self.scene.origin).body(body.to_owned()).send().await.unwrap()
    }

    /// Sends a key as the script does.
    pub(crate) async fn put(&self, path: &str, key: &str) -> Response {
        let request = self.request(Method::PUT, path).header("origin", &self.scene.origin);
        request.header("content-type", "text/plain;charset=UTF-8").body(key.to_owned()).send().await.unwrap()
    }
}

pub(crate) fn location(reply: &Response) -> &str {
    reply.headers()["location"].to_str().unwrap()
}
