//! A keyring's text after what people and tools do to it: each accident is refused by name.

use std::collections::BTreeSet;

use crate::sandbox::{Key, Keys, Sandbox};

/// Returns each accident, with what the message has to say.
fn accidents(key: &str, old: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let both = format!("{key}\n{old}\n");
    let utf16 = |bom: &str| -> Vec<u8> {
        format!("{bom}{both}").encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let id_and_key = key.split_once(' ').unwrap().1;
    let material = id_and_key.split_once(' ').unwrap().1;
    let base64 = sealwax::triplet::Encoding::Base64.encode(both.as_bytes());
    let mut cases = vec![("UTF-16", utf16("\u{feff}"), "UTF-16")];
    let mut text = |name, text: String, says| cases.push((name, text.into_bytes(), says));
    text("a byte order mark", format!("\u{feff}{both}"), "a byte order mark");
    text("quotes", format!("\"{key}\""), "quotes");
    text("the variable's name", format!("SEALWAX_KEYS={key}"), "a variable name and =");
    text("base64", base64, "a layer of base64");
    text("a JSON object", format!("{{\"SEALWAX_KEYS\":\"{key}\"}}"), "JSON");
    text("an escaped line break", format!("{key}\\n{old}"), "\\n as two characters");
    text("a folded line break", format!("{key} {old}"), "too many words");
    text("a no-break space", key.replacen(' ', "\u{a0}", 1), "no-break space");
    text("a path", "/run/secrets/sealwax_keys".to_owned(), "a path or a reference");
    text("not expanded", "${SEALWAX_KEYS}".to_owned(), "a $ variable");
    text("behind a comment", format!("# keys; {key}; {old}"), "a comment to its end");
    // The same kinds, by other tools.
    text("typographic quotes", format!("\u{201c}{key}\u{201d}"), "typographic quote");
    text("an invisible space", key.replacen(' ', " \u{200b}", 1), "invisible space");
    text("line ends of old editors", format!("{key}\r{old}\r"), "a carriage return");
    text("a comment behind an entry", format!("{key} # the new one"), "# after the start");
    text("a shell's export", format!("export SEALWAX_KEYS='{key}'"), "a variable name and =");
    text("Python's bytes", format!("b'{key}\\n'"), "b'…'");
    text("PostgreSQL's bytes", "\\x7072696d617279".to_owned(), "a \\x prefix");
    text("PowerShell's variable", format!("$env:SEALWAX_KEYS = '{key}'"), "a variable name and =");
    text("cmd's variable", format!("set SEALWAX_KEYS={key}"), "a variable name and =");
    text("YAML", format!("SEALWAX_KEYS: {key}"), "YAML");
    text("a secret of Kubernetes", "apiVersion: v1\nkind: Secret\n".to_owned(), "YAML");
    text("sops", "ENC[AES256_GCM,data:AAAA,type:str]".to_owned(), "encrypted");
    text("age", "age-encryption.org/v1\n".to_owned(), "encrypted");
    text("Ansible", "$ANSIBLE_VAULT;1.1;AES256\n".to_owned(), "encrypted");
    text("a conflict", format!("{key}\n<<<<<<< HEAD\n{old}"), "a conflict of git");
    text("a reference", "op://vault/sealwax/keys".to_owned(), "a path or a reference");
    text("a drive", "C:\\keys\\sealwax.txt".to_owned(), "a path or a reference");
    text("the key alone", material.to_owned(), "as the first word");
    text("no state", id_and_key.to_owned(), "as the first word");
    text("no id", format!("primary {material}"), "expected a key id");
    text("cut off", both.get(..key.len() - 4).unwrap().to_owned(), "48 base64url characters");
    text("nothing", " \n\n".to_owned(), "no primary key");
    text("a NUL at the end", format!("{key}\0"), "a control character");
    cases.push(("UTF-16 without its mark", utf16(""), "UTF-16"));
    cases.push(("Latin-1", b"primary caf\xe9 swk1_".to_vec(), "not UTF-8 text"));
    cases
}

#[test]
fn each_accident_is_named_and_nothing_of_the_text_is_shown() {
    let sandbox = Sandbox::new();
    let (key, old) = (Key::new(), Key::new());
    let keys = Keys::new(&[("primary", "prod-2026", &key), ("retired", "prod-2025", &old)]);
    sandbox.put(&keys, &["--tenant", "a", "--provider", "openai"], b"sk-canary-1").expect_code(0);
    let (first, second) = keys.0.trim_end().split_once('\n').unwrap();
    let cases = accidents(first, second);
    assert_eq!(cases.len(), 12 + 25);
    let mut messages = BTreeSet::new();
    let file = sandbox.path("keys.txt");
    let path = file.to_str().unwrap();
    for (name, text, says) in &cases {
        std::fs::write(&file, text).unwrap();
        restrict(&file);
        let list = ["list", "--keys-file", path];
        let ran = sandbox.without_keys(&list).expect_code(3).expect_in_stderr(says);
        let message = ran.stderr.lines().next().unwrap().to_owned();
        for secret in [first, second] {
            let material = secret.rsplit(' ').next().unwrap().get(5..).unwrap();
            for at in 0..material.len() - 6 {
                let part = material.get(at..at + 6).unwrap();
                assert!(!ran.stderr.contains(part), "{name}: a part of the key is shown");
            }
        }
        messages.insert(message);
    }
    assert!(messages.len() >= 21, "{messages:#?}");
    // CRLF and a missing line end are no accidents.
    for good in
        [keys.0.replace('\n', "\r\n"), keys.0.trim_end().to_owned(), keys.0.replace('\n', ";")]
    {
        std::fs::write(&file, good).unwrap();
        sandbox.without_keys(&["list", "--keys-file", path]).expect_code(0);
    }
}

fn restrict(file: &std::path::Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let _ = file;
}
