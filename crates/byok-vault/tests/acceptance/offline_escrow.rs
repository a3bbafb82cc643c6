//! An escrow that the program wraps for and cannot open with: its opening key is in a safe.

use serde_json::json;

use crate::sandbox::{Key, Keys, Sandbox};

/// A vault with five rows under `old` and the escrow, and the keyring that rotates them.
struct Scene {
    sandbox: Sandbox,
    both: Keys,
    in_the_safe: Key,
}

impl Scene {
    fn new() -> Self {
        let (sandbox, old, new) = (Sandbox::new(), Key::new(), Key::new());
        let (sealing, in_the_safe) = Key::pair();
        let escrow = ("escrow", "eu-dr", &sealing);
        sandbox.fill(&Keys::new(&[("primary", "old", &old), escrow]), 5);
        let both = Keys::new(&[("primary", "new", &new), ("retired", "old", &old), escrow]);
        Self { sandbox, both, in_the_safe }
    }
}

#[test]
fn a_rotation_keeps_its_wraps() {
    let Scene { sandbox, both, in_the_safe } = Scene::new();
    sandbox.vault(&both, &["rotate"]).expect_code(0);
    assert_eq!(sandbox.current(&both), 5);
    let from_the_safe =
        Keys::new(&[("primary", "other", &Key::new()), ("retired", "eu-dr", &in_the_safe)]);
    assert_eq!(sandbox.assert_rows_open(&from_the_safe), 5);
}

#[test]
fn a_census_names_it_and_knows_that_it_opens_nothing() {
    let Scene { sandbox, both, .. } = Scene::new();
    let census = sandbox.vault(&both, &["census", "--json"]).expect_code(0).json();
    assert_eq!(census["keys"]["eu-dr"]["state"], json!("offline"));
    assert_eq!(census["keys"]["old"]["rows_without_another_key_that_stays"], json!(5));
    for more in [&[][..], &["--verify"]] {
        // Without `old`, only the key in the safe would open them.
        let retire_old = [&["census", "--retire", "old"], more].concat();
        sandbox.vault(&both, &retire_old).expect_code(1).expect_in_stdout("no, 5 rows need it");
    }
    sandbox.vault(&both, &["rotate"]).expect_code(0);
    for id in ["old", "eu-dr"] {
        let retire = ["census", "--retire", id, "--verify"];
        sandbox.vault(&both, &retire).expect_code(0).expect_in_stdout("yes, no row needs it");
    }
}
