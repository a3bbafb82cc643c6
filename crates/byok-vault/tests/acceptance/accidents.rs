//! Accidents that nobody reported yet, of the kinds in the cases from the field; the numbers are theirs.
//!
//! Each test was written from what a careful user expects, without a look at the code. The rows were made by Python's
//! `cryptography` (AESGCM): the key is 00 01 .. 1f, unless a test has another, and an IV is the start of SHA-256 of
//! `accident N`.

use std::fs;

use byok_vault::store::{Access, Store};

use crate::import::{export, quarantine_of, quarantined};
use crate::sandbox::{Keys, Ran, Sandbox};

const HEX_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const CREDENTIAL: &str = "sk-canary-0123456789abcdefghijklmnop";
const COLONS: [&str; 4] = ["--layout", "hex-iv12-tag-ct", "--key-as", "hex"];

fn new() -> (Sandbox, Keys) {
    (Sandbox::new(), Keys::primary("k"))
}

#[track_caller]
fn import(sandbox: &Sandbox, keys: &Keys, key: &str, options: &[&str], lines: &[&str]) -> Ran {
    let file = export(sandbox, lines);
    let arguments = [&["import", "--key-env", "OLD_KEY"], options, &[&file]].concat();
    let mut command = sandbox.command(Some(keys), &arguments);
    command.env("OLD_KEY", key);
    let ran = sandbox.finish(command, b"");
    // Shorter texts may be a word of a message.
    if key.len() > 16 {
        assert!(!ran.stdout.contains(key) && !ran.stderr.contains(key), "the old key was printed");
    }
    ran
}

/// Asserts that the output has one of these texts: how a message says it is open, that it says it is not.
#[track_caller]
fn tells(ran: &Ran, words: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
    assert!(
        words.iter().any(|word| said.contains(&word.to_lowercase())),
        "none of {words:?} in {ran:#?}"
    );
}

/// Returns each tenant with its credential.
fn opened(sandbox: &Sandbox, keys: &Keys) -> Vec<(String, String)> {
    let keyring = keys.keyring();
    let mut credentials = Vec::new();
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    store
        .for_each(|row| {
            let secret = row.open(&keyring)?;
            credentials
                .push((row.place.owner.tenant.clone(), secret.expose_str().unwrap().to_owned()));
            Ok(())
        })
        .unwrap();
    credentials
}

/// Asserts that all of these rows are imported, and open to [`CREDENTIAL`].
#[track_caller]
fn assert_imports(key: &str, options: &[&str], lines: &[&str]) {
    let (sandbox, keys) = new();
    import(&sandbox, &keys, key, options, lines).expect_code(0);
    let credentials = opened(&sandbox, &keys);
    assert_eq!(credentials.len(), lines.len());
    assert!(
        credentials.iter().all(|(_, credential)| credential == CREDENTIAL),
        "a wrong credential"
    );
}

/// Asserts that none of these rows is imported, and that the quarantine file has each of them unchanged.
#[track_caller]
fn assert_quarantines(key: &str, options: &[&str], lines: &[&str]) -> Ran {
    let (sandbox, keys) = new();
    let ran = import(&sandbox, &keys, key, options, lines).expect_code(14);
    assert!(!sandbox.db().exists(), "a vault without a row");
    let kept = quarantined(quarantine_of(sandbox.path("export.jsonl").to_str().unwrap()));
    let rows: Vec<serde_json::Value> = kept.iter().map(|line| line["row"].clone()).collect();
    let expected: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, expected);
    ran
}

/// Asserts that each of these rows, which open to the text beside it, looks like no credential.
#[track_caller]
fn assert_suspicious(rows: &[(&str, &str)]) {
    let (sandbox, keys) = new();
    let lines: Vec<&str> = rows.iter().map(|(_, line)| *line).collect();
    let ran = import(&sandbox, &keys, HEX_KEY, &COLONS, &lines);
    let missed: Vec<&str> = (1..)
        .zip(rows)
        .filter(|(n, _)| !ran.stdout.contains(&format!("suspicious: line {n},")))
        .map(|(_, (text, _))| *text)
        .collect();
    assert!(missed.is_empty(), "stored without a doubt: {missed:?}");
    ran.expect_code(14);
}

/// Asserts that this text is no key in this form, and that nothing was written.
#[track_caller]
fn refused_key(text: &str, form: &str) -> Ran {
    let (sandbox, keys) = new();
    let options = ["--layout", "hex-iv12-tag-ct", "--key-as", form];
    let ran = import(&sandbox, &keys, text, &options, &[ROW]).expect_code(3);
    assert!(!sandbox.db().exists());
    ran
}

/// Asserts that `audit` says of a row that a column cut it off, and what to do first.
#[track_caller]
fn cut_at(length: usize, mark: &str) {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("prod-2026"));
    sandbox.fill(&keys, 1);
    // A long key, such as a token of a project: its envelope has more than 600 characters.
    let envelope = sandbox.seal(&keys, 0, &format!("sk-canary-{}", "0123456789abcdef".repeat(20)));
    let cut: String = envelope.chars().take(length).collect();
    sandbox.overwrite(0, &format!("{cut}{mark}"));
    sandbox
        .vault(&keys, &["audit"])
        .expect_code(12)
        .expect_in_stdout("cut off")
        .expect_in_stdout("remove the limit");
}

/// Asserts that a text is no keyring, and that the message says why.
#[track_caller]
fn keyring_text(change: impl Fn(&str) -> String, words: &[&str]) {
    let (sandbox, keys) = new();
    sandbox.fill(&keys, 1);
    let ran = sandbox.vault(&Keys(change(keys.0.trim())), &["audit"]).expect_code(3);
    tells(&ran, words);
}

/// Returns what `audit` says of an envelope after this change, in a vault that has no other.
fn changed(sandbox: &Sandbox, keys: &Keys, change: impl Fn(&str) -> String) -> Ran {
    sandbox.fill(keys, 1);
    let envelope = change(&sandbox.envelope(0));
    sandbox.overwrite(0, &envelope);
    sandbox.vault(keys, &["audit"])
}

