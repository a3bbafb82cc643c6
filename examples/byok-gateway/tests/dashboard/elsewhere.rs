//! Requests that are not from a page of the dashboard.

use reqwest::{Method, StatusCode};

use crate::scene::Scene;

#[tokio::test]
async fn a_page_from_elsewhere_changes_nothing() {
    let scene = Scene::start("elsewhere", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    assert_eq!(mia.put("/keys/openai", "sk-proj-0123456789").await.status(), StatusCode::OK);
    mia.post("/tokens", "scope=openai&mode=live&days=30").await;
    let tenant = scene.tenant("mia@example.com").await;
    let id = {
        let tokens = byok_gateway::tokens::ApiTokens::read(&scene.home).unwrap();
        tokens.list(&scene.store, &tenant).await.unwrap()[0].0.id
    };
    let state = async || {
        let stored = scene.store.find(&tenant, "openai").await.unwrap().unwrap().envelope;
        (stored, scene.store.credentials(&tenant).await.unwrap().len(), mia.page("/tokens").await)
    };
    let before = state().await;

    let changes = [
        (Method::POST, "/sign-in".to_owned(), "email=mia@example.com"),
        (Method::POST, "/sign-out".to_owned(), ""),
        (Method::POST, "/sign-in/link".to_owned(), "token=x"),
        (Method::PUT, "/keys/openai".to_owned(), "sk-proj-of-somebody-else"),
        (Method::PUT, "/keys/groq".to_owned(), "sk-proj-of-somebody-else"),
        (Method::POST, "/keys/openai".to_owned(), "key=sk-proj-of-somebody-else"),
        (Method::DELETE, "/keys/openai".to_owned(), ""),
        (Method::POST, "/keys/openai/delete".to_owned(), ""),
        (Method::POST, "/tokens".to_owned(), "scope=openai&mode=live&days=30"),
        (Method::POST, format!("/tokens/{id}/rotate"), "grace=0"),
        (Method::POST, format!("/tokens/{id}/revoke"), ""),
        (Method::POST, "/account/delete".to_owned(), "email=mia@example.com"),
        (Method::POST, "/nowhere".to_owned(), ""),
    ];
    let (longer, upper) = (format!("{}.example.com", scene.origin), scene.origin.to_uppercase());
    let origins: [&[(&str, &str)]; 9] = [
        &[],
        &[("origin", "")],
        &[("origin", "null")],
        &[("origin", "https://example.com")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", &longer), ("sec-fetch-site", "cross-site")],
        &[("origin", &upper)],
        &[("origin", "null"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none"), ("referer", &scene.origin)],
    ];
    for (method, path, body) in &changes {
        for headers in origins {
            let request = mia.request(method.clone(), path).header("content-type", "application/x-www-form-urlencoded");
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let reply = request.body(*body).send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
        }
    }
    assert_eq!(state().await, before);
    assert_eq!(scene.mails(), []);

    // A browser that hides the origin says that the page is ours.
    let request = mia.request(Method::DELETE, "/keys/openai").header("origin", "null");
    let reply = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    assert_ne!(scene.store.credentials(&tenant).await.unwrap().len(), before.1);
}
