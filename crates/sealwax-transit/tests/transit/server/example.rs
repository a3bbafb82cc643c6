//! The example prints what its first comment promises.

use std::env;
use std::process::Command;

use serde_json::json;

use super::{guards, with_bao};

#[test]
fn it_prints_what_it_says() {
    let source = include_str!("../../../examples/keyring_under_transit.rs");
    let (_, promised) = source.split_once("//! ```text\n").unwrap();
    let (promised, _) = promised.split_once("//! ```\n").unwrap();
    let promised = promised.replace("//! ", "");
    assert_eq!(promised.lines().count(), 4);
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        bao.set_policy(&bao.mount, &guards::policy()).await;
        let token = bao.token_with(&bao.mount, "1h").await;
        // target/debug/deps/transit-… -> target/debug/examples
        let test = env::current_exe().unwrap();
        let built = test.ancestors().nth(2).unwrap().join("examples/keyring_under_transit");
        let mut program = Command::new(built.with_extension(env::consts::EXE_EXTENSION));
        program.args([&bao.mount, "byok"]).env("BAO_ADDR", &bao.address);
        program.env("BAO_TOKEN", token.expose_str().unwrap());
        // It was built, unless this test was run with `--test`.
        let output = program.output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{complaint}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), promised);
    });
}
