//! A gateway that runs, and its customers.

#[path = "ports.rs"]
mod ports;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use byok_gateway::clock;
use byok_gateway::config::Home;
use byok_gateway::epoch::Epoch;
use byok_gateway::files::{AUDIT, RING};
use byok_gateway::store::{Log, Store};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use sealwax_tenants::Notice;

pub(crate) use ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use sealwax::{Envelope, Keyring, MasterKey};
use sha2::{Digest, Sha256};
use sqlx::{AnyPool, AssertSqlSafe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::memory;
use crate::upstream::Upstream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_byok-gateway");

/// A gateway with its three processes, in a directory of its own.
pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
    pub(crate) dashboard: String,
    pub(crate) proxy: String,
    pub(crate) upstream: Upstream,
    level: &'static str,
    processes: Vec<(&'static str, Child)>,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, "", "trace").await
    }

    /// Starts a gateway with further lines of the configuration, whose processes log little.
    pub(crate) async fn start_quietly(name: &str, config: &str) -> Self {
        Self::start_with(name, config, "warn").await
    }

    /// Starts a gateway with further lines of the configuration, and a level of the log.
    pub(crate) async fn start_with(name: &str, config: &str, level: &'static str) -> Self {
        Self::start_all(name, config, level, "").await
    }

    /// Starts a gateway with further lines of the configuration, and a token for OpenBao.
    pub(crate) async fn start_under(name: &str, config: &str, token: &str) -> Self {
        Self::start_all(name, config, "warn", token).await
    }

    async fn start_all(name: &str, config: &str, level: &'static str, openbao: &str) -> Self {
        install_tls();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("logs")).unwrap();
        let upstream = Upstream::start().await;
        fs::write(dir.join("root.pem"), &upstream.root).unwrap();
        let [dashboard, proxy] = [free_port(), free_port()];
        let lines = format!(
            "dashboard = \"127.0.0.1:{dashboard}\"\nproxy = \"127.0.0.1:{proxy}\"\norigin = \"http://127.0.0.1:{dashboard}\"\n\
             egress.proxy = \"http://{}\"\negress.roots = \"root.pem\"\n\
             api = \"http://127.0.0.1:{proxy}\"\n{config}",
            upstream.address
        );
        fs::write(dir.join("gateway.toml"), lines).unwrap();
        if !openbao.is_empty() {
            fs::create_dir_all(dir.join("keys/service")).unwrap();
            fs::write(dir.join("keys/service/openbao"), openbao).unwrap();
        }
        let [dashboard, proxy] = [dashboard, proxy].map(|port| format!("http://127.0.0.1:{port}"));
        let mut scene = Self { dir, dashboard, proxy, upstream, level, processes: Vec::new() };
        let (ok, text) = scene.run(&["init"]);
        assert!(ok, "{text}");
        for process in ["dashboard", "proxy", "worker"] {
            scene.begin(process);
        }
        scene.until_ready().await;
        scene
    }

    /// Starts a process, whose log goes to a file.
    pub(crate) fn begin(&mut self, process: &'static str) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log(process)).unwrap();
        let child = command(&self.dir, &[process])
            .env("RUST_LOG", self.level)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.push((process, child));
    }

    /// Waits until dashboard and proxy answer.
    pub(crate) async fn until_ready(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        for address in [&self.dashboard, &self.proxy] {
            while Client::new().get(format!("{address}/healthz")).send().await.is_err() {
                assert!(Instant::now() < end, "{address} does not answer");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Kills a process at once.
    pub(crate) fn kill(&mut self, process: &str) {
        self.processes.retain_mut(|(name, child)| {
            if *name == process {
                let _ = child.kill();
                let _ = child.wait();
            }
            *name != process
        });
    }

    /// Tells a process to stop, and waits until it has.
    pub(crate) async fn stop(&mut self, process: &str) {
        let pid = self.pid(process).try_into().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while self.ended(process).is_none() {
            assert!(Instant::now() < end, "{process} does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.processes.retain(|(name, _)| *name != process);
    }

    /// Panics if a process has ended by itself.
    pub(crate) fn assert_all_run(&mut self) {
        for (process, child) in &mut self.processes {
            assert_eq!(child.try_wait().unwrap(), None, "{process} has ended: see {}", self.dir.display());
        }
    }

    /// Returns how a process has ended by itself.
    pub(crate) fn ended(&mut self, process: &str) -> Option<ExitStatus> {
        let child = self.processes.iter_mut().find(|(name, _)| *name == process);
        child.unwrap().1.try_wait().unwrap()
    }

    pub(crate) fn pid(&self, process: &str) -> u32 {
        self.processes.iter().find(|(name, _)| *name == process).unwrap().1.id()
    }

    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.dir.join("logs").join(process)
    }

    /// Runs a command to its end. Returns whether it succeeded, and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = command(&self.dir, arguments).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut log = fs::OpenOptions::new().create(true).append(true).open(self.log("commands")).unwrap();
        log.write_all(text.as_bytes()).unwrap();
        (output.status.success(), text)
    }

    /// Moves what the operator has to move into a safe.
    pub(crate) fn move_into_safe(&self) {
        let safe = self.dir.join("elsewhere");
        fs::create_dir_all(&safe).unwrap();
        for file in fs::read_dir(self.dir.join("safe")).unwrap() {
            let file = file.unwrap();
            fs::rename(file.path(), safe.join(file.file_name())).unwrap();
        }
    }

    /// Returns every byte of the database's files and of the logs.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let database = ["gateway.db", "gateway.db-wal", "gateway.db-shm"].map(|file| self.dir.join(file));
        let logs = fs::read_dir(self.dir.join("logs")).unwrap().map(|entry| entry.unwrap().path());
        let files = database.into_iter().filter(|file| file.exists()).chain(logs);
        files.map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }

    /// Returns the first column of what a statement selects.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let database = self.database().await;
        let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&database).await.unwrap();
        database.close().await;
        rows.into_iter().map(|(value,)| value).collect()
    }

    /// Does what somebody does who can write the database.
    pub(crate) async fn write(&self, sql: &str) {
        let database = self.database().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database).await.unwrap();
        database.close().await;
    }

    /// Close it: a connection that ends later writes what it has of the old database into one that was restored meanwhile.
    async fn database(&self) -> AnyPool {
        sqlx::any::install_default_drivers();
        AnyPool::connect(&Home::read(&self.dir).unwrap().database()).await.unwrap()
    }

    /// Returns every column of every table.
    pub(crate) async fn columns(&self) -> Vec<(String, String)> {
        let sql = "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
            WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%'";
        let split = |name: String| name.split_once('.').map(|(table, column)| (table.to_owned(), column.to_owned()));
        self.rows(sql).await.into_iter().filter_map(split).collect()
    }

    /// Copies the database.
    pub(crate) async fn copy(&self, file: &str) {
        self.write(&format!("VACUUM INTO '{}'", self.dir.join(file).display())).await;
    }

    /// Puts a copy back in the place of the database, as an operator does, with the processes stopped.
    pub(crate) fn restore(&mut self, file: &str) {
        for process in ["dashboard", "proxy", "worker"] {
            self.kill(process);
        }
        for file in ["gateway.db-wal", "gateway.db-shm"] {
            let _ = fs::remove_file(self.dir.join(file));
        }
        fs::copy(self.dir.join(file), self.dir.join("gateway.db")).unwrap();
    }

    /// Stops the processes, and deletes everything but the configuration.
    pub(crate) fn empty(&mut self) {
        for process in ["dashboard", "proxy", "worker"] {
            self.kill(process);
        }
        for dir in ["keys", "safe", "escrow", "outbox", "drill"] {
            let _ = fs::remove_dir_all(self.dir.join(dir));
        }
        for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
            let _ = fs::remove_file(self.dir.join(file));
        }
    }

    /// Waits until each key is under its tenant's own master key.
    pub(crate) async fn until_taken_over(&self) {
        until("the worker takes over", async || {
            self.rows("SELECT envelope FROM credentials").await.iter().all(|row| row.contains(":tenant/"))
        })
        .await;
    }

    /// Notes in the audit log that the root began this many days ago.
    pub(crate) async fn age_root(&self, days: u64) {
        let home = Home::read(&self.dir).unwrap();
        let store = Store::open(&home.database()).await.unwrap();
        let log = Log::new(home.parsed(AUDIT).unwrap(), store.audit(), move || clock::millis() - days * 86_400_000);
        let notice = Notice::begin_root(&home.parsed(RING).unwrap(), &Epoch(1).root().unwrap(), "worker", "long ago");
        log.append(Notice::SUBJECT, notice.action()).await.unwrap();
    }

    /// Returns whether any 32 bytes in the memory of a process are the root that the dashboard's pair is sealed under.
    pub(crate) async fn opens_with_memory_of(&self, process: &str) -> bool {
        let sealed: Envelope = self.rows("SELECT envelope FROM writer_pairs").await[0].parse().unwrap();
        let root = sealed.key_ids().next().unwrap();
        memory::any_window(self.pid(process), |window| {
            let key = MasterKey::from_bytes(&mut window.to_vec());
            key.is_ok_and(|key| Keyring::new(root.clone(), key).unwrap().verify(&sealed).is_ok())
        })
    }

    /// Signs somebody in.
    pub(crate) async fn sign_in(&self, email: &str) -> Customer {
        let customer = Customer::new(self);
        let reply = customer.form("/sign-in", &[("email", email)]).await;
        assert_eq!(reply.status(), StatusCode::OK);
        let link = self.mail(email).await;
        let path = link.strip_prefix(&self.dashboard).unwrap();
        assert!(customer.page(path).await.contains(&format!("Sign in as {email}<")), "the link is {email}'s");
        let (path, token) = path.split_once("?token=").unwrap();
        let reply = customer.form(path, &[("token", token)]).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER);
        let set_cookie = reply.headers()["set-cookie"].to_str().unwrap().to_owned();
        Customer { cookie: set_cookie.split_once(';').unwrap().0.into(), set_cookie, ..customer }
    }

    /// Takes the last mail to somebody out of the outbox, and returns its link.
    pub(crate) async fn mail(&self, email: &str) -> String {
        let mut links = Vec::new();
        for entry in fs::read_dir(self.dir.join("outbox")).unwrap() {
            let path = entry.unwrap().path();
            let mail: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            if mail["to"] == email {
                links.push(mail["link"].as_str().unwrap().to_owned());
                fs::remove_file(path).unwrap();
            }
        }
        assert_eq!(links.len(), 1, "one mail");
        links.remove(0)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Somebody at the dashboard.
#[derive(Clone)]
pub(crate) struct Customer {
    client: Client,
    pub(crate) dashboard: String,
    pub(crate) proxy: String,
    pub(crate) cookie: String,
    /// The whole header that set it.
    pub(crate) set_cookie: String,
}

impl Customer {
    fn new(scene: &Scene) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self {
            client,
            dashboard: scene.dashboard.clone(),
            proxy: scene.proxy.clone(),
            cookie: String::new(),
            set_cookie: String::new(),
        }
    }

    /// Begins a request to the dashboard, as a browser makes it.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.dashboard));
        request.header("origin", &self.dashboard).header("cookie", &self.cookie)
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
        self.form_request(path, fields).send().await.unwrap()
    }

    /// Begins a request that posts a form.
    pub(crate) fn form_request(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let encode =
            |text: &str| {
                text.bytes()
                    .map(|byte| {
                        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
                    })
                    .collect::<String>()
            };
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        request.body(body.join("&"))
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let reply = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        reply.text().await.unwrap()
    }

    /// Stores a key.
    pub(crate) async fn store(&self, provider: &str, key: &str) {
        let reply = self.request(Method::PUT, &format!("/keys/{provider}")).header("content-type", "text/plain");
        let reply = reply.body(key.to_owned()).send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.status());
    }

    /// Issues a token, and returns what is shown once.
    pub(crate) async fn token(&self, mode: &str, scopes: &[&str]) -> String {
        let mut fields = vec![("mode", mode), ("days", "30")];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let page = self.form("/tokens", &fields).await.text().await.unwrap();
        shown(&page)
    }

    /// Sends a request to the proxy whose path no client makes, and returns the status.
    pub(crate) async fn ask_raw(&self, path: &str, headers: &str, token: &str) -> u16 {
        let address = self.proxy.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{headers}connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Begins a request to the proxy.
    pub(crate) fn ask(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.proxy)).header("authorization", format!("Bearer {token}"))
    }
}

/// Returns a command of the program.
pub(crate) fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--home").arg(home).args(arguments);
    command
}

/// Returns the token that a page shows.
pub(crate) fn shown(page: &str) -> String {
    let start = page.find("bg_").expect("a token is shown");
    let token: String = page[start..].chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').collect();
    assert_eq!(page.matches(&token).count(), 1, "it is shown once");
    token
}

/// Asks until nothing opens any more, and returns how long after the beginning the last request that succeeded was begun.
pub(crate) async fn last_opening(ask: impl AsyncFn() -> StatusCode) -> Duration {
    let begun = Instant::now();
    let mut last = Duration::ZERO;
    until("nothing opens", async || {
        let asked = begun.elapsed();
        let status = ask().await;
        if status == StatusCode::OK {
            last = asked;
        }
        status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    last
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Returns the SHA-256 of texts, in hex.
pub(crate) fn sha256(texts: &[&str]) -> Vec<String> {
    let digest = |text: &&str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    texts.iter().map(digest).collect()
}

pub(crate) fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
