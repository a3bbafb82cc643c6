//! Links, sessions, and what is refused of both.

use byok_gateway::clock;
use byok_gateway::tokens::{SESSION_SECONDS, Visitors};
use reqwest::{Method, StatusCode};

use crate::scene::{Scene, location};

#[tokio::test]
async fn a_link_signs_in_once() {
    sign_in_once(&Scene::start("link", "").await).await;
}

/// Signs somebody in with a link that works once.
pub(crate) async fn sign_in_once(scene: &Scene) {
    let stranger = scene.stranger();
    assert_eq!(location(&stranger.get("/keys").await), "/");

    let unknown = stranger.post("/sign-in", "email=mia@example.com").await.text().await.unwrap();
    let mails = scene.mails();
    assert_eq!((mails.len(), mails[0].0.as_str()), (1, "mia@example.com"));
    let token = mails[0].1.strip_prefix(&format!("{}/sign-in/link?token=", scene.origin)).unwrap();

    // A program that looks for malware fetches the link.
    for _ in 0..2 {
        let reply = stranger.get(&format!("/sign-in/link?token={token}&utm=1")).await;
        assert_eq!((reply.status(), reply.headers().get("set-cookie")), (StatusCode::OK, None));
        let page = reply.text().await.unwrap();
        assert!(page.contains(&format!("name=\"token\" value=\"{token}\"")), "{page}");
        // Somebody who was given a stranger's link sees whose it is.
        assert!(page.contains("<button>Sign in as mia@example.com</button>"), "{page}");
    }
    let reply = stranger.post("/sign-in/link", &format!("token={token}")).await;
    let cookie = reply.headers()["set-cookie"].to_str().unwrap().to_owned();
    let (session, flags) = cookie.split_once("; ").unwrap();
    assert_eq!(flags, format!("Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Lax; Secure"));
    let session = session.strip_prefix("__Host-session=").unwrap();
    assert!(session.starts_with("bg_session_"));
    assert_eq!(scene.redeem(token).await.err(), Some(StatusCode::FORBIDDEN));
    for wrong in [token, "", "x", session] {
        assert_eq!(stranger.get(&format!("/sign-in/link?token={wrong}")).await.status(), StatusCode::FORBIDDEN);
    }

    // The answer does not tell whether there is an account.
    let known = stranger.post("/sign-in", "email=mia@example.com").await.text().await.unwrap();
    assert_eq!(known, unknown);
    for secret in [session, token] {
        scene.assert_nowhere(secret, "mia@example.com");
    }
}

#[tokio::test]
async fn a_link_works_for_fifteen_minutes() {
    let scene = Scene::start("minutes", "").await;
    let visitors = Visitors::read(&scene.home).unwrap();
    for (age, ended) in [(14 * 60, None), (15 * 60, Some(StatusCode::FORBIDDEN))] {
        let link = visitors.invite(&scene.store, "mia@example.com", clock::seconds() - age).await.unwrap();
        assert_eq!(scene.redeem(link.expose_str().unwrap()).await.err(), ended, "after {age} seconds");
    }
}

