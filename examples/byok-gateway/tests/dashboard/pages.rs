//! What all pages have, the log, leaving, and the file for whoever finds a weakness.

use std::fs;
use std::sync::Arc;

use byok_gateway::files::AUDIT;
use byok_gateway::store::Log;
use byok_gateway::tokens::{ApiTokens, subject};
use reqwest::{Method, StatusCode};
use sealwax_audit::Action;
use sealwax_tokens::{Grant, Mode};

use crate::scene::{Scene, location};

const PAGES: [&str; 8] =
    ["/", "/sign-in/link?token=x", "/keys", "/tokens", "/security", "/account", "/deleted", "/nowhere"];

/// Returns the path of a link that can be redeemed.
async fn link(scene: &Scene) -> String {
    scene.stranger().post("/sign-in", "email=mia@example.com").await;
    scene.mails().pop().unwrap().1.strip_prefix(&scene.origin).unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let scene = Scene::start("headers", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let others = ["/healthz", "/style.css", "/app.js", "/favicon.ico", "/.well-known/security.txt", "/api/keys"];
    let mut replies = Vec::new();
    let link = link(&scene).await;
    for path in PAGES.into_iter().chain(others).chain([&*link]) {
        replies.push((path, mia.get(path).await));
        replies.push((path, scene.stranger().get(path).await));
    }
    replies.push(("403", mia.request(Method::POST, "/sign-out").send().await.unwrap()));
    replies.push(("404", mia.put("/keys/unknown", "x").await));
    replies.push(("405", mia.put("/security", "x").await));
    replies.push(("409", mia.put("/keys/openai", "sk-proj-************").await));
    replies.push(("413", mia.put("/keys/openai", &"x".repeat(20_000)).await));
    replies.push(("422", mia.put("/keys/openai", "x").await));
    replies.push(("303", mia.post("/keys/openai/delete", "").await));
    for (path, reply) in &replies {
        if path.parse::<u16>().is_ok() {
            assert_eq!(reply.status().as_str(), *path);
        }
        let header = |name: &str| reply.headers().get(name).map_or("", |value| value.to_str().unwrap());
        let policy = header("content-security-policy");
        for rule in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|other| other == rule), "{path}: {policy}");
        }
        assert!(header("strict-transport-security").starts_with("max-age=63072000"), "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert!(!header("referrer-policy").is_empty(), "{path}");
    }
    assert_eq!(replies.len(), 37);
}

#[tokio::test]
async fn every_page_is_well_made() {
    let scene = Scene::start("pages", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.put("/keys/openai", "sk-proj-0123456789").await;
    mia.post("/tokens", "scope=openai&mode=live&days=30").await;
    let mut inputs = 0;
    let link = link(&scene).await;
    for path in PAGES.into_iter().chain([&*link]) {
        let mut pages = vec![scene.stranger().get(path).await];
        if path != "/" {
            pages.push(mia.get(path).await);
        }
        for page in pages.into_iter().filter(|page| page.status() != StatusCode::SEE_OTHER) {
            assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
            let page = page.text().await.unwrap();
            assert_eq!(page.matches("<h1>").count(), 1, "{path}");
            assert!(
                page.starts_with("<!DOCTYPE html><html lang=\"en\">") && page.contains("name=\"viewport\""),
                "{path}"
            );
            // The address that programs use is shown, and leads nowhere.
            let example = "<code>curl http://127.0.0.1:8081/openai/v1/models ";
            assert_eq!(page.contains(example), path == "/tokens", "{path}");
            let page = page.replace(example, "");
            // The policy forbids scripts and styles inside a page.
            for forbidden in ["<style", "style=", "onclick", "onsubmit", "javascript:", "http://", "https://"] {
                assert!(!page.contains(forbidden), "{path}: {forbidden}");
            }
            assert!(!page.replace("<script src=\"/app.js\" defer></script>", "").contains("<script"), "{path}");
            // Each input is inside a label, is hidden, or has a label of its own.
            for input in page.split("<input").skip(1).chain(page.split("<select").skip(1)) {
                let input = input.split('>').next().unwrap();
                let is_fine = ["type=\"hidden\"", "type=\"checkbox\""].iter().any(|kind| input.contains(kind)) || {
                    let id = input.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
                    page.contains(&format!("<label for=\"{id}\""))
                };
                assert!(is_fine, "{path}: {input}");
                inputs += 1;
            }
            let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|id| id.split('"').next().unwrap()).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), count, "{path}: an id is there twice");
        }
    }
    assert!(inputs > 30, "{inputs}");
}

