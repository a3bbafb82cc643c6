//! The fourth service: scoped tokens that expire and can be revoked at once, last-used times, test mode.

use byok_gateway::config::Home;
use byok_gateway::store::Store;
use byok_gateway::tokens::{self, ApiTokens};
use reqwest::{Method, StatusCode};
use sealwax_tenants::TenantId;
use sealwax_tokens::{Grant, Mode};

use crate::scene::Scene;

const KEY: &str = "sk-proj-003-AbCdEfGhIjKlMnOp";

#[tokio::test(flavor = "multi_thread")]
async fn promise_003_tokens_have_scopes_an_end_and_a_last_use() {
    let scene = Scene::start("promise_003_tokens").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    mia.store("groq", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    assert!(mia.page("/tokens").await.contains("never"), "it was not used");
    let status = async |path: &str, token: &str| mia.ask(Method::GET, path, token).send().await.unwrap().status();
    assert_eq!(status("/openai/v1/models", &token).await, StatusCode::OK);
    let elsewhere = mia.ask(Method::GET, "/groq/v1/models", &token).send().await.unwrap();
    assert_eq!(
        (elsewhere.status(), &elsewhere.headers()["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    assert_eq!(
        scene.rows("SELECT 'used' FROM sealwax_tokens WHERE last_used IS NOT NULL AND subject LIKE 'tenant/%'").await,
        ["used"]
    );
    // One that has expired.
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    let tenant: TenantId = scene.rows("SELECT id FROM accounts").await[0].parse().unwrap();
    let grant = Grant::new(tokens::subject(&tenant), ["openai"]).unwrap().expires(byok_gateway::clock::seconds() + 2);
    let issued = ApiTokens::read(&home).unwrap().of(Mode::Live).issue(grant).unwrap();
    store.tokens().insert(&issued).await.unwrap();
    let short = issued.token.into_secret().unwrap();
    assert_eq!(status("/openai/v1/models", short.expose_str().unwrap()).await, StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(status("/openai/v1/models", short.expose_str().unwrap()).await, StatusCode::UNAUTHORIZED);
    // Revoked: the next request is refused.
    let id = scene
        .rows(&format!("SELECT id FROM sealwax_tokens WHERE subject LIKE 'tenant/%' AND id <> '{}'", issued.claims.id))
        .await;
    mia.form(&format!("/tokens/{}/revoke", id[0]), &[]).await;
    assert_eq!(status("/openai/v1/models", &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_003_a_test_token_touches_no_key() {
    let scene = Scene::start("promise_003_mock").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    crate::scene::until("the daily check is over", async || {
        scene.rows("SELECT 'checked' FROM credentials WHERE checked IS NOT NULL").await.len() == 1
    })
    .await;
    scene.upstream.take();
    let opened = async || scene.rows("SELECT count(*) || '' FROM sealwax_audit_entries WHERE outcome = 'opened'").await;
    let before = opened().await;
    let token = mia.token("test", &["openai"]).await;
    assert!(token.starts_with("bg_test_"));
    let reply = mia.ask(Method::POST, "/openai/v1/chat/completions", &token).body("{}").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(reply.text().await.unwrap().contains("\"mock\":true"));
    assert!(scene.upstream.take().is_empty());
    assert_eq!(opened().await, before);
}
