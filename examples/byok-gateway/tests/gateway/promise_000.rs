//! The first service: what the database has, who gets a key, what a browser sees, and what deletion leaves.

use reqwest::{Method, StatusCode};

use crate::memory;
use crate::scene::{Scene, until};

const KEY: &str = "sk-proj-000-AbCdEfGhIjKlMnOp";

/// The texts that a key may be found by: itself, and as hex and base64.
pub(crate) fn forms(key: &str) -> Vec<Vec<u8>> {
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let middle = &key.as_bytes()[3..key.len() - key.len() % 3 - 3];
    let base64 = middle.chunks(3).flat_map(base64_of);
    vec![key.into(), hex.clone().into(), hex.to_uppercase().into(), base64.collect()]
}

fn base64_of(chunk: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
    [18, 12, 6, 0].map(|shift| ALPHABET[bits >> shift & 63]).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_the_database_has_ciphertext_alone() {
    let scene = Scene::start("promise_000_database").await;
    let mia = scene.sign_in("mia@example.com").await;
    let token = mia.token("live", &["openai", "anthropic"]).await;
    // The same value twice.
    mia.store("openai", KEY).await;
    mia.store("anthropic", KEY).await;
    let rows = async || scene.rows("SELECT envelope FROM credentials ORDER BY provider").await;
    let written = rows().await;
    assert_eq!(written.len(), 2);
    assert!(
        written.iter().all(|row| row.starts_with("sw1:a256gcm:dashboard-1=")),
        "AES-256-GCM, under the dashboard's pair"
    );
    until("the worker takes over", async || rows().await.iter().all(|row| row.contains(":tenant/"))).await;
    let moved = rows().await;
    for rows in [&written, &moved] {
        // Wrap, commitment, IV, ciphertext and tag: no part of one row is in the other one.
        for part in rows[0].split(':').skip(3) {
            assert!(part.len() < 16 || !rows[1].contains(part), "{part}");
        }
    }
    assert_eq!(mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status(), StatusCode::OK);
    scene.copy("copy.db").await;
    let mut files = scene.files();
    files.push((scene.dir.join("copy.db"), std::fs::read(scene.dir.join("copy.db")).unwrap()));
    for (file, bytes) in &files {
        for form in forms(KEY) {
            assert_eq!(memory::find(bytes, &form), 0, "{}", file.display());
        }
        assert_eq!(memory::find(bytes, token.as_bytes()), 0, "{}", file.display());
    }
    // The search finds what is there.
    assert!(files.iter().any(|(_, bytes)| memory::find(bytes, moved[0].as_bytes()) > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_the_master_key_is_on_no_page() {
    let scene = Scene::start("promise_000_pages").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let mut pages = Vec::new();
    for path in [
        "/",
        "/keys",
        "/tokens",
        "/security",
        "/account",
        "/api/keys",
        "/.well-known/security.txt",
        "/style.css",
        "/app.js",
    ] {
        let reply = mia.request(Method::GET, path).send().await.unwrap();
        assert!(reply.status().is_success() || reply.status().is_redirection(), "{path}: {}", reply.status());
        pages.push(reply.text().await.unwrap());
    }
    let secrets = [
        "keys/service/ring",
        "keys/dashboard/sealer",
        "keys/dashboard/visitors",
        "keys/accounts/proofs",
        "keys/tokens/live",
        "keys/service/audit",
    ];
    for secret in secrets {
        let text = std::fs::read_to_string(scene.dir.join(secret)).unwrap();
        let key = text.split_whitespace().last().unwrap();
        assert!(key.starts_with("sw"), "{secret}");
        assert!(pages.iter().all(|page| !page.contains(key)), "{secret}");
    }
    assert!(pages.iter().all(|page| !page.contains(KEY)));
    // The contact for whoever finds a weakness (RFC 9116).
    let contact = pages[6].lines().collect::<Vec<_>>();
    assert!(
        contact.iter().any(|line| line.starts_with("Contact: "))
            && contact.iter().any(|line| line.starts_with("Expires: "))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_a_key_is_open_for_one_request() {
    let scene = Scene::start("promise_000_memory").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    // While a reply is passed on, the key is there: the search finds it.
    let slow = mia.ask(Method::POST, "/openai/slow", &token).send().await.unwrap();
    assert!(memory::count(scene.pid("proxy"), &[KEY.as_bytes()])[0] > 0);
    slow.bytes().await.unwrap();
    // The buffers of an idle connection are wiped when it ends, after a second.
    for process in ["proxy", "dashboard", "worker"] {
        let count = || memory::count(scene.pid(process), &[KEY.as_bytes()])[0];
        until("the key is wiped", async || count() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_a_key_goes_to_its_own_host() {
    let scene = Scene::start("promise_000_hosts").await;
    let mia = scene.sign_in("mia@example.com").await;
    let keys = [
        ("openai", "api.openai.com"),
        ("anthropic", "api.anthropic.com"),
        ("gemini", "generativelanguage.googleapis.com"),
    ];
    for (provider, host) in keys {
        mia.store(provider, &format!("key-of-{host}")).await;
    }
    let token = mia.token("live", &["openai", "anthropic", "gemini"]).await;
    let tricks = [
        "/{}/v1/x",
        "/{}//api.anthropic.com/v1",
        "/{}/@api.anthropic.com/",
        "/{}/..//v1",
        "/{}/%2e%2e/%2f%2fapi.openai.com/",
        "/{}/v1?host=api.anthropic.com",
        "/{}/https://api.anthropic.com/v1",
        "/{}/\\\\api.anthropic.com",
        "/{}/:443@api.openai.com/",
    ];
    let mut statuses = Vec::new();
    for (provider, _) in keys {
        for trick in tricks {
            let headers = "x-forwarded-host: api.anthropic.com\r\nforwarded: host=api.anthropic.com\r\n";
            statuses.push(mia.ask_raw(&trick.replace("{}", provider), headers, &token).await);
        }
    }
    let seen = scene.upstream.take();
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!(seen.len() >= passed && passed >= keys.len() * 6, "{statuses:?}");
    for seen in seen {
        let everything = format!("{:?} {}", seen.headers, seen.path);
        let values: Vec<_> =
            seen.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        for (_, host) in keys {
            let has_key = values.iter().any(|value| value.contains(&format!("key-of-{host}")));
            assert_eq!(has_key, host == seen.host, "{everything}");
        }
        assert_eq!(seen.headers["host"], seen.host.as_str());
        assert!(!everything.contains(&token) && !everything.contains("forwarded"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_nobody_reads_another_ones_rows() {
    let scene = Scene::start("promise_000_tenants").await;
    let [mia, noa] = [scene.sign_in("mia@example.com").await, scene.sign_in("noa@example.com").await];
    mia.store("openai", KEY).await;
    assert_eq!(mia.page("/api/keys").await.matches("true").count(), 1);
    assert_eq!(noa.page("/api/keys").await.matches("true").count(), 0);
    let token = noa.token("live", &["openai"]).await;
    let reply = noa.ask(Method::GET, "/openai/v1/mine", &token).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
    // Somebody who writes the database gives the row to another tenant.
    scene.until_taken_over().await;
    scene.write("UPDATE credentials SET tenant = (SELECT id FROM accounts WHERE email = 'noa@example.com')").await;
    let reply = noa.ask(Method::GET, "/openai/v1/mine", &token).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    // Nothing of it went to the provider. (The daily check may have, before the row was moved.)
    assert!(scene.upstream.take().iter().all(|seen| seen.path != "/v1/mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_deletion_leaves_nothing_that_opens() {
    let mut scene = Scene::start("promise_000_deletion").await;
    let [mia, noa] = [scene.sign_in("mia@example.com").await, scene.sign_in("noa@example.com").await];
    for customer in [&mia, &noa] {
        customer.store("openai", KEY).await;
    }
    let [hers, his] = [mia.token("live", &["openai"]).await, noa.token("live", &["openai"]).await];
    scene.until_taken_over().await;
    let tenant = scene.rows("SELECT id FROM accounts WHERE email = 'mia@example.com'").await.remove(0);
    scene.copy("before.db").await;
    let reply = mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    assert!(reply.status().is_success() || reply.status().is_redirection());
    let refused = mia.ask(Method::GET, "/openai/v1/models", &hers).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    until("the account is gone", async || scene.rows("SELECT id FROM accounts").await.len() == 1).await;
    // No table has the tenant any more, except for the tombstone and the log.
    for (table, column) in scene.columns().await {
        if !["sealwax_audit", "verdicts", "sealwax_audit_entries", "sealwax_tenants", "sealwax_tenant_records"]
            .contains(&table.as_str())
        {
            let sql = format!(
                "SELECT count(*) || '' FROM {table} WHERE {column} LIKE '%{tenant}%' OR {column} LIKE '%mia@example%'"
            );
            assert_eq!(scene.rows(&sql).await, ["0"], "{table}.{column}");
        }
    }
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
    // With everything that the service still has, her row in the copy does not open, and his does.
    scene.restore("before.db");
    let (ok, text) = scene.run(&["recover"]);
    assert!(ok && text.contains("1 tenants"), "{text}");
    for process in ["dashboard", "proxy", "worker"] {
        scene.begin(process);
    }
    scene.until_ready().await;
    let status = async |token: &str| noa.ask(Method::GET, "/openai/v1/models", token).send().await.unwrap().status();
    assert_eq!([status(&hers).await, status(&his).await], [StatusCode::UNAUTHORIZED, StatusCode::OK]);
    assert_eq!(scene.rows("SELECT email FROM accounts").await, ["noa@example.com"]);
}
