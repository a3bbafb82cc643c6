//! What opens and is no credential.

use super::assert_suspicious;

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
