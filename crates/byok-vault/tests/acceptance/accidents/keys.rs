//! Keys in other writings, and the keyring's text.

use super::{keyring_text, refused_key, tells};

// the key in other writings.

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

// the keyring's text.

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
