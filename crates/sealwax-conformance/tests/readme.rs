//! The README's table has every check, in the order in which they run.

use sealwax::MasterKey;
use sealwax_conformance::{Expect, check};

#[test]
fn the_table_has_every_check() {
    let readme = include_str!("../README.md");
    let (_, table) = readme.split_once("## The checks").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: Vec<_> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let key = MasterKey::generate().unwrap();
    let report = pollster::block_on(check(key, "k".parse().unwrap(), Expect::default()));
    let names: Vec<_> = report.findings().map(|finding| finding.name()).collect();
    assert_eq!(rows, names);
    assert_eq!(rows.len(), 33);
}