#[tokio::test]
async fn the_log_is_shown_with_the_verdict() {
    let scene = Scene::start("security", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let noa = scene.sign_in("noa@example.com").await;
    let tenant = scene.tenant("mia@example.com").await;
    let page = mia.page("/security").await;
    assert!(page.contains("has not verified this log yet") && page.contains("Nobody opened a key yet."));

    let log = Arc::new(Log::new(scene.home.parsed(AUDIT).unwrap(), scene.store.audit(), || 1_790_000_000_000));
    for (who, why, outcome) in [("token a1", "the first", "opened"), ("worker", "the <second>", "context_mismatch")] {
        log.append(tenant.as_ref(), Action::new("open", who, why, outcome)).await.unwrap();
    }
    scene.store.judge(tenant.as_ref(), 2, "intact").await.unwrap();
    let page = mia.page("/security").await;
    assert!(page.contains("verified 2 entries") && page.contains("<strong>intact</strong>"), "{page}");
    let (first, second) =
        (page.find("the first, by token a1").unwrap(), page.find("the &lt;second&gt;, by worker").unwrap());
    assert!(second < first && page.contains("context_mismatch") && page.contains("2026-09-21"), "{page}");
    let other = noa.page("/security").await;
    assert!(!other.contains("the first") && !other.contains("verified 2 entries"));
}

#[tokio::test]
async fn whoever_leaves_leaves_nothing() {
    leave(&Scene::start("leaving", "").await).await;
}

/// Leaves, and comes back.
pub(crate) async fn leave(scene: &Scene) {
    let (mia, noa) = (scene.sign_in("mia@example.com").await, scene.sign_in("noa@example.com").await);
    let (tenant, other) = (scene.tenant("mia@example.com").await, scene.tenant("noa@example.com").await);
    for visitor in [&mia, &noa] {
        assert_eq!(visitor.put("/keys/openai", "sk-proj-0123456789").await.status(), StatusCode::OK);
        assert_eq!(visitor.post("/tokens", "scope=openai&mode=live&days=30").await.status(), StatusCode::OK);
    }
    mia.post("/sign-in", "email=mia@example.com").await;
    let link = scene.mails().pop().unwrap().1;
    for wrong in ["", "email=", "email=noa@example.com"] {
        assert_eq!(mia.post("/account/delete", wrong).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(mia.page("/api/keys").await.matches(":true").count(), 1);

    let reply = mia.post("/account/delete", "email=Mia@example.com").await;
    assert_eq!((reply.status(), location(&reply)), (StatusCode::SEE_OTHER, "/deleted"));
    assert!(reply.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert!(scene.stranger().page("/deleted").await.contains("destroys your master key"));
    assert_eq!(location(&mia.get("/keys").await), "/");
    assert_eq!(mia.put("/keys/openai", "sk-proj-0123456789").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(scene.store.leaving().await.unwrap().len(), 1);
    let tokens = ApiTokens::read(&scene.home).unwrap();
    for (tenant, count) in [(&tenant, 0), (&other, 1)] {
        assert_eq!(scene.store.credentials(tenant).await.unwrap().len(), count);
        assert_eq!(tokens.list(&scene.store, tenant).await.unwrap().len(), count);
        assert_eq!(scene.store.tokens().list(&format!("session/{tenant}")).await.unwrap().len(), count);
    }
    // A link from before is gone, and a new one makes no account until the worker is done.
    let token = link.split_once("?token=").unwrap().1;
    assert_eq!(scene.redeem(token).await.err(), Some(StatusCode::FORBIDDEN));
    mia.post("/sign-in", "email=mia@example.com").await;
    let link = scene.mails().pop().unwrap().1;
    assert_eq!(scene.redeem(link.split_once("?token=").unwrap().1).await.err(), Some(StatusCode::CONFLICT));
    // What was issued while the customer left goes with the account.
    let grant = Grant::new(subject(&tenant), ["openai"]).unwrap().expires(2_000_000_000);
    tokens.issue(&scene.store, Mode::Live, grant).await.unwrap();
    scene.store.forget(&tenant).await.unwrap();
    assert_eq!(tokens.list(&scene.store, &tenant).await.unwrap(), []);
    assert_eq!(scene.store.tokens().list("link/mia@example.com").await.unwrap(), []);
    scene.sign_in("mia@example.com").await;
    assert_ne!(scene.tenant("mia@example.com").await, tenant);
}

#[tokio::test]
async fn the_contact_expires_within_a_year() {
    let scene = Scene::start("contact", "contact = \"https://example.com/security\"").await;
    let text = scene.stranger().page("/.well-known/security.txt").await;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    assert_eq!(field("Contact: "), "https://example.com/security");
    assert_eq!(field("Canonical: "), format!("{}/.well-known/security.txt", scene.origin));
    let expires: jiff::Timestamp = field("Expires: ").parse().unwrap();
    let days = (expires.as_second() - jiff::Timestamp::now().as_second()) / 86400;
    assert!((300..365).contains(&days), "{days}");
}

/// The dashboard cannot decrypt, and does not name what could.
#[test]
fn the_dashboard_names_no_key_that_opens() {
    let (mut files, src) = (Vec::new(), concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    files.extend(fs::read_dir(format!("{src}/dashboard")).unwrap().map(|entry| entry.unwrap().path()));
    files.push(format!("{src}/dashboard.rs").into());
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    assert_eq!(files.len(), 7);
    let names = |text: &str| {
        let words = [
            "Keyring",
            "OpeningKey",
            "MasterKey",
            "AuditKey",
            "TenantKeys",
            "Vault",
            "vault::",
            "ring::",
            "RING",
            "AUDIT",
        ];
        words.iter().any(|word| text.contains(word))
    };
    for file in files {
        assert!(!names(&fs::read_to_string(&file).unwrap()), "{}", file.display());
    }
    assert!(names(&fs::read_to_string(format!("{src}/proxy.rs")).unwrap()));
}
