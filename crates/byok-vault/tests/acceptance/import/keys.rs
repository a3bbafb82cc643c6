//! The old key, and its options.

use std::ffi::OsString;

use sealwax::Secret;
use sealwax::legacy::n8n;
use sealwax::triplet::{IvLen, Layout, TripletKey};
use serde_json::json;

use super::kinds::{every_kind, n8n};
use super::{
    BASE64_KEY, HEX_KEY, Old, PASSPHRASE, export, flipped, hashed, langfuse, line, lobechat, new,
    quarantine_of, text,
};
use crate::sandbox::{Keys, credential, owner};

/// A placeholder key, like the one in an example configuration.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn a_placeholder_key_is_refused_unless_it_is_asked_for() {
    let (sandbox, keys) = new();
    let row = |n: u64| {
        let secret = Secret::from(credential(n));
        let key = TripletKey::insecure_repeated_byte(0);
        text(&key, Layout::HEX_IV12_CIPHERTEXT_TAG, IvLen::Twelve, &secret)
    };
    let file = export(&sandbox, (0..2).map(|n| line(json!(n), &owner(n), &row(n))));
    let old = Old { key: ZEROS, ..langfuse() };
    old.import(&sandbox, &keys, &[&file])
        .expect_code(3)
        .expect_in_stderr("a placeholder")
        .expect_in_stderr("treat their credentials as leaked")
        .expect_in_stderr("--insecure-placeholder-key");
    assert!(!sandbox.db().exists());
    let accepted = [file.as_str(), "--insecure-placeholder-key"];
    for arguments in [&["--dry-run"][..], &[]] {
        old.import(&sandbox, &keys, &[&accepted[..], arguments].concat())
            .expect_code(0)
            .expect_in_stdout("2 rows ")
            .expect_in_stdout("treat every credential in this file as leaked");
    }
    assert_eq!(sandbox.assert_rows_open(&keys), 2);

    // With a good key, the option alone reports nothing.
    let file = export(&sandbox, [langfuse().line(7)]);
    let ran = langfuse().import(&sandbox, &keys, &[&file, "--insecure-placeholder-key"]);
    assert!(!ran.expect_code(0).stdout.contains("leaked"));
}

#[test]
fn a_key_that_is_missing_or_malformed_is_3_and_not_repeated() {
    let (sandbox, keys) = new();
    let file = export(&sandbox, [langfuse().line(0)]);
    let import = ["import", "--layout", "langfuse", "--key-env", "OLD_KEY", &file];
    let says = |value: Option<OsString>, text: &str| {
        let mut command = sandbox.command(Some(&keys), &import);
        match &value {
            Some(value) => command.env("OLD_KEY", value),
            None => command.env_remove("OLD_KEY"),
        };
        let ran = sandbox.finish(command, b"").expect_code(3).expect_in_stderr(text);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("next: "));
        let value = value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        assert!(value.get(..8).is_none_or(|part| !ran.stderr.contains(part)), "{ran:#?}");
        assert!(!sandbox.db().exists());
    };
    says(None, "is not set or is empty");
    says(Some("".into()), "is not set or is empty");
    for malformed in [
        HEX_KEY.get(1..).unwrap().to_owned(),
        format!("0x{}", HEX_KEY.get(2..).unwrap()),
        credential(0),
    ] {
        says(Some(malformed.into()), "expected 64 hex digits");
    }
    says(Some(BASE64_KEY.into()), "not a key as hex, but one as base64");
    says(Some(format!("hex:{HEX_KEY}").into()), "a word and a colon");
    says(Some(format!("{HEX_KEY}\n").into()), "white space");
    says(Some(format!(" {HEX_KEY}").into()), "white space");
    says(Some(format!("\"{HEX_KEY}\"").into()), "quotes");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let bytes = OsString::from_vec(b"secretsecret\xff\xfe".to_vec());
        says(Some(bytes), "is not UTF-8 text");
    }

    // n8n's wrapped key, and the keyring.
    let no_key = n8n::encrypt(&hashed(PASSPHRASE), "x", &Secret::from("no key")).unwrap();
    let no_key = no_key.strip_prefix("x:").unwrap().to_owned();
    for (wrapped, text) in [
        (Some(no_key), "the unwrapped value is not a key: "),
        (None, "named by --wrapped-key-env is not set"),
        (Some("AAAA".to_owned()), "cannot unwrap the data key: "),
        (n8n().wrapped.map(|value| flipped(&value, 30)), "the tag does not verify"),
    ] {
        let old = Old { wrapped, ..n8n() };
        old.import(&sandbox, &keys, &[&file]).expect_code(3).expect_in_stderr(text);
    }
    let old = Old { key: "another instance key", ..n8n() };
    old.import(&sandbox, &keys, &[&file])
        .expect_code(3)
        .expect_in_stderr("the tag does not verify");
    langfuse().import(&sandbox, &Keys(String::new()), &[&file]).expect_code(3);
    langfuse().import(&sandbox, &Keys("primary k swk1_".to_owned()), &[&file]).expect_code(3);
    assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
}

