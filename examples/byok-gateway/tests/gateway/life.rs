//! A tenant's life without a dashboard: what the dashboard writes is written here, with the dashboard's keys.

use byok_gateway::config::Home;
use byok_gateway::store::Store;
use reqwest::StatusCode;
use sealwax_tenants::TenantId;

use crate::scene::{Scene, until};
use crate::seed::seed;

async fn ask(scene: &Scene, token: &str) -> (StatusCode, String) {
    let request = reqwest::Client::new().post(format!("{}/openai/v1/chat", scene.proxy)).bearer_auth(token);
    let reply = request.body("hello").send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_used_moved_rotated_and_deleted() {
    live(&Scene::start("life").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_deletes_who_has_left() {
    let mut scene = Scene::start_quietly("life_leaving", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-0123456789abcdef").await;
    let row = async || scene.rows("SELECT envelope FROM credentials").await.remove(0);
    until("the worker takes over", async || row().await.contains(":tenant/")).await;
    let (ok, text) = scene.run(&["rotate", "Mia@example.com"]);
    assert!(ok && text.contains("1 keys moved") && row().await.contains("@2="), "{text}");
    let (ok, text) = scene.run(&["rotate", "noa@example.com"]);
    assert!(!ok && text.contains("there is no such account"), "{text}");
    scene.kill("worker");
    scene.write("DELETE FROM processes WHERE name LIKE 'worker %'").await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified") && !text.contains("still wait"), "{text}");
    assert!(scene.rows("SELECT id FROM accounts").await.is_empty());
}

/// A tenant's whole life.
pub(crate) async fn live(scene: &Scene) {
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    let key = "sk-proj-0123456789abcdef";
    let token = seed(scene, "aaaa", "openai", key).await;
    assert_eq!(ask(scene, &token).await, (StatusCode::OK, "{\"ok\":true}\n".into()));
    let other = seed(scene, "bbbb", "openai", "sk-proj-other-56789abcdef").await;

    until("the worker takes over", async || store.written_by_the_dashboard(10).await.unwrap().is_empty()).await;
    assert_eq!(ask(scene, &token).await.0, StatusCode::OK);
    until("the worker checks the key", async || {
        store.credentials(&"aaaa".parse().unwrap()).await.unwrap()[0].status == Some(200)
    })
    .await;

    let (ok, text) = scene.run(&["rotate", "aaaa@example.com"]);
    assert!(ok, "{text}");
    assert_eq!(ask(scene, &token).await.0, StatusCode::OK);
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok, "{text}");
    assert_eq!(ask(scene, &token).await.0, StatusCode::OK);
    let (ok, text) = scene.run(&["drill"]);
    assert!(ok, "{text}");
    scene.move_into_safe();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok, "{text}");

    let tenant: TenantId = "aaaa".parse().unwrap();
    store.leave(&home, &tenant).await.unwrap();
    assert_eq!(ask(scene, &token).await.0, StatusCode::UNAUTHORIZED);
    until("the worker deletes the tenant", async || store.leaving().await.unwrap().is_empty()).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
    assert_eq!(ask(scene, &other).await.0, StatusCode::OK);
    scene.move_into_safe();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok, "{text}");
    for seen in scene.upstream.take() {
        assert_eq!(seen.host, "api.openai.com");
    }
}
