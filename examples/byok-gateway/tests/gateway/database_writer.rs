//! Somebody who writes the database, and has no key of ours, becomes nobody else and destroys nobody.

use std::fs;

use reqwest::{Method, StatusCode};

use crate::scene::{Customer, Scene, until};
use crate::seed::seed;

const KEY: &str = "sk-proj-writer-0123456789";

/// Exchanges what two accounts have in a column.
fn swap(column: &str, [one, other]: [&str; 2]) -> String {
    let set = |from: &str, to: &str| format!("UPDATE accounts SET {column} = '{to}' WHERE {column} = '{from}';");
    format!("PRAGMA foreign_keys = OFF; {}{}{}", set(one, "-"), set(other, one), set("-", other))
}

/// Returns whether somebody gets in, as whoever it is.
async fn signs_in(scene: &Scene, anybody: &Customer, email: &str) -> bool {
    let mut stranger = anybody.clone();
    stranger.cookie.clear();
    assert_eq!(stranger.form("/sign-in", &[("email", email)]).await.status(), StatusCode::OK);
    let link = scene.mail(email).await;
    let reply = stranger.form("/sign-in/link", &[("token", link.split_once("?token=").unwrap().1)]).await;
    assert_eq!(reply.headers().contains_key("set-cookie"), reply.status() == StatusCode::SEE_OTHER);
    reply.status() == StatusCode::SEE_OTHER
}

