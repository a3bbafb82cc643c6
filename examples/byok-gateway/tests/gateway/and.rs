//! What no service promises: a provider that repeats the key, a key that is revoked at the key service.

use reqwest::{Method, StatusCode};

use crate::scene::{Scene, last_opening, until};

const KEY: &str = "sk-proj-echo-AbCdEfGhIjKlMnOp";

#[tokio::test(flavor = "multi_thread")]
async fn and_a_provider_that_repeats_the_key_shows_it_to_nobody() {
    let scene = Scene::start("and_echo").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    let reply = mia.ask(Method::POST, "/openai/echo", &token).body("hello").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(reply.headers()["x-echo"], format!("Bearer {}", "*".repeat(KEY.len())));
    let body = reply.text().await.unwrap();
    assert!(!body.contains(KEY) && body.contains(&"*".repeat(KEY.len())) && body.contains("hello"), "{body}");
    assert_eq!(scene.upstream.take().last().unwrap().headers["authorization"], format!("Bearer {KEY}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn and_a_body_is_passed_on_as_it_comes() {
    let scene = Scene::start("and_stream").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    let mut reply = mia.ask(Method::POST, "/openai/slow", &token).send().await.unwrap();
    let (begun, mut chunks) = (std::time::Instant::now(), Vec::new());
    while let Some(chunk) = reply.chunk().await.unwrap() {
        chunks.push((begun.elapsed(), chunk));
    }
    let whole: Vec<u8> = chunks.iter().flat_map(|(_, chunk)| chunk.to_vec()).collect();
    assert_eq!(
        String::from_utf8(whole).unwrap(),
        (0..10).map(|number| format!("data: {number}\n\n")).collect::<String>()
    );
    // The provider takes a second; the customer has the first half before that.
    assert!(chunks[0].0 < chunks.last().unwrap().0 / 2, "{chunks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn and_a_keyring_that_cannot_be_read_opens_nothing_after_its_maximum_age() {
    let scene = Scene::start_with("and_revoked", "policy.max_age = 3\n", "warn").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    let status = async || mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status();
    assert_eq!(status().await, StatusCode::OK);
    let (ring, away) = (scene.dir.join("keys/service/ring"), scene.dir.join("away"));
    std::fs::rename(&ring, &away).unwrap();
    let last = last_opening(status).await;
    assert!(last.as_millis() <= 3000, "{last:?}");
    std::fs::rename(&away, &ring).unwrap();
    until("it opens again", async || status().await == StatusCode::OK).await;
}
