//! What the gateway adds to a request, at 200 requests a second: `cargo bench --bench load`. `-- SECONDS` takes another time than
//! 30 seconds, and 600 shows whether the memory grows.
//!
//! Everything is on this machine: three processes, the provider, and this client. Each second, requests go through the gateway
//! and directly to the provider, in turns.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a benchmark"
)]
#![expect(dead_code, reason = "the tests use the rest of these modules")]

#[path = "../tests/gateway/memory.rs"]
mod memory;
#[path = "../tests/gateway/scene.rs"]
mod scene;
#[path = "../tests/gateway/seed.rs"]
mod seed;
#[path = "../tests/gateway/upstream.rs"]
mod upstream;

use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Proxy};
use scene::Scene;
use tokio::task::JoinSet;

const PER_SECOND: u32 = 200;

#[tokio::main]
async fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(if is_bench { 30 } else { 2 });
    let scene = Scene::start_quietly("load", "[limits]\ntoken = 100000\naddress = 100000\n").await;
    let tokens = {
        let mut tokens = Vec::new();
        for tenant in 0..20 {
            tokens.push(seed::seed(&scene, &format!("tenant{tenant}"), "openai", "sk-proj-0123456789abcdef").await);
        }
        tokens
    };
    // Until the worker has moved them to their tenants' keys.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let root = Certificate::from_pem(scene.upstream.root.as_bytes()).unwrap();
    let proxy = Proxy::https(format!("http://{}", scene.upstream.address)).unwrap();
    let direct = Client::builder().proxy(proxy).tls_certs_merge([root]).build().unwrap();
    let through = Client::new();

    let (mut added, mut firsts) = ([Vec::new(), Vec::new()], None);
    for second in 0..seconds {
        for (times, is_direct) in added.iter_mut().zip([true, false]) {
            let mut requests = JoinSet::new();
            let begun = Instant::now();
            for number in 0..PER_SECOND / 2 {
                let due = Duration::from_secs(1) * number / PER_SECOND;
                tokio::time::sleep_until((begun + due).into()).await;
                let request = if is_direct {
                    direct.post("https://api.openai.com/v1/chat/completions")
                } else {
                    let token = &tokens[usize::try_from(number).unwrap() % tokens.len()];
                    through.post(format!("{}/openai/v1/chat/completions", scene.proxy)).bearer_auth(token)
                };
                requests.spawn(async move {
                    let begun = Instant::now();
                    let reply = request.body("{\"model\":\"gpt\"}").send().await.unwrap();
                    assert!(reply.status().is_success(), "{}", reply.status());
                    reply.bytes().await.unwrap();
                    begun.elapsed()
                });
            }
            times.extend(requests.join_all().await);
        }
        scene.upstream.take();
        // Once everything is warm.
        if second == seconds / 10 {
            firsts = Some(memory(&scene));
        }
    }
    let [direct, through] = added.map(|mut times| {
        times.sort_unstable();
        [50, 99].map(|percent| times[times.len() * percent / 100])
    });
    println!(
        "directly: p50 {:.2?}, p99 {:.2?}; through the gateway: p50 {:.2?}, p99 {:.2?}",
        direct[0], direct[1], through[0], through[1]
    );
    println!("the gateway adds {:.2?} (p50)", through[0] - direct[0]);
    println!("memory of the proxy: {} KiB at first, {} KiB at the end", firsts.unwrap(), memory(&scene));
}

/// Returns the resident memory of the proxy in KiB.
fn memory(scene: &Scene) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", scene.pid("proxy"))).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
