//! Rows of other services, from public reports: each stands for a kind.

use std::path::Path;
use std::process::Command;

use byok_vault::row::Owner;
use sealwax::Secret;

use super::{BASE64_KEY, HEX_KEY, in_vault, new, quarantine_of, quarantined, reasons};
use crate::sandbox::{Keys, Ran, Sandbox};

/// The plaintext of most cases.
const CREDENTIAL: &str = "sk-test-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV";

/// Copies a case into the sandbox, because the quarantine file appears next to it.
fn case(sandbox: &Sandbox, name: &str) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance/cases").join(name);
    let to = sandbox.path(name);
    std::fs::copy(from, &to).unwrap();
    to.to_str().unwrap().to_owned()
}

fn import(sandbox: &Sandbox, keys: &Keys, key: &str, options: &[&str], file: &str) -> Ran {
    let arguments = [&["import", "--key-env", "OLD_KEY"], options, &[file]].concat();
    let mut command: Command = sandbox.command(Some(keys), &arguments);
    command.env("OLD_KEY", key);
    let ran = sandbox.finish(command, b"");
    assert!(!ran.stdout.contains("sk-test") && !ran.stderr.contains("sk-test"));
    ran
}

fn stored(sandbox: &Sandbox, keys: &Keys, tenant: &str) -> Option<Secret> {
    in_vault(
        sandbox,
        keys,
        &Owner { tenant: tenant.to_owned(), provider: "openai".to_owned(), label: None },
    )
}

/// Imports a case and checks its first row.
#[track_caller]
fn imports(name: &str, key: &str, options: &[&str], credential: &str) {
    let (sandbox, keys) = new();
    let file = case(&sandbox, name);
    for arguments in [&[options, &["--dry-run"]].concat()[..], options] {
        import(&sandbox, &keys, key, arguments, &file).expect_code(0);
    }
    assert!(stored(&sandbox, &keys, "t1").unwrap() == Secret::from(credential), "{name}");
}

#[test]
fn form_order_and_encoding_are_declared() {
    let hex = ["--key-as", "hex"];
    let base64 = ["--key-as", "base64"];
    let cases = [
        ("02_iv_ct_tag_base64.jsonl", "value={iv12+ct+tag:base64}"),
        ("02_iv_ct_tag_hex.jsonl", "value={iv12+ct+tag:hex}"),
        ("02_iv_tag_ct_base64.jsonl", "value={iv12+tag+ct:base64}"),
        ("02_iv_tag_ct_base64_parts.jsonl", "value={iv12:base64}:{tag:base64}:{ct:base64}"),
    ];
    for (name, cell) in cases {
        imports(name, HEX_KEY, &[&["--cell", cell], &hex[..]].concat(), CREDENTIAL);
        imports(name, BASE64_KEY, &[&["--cell", cell], &base64[..]].concat(), CREDENTIAL);
    }
    // A layout whose key is usually something else.
    let options = ["--layout", "sqlalchemy-utils", "--key-as", "hex"];
    imports("02_iv_tag_ct_base64.jsonl", HEX_KEY, &options, CREDENTIAL);
}

#[test]
fn bytes_are_read_as_databases_print_them() {
    for (name, front, encoding) in
        [("03_bytea_columns.jsonl", "\\x", "hex"), ("03_upper_columns.jsonl", "", "hex-any-case")]
    {
        let cells = ["iv=F{iv16:E}", "tag=F{tag:E}", "ciphertext=F{ct:E}"]
            .map(|cell| cell.replace('F', front).replace(":E", &format!(":{encoding}")));
        let [iv, tag, ct] = &cells;
        let options = ["--cell", iv, "--cell", tag, "--cell", ct, "--key-as", "hex"];
        imports(name, HEX_KEY, &options, CREDENTIAL);
        // The strict layout names what is in the way.
        let (sandbox, keys) = new();
        let file = case(&sandbox, name);
        let strict = ["--layout", "columns-hex", "--key-as", "hex"];
        let ran = import(&sandbox, &keys, HEX_KEY, &strict, &file).expect_code(14);
        let what = if front.is_empty() { "lowercase hex" } else { "a \\x prefix, as PostgreSQL" };
        ran.expect_in_stdout(what).expect_in_stdout("import --explain");
    }
}

