//! Connections that do not go on, and what is left in their buffers.

use std::time::{Duration, Instant};

use byok_gateway::web::Limit;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::scene::Scene;

/// Sends a text, and then a byte every so often. Returns what came until the connection was closed, and how long that took.
async fn send(scene: &Scene, text: &str, pause: Duration) -> (String, Duration) {
    let stream = TcpStream::connect(scene.origin.strip_prefix("http://").unwrap()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(text.as_bytes()).await.unwrap();
    let sends = async {
        loop {
            sleep(pause).await;
            let _ = writer.write_all(b"x").await;
        }
    };
    let (begun, mut reply) = (Instant::now(), Vec::new());
    let read = timeout(Duration::from_secs(120), reader.read_to_end(&mut reply));
    let closed = tokio::select! {
        () = sends => unreachable!(),
        closed = read => closed,
    };
    assert!(closed.is_ok(), "it is not closed: {:?}", text.lines().next());
    (String::from_utf8(reply).unwrap(), begun.elapsed())
}

#[tokio::test]
async fn a_connection_that_does_not_go_on_ends() {
    let scene = Scene::start("connections", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let put = format!(
        "PUT /keys/openai HTTP/1.1\r\nhost: x\r\norigin: {}\r\ncookie: {}\r\ncontent-length: 100\r\n\r\nsk-proj-0123456789",
        scene.origin, mia.cookie
    );
    let never = Duration::from_secs(1000);
    let (half_head, between, half_body, slow_body) = tokio::join!(
        send(&scene, "GET / HTTP/1.1\r\nhost:", never),
        send(&scene, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", never),
        send(&scene, &put, never),
        send(&scene, &put, Duration::from_secs(4)),
    );
    assert_eq!(half_head.0, "");
    assert!(between.0.starts_with("HTTP/1.1 200 ") && between.0.ends_with("ok\n"), "{}", between.0);
    for (reply, time) in [&half_head, &between, &half_body] {
        assert!((9..25).contains(&time.as_secs()), "{time:?}: {reply}");
    }
    for (reply, _) in [&half_body, &slow_body] {
        assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("\r\nconnection: close\r\n"), "{reply}");
        assert!(reply.contains("\r\nx-frame-options: DENY\r\n"), "{reply}");
    }
    assert!(slow_body.0.contains("This took too long.") && !half_body.0.contains("This took too long."));
    assert!(!mia.page("/api/keys").await.contains(":true"));
}

#[tokio::test]
async fn the_connection_of_a_key_is_closed_whatever_the_answer_is() {
    let scene = Scene::start("close", "limits.address = 40").await;
    let mia = scene.sign_in("mia@example.com").await;
    let key = "sk-proj-0123456789";
    let mut replies = vec![
        (200, mia.put("/keys/openai", key).await),
        (303, mia.post("/keys/openai", &format!("key={key}")).await),
        (401, scene.stranger().put("/keys/openai", key).await),
        (403, mia.request(Method::PUT, "/keys/openai").body(key).send().await.unwrap()),
        (404, mia.put("/keys/unknown", key).await),
        (404, mia.put("/nowhere", key).await),
        (405, mia.put("/tokens", key).await),
        (413, mia.put("/keys/openai", &key.repeat(1000)).await),
        (422, mia.put("/keys/openai", "x").await),
    ];
    while mia.get("/healthz").await.status() != StatusCode::TOO_MANY_REQUESTS {}
    replies.push((429, mia.put("/keys/openai", key).await));
    for (status, reply) in replies {
        let connection = reply.headers().get("connection").map(|value| value.to_str().unwrap());
        assert_eq!((reply.status().as_u16(), connection), (status, Some("close")));
    }
}

#[test]
fn a_limit_of_very_many_addresses_is_fast() {
    let limit = Limit::new(1, Duration::from_secs(3600));
    assert!((0..100_001).all(|address| limit.allows(&address)));
    let begun = Instant::now();
    assert!((0..5000).all(|address| !limit.allows(&address)));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
