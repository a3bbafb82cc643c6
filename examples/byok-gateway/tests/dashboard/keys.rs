//! Storing keys, and what is seen of them.

use byok_gateway::epoch::Epoch;
use byok_gateway::files::RING;
use reqwest::{Method, StatusCode};
use sealwax::{Envelope, Keyring};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scene::{Scene, location};

const KEY: &str = "sk-proj-AbCdEfGh0123456789";

#[tokio::test]
async fn a_key_is_stored_replaced_and_deleted() {
    keep(&Scene::start("keys", "").await).await;
}

/// Stores, replaces and deletes keys.
pub(crate) async fn keep(scene: &Scene) {
    let mia = scene.sign_in("mia@example.com").await;
    let tenant = scene.tenant("mia@example.com").await;
    let envelope =
        async |provider: &str| scene.store.find(&tenant, provider).await.unwrap().map(|found| found.envelope);

    // The script's one request: the answer is what the page then shows.
    let reply = mia.put("/keys/openai", KEY).await;
    assert_eq!((reply.status(), &reply.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
    let card = reply.text().await.unwrap();
    assert!(card.starts_with("<section class=\"card\" id=\"openai\"") && card.contains("The key is stored."), "{card}");
    assert_eq!(card.matches("<section").count(), 1);
    assert!(mia.page("/keys").await.contains("Replace or delete"));
    assert!(!mia.page("/keys").await.contains("The key is stored."));

    // The form, for the same value: another row.
    let first = envelope("openai").await.unwrap();
    let reply = mia.post("/keys/openai", &format!("key={KEY}")).await;
    assert_eq!((reply.status(), location(&reply)), (StatusCode::SEE_OTHER, "/keys#openai"));
    assert_eq!(reply.headers()["connection"], "close");
    assert_eq!(mia.put("/keys/groq", KEY).await.status(), StatusCode::OK);
    let rows = [first, envelope("openai").await.unwrap(), envelope("groq").await.unwrap()];
    let rows = rows.map(|row| row.parse::<Envelope>().unwrap());
    for (row, other) in [(0, 1), (0, 2), (1, 2)] {
        let [row, other] = [&rows[row], &rows[other]];
        assert_ne!((row.iv(), row.commitment()), (other.iv(), other.commitment()));
        assert_ne!(row.ciphertext(), other.ciphertext());
    }
    assert!(rows.iter().all(|row| row.key_ids().map(|id| id.to_string()).eq(["dashboard-1"])));

    for part in [KEY, &KEY[..16], &KEY[10..]] {
        scene.assert_nowhere(part, "mia@example.com");
        assert!(!card.contains(part) && !mia.page("/keys").await.contains(part));
    }

    let set = mia.page("/api/keys").await;
    assert_eq!((set.matches(":true").count(), set.matches(":false").count()), (2, 12));
    assert!(set.contains("\"openai\":true") && set.contains("\"groq\":true"), "{set}");

    let page = mia.page("/keys").await;
    let cards: Vec<_> = page.split("<section ").skip(1).collect();
    assert_eq!(cards.len(), 14);
    for card in cards {
        let is_set = ["id=\"openai\"", "id=\"groq\""].iter().any(|id| card.contains(id));
        assert_eq!(
            [">set<", "Stored ", "Not checked yet.", "Delete the key"].map(|text| card.contains(text)),
            [is_set; 4]
        );
        assert_eq!(card.contains(">not set<"), !is_set);
    }
    // What the worker found.
    let shown = [
        (200, 1234, "it works (status 200). It was open for 1.2 ms."),
        (401, 999, "<strong>the provider refuses it (status 401).</strong> It was open for 1.0 ms."),
        (500, 12_060, "the provider answered with status 500. It was open for 12.1 ms."),
        (0, 0, "the provider did not answer.</p>"),
        (-1, 0, "it could not be opened. Store it again.</p>"),
    ];
    let due = scene.store.due(0, 9).await.unwrap();
    let (_, _, envelope) = due.into_iter().find(|(_, provider, _)| provider == "openai").unwrap();
    for (status, held, text) in shown {
        scene.store.tried((tenant.as_ref(), "openai", &envelope), status, held).await.unwrap();
        assert_eq!(mia.page("/keys").await.matches(text).count(), 1, "{text}");
    }

    let delete = || mia.request(Method::DELETE, "/keys/groq").header("origin", &scene.origin).send();
    assert_eq!(location(&delete().await.unwrap()), "/keys");
    assert_eq!(mia.page("/api/keys").await.matches(":true").count(), 1);
    assert_eq!(location(&mia.post("/keys/openai/delete", "").await), "/keys");
    assert_eq!(mia.page("/api/keys").await.matches(":true").count(), 0);
    for unknown in ["/keys/unknown", "/keys/OpenAI"] {
        assert_eq!(mia.put(unknown, KEY).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(mia.post(unknown, &format!("key={KEY}")).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn nobody_sees_another_ones_keys() {
    let scene = Scene::start("tenants", "").await;
    let (mia, noa) = (scene.sign_in("mia@example.com").await, scene.sign_in("noa@example.com").await);
    assert_eq!(mia.put("/keys/openai", KEY).await.status(), StatusCode::OK);
    assert_eq!(noa.page("/api/keys").await.matches(":true").count(), 0);
    assert!(!noa.page("/keys").await.contains("Replace or delete"));
    assert_eq!(location(&noa.post("/keys/openai/delete", "").await), "/keys");
    assert_eq!(mia.page("/api/keys").await.matches(":true").count(), 1);
}

#[tokio::test]
async fn a_key_that_comes_while_its_owner_leaves_is_not_stored() {
    store_and_leave(&Scene::start("left", "").await).await;
}

/// Leaves after a key was begun to be sent, and before its end.
pub(crate) async fn store_and_leave(scene: &Scene) {
    let mia = scene.sign_in("mia@example.com").await;
    let tenant = scene.tenant("mia@example.com").await;
    let mut stream = TcpStream::connect(scene.origin.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "PUT /keys/openai HTTP/1.1\r\nhost: x\r\norigin: {}\r\ncookie: {}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        scene.origin,
        mia.cookie,
        KEY.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It asks for the key, so the session was valid.
    let mut reply = [0; 25];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(location(&mia.post("/account/delete", "email=mia@example.com").await), "/deleted");
    stream.write_all(KEY.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 401 "), "{reply}");
    assert_eq!(scene.store.credentials(&tenant).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_what_is_doubtful_is_asked() {
    let scene = Scene::start("doubts", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let stored = async || mia.page("/api/keys").await.matches(":true").count();
    let long = "x".repeat(8193);
    for unsendable in ["", "hunter2", "sk-proj-0123456789\n", "sk-proj-0123456789 ", "sk-proj\r\nx-evil: 1", &long] {
        // The second question does not help.
        for path in ["/keys/openai", "/keys/openai?anyway=yes"] {
            let reply = mia.put(path, unsendable).await;
            assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY, "{unsendable:?}");
            assert!(reply.text().await.unwrap().contains("no request can carry it"));
        }
    }
    let reply = mia.post("/keys/openai", "anyway=yes&key=hunter2").await;
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(reply.text().await.unwrap().contains("no request can carry it"));
    assert_eq!(stored().await, 0);

    let masked = "sk-proj-************";
    let reply = mia.put("/keys/openai", masked).await;
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    let card = reply.text().await.unwrap();
    assert!(card.contains("<li>masked</li>") && card.contains("Store it anyway") && !card.contains(masked), "{card}");
    let reply = mia.post("/keys/openai", &format!("key={masked}")).await;
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    let page = reply.text().await.unwrap();
    assert!(
        page.contains("<li>masked</li>") && page.contains("name=\"anyway\" value=\"yes\"") && !page.contains(masked)
    );
    assert_eq!(page.matches("Store it anyway").count(), 1);
    assert_eq!(stored().await, 0);

    assert_eq!(mia.put("/keys/openai?anyway=yes", masked).await.status(), StatusCode::OK);
    assert_eq!(mia.post("/keys/groq", &format!("anyway=yes&key={masked}")).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(stored().await, 2);
    scene.assert_nowhere(masked, "mia@example.com");

    let reply = mia.put("/keys/xai", &"x".repeat(16 * 1024 + 1)).await;
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let reply = mia.post("/keys/xai", &format!("key={}", "x".repeat(16 * 1024))).await;
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_new_epoch_brings_a_new_sealer() {
    let scene = Scene::start("epoch", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let tenant = scene.tenant("mia@example.com").await;
    let ring: Keyring = scene.home.parsed(RING).unwrap();
    let under = async || scene.store.processes(10).await.unwrap()[0].1.clone();
    scene.until("the first pair is noted", async || !scene.store.processes(10).await.unwrap().is_empty()).await;
    assert_eq!(under().await, "dashboard-1");
    assert!(scene.store.processes(10).await.unwrap()[0].0.starts_with("dashboard "));

    // The pair before is gone at once: the dashboard reads its file again.
    Epoch(2).make_pair(&scene.home, &scene.store, &ring).await.unwrap();
    assert!(scene.store.delete_pair("dashboard-1").await.unwrap());
    assert_eq!(mia.put("/keys/openai", KEY).await.status(), StatusCode::OK);
    let row: Envelope = scene.store.find(&tenant, "openai").await.unwrap().unwrap().envelope.parse().unwrap();
    assert!(row.key_ids().map(|id| id.to_string()).eq(["dashboard-2"]));

    // Or it reads it within a second.
    Epoch(3).make_pair(&scene.home, &scene.store, &ring).await.unwrap();
    scene.until("the third pair is noted", async || under().await == "dashboard-3").await;

    // A file that cannot be read changes nothing, and a key is not stored under a pair that is gone.
    scene.home.write(byok_gateway::files::SEALER, b"nonsense").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(mia.put("/keys/groq", KEY).await.status(), StatusCode::OK);
    sqlx::query("DELETE FROM writer_pairs")
        .execute(&sqlx::AnyPool::connect(&scene.home.database()).await.unwrap())
        .await
        .unwrap();
    assert_eq!(mia.put("/keys/xai", KEY).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(scene.store.find(&tenant, "xai").await.unwrap().is_none());
}
