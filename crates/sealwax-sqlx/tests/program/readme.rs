//! What the README says about the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::scene::{PROGRAM, Scene};

fn section() -> &'static str {
    let readme = include_str!("../../README.md");
    readme.split_once("\n## The program\n").unwrap().1.split_once("\n## ").unwrap().0
}

/// Returns the fields of each kind of line of JSON.
pub(crate) fn documented() -> Vec<BTreeSet<String>> {
    let rows = section().lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let mut kinds: Vec<BTreeSet<String>> = Vec::new();
    for (line, fields) in rows.skip(1) {
        let mut names: BTreeSet<String> = fields.split(", ").map(|field| field.trim_matches('`').to_owned()).collect();
        if names.remove("progress") {
            names.extend(kinds[0].iter().cloned());
        }
        assert!(!names.is_empty(), "{line}");
        kinds.push(names);
    }
    assert_eq!(kinds.len(), 14);
    kinds
}

#[tokio::test]
async fn the_commands_of_the_readme_rotate_a_table() {
    let Some(scene) = Scene::empty().await else { return };
    scene.fill(100).await;
    let renamed = |ring: String| ring.replace(" a", " prod-2025").replace(" b ", " prod-2026 ");
    // The rows name the key by its id.
    scene.sql("TRUNCATE credentials").await;
    let old: sealwax::Keyring = renamed(scene.old()).parse().unwrap();
    let envelope = old.seal(&"sk-proj-4Jq8Zr2Lw".into(), &sealwax::EncryptionContext::empty()).unwrap();
    let insert = "INSERT INTO credentials SELECT id, 0, $1 FROM generate_series(1, 50) AS id";
    sqlx::query(insert).bind(envelope.as_bytes()).execute(&scene.db).await.unwrap();
    scene.file("both.keys", &renamed(scene.both()));
    scene.file("new.keys", &renamed(scene.new_alone()));

    let block = section().split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let (ours, theirs): (Vec<_>, Vec<_>) =
        block.lines().filter(|line| !line.is_empty()).partition(|line| line.starts_with("sealwax-rotate "));
    // `ci/lint` runs the first one.
    assert_eq!(
        theirs,
        [
            "cargo install --path crates/sealwax-sqlx --features cli --locked",
            "export DATABASE_URL=postgres://service@localhost/service"
        ]
    );
    let commands: Vec<_> = ours.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(commands, ["install", "plan", "work", "status", "verify", "census"]);

    // Where the program is.
    let bin = scene.dir.join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROGRAM, bin.join("sealwax-rotate")).unwrap();
    let mut shell = scene.command("sh", "");
    shell.args(["-euc", &ours.join("\n")]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    shell.env("PATH", path);
    let run = scene.spawn(shell).end().await;
    run.says("50 written, 0 needed no change, 0 failed");
    run.says("proof of job 1: unchanged");
    run.says("no row that was scanned names prod-2025");
}

#[test]
fn the_files_that_the_readme_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert!(section().contains("the example `rotation`"));
    for file in ["ci/servers", "crates/sealwax-sqlx/examples/rotation.rs"] {
        assert!(root.join(file).exists(), "{file}");
    }
}