/// Asserts that `audit` names what is around the envelope and `repair --trim`, which then takes it away.
#[track_caller]
fn repaired(change: impl Fn(&str) -> String) {
    let (sandbox, keys) = new();
    let ran = changed(&sandbox, &keys, change).expect_code(12);
    ran.expect_in_stdout("around the envelope").expect_in_stdout("repair --trim");
    sandbox.vault(&keys, &["repair", "--trim"]).expect_code(0).expect_in_stdout("1 row repaired");
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

/// Asserts that `audit` names what is around or inside the envelope.
#[track_caller]
fn named(change: impl Fn(&str) -> String, words: &[&str]) {
    let (sandbox, keys) = new();
    tells(&changed(&sandbox, &keys, change).expect_code(12), words);
}

/// Asserts that a file is refused as a whole, with one message, and that nothing was written.
#[track_caller]
fn wrong_kind(content: &[u8], words: &[&str]) {
    let (sandbox, keys) = new();
    let file = sandbox.path("rows.jsonl");
    fs::write(&file, content).unwrap();
    let file = file.to_str().unwrap();
    let arguments = [&["import", "--key-env", "OLD_KEY"], &COLONS[..], &[file]].concat();
    let mut command = sandbox.command(Some(&keys), &arguments);
    command.env("OLD_KEY", HEX_KEY);
    let ran = sandbox.finish(command, b"").expect_code(7);
    tells(&ran, words);
    assert!(!sandbox.db().exists() && !quarantine_of(file).exists());
}

// 01: what opens and is no credential.

/// Azure, Terraform, Go, cmd.exe, pydantic, sops and Helm leave these when they do not fill in a value.
#[test]
fn a_reference_that_nobody_resolved() {
    assert_suspicious(&[
        (
            "@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/secrets/openai)",
            "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"9c79fdf33c9be103bd3e9d00:bc7e709f165fd6a4c66c7dbe8a603b83:393d3b2685475eb9044fc134789b7d710c71a8e7ad55daf50b58eec5f76309da44ad645bfaf336d9e64428ae5402221c9712b4b323eee0e1922e60ee6f34101de84d641ea7bdda71b81f\"}",
        ),
        (
            "(sensitive value)",
            "{\"id\": 2, \"tenant\": \"t2\", \"provider\": \"openai\", \"value\": \"6cff1e3dd8761d1950fd0043:83d9e5168593110c6fa16f3fd7310026:765a897047d13dfa14013001d27194eb29\"}",
        ),
        (
            "<no value>",
            "{\"id\": 3, \"tenant\": \"t3\", \"provider\": \"openai\", \"value\": \"8bd15473bcff6c4991389cfc:0580cde71aae3f9a297c4d776f02229c:e0c50d8b649954e6dfc1\"}",
        ),
        (
            "%!s(<nil>)",
            "{\"id\": 4, \"tenant\": \"t4\", \"provider\": \"openai\", \"value\": \"a66a0e543c08936de7770fde:147ad8117901fe51253cdd1f63298495:393eadc35b4b54712aba\"}",
        ),
        (
            "%OPENAI_API_KEY%",
            "{\"id\": 5, \"tenant\": \"t5\", \"provider\": \"openai\", \"value\": \"22925476d55b72b74460ab02:98f4d25fb7a0ba79aa6ce45d99621261:70c3b33c0b0f26ad519ce13d00bdd2a1\"}",
        ),
        (
            "SecretStr('**********')",
            "{\"id\": 6, \"tenant\": \"t6\", \"provider\": \"openai\", \"value\": \"700c45fd41dbb39a5e85cc2b:16e9858ea184e5df9e0b6b2c3966ecd5:40ed416262cc1965f44d01c9db159c5d944afa12b465cf\"}",
        ),
        (
            "ENC[AES256_GCM,data:p5Xg,iv:AAAA,tag:BBBB,type:str]",
            "{\"id\": 7, \"tenant\": \"t7\", \"provider\": \"openai\", \"value\": \"6ca57fd34d69d23f1b0063a7:2166b644a62773c999363c950bf6f7de:a04f0e308960b7bb0a7c723d7d3badedff1dababab31255b4877a9d1fc453c7c5aa4eaca5ddd1c485c31f5f652a99c8cd19300\"}",
        ),
        (
            "{{ .Values.openai.apiKey }}",
            "{\"id\": 8, \"tenant\": \"t8\", \"provider\": \"openai\", \"value\": \"69ecca434f6a3385dfa1d4f2:7f2bedd1a196fde9837604a634c255aa:9d6518a6f05c34e64beeef4cad5973d117a50d3ffeb0ef578b9699\"}",
        ),
    ]);
}

/// `vals` and the webhook of bank-vaults replace these at the start, if they run.
#[test]
fn a_reference_of_helmfile_or_of_bank_vaults() {
    assert_suspicious(&[
        (
            "ref+vault://secret/openai#/key",
            "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"17bc6a81e44362de28ee0a47:5a4a0e53b8e1fb754602d09531635438:134d804e418134916fee21ce183edaf6259fd4465be913bb74f554d6a060\"}",
        ),
        (
            "vault:secret/data/openai#OPENAI_API_KEY",
            "{\"id\": 2, \"tenant\": \"t2\", \"provider\": \"openai\", \"value\": \"e8ce4b45ad07c32fd47aab4e:a33d82678f186deed31a1b1e8c1daff2:3d1ff30b1b7c345375ce4fe0d595657bc0ba9e957723a4e8b19856c076140faedbb042fcdc88cc\"}",
        ),
    ]);
}

/// `char[].toString()` in Java, `Optional`, and a lambda in Ruby.
#[test]
fn an_object_that_java_or_ruby_printed() {
    assert_suspicious(&[
        (
            "[C@6d06d69c",
            "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"f4b869f13c5d5e947dbc20ce:2527326b284b1963dadcd16493d6175b:e1387d034cccec1c7d7e62\"}",
        ),
        (
            "Optional[sk-canary-java-0123]",
            "{\"id\": 2, \"tenant\": \"t2\", \"provider\": \"openai\", \"value\": \"40e6d0c27957e22f9a5ada7e:909765dd41792372e28590054643edc3:549e1a67983496c60fd9155189ddfac64f9ebebc81289e052911ce0ba0\"}",
        ),
        (
            "#<Proc:0x00007f8b1c0a5e28>",
            "{\"id\": 3, \"tenant\": \"t3\", \"provider\": \"openai\", \"value\": \"5c3e18fe06ef8b95a98838cb:2be803eee31238cabf065706646ee5d8:f630d5e6297389e150c3c122e12e9848cd94e5ee42e0a052a3ef\"}",
        ),
    ]);
}

/// Laravel's `encrypt` serializes, `encryptString` does not: the wrong of the two was used to decrypt.
#[test]
fn a_text_that_php_serialized() {
    assert_suspicious(&[(
        "s:20:\"sk-canary-serialized\";",
        "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"eb73f499b432e12027d5a495:a30927a40a72ba1e615ffb7a3be2110c:42a94c39da45c7c011f4d0ba1c9855d32d11ea314d1d4a326dedaafe\"}",
    )]);
}

/// Airflow's connections, encrypted once more by the service.
///
/// A whole token has at least 73 bytes. This one has 56, as if a column had cut it off.
#[test]
fn a_token_of_fernet() {
    assert_suspicious(&[(
        "gAAAAABlZ0d5c2stY2FuYXJ5LTEyMzQ1Njc4OTA0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA=",
        "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"acaf56686663db958c3125de:a57e8bb588eda3ee58e4d1d9559b49f2:f40396a83d15b9ac5f38243856f9ded246f42e4e4f03b00a3ee5db920c9aa4af048ae8c7ac250eaa11d476015668e648237bf4700d21f8835a227ad828217f137c90a386700331231c951b03\"}",
    )]);
}

/// A key of digits, opened in Excel and saved.
#[test]
fn a_number_that_a_spreadsheet_rounded() {
    assert_suspicious(&[(
        "1.23457E+19",
        "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"8821abf7d32f29b3177c469f:af938287b9d07fe654b11817b341b8dc:c55551a041bf33a72c7a96\"}",
    )]);
}

/// S3 answers with XML, and a script stored the answer.
#[test]
fn an_answer_of_an_object_store_instead_of_the_file() {
    assert_suspicious(&[(
        "<Error><Code>AccessDenied</Code></Error>",
        "{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"164233d83601b75a7ea77a31:d6720e9ffb7c931edde4fad5a8f1f525:3dabbf7f8a8d3fcffb59996b0405cbc6ff6357e353d3a242dfe44ee1db4a534f643c6d0bf0866ace\"}",
    )]);
}

// 02 and 18: declared, not enumerated.

/// `enc:v2|`, points between the parts, and the IV last.
#[test]
fn a_scheme_and_a_version_in_front() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "enc:v2|CzR03iFeKTwBido_pYmgOG9k6-MsqFkeVmCPwrWARkx3lUtS.CO04VrPDODuQn377ChC3eg.ZGrFrB1xi391Yny1"}"#,
    ];
    assert_imports(
        HEX_KEY,
        &[
            "--cell",
            "value=enc:v2|{ct:base64url}.{tag:base64url}.{iv12:base64url}",
            "--key-as",
            "hex",
        ],
        &lines,
    );
}

