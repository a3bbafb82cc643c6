//! Tests that every Rust or SQL block of the pages is also in a file in `src/`, which the other tests run.

use std::fs::{self, DirEntry};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::server;

/// Returns the code blocks of a page, each with its language.
fn blocks(page: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/docs").join(page);
    let (mut blocks, mut open): (Vec<(String, String)>, bool) = (Vec::new(), false);
    for line in fs::read_to_string(path).unwrap().lines() {
        match line.strip_prefix("```") {
            Some(language) => {
                if !open {
                    blocks.push((language.to_owned(), String::new()));
                }
                open = !open;
            }
            None if open => blocks.last_mut().unwrap().1.extend([line, "\n"]),
            None => {}
        }
    }
    blocks
}

/// Returns the path and the text of each file in `src/`.
fn sources() -> Vec<(PathBuf, String)> {
    let (mut found, mut left) = (Vec::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")]);
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => found.push((path.clone(), fs::read_to_string(&path).unwrap())),
            }
        }
    }
    found
}

/// Returns whether a file contains a block as consecutive whole lines.
fn shows(source: &str, block: &str) -> bool {
    format!("\n{source}").contains(&format!("\n{block}"))
}

fn held(page: &str, rust: usize, sql: usize) {
    let (blocks, sources) = (blocks(page), sources());
    let count = |language: &str| blocks.iter().filter(|(of, _)| of == language).count();
    assert_eq!((count("rust"), count("sql")), (rust, sql), "the number of Rust and SQL blocks in {page} has changed");
    assert_eq!(blocks.len(), rust + sql + count("text") + count("toml"), "{page} has blocks in other languages");
    for (language, block) in &blocks {
        let ext = match language.as_str() {
            "rust" => "rs",
            "sql" => "sql",
            _ => continue,
        };
        let of = |path: &Path| path.extension().is_some_and(|found| found == ext);
        let found = sources.iter().any(|(path, source)| of(path) && shows(source, block));
        assert!(found, "no file in src/ has this block of {page}:\n{block}");
        assert!(block.lines().count() > 1, "{page} has a block of one line:\n{block}");
    }
}

#[test]
fn every_block_of_the_page_services_is_run() {
    held("services.md", 9, 3);
}

#[test]
fn every_block_of_the_page_recipes_is_run() {
    held("recipes.md", 7, 1);
}

/// Returns how many tests there are, and how many of them use PostgreSQL.
fn tests() -> (usize, usize) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service");
    let text = |entry: io::Result<DirEntry>| fs::read_to_string(entry.unwrap().path()).unwrap();
    let texts: Vec<_> = fs::read_dir(tests).unwrap().map(text).collect();
    let count = |line: &str| texts.iter().flat_map(|text| text.lines()).filter(|found| found.starts_with(line)).count();
    (count("#[test]") + count("#[tokio::test"), count("    let Some((db, "))
}

/// `ci/assurance` fails unless this says that none is skipped.
#[test]
fn tests_that_are_skipped_are_counted() {
    let (_, over_postgres) = tests();
    assert!(over_postgres >= 23, "{over_postgres}");
    let skipped = if server::url().is_some() { 0 } else { over_postgres };
    let line = format!("services: {skipped} of {over_postgres} tests over PostgreSQL are skipped\n");
    // The harness would swallow what `eprint!` says in a test that passes.
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The page Assurance says how many there are, and of how many blocks.
#[test]
fn the_page_assurance_counts_these_tests() {
    let (all, over_postgres) = tests();
    let blocks = ["services.md", "recipes.md"].into_iter().flat_map(blocks);
    let blocks = blocks.filter(|(language, _)| language == "rust" || language == "sql").count();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/docs/assurance.md");
    let page = fs::read_to_string(page).unwrap();
    for claim in [
        format!("| {all} tests of the code on the pages [services] and [recipes], {over_postgres} of them over a real"),
        format!("Of its {all} tests, {over_postgres} use PostgreSQL"),
        format!("all {blocks} Rust and SQL blocks of both pages"),
        format!("each of their {blocks} blocks of Rust and SQL"),
    ] {
        assert!(page.contains(&claim), "the page Assurance does not say: {claim}");
    }
}

/// Shows that the comparison can fail: it rejects a block that is not in the file, and half a line.
#[test]
fn a_block_that_is_not_in_a_file_is_noticed() {
    assert!(shows("a\nbc\nd\n", "bc\nd\n"));
    assert!(!shows("a\nbc\nd\n", "c\nd\n"));
    assert!(!shows("a\nbc\nd\n", "a\nd\n"));
    assert!(!shows("a\nbc\nd\n", "b\n"));
}
