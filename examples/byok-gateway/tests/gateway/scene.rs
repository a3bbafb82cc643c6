//! A gateway that runs, and its customers.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};

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
        install_tls();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("logs")).unwrap();
        let upstream = Upstream::start().await;
        fs::write(dir.join("root.pem"), &upstream.root).unwrap();
        let [dashboard, proxy] = [free_port(), free_port()];
        let lines = format!(
            "dashboard = \"127.0.0.1:{dashboard}\"\nproxy = \"127.0.0.1:{proxy}\"\norigin = \"http://127.0.0.1:{dashboard}\"\n\
             egress.proxy = \"http://{}\"\negress.roots = \"root.pem\"\n{config}",
            upstream.address
        );
        fs::write(dir.join("gateway.toml"), lines).unwrap();
        let [dashboard, proxy] = [dashboard, proxy].map(|port| format!("http://127.0.0.1:{port}"));
        let mut scene = Self { dir, dashboard, proxy, upstream, level, processes: Vec::new() };
        assert!(scene.run(&["init"]).0, "init failed");
        for process in ["proxy", "worker"] {
            scene.begin(process);
        }
        scene.until_ready().await;
        scene
    }

    /// Starts a process, whose log goes to a file.
    pub(crate) fn begin(&mut self, process: &'static str) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log(process)).unwrap();
        let child = Command::new(PROGRAM)
            .arg("--home")
            .arg(&self.dir)
            .arg(process)
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
        for address in [&self.proxy] {
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

    pub(crate) fn pid(&self, process: &str) -> u32 {
        self.processes.iter().find(|(name, _)| *name == process).unwrap().1.id()
    }

    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.dir.join("logs").join(process)
    }

    /// Runs a command to its end. Returns whether it succeeded, and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(PROGRAM).arg("--home").arg(&self.dir).args(arguments).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut log = fs::OpenOptions::new().create(true).append(true).open(self.log("commands")).unwrap();
        log.write_all(text.as_bytes()).unwrap();
        (output.status.success(), text)
    }

    /// Returns every byte of the database's files and of the logs.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let database = ["gateway.db", "gateway.db-wal", "gateway.db-shm"].map(|file| self.dir.join(file));
        let logs = fs::read_dir(self.dir.join("logs")).unwrap().map(|entry| entry.unwrap().path());
        let files = database.into_iter().filter(|file| file.exists()).chain(logs);
        files.map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }

    /// Signs somebody in.
    pub(crate) async fn sign_in(&self, email: &str) -> Customer {
        let customer = Customer::new(self);
        let reply = customer.form("/sign-in", &[("email", email)]).await;
        assert_eq!(reply.status(), StatusCode::OK);
        let link = self.mail(email).await;
        let path = link.strip_prefix(&self.dashboard).unwrap();
        let (path, token) = path.split_once("?token=").unwrap();
        let reply = customer.form(path, &[("token", token)]).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER);
        let cookie = reply.headers()["set-cookie"].to_str().unwrap().split_once(';').unwrap().0.to_owned();
        Customer { cookie, ..customer }
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
}

impl Customer {
    fn new(scene: &Scene) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, dashboard: scene.dashboard.clone(), proxy: scene.proxy.clone(), cookie: String::new() }
    }

    /// Begins a request to the dashboard, as a browser makes it.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.dashboard));
        request.header("origin", &self.dashboard).header("cookie", &self.cookie)
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
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
        request.body(body.join("&")).send().await.unwrap()
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

    /// Begins a request to the proxy.
    pub(crate) fn ask(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.proxy)).header("authorization", format!("Bearer {token}"))
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
