//! What the program refuses, how it says so, and its exit codes.

use std::collections::BTreeSet;

use crate::scene::{PROGRAM, Scene};

#[tokio::test]
async fn each_exit_code_of_the_help_occurs() {
    let Some(scene) = Scene::empty().await else { return };
    scene.fill(50).await;
    let both = &scene.both();
    let help = scene.run("", "--help").await;
    let (_, table) = help.out.split_once("Exit codes:\n").unwrap();
    let codes = |line: &str| {
        let (codes, _) = line.trim().split_once("  ").unwrap();
        codes.split(", ").map(|code| code.parse::<i32>().unwrap()).collect::<Vec<_>>()
    };
    let documented: BTreeSet<i32> = table.lines().flat_map(codes).collect();

    let mut seen = BTreeSet::new();
    let slow = "plan rotate credentials --confirm-primary b --page 10 --rows-per-second 20 --replace";
    for (ring, arguments, code) in [
        (both, "install", 0),
        (both, "census credentials --retire a", 1),
        (both, "census", 2),
        (&String::new(), "plan rotate credentials --confirm-primary b", 3),
        (&"primary".to_owned(), "plan rotate credentials --confirm-primary b", 3),
        (both, "plan rotate nothing --confirm-primary b", 4),
        (both, "status 1", 4),
        (both, "--keys-file nowhere plan rotate credentials --confirm-primary b", 7),
        (both, "plan rotate credentials --confirm-primary a", 11),
        (&scene.new_alone(), "plan rotate credentials --confirm-primary b", 11),
        (both, slow, 0),
        (both, "plan rotate credentials --confirm-primary b", 5),
        (&scene.old(), "work", 11),
    ] {
        let run = scene.run(ring, arguments).await;
        assert_eq!(run.code, code, "{arguments}: {run:?}");
        assert_eq!(run.err.is_empty(), code < 2, "{arguments}: {run:?}");
        seen.insert(code);
    }
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        scene.run(both, slow).await.says("job ");
        let working = scene.start(both, "work");
        scene.until("SELECT sum(rows) > 0 FROM sealwax.ranges WHERE job = (SELECT max(id) FROM sealwax.jobs)").await;
        working.signal(signal).await;
        let run = working.end().await;
        assert_eq!(run.code, code, "{run:?}");
        seen.insert(code);
    }
    scene.sql("UPDATE credentials SET envelope = 'damaged' WHERE id = 50").await;
    let partly = scene.run(both, "work").await;
    assert_eq!(partly.code, 14, "{partly:?}");
    scene.sql("DROP SCHEMA sealwax CASCADE").await;
    scene.run("", "status").await.fails(13, "hint: create or update the schema");
    seen.extend([13, 14]);
    assert_eq!(seen, documented);
}

#[tokio::test]
async fn a_database_that_refuses_or_does_not_answer_is_named() {
    let Some(scene) = Scene::new().await else { return };
    let (before, _) = scene.url.rsplit_once('@').unwrap();
    let wrong = scene.url.replacen(before, &format!("{}:wrong-pass-word", before.rsplit_once(':').unwrap().0), 1);
    let nobody = format!("{before}@127.0.0.1:1/none");
    for (url, says) in [(wrong, "password authentication failed"), (nobody, "Connection refused")] {
        let mut command = scene.command(PROGRAM, "");
        command.args(["status"]).env("DATABASE_URL", url);
        let run = scene.spawn(command).end().await;
        run.fails(13, says);
        assert!(!run.err.contains("wrong-pass-word"));
    }
}

#[tokio::test]
async fn only_install_needs_the_right_to_create_a_schema() {
    let Some(mut scene) = Scene::new().await else { return };
    let (before, after) = scene.url.split_once('@').unwrap();
    let role = format!("rotator_{}", after.split(['/', '?']).nth(1).unwrap());
    let as_role = scene.url.replacen(before, &format!("postgres://{role}:n0-rights"), 1);
    scene.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'n0-rights'")).await;
    let file = scene.file("url", &format!("{as_role}\n"));
    for arguments in ["status", "install"] {
        let run = scene.run("", &format!("{arguments} --database-file {file}")).await;
        run.fails(13, "hint: the role lacks a right: see *Roles* in the README");
    }
    scene
        .sql(&format!(
            "GRANT SELECT, UPDATE ON credentials TO {role}; GRANT USAGE ON SCHEMA sealwax TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sealwax TO {role}"
        ))
        .await;
    scene.url = as_role;
    let (both, new) = (scene.both(), scene.new_alone());
    for (ring, arguments) in [
        (&both, "plan rotate credentials --confirm-primary b --prove"),
        (&both, "pause 1"),
        (&both, "resume 1"),
        (&both, "work"),
        (&both, "status 1"),
        (&new, "verify credentials --proof-of 1"),
        (&new, "plan audit credentials --context tenant=t{tenant}"),
        (&new, "cancel 3"),
        (&new, "census credentials --retire a"),
    ] {
        let run = scene.run(ring, arguments).await;
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments}: {run:?}");
    }
}

