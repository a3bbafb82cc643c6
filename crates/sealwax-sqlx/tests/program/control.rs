//! What people do with a job, and with the processes that work on it.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::scene::{PROGRAM, Scene};

/// A rotation that takes two seconds.
const SLOW: &str = "plan rotate credentials --confirm-primary b --page 10 --rows-per-second 50";

#[tokio::test]
async fn workers_wait_while_a_job_is_paused() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.run(both, SLOW).await.says("job 1");
    let working = scene.start(both, "work 1 --workers 2 --json");
    scene.until_rows().await;
    assert_eq!(scene.run("", "pause 1 --json").await.one()["state"], "paused");
    scene.run("", "status").await.says("job 1: rotate public.credentials:envelope, paused");
    // The page in progress ends.
    let mut before = 0;
    loop {
        let rows = scene.run("", "status 1 --json").await.one()["rows"].as_i64().unwrap();
        if rows == before {
            break;
        }
        before = rows;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    assert!((1..100).contains(&before), "{before}");
    // One that starts now waits, and ends when it is told to.
    let waiting = scene.start(both, "work 1");
    scene.until_connected(5).await;
    waiting.signal("INT").await;
    let waited = waiting.end().await;
    assert_eq!(waited.code, 130, "{waited:?}");
    assert!(waited.out.contains("to go on: sealwax-rotate work 1"), "{waited:?}");

    // A line a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    scene.run("", "resume 1").await.says("job 1: unfinished");
    let worked = working.end().await;
    assert_eq!(worked.code, 0, "{worked:?}");
    let lines = worked.json();
    assert!(lines.iter().any(|line| line["state"] == "paused"), "{worked:?}");
    assert_eq!(lines.last().unwrap()["changed"], 100);
    // It stays finished.
    for command in ["pause 1", "cancel 1", "resume 1"] {
        scene.run("", command).await.says("job 1: finished");
    }
}

#[tokio::test]
async fn a_worker_ends_when_its_job_is_cancelled_or_replaced() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.run(both, SLOW).await.says("job 1");
    let working = scene.start(both, "work 1 --workers 2");
    scene.until_rows().await;
    scene.run("", "cancel 1").await.says("job 1: cancelled");
    let ended = working.end().await;
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.err.contains("error: job 1: the job was cancelled"), "{ended:?}");
    scene.run("", "status 1").await.says("cancelled");
    scene.run(both, "work").await.fails(4, "every job is finished");

    scene.run(both, SLOW).await.says("job 2");
    scene.run(both, SLOW).await.fails(5, "job 2 over this column is not finished");
    scene.run(both, &format!("{SLOW} --replace")).await.says("job 3");
    let replaced = scene.run(both, "work 2").await;
    replaced.fails(5, "job 2: job 3 replaced this one");
    scene.run("", "status 2").await.says("replaced by job 3");
}

#[tokio::test]
async fn a_signal_in_the_middle_leaves_a_job_that_another_worker_finishes() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("KILL", 0)] {
        let Some(scene) = Scene::new().await else { return };
        let both = &scene.both();
        scene.run(both, SLOW).await.says("job 1");
        let working = scene.start(both, "work --workers 2 --json");
        scene.until_rows().await;
        working.signal(signal).await;
        if signal == "KILL" {
            drop(working);
        } else {
            let ended = working.end().await;
            assert_eq!((ended.code, ended.err.as_str()), (code, ""), "{signal}: {ended:?}");
            assert!(ended.json().iter().all(|line| line["state"] == "unfinished"), "{ended:?}");
        }
        let status = scene.run("", "status 1 --json").await.one();
        let rows = status["rows"].as_i64().unwrap();
        assert!((1..100).contains(&rows), "{signal}: {status}");
        assert_eq!(status["changed"], status["rows"]);
        let worked = scene.run(both, "work --json").await;
        assert_eq!((worked.code, worked.json().last().unwrap()["changed"].as_i64()), (0, Some(100)), "{worked:?}");
        scene.run(&scene.new_alone(), "verify credentials").await.says("0 failed");
    }
}