#[test]
fn a_key_in_place_of_a_variables_name_is_2_or_3_and_not_repeated() {
    let (sandbox, keys) = new();
    let file = export(&sandbox, [langfuse().line(0)]);
    for (name, code) in [
        (HEX_KEY, 2),
        (BASE64_KEY, 2),
        ("SEALWAX_KEYS", 2),
        ("", 2),
        ("sk-canary", 2),
        ("abcdefab", 3),
    ] {
        for option in ["--key-env", "--wrapped-key-env"] {
            let given = [option, name];
            let rest: &[&str] = match option {
                "--key-env" => &["--layout", "langfuse", &file],
                _ => &["--layout", "n8n", "--key-env", "OLD_KEY", &file],
            };
            let import = [&["import"], &given[..], rest].concat();
            let mut command = sandbox.command(Some(&keys), &import);
            command.env("OLD_KEY", PASSPHRASE);
            let ran = sandbox.finish(command, b"").expect_code(code).expect_in_stderr(option);
            assert!(name.is_empty() || name == "SEALWAX_KEYS" || !ran.stderr.contains(name));
        }
    }
    // There is no option for a key, and the value given to it is not repeated.
    let import = ["import", "--layout", "langfuse", &format!("--key={HEX_KEY}"), &file];
    let ran = sandbox.vault(&keys, &import).expect_code(2);
    assert!(!ran.stderr.contains(HEX_KEY));
    assert!(!sandbox.db().exists());
}

#[test]
fn what_is_not_declared_is_asked_for() {
    let (sandbox, keys) = new();
    let file = export(&sandbox, [lobechat().line(0)]);
    let mut asked = 0;
    for old in every_kind() {
        let mut options = old.options.clone();
        if let Some(at) = options.iter().position(|option| *option == "--key-as") {
            options.drain(at..at + 2);
            let old = Old { options, wrapped: None, ..langfuse() };
            old.import(&sandbox, &keys, &[&file]).expect_code(2).expect_in_stderr("--key-as");
            asked += 1;
        }
        if old.wrapped.is_none() {
            let stray = ["--wrapped-key-env", "OLD_WRAPPED_KEY"];
            old.import(&sandbox, &keys, &[&stray[..], &[&file]].concat())
                .expect_code(2)
                .expect_in_stderr("--wrapped-key-env cannot be used with --key-as");
        }
    }
    assert!(asked >= 20, "{asked}");
    let says = |options: &[&'static str]| {
        let old = Old { options: options.to_vec(), ..langfuse() };
        old.import(&sandbox, &keys, &[&file]).expect_code(2)
    };
    says(&["--layout", "n8n"]).expect_in_stderr("--wrapped-key-env is needed with --key-as n8n");
    says(&["--layout", "hex"]);
    says(&[]).expect_in_stderr("--layout <NAME>");
    says(&["--layout", "langfuse", "--cell", "value={iv12+tag+ct:hex}"]);
    says(&["--cell", "value={iv12:hex}:{ct:hex}", "--key-as", "hex"])
        .expect_in_stderr("a row needs iv, tag and ct, each once");
    says(&["--cell", "value={iv12+tag+ct:hexx}", "--key-as", "hex"])
        .expect_in_stderr("--cell: expected hex, hex-any-case, ");
    says(&["--layout", "langfuse", "--bound-to", "{id"]).expect_in_stderr("--bound-to: a brace");
    says(&["--layout", "langfuse", "--without", "a..b"]).expect_in_stderr("--without: a path");
    says(&["--layout", "langfuse", "--batch-size", "0"]);
    says(&["--layout", "columns-hex", "--key-as", "guess"]);
    assert!(!sandbox.db().exists());
}
