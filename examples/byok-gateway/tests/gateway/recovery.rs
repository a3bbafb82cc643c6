//! Backups that are restored at bad moments.

use reqwest::{Method, StatusCode};
use sealwax::{EncryptionContext, Held, Keyring, MasterKey, OpeningKey};

use crate::scene::{Scene, until};

const KEY: &str = "sk-proj-recovery-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_after_a_deletion_and_while_an_epoch_has_begun() {
    let mut scene = Scene::start_with("recovery", "policy.max_age = 5\n", "warn").await;
    let [mia, noa] = [scene.sign_in("mia@example.com").await, scene.sign_in("noa@example.com").await];
    for customer in [&mia, &noa] {
        customer.store("openai", KEY).await;
    }
    let token = mia.token("live", &["openai", "groq"]).await;
    until("the worker takes over", async || {
        scene.rows("SELECT envelope FROM credentials").await.iter().all(|row| row.contains(":tenant/"))
    })
    .await;
    // What is in the safe opens the root.
    let read = |file: &str| std::fs::read_to_string(scene.dir.join(file)).unwrap();
    let safe: OpeningKey = read("safe/epoch-1").parse().unwrap();
    let safe = Keyring::opening_only().with_escrow("escrow-1".parse().unwrap(), safe).unwrap();
    let context = EncryptionContext::new([("root", "epoch-1")]).unwrap().holding(Held::MasterKey).unwrap();
    let root = safe.open(&read("escrow/epoch-1").parse().unwrap(), &context).unwrap();
    assert!(read("keys/service/ring").contains(root.expose_str().unwrap()));
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok, "{text}");
    assert!(!scene.dir.join("safe/epoch-1").exists() && !scene.dir.join("escrow/epoch-1").exists());
    noa.form("/account/delete", &[("email", "noa@example.com")]).await;
    until("the account is gone", async || scene.rows("SELECT id FROM accounts").await.len() == 1).await;
    scene.copy("copy.db").await;

    // The next root was drawn, and the command was stopped. Two of them at once are refused.
    scene.restore("copy.db");
    let ring = scene.dir.join("keys/service/ring");
    let text = std::fs::read_to_string(&ring).unwrap();
    let drawn = MasterKey::generate().unwrap().to_text();
    std::fs::write(&ring, format!("{text}retired epoch-3 {}\n", drawn.expose_str().unwrap())).unwrap();
    let lock = std::fs::File::create(scene.dir.join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(!scene.run(&["epoch"]).0 && !scene.run(&["recover"]).0);
    drop(lock);
    let (ok, text) = scene.run(&["recover"]);
    assert!(ok, "{text}");
    for process in ["dashboard", "proxy", "worker"] {
        scene.begin(process);
    }
    scene.until_ready().await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("epoch-3 is the primary"), "{text}");
    // What is stored now is used, and so is what was stored before.
    mia.store("groq", KEY).await;
    for path in ["/openai/v1/models", "/groq/v1/models"] {
        assert_eq!(mia.ask(Method::GET, path, &token).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    let (ok, text) = scene.run(&["drill"]);
    assert!(ok, "{text}");
    scene.move_into_safe();
    until("all is well", async || scene.run(&["doctor"]).0).await;
    let (_, text) = scene.run(&["doctor"]);
    assert!(text.contains("ok   the dashboard's pair is under the primary"), "{text}");
    // A line that a power cut has cut is none.
    use std::io::Write;
    let tombstones = scene.dir.join("keys/service/tombstones");
    std::fs::File::options().append(true).open(&tombstones).unwrap().write_all(b"tenant/torn@1 epo").unwrap();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok, "{text}");
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    until("the account is gone", async || scene.rows("SELECT id FROM accounts").await.is_empty()).await;
    let text = std::fs::read_to_string(&tombstones).unwrap();
    assert!(text.lines().count() == 2 && !text.contains("torn"), "{text}");
}