#[tokio::test]
async fn a_verification_that_was_ended_goes_on_with_work() {
    let Some(scene) = Scene::new().await else { return };
    let old = &scene.old();
    scene.sql("UPDATE credentials SET envelope = 'damaged' WHERE id = 100").await;
    let verifying = scene.start(old, "verify credentials --page 10 --rows-per-second 50");
    scene.until_rows().await;
    verifying.signal("TERM").await;
    let ended = verifying.end().await;
    assert_eq!(ended.code, 143, "{ended:?}");
    assert!(ended.out.contains("to go on: sealwax-rotate work 1"), "{ended:?}");
    scene.run(old, "verify credentials").await.fails(5, "hint: sealwax-rotate status");
    // It says no, as `verify` does.
    let worked = scene.run(old, "work 1").await;
    assert_eq!(worked.code, 1, "{worked:?}");
    assert!(worked.out.contains("1 rows: malformed"), "{worked:?}");
}

#[tokio::test]
async fn a_job_that_stops_after_failures_is_resumed() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.sql("UPDATE credentials SET envelope = 'damaged' WHERE id IN (1, 2, 3)").await;
    let plan = "plan rotate credentials --confirm-primary b --page 10 --ranges 1 --stop-after 3";
    scene.run(both, plan).await.says("job 1");
    let stopped = scene.run(both, "work --workers 2").await;
    assert_eq!(stopped.code, 5, "{stopped:?}");
    assert!(stopped.err.contains("error: job 1: the job stopped: 3 rows failed"), "{stopped:?}");
    assert!(stopped.err.contains("hint: sealwax-rotate status says which rows failed"), "{stopped:?}");
    let status = scene.run("", "status").await;
    status.says("stopped: 3 rows failed");
    status.says("  3 rows: malformed");
    scene.run(both, "work").await.fails(5, "the job stopped");
    scene.run("", "resume 1").await.says("job 1: unfinished");
    let worked = scene.run(both, "work --json").await;
    assert_eq!(worked.code, 14, "{worked:?}");
    let end = worked.json().pop().unwrap();
    assert_eq!((end["changed"].as_i64(), end["failed"].as_i64()), (Some(97), Some(3)));
    assert_eq!(end["failures"][0]["keys"], serde_json::json!([["1"], ["2"], ["3"]]));

    let verified = scene.run(&scene.new_alone(), "verify credentials").await;
    assert_eq!(verified.code, 1, "{verified:?}");
}

#[tokio::test]
async fn a_job_whose_table_is_gone_has_a_status() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.run(both, "plan rotate credentials --confirm-primary b").await.says("job 1");
    scene.run(both, "work").await.says("100 written");
    scene.run(both, "verify credentials --dry-run").await.says("100 needed no change");
    scene.sql("CREATE TABLE others AS SELECT * FROM credentials; ALTER TABLE others ADD PRIMARY KEY (id)").await;
    scene.run(both, "plan audit credentials --context tenant=t{tenant}").await.says("job 3");
    scene.run(both, "plan audit others --context tenant=t{tenant}").await.says("job 4");
    scene.sql("DROP TABLE credentials").await;
    let status = scene.run("", "status --json").await;
    assert_eq!((status.code, status.err.as_str()), (4, ""), "{status:?}");
    let lines = status.json();
    assert_eq!(lines[0]["unusable"], "there is no table public.credentials");
    // The others are shown, too.
    assert_eq!((lines[1]["job"].as_i64(), &lines[1]["place"]), (Some(4), &"public.others:envelope".into()));
    let finished = scene.run("", "status 1").await;
    assert_eq!(finished.code, 4, "{finished:?}");
    assert!(finished.out.starts_with("job 1: finished, but there is no table public.credentials\n"), "{finished:?}");
    assert!(finished.out.contains("  100 written"), "{finished:?}");
    scene.run(both, "work 3").await.fails(4, "there is no table public.credentials");
    scene.run("", "cancel 3").await.says("job 3: cancelled");
    scene.run("", "cancel 1").await.says("job 1: finished");
}

#[tokio::test]
async fn a_reader_may_leave() {
    let Some(scene) = Scene::new().await else { return };
    let both = &scene.both();
    scene.run(both, SLOW).await.says("job 1");
    for arguments in ["work 1 --json", "status 1"] {
        let mut command = scene.command(PROGRAM, both);
        let mut child = command.args(arguments.split(' ')).stdout(Stdio::piped()).spawn().unwrap();
        if arguments == "status 1" {
            drop(child.stdout.take());
        } else {
            let mut first = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).await.unwrap();
            assert!(first.contains("rows_a_second"));
        }
        let ended = child.wait_with_output().await.unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(7), b"".as_slice()), "{arguments}");
    }
    scene.run(both, "work").await.says("100 written");
}
