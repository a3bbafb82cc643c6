//! Each kind on its own: texts that it must find, and texts like them that it must leave alone.

use std::collections::BTreeSet;

use sealwax_credentials::Suspicion::{self, *};

use crate::of;

const KEY: &str = "sk-proj-4Jq8Zr2Lw0";

/// A kind, texts that have it, and texts that do not.
type Row = (Suspicion, &'static [&'static [u8]], &'static [&'static [u8]]);

const ROWS: &[Row] = &[
    (
        Empty,
        &[b"", b" ", b"\r\n\t", "\u{feff}".as_bytes(), "\u{200b}\u{a0}".as_bytes()],
        &[b"0", b"\"\"", b"\0"],
    ),
    (TooShort, &[b"4Jq8", b"\"4Jq8\"", b"  4Jq8  "], &[b"4Jq8Z", b""]),
    (
        WhiteSpaceAtStart,
        &[b" 4Jq8Zr2Lw0", b"\n4Jq8Zr2Lw0", "\u{3000}4Jq8Zr2Lw0".as_bytes()],
        &[b"4Jq8Zr2Lw0 ", b"\n{\"key\":\"4Jq8Zr2Lw0\"}"],
    ),
    (
        WhiteSpaceAtEnd,
        &[
            b"4Jq8Zr2Lw0 ",
            b"4Jq8Zr2Lw0\r\n",
            b"4Jq8Zr2Lw0\t",
            "4Jq8Zr2Lw0\u{a0}".as_bytes(),
            "4Jq8Zr2Lw0\u{85}".as_bytes(),
            "4Jq8Zr2Lw0 \u{200b}".as_bytes(),
        ],
        &[b" 4Jq8Zr2Lw0", b"{\"key\":\"4Jq8Zr2Lw0\"}\n", b" "],
    ),
    (
        WhiteSpaceInside,
        &[
            b"4Jq8 Zr2Lw0",
            b"4Jq8Zr2Lw0\n5Kr9As3Mx1",
            "4Jq8\u{2009}Zr2Lw0".as_bytes(),
            b"\" 4Jq8Zr2Lw0\"",
        ],
        &[b" 4Jq8Zr2Lw0 ", b"{\"key\": \"4Jq8 Zr2Lw0\"}"],
    ),
    (
        ControlCharacter,
        &[b"4Jq8\0Zr2Lw0", b"4Jq8Zr2Lw0\x7f", b"\x1b[200~4Jq8Zr2Lw0", "4Jq8\u{9b}Zr2L".as_bytes()],
        &[b"4Jq8\tZr2Lw0", b"4Jq8Zr2Lw0\n"],
    ),
    (
        Invisible,
        &[
            "4Jq8\u{200b}Zr2Lw0".as_bytes(),
            "4Jq8Zr2Lw0\u{200e}".as_bytes(),
            "\u{2066}4Jq8Zr2Lw0\u{2069}".as_bytes(),
            "4Jq8\u{ad}Zr2Lw0".as_bytes(),
            "4Jq8\u{feff}Zr2Lw0".as_bytes(),
            "4Jq8\u{e0041}Zr2Lw0".as_bytes(),
            "\u{feff}\u{feff}4Jq8Zr2Lw0".as_bytes(),
        ],
        &["\u{feff}4Jq8Zr2Lw0".as_bytes(), "4Jq8\u{e9}Zr2Lw0".as_bytes()],
    ),
    (
        ByteOrderMark,
        &[
            "\u{feff}4Jq8Zr2Lw0".as_bytes(),
            // UTF-8 that was read as Latin-1.
            "\u{ef}\u{bb}\u{bf}4Jq8Zr2Lw0".as_bytes(),
            b"\xff\xfe4\0J\0q\0",
            b"\xfe\xff\x004\0J\0q",
        ],
        &["4Jq8Zr2Lw0\u{feff}".as_bytes(), b"\xef\xbb4Jq8Zr2Lw0"],
    ),
    (
        NonAscii,
        &["4Jq8Zr2Lw\u{f6}".as_bytes(), "4Jq8\u{fffd}Zr2Lw0".as_bytes(), "\u{1f511}4Jq8Zr2L".as_bytes()],
        &[b"4Jq8Zr2Lw~", "{\"name\":\"J\u{f6}rg\",\"key\":\"4Jq8Zr2Lw0\"}".as_bytes()],
    ),
    (
        EscapedLineEnd,
        &[
            b"4Jq8Zr2Lw0\\n",
            b"4Jq8Zr2Lw0\\r\\n",
            b"4Jq8Zr2Lw0%0A",
            b"4Jq8Zr2Lw0%0d%0a",
            b"-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\n-----END PRIVATE KEY-----",
        ],
        &[b"4Jq8\\nZr2Lw0", b"{\"k\":\"-----BEGIN X-----\\nMIIEvQ\\n-----END X-----\\n\"}"],
    ),
    (
        Quotes,
        &[
            b"\"4Jq8Zr2Lw0\"",
            b"'4Jq8Zr2Lw0'",
            b"`4Jq8Zr2Lw0`",
            b"\"4Jq8Zr2Lw0",
            b"4Jq8Zr2Lw0'",
            b"\"'4Jq8Zr2Lw0'\"",
            b" \"4Jq8Zr2Lw0\"\n",
            b"\\\"4Jq8Zr2Lw0\\\"",
            b"&quot;4Jq8Zr2Lw0&quot;",
            b"%224Jq8Zr2Lw0%22",
            b"<4Jq8Zr2Lw0>",
            b"[4Jq8Zr2Lw0]",
            "\u{201e}4Jq8Zr2Lw0\u{201c}".as_bytes(),
            "\u{ab}4Jq8Zr2Lw0\u{bb}".as_bytes(),
            "\u{2018}4Jq8Zr2Lw0\u{2019}".as_bytes(),
        b"4Jq8Zr2Lw0,", b"\"4Jq8Zr2Lw0\",", b"4Jq8Zr2Lw0;", b"['4Jq8Zr2Lw0']", b"[\"4Jq8Zr2Lw0\",\"5Kr9As3Mx1\"]",],
        // A password may have a quote at one end, and a key may have one inside.
        &[b"jo:4Jq$8Zr2Lw0'", b"4Jq8\"Zr2Lw0", b"{\"key\":\"4Jq8Zr2Lw0\"}", b"4Jq8Zr2Lw0>", b"Server=db;Password=4Jq8Zr2Lw0;", b"jo:4Jq8Zr2Lw0,"],
    ),
    (
        Scheme,
        &[
            b"Bearer 4Jq8Zr2Lw0",
            b"bearer\t4Jq8Zr2Lw0",
            b"BASIC am86NEpxOFpyMkx3MA==",
            b"token 4Jq8Zr2Lw0",
            b"Authorization: Bearer 4Jq8Zr2Lw0",
            b"Bearer undefined",
            b"Bearer:4Jq8Zr2Lw0",
            b"Bearer%204Jq8Zr2Lw0",
        b"JWT eyJ4Jq8Zr2Lw0",],
        &[b"BearerOf4Jq8Zr2Lw0", b"token:4Jq8Zr2Lw0", b"basic-4Jq8Zr2Lw0"],
    ),
    (
        FieldName,
        &[
            b"Authorization: Bearer 4Jq8Zr2Lw0",
            b"authorization:4Jq8Zr2Lw0",
            b"x-api-key:4Jq8Zr2Lw0",
            b"X-Goog-Api-Key: 4Jq8Zr2Lw0",
            b"api_key: 4Jq8Zr2Lw0",
        ],
        // The user of a pair, the scheme of a URL, and the id of a bot.
        &[b"jo:4Jq8Zr2Lw0", b"x-access-token:4Jq8Zr2Lw0", b"postgres://jo:4Jq8Zr2Lw0@db/x", b"123456:AA4Jq8Zr2Lw0", b"api-key:"],
    ),
    (
        Assignment,
        &[
            b"OPENAI_API_KEY=4Jq8Zr2Lw0",
            b"export OPENAI_API_KEY=4Jq8Zr2Lw0",
            b"openai_key = 4Jq8Zr2Lw0",
            b"apiToken=4Jq8Zr2Lw0",
            b"DATABASE_URL=postgres://jo:4Jq8Zr2Lw0@db/x?sslmode=require",
        b"api-key=4Jq8Zr2Lw0",],
        &[
            b"4Jq8Zr2Lw0==",
            b"MY_KEY==",
            b"4Jq8Zr2L=w0",
            b"AccountName=jo;AccountKey=4Jq8Zr2Lw0==;EndpointSuffix=x",
            b"InstrumentationKey=4Jq8Zr2Lw0;IngestionEndpoint=x",
            b"sv=2024&sig=4Jq8Zr2Lw0", b"4Jq8-=Zr2Lw0key"],
    ),
    (
        Nothing,
        &[
            b"undefined",
            b"NULL",
            b"nil",
            b"None",
            b"NaN",
            b"(null)",
            b"<nil>",
            b"<no value>",
            b"{}",
            b"[]",
            b"\"\"",
            b"''",
            b"--",
            b"\"null\"",
            b"null\n",
            b"false",
        b"null,", b"Infinity", b"jo:undefined", b"None:None",],
        &[b"undefined-4Jq8Zr2Lw0", b"nullnull8Zr2Lw0", b"sk-none-4Jq8Zr2", b"", b"{\"organization\":null,\"key\":null}", b"null:4Jq8Zr2Lw0"],
    ),
    (
        Printed,
        &[
            b"[object Object]",
            b"[object Promise]",
            b"b'4Jq8Zr2Lw0'",
            b"b\"4Jq8Zr2Lw0\"",
            b"<bytes 18>",
            b"<Buffer 73 6b 2d>",
            b"<openai.OpenAI object at 0x7f3a>",
            b"Secret([REDACTED])",
            b"Some(\"4Jq8Zr2Lw0\")",
            b"System.Byte[]",
            b"[B@1b6d3586",
            b"Promise { <pending> }",
            b"\\x736b2d70726f6a",
            b"{\"type\":\"Buffer\",\"data\":[115,107]}",
            b"{\"type\": \"Buffer\", \"data\": [115, 107]}",
            b"%!s(MISSING)",
        b"u'4Jq8Zr2Lw0'", b"bytearray(b'4Jq8Zr2Lw0')", b"[Function: getKey]",],
        &[b"4Jq8(Zr2Lw0)", b"b4Jq8'Zr2Lw0", b"0x736b2d70726f6a", b"\\xyz4Jq8Zr2", b"{\"type\":\"service_account\"}"],
    ),
    (
        Placeholder,
        &[
            b"changeme",
            b"CHANGE_ME",
            b"YOUR_API_KEY",
            b"your-api-key-here",
            b"yourapikeyhere",
            b"<API_KEY>",
            b"sk-your-key-here",
            b"INSERT_YOUR_OPENAI_API_KEY_HERE",
            b"TODO",
            b"example",
            b"test",
            b"test-key",
            b"my secret token",
            b"password",
            b"aaaaaaaaaaaaaaaaaaaa",
            b"0000000000000000",
            b"00000000-0000-0000-0000-000000000000",
        b"changeme123", b"password1234", b"OPENAI_API_KEY", b"WHISPERLY_API_KEY", b"HUGGINGFACE_TOKEN", b"__API_KEY__", b"@API_KEY@", b"1234567890", b"'changeme';",],
        &[
            b"sk-test-4Jq8Zr2Lw0",
            b"sk_test_4Jq8Zr2Lw0",
            b"test:password",
            b"sk-test-123",
            b"sk-test",
            b"sk-test-a",
            b"sk-test-b",
            b"AKIAIOSFODNN7EXAMPLE",
            b"aaaaaaaaaaaaaaaaaaab",
            b"00000000-0000-0000-0000-000000000001", b"13579135791", b"4JQ8ZR_KEY", b"sk-1234567890abcdef"],
    ),
    (
        Masked,
        &[
            b"********",
            b"sk-****4f2a",
            b"sk-...4f2a",
            b"sk-proj-4Jq8...",
            b"sk-xxxx",
            b"sk_live_XXXXXXXXXXXX",
            b"xoxb-xxxx-xxxx-xxxx",
            b"AIzaxxxxxxxxxxxxw0Zr",
            b"[REDACTED]",
            b"<redacted>",
            b"sk-[Redacted]",
            b"(sensitive value)",
            b"[FILTERED]",
            b"########",
            "sk-\u{2026}4f2a".as_bytes(),
            "\u{2022}\u{2022}\u{2022}\u{2022}4f2a".as_bytes(),
        ],
        &[b"sk-4xxxZr2Lw0", b"sk-4Jq8..Zr2Lw0", b"4Jq8*Zr2**w0", b"{\"key\":\"4Jq8Zr2Lw0\",\"about\":\"and so on...\"}"],
    ),
    (
        Reference,
        &[
            b"$OPENAI_API_KEY",
            b"${OPENAI_API_KEY}",
            b"${OPENAI_API_KEY:-none}",
            b"sk-${REST}",
            b"$(cat key.txt)",
            b"%OPENAI_API_KEY%",
            b"{{ openai_key }}",
            b"{{openai_key}}",
            b"<%= key %>",
            b"#{ENV['OPENAI_API_KEY']}",
            b"process.env.OPENAI_API_KEY",
            b"os.environ['OPENAI_API_KEY']",
            b"op://vault/openai/key",
            b"/run/secrets/openai",
            b"/etc/ssl/private/key.pem",
            b"./key.txt",
            b"~/.config/openai/key",
            b"C:\\Users\\jo\\key.txt",
            b"file:///etc/key.txt",
        b"${{ secrets.OPENAI_API_KEY }}", b"$env:OPENAI_API_KEY", b"service-account.json", b"keys/openai.pem", b"projects/x/secrets/openai/versions/1",],
        &[b"$2b$12$4Jq8Zr2Lw0", b"/4Jq8Zr2Lw0+5Kr9As3Mx1", b"jo:4$Jq8Zr2Lw0", b"%4Jq8-Zr2Lw0%", b"sk-$4Jq8{Zr2Lw0}", b"https://jo:4Jq8Zr2Lw0@example.org/key.json", b"4Jq8Zr2Lw0json"],
    ),
    (Response, &[b"<Error>4Jq8Zr2Lw0</Error>"], &[b"<4Jq8Zr2Lw0>"]),
    (Spreadsheet, &[b"1.23457E+19"], &[b"12345678901234567890"]),
    (
        CutOff,
        &[
            b"-----BEGIN PRIVATE KEY-----",
            b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n",
            b"MIIEvQIBADANBgkq\n-----END PRIVATE KEY-----",
            b"{\"type\":\"service_account\",\"project_id\":\"x",
            b"{",
        ],
        &[b"-----BEGIN X-----\nMIIEvQ\n-----END X-----", b"{\"key\":\"4Jq8Zr2Lw0\"}", b"{4Jq8Zr2Lw0"],
    ),
    (
        Envelope,
        &[
            b"sw1:a256gcm:prod-2026=AAAA:AAAA:AAAA",
            b"\"sw1:a256gcm:prod-2026=AAAA\"\n",
            b"sw2:newer",
            b"SW\x01\x02\x03",
        ],
        &[b"sw:4Jq8Zr2Lw0", b"sw1-4Jq8Zr2Lw0", b"sw1x:4Jq8Zr2Lw0"],
    ),
    (
        MasterKey,
        &[
            b"swk1_AAAAAAAAAAAAAAAA",
            b" swk1_AAAAAAAAAAAAAAAA",
            b"swkt1_AAAAAAAAAAAAAAAA",
            b"swa1_AAAAAAAAAAAAAAAA",
            b"swh1_AAAAAAAAAAAAAAAA",
            b"swo1_AAAAAAAAAAAAAAAA",
            b"sws1_AAAAAAAAAAAAAAAA",
        ],
        &[
            b"sk-swk-4Jq8Zr2Lw0",
            b"primary prod swk1_AAAAAAAAAAAAAAAA",
            b"sw1_4Jq8Zr2Lw0",
            b"swk2_4Jq8Zr2Lw0",
            b"swk1-4Jq8Zr2Lw0",
            b"swabc1_4Jq8Zr2Lw0",
            b"sw-1_4Jq8Zr2Lw0",
            b"4swk1_4Jq8Zr2Lw0",
        ],
    ),
    (
        Keyring,
        &[
            b"primary prod-2026 swk1_AAAAAAAAAAAAAAAA",
            b"# keys\nretired\tprod-2025  swk1_AAAAAAAAAAAAAAAA\n",
            b"disabled prod-2024",
            b"primary a swk1_AAAA;leaked b",
            b"SEALWAX_KEYS=primary prod swk1_AAAAAAAA",
            b"primary test/mock swkt1_AAAAAAAA",
            b"retired audit-2025@3 swa1_AAAAAAAA",
            b"retired tokens-2025 swh1_AAAAAAAA\nprimary tokens-2026 swh1_AAAAAAAA",
            b"escrow eu-dr swo1_AAAAAAAA",
            b"escrow eu-dr sws1_AAAAAAAA",
        ],
        &[b"primary-4Jq8Zr2Lw0", b"disabled", b"a password of mine", b"primary prod sk1_4Jq8Zr2Lw0"],
    ),
    (
        Encrypted,
        &[
            b"202122232425262728292a2b:d24d016545b3721849931630bb056eca:a1518b41",
            b"202122232425262728292A2B:a1518b41:D24D016545B3721849931630BB056ECA",
            b"202122232425262728292a2b2c2d2e2f:d24d016545b3721849931630bb056eca:a1",
            b"v1:202122232425262728292a2b:d24d016545b3721849931630bb056eca:a1518b41",
            b"ICEiIyQlJicoKSor:0k0BZUWzchhJkxYwuwVuyg==:oVGLQQ==",
            b"v2:gcm:AJ2oR7l8HJ4q2iCtZXLtcwB62fTe34VsRLHN5VEoEwSNUDtn9ep_",
            b"vault:v1:AJ2oR7l8HJ4q2iCtZXLtcwB62fTe34VsRLHN5VEo",
            b"gAAAAABlkXkAAAECAwQFBgcICQoLDA0OD6qqqqqqqqqqqqqqqqqqqqq7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7uw==",
            b"gAAAAABlkXkAAAECAwQFBgcICQoLDA0OD6qqqqqqqqqqqqqqqqqqqqq7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7uw",
            b"eyJpdiI6IkpYS3p4VkxjM0E9PSIsInZhbHVlIjoiIn0=",
            b"{\"iv\":\"OOCH01/yYUcXaXkH\",\"data\":\"VNSj8uJD\"}",
            b"\x01\x0aAES.GCM.V1\x8f\x80\x81",
            b"-----BEGIN PGP MESSAGE-----\nhQEMA\n-----END PGP MESSAGE-----",
            b"ENC[AES256_GCM,data:VNSj8uJD]",
        b"AQICAHh4Jq8Zr2Lw05Kr9As3Mx16Ls0Bt4Ny2",],
        &[
            b"202122232425262728292a2b:d24d016545b3721849931630bb056eca",
            b"202122232425262728292a2b:d24d016545b372:a1518b41",
            b"jo:202122232425262728292a2b:x",
            b"gAAAAABlkXkAAAECAwQFBgcICQoLDA0OD",
            b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.4Jq8Zr2Lw0",
        ],
    ),
    (NotText, &[b"\xff4Jq8Zr2Lw0", b"4Jq8\xc3"], &["4Jq8\u{e9}".as_bytes(), b""]),
    (
        Compressed,
        &[
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            b"\x78\x9c\x2b\xce\xd6\x2d",
            b"\x78\x01\x2b\xce\xd6\x2d",
            b"\x78\xda\x2b\xce\xd6\x2d",
            b"\x78\x5e\x2b\xce\xd6\x2d",
            b"\x28\xb5\x2f\xfd\x04",
            b"PK\x03\x04\x14\0",
            b"H4sIAAAAAAAAAyvOTtU1BgA=",
        ],
        &[b"x^4Jq8Zr2Lw0", b"PK4Jq8Zr2Lw0", b"\xff\x78\x9c"],
    ),
];

#[test]
fn each_kind_is_found_where_it_is_and_nowhere_else() {
    let (mut found, mut left) = (0, 0);
    for (kind, with, without) in ROWS {
        for (n, bytes) in with.iter().enumerate() {
            assert!(of(bytes).contains(kind), "{kind:?} is not found in text {n}");
            found += 1;
        }
        for (n, bytes) in without.iter().enumerate() {
            assert!(!of(bytes).contains(kind), "{kind:?} is found in text {n} without it");
            left += 1;
        }
    }
    assert!(found >= 210 && left >= 85, "{found}, {left}");
}

#[test]
fn each_kind_has_a_row() {
    let rows: BTreeSet<_> = ROWS.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(rows, Suspicion::ALL.iter().copied().collect());
    assert_eq!(rows.len(), ROWS.len());
}

#[test]
fn each_kind_is_named_once_and_in_order() {
    for text in ["", KEY, " \"Bearer undefined\"\n", "\u{feff}null\0"] {
        let found = of(text);
        assert!(found.is_sorted() && found.windows(2).all(|pair| pair.first() != pair.last()));
    }
    assert_eq!(of(KEY), []);
    assert!(Suspicion::ALL.is_sorted());
}
