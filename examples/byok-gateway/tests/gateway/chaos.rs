//! The gateway under load, while its processes are killed at random moments: no key is lost, and none is opened unrecorded.
//!
//! `BYOK_GATEWAY_CHAOS_SECONDS` takes another time than 5 seconds, and `BYOK_GATEWAY_CHAOS_SEED` the seed that a run has
//! printed: it repeats what the customers do and when what is killed, and not what the system makes of it.

mod checks;
mod customers;
mod dice;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use byok_gateway::config::Home;
use byok_gateway::files::{SEALER, TOMBSTONES};
use byok_gateway::providers;
use byok_gateway::store::Store;
use byok_gateway::vault::Vault;
use customers::Load;
use dice::Dice;
use reqwest::{Method, StatusCode};
use sealwax_tenants::TenantState;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::scene::{Scene, command, until};
use crate::seed::seed;

const PROCESSES: [&str; 3] = ["dashboard", "proxy", "worker"];
/// A process that was killed counts for ten seconds more than this as one that has keys, and an epoch waits for it.
const CONFIG: &str = "[limits]\ntoken = 1000000\naddress = 1000000\n[policy]\nmax_age = 2\n";
/// A long form has an epoch each time that so many seconds have passed.
const SECONDS_OF_AN_EPOCH: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_lost_when_processes_are_killed() {
    survive("chaos", "").await;
}

/// Kills processes under load, over the database of a line of the configuration, and looks whether the promises are kept.
pub(crate) async fn survive(name: &str, database: &str) {
    let seconds = dice::variable("BYOK_GATEWAY_CHAOS_SECONDS").unwrap_or(5);
    let mut dice = Dice::new();
    let mut scene = Scene::start_quietly(name, &format!("{database}{CONFIG}")).await;
    let load = Arc::new(Load::prepare(&scene).await);
    let requests = load.begin(&mut dice, seconds);
    let epochs = tokio::spawn(turn(scene.dir.clone(), dice.split(), seconds.div_ceil(SECONDS_OF_AN_EPOCH)));

    let (begun, mut kills) = (Instant::now(), 0_u32);
    while begun.elapsed().as_secs() < seconds {
        let first = dice.below(3);
        for process in PROCESSES.into_iter().cycle().skip(first).take(3) {
            sleep(dice.milliseconds(600)).await;
            scene.assert_all_run();
            scene.kill(process);
            sleep(dice.milliseconds(200)).await;
            scene.begin(process);
            kills += 1;
        }
        // Time for some work: a process takes a while to start.
        sleep(dice.milliseconds(1500)).await;
    }
    let killed = epochs.await.unwrap();
    load.stop();
    let uses = requests.join_all().await.concat();
    scene.assert_all_run();
    println!("{kills} processes and {killed} epochs killed");
    checks::promises_are_kept(&scene, &load, uses).await;
}

