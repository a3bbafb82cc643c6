//! The example, over moto.

use std::process::Command;

use crate::with_moto;

#[test]
fn the_example_prints_what_it_promises() {
    with_moto(|_| async move {
        let output = tokio::task::spawn_blocking(|| {
            Command::new(env!("CARGO"))
                .args(["run", "--quiet", "--locked", "--example", "rows_under_kms"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .output()
                .unwrap()
        })
        .await
        .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let promised = include_str!("../../examples/rows_under_kms.rs");
        let promised = promised.split("//! ```").nth(1).unwrap().trim_start_matches("text\n");
        let promised: Vec<&str> =
            promised.lines().map(|line| line.trim_start_matches("//! ")).collect();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.lines().collect::<Vec<_>>(), promised);
        assert!(promised.len() >= 3);
    });
}
