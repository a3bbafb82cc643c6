//! What a typical reader over Node's crypto accepts as a row, and what this crate says about it.
//!
//! `tests/legacy/node_accepts.mjs` measures the table, which is committed with Node's version. This
//! crate's column is checked in every run. Node's column is checked if that major version of Node
//! is installed.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::files::{KeyText, folder};
use crate::kinds::{Refusal, Stack, kind};

fn table() -> Value {
    let text = fs::read_to_string(folder().join("node_accepts.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn cases(table: &Value) -> &Vec<Value> {
    table["cases"].as_array().unwrap()
}

/// Returns 20 for `v20.1.2`.
fn major(version: &str) -> &str {
    version.split(['v', '.']).nth(1).unwrap()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap()
}

#[test]
fn what_this_crate_says_is_what_the_table_says() {
    let table = table();
    let key = KeyText::new(text(&table["key"], "as"), text(&table["key"], "text").to_owned()).key();
    let mut counts = BTreeMap::<_, usize>::new();
    for case in cases(&table) {
        let columns = case["columns"].as_array().unwrap();
        let row = columns.iter().map(|column| column.as_str().unwrap().as_bytes().to_vec());
        let found = match (kind(text(case, "kind")).read)(&key, &row.collect()) {
            Ok(secret) => {
                assert_eq!(
                    secret.expose_str(),
                    Ok(text(case, "plaintext")),
                    "{}",
                    text(case, "case")
                );
                "opens"
            }
            Err(Refusal::Malformed) => "malformed",
            Err(Refusal::NotAuthentic) => "not authentic",
            Err(other) => panic!("{}: {other:?}", text(case, "case")),
        };
        assert_eq!(found, text(case, "sealwax"), "{}", text(case, "case"));
        *counts.entry([text(case, "node"), found]).or_default() += 1;
    }
    // Nothing opens here that Node rejects, and nothing opens anywhere to a different plaintext.
    let expected = [
        (["opens", "malformed"], 35),
        (["opens", "opens"], 6),
        (["refuses", "malformed"], 19),
        (["refuses", "not authentic"], 2),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_node_says_is_what_the_table_says() {
    if !Stack::Node.is_installed() {
        return;
    }
    let (committed, measured) = (table(), Stack::Node.run("node_accepts.mjs", &[], "").unwrap());
    let versions = [&committed, &measured].map(|table| major(text(table, "node")));
    if versions[0] != versions[1] {
        println!(
            "skipped: the table is for Node {}, but Node {} is installed",
            versions[0], versions[1]
        );
        return;
    }
    assert_eq!(cases(&committed).len(), 62);
    assert_eq!(cases(&committed).len(), cases(&measured).len());
    for (committed, measured) in cases(&committed).iter().zip(cases(&measured)) {
        assert_eq!(committed, measured);
    }
    println!("62 cases measured again");
}
