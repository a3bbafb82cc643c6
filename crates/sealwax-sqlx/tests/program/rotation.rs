//! A rotation from its plan to the end of the old key.

use sealwax::{EncryptionContext, Envelope, KeyId, Keyring, OpeningKey};
use sqlx::query_as;
use tokio::join;

use crate::scene::Scene;

#[tokio::test]
async fn a_rotation_from_the_schema_to_the_end_of_the_old_key() {
    let Some(scene) = Scene::empty().await else { return };
    scene.fill(300).await;
    let (both, new) = (&scene.both(), &scene.new_alone());
    let hint = "hint: create or update the schema `sealwax`: sealwax-rotate install";
    scene.run(both, "plan rotate credentials --confirm-primary b").await.fails(13, hint);
    for _ in 0..2 {
        let installed = scene.run("", "install --json").await.one();
        assert_eq!(installed["installed"], true);
    }
    // It takes three seconds, so that the second process, however late it starts, has something to tell.
    let plan = "plan rotate credentials --confirm-primary b --prove --page 10 --rows-per-second 100 --json";
    let planned = scene.run(both, plan).await.one();
    assert_eq!((planned["job"].as_i64(), &planned["kind"]), (Some(1), &"rotate".into()));
    assert_eq!(planned["place"], "public.credentials:envelope");

    let (one, two) = join!(scene.run(both, "work"), scene.run(both, "work 1 --workers 2 --json"));
    one.says("job 1: rotate public.credentials:envelope, finished");
    one.says("  300 written, 0 needed no change, 0 failed");
    assert_eq!(two.code, 0, "{two:?}");
    let lines = two.json();
    let (end, progress) = lines.split_last().unwrap();
    assert!(!progress.is_empty() && progress.iter().all(|line| line["rows_a_second"].is_u64()), "{two:?}");
    assert_eq!((&end["state"], end["changed"].as_i64()), (&"finished".into(), Some(300)));
    // Nothing is left to do, for a worker either.
    scene.run(both, "work 1 --workers 3").await.says("finished");
    scene.run(both, "work").await.fails(4, "every job is finished");

    let status = scene.run("", "status 1 --json").await.one();
    assert_eq!((status["rows"].as_i64(), status["failures"].as_array().unwrap().len()), (Some(300), 0));
    scene.run("", "status").await.says("every job is finished");
    assert_eq!(scene.run("", "status --json").await.out, "");

    let verified = scene.run(new, "verify credentials --proof-of 1 --workers 2 --json").await;
    assert_eq!(verified.code, 0, "{verified:?}");
    let lines = verified.json();
    assert_eq!((&lines[0]["proof"], lines[0]["unchanged"].as_i64()), (&"unchanged".into(), Some(300)));
    assert_eq!(lines[0]["digest_before"], lines[0]["digest_after"]);
    assert_eq!(lines[1]["verifies_with"], serde_json::json!(["primary b"]));
    let end = lines.last().unwrap();
    assert_eq!((&end["kind"], &end["state"], end["failed"].as_i64()), (&"verify".into(), &"finished".into(), Some(0)));

    let counted = scene.run("", "census credentials --json").await.one();
    assert_eq!(counted["census"]["by_key_id"], serde_json::json!({ "b": 300 }));
    scene.run("", "census credentials").await.says("300 rows, key b");
    scene.run("", "census credentials --retire a").await.says("to retire a: no row that was scanned names a");
    scene.run("", "census credentials --retire a").await.says("300 rows, key b");
    let kept = scene.run("", "census credentials --destroy a --retention 90d --json").await;
    assert_eq!(kept.code, 1, "{kept:?}");
    let report = kept.one();
    assert_eq!((&report["verdict"], report["days_left"].as_u64()), (&"in_backups".into(), Some(90)));
    scene.sql("UPDATE sealwax.sightings SET first_absent = first_absent - interval '91 days'").await;
    scene
        .run("", "census credentials --destroy a --retention 90d")
        .await
        .says("to destroy a: no row that was scanned names a");
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_a_proof_shows_a_damaged_row() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.run(both, "plan rotate credentials --confirm-primary b --dry-run").await.says("next: sealwax-rotate work 1");
    scene.run(both, "work").await.says("100 written");
    scene.run("", "status 1").await.says("job 1: rotate public.credentials:envelope, a dry run, finished");
    assert!(!scene.run("", "census credentials").await.out.contains("key b"));

    scene.run("", "verify credentials --proof-of 1").await.fails(3, "SEALWAX_KEYS is not set");
    scene.run(both, "verify credentials --proof-of 1").await.fails(4, "hint: plan a rotation with --prove");
    scene.run(both, "plan rotate credentials --confirm-primary b --prove").await.says("job 2");
    let unfinished = scene.run(both, "verify credentials --proof-of 2").await;
    assert_eq!(unfinished.code, 1, "{unfinished:?}");
    scene.run(both, "work").await.says("100 written");
    // The last byte of a payload.
    scene
        .sql(
            "UPDATE credentials SET envelope = set_byte(envelope, octet_length(envelope) - 1,
        get_byte(envelope, octet_length(envelope) - 1) # 1) WHERE id = 5",
        )
        .await;
    let damaged = scene.run(both, "verify credentials --proof-of 2").await;
    assert_eq!(damaged.code, 1, "{damaged:?}");
    assert!(damaged.out.contains("proof of job 2: damaged"), "{damaged:?}");
    scene.sql("CREATE TABLE others (id int PRIMARY KEY, envelope bytea)").await;
    scene.run("", "forget 2").await.says("job 2: ");
    scene.run(both, "verify credentials --proof-of 2").await.fails(4, "job 2 has no proof");
    scene.run(both, "verify others --proof-of 2").await.fails(2, "job 2 is over public.credentials:envelope");
}

