//! The second service: its own rows, scheduled use, nothing of a value in any output, the audit log, the rotation policy.

use reqwest::{Method, StatusCode};
use sealwax::Secret;
use sealwax::triplet::{IvLen, Layout, TripletKey};

use crate::memory;
use crate::promise_000::forms;
use crate::scene::{Scene, until};

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_existing_rows_are_imported() {
    let scene = Scene::start("promise_001_import").await;
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let old = TripletKey::from_hex(hex).unwrap();
    let row = |email: &str, provider: &str, key: &str| {
        let cell =
            old.encrypt(&Secret::from(key), IvLen::Twelve).unwrap().encode(Layout::HEX_IV12_TAG_CIPHERTEXT).unwrap();
        format!("{{\"email\":\"{email}\",\"provider\":\"{provider}\",\"value\":\"{cell}\"}}\n")
    };
    let good =
        [row("mia@example.com", "openai", "sk-proj-imported-1"), row("noa@example.com", "groq", "gsk-imported-2")]
            .concat();
    std::fs::write(scene.dir.join("rows.jsonl"), &good).unwrap();
    std::fs::write(scene.dir.join("old.key"), hex).unwrap();
    std::fs::write(scene.dir.join("declaration"), "cell value = {iv12:hex}:{tag:hex}:{ct:hex}\nkey as hex").unwrap();
    let path = |file: &str| scene.dir.join(file).display().to_string();
    let import = |rows: &str| scene.run(&["import", &path("declaration"), &path("old.key"), &path(rows)]);
    let (ok, text) = import("rows.jsonl");
    assert!(ok && text.contains("2 keys stored"), "{text}");
    // What cannot be taken is named by its line, and nothing that is there is overwritten.
    let bad = [
        row("mia@example.com", "openai", "sk-proj-another"),
        row("mia@example.com", "unknown", "sk-proj-another"),
        row("mia@example.com", "groq", "with a line\n"),
        good.replace(
            "{\"email\":\"mia@example.com\",\"provider\":\"openai\",\"value\":\"",
            "{\"email\":\"ada@example.com\",\"provider\":\"groq\",\"value\":\"0",
        )
        .lines()
        .next()
        .unwrap()
        .to_owned()
            + "\n",
    ];
    std::fs::write(scene.dir.join("bad.jsonl"), bad.concat()).unwrap();
    let (ok, text) = import("bad.jsonl");
    assert!(!ok && text.contains("4 lines were refused, and 0 taken"), "{text}");
    assert!((1..=4).all(|line| text.contains(&format!("line {line}: "))) && !text.contains("another"), "{text}");
    std::fs::write(scene.dir.join("broken.jsonl"), "sk-proj-another\n{\"value\":\"sk-proj-another\"}\n").unwrap();
    let (ok, text) = import("broken.jsonl");
    assert!(!ok && text.contains("line 1: it is not JSON\nline 2: no email") && !text.contains("another"), "{text}");
    let (ok, text) = scene.run(&["import", "nowhere", &path("old.key"), &path("rows.jsonl")]);
    assert!(!ok && text.contains("cannot read the declaration nowhere, which is none of "), "{text}");

    let mia = scene.sign_in("mia@example.com").await;
    let token = mia.token("live", &["openai"]).await;
    assert_eq!(mia.ask(Method::GET, "/openai/v1/imported", &token).send().await.unwrap().status(), StatusCode::OK);
    let seen = scene.upstream.take();
    let seen = seen.iter().find(|seen| seen.path == "/v1/imported").unwrap();
    assert_eq!(seen.headers["authorization"], "Bearer sk-proj-imported-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_scheduled_use_takes_milliseconds_and_is_shown() {
    let scene = Scene::start("promise_001_scheduled").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-scheduled-use").await;
    until("the worker checks the key", async || {
        scene.rows("SELECT status || '' FROM credentials WHERE status IS NOT NULL").await == ["200"]
    })
    .await;
    let held: u64 = scene.rows("SELECT held_micros || '' FROM credentials").await[0].parse().unwrap();
    assert!((1..1_000_000).contains(&held), "{held} µs");
    let page = mia.page("/keys").await;
    assert!(
        page.contains(&format!("{:.1} ms", f64::from(u32::try_from(held).unwrap()) / 1000.0)),
        "the page shows {held} µs"
    );
    assert!(mia.page("/security").await.contains("the daily check of the key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_nothing_of_a_key_is_in_any_output() {
    let scene = Scene::start("promise_001_output").await;
    let mia = scene.sign_in("mia@example.com").await;
    let key = "sk-proj-never-in-any-output-0123456789";
    mia.store("openai", key).await;
    let token = mia.token("live", &["openai"]).await;
    for path in ["/openai/v1/models", "/openai/echo", "/openai/status/401", "/openai/slow"] {
        let reply = mia.ask(Method::POST, path, &token).body(format!("{key} is in the request")).send().await.unwrap();
        let head = format!("{:?}", reply.headers());
        let body = reply.text().await.unwrap();
        assert!(!head.contains(key) && !body.contains(key), "{path}: {head} {body}");
    }
    assert!(
        mia.request(Method::PUT, "/keys/openai")
            .body(format!("{key} "))
            .send()
            .await
            .unwrap()
            .status()
            .is_client_error()
    );
    for command in [["doctor"], ["drill"], ["epoch"], ["doctor"]] {
        scene.run(&command);
    }
    for path in ["/keys", "/tokens", "/security", "/account"] {
        assert!(!mia.page(path).await.contains(key), "{path}");
    }
    // Everything was logged, at the level `trace`.
    let files = scene.files();
    for (file, bytes) in &files {
        for form in forms(key).iter().chain(&[token.as_bytes().to_vec(), mia.cookie.split_once('=').unwrap().1.into()])
        {
            assert_eq!(memory::find(bytes, form), 0, "{}", file.display());
        }
    }
    let logged: usize =
        files.iter().filter(|(file, _)| file.parent().unwrap().ends_with("logs")).map(|(_, bytes)| bytes.len()).sum();
    assert!(logged > 50_000, "{logged} bytes of logs");
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_each_opening_is_in_the_customers_log() {
    let scene = Scene::start("promise_001_audit").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-audited-0123").await;
    let token = mia.token("live", &["openai"]).await;
    for _ in 0..3 {
        mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap();
    }
    let opened = async || {
        let entries =
            "SELECT why || ' ' || outcome FROM sealwax_audit_entries WHERE why LIKE 'request %' ORDER BY number";
        scene.rows(entries).await
    };
    assert_eq!(opened().await, ["request to openai opened"; 3]);
    // A failure is an entry, too.
    scene.until_taken_over().await;
    scene.write("UPDATE credentials SET provider = 'groq'").await;
    let other = mia.token("live", &["groq"]).await;
    let reply = mia.ask(Method::GET, "/groq/v1/models", &other).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(opened().await.last().unwrap(), "request to groq context_mismatch");
    let page = mia.page("/security").await;
    assert!(page.contains("request to openai") && page.contains("context_mismatch"));
    until("the worker verifies the log", async || mia.page("/security").await.contains("intact")).await;
    // Somebody who writes the database deletes an entry, as the owner of the table can.
    scene.write("DROP TRIGGER sealwax_audit_undeleted").await;
    scene.write("DELETE FROM sealwax_audit WHERE number = 2 AND subject <> 'sealwax-tenants@deletions'").await;
    until("the verdict is another one", async || !mia.page("/security").await.contains("intact")).await;
    let (ok, text) = scene.run(&["doctor"]);
    assert!(!ok && text.contains("BAD  1 chains of the audit log are altered"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_an_entry_that_cannot_be_read_hides_nothing() {
    let scene = Scene::start_quietly("promise_001_unreadable", "").await;
    // Not UTF-8, in a chain that comes before all others.
    let record = b"{\"subject\":\"0\",\"number\":1,\"mac\":\"00\",\"why\":\"\xff\"}";
    let record: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
    scene.write(&format!("INSERT INTO sealwax_audit VALUES ('0', 1, x'00', CAST(x'{record}' AS TEXT))")).await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-audited-0123").await;
    let token = mia.token("live", &["openai"]).await;
    mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap();
    until("the worker verifies the log", async || mia.page("/security").await.contains("intact")).await;
    let altered = "SELECT verdict FROM verdicts WHERE tenant = '0' AND verdict <> 'intact'";
    assert_eq!(scene.rows(altered).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_an_end_that_was_cut_off_is_found() {
    let scene = Scene::start("promise_001_cut").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-audited-0123").await;
    let token = mia.token("live", &["openai"]).await;
    for _ in 0..3 {
        mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap();
    }
    let verified = "SELECT verdict FROM verdicts WHERE entries >= 3 AND verdict = 'intact'";
    until("the worker verifies the log", async || !scene.rows(verified).await.is_empty()).await;
    scene.write("DROP TRIGGER sealwax_audit_undeleted").await;
    scene.write("DELETE FROM sealwax_audit WHERE number > 1 AND subject NOT LIKE '%@%'").await;
    until("the verdict is another one", async || !mia.page("/security").await.contains("intact")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_an_end_that_was_cut_off_while_no_worker_ran_is_found() {
    let mut scene = Scene::start_quietly("promise_001_stopped", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-audited-0123").await;
    let token = mia.token("live", &["openai"]).await;
    let verified = "SELECT verdict FROM verdicts WHERE tenant NOT LIKE '%@%' AND verdict = 'intact'";
    until("the worker verifies the log", async || !scene.rows(verified).await.is_empty()).await;
    // The ends of chains were written before these.
    for _ in 0..3 {
        mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap();
    }
    until("the worker verifies what is new", async || {
        !scene.rows(&format!("{verified} AND entries >= 4")).await.is_empty()
    })
    .await;
    scene.stop("worker").await;
    scene.write("DROP TRIGGER sealwax_audit_undeleted").await;
    scene.write("DELETE FROM sealwax_audit WHERE number > 1 AND subject NOT LIKE '%@%'").await;
    // Nobody believes a verdict of the database.
    let (ok, text) = scene.run(&["doctor"]);
    assert!(!ok && text.contains("BAD  1 chains of the audit log are altered") && text.contains("cut off"), "{text}");
    scene.begin("worker");
    until("the verdict is another one", async || !mia.page("/security").await.contains("intact")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_the_doctor_says_that_a_root_is_too_old() {
    let scene = Scene::start("promise_001_policy").await;
    let (ok, text) = scene.run(&["drill"]);
    assert!(ok, "{text}");
    let (ok, text) = scene.run(&["doctor"]);
    let not_in_the_safe = "safe/epoch-1 is still on this machine: move it into a safe";
    assert!(!ok && text.contains("ok   the root is 0 days old") && text.contains(not_in_the_safe), "{text}");
    scene.move_into_safe();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok, "{text}");
    scene.age_root(31).await;
    let (ok, text) = scene.run(&["doctor"]);
    assert!(!ok && text.contains("BAD  the root is 31 days old"), "{text}");
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok, "{text}");
    scene.move_into_safe();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok && text.contains("ok   the root is 0 days old"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_001_every_answer_has_the_headers_and_a_limit() {
    let scene = Scene::start_with("promise_001_headers", "limits.token = 5\nlimits.address = 40\n", "warn").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-limited-0123").await;
    let token = mia.token("live", &["openai"]).await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let reply = mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap();
        statuses.push(reply.status());
    }
    assert_eq!(statuses[..5], [StatusCode::OK; 5]);
    assert_eq!(statuses[5..], [StatusCode::TOO_MANY_REQUESTS; 2]);
    let mut last = StatusCode::OK;
    for _ in 0..60 {
        last = mia.ask(Method::GET, "/openai/v1/models", "bg_live_wrong").send().await.unwrap().status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    for (address, path) in [
        (&scene.dashboard, "/keys"),
        (&scene.dashboard, "/nowhere"),
        (&scene.proxy, "/nowhere"),
        (&scene.proxy, "/healthz"),
    ] {
        let reply = reqwest::get(format!("{address}{path}")).await.unwrap();
        let header =
            |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(header("strict-transport-security").starts_with("max-age=63072000"), "{path}");
        assert_eq!(
            [header("x-frame-options"), header("referrer-policy"), header("x-content-type-options")],
            ["DENY", "no-referrer", "nosniff"]
        );
    }
}
