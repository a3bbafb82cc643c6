//! Rows that the programs of other stacks wrote, and those programs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use sealwax_import::json::Object;
use sealwax_import::{KeyForm, Named};
use serde_json::{Value, json};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What writes rows: a command, and what it has to print.
struct Stack {
    command: &'static [&'static str],
    prints: &'static str,
}

const STACKS: [Stack; 5] = [
    Stack {
        command: &["go", "run", "row.go"],
        prints: "QEFCQ0RFRkdISUpLkdKDV0NP8y789iSps2n7r29O2US7r2k95yl3\n",
    },
    Stack {
        command: &["java", "Row.java"],
        prints: "QEFCQ0RFRkdISUpLkdKDV0NP8y789iSps2n7r29O2US7r2k95yl3\n",
    },
    Stack {
        command: &["php", "row.php"],
        prints: "QEFCQ0RFRkdISUpLqbNp+69vTtlEu69pPecpd5HSg1dDT/Mu/PYk\n",
    },
    Stack {
        command: &["node", "rows.mjs"],
        prints: "404142434445464748494a4b:91d28357434ff32efcf624:a9b369fbaf6f4ed944bbaf693de72977\n\
                 404142434445464748494a4b4c4d4e4f:46e93baff92c2326a83950:680ddddd56ca7cd3e8dfa4b7e97bd201\n\
                 G1xu257ZWmXHFKw= QEFCQ0RFRkdISUpLTE1OTw== sFtwtYgW12ItuhEBoPIigQ==\n",
    },
    Stack {
        command: &["python3", "rows.py"],
        prints: r#"{"p": "kdKDV0NP8y789iQ=", "h": {"iv": "QEFCQ0RFRkdISUpL", "at": "qbNp+69vTtlEu69pPecpdw=="}}
{"p": "uIW1P9pbJpaFNjg=", "h": {"iv": "YGFiY2RlZmdoaWpr", "at": "3jyNuAp/FeRFilHbeLzn2g==", "k": {"p": "WuDwsSCTeyecCYPYcVo5bFuYS16WwiiTlCZOdlzrP90=", "h": {"iv": "UFFSU1RVVldYWVpb", "at": "bs8TGTdSRF9WGWa8kdAE9A=="}}}}
"#,
    },
];

/// The rows that the stacks print, by the name of their kind, with the key that is not `KEY`.
fn rows() -> Vec<(&'static str, Value, KeyForm, &'static str)> {
    let line = |stack: usize, n: usize| STACKS[stack].prints.lines().nth(n).unwrap();
    let value = |text: &str| json!({"value": text});
    let infisical: Vec<_> = line(3, 2).split(' ').collect();
    vec![
        ("go", value(line(0, 0)), KeyForm::Hex, KEY),
        ("java", value(line(1, 0)), KeyForm::Hex, KEY),
        ("php", value(line(2, 0)), KeyForm::Hex, KEY),
        ("langwatch", value(line(3, 0)), KeyForm::Hex, KEY),
        ("formbricks", value(line(3, 1)), KeyForm::Hex, KEY),
        (
            "infisical",
            json!({"ciphertext": infisical[0], "iv": infisical[1], "tag": infisical[2]}),
            KeyForm::Raw,
            "000102030405060708090a0b0c0d0e0f",
        ),
        ("rails", value(line(4, 0)), KeyForm::Hex, KEY),
        ("rails-envelope", value(line(4, 1)), KeyForm::Hex, KEY),
    ]
}

#[test]
fn every_row_opens_by_its_name() {
    let rows = rows();
    assert_eq!(rows.len(), 8);
    for (name, row, form, key) in rows {
        let declaration = Named::find(name).unwrap().declaration().unwrap();
        assert!(declaration.key_as.is_none_or(|declared| declared == form), "{name}");
        let text = row.to_string();
        let read = declaration.read(&Object::parse(&text).unwrap()).unwrap();
        let opened = read.open(&form.key(key, None).unwrap()).unwrap();
        assert!(opened.expose_str().unwrap() == "sk-test-123", "{name}");
    }
}

#[test]
fn the_stacks_still_write_these_rows() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks");
    let mut ran = 0;
    for Stack { command, prints } in STACKS {
        let (program, arguments) = command.split_first().unwrap();
        let output = match Command::new(program).args(arguments).current_dir(&directory).output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: {program}");
                continue;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        assert_eq!(String::from_utf8(output.stdout).unwrap(), prints, "{program}");
        ran += 1;
    }
    // CI has at least these two.
    if std::env::var_os("SEALWAX_REQUIRE_INTEROP").is_some() {
        assert!(ran >= 2, "only {ran} of the stacks ran");
    }
}
