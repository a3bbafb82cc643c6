//! What a gateway must not leave behind, and what it must not pass on.

use std::fs;
use std::path::Path;

use byok_gateway::config::Config;
use reqwest::{Method, StatusCode};

use crate::scene::{Scene, command, until};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind() {
    let scene = Scene::start_quietly("leftovers", "").await;
    for process in ["dashboard", "proxy", "worker"] {
        let limits = fs::read_to_string(format!("/proc/{}/limits", scene.pid(process))).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{process}");
    }

    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-left-behind-0123").await;
    let row = async || scene.rows("SELECT envelope FROM credentials").await.remove(0);
    until("the worker takes over", async || row().await.contains(":tenant/")).await;
    let (ok, text) = scene.run(&["drill"]);
    assert!(ok, "{text}");
    assert!(!scene.dir.join("drill").exists(), "the copy of the drill");

    // Not even ciphertext, once the write-ahead log is in the database.
    let row = row().await;
    let end = row.as_bytes().last_chunk::<24>().unwrap();
    let is_there = || scene.files().iter().any(|(_, bytes)| bytes.windows(end.len()).any(|window| window == end));
    assert!(is_there());
    mia.request(Method::DELETE, "/keys/openai").send().await.unwrap();
    until("the row is overwritten", async || {
        scene.write("PRAGMA wal_checkpoint(TRUNCATE)").await;
        !is_there()
    })
    .await;

    // What has expired is deleted.
    let links = async || scene.rows("SELECT id FROM sealwax_tokens WHERE subject LIKE 'link/%'").await.len();
    assert_eq!(links().await, 1);
    scene.write("UPDATE sealwax_tokens SET expires = 1 WHERE subject LIKE 'link/%'").await;
    until("the link is purged", async || links().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_sees_a_process_with_other_keys() {
    let mut scene = Scene::start_quietly("other_keys", "").await;
    let (ok, text) = scene.run(&["drill"]);
    assert!(ok, "{text}");
    until("all processes are noted", async || scene.rows("SELECT name FROM processes").await.len() == 3).await;
    scene.move_into_safe();
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok && text.matches("has the newest keys").count() == 3, "{text}");
    scene
        .write(
            "INSERT INTO processes VALUES ('proxy 0', 'others', 99999999999), ('dashboard 0', 'others', 99999999999)",
        )
        .await;
    let (ok, text) = scene.run(&["doctor"]);
    for process in ["dashboard 0", "proxy 0"] {
        assert!(!ok && text.contains(&format!("BAD  {process} has other keys than the file")), "{text}");
    }
    assert!(!text.contains("runs"), "{text}");
    scene.kill("worker");
    scene.write("DELETE FROM processes WHERE name LIKE 'worker %'").await;
    let (_, text) = scene.run(&["doctor"]);
    assert!(text.contains("BAD  no worker runs"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_sets_nothing_in_a_browser() {
    let scene = Scene::start_quietly("headers_of_providers", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-headers-0123").await;
    let token = mia.token("live", &["openai"]).await;
    let reply = mia.ask(Method::GET, "/openai/headers", &token).send().await.unwrap();
    assert_eq!((reply.status(), &reply.headers()["x-kept"]), (StatusCode::OK, &"yes".parse().unwrap()));
    for header in ["set-cookie", "alt-svc", "clear-site-data", "x-named"] {
        assert!(!reply.headers().contains_key(header), "{header}");
    }
    let transport = reply.headers()["strict-transport-security"].to_str().unwrap();
    assert!(!transport.contains("max-age=0"), "{transport}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_for_an_operator_is_said() {
    let scene = Scene::start_quietly("left_to_do", "").await;
    let move_it = |file: &str| format!("move {} into a safe", scene.dir.join(file).display());
    let [all, second, third] = [move_it("safe"), move_it("safe/epoch-2"), move_it("safe/epoch-3")];
    assert!(fs::read_to_string(scene.log("commands")).unwrap().contains(&all), "{all}");
    let mia = scene.sign_in("mia@example.com").await;
    scene.write("CREATE TRIGGER kept BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'kept'); END").await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    let (ok, text) = scene.run(&["epoch"]);
    let waits = "1 accounts still wait for their deletion: see the worker's log";
    assert!(ok && text.contains(waits) && text.contains(&second), "{text}");
    scene.write("DROP TRIGGER kept").await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && !text.contains("accounts still wait") && text.contains(&third), "{text}");
}

#[test]
fn the_readme_has_a_configuration() {
    let (_, config) = include_str!("../../README.md").split_once("```toml\n").unwrap();
    let config: Config = toml::from_str(config.split_once("```").unwrap().0).unwrap();
    assert_eq!((config.front.unwrap().as_str(), config.openbao.unwrap().key.as_str()), ("x-real-ip", "byok-gateway"));
}

#[test]
fn an_origin_that_browsers_do_not_send_is_refused() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("origin-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("gateway.toml");
    let run = |arguments: &[&str]| {
        let output = command(&dir, arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    for origin in ["https://example.com/", "example.com", "", "https://example.com:443"] {
        fs::write(&file, format!("origin = \"{origin}\"\n")).unwrap();
        let (ok, text) = run(&["init"]);
        let error = format!("{}: `origin` has to be like https://keys.example.com", file.display());
        assert!(!ok && text.contains(&error), "{origin}: {text}");
    }
    // Nor does a process make an empty database, where there is none, or a forgotten command another gateway.
    fs::write(&file, "database = \"sqlite:typo.db\"\n").unwrap();
    let (ok, text) = run(&["dashboard"]);
    assert!(!ok && text.contains("cannot open `database`, which `init` makes"), "{text}");
    let (ok, text) = run(&[]);
    assert!(!ok && text.contains("--home needs a command"), "{text}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_root_that_somebody_puts_back_is_found_and_removed() {
    let scene = Scene::start_quietly("old_root", "").await;
    let files = ["safe/epoch-1", "escrow/epoch-1"].map(|file| scene.dir.join(file));
    let old = files.each_ref().map(|file| fs::read(file).unwrap());
    assert!(scene.run(&["epoch"]).0);
    scene.move_into_safe();
    assert!(scene.run(&["drill"]).0);
    let (ok, text) = scene.run(&["doctor"]);
    assert!(ok, "{text}");
    for (file, old) in files.iter().zip(&old) {
        assert!(!file.exists());
        fs::write(file, old).unwrap();
        let (ok, text) = scene.run(&["doctor"]);
        assert!(!ok && text.contains(&format!("{} is still on this machine: destroy it", file.display())), "{text}");
    }
    fs::remove_file(scene.dir.join("tenant-keys/epoch-2")).unwrap();
    let (_, text) = scene.run(&["doctor"]);
    assert!(text.contains("BAD  tenant-keys does not have the keys of epoch-2: older backups are lost"), "{text}");
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && files.iter().all(|file| !file.exists()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_fails_leaves_nothing_and_is_noted() {
    let mut scene = Scene::start_quietly("failed_drill", "").await;
    scene.kill("worker");
    scene.write("DELETE FROM drills").await;
    let tombstones = scene.dir.join("keys/service/tombstones");
    fs::write(&tombstones, "x\n").unwrap();
    let (ok, text) = scene.run(&["drill"]);
    assert!(!ok && text.contains("keys/service/tombstones is malformed"), "{text}");
    assert!(!scene.dir.join("drill").exists());
    assert_eq!(scene.rows("SELECT passed || ' ' || (report LIKE '%malformed%') FROM drills").await, ["0 1"]);
}
