//! The same over PostgreSQL, and with a keyring under OpenBao. Without the variables of CONTRIBUTING.md, these are skipped.

use std::env;
use std::io::Write;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::chaos::{ALL_THE_TIME, append_at_once, fence, survive};
use crate::life::live;
use crate::postgres::{postgres, unique};
use crate::scene::{Scene, install_tls, last_opening};

const TESTS: usize = 15;

#[test]
fn tests_that_are_skipped_are_counted() {
    let tests = [include_str!("servers.rs"), include_str!("browser.rs"), include_str!("../dashboard/servers.rs")];
    assert_eq!(tests.iter().map(|text| text.matches("\n#[tokio::test").count()).sum::<usize>(), TESTS);
    let is_missing = |name| env::var_os(name).is_none();
    let needed = ["SEALWAX_TEST_POSTGRES", "SEALWAX_TEST_OPENBAO", "SEALWAX_TEST_CHROMEDRIVER", "SEALWAX_TEST_AXE"];
    let skipped = if needed.into_iter().any(is_missing) { TESTS } else { 0 };
    let line = format!("byok-gateway: {skipped} of {TESTS} tests with servers and browsers are skipped\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A key at OpenBao, and a token that may only use it.
struct OpenBao {
    address: String,
    root: String,
    mount: String,
    token: String,
}

impl OpenBao {
    async fn new() -> Option<Self> {
        install_tls();
        let address = env::var("SEALWAX_TEST_OPENBAO").ok()?;
        let root = env::var("SEALWAX_TEST_OPENBAO_TOKEN").unwrap();
        let mut bao = Self { address, root, mount: unique("transit"), token: String::new() };
        let mount = bao.mount.clone();
        bao.ask(&format!("sys/mounts/{mount}"), json!({ "type": "transit" })).await;
        bao.ask(&format!("{mount}/keys/gateway"), json!({})).await;
        let use_it = json!({ "capabilities": ["update"] });
        let policy = json!({ "path": { format!("{mount}/encrypt/gateway"): use_it, format!("{mount}/decrypt/gateway"): use_it } });
        bao.ask(&format!("sys/policies/acl/{mount}"), json!({ "policy": policy.to_string() })).await;
        let token = bao.ask("auth/token/create", json!({ "policies": [mount] })).await;
        bao.token = token["auth"]["client_token"].as_str().unwrap().into();
        Some(bao)
    }

    async fn ask(&self, path: &str, body: Value) -> Value {
        let request = Client::new().post(format!("{}/v1/{path}", self.address)).header("x-vault-token", &self.root);
        let reply = request.body(body.to_string()).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        serde_json::from_str(&reply.text().await.unwrap()).unwrap_or_default()
    }

    fn config(&self) -> String {
        format!(
            "openbao.address = \"{}\"\nopenbao.mount = \"{}\"\nopenbao.key = \"gateway\"\n",
            self.address, self.mount
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql() {
    let Some(database) = postgres().await else { return };
    live(&Scene::start_with("over_postgresql", &database, "warn").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql_when_processes_are_killed() {
    let Some(database) = postgres().await else { return };
    survive("chaos_postgresql", &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql_a_rewrap_that_comes_after_a_deletion_writes_nothing() {
    let Some(database) = postgres().await else { return };
    let mut scene = Scene::start_quietly("fence_postgresql", &database).await;
    scene.kill("worker");
    fence(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql_no_entry_is_lost() {
    let Some(database) = postgres().await else { return };
    append_at_once(&Scene::start_quietly("chain_postgresql", &(database + ALL_THE_TIME)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_openbao() {
    let Some(bao) = OpenBao::new().await else { return };
    live(&Scene::start_under("under_openbao", &bao.config(), &bao.token).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql_and_under_openbao() {
    let (Some(database), Some(bao)) = (postgres().await, OpenBao::new().await) else { return };
    live(&Scene::start_under("over_both", &(database + &bao.config()), &bao.token).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_003_data_keys_are_under_a_key_service_that_can_end_all_openings() {
    let Some(bao) = OpenBao::new().await else { return };
    let config = format!("policy.max_age = 4\n{}", bao.config());
    let scene = Scene::start_under("promise_003_openbao", &config, &bao.token).await;
    let ring = std::fs::read_to_string(scene.dir.join("keys/service/ring")).unwrap();
    assert!(ring.starts_with("sw1:a256gcm:openbao=") && !ring.contains("swk1_"), "the keyring is sealed");
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-003-under-openbao").await;
    let token = mia.token("live", &["openai"]).await;
    let status = async || mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status();
    assert_eq!(status().await, StatusCode::OK);
    // The operator ends the token of the service.
    bao.ask("auth/token/revoke", json!({ "token": bao.token })).await;
    let last = last_opening(status).await;
    assert!(last.as_millis() <= 4000, "{last:?}");
}
