//! Control: the tests do notice a lost row, and a damaged database.

use std::fs;

use super::{Template, filled, integrity, lost};
use crate::sandbox::{Sandbox, credential, owner};
use byok_vault::row::Place;
use rusqlite::Connection;
use sealwax::Secret;

const ROWS: u64 = 40;

fn execute(sandbox: &Sandbox, sql: &str) {
    let changed = Connection::open(sandbox.db()).unwrap().execute(sql, []).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn each_way_to_lose_a_row_is_counted() {
    let template = Template::new(ROWS);
    let sandbox = template.sandbox();
    let lost = |keys| lost(&sandbox, keys, filled(ROWS));
    assert_eq!(lost(&template.keys.before), 0);
    assert_eq!(lost(&template.keys.after), ROWS, "without their key");

    execute(&sandbox, "DELETE FROM credentials WHERE tenant = 'tenant-3'");
    assert_eq!(lost(&template.keys.both), 1);
    // Like a rotation that writes in two steps.
    execute(&sandbox, "UPDATE credentials SET envelope = '' WHERE tenant = 'tenant-5'");
    assert_eq!(lost(&template.keys.both), 2);
    let whole = sandbox.envelope(7);
    sandbox.overwrite(7, whole.get(..whole.len() / 2).unwrap());
    assert_eq!(lost(&template.keys.both), 3);
    sandbox.overwrite(9, &whole);
    assert_eq!(lost(&template.keys.both), 4, "an envelope in another row's place");
    let place = Place { id: 12, owner: owner(11), env_name: "OPENAI_API_KEY".to_owned() };
    let keyring = template.keys.both.keyring();
    let other = place.seal(&keyring, &Secret::from(credential(12))).unwrap();
    sandbox.overwrite(11, &other);
    assert_eq!(lost(&template.keys.both), 5, "another credential");
    let same = place.seal(&keyring, &Secret::from(credential(11))).unwrap();
    sandbox.overwrite(11, &same);
    assert_eq!(lost(&template.keys.both), 4);
}

#[test]
fn a_torn_page_is_found() {
    let template = Template::new(ROWS);
    let sandbox = template.sandbox();
    assert_eq!(integrity(&sandbox), "ok");
    let mut torn = template.database;
    // Overwrite both halves of the last page.
    let at = torn.len() - 2_048;
    torn.drain(at..);
    torn.resize(at + 2_048, 0xff);
    let last = torn.len() - 4_096;
    torn[last..at].fill(0xff);
    fs::write(sandbox.db(), torn).unwrap();
    let _ = fs::remove_file(sandbox.path("vault.db-wal"));
    let _ = fs::remove_file(sandbox.path("vault.db-shm"));
    assert_ne!(integrity(&sandbox), "ok");
}
