//! Tests against a real OpenBao server: `SEALWAX_TEST_OPENBAO` is its address, such as `http://127.0.0.1:8200`, and
//! `SEALWAX_TEST_OPENBAO_TOKEN` its root token. `SEALWAX_TEST_OPENBAO_BIN` is the program, for a test that seals a
//! server of its own.
//!
//! Each test has a mount with a name that no other test has, so that they run in parallel.

mod branches;
mod conformance;
mod example;
mod guards;
mod levers;
mod own;
mod reach;
mod refusals;
#[cfg(target_os = "linux")]
mod residue;
mod rows;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use sealwax::{ProviderError, ProviderFuture, Secret};
use sealwax_transit::{
    Body, HyperTransport, KeyLocation, Token, TransitKey, Transport, TransportError,
};
use serde_json::{Value, json};

const TESTS: [&str; 9] = [
    include_str!("server/branches.rs"),
    include_str!("server/conformance.rs"),
    include_str!("server/example.rs"),
    include_str!("server/guards.rs"),
    include_str!("server/levers.rs"),
    include_str!("server/reach.rs"),
    include_str!("server/refusals.rs"),
    include_str!("server/residue.rs"),
    include_str!("server/rows.rs"),
];

/// The harness would swallow what `println!` says in a test that passes.
#[test]
fn tests_that_are_skipped_are_counted() {
    let count = |text| TESTS.iter().map(|tests| tests.matches(text).count()).sum::<usize>();
    let (tests, own) = (count("\n#[test]\n") - count("\n#[ignore"), count("with_own_bao(|"));
    assert!(tests >= 30 && own == 3, "{tests}, {own}");
    let is_missing = |name| std::env::var_os(name).is_none();
    let skipped = match () {
        () if is_missing("SEALWAX_TEST_OPENBAO") => tests,
        () if is_missing("SEALWAX_TEST_OPENBAO_BIN") => own,
        () => 0,
    };
    let line = format!(
        "sealwax-transit: {skipped} of {tests} tests with a real OpenBao server are skipped\n"
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

type Plain = HyperTransport<HttpConnector>;
type Key = TransitKey<Plain>;

/// Counts the requests.
#[derive(Clone)]
struct Counting<T> {
    inner: T,
    requests: Arc<AtomicUsize>,
}

impl<T> Counting<T> {
    fn new(inner: T) -> Self {
        Self { inner, requests: Arc::default() }
    }
}

impl<T: Transport> Transport for Counting<T> {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request)
    }
}

/// A server, and a mount that belongs to one test.
struct Bao {
    transport: Plain,
    address: String,
    root: String,
    namespace: Option<&'static str>,
    mount: String,
}

/// Runs a test against the server, if there is one.
fn with_bao<F: Future<Output = ()>>(test: impl FnOnce(Bao) -> F) {
    let Ok(address) = std::env::var("SEALWAX_TEST_OPENBAO") else { return };
    let root = std::env::var("SEALWAX_TEST_OPENBAO_TOKEN").unwrap();
    run(async { test(Bao::new(address, root).await).await });
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// Returns a name that no other test and no other run has.
fn unique(word: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{word}-{now:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Bao {
    async fn new(address: String, root: String) -> Self {
        let transport = HyperTransport::plain(Duration::from_secs(10));
        let mount = unique("sealwax-test");
        let bao = Self { transport, address, root, namespace: None, mount };
        bao.mount().await;
        bao
    }

    async fn mount(&self) {
        self.post(&format!("sys/mounts/{}", self.mount), json!({ "type": "transit" })).await;
    }

    /// Sends a request as root, and returns status and body.
    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut request = Request::new(Body::try_from(body).unwrap());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("{}/v1/{path}", self.address).parse().unwrap();
        request.headers_mut().insert("x-vault-token", self.root.parse().unwrap());
        if let Some(namespace) = self.namespace {
            request.headers_mut().insert("x-vault-namespace", namespace.parse().unwrap());
        }
        let reply = self.transport.send(request).await.unwrap();
        let body = serde_json::from_slice(reply.body().as_ref()).unwrap_or_default();
        (reply.status().as_u16(), body)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, reply) = self.send("POST", path, body).await;
        assert!(matches!(status, 200 | 204), "{path}: {status} {reply}");
        reply
    }

    /// Creates a key in this test's mount.
    async fn create(&self, name: &str, options: Value) {
        self.post(&format!("{}/keys/{name}", self.mount), options).await;
    }

    async fn rotate(&self, name: &str) {
        self.post(&format!("{}/keys/{name}/rotate", self.mount), json!({})).await;
    }

    async fn exists(&self, name: &str) -> bool {
        self.send("GET", &format!("{}/keys/{name}", self.mount), Value::Null).await.0 == 200
    }

    /// Creates a token with this policy, in which `MOUNT` is the path of this test's mount.
    async fn token(&self, policy: &str, ttl: &str) -> Token {
        let name = unique("sealwax-test");
        self.set_policy(&name, policy).await;
        Token::new(&self.token_with(&name, ttl).await).unwrap()
    }

    async fn set_policy(&self, name: &str, policy: &str) {
        let policy = policy.replace("MOUNT", &self.mount);
        self.post(&format!("sys/policies/acl/{name}"), json!({ "policy": policy })).await;
    }

    async fn token_with(&self, policy: &str, ttl: &str) -> Secret {
        let options = json!({ "policies": [policy], "ttl": ttl });
        let reply = self.post("auth/token/create", options).await;
        Secret::from(reply["auth"]["client_token"].as_str().unwrap())
    }

    fn root(&self) -> Token {
        Token::new(&Secret::from(&self.root)).unwrap()
    }

    fn location(&self, name: &str) -> KeyLocation {
        let location = KeyLocation::new(&self.address, name).unwrap();
        let location = location.with_mount(&self.mount).unwrap();
        match self.namespace {
            Some(namespace) => location.with_namespace(namespace).unwrap(),
            None => location,
        }
    }

    async fn connect(&self, name: &str, token: Token) -> Result<Arc<Key>, ProviderError> {
        Key::connect(self.transport.clone(), self.location(name), token).await.map(Arc::new)
    }

    fn unchecked(&self, name: &str, token: Token) -> Key {
        Key::unchecked(self.transport.clone(), self.location(name), token)
    }

    /// Creates a key, and returns a provider with the root token.
    async fn key(&self, name: &str) -> Arc<Key> {
        self.create(name, json!({})).await;
        self.connect(name, self.root()).await.unwrap()
    }
}
