//! The story succeeds and prints no credential.

use std::collections::HashSet;
use std::process::Command;

use byok_vault::story::{CREDENTIALS, credential};

use crate::sandbox::searched;

const WINDOW: usize = 12;

#[test]
fn it_is_told_to_its_end_and_shows_no_credential() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_byok-vault")).env_remove("SEALWAX_KEYS").output().unwrap();
    let ran = searched(output).expect_code(0);
    for text in [
        "Sealed and stored 20,000 credentials",
        "20,000 rows in ",
        "Opened 400 of them",
        "none lost",
        "20,000 unchanged",
        "20,000 have a new wrap",
        "can prod-2025 be retired? yes, no row needs it",
        "with the new key alone, 400 rows open",
        "sealed for another tenant",
        "changed outside of byok-vault",
        "is not the key that sealed the row",
        "the row opens again",
        "2,501 chains, compared with 0 anchors",
        "No entry was altered, removed, added or exchanged.",
    ] {
        assert!(ran.stdout.contains(text), "no {text:?} in {}", ran.stdout);
    }

    let printed: HashSet<&[u8]> = [&ran.stdout, &ran.stderr]
        .iter()
        .flat_map(|text| text.as_bytes().windows(WINDOW))
        .collect();
    assert!(printed.len() > 1_000);
    let mut compared = 0;
    for n in 0..CREDENTIALS {
        let credential = credential(n);
        // The words that every service account contains are not secret.
        let secret = if credential.starts_with('{') {
            credential.split('"').find(|part| part.contains("BEGIN")).unwrap()
        } else {
            &credential
        };
        assert!(secret.len() >= 32);
        assert!(!secret.as_bytes().windows(WINDOW).any(|part| printed.contains(part)), "{n}");
        compared += 1;
    }
    assert_eq!(compared, 20_000);
}
