//! The third service: a data key for each credential, a dashboard that cannot decrypt, tokens, links and sessions.

use std::fs;
use std::time::Duration;

use byok_gateway::config::Home;
use byok_gateway::store::Store;
use byok_gateway::tokens::Visitors;
use reqwest::{Method, StatusCode};

use crate::memory;
use crate::scene::{Scene, shown, until};

const KEY: &str = "sk-proj-002-AbCdEfGhIjKlMnOp";

#[tokio::test(flavor = "multi_thread")]
async fn promise_002_each_credential_has_a_data_key_of_its_own() {
    let scene = Scene::start("promise_002_data_keys").await;
    let mia = scene.sign_in("mia@example.com").await;
    for provider in ["openai", "groq", "xai"] {
        mia.store(provider, KEY).await;
    }
    let rows = async || scene.rows("SELECT envelope FROM credentials").await;
    until("the worker takes over", async || rows().await.iter().all(|row| row.contains(":tenant/"))).await;
    // The commitment is derived from the data key alone and identifies it: format.md calls it the stable id of a seal.
    let mut commitments: Vec<_> =
        rows().await.iter().map(|row| *row.parse::<sealwax::Envelope>().unwrap().commitment()).collect();
    commitments.sort_unstable();
    commitments.dedup();
    assert_eq!(commitments.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_002_the_dashboard_cannot_decrypt() {
    let mut scene = Scene::start("promise_002_dashboard").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    // It runs without the keys of the service.
    scene.kill("dashboard");
    fs::rename(scene.dir.join("keys/service"), scene.dir.join("elsewhere")).unwrap();
    fs::rename(scene.dir.join("safe"), scene.dir.join("elsewhere/safe")).unwrap();
    scene.begin("dashboard");
    scene.until_ready().await;
    let key = "sk-proj-002-stored-without-them";
    mia.store("anthropic", key).await;
    for path in ["/keys", "/tokens", "/security"] {
        mia.page(path).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // All of its memory, and all of its files: no key that opens is in them, and no value that was stored.
    let ring = fs::read_to_string(scene.dir.join("elsewhere/ring")).unwrap();
    let root = ring.split_whitespace().last().unwrap();
    let opening_key = fs::read_to_string(scene.dir.join("elsewhere/safe/epoch-1")).unwrap();
    let pid = scene.pid("dashboard");
    let needles = [root.as_bytes(), &root.as_bytes()[5..], opening_key.as_bytes(), KEY.as_bytes(), key.as_bytes()];
    assert_eq!(memory::count(pid, &needles), [0; 5]);
    // With its memory and its files in hand, each 32 bytes are tried as the root of the keyring.
    assert!(!scene.opens_with_memory_of("dashboard").await);
    fs::rename(scene.dir.join("elsewhere/safe"), scene.dir.join("safe")).unwrap();
    fs::rename(scene.dir.join("elsewhere"), scene.dir.join("keys/service")).unwrap();
    // The proxy has it: the same search finds the root there.
    assert!(scene.opens_with_memory_of("proxy").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_002_a_token_is_shown_once_and_ends_when_it_is_replaced() {
    let scene = Scene::start("promise_002_tokens").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let old = mia.token("live", &["openai"]).await;
    let secret = old.strip_prefix("bg_live_").unwrap();
    assert!(!mia.page("/tokens").await.contains(secret));
    let status = async |token: &str| mia.ask(Method::GET, "/openai/v1/models", token).send().await.unwrap().status();
    assert_eq!(status(&old).await, StatusCode::OK);
    let id = scene.rows("SELECT id FROM sealwax_tokens WHERE subject LIKE 'tenant/%'").await.remove(0);
    let page = mia.form(&format!("/tokens/{id}/rotate"), &[("grace", "0")]).await.text().await.unwrap();
    let new = shown(&page);
    assert_eq!([status(&old).await, status(&new).await], [StatusCode::UNAUTHORIZED, StatusCode::OK]);
    // Nobody else rotates or revokes it.
    let noa = scene.sign_in("noa@example.com").await;
    for change in ["rotate", "revoke"] {
        let reply = noa.form(&format!("/tokens/{id}/{change}"), &[("grace", "0")]).await;
        assert!(reply.status().is_client_error(), "{change}: {}", reply.status());
    }
    assert_eq!(status(&new).await, StatusCode::OK);
    for (file, bytes) in scene.files() {
        for token in [&old, &new] {
            assert_eq!(memory::find(&bytes, token.as_bytes()), 0, "{}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_002_a_link_works_once_and_for_fifteen_minutes() {
    let scene = Scene::start("promise_002_links").await;
    let mia = scene.sign_in("mia@example.com").await;
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    let visitors = Visitors::read(&home).unwrap();
    let redeem = async |token: &str| mia.form("/sign-in/link", &[("token", token)]).await.status();
    let now = byok_gateway::clock::seconds();
    let fresh = visitors.invite(&store, "mia@example.com", now).await.unwrap();
    let fresh = fresh.expose_str().unwrap();
    // A program that fetches links in mails signs nobody in.
    for _ in 0..2 {
        let reply = mia.request(Method::GET, &format!("/sign-in/link?token={fresh}")).send().await.unwrap();
        assert_eq!((reply.status(), reply.headers().get("set-cookie")), (StatusCode::OK, None));
    }
    assert_eq!(redeem(fresh).await, StatusCode::SEE_OTHER);
    assert!(redeem(fresh).await.is_client_error());
    let almost = visitors.invite(&store, "mia@example.com", now - 14 * 60).await.unwrap();
    assert_eq!(redeem(almost.expose_str().unwrap()).await, StatusCode::SEE_OTHER);
    let over = visitors.invite(&store, "mia@example.com", now - 15 * 60).await.unwrap();
    assert!(redeem(over.expose_str().unwrap()).await.is_client_error());
    for (file, bytes) in scene.files().iter().filter(|(file, _)| !file.parent().unwrap().ends_with("logs")) {
        assert_eq!(memory::find(bytes, fresh.as_bytes()), 0, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_002_a_session_is_a_cookie_that_scripts_do_not_see() {
    let scene = Scene::start("promise_002_sessions").await;
    let mia = scene.sign_in("mia@example.com").await;
    assert!(
        mia.set_cookie.contains("; HttpOnly")
            && mia.set_cookie.contains("; SameSite=Lax")
            && mia.set_cookie.contains("; Path=/")
    );
    assert!(!mia.set_cookie.contains("Domain"));
    // A form on another page, or a client that does not say where it is from, changes nothing.
    for origin in ["https://evil.example", "null", ""] {
        let request =
            mia.request(Method::POST, "/keys/openai").header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.body("key=sk-proj-evil-01234").build().unwrap();
        request.headers_mut().remove("origin");
        if !origin.is_empty() {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        assert_eq!(reqwest::Client::new().execute(request).await.unwrap().status(), StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(scene.rows("SELECT provider FROM credentials").await, [""; 0]);
    mia.form("/sign-out", &[]).await;
    let reply = mia.request(Method::GET, "/keys").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
}
