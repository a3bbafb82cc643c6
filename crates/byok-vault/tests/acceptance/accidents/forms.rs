//! Rows in other forms, and bytes as databases and languages print them.

use super::{HEX_KEY, assert_imports, assert_quarantines, tells};

// declared, not enumerated.

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

// bytes as databases and languages print them.

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
