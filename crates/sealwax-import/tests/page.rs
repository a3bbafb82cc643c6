//! The page *legacy*, to which the README refers its readers, has every name. The package has neither.

use sealwax_import::CATALOGUE;

#[test]
fn the_page_has_every_name() {
    let page = include_str!("../../../src/docs/legacy.md");
    for named in &CATALOGUE {
        let name = named.name;
        assert!(page.contains(&format!("`{name}`")), "legacy.md does not mention {name}");
    }
    assert!(CATALOGUE.len() >= 28);
}
