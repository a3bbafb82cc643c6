//! What happens to credentials on their way, each with everything that it must be suspected of.

use sealwax_credentials::Suspicion::{self, *};

use crate::of;

/// Accidents from public reports of other services.
const REPORTED: [(&str, &str, &[Suspicion]); 12] = [
    ("a value that JavaScript did not have", "undefined", &[Nothing]),
    ("a null", "null", &[TooShort, Nothing]),
    ("an object as text", "[object Object]", &[WhiteSpaceInside, Printed]),
    ("an empty string as JSON", "\"\"", &[TooShort, Quotes, Nothing]),
    ("what a dashboard shows", "sk-...4f2a", &[Masked]),
    ("a line feed at the end", "sk-test-123\n", &[WhiteSpaceAtEnd]),
    ("a space in front", " sk-test-123", &[WhiteSpaceAtStart]),
    ("a byte order mark", "\u{feff}sk-test-123", &[ByteOrderMark]),
    ("quotes", "\"sk-test-123\"", &[Quotes]),
    ("a placeholder", "YOUR_API_KEY", &[Placeholder]),
    (
        "encrypted twice",
        "d839b00044c54832fb3fdd09:744035541a5a45eee5c7ec5a6be8de5a:ae4d96da6eed8e434d",
        &[Encrypted],
    ),
    ("a good one", "sk-test-good-0123456789", &[]),
];

/// Accidents of the same kinds that nobody has reported, thought of before the rules were written.
const INVENTED: [(&str, &[u8], &[Suspicion]); 16] = [
    (
        "typographic quotes and a zero-width space, from a chat",
        "\u{201c}sk-proj-4Jq8Zr2Lw0\u{200b}\u{201d}".as_bytes(),
        &[Invisible, Quotes],
    ),
    (
        "a header line of a curl command",
        b"x-api-key: sk-ant-api03-4Jq8Zr2Lw0\r\n",
        &[WhiteSpaceAtEnd, WhiteSpaceInside, FieldName],
    ),
    (
        "a line of a shell script",
        b"export ANTHROPIC_API_KEY='sk-ant-api03-4Jq8Zr2Lw0'",
        &[WhiteSpaceInside, Assignment],
    ),
    ("what Pydantic prints", b"SecretStr('**********')", &[Printed, Masked]),
    ("a template of Helm", b"{{ .Values.openaiKey }}", &[WhiteSpaceInside, Reference]),
    (
        "encrypted by CryptoJS",
        b"U2FsdGVkX19mL0Jm3xZ8q1rT5vW7yN2kP4sD6hG9jB0=",
        &[Encrypted],
    ),
    (
        "a file that PowerShell wrote",
        b"\xff\xfes\0k\0-\x004\0J\0q\x008\0",
        &[ByteOrderMark, NotText],
    ),
    ("a null UUID", b"00000000-0000-0000-0000-000000000000", &[Placeholder]),
    (
        "the first line of a pasted private key",
        b"-----BEGIN PRIVATE KEY-----",
        &[WhiteSpaceInside, CutOff],
    ),
    ("a placeholder in angle brackets", b"<your-openai-key>", &[Quotes, Placeholder]),
    ("a blanked key of Google", b"AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", &[Masked]),
    ("the path of a mounted secret", b"/run/secrets/openai_api_key", &[Reference]),
    ("a line end that was escaped twice", b"sk-proj-4Jq8Zr2Lw0\\n", &[EscapedLineEnd]),
    (
        "right-to-left marks from a web page",
        "\u{202b}sk-proj-4Jq8Zr2Lw0\u{202c}".as_bytes(),
        &[Invisible],
    ),
    (
        "an en dash from a word processor",
        "sk\u{2013}proj\u{2013}4Jq8Zr2Lw0".as_bytes(),
        &[NonAscii],
    ),
    (
        "a cell of Rails",
        b"{\"p\":\"VNSj8uJD/HvfEf/CTg==\",\"h\":{\"iv\":\"OOCH01/yYUcXaXkH\",\"at\":\"Ks8Og3u+Ji14nCFFMYiTVw==\"}}",
        &[Encrypted],
    ),
];

#[test]
fn reported_accidents_have_all_of_their_suspicions() {
    for (what, text, expected) in REPORTED {
        assert_eq!(of(text), expected, "{what}");
    }
}

#[test]
fn invented_accidents_have_all_of_their_suspicions() {
    for (what, bytes, expected) in INVENTED {
        assert_eq!(of(bytes), expected, "{what}");
    }
}