/// PostgreSQL's `jsonb`: an object inside the row.
#[test]
fn a_column_of_jsonb_that_is_no_text() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "secret": {"data": {"iv": "646ac5ac1d718b7f75627cb5", "content": "0b3474de215e293c0189da3fa589a0386f64ebe32ca8591e56608fc2b580464c77954b52", "authTag": "08ed3856b3c3383b909f7efb0a10b77a"}}}"#,
    ];
    assert_imports(
        HEX_KEY,
        &[
            "--cell",
            "secret.data.iv={iv12:hex}",
            "--cell",
            "secret.data.content={ct:hex}",
            "--cell",
            "secret.data.authTag={tag:hex}",
            "--key-as",
            "hex",
        ],
        &lines,
    );
}

/// `JSON.stringify` of what already was a text.
#[test]
fn json_in_a_text_in_json_in_a_text() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "secret": "{\"data\": \"{\\\"iv\\\": \\\"646ac5ac1d718b7f75627cb5\\\", \\\"content\\\": \\\"0b3474de215e293c0189da3fa589a0386f64ebe32ca8591e56608fc2b580464c77954b52\\\", \\\"authTag\\\": \\\"08ed3856b3c3383b909f7efb0a10b77a\\\"}\"}"}"#,
    ];
    assert_imports(
        HEX_KEY,
        &[
            "--cell",
            "secret.data.iv={iv12:hex}",
            "--cell",
            "secret.data.content={ct:hex}",
            "--cell",
            "secret.data.authTag={tag:hex}",
            "--key-as",
            "hex",
        ],
        &lines,
    );
}

/// `k7$`, and the tag at the end of the ciphertext.
#[test]
fn the_number_of_the_key_in_front() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "k7$ZGrFrB1xi391Yny1$CzR03iFeKTwBido/pYmgOG9k6+MsqFkeVmCPwrWARkx3lUtSCO04VrPDODuQn377ChC3eg=="}"#,
    ];
    assert_imports(
        HEX_KEY,
        &["--cell", "value=k{*}${iv12:base64}${ct+tag:base64}", "--key-as", "hex"],
        &lines,
    );
}

/// A JWE (`dir`, `A256GCM`) of jose: the header is the associated data.
#[test]
fn a_compact_jwe() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..ydZktaVs4ej8xx8W.IwynYNoF3gKREIkXz0LSHYFlb1bVXKLukkJsWuyzOuVZWi19.5Bj8fdvod6VTN2MRwbrZqQ"}"#,
    ];
    assert_imports(
        HEX_KEY,
        &[
            "--cell",
            "value=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..{iv12:base64url}.{ct:base64url}.{tag:base64url}",
            "--bound-to",
            "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0",
            "--key-as",
            "hex",
        ],
        &lines,
    );
}