/// Ends this many epochs, each of which is killed once. Returns how many were killed.
async fn turn(home: PathBuf, mut dice: Dice, epochs: u64) -> u32 {
    let (begun, mut killed) = (Instant::now(), 0);
    for number in 0..epochs {
        let due = Duration::from_secs(SECONDS_OF_AN_EPOCH * number) + dice.milliseconds(1000);
        sleep(due.saturating_sub(begun.elapsed())).await;
        let (first, mut kill_after) = (Instant::now(), Some(dice.milliseconds(3000)));
        loop {
            let epoch = Command::from(command(&home, &["epoch"])).kill_on_drop(true).output();
            let Ok(output) = timeout(kill_after.take().unwrap_or(Duration::MAX), epoch).await else {
                killed += 1;
                continue;
            };
            let output = output.unwrap();
            if output.status.success() {
                break;
            }
            // It says what to do: run it again.
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("epoch: {text}");
            assert!(first.elapsed() < Duration::from_secs(120), "an epoch does not end: {text}");
            sleep(Duration::from_secs(1)).await;
        }
    }
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_killed_after_the_tombstone_deletes_the_rest() {
    let mut scene = Scene::start_quietly("chaos_deletion", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-chaos-deletion-0123").await;
    scene.until_taken_over().await;
    scene.kill("worker");
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    // What it does first.
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    let vault = Vault::unlock(&home, &store).await.unwrap();
    let record = store.tenants().read(&store.leaving().await.unwrap()[0]).await.unwrap();
    let dead = vault.tenants().unwrap().destroy(&record, |_| Ok::<_, std::convert::Infallible>(())).unwrap();
    home.append(TOMBSTONES, &dead.to_string()).unwrap();
    scene.begin("worker");
    until("the account is gone", async || scene.rows("SELECT id FROM accounts").await.is_empty()).await;
    assert!(scene.rows("SELECT envelope FROM sealwax_tenant_keys").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_was_killed_after_the_pair_gives_the_dashboard_its_half() {
    let mut scene = Scene::start_quietly("chaos_pair", "[policy]\nmax_age = 2\n").await;
    let mia = scene.sign_in("mia@example.com").await;
    let sealer = scene.dir.join(SEALER);
    let old = std::fs::read(&sealer).unwrap();
    // It waits for this one, for longer than it may use the keyring.
    scene.kill("dashboard");
    let mut epoch = command(&scene.dir, &["epoch"]).spawn().unwrap();
    until("the pair is there", async || {
        scene.rows("SELECT key_id FROM writer_pairs").await.contains(&"dashboard-2".to_owned())
    })
    .await;
    epoch.kill().unwrap();
    epoch.wait().unwrap();
    let (_, text) = scene.run(&["doctor"]);
    assert!(
        text.contains(
            "BAD  the primary is epoch-2, but an epoch was interrupted, or certificates are missing: run `epoch`"
        ),
        "{text}"
    );
    // As if it had not come further.
    std::fs::write(&sealer, old).unwrap();
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("waits for dashboard"), "{text}");
    scene.begin("dashboard");
    scene.until_ready().await;
    mia.store("openai", "sk-proj-chaos-pair-0123").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_that_was_killed_goes_on() {
    let mut scene = Scene::start_quietly("chaos_init", "").await;
    for kill_after in [50, 100, 200, 400, 30_000] {
        scene.empty();
        let mut init = Command::from(command(&scene.dir, &["init"])).spawn().unwrap();
        let _ = timeout(Duration::from_millis(kill_after), init.wait()).await;
        // It waits until the process is gone, and the lock with it.
        init.kill().await.unwrap();
        // If it has come to its end, it was killed before its last step.
        let _ = std::fs::remove_file(scene.dir.join(SEALER));
        let (ok, text) = scene.run(&["init"]);
        assert!(ok, "{text}");
        let home = Home::read(&scene.dir).unwrap();
        let store = Store::open(&home.database()).await.unwrap();
        checks::openings(&home, &store).await;
        for process in PROCESSES {
            scene.begin(process);
        }
        scene.until_ready().await;
        let mia = scene.sign_in("mia@example.com").await;
        mia.store("openai", "sk-proj-chaos-init-0123").await;
        let token = mia.token("live", &["openai"]).await;
        let reply = mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_drills_at_once_wait_for_each_other() {
    let scene = Scene::start_quietly("chaos_drills", "").await;
    let drills = [1, 2, 3].map(|_| command(&scene.dir, &["drill"]).spawn().unwrap());
    assert!(drills.into_iter().all(|mut drill| drill.wait().unwrap().success()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_check_found_is_not_said_of_the_key_that_came_after() {
    let mut scene = Scene::start_quietly("chaos_check", "").await;
    scene.kill("worker");
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-chaos-check-0123").await;
    let store = Store::open(&Home::read(&scene.dir).unwrap().database()).await.unwrap();
    let (tenant, provider, envelope) = store.due(0, 1).await.unwrap().remove(0);
    mia.store("openai", "sk-proj-chaos-check-4567").await;
    store.tried((&tenant, &provider, &envelope), 401, 1).await.unwrap();
    assert_eq!(store.credentials(&tenant.parse().unwrap()).await.unwrap()[0].status, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_stays_until_no_row_is_under_it() {
    let mut scene = Scene::start_quietly("chaos_rows", "").await;
    scene.kill("worker");
    scene.sign_in("mia@example.com").await.store("openai", "sk-proj-chaos-rows-0123").await;
    let store = Store::open(&Home::read(&scene.dir).unwrap().database()).await.unwrap();
    assert!(!store.delete_pair("dashboard-1").await.unwrap());
    scene.begin("worker");
    until("the worker takes over", async || store.written_by_the_dashboard(1).await.unwrap().is_empty()).await;
    assert!(store.delete_pair("dashboard-1").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrap_that_comes_after_another_master_key_or_a_deletion_writes_nothing() {
    let mut scene = Scene::start_quietly("chaos_fence", "").await;
    scene.kill("worker");
    fence(&scene).await;
}

/// Rewraps as the worker does, and writes what it made only after the tenant's master key was replaced or destroyed.
pub(crate) async fn fence(scene: &Scene) {
    for provider in ["openai", "groq"] {
        seed(scene, "aaaa", provider, "sk-proj-chaos-fence-0123").await;
    }
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    let vault = Vault::unlock(&home, &store).await.unwrap();
    let (tenants, tenant) = (vault.tenants().unwrap(), "aaaa".parse().unwrap());
    let rows = async || {
        let rows = scene.rows("SELECT envelope FROM credentials ORDER BY provider").await;
        <[String; 2]>::try_from(rows).unwrap()
    };
    let new_key = async |state| {
        let record = store.tenants().read(&tenant).await.unwrap();
        assert!(store.tenants().create(&tenants.create(&record, state).unwrap()).await.unwrap());
    };
    let rewrapped = async |row: &str| {
        let (row, record) = (row.parse().unwrap(), store.tenants().read(&tenant).await.unwrap());
        vault.keyring(&record, &row).await.unwrap().rewrap(&row).unwrap().unwrap()
    };
    new_key(TenantState::NeverHad).await;
    let [groq, openai] = rows().await;
    let under_the_first = rewrapped(&openai).await;
    new_key(TenantState::Live).await;
    assert!(!store.replace("aaaa", "openai", &openai, &under_the_first).await.unwrap());
    let [under_the_second, last] = [rewrapped(&groq).await, rewrapped(&openai).await];
    assert!(store.replace("aaaa", "groq", &groq, &under_the_second).await.unwrap());
    let record = store.tenants().read(&tenant).await.unwrap();
    let dead = tenants.destroy(&record, |_| Ok::<_, std::convert::Infallible>(())).unwrap();
    store.tenants().destroy(dead).await.unwrap().unwrap();
    assert!(!store.replace("aaaa", "openai", &openai, &last).await.unwrap());
    assert_eq!(rows().await, [under_the_second.to_string(), openai]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_lost_when_proxy_and_worker_append_to_one_chain() {
    append_at_once(&Scene::start_quietly("chaos_chain", ALL_THE_TIME).await).await;
}

/// The worker checks each key all the time.
pub(crate) const ALL_THE_TIME: &str = "policy.check_hours = 0\nlimits.token = 1000000\nlimits.address = 1000000\n";

/// Sends requests while the worker checks the same customer's keys.
pub(crate) async fn append_at_once(scene: &Scene) {
    let mia = scene.sign_in("mia@example.com").await;
    for provider in providers::all() {
        mia.store(&provider.slug, "sk-proj-chaos-chain-0123").await;
    }
    let token = mia.token("live", &["openai"]).await;
    let (is_over, mut programs) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for _ in 0..4 {
        let (mia, token, is_over) = (mia.clone(), token.clone(), Arc::clone(&is_over));
        programs.spawn(async move {
            let mut sent = 0;
            while !is_over.load(Ordering::SeqCst) {
                let reply = mia.ask(Method::GET, "/openai/chain", &token).send().await.unwrap();
                assert_eq!(reply.status(), StatusCode::OK);
                sent += 1;
            }
            sent
        });
    }
    let checks = "SELECT why FROM sealwax_audit_entries WHERE who = 'worker' AND outcome = 'opened'";
    until("the worker checks each key some times", async || scene.rows(checks).await.len() >= 30).await;
    is_over.store(true, Ordering::SeqCst);
    let sent = programs.join_all().await.into_iter().sum::<usize>();
    let (of_programs, of_worker): (Vec<_>, Vec<_>) =
        scene.upstream.take().into_iter().partition(|seen| seen.path == "/chain");
    let home = Home::read(&scene.dir).unwrap();
    // Each chain is verified, from its first entry on.
    let opened = checks::openings(&home, &Store::open(&home.database()).await.unwrap()).await;
    let count = |what: &str| opened.iter().find(|((_, why), _)| why == what).map_or(0, |(_, count)| *count);
    assert_eq!((of_programs.len(), count("request to openai")), (sent, sent));
    assert!(count("the daily check of the key") >= of_worker.len() && of_worker.len() >= 20, "{opened:?}");
}