#[test]
fn associated_data_is_declared() {
    let layout = ["--layout", "hex-iv12-tag-ct", "--key-as", "hex"];
    let (sandbox, keys) = new();
    let file = case(&sandbox, "04_associated_data.jsonl");
    import(&sandbox, &keys, HEX_KEY, &layout, &file)
        .expect_code(14)
        .expect_in_stdout("2 rows quarantined: not authentic")
        .expect_in_stdout("--bound-to");
    let bound = [&layout[..], &["--bound-to", "cred:{id}"]].concat();
    import(&sandbox, &keys, HEX_KEY, &bound, quarantine_of(&file).to_str().unwrap()).expect_code(0);
    for n in 1..=2 {
        let opened = stored(&sandbox, &keys, &format!("t{n}")).unwrap();
        assert!(opened == Secret::from(format!("sk-test-bound-{n}")));
    }
}

#[test]
fn a_key_is_read_in_its_form() {
    let layout = ["--layout", "hex-iv12-tag-ct"];
    for (form, key) in [
        ("hex", "3d3ee11c2fbf7f6a6b1e6aa16c382631ec5f1fbfc50ca3ba5a89d366d22eeaef"),
        ("base64", "PT7hHC+/f2prHmqhbDgmMexfH7/FDKO6WonTZtIu6u8="),
        ("base64url", "PT7hHC-_f2prHmqhbDgmMexfH7_FDKO6WonTZtIu6u8="),
        ("base64url", "PT7hHC-_f2prHmqhbDgmMexfH7_FDKO6WonTZtIu6u8"),
    ] {
        let options = [&layout[..], &["--key-as", form]].concat();
        imports("05_key_forms.jsonl", key, &options, CREDENTIAL);
    }
    let name = "05_sha256_of_text_and_line_feed.jsonl";
    let options = [&layout[..], &["--key-as", "sha256-line-feed"]].concat();
    imports(name, "a secret of the environment", &options, CREDENTIAL);
    let options = [&layout[..], &["--key-as", "sha256"]].concat();
    imports(name, "a secret of the environment\n", &options, CREDENTIAL);
    let (sandbox, keys) = new();
    let file = case(&sandbox, name);
    import(&sandbox, &keys, "a secret of the environment", &options, &file)
        .expect_code(14)
        .expect_in_stdout("--key-as sha256-line-feed");
}

#[test]
fn rails_is_read_from_its_cell_unless_it_was_compressed() {
    let key = "cade5f1755b3159c8dc35888d6a75c2682a1b38c4e20cfdbbcb32287575d32ee";
    let (sandbox, keys) = new();
    let file = case(&sandbox, "13_rails_cells.jsonl");
    import(&sandbox, &keys, key, &["--layout", "rails"], &file)
        .expect_code(14)
        .expect_in_stdout("1 row imported")
        .expect_in_stdout(
            "id 2 (tenant t2, provider openai): value.h.c must not be present: Rails compressed",
        );
    assert!(stored(&sandbox, &keys, "t1").unwrap() == Secret::from("sk-test-short"));
    assert!(stored(&sandbox, &keys, "t2").is_none());

    let (sandbox, keys) = new();
    let file = case(&sandbox, "13_rails_flat.jsonl");
    import(&sandbox, &keys, key, &["--layout", "columns-base64", "--key-as", "hex"], &file)
        .expect_code(14)
        .expect_in_stdout("1 row imported");
    assert!(stored(&sandbox, &keys, "t2").is_none());
}