/// A join exports `auth.secret`. There is no column `auth`, so this is the column that the path names: the row is
/// imported, which is better than a message about dots.
#[test]
fn a_column_whose_name_has_a_point() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "auth.secret": "ZGrFrB1xi391Yny1CzR03iFeKTwBido/pYmgOG9k6+MsqFkeVmCPwrWARkx3lUtSCO04VrPDODuQn377ChC3eg=="}"#,
    ];
    assert_imports(
        HEX_KEY,
        &["--cell", "auth.secret={iv12+ct+tag:base64}", "--key-as", "hex"],
        &lines,
    );
}

// 03: bytes as databases and languages print them.

/// `0x`, and upper case.
#[test]
fn varbinary_of_sql_server() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "0x646AC5AC1D718B7F75627CB50B3474DE215E293C0189DA3FA589A0386F64EBE32CA8591E56608FC2B580464C77954B5208ED3856B3C3383B909F7EFB0A10B77A"}"#,
    ];
    assert_imports(
        HEX_KEY,
        &["--cell", "value=0x{iv12+ct+tag:hex-any-case}", "--key-as", "hex"],
        &lines,
    );
}

/// MySQL prints a BLOB inside of JSON_OBJECT like this, with a line break.
#[test]
fn a_blob_in_json_object_of_mysql() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "base64:type252:ZGrFrB1xi391Yny1CO04VrPDODuQn377ChC3egs0dN4hXik8AYnaP6WJoDhvZOvjLKhZHlZgj8K1\ngEZMd5VLUg=="}"#,
    ];
    assert_imports(
        HEX_KEY,
        &["--cell", "value=base64:type252:{iv12+tag+ct:base64-lines}", "--key-as", "hex"],
        &lines,
    );
}

/// `mongoexport` prints `$binary`.
#[test]
fn extended_json_of_mongodb() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": {"$binary": {"base64": "ZGrFrB1xi391Yny1CzR03iFeKTwBido/pYmgOG9k6+MsqFkeVmCPwrWARkx3lUtSCO04VrPDODuQn377ChC3eg==", "subType": "00"}}}"#,
    ];
    assert_imports(
        HEX_KEY,
        &["--cell", "value.$binary.base64={iv12+ct+tag:base64}", "--key-as", "hex"],
        &lines,
    );
}

/// The message names the prefix.
#[test]
fn varbinary_that_was_declared_as_plain_hex() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "0x646AC5AC1D718B7F75627CB50B3474DE215E293C0189DA3FA589A0386F64EBE32CA8591E56608FC2B580464C77954B5208ED3856B3C3383B909F7EFB0A10B77A"}"#,
    ];
    let ran = assert_quarantines(
        HEX_KEY,
        &["--cell", "value={iv12+ct+tag:hex}", "--key-as", "hex"],
        &lines,
    );
    tells(&ran, &["0x prefix"]);
}

/// Jackson's array of a `byte[]` that became a `List<Byte>`: -128 to 127. It can be read in one way only, so it is
/// imported, not only named.
#[test]
fn bytes_of_java_have_a_sign() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": [100, 106, -59, -84, 29, 113, -117, 127, 117, 98, 124, -75, 11, 52, 116, -34, 33, 94, 41, 60, 1, -119, -38, 63, -91, -119, -96, 56, 111, 100, -21, -29, 44, -88, 89, 30, 86, 96, -113, -62, -75, -128, 70, 76, 119, -107, 75, 82, 8, -19, 56, 86, -77, -61, 56, 59, -112, -97, 126, -5, 10, 16, -73, 122]}"#,
    ];
    assert_imports(HEX_KEY, &["--layout", "bytes", "--key-as", "hex"], &lines);
}

/// `JSON.stringify(new Uint8Array(…))` prints an object with the keys 0, 1, 2 … It is imported, not only named.
#[test]
fn an_object_of_numbers_instead_of_an_array() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": {"0": 100, "1": 106, "2": 197, "3": 172, "4": 29, "5": 113, "6": 139, "7": 127, "8": 117, "9": 98, "10": 124, "11": 181, "12": 11, "13": 52, "14": 116, "15": 222, "16": 33, "17": 94, "18": 41, "19": 60, "20": 1, "21": 137, "22": 218, "23": 63, "24": 165, "25": 137, "26": 160, "27": 56, "28": 111, "29": 100, "30": 235, "31": 227, "32": 44, "33": 168, "34": 89, "35": 30, "36": 86, "37": 96, "38": 143, "39": 194, "40": 181, "41": 128, "42": 70, "43": 76, "44": 119, "45": 149, "46": 75, "47": 82, "48": 8, "49": 237, "50": 56, "51": 86, "52": 179, "53": 195, "54": 56, "55": 59, "56": 144, "57": 159, "58": 126, "59": 251, "60": 10, "61": 16, "62": 183, "63": 122}}"#,
    ];
    assert_imports(HEX_KEY, &["--layout", "bytes", "--key-as", "hex"], &lines);
}

/// `BitConverter.ToString` puts `-` between the bytes.
#[test]
fn bitconverter_of_dotnet() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "64-6A-C5-AC-1D-71-8B-7F-75-62-7C-B5-0B-34-74-DE-21-5E-29-3C-01-89-DA-3F-A5-89-A0-38-6F-64-EB-E3-2C-A8-59-1E-56-60-8F-C2-B5-80-46-4C-77-95-4B-52-08-ED-38-56-B3-C3-38-3B-90-9F-7E-FB-0A-10-B7-7A"}"#,
    ];
    let ran = assert_quarantines(
        HEX_KEY,
        &["--cell", "value={iv12+ct+tag:hex-any-case}", "--key-as", "hex"],
        &lines,
    );
    tells(&ran, &["hyphen", "dash", "separator"]);
}