#[tokio::test]
async fn a_place_may_have_any_names() {
    let Some(scene) = Scene::new().await else { return };
    scene
        .sql(
            r#"CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."c:d" ("i d" int, "k,""" int, "Ü" bytea, UNIQUE ("i d", "k,"""));
        ALTER TABLE "a.b"."c:d" ALTER "i d" SET NOT NULL, ALTER "k,""" SET NOT NULL;
        INSERT INTO "a.b"."c:d" SELECT id, 7, envelope FROM credentials"#,
        )
        .await;
    let (both, place) = (&scene.both(), r#""a.b"."c:d":Ü:i d,"k,""""#);
    scene.run_with(both, &["plan", "rotate", place, "--confirm-primary", "b"]).await.says(r#""a.b"."c:d":Ü"#);
    scene.run(both, "work").await.says("100 written");
    scene.run_with(both, &["census", place, "--unopenable"]).await.says("0 kinds of rows");
    // What the program prints is a place again.
    let found = scene.run_with("", &["census", "credentials", "--find", "--json"]).await;
    assert_eq!(found.code, 1, "{found:?}");
    assert_eq!(found.json()[1]["undeclared"][0]["place"], r#""a.b"."c:d":Ü"#);
    let waived = ["census", "credentials", "--find", "--waive", r#""a.b"."c:d":Ü"#];
    scene.run_with("", &waived).await.says("could not be read: 0");
}

#[tokio::test]
async fn a_rotation_keeps_an_offline_escrow() {
    let Some(scene) = Scene::new().await else { return };
    let in_the_safe = OpeningKey::generate().unwrap();
    let sealing_key = in_the_safe.sealing_key().to_text();
    let and_escrow = |ring: String| format!("{ring}; escrow eu-dr {}", sealing_key.expose_str().unwrap());
    // The first adds it.
    for (primary, ring) in [("a", and_escrow(scene.old())), ("b", and_escrow(scene.both()))] {
        let plan = format!("plan rotate credentials --confirm-primary {primary}");
        scene.run(&ring, &plan).await.says("next: sealwax-rotate work");
        scene.run(&ring, "work").await.says("100 written");
    }
    let safe = Keyring::opening_only().with_escrow("eu-dr".parse().unwrap(), in_the_safe).unwrap();
    let rows = query_as("SELECT tenant, envelope FROM credentials").fetch_all(&scene.db).await.unwrap();
    assert_eq!(rows.len(), 100);
    for (tenant, envelope) in rows {
        let (tenant, envelope): (i32, Vec<u8>) = (tenant, envelope);
        let envelope = Envelope::try_from(envelope).unwrap();
        assert!(envelope.key_ids().eq(["b", "eu-dr"].map(|id| id.parse::<KeyId>().unwrap())));
        safe.open(&envelope, &EncryptionContext::new([("tenant", format!("t{tenant}"))]).unwrap()).unwrap();
    }
}

/// These tests have `hpke` from a dev-dependency, so they cannot tell whether the program alone has it.
#[test]
fn the_program_reads_pairs_in_a_build_without_tests() {
    let manifest = include_str!("../../Cargo.toml");
    let cli = manifest.lines().find(|line| line.starts_with("cli = ")).unwrap();
    assert!(cli.contains("\"sealwax/hpke\""), "{cli}");
}