/// Files with a start like these, what they are called, and the advice.
const OTHER_KINDS: &[(&[u8], &str, &str)] = &[
    (b"+----+\n| id |\n+----+\n| 1  |\n", "a drawn table", "--skip-column-names"),
    (b" json_build_object \n-------------------\n {\"id\":1}\n(1 row)\n", "a drawn table", "-qAt"),
    (" id │ tenant\n────┼────────\n".as_bytes(), "a drawn table", "-qAt"),
    ("┌────┐\n│ id │\n".as_bytes(), "a drawn table", "-list"),
    (b"| id | tenant |\n|---:|--------|\n", "a drawn table", "-list"),
    (b"id  tenant\n--  ------\n1   t1\n", "a drawn table", "-list"),
    (b"-[ RECORD 1 ]---\nid | 1\n", "a drawn table", "-qAt"),
    (b"*************************** 1. row ***\nid: 1\n", "a drawn table", "--batch"),
    (b"{\"Items\":[{\"id\":1}],\"Count\":1}\n", "rows inside another object", ".rows[]"),
    (b"{\"rows\":[{\"a\":1}]}\n{\"rows\":[{\"a\":2}]}\n", "rows inside another object", ".rows[]"),
    (b"{\"hits\":{\"hits\":[ {\"x\":1}]}}\n", "rows inside another object", ".rows[]"),
    (
        b"{\"7\":{\"tenant\":\"a\"},\"9\":{\"tenant\":\"b\"}}\n",
        "rows inside another object",
        "`.[]`",
    ),
    (b"[1,\"t1\"]\n[2,\"t2\"]\n", "an array on each line", "{id: .[0]"),
    (b"[{\"id\":1}]\n[{\"id\":2}]\n", "a JSON array", "jq -c '.[]'"),
    (b"[[1,\"t1\"],[2,\"t2\"]]\n", "a JSON array", "jq -c '.[]'"),
    (b"- id: 1\n  tenant: t1\n", "YAML", "yq"),
    (b"---\nid: 1\n", "YAML", "yq"),
    (b"rows:\n- id: 1\n", "YAML", "yq"),
    (b"id: 1\ntenant: t1\n", "YAML", "yq"),
    (
        b"{'id': 1, 'tenant': 't1'}\n{'id': 2, 'tenant': 't2'}\n",
        "programming language",
        "json.dumps",
    ),
    (b"[{'id': 1}]\n", "programming language", "json.dumps"),
    (b"{ id: 1, tenant: 't1' }\n", "programming language", "JSON.stringify"),
    (b"{\n  id: 1,\n  tenant: 't1'\n}\n", "programming language", "JSON.stringify"),
    (b"{\"id\"=>1, \"tenant\"=>\"t1\"}\n", "programming language", "json.dumps"),
    (b"(1, 't1')\n(2, 't2')\n", "programming language", "json.dumps"),
    (b"map[id:1 tenant:t1]\n", "programming language", "json.dumps"),
    (b"\x1e{\"id\":1,\"a\":2}\n\x1e{\"id\":2,\"a\":2}\n", "record separator", "tr -d '\\036'"),
    (b"\x1b[1;39m{\x1b[0m\x1b[34;1m\"id\"\x1b[0m:1}\n", "colours", "jq -M"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git", "git lfs pull"),
    (b"sep=;\nid;tenant\n", "CSV", "json_object"),
    (b"json\n\"{\"\"id\"\": 1, \"\"a\"\": 2}\"\n", "CSV", "json_object"),
    (b"id,tenant\n1,Z\xfcrich\n", "CSV", "json_object"),
    (b"id,W\xe4hrung\n1,t\n", "CSV", "json_object"),
    (b"PAR1\x15\x04\n", "a binary file", "DuckDB"),
    (b"Obj\x01\x04\x16avro.schema", "a binary file", "JSON Lines"),
    (b"ARROW1\0\0", "a binary file", "JSON Lines"),
    (b"ORC\x0a", "a binary file", "JSON Lines"),
    (b"\x82\xa2id\x01\xa6tenant\xa2t1", "a binary file", "JSON Lines"),
    (b"\x2b\0\0\0\x10id\0\x01\0\0\0", "a binary file", "JSON Lines"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file", "decompress"),
    (b"-----BEGIN PGP MESSAGE-----\n\nhQ\n", "an encrypted file", "decrypt"),
    (b"age-encryption.org/v1\n-> X25519\n", "an encrypted file", "decrypt"),
    (b"/*M!999999\\- enable the sandbox mode */\n", "SQL", "json_object"),
];

#[test]
fn a_file_of_another_kind_is_one_message() {
    let layout = ["--layout", "hex-iv12-tag-ct", "--key-as", "hex"];
    let row = std::fs::read_to_string(case(&new().0, "18_iv12_ct_tag.jsonl")).unwrap();
    let (sandbox, keys) = new();
    let write = |name: &str, bytes: &[u8]| {
        let path = sandbox.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    };
    let files = [
        (case(&sandbox, "15_array.json"), "a JSON array", "jq -c '.[]'"),
        (case(&sandbox, "15_pretty.json"), "objects over several lines", "jq -c ."),
        (case(&sandbox, "15_utf16.jsonl"), "UTF-16", "iconv"),
        (case(&sandbox, "15_rows.csv"), "CSV", "json_build_object"),
        (write("array.json", b"\n\n  [\n{}]"), "a JSON array", "jq"),
        (write("be.jsonl", &utf16(&row, true)), "UTF-16", "iconv"),
        (write("le.jsonl", &utf16(&row, false)), "UTF-16", "iconv"),
        (
            write("semicolons.csv", b"\xef\xbb\xbf\"id\";\"tenant\"\r\n1;t\r\n"),
            "CSV",
            "json_object",
        ),
        (write("psql.txt", b"1|t1|openai|00:11\n2|t2|openai|00:11\n"), "CSV", "json_object"),
        (write("rows.gz", b"\x1f\x8b\x08\0\0\0\0\0"), "a compressed file", "decompress"),
        (write("rows.xlsx", b"PK\x03\x04\x14\0\x06\0"), "a compressed file", "spreadsheet"),
        (write("vault.sqlite", b"SQLite format 3\0\x10\0"), "a database", "json_object"),
        (write("dump.sql", b"COPY public.api_keys (id) FROM stdin;\n1\n"), "SQL", "json_object"),
        (write("rows.xml", b"<?xml version=\"1.0\"?>\n<rows/>"), "XML or HTML", "json_object"),
    ];
    let more = OTHER_KINDS
        .iter()
        .enumerate()
        .map(|(n, (content, kind, next))| (write(&format!("other-{n}"), content), *kind, *next));
    let files: Vec<_> = files.into_iter().chain(more).collect();
    assert_eq!(files.len(), 14 + OTHER_KINDS.len());
    for (file, kind, next) in &files {
        for mode in [&["--dry-run"][..], &[]] {
            let options = [&layout[..], mode].concat();
            let ran = import(&sandbox, &keys, HEX_KEY, &options, file)
                .expect_code(7)
                .expect_in_stderr(kind)
                .expect_in_stderr(next);
            assert!(ran.stdout.is_empty(), "{ran:#?}");
        }
        assert!(!quarantine_of(file).exists() && !sandbox.db().exists(), "{file}");
    }
    // A file of rows whose first line is damaged is not one of another kind.
    for damaged in [
        "{\"id\": 1, \"tenant\"",
        "sk-test-unencrypted",
        "\"a, b\"",
        "{}",
        "null",
        // What else may be above the rows: a warning, a header, a damaged line.
        "mysql: [Warning] Using a password on the command line interface can be insecure.",
        "JSON_OBJECT('id', id, 'tenant', tenant)",
        "- sk-test-unencrypted",
        "{id",
        "{\"rows\": [{\"id\": 1}]}",
        "{\"tenant\": \"t9\", \"meta\": [{}]}",
        "<<<<<<< HEAD",
        "SET",
        "BEGIN",
        "[INFO] exporting 20000 rows",
        "<no value>",
        "*** export of api_keys ***",
        "\u{1b}[2K",
    ] {
        let (sandbox, keys) = new();
        let path = sandbox.path("rows.jsonl");
        std::fs::write(&path, format!("{damaged}\n{row}")).unwrap();
        let options = ["--layout", "langwatch"];
        import(&sandbox, &keys, HEX_KEY, &options, path.to_str().unwrap())
            .expect_code(14)
            .expect_in_stdout("1 row imported, 0 rows already imported, 1 row quarantined");
    }
    // Nor is one that has a line under a good row.
    let (sandbox, keys) = new();
    let path = sandbox.path("rows.jsonl");
    std::fs::write(&path, format!("{}\n------\n", row.trim_end())).unwrap();
    import(&sandbox, &keys, HEX_KEY, &["--layout", "langwatch"], path.to_str().unwrap())
        .expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported, 1 row quarantined");
}

#[test]
fn two_versions_in_one_column_are_told_apart_by_their_parts() {
    let (sandbox, keys) = new();
    let file = case(&sandbox, "17_two_versions.jsonl");
    let options = ["--layout", "formbricks", "--key-as", "raw"];
    import(&sandbox, &keys, "0123456789abcdef0123456789ABCDEF", &options, &file)
        .expect_code(14)
        .expect_in_stdout("expected 3 parts separated by \":\", found 2");
    assert!(stored(&sandbox, &keys, "t1").unwrap() == Secret::from(CREDENTIAL));
    assert_eq!(reasons(quarantine_of(&file)), [(2, "not-of-the-layout".to_owned())]);
    assert_eq!(quarantined(quarantine_of(&file)).len(), 1);
}

#[test]
fn langwatch() {
    let credential = "{\"OPENAI_API_KEY\":\"sk-test-1\"}";
    imports("18_iv12_ct_tag.jsonl", HEX_KEY, &["--layout", "langwatch"], credential);
}