// 04: associated data.

/// Tenant, provider and a workspace, which is a text or a number.
#[test]
fn bound_to_three_members_one_of_them_in_json() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "bf4386989b0c3b6230d0fef0:6c768b7f915b1ec888d4aa8d5640d583:f7dbaf3468b957213f54dfdeab91abbcba2495cdcfc7667cadaea9868d5d7f1d4ae69fe4", "meta": {"workspace": "ws-9"}}"#,
        r#"{"id": 2, "tenant": "t2", "provider": "openai", "value": "771d52afc73bd86ff7962322:694674c73d037cb5dccb56490ebdfb80:daf49e2db50b4f93a82ec8f34f243c373bdb9973d76c4575ed1d5828ac431f24d28a7286", "meta": {"workspace": 77}}"#,
    ];
    assert_imports(
        HEX_KEY,
        &[
            "--cell",
            "value={iv12:hex}:{tag:hex}:{ct:hex}",
            "--bound-to",
            "{tenant}/{provider}/{meta.workspace}",
            "--key-as",
            "hex",
        ],
        &lines,
    );
}

/// Nothing may be put in its place: the row stays in quarantine, and the member is named.
#[test]
fn bound_to_a_member_that_some_rows_lack() {
    let lines = [
        r#"{"id": 3, "tenant": "t3", "provider": "openai", "value": "95e661e9c16155b6e13d1773:3763ff908a787969d6d5cc973db40ab2:f1d1d612a07c5fe1fa31bb64172606d575e32382c442f5e8f1214c57054b8999bc18e8b9", "meta": {}}"#,
        r#"{"id": 4, "tenant": "t4", "provider": "openai", "value": "d4e848a7ce046cb601ac8711:b946c989aa15fa2158317d12c2a344b5:353c68fbd372e50db6adebd86c4c433d926a66aac1889cce9e86d7cbf96201bc3d1fda50", "meta": {"workspace": null}}"#,
    ];
    let ran = assert_quarantines(
        HEX_KEY,
        &[
            "--layout",
            "hex-iv12-tag-ct",
            "--bound-to",
            "{tenant}/{provider}/{meta.workspace}",
            "--key-as",
            "hex",
        ],
        &lines,
    );
    tells(&ran, &["meta.workspace is missing"]);
}

/// PostgreSQL prints UUIDs in lower case, SQL Server in upper case. The message must not ask for what was given.
#[test]
fn bound_to_a_uuid_in_the_other_case() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "52f13103608c59846961c3a1:6ad1dddaab3a73f9d1825eb141f276b3:38455644369ce20ae19202de37815a0e63ee16051661793f0aa32d9053cf41281ee03895", "uuid": "0A1B2C3D-0000-4000-8000-00000000ABCD"}"#,
    ];
    let ran = assert_quarantines(
        HEX_KEY,
        &["--layout", "hex-iv12-tag-ct", "--bound-to", "{uuid}", "--key-as", "hex"],
        &lines,
    );
    tells(&ran, &["template", "is not what the row is bound to", "check --bound-to"]);
}

// 05: the key in other writings.

/// A row under HEX_KEY.
const ROW: &str = r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "c79e7a700a96cbf7530de152:54632a02cf5bc071b8d8837e59c4549d:0fd85fa5168ff2615e0b0735ad6fb1f9a10afddf4a3cfd971ce59b7a3d9e68cf92fa9147"}"#;

/// `crypto.subtle.exportKey("jwk", …)`.
#[test]
fn a_jwk() {
    tells(
        &refused_key(
            "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"alg\":\"A256GCM\"}",
            "base64url",
        ),
        &["JSON"],
    );
}

/// As OpenSSL and Wireshark print it.
#[test]
fn hex_with_colons() {
    tells(
        &refused_key(
            "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f",
            "hex",
        ),
        &["colon", "separator"],
    );
}

/// `kubectl get secret -o yaml` shows the value in base64.
#[test]
fn base64_of_the_hex_text() {
    tells(
        &refused_key(
            "MDAwMTAyMDMwNDA1MDYwNzA4MDkwYTBiMGMwZDBlMGYxMDExMTIxMzE0MTUxNjE3MTgxOTFhMWIxYzFkMWUxZg==",
            "hex",
        ),
        &["layer of base64", "base64 of"],
    );
}

/// The same, for a service that reads base64.
#[test]
fn base64_of_the_base64_text() {
    tells(
        &refused_key("QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOD0=", "base64"),
        &["layer of base64", "base64 of"],
    );
}

/// docker-compose with `$$`, or a systemd unit. The keyring's text has a message for this.
#[test]
fn a_key_that_no_shell_expanded() {
    tells(&refused_key("${ENCRYPTION_KEY}", "hex"), &["not expanded", "$ variable"]);
}

/// The variable holds the path of a mounted secret. The keyring's text has a message for this.
#[test]
fn a_path_to_the_key() {
    tells(&refused_key("/run/secrets/encryption_key", "hex"), &["path"]);
}

/// 32 hex digits. The page legacy says that such rows are not read; the message should.
#[test]
fn a_key_of_aes_128() {
    tells(
        &refused_key("000102030405060708090a0b0c0d0e0f", "hex"),
        &["16 bytes", "AES-128", "32 hex digits"],
    );
}

/// `console.log(key)`.
#[test]
fn a_printed_buffer_of_node() {
    tells(
        &refused_key(
            "<Buffer 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f>",
            "hex",
        ),
        &["Buffer", "printed"],
    );
}

// 06: a cut column at another size.

/// Oracle's EBS has VARCHAR2(240), others 191 (utf8mb4), 320 (an e-mail address) or 512; a form of a console shows 255
/// characters and three points. "Something overwrote the row" would let the next write be cut as well.
#[test]
fn a_column_of_191() {
    cut_at(191, "");
}

#[test]
fn a_column_of_240() {
    cut_at(240, "");
}

#[test]
fn a_column_of_320() {
    cut_at(320, "");
}