async fn account_page(customer: &Customer) -> StatusCode {
    customer.request(Method::GET, "/account").send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_an_account_signs_in_to_no_other_one() {
    let scene = Scene::start_quietly("writer_accounts", "limits.links = 50\n").await;
    let emails = ["mia@example.com", "eve@example.com"];
    let [mia, eve] = [scene.sign_in(emails[0]).await, scene.sign_in(emails[1]).await];
    mia.store("openai", KEY).await;
    let id = async |email| scene.rows(&format!("SELECT id FROM accounts WHERE email = '{email}'")).await.remove(0);
    let [hers, other] = [id(emails[0]).await, id(emails[1]).await];
    scene.write("CREATE TABLE honest AS SELECT * FROM accounts").await;
    let row_with = |proof: &str| {
        format!(
            "PRAGMA foreign_keys = OFF; DELETE FROM accounts;
             INSERT INTO accounts (id, email, proof, created) SELECT '{hers}', '{}', {proof}, 0",
            emails[1]
        )
    };
    let writes = [
        swap("email", emails),
        swap("id", [&hers, &other]),
        row_with("''"),
        row_with(&format!("(SELECT proof FROM honest WHERE id = '{hers}')")),
        row_with(&format!("(SELECT proof FROM honest WHERE id = '{other}')")),
    ];
    for sql in writes {
        scene.write(&sql).await;
        assert_eq!(id(emails[1]).await, hers);
        assert!(!signs_in(&scene, &eve, emails[1]).await, "{sql}");
        if sql.contains("UPDATE") {
            assert!(!signs_in(&scene, &eve, emails[0]).await, "{sql}");
        }
        // No session takes an address from such a row.
        assert_eq!(account_page(&mia).await, StatusCode::SERVICE_UNAVAILABLE, "{sql}");
        let undo = "PRAGMA foreign_keys = OFF; DELETE FROM accounts; INSERT INTO accounts SELECT * FROM honest";
        scene.write(undo).await;
    }
    let log = fs::read_to_string(scene.log("dashboard")).unwrap();
    assert!(log.contains(&format!("somebody has written to the account of tenant {hers}")), "{log}");
    assert!(!log.contains("@example.com"), "{log}");
    // What was put back is as good as before.
    assert_eq!([account_page(&mia).await, account_page(&eve).await], [StatusCode::OK; 2]);
    assert!(signs_in(&scene, &eve, emails[0]).await && signs_in(&scene, &eve, emails[1]).await);
    assert_eq!(mia.page("/api/keys").await.matches("true").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_deleted_who_did_not_ask_for_it() {
    let mut scene = Scene::start_quietly("writer_leaving", "").await;
    let token = seed(&scene, "aaaa", "openai", KEY).await;
    let forged = ["'1790000000'", "x'ff'", "(SELECT leaving FROM others)", "(SELECT proof FROM others)", "proof"];
    let url = format!("{}/openai/v1/models", scene.proxy);
    let ask = async || reqwest::Client::new().get(&url).bearer_auth(&token).send().await.unwrap().status();
    for (number, forged) in forged.iter().enumerate() {
        // The worker comes to the others after the one that it must not delete.
        let other = format!("other{number}");
        seed(&scene, &other, "openai", KEY).await;
        let noa = scene.sign_in(&format!("{other}@example.com")).await;
        scene.until_taken_over().await;
        scene.kill("worker");
        noa.form("/account/delete", &[("email", &format!("{other}@example.com"))]).await;
        let others = format!("CREATE TEMP VIEW others AS SELECT * FROM accounts WHERE id = '{other}'");
        scene.write(&format!("{others}; UPDATE accounts SET leaving = {forged} WHERE id = 'aaaa'")).await;
        assert_eq!(ask().await, StatusCode::NOT_FOUND, "{forged}");
        scene.begin("worker");
        until("the honest one is deleted", async || !scene.rows("SELECT id FROM accounts").await.contains(&other))
            .await;
        let tombstones = fs::read_to_string(scene.dir.join("keys/service/tombstones")).unwrap();
        assert!(tombstones.contains(&format!("tenant/{other}@")) && !tombstones.contains("aaaa"), "{tombstones}");
        scene.write("UPDATE accounts SET leaving = NULL").await;
        assert_eq!(ask().await, StatusCode::OK, "{forged}");
    }
    assert!(fs::read_to_string(scene.log("worker")).unwrap().contains("deletion of tenant aaaa: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_not_taken_back() {
    let scene = Scene::start_quietly("writer_undone", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    scene
        .write(
            "CREATE TRIGGER kept BEFORE DELETE ON credentials BEGIN SELECT RAISE(IGNORE); END;
             CREATE TRIGGER valid BEFORE DELETE ON sealwax_tokens BEGIN SELECT RAISE(IGNORE); END;
             CREATE TRIGGER stays AFTER UPDATE OF leaving ON accounts WHEN NEW.leaving IS NOT NULL
             BEGIN UPDATE accounts SET leaving = NULL WHERE id = NEW.id; END",
        )
        .await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    until("the worker deletes the tenant", async || scene.dir.join("keys/service/tombstones").exists()).await;
    let ask = async || mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status();
    until("nothing opens", async || ask().await == StatusCode::GONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_customer_has_asked_for_is_not_taken_back_before_it_is_done() {
    let mut scene = Scene::start_quietly("writer_asked", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    scene.kill("worker");
    copy_and_leave(&scene, &mia).await;
    scene.write("UPDATE accounts SET leaving = NULL").await;
    put_back(&scene, &["credentials", "sealwax_tokens"]).await;
    let ask = async || mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status();
    until("nothing opens", async || ask().await == StatusCode::GONE).await;
    // Nor by whoever restores an older backup.
    scene.restore("copy.db");
    let (ok, text) = scene.run(&["recover"]);
    assert!(ok && text.contains("0 tenants were deleted"), "{text}");
    for process in ["dashboard", "proxy"] {
        scene.begin(process);
    }
    scene.until_ready().await;
    assert_eq!(ask().await, StatusCode::GONE);
    assert!(!scene.dir.join("keys/service/tombstones").exists());
    scene.begin("worker");
    until_deleted(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_master_key_outlives_its_tenant_under_another_name() {
    let (scene, mia) = with_a_key("writer_name").await;
    copy_and_leave(&scene, &mia).await;
    until_deleted(&scene).await;
    let attach = format!("ATTACH '{}' AS copy", scene.dir.join("copy.db").display());
    for (name, from) in [("zzzz", "sealwax_tenant_keys"), ("yyyy", "writer_pairs"), ("a b", "sealwax_tenant_keys")] {
        scene
            .write(&format!(
                "{attach}; INSERT INTO main.sealwax_tenant_keys SELECT '{name}', 1, envelope FROM copy.{from}"
            ))
            .await;
        let (ok, text) = scene.run(&["epoch"]);
        let refused = format!("key 1 of tenant {name} is not the tenant's: restore it, or delete the row");
        assert!(!ok && text.contains(&refused) && !text.contains("is destroyed"), "{from}: {text}");
        assert!(!scene.dir.join("tenant-keys/epoch-2").exists());
        scene.write("DELETE FROM sealwax_tenant_keys").await;
    }
    // Not when all are checked, either: it does not come into the file, and stops the next one.
    scene
        .write(&format!(
            "ATTACH '{}' AS copy; CREATE TABLE main.hers AS SELECT envelope FROM copy.sealwax_tenant_keys;
             CREATE TRIGGER late AFTER DELETE ON writer_pairs
             BEGIN INSERT INTO sealwax_tenant_keys SELECT 'a b', 1, envelope FROM hers; END",
            scene.dir.join("copy.db").display()
        ))
        .await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(!ok && text.contains("1 deletions are certified") && text.contains("key 1 of tenant a b is not"), "{text}");
    assert_eq!(fs::read_to_string(scene.dir.join("tenant-keys/epoch-2")).unwrap(), "");
    scene.write("DROP TRIGGER late; DELETE FROM sealwax_tenant_keys").await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("epoch-3 was interrupted") && text.contains("epoch-2 is destroyed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_outlives_its_tenant_in_the_row_of_another_one() {
    let mut scene = Scene::start_quietly("writer_row", "").await;
    scene.kill("worker");
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    copy_and_leave(&scene, &mia).await;
    scene.begin("worker");
    until_deleted(&scene).await;
    scene.sign_in("eve@example.com").await;
    let eves = scene.rows("SELECT id FROM accounts").await.remove(0);
    scene
        .write(&format!(
            "ATTACH '{}' AS copy; INSERT INTO main.credentials (tenant, provider, envelope, stored)
             SELECT '{eves}', provider, envelope, stored FROM copy.credentials",
            scene.dir.join("copy.db").display()
        ))
        .await;
    until("the worker refuses it", async || {
        let log = fs::read_to_string(scene.log("worker")).unwrap();
        log.contains(&format!("taking over: openai key of tenant {eves}: the envelope was sealed for another context"))
    })
    .await;
    let (ok, text) = scene.run(&["drill"]);
    assert!(!ok && text.contains(&format!("{eves} openai: the envelope was sealed for another context")), "{text}");
    let (ok, text) = scene.run(&["epoch"]);
    assert!(!ok && text.contains("openai key of tenant") && !text.contains("is destroyed"), "{text}");
    scene.write("DELETE FROM credentials").await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_key_is_lost_is_deleted() {
    let (scene, mia) = with_a_key("writer_lost").await;
    scene.write("DELETE FROM sealwax_tenant_keys").await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    until_deleted(&scene).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_waits_for_rows_that_cannot_be_checked() {
    let scene = Scene::start_quietly("writer_checks", "").await;
    let eve = scene.sign_in("eve@example.com").await;
    eve.store("openai", KEY).await;
    scene.until_taken_over().await;
    // More than a round takes, of a provider that is no more.
    scene
        .write(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
             INSERT INTO credentials (tenant, provider, envelope, stored)
             SELECT tenant, 'gone-' || i, envelope, 1 FROM n, credentials",
        )
        .await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let unchecked = "SELECT provider FROM credentials WHERE checked IS NULL";
    until("all are checked", async || scene.rows(unchecked).await.is_empty()).await;
    let statuses = "SELECT DISTINCT (provider LIKE 'gone-%') || ' ' || status FROM credentials ORDER BY 1";
    assert_eq!(scene.rows(statuses).await, ["0 200", "1 -1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_epoch_is_skipped_and_no_log_forged() {
    let mut scene = Scene::start_quietly("writer_log", "").await;
    scene.write("INSERT INTO writer_pairs VALUES ('x', 'x')").await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("epoch-2 is the primary"), "{text}");
    assert_eq!(scene.rows("SELECT key_id FROM writer_pairs").await, ["dashboard-2"]);
    scene.write("INSERT INTO drills (finished, passed, report) VALUES (99999999999, 1, '')").await;
    let begun = |from: &str, to: &str| {
        format!(
            "DROP TRIGGER sealwax_audit_unchanged;
             UPDATE sealwax_audit SET record = replace(record, '{from}', '{to}') WHERE record LIKE '%{from}%'"
        )
    };
    scene.write(&begun("begin-root", "begin-rooX")).await;
    let altered = "the log of deletions is not as it was written";
    let (ok, text) = scene.run(&["doctor"]);
    assert!(!ok && text.contains(&format!("BAD  {altered}")) && text.contains("BAD  the last restore drill"), "{text}");
    let (ok, text) = scene.run(&["epoch"]);
    assert!(!ok && text.contains(altered) && !text.contains("certified"), "{text}");
    assert!(!scene.dir.join("safe/epoch-3").exists(), "it has not begun");
    scene.write(&begun("begin-rooX", "begin-root")).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("epoch-3 is the primary"), "{text}");
    // The last entry, which the file has the end of.
    let deletions = "SELECT record FROM sealwax_audit WHERE subject LIKE '%@deletions'";
    let count = scene.rows(deletions).await.len();
    let verified = format!("SELECT verdict FROM verdicts WHERE tenant LIKE '%@deletions' AND entries = {count}");
    until("the worker verifies the log", async || !scene.rows(&verified).await.is_empty()).await;
    scene.stop("worker").await;
    scene
        .write(&format!(
            "DROP TRIGGER sealwax_audit_undeleted;
             DELETE FROM sealwax_audit WHERE subject LIKE '%@deletions' AND number = {count}"
        ))
        .await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(!ok && text.contains(altered) && text.contains("cut off"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_epoch_ends_without_a_key_that_somebody_has_hidden() {
    let scene = Scene::start_quietly("writer_hidden", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    scene.until_taken_over().await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok, "{text}");
    scene
        .write(
            "CREATE TABLE hidden AS SELECT * FROM sealwax_tenant_keys; DELETE FROM sealwax_tenant_keys;
             UPDATE credentials SET checked = 99999999999",
        )
        .await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(
        !ok && text.contains("key 1 of tenant ") && text.contains(" is gone, which tenant-keys has: restore its row"),
        "{text}"
    );
    scene.write("INSERT INTO sealwax_tenant_keys SELECT * FROM hidden").await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok, "{text}");
    assert_eq!(mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_is_noted_once() {
    let mut scene = Scene::start_quietly("writer_deletion", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    scene.write("CREATE TRIGGER kept BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'kept'); END").await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    until("the worker has tried thrice", async || {
        fs::read_to_string(scene.log("worker")).unwrap().matches("deletion of tenant").count() >= 3
    })
    .await;
    let deletions = "SELECT record FROM sealwax_audit WHERE subject LIKE '%@deletions' AND record LIKE '%\"deleted\"%'";
    assert_eq!(scene.rows(deletions).await.len(), 0);
    scene.write("DROP TRIGGER kept").await;
    let deleted = scene.dir.join("keys/service/deleted");
    until("the deletion is done", async || deleted.exists()).await;
    // As if a worker had been killed before it wrote that down.
    scene.stop("worker").await;
    fs::remove_file(&deleted).unwrap();
    scene.begin("worker");
    until("the deletion is done again", async || deleted.exists()).await;
    assert!(scene.rows("SELECT id FROM accounts").await.is_empty());
    assert_eq!(fs::read_to_string(scene.dir.join("keys/service/tombstones")).unwrap().lines().count(), 1);
    assert_eq!(scene.rows(deletions).await.len(), 1);
}

/// Starts a gateway in which a customer has a key.
async fn with_a_key(name: &str) -> (Scene, Customer) {
    let scene = Scene::start_quietly(name, "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    scene.until_taken_over().await;
    (scene, mia)
}

/// Does what somebody does who has a copy of the database from before, and writes tables of it back.
async fn put_back(scene: &Scene, tables: &[&str]) {
    let attach = format!("ATTACH '{}' AS copy;", scene.dir.join("copy.db").display());
    let put = tables.iter().map(|table| format!("INSERT OR REPLACE INTO main.{table} SELECT * FROM copy.{table};"));
    scene.write(&(attach + &put.collect::<String>())).await;
}

const HERS: [&str; 3] = ["accounts", "credentials", "sealwax_tokens"];
const HER_MASTER_KEY: [&str; 2] = ["sealwax_tenants", "sealwax_tenant_keys"];

/// Copies the database, and lets its only customer leave.
async fn copy_and_leave(scene: &Scene, mia: &Customer) {
    scene.copy("copy.db").await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
}

async fn until_deleted(scene: &Scene) {
    until("the account is gone", async || scene.rows("SELECT id FROM accounts").await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_in_the_file_wins_over_what_somebody_puts_back() {
    let mut scene = Scene::start_quietly("writer_tombstone", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    scene.until_taken_over().await;
    let ask = async || mia.ask(Method::GET, "/openai/v1/hers", &token).send().await.unwrap().status();
    // From now on, the proxy has her keyring.
    assert_eq!(ask().await, StatusCode::OK);
    copy_and_leave(&scene, &mia).await;
    until_deleted(&scene).await;
    put_back(&scene, &[&HERS[..], &HER_MASTER_KEY].concat()).await;
    // The proxy reads the file every second.
    until("it is closed", async || ask().await == StatusCode::GONE).await;
    // So does one that starts.
    scene.kill("proxy");
    scene.begin("proxy");
    scene.until_ready().await;
    scene.upstream.take();
    assert_eq!(ask().await, StatusCode::GONE);
    assert!(scene.upstream.take().iter().all(|seen| seen.path != "/v1/hers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dashboard_wrote_does_not_open_after_a_deletion() {
    let mut scene = Scene::start_quietly("writer_pair", "").await;
    scene.kill("worker");
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    let ask = async || mia.ask(Method::GET, "/openai/v1/hers", &token).send().await.unwrap().status();
    // From now on, the proxy has the key of the pair.
    assert_eq!(ask().await, StatusCode::OK);
    copy_and_leave(&scene, &mia).await;
    scene.begin("worker");
    until_deleted(&scene).await;
    put_back(&scene, &HERS).await;
    assert!(scene.rows("SELECT envelope FROM credentials").await[0].starts_with("sw1:a256gcm:dashboard-1="));
    scene.upstream.take();
    assert_eq!(ask().await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(scene.upstream.take().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_that_somebody_puts_back_does_not_outlive_the_epoch() {
    let (scene, mia) = with_a_key("writer_epoch").await;
    copy_and_leave(&scene, &mia).await;
    until_deleted(&scene).await;
    put_back(&scene, &HER_MASTER_KEY).await;
    let rows = async || scene.rows("SELECT envelope FROM sealwax_tenant_keys").await;
    assert_eq!(rows().await.len(), 1);
    // Also while the epoch ends, whenever it is deleted: with triggers that have the names of those that forbid it.
    let [inserted, updated] = ["inserted", "updated"].map(|name| format!("sealwax_tenant_keys_{name}"));
    scene
        .write(&format!(
            "DROP TRIGGER {inserted}; CREATE TRIGGER {inserted} AFTER DELETE ON sealwax_tenant_keys
             BEGIN INSERT INTO sealwax_tenant_keys VALUES (OLD.tenant, OLD.number, OLD.envelope); END;
             DROP TRIGGER {updated}; CREATE TRIGGER {updated} AFTER DELETE ON drills BEGIN SELECT 1; END"
        ))
        .await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(!ok && text.contains("1 tenants' keys are not under epoch-2: run this again"), "{text}");
    assert!(rows().await[0].contains(":epoch-1="), "{:?}", rows().await);
    scene.write(&format!("DROP TRIGGER {inserted}; DROP TRIGGER {updated}")).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
    assert_eq!(rows().await, [""; 0]);
    assert_eq!(fs::read_to_string(scene.dir.join("tenant-keys/epoch-2")).unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_key_of_a_deleted_tenant_opens_nothing() {
    let scene = Scene::start_quietly("writer_later_key", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    let token = mia.token("live", &["openai"]).await;
    let row = async || scene.rows("SELECT envelope FROM credentials").await.remove(0);
    until("the worker takes over", async || row().await.contains(":tenant/")).await;
    let (ok, text) = scene.run(&["rotate", "mia@example.com"]);
    assert!(ok && row().await.contains("@2="), "{text}");
    scene.copy("copy.db").await;
    // So that the tombstone is of an earlier key.
    scene
        .write(
            "DROP TRIGGER sealwax_tenants_stay; DELETE FROM sealwax_tenant_keys; DELETE FROM sealwax_tenants;
             UPDATE credentials SET checked = 99999999999",
        )
        .await;
    mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    until_deleted(&scene).await;
    let tombstones = fs::read_to_string(scene.dir.join("keys/service/tombstones")).unwrap();
    assert!(tombstones.contains("@1 "), "{tombstones}");
    put_back(&scene, &HER_MASTER_KEY).await;
    put_back(&scene, &HERS).await;
    let ask = async || mia.ask(Method::GET, "/openai/v1/models", &token).send().await.unwrap().status();
    until("it is refused", async || ask().await == StatusCode::GONE).await;
    let (ok, text) = scene.run(&["epoch"]);
    assert!(ok && text.contains("1 deletions are certified"), "{text}");
    assert_eq!(scene.rows("SELECT envelope FROM sealwax_tenant_keys").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_begins_with_the_tombstone() {
    let scene = Scene::start_quietly("writer_account", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", KEY).await;
    for change in ["UPDATE", "DELETE"] {
        let refuse = "BEGIN SELECT RAISE(ABORT, 'stays'); END";
        scene.write(&format!("CREATE TRIGGER no_{change} BEFORE {change} ON accounts {refuse}")).await;
    }
    scene.write("CREATE TRIGGER no_entry BEFORE INSERT ON sealwax_audit BEGIN SELECT RAISE(ABORT, 'full'); END").await;
    let refused = mia.form("/account/delete", &[("email", "mia@example.com")]).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    until("the worker has tried thrice", async || {
        fs::read_to_string(scene.log("worker")).unwrap().matches("deletion of tenant").count() >= 3
    })
    .await;
    assert!(scene.dir.join("keys/service/tombstones").exists());
    assert_eq!(scene.rows("SELECT coalesce(leaving, 'NULL') FROM accounts").await, ["NULL"]);
    scene.write("DROP TRIGGER no_DELETE; DROP TRIGGER no_entry").await;
    until_deleted(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_in_its_place_keeps_no_other_one_from_its_new_key() {
    let (scene, _) = with_a_key("writer_rotation").await;
    // It comes first.
    scene
        .write(
            "INSERT INTO credentials (tenant, provider, envelope, stored)
             SELECT tenant, 'anthropic', envelope, stored FROM credentials",
        )
        .await;
    let (ok, text) = scene.run(&["rotate", "mia@example.com"]);
    assert!(!ok && text.contains("anthropic key of tenant ") && text.contains("for another context"), "{text}");
    let rows = scene.rows("SELECT envelope FROM credentials ORDER BY provider").await;
    assert!(rows[0].contains("@1=") && rows[1].contains("@2="), "{rows:?}");
}
