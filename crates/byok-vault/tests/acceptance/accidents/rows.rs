//! Associated data, cells of other frameworks, and several credentials of one owner.

use super::{
    BASE64_KEY, COLONS, HEX_KEY, assert_imports, assert_quarantines, import, new, opened, tells,
};

// associated data.

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

// cells of other frameworks.

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

// several credentials of one owner.

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