#[test]
fn a_column_of_512() {
    cut_at(512, "");
}

#[test]
fn a_console_that_shows_255_characters_and_three_points() {
    cut_at(255, "...");
}

// 07: the keyring's text.

/// A line of a script, as it is.
#[test]
fn export_and_single_quotes() {
    keyring_text(|key| format!("export SEALWAX_KEYS='{key}'"), &["variable name and ="]);
}

/// The same for cmd.exe.
#[test]
fn set_of_cmd() {
    keyring_text(|key| format!("set SEALWAX_KEYS={key}"), &["variable name and ="]);
}

/// The same for PowerShell: an assignment, and no variable that was not expanded.
#[test]
fn env_of_powershell() {
    keyring_text(|key| format!("$env:SEALWAX_KEYS = \"{key}\""), &["variable name and ="]);
}

/// macOS replaces quotes in TextEdit and Notes.
#[test]
fn typographic_quotes() {
    keyring_text(|key| format!("\u{201c}{key}\u{201d}"), &["typographic quote"]);
}

/// `kubectl get secret -o yaml`, whole.
#[test]
fn the_yaml_of_a_kubernetes_secret() {
    keyring_text(
        |key| format!("apiVersion: v1\nkind: Secret\nstringData:\n  SEALWAX_KEYS: {key}\n"),
        &["YAML", "a word and a colon", "a name and a colon"],
    );
}

/// Two people added a key.
#[test]
fn a_conflict_of_git() {
    keyring_text(
        |key| format!("<<<<<<< HEAD\n{key}\n=======\n{key}\n>>>>>>> main\n"),
        &["conflict", "<<<<"],
    );
}

/// The file was mounted without being decrypted.
#[test]
fn still_encrypted_by_sops() {
    keyring_text(
        |key| {
            let _ = key;
            "ENC[AES256_GCM,data:p5Xg,iv:AAAA,tag:BBBB,type:str]".to_owned()
        },
        &["encrypted"],
    );
}

/// The same for Ansible; `$` starts no variable here.
#[test]
fn still_encrypted_by_ansible() {
    keyring_text(
        |key| {
            let _ = key;
            "$ANSIBLE_VAULT;1.1;AES256\n6638643965313164\n".to_owned()
        },
        &["encrypted"],
    );
}

/// A list in one line, from a spreadsheet.
#[test]
fn a_comma_between_two_entries() {
    keyring_text(
        |key| format!("{key},{}", key.replace("primary k", "retired j")),
        &["separate two keys"],
    );
}

// 08: text around an envelope.

/// Copied from a web page.
#[test]
fn a_no_break_space() {
    repaired(|envelope| format!("{envelope}\u{a0}"));
}

/// A field in quotes, in a field in quotes.
#[test]
fn quotes_that_csv_doubled() {
    repaired(|envelope| format!("\"\"{envelope}\"\""));
}

/// `CONVERT(VARCHAR(MAX), …, 1)`.
#[test]
fn hex_in_upper_case_as_sql_server_prints_it() {
    repaired(|envelope| {
        envelope.bytes().fold("0x".to_owned(), |hex, byte| hex + &format!("{byte:02X}"))
    });
}

/// A column of fixed size, filled by a C program. `repair --trim` repairs it, but `audit` says that something overwrote the row, and to store the credential again.
#[test]
fn nul_bytes_behind_it() {
    repaired(|envelope| format!("{envelope}\0\0\0\0"));
}

/// `N'…'`. The message says "`repair --trim` takes that away", also the message of `repair --trim`, which does not.
#[test]
fn a_literal_of_sql_server() {
    repaired(|envelope| format!("N'{envelope}'"));
}

/// `="…"` keeps Excel from changing a text. The same as with `N'…'`.
#[test]
fn a_formula_of_excel() {
    repaired(|envelope| format!("=\"{envelope}\""));
}

/// From a list in SQL or JSON.
#[test]
fn a_comma_behind_it() {
    named(|envelope| format!("{envelope},"), &["around the envelope"]);
}

/// From a document.
#[test]
fn typographic_quotes_around_it() {
    named(
        |envelope| format!("\u{201c}{envelope}\u{201d}"),
        &["around the envelope", "outside ASCII"],
    );
}

/// From a chat. `TRIM` in SQL does not remove it, and no editor shows it.
#[test]
fn a_zero_width_space_before_it() {
    named(
        |envelope| format!("\u{200b}{envelope}"),
        &["around the envelope", "invisible", "outside ASCII"],
    );
}

/// A mail, or `base64`'s habit, wrapped the text: no character is lost, and "something overwrote the row" is wrong.
#[test]
fn lines_of_76_characters() {
    named(
        |envelope| {
            envelope
                .as_bytes()
                .chunks(76)
                .map(|part| String::from_utf8(part.to_vec()).unwrap())
                .collect::<Vec<_>>()
                .join("\n")
        },
        &["line break", "line feed", "white space"],
    );
}

/// A tool stored the whole JSON. The remedy is not `repair`, but to take the member out.
#[test]
fn an_object_around_it() {
    named(|envelope| format!("{{\"envelope\":\"{envelope}\"}}"), &["JSON"]);
}

// 13: cells of other frameworks.

/// AES-256-GCM of Laravel: `convert_from(decode(value, 'base64'), 'UTF8')` in PostgreSQL gives this JSON.
#[test]
fn laravel_after_the_outer_base64_was_decoded() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "{\"iv\": \"tcgFqx5P4zraES28\", \"value\": \"vtCqxx1HFZVgt7sfZsdo7aWrRe1KlNr0a0NUu6Fdy7E84J7g\", \"mac\": \"\", \"tag\": \"ITMVooEMeeS9cvrlpBCrgQ==\"}"}"#,
    ];
    assert_imports(
        BASE64_KEY,
        &[
            "--cell",
            "value.iv={iv12:base64}",
            "--cell",
            "value.value={ct:base64}",
            "--cell",
            "value.tag={tag:base64}",
            "--key-as",
            "base64",
        ],
        &lines,
    );
}

