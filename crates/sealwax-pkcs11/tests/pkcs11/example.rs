//! The example prints what its first comment promises.

use std::env;
use std::process::Command;

use crate::token::{PIN, with_token};

#[test]
fn it_prints_what_it_says() {
    let source = include_str!("../../examples/keyring_on_token.rs");
    let (_, promised) = source.split_once("//! ```text\n").unwrap();
    let (promised, _) = promised.split_once("//! ```\n").unwrap();
    let promised = promised.replace("//! ", "");
    assert_eq!(promised.lines().count(), 4);
    with_token(|token| {
        token.create("byok", &[1], &[]);
        // target/debug/deps/pkcs11-… -> target/debug/examples
        let test = env::current_exe().unwrap();
        let built = test.ancestors().nth(2).unwrap().join("examples/keyring_on_token");
        let mut program = Command::new(built.with_extension(env::consts::EXE_EXTENSION));
        let library = env::var("SEALWAX_TEST_PKCS11").unwrap();
        program.args([&library, &token.label, "byok", "01"]).env("HSM_PIN", PIN);
        // It was built, unless this test was run with `--test`.
        let output = program.output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{complaint}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), promised);
        // A wrong PIN is said in one line, which does not repeat it.
        program.env("HSM_PIN", "0000");
        let output = program.output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("CKR_PIN_INCORRECT") && !complaint.contains("0000"));
    });
}
