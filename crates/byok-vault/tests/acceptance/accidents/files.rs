//! Files of another kind.

use super::{COLONS, HEX_KEY, import, new, tells, wrong_kind};

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