/// The JSON is in base64. The message names that layer, as it does for an envelope.
#[test]
fn laravel_as_it_is() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "eyJpdiI6ICJ0Y2dGcXg1UDR6cmFFUzI4IiwgInZhbHVlIjogInZ0Q3F4eDFIRlpWZ3Q3c2Zac2RvN2FXclJlMUtsTnIwYTBOVXU2RmR5N0U4NEo3ZyIsICJtYWMiOiAiIiwgInRhZyI6ICJJVE1Wb29FTWVlUzljdnJscEJDcmdRPT0ifQ=="}"#,
    ];
    let ran = assert_quarantines(
        BASE64_KEY,
        &[
            "--cell",
            "value.iv={iv12:base64}",
            "--cell",
            "value.value={ct:base64}",
            "--cell",
            "value.tag={tag:base64}",
            "--key-as",
            "base64",
        ],
        &lines,
    );
    tells(&ran, &["base64 around", "layer of base64"]);
}

/// `Encryptors.delux`: PBKDF2-HMAC-SHA-1, 1,024 rounds, of `a password`; hex of IV (16), ciphertext, tag.
#[test]
fn spring_security_delux() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "19c9c7275be19ab991a3d07c5099371658b58de0592f705f2fda3d2e34e87911596821b330d9453909dea330c674958bc7880d1743e01f40b2321e96873f9706a6cba054"}"#,
    ];
    assert_imports(
        "71134b96fb4f4177c0c4304e2b6938728592c84c3a09909f03e91e241a59e223",
        &["--cell", "value={iv16+ct+tag:hex}", "--key-as", "hex"],
        &lines,
    );
}

/// `ActiveSupport::MessageEncryptor` with the serializer `NullSerializer`: two hyphens.
#[test]
fn message_encryptor_of_rails() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "xT+tRP9HApLBNbk+L1Pz/3zcbQqMojAhQHpQU8z1FKdDde3i--viVK9TWZZpTi4mRB--W2pIdgonbfforHpxF/NlGg=="}"#,
    ];
    assert_imports(
        HEX_KEY,
        &["--cell", "value={ct:base64}--{iv12:base64}--{tag:base64}", "--key-as", "hex"],
        &lines,
    );
}

/// `attr_encrypted`: `pack("m")` ends each column with a line feed and breaks it after 60 characters.
#[test]
fn attr_encrypted_of_ruby() {
    let lines = [
        r#"{"id": 1, "tenant": "t1", "provider": "openai", "encrypted_key": "UHGbojS/M+L91FwjrquZtRJ0tP+ynEHlFbnXroQLqdEJcWqK0QRZea9T6Uie\nMAvjiorIz9b7VG7TCARO6Fxw98iX8di2rOOEY92HosJx\n", "encrypted_key_iv": "zAGxKG7twI1PpgbF\n"}"#,
    ];
    let (sandbox, keys) = new();
    import(
        &sandbox,
        &keys,
        HEX_KEY,
        &[
            "--cell",
            "encrypted_key={ct+tag:base64-lines}",
            "--cell",
            "encrypted_key_iv={iv12:base64-lines}",
            "--key-as",
            "hex",
        ],
        &lines,
    )
    .expect_code(0);
    assert_eq!(
        opened(&sandbox, &keys),
        [(
            "t1".to_owned(),
            "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMN".to_owned()
        )]
    );
}

// 14: several credentials of one owner.

/// People name their keys: spaces, capitals, umlauts. Null is no label.
#[test]
fn labels_that_people_chose() {
    let lines = [
        r#"{"id": 1, "tenant": "acme", "provider": "openai", "label": "Production key", "value": "f690a68ac2e8a6ecfc7e32cb:85701dba539dc004e342eace0a6effd7:39e0393ed8e6e1b0d4a6db19aedf505079734d6f8656786f99491b48333b0dcd7bb87930"}"#,
        r#"{"id": 2, "tenant": "acme", "provider": "openai", "label": "EU – Zürich", "value": "df46c90dea7d110e9ddbdf0b:7639e3182e6d97bdd45d7200449437d5:ef956724fa8565453df48ea99345894050728c52218500cd75948f1c3420b6d08c6a452c"}"#,
        r#"{"id": 3, "tenant": "acme", "provider": "openai", "label": null, "value": "081281391fc4193aa5858f5f:80f786bba23318432689415ec790fa9a:36824aac28d20d802bae4bc8703fe5914a00283c1a208a3db7ccf9ce90a991c71a92d2c7"}"#,
    ];
    let (sandbox, keys) = new();
    import(&sandbox, &keys, HEX_KEY, &COLONS, &lines)
        .expect_code(0)
        .expect_in_stdout("3 rows imported");
    sandbox
        .without_keys(&["list", "--label", "Production key"])
        .expect_code(0)
        .expect_in_stdout("Production key");
    assert_eq!(opened(&sandbox, &keys).len(), 3);
}

/// A table with `OpenAI` from one year and `openai` from the next: none of the two is lost or replaces the other.
#[test]
fn one_provider_in_two_writings() {
    let lines = [
        r#"{"id": 1, "tenant": "acme", "provider": "OpenAI", "value": "f690a68ac2e8a6ecfc7e32cb:85701dba539dc004e342eace0a6effd7:39e0393ed8e6e1b0d4a6db19aedf505079734d6f8656786f99491b48333b0dcd7bb87930"}"#,
        r#"{"id": 2, "tenant": "acme", "provider": "openai", "value": "df46c90dea7d110e9ddbdf0b:7639e3182e6d97bdd45d7200449437d5:ef956724fa8565453df48ea99345894050728c52218500cd75948f1c3420b6d08c6a452c"}"#,
    ];
    let (sandbox, keys) = new();
    import(&sandbox, &keys, HEX_KEY, &COLONS, &lines)
        .expect_code(0)
        .expect_in_stdout("2 rows imported");
    assert_eq!(opened(&sandbox, &keys).len(), 2);
}

