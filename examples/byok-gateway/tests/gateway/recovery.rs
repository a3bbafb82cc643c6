//! Backups that are restored at bad moments.

use std::fs;

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
    scene.until_taken_over().await;
    // What is in the safe opens the root.
    let read = |file: &str| fs::read_to_string(scene.dir.join(file)).unwrap();
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
    let text = fs::read_to_string(&ring).unwrap();
    let drawn = MasterKey::generate().unwrap().to_text();
    fs::write(&ring, format!("{text}retired epoch-3 {}\n", drawn.expose_str().unwrap())).unwrap();
    let lock = fs::File::create(scene.dir.join("lock")).unwrap();
    lock.lock().unwrap();
    for command in [&["epoch"][..], &["recover"], &["rotate", "mia@example.com"]] {
        let (ok, text) = scene.run(command);
        assert!(!ok && text.contains("another command changes the keys"), "{text}");
    }
    drop(lock);
    let (ok, text) = scene.run(&["recover"]);
    assert!(ok, "{text}");
    for process in ["dashboard", "proxy", "worker"] {
        scene.begin(process);
    }
    scene.until_ready().await;
    let (_, text) = scene.run(&["doctor"]);
    assert!(
        text.contains(
            "BAD  the primary is epoch-2, but an epoch was interrupted, or certificates are missing: run `epoch`"
        ),
        "{text}"
    );
    // What a command that was killed has left.
    fs::write(ring.with_extension("new"), text).unwrap();
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("epoch-3 was interrupted") && text.contains("epoch-4 is the primary"), "{text}");
    assert!(!ring.with_extension("new").exists());
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
    fs::File::options().append(true).open(&tombstones).unwrap().write_all(b"tenant/torn@1 epo").unwrap();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok, "{text}");
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    until("the account is gone", async || scene.rows("SELECT id FROM accounts").await.is_empty()).await;
    let text = fs::read_to_string(&tombstones).unwrap();
    assert!(text.lines().count() == 2 && !text.contains("torn"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_worker_had_taken_over_before_an_epoch_is_lost_and_keeps_nothing_waiting() {
    let mut scene = Scene::start_with("recovery_lost", "policy.max_age = 5\n", "warn").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai", "groq"]).await;
    scene.until_taken_over().await;
    scene.stop("worker").await;
    mia.store("groq", KEY).await;
    scene.copy("copy.db").await;
    scene.begin("worker");
    // The log goes on after the backup.
    let use_key = async |path: &str| mia.ask(Method::GET, path, &token).send().await.unwrap().status();
    assert_eq!(use_key("/groq/v1/models").await, StatusCode::OK);
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok, "{text}");
    scene.stop("worker").await;
    scene.restore("copy.db");
    let (ok, text) = scene.run(&["recover"]);
    assert!(ok && text.contains("0 tenants were deleted since the backup; 1 keys are lost"), "{text}");
    let (_, text) = scene.run(&["doctor"]);
    assert!(text.contains("ok   the root is 0 days old") && text.contains("ok   0 chains of the audit log"), "{text}");
    for process in ["dashboard", "proxy", "worker"] {
        scene.begin(process);
    }
    scene.until_ready().await;
    assert_eq!(use_key("/openai/v1/models").await, StatusCode::OK);
    assert_eq!(use_key("/groq/v1/models").await, StatusCode::NOT_FOUND);
    // Who is deleted now is certified at the end of this epoch.
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
    let (ok, text) = scene.run(&["drill"]);
    assert!(ok, "{text}");
    scene.move_into_safe();
    until("all is well", async || scene.run(&["doctor"]).0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_a_kill_has_prevented_come_with_the_next_run() {
    let mut scene = Scene::start_quietly("recovery_certificates", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
    // As if it had been killed when the root was destroyed.
    scene.stop("worker").await;
    fs::remove_file(scene.dir.join("keys/service/anchors")).unwrap();
    let newest = "(SELECT max(number) FROM sealwax_audit WHERE subject LIKE '%@deletions')";
    let last = format!("subject LIKE '%@deletions' AND number = {newest}");
    assert!(scene.rows(&format!("SELECT record FROM sealwax_audit WHERE {last}")).await[0].contains("certify"));
    scene.write(&format!("DROP TRIGGER sealwax_audit_undeleted; DELETE FROM sealwax_audit WHERE {last}")).await;
    scene.begin("worker");
    let (_, text) = scene.run(&["doctor"]);
    assert!(
        text.contains(
            "BAD  the primary is epoch-2, but an epoch was interrupted, or certificates are missing: run `epoch`"
        ),
        "{text}"
    );
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("epoch-2 was interrupted, and is finished first"), "{text}");
    assert!(text.contains("1 deletions are certified") && text.contains("0 deletions are certified"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_set_up_writes_over_the_escrow_of_a_keyring_that_is_lost() {
    let mut scene = Scene::start_quietly("recovery_set_up", "").await;
    for process in ["dashboard", "proxy", "worker"] {
        scene.stop(process).await;
    }
    let escrow = fs::read(scene.dir.join("escrow/epoch-1")).unwrap();
    fs::remove_dir_all(scene.dir.join("keys")).unwrap();
    let (ok, text) = scene.run(&["init"]);
    assert!(!ok && text.contains("keys/service/ring is lost, and the database is under it: restore it"), "{text}");
    assert_eq!(fs::read(scene.dir.join("escrow/epoch-1")).unwrap(), escrow);
}