#[tokio::test]
async fn secrets_in_the_wrong_place_are_not_repeated() {
    let Some(scene) = Scene::new().await else { return };
    let (both, key) = (&scene.both(), scene.key());
    let url = scene.url.as_str();
    // Each run is searched for the key and the password.
    for secret in [key, url, &format!("x{key}"), &both.replace(' ', "")] {
        for arguments in [
            "SECRET",
            "work SECRET",
            "status 1 SECRET",
            "status --SECRET",
            "--SECRET=1",
            "--keys-file SECRET status",
            "--keys-file=SECRET status",
            "--database-file SECRET status",
            "--json SECRET",
            "help SECRET",
            "plan SECRET",
            "plan rotate SECRET --confirm-primary b",
            "plan rotate credentials --confirm-primary SECRET",
            "plan audit credentials --context tenant=SECRET",
            "work --workers SECRET",
            "work --tries=SECRET",
            "census credentials --waive SECRET",
            "census credentials --retire SECRET",
            "plan import keys --confirm-primary b --empty-context --declaration SECRET",
        ] {
            scene.run(both, &arguments.replace("SECRET", secret)).await.fails(2, "other users can read arguments");
        }
    }
    // A key without its beginning, and a password alone.
    for secret in [key.strip_prefix("swk1_").unwrap(), "s3cr3t-pass-w0rd"] {
        for arguments in [
            "SECRET",
            "work SECRET",
            "status 1 SECRET",
            "status --SECRET",
            "--SECRET=1",
            "--json SECRET",
            "help SECRET",
            "plan SECRET",
            "work --workers SECRET",
            "work --tries=SECRET",
            "work --lock-timeout SECRET",
            "plan audit credentials --context SECRET",
            "status -SECRET",
            "--json=SECRET status",
        ] {
            let run = scene.run(both, &arguments.replace("SECRET", secret)).await;
            assert_eq!(run.code, 2, "{arguments}");
            assert!(!run.err.contains(secret) && !run.out.contains(secret), "{arguments}");
        }
        let run = scene.run(both, &format!("--keys-file {secret} work")).await;
        assert!(!run.err.contains(secret) && !run.out.contains(secret));
    }
    // Malformed texts in the right place.
    for malformed in
        [url.replace("postgres://", "postgres//"), url.replace("@127", "@@127"), url.replacen('/', "\\", 2)]
    {
        let mut command = scene.command(PROGRAM, both);
        let run = scene
            .spawn({
                command.arg("status").env("DATABASE_URL", malformed);
                command
            })
            .end()
            .await;
        assert!([3, 13].contains(&run.code), "{run:?}");
    }
    for malformed in
        [format!("{key} b"), format!("primary {key}"), format!("primary b {key}x"), format!("primary b {key}, a")]
    {
        scene.run(&malformed, "plan rotate credentials --confirm-primary b").await.fails(3, "the keyring: ");
    }
}

#[tokio::test]
async fn an_error_is_an_object_too() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    for (arguments, code, error, has_hint) in [
        ("status 7", 4, "there is no job 7", false),
        ("work", 4, "every job is finished", true),
        ("work --workers 0", 2, "invalid value '...' for '--workers <WORKERS>': 0 is not in 1..=256", false),
        ("plan rotate credentials --confirm-primary b --page 0", 2, "page must be from 1 to 10000", false),
        (
            "plan rotate credentials",
            2,
            "the following required arguments were not provided: --confirm-primary <KEY_ID>",
            false,
        ),
    ] {
        let run = scene.run(both, &format!("{arguments} --json")).await;
        run.fails(code, "");
        let object: serde_json::Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!((&object["error"], object["hint"].is_string()), (&error.into(), has_hint));
        let (first, _) = error.split_once(" --confirm").unwrap_or((error, ""));
        scene.run(both, arguments).await.fails(code, &format!("error: {first}"));
    }
    scene.run("", "--help --json").await.says("Exit codes:");
    scene.run("", "work --help").await.says("--statement-timeout");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_program_leaves_no_core_dump() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.run(both, "plan rotate credentials --confirm-primary b").await.says("job 1");
    scene.run("", "pause 1").await.says("paused");
    // As a shell that wants core dumps starts it.
    let mut command = scene.command("sh", both);
    command.args(["-c", "ulimit -c $(ulimit -Hc); exec \"$@\"", "sh", PROGRAM, "work"]);
    let working = scene.spawn(command);
    scene.until_connected(2).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", working.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    working.signal("TERM").await;
    assert_eq!(working.end().await.code, 143);
}