#[tokio::test]
async fn a_session_ends_when_somebody_signs_out() {
    let scene = Scene::start("sessions", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let elsewhere = scene.sign_in("mia@example.com").await;
    assert_eq!(location(&mia.get("/").await), "/keys");
    let reply = mia.post("/sign-out", "").await;
    assert_eq!((reply.status(), location(&reply)), (StatusCode::SEE_OTHER, "/"));
    assert!(reply.headers()["set-cookie"].to_str().unwrap().starts_with("__Host-session=; Path=/; Max-Age=0; "));
    assert_eq!(location(&mia.get("/keys").await), "/");
    assert_eq!(mia.get("/api/keys").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(mia.put("/keys/openai", "sk-proj-0123456789").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(elsewhere.get("/keys").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_of_another_kind_is_no_session_and_no_link() {
    let scene = Scene::start("kinds", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let visitors = Visitors::read(&scene.home).unwrap();
    let link = visitors.invite(&scene.store, "mia@example.com", clock::seconds()).await.unwrap();
    let page = mia.post("/tokens", "scope=openai&mode=live&days=30").await.text().await.unwrap();
    let api = page.split("value=\"").find(|text| text.starts_with("bg_live_")).unwrap().split('"').next().unwrap();
    let session = mia.cookie.split_once('=').unwrap().1.to_owned();
    let mut stranger = scene.stranger();
    for wrong in [link.expose_str().unwrap(), api, "", "bg_session_", &session[1..], &session.to_uppercase()] {
        stranger.cookie = format!("__Host-session={wrong}");
        assert_eq!(location(&stranger.get("/keys").await), "/");
    }
    // The name is the one with the prefix, and other cookies are nothing.
    stranger.cookie = format!("session={session}");
    assert_eq!(location(&stranger.get("/keys").await), "/");
    stranger.cookie = format!("a=b; __Host-session={session}; c");
    assert_eq!(stranger.get("/keys").await.status(), StatusCode::OK);
    for wrong in [session.as_str(), api, "", "nonsense"] {
        assert_eq!(scene.redeem(wrong).await.err(), Some(StatusCode::FORBIDDEN));
    }
    assert!(scene.redeem(link.expose_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn only_an_address_gets_a_link() {
    let scene = Scene::start("addresses", "limits.sign_in = 100").await;
    let stranger = scene.stranger();
    let long = format!("{}@example.com", "x".repeat(240));
    let wrong = [
        "",
        "mia",
        "@example.com",
        "mia@",
        "a@b@c",
        "a@example.com,b@example.com",
        "mia,noa@example.com",
        "a@example.com%0AIs: x",
        "a b@example.com",
        "Mia <mia@example.com>",
        "a@example.com%00",
        &long,
    ];
    for wrong in wrong {
        let reply = stranger.post("/sign-in", &format!("email={wrong}")).await;
        assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    assert_eq!(scene.mails(), []);
    assert_eq!(stranger.post("/sign-in", "email=+Mia%2Bx@Example.com").await.status(), StatusCode::OK);
    assert_eq!(scene.mails()[0].0, "mia+x@example.com");
}

#[tokio::test]
async fn an_address_of_mail_has_a_limit_wherever_the_requests_are_from() {
    let scene = Scene::start("links", "front = \"x-real-ip\"").await;
    let ask = async |email: &str, from: &str| ask(&scene, email, &[from]).await;
    for from in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8:0:1::1"] {
        assert_eq!(ask("mia@example.com", from).await, StatusCode::OK);
    }
    assert_eq!(scene.mails().len(), 5);
    // Nobody learns that somebody else asked, and the mails that were sent have links that work.
    assert_eq!((ask("Mia@example.com", "192.0.2.6").await, scene.mails().len()), (StatusCode::OK, 0));
    assert_eq!((ask("noa@example.com", "192.0.2.6").await, scene.mails().len()), (StatusCode::OK, 1));
}

#[tokio::test]
async fn a_server_in_front_says_whose_address_it_is() {
    let (ok, too_many) = (StatusCode::OK, StatusCode::TOO_MANY_REQUESTS);
    let scene = Scene::start("front", "front = \"X-Real-IP\"\nlimits.sign_in = 1").await;
    // A customer of IPv6 has a whole network. What is no address leaves that of the connection.
    let requests = [
        ("192.0.2.1", ok),
        ("192.0.2.1", too_many),
        ("192.0.2.2", ok),
        ("::ffff:192.0.2.2", too_many),
        ("2001:db8::1", ok),
        ("2001:db8::2", too_many),
        ("2001:db8:0:1::1", ok),
        ("nonsense", ok),
        ("192.0.2.3, 192.0.2.4", too_many),
        ("", too_many),
    ];
    for (number, (from, status)) in requests.into_iter().enumerate() {
        assert_eq!(ask(&scene, &format!("a{number}@example.com"), &[from]).await, status, "{from}");
    }
    // If it adds a line of its own, that is the last.
    assert_eq!(ask(&scene, "b@example.com", &["192.0.2.5", "192.0.2.1"]).await, too_many);
    let scene = Scene::start("no-front", "limits.sign_in = 1").await;
    assert_eq!(ask(&scene, "a@example.com", &["192.0.2.1"]).await, ok);
    assert_eq!(ask(&scene, "b@example.com", &["192.0.2.2"]).await, too_many);
}

/// Asks for a link, with what a server in front says.
async fn ask(scene: &Scene, email: &str, from: &[&str]) -> StatusCode {
    let request = scene.stranger().request(Method::POST, "/sign-in").header("origin", &scene.origin);
    let request = from.iter().fold(request, |request, from| request.header("x-real-ip", *from));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(format!("email={email}")).send().await.unwrap().status()
}

#[tokio::test]
async fn an_address_has_limits() {
    let scene = Scene::start("limits", "limits.sign_in = 3\nlimits.address = 40").await;
    let stranger = scene.stranger();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(stranger.post("/sign-in", "email=mia@example.com").await.status());
    }
    assert_eq!(statuses, [[StatusCode::OK; 3].as_slice(), &[StatusCode::TOO_MANY_REQUESTS; 2]].concat());
    assert_eq!(scene.mails().len(), 3);
    let mut last = StatusCode::OK;
    for _ in 0..60 {
        last = stranger.get("/healthz").await.status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}
