//! Connections of the proxy: how many there are, how they end, and whose they are behind a server in front.

use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::scene::{Customer, Scene, until};

const LONG: Duration = Duration::from_secs(60);

async fn begin(scene: &Scene, path: &str) -> (Customer, String, Response) {
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-connections-0123").await;
    let token = mia.token("live", &["openai"]).await;
    let reply = mia.ask(Method::GET, path, &token).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    (mia, token, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_above_the_limit_wait_until_one_ends() {
    let scene = Scene::start_quietly("connections_limit", "limits.connections = 2\n").await;
    let (mia, token, first) = begin(&scene, "/openai/endless").await;
    let second = mia.ask(Method::GET, "/openai/endless", &token).send().await.unwrap();
    let mut third = tokio::spawn(reqwest::get(format!("{}/healthz", scene.proxy)));
    assert!(timeout(Duration::from_secs(3), &mut third).await.is_err(), "it has to wait");
    drop(first);
    let third = timeout(LONG, third).await.expect("it is served").unwrap().unwrap();
    assert_eq!((third.status(), second.status()), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_nothing_is_dropped() {
    let scene = Scene::start_quietly("connections_unread", "limits.connections = 1\n").await;
    let address = scene.proxy.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asked = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n").repeat(1000);
    // Until nothing fits into any buffer.
    while let Ok(written) = timeout(Duration::from_secs(3), stream.write_all(asked.as_bytes())).await {
        written.unwrap();
    }
    let reply = timeout(2 * LONG, reqwest::get(format!("{}/healthz", scene.proxy))).await;
    assert_eq!(reply.expect("the next one is served").unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_stop_ends_replies_that_do_and_drops_the_others() {
    let mut scene = Scene::start_quietly("connections_stop", "").await;
    let (mia, token, endless) = begin(&scene, "/openai/endless").await;
    let slow = mia.ask(Method::GET, "/openai/slow", &token).send().await.unwrap();
    kill_process(Pid::from_raw(scene.pid("proxy").try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert!(slow.text().await.unwrap().ends_with("data: 9\n\n"));
    assert!(reqwest::get(format!("{}/healthz", scene.proxy)).await.is_err(), "no others are accepted");
    let mut status = None;
    until("it ends", async || {
        status = scene.ended("proxy");
        status.is_some()
    })
    .await;
    assert!(status.unwrap().success());
    assert!(endless.text().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_is_answered() {
    let scene = Scene::start_quietly("connections_body", "").await;
    let (mia, token, _) = begin(&scene, "/openai/v1/models").await;
    let status = timeout(LONG, mia.ask_raw("/openai/v1/chat", "content-length: 5\r\n", &token)).await;
    assert_eq!(status.expect("it is answered"), 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_behind_a_server_in_front_have_limits_of_their_own() {
    let config = "front = \"x-real-ip\"\nlimits.unknown = 3\n";
    let scene = Scene::start_quietly("connections_front", config).await;
    let (mia, token, _) = begin(&scene, "/openai/v1/models").await;
    let ask = async |from: &str, token: &str| {
        let request = mia.ask(Method::GET, "/openai/v1/models", token).header("x-real-ip", from);
        request.send().await.unwrap().status().as_u16()
    };
    for (from, statuses) in [("192.0.2.1", [401, 401, 401, 429]), ("192.0.2.2", [401, 401, 401, 429])] {
        for status in statuses {
            assert_eq!(ask(from, "another_programs_token").await, status, "{from}");
        }
        // What needs no search has no such limit.
        assert_eq!([ask(from, &token).await, ask(from, "bg_live_wrong").await], [200, 401]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openings_of_one_tenant_do_not_race() {
    let scene = Scene::start_quietly("connections_burst", "limits.token = 10000\nlimits.address = 10000\n").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-connections-0123").await;
    let token = mia.token("live", &["openai"]).await;
    let ask = || {
        let request = mia.ask(Method::GET, "/openai/v1/models", &token);
        async { assert_eq!(request.send().await.unwrap().status(), StatusCode::OK) }
    };
    ask().await;
    let begun = Instant::now();
    for _ in 0..400 {
        ask().await;
    }
    let one_by_one = begun.elapsed();
    // All of them append to one chain of the audit log. If they raced for its end, this would take 18 times as long.
    let begun = Instant::now();
    let requests: JoinSet<()> = (0..400).map(|_| ask()).collect();
    requests.join_all().await;
    assert!(begun.elapsed() < 6 * one_by_one, "{:?} and {one_by_one:?}", begun.elapsed());
}