/// The label is the number of the key: the member and its type are named.
#[test]
fn labels_that_are_numbers() {
    let lines = [
        r#"{"id": 1, "tenant": "acme", "provider": "openai", "label": 1, "value": "f690a68ac2e8a6ecfc7e32cb:85701dba539dc004e342eace0a6effd7:39e0393ed8e6e1b0d4a6db19aedf505079734d6f8656786f99491b48333b0dcd7bb87930"}"#,
        r#"{"id": 2, "tenant": "acme", "provider": "openai", "label": 2, "value": "df46c90dea7d110e9ddbdf0b:7639e3182e6d97bdd45d7200449437d5:ef956724fa8565453df48ea99345894050728c52218500cd75948f1c3420b6d08c6a452c"}"#,
    ];
    let ran =
        assert_quarantines(HEX_KEY, &["--layout", "hex-iv12-tag-ct", "--key-as", "hex"], &lines);
    tells(&ran, &["label: expected a string"]);
}

// 15: the wrong kind of file.

/// A zip file.
#[test]
fn a_workbook_of_excel() {
    wrong_kind(b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\x00\x00", &["compressed"]);
}

/// `service.db` instead of its export.
#[test]
fn the_database_itself() {
    wrong_kind(b"SQLite format 3\x00\x10\x00\x01\x01\x00@  \x00\x00", &["database"]);
}

/// Without `--batch`, the client draws a table.
#[test]
fn a_table_of_the_mysql_client() {
    wrong_kind("+------+\n| JSON |\n+------+\n| {\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"2ab09819ccf59ff8250141ae:842619bdaa2be8d500a6442c12a96b6a:cae2dbaa0bd4b240555bd4442b94a0da17472076339d4b586603aee5a2bd255d8395aa01\"} |\n| {\"id\": 2, \"tenant\": \"t2\", \"provider\": \"openai\", \"value\": \"5175f6d18eafd8a0f5b1c5eb:d3f152ef4cba9395a88bf6a20dc73eed:9e31947b219f555a3d8cac4f9ef04e8ee171e42dc59d584a28828635c25515b69d538fa6\"} |\n+------+\n".as_bytes(), &["drawn table", "--batch"]);
}

/// The answer of an HTTP API or of `aws dynamodb scan`: the rows are a member of one object.
#[test]
fn an_object_around_all_rows() {
    wrong_kind("{\"rows\":[{\"id\": 1, \"tenant\": \"t1\", \"provider\": \"openai\", \"value\": \"2ab09819ccf59ff8250141ae:842619bdaa2be8d500a6442c12a96b6a:cae2dbaa0bd4b240555bd4442b94a0da17472076339d4b586603aee5a2bd255d8395aa01\"},{\"id\": 2, \"tenant\": \"t2\", \"provider\": \"openai\", \"value\": \"5175f6d18eafd8a0f5b1c5eb:d3f152ef4cba9395a88bf6a20dc73eed:9e31947b219f555a3d8cac4f9ef04e8ee171e42dc59d584a28828635c25515b69d538fa6\"}]}\n".as_bytes(), &["jq -c"]);
}

/// An export of Kubernetes or of a fixture.
#[test]
fn yaml() {
    wrong_kind("- id: 1\n  tenant: t1\n  provider: openai\n  value: 2ab09819ccf59ff8250141ae:842619bdaa2be8d500a6442c12a96b6a:cae2dbaa0bd4b240555bd4442b94a0da17472076339d4b586603aee5a2bd255d8395aa01\n".as_bytes(), &["YAML"]);
}

/// `JSON_ARRAY`, or jq's `-c '.[] | [.id, .value]'`. `jq -c '.[]'`, which is the advice for an array, would make four lines of each row.
#[test]
fn an_array_on_each_line() {
    wrong_kind("[1, \"t1\", \"openai\", \"2ab09819ccf59ff8250141ae:842619bdaa2be8d500a6442c12a96b6a:cae2dbaa0bd4b240555bd4442b94a0da17472076339d4b586603aee5a2bd255d8395aa01\"]\n[2, \"t2\", \"openai\", \"5175f6d18eafd8a0f5b1c5eb:d3f152ef4cba9395a88bf6a20dc73eed:9e31947b219f555a3d8cac4f9ef04e8ee171e42dc59d584a28828635c25515b69d538fa6\"]\n".as_bytes(), &["each line", "every line", "array on a line"]);
}

/// `sep=;`, which Excel wants.
#[test]
fn csv_with_the_first_line_of_excel() {
    wrong_kind("sep=;\nid;tenant;provider;value\n1;t1;openai;2ab09819ccf59ff8250141ae:842619bdaa2be8d500a6442c12a96b6a:cae2dbaa0bd4b240555bd4442b94a0da17472076339d4b586603aee5a2bd255d8395aa01\n".as_bytes(), &["CSV"]);
}

/// From a data lake.
#[test]
fn parquet() {
    wrong_kind(
        b"PAR1\x15\x04\x15\x10\x15\x14L\x15\x02\x15\x00\x00PAR1",
        &["Parquet", "binary", "not text", "not a text"],
    );
}

/// `psql … > rows.jsonl` failed, and the file is empty. "0 rows imported" with code 0 says that every row is in the
/// vault, and the next step of IMPORT.md deletes the files.
#[test]
fn an_empty_export() {
    let (sandbox, keys) = new();
    let ran = import(&sandbox, &keys, HEX_KEY, &COLONS, &[]).expect_code(7);
    tells(&ran, &["empty", "no rows"]);
}

/// Windows PowerShell pipes UTF-16 or writes it to a file. "store it in a text form (base64, …)" is the wrong advice.
#[test]
fn utf_16_on_the_standard_input_of_put() {
    let (sandbox, keys) = new();
    let text: Vec<u8> =
        "\u{feff}sk-canary-0123\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let ran =
        sandbox.put(&keys, &["--tenant", "acme", "--provider", "openai"], &text).expect_code(6);
    tells(&ran, &["UTF-16"]);
}
