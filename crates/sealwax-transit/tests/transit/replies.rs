//! What each reply of the service means.

use std::error::Error;
use std::time::Duration;

use http::HeaderValue;
use sealwax::{DataKey, KeyError, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind};
use sealwax_transit::{TransitError, TransportError, TransportErrorKind};

use crate::scripted::{BODY, DATA_KEY_BASE64, KEY, Row, Scripted, TOKEN, cause, reply, unchecked};
use ProviderErrorKind::{
    Denied, Disabled, NotFound, Other, Rejected, Throttled, Unauthenticated, Unavailable,
    WrongKeyMaterial,
};

fn unwrap_with(service: Scripted) -> Result<DataKey, ProviderError> {
    pollster::block_on(unchecked(service).0.unwrap_key(Row::new(1).unwrap(BODY)))
}

/// The table in the README has the same rows.
const REPLIES: &[(u16, &str, ProviderErrorKind)] = &[
    (400, r#"{"errors":["cipher: message authentication failed"]}"#, Rejected),
    (400, r#"{"errors":["invalid ciphertext length"]}"#, Rejected),
    (400, r#"{"errors":["invalid ciphertext: could not decode base64"]}"#, Rejected),
    (400, r#"{"errors":["invalid ciphertext: version is too new"]}"#, WrongKeyMaterial),
    (400, r#"{"errors":["encryption key not found"]}"#, NotFound),
    (404, r#"{"errors":["no handler for route \"a/b\". route entry not found."]}"#, NotFound),
    (404, r#"{"errors":["namespace not found"]}"#, NotFound),
    (404, r#"{"errors":[]}"#, NotFound),
    (
        400,
        r#"{"errors":["ciphertext or signature version is disallowed by policy (too old)"]}"#,
        Disabled,
    ),
    (400, r#"{"errors":["refusing to use soft-deleted key"]}"#, Disabled),
    (403, r#"{"errors":["permission denied"]}"#, Unauthenticated),
    (
        403,
        r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#,
        Unauthenticated,
    ),
    (400, r#"{"errors":["missing client token"]}"#, Unauthenticated),
    (401, "", Unauthenticated),
    (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, Denied),
    (403, "<html>Forbidden</html>", Denied),
    (429, r#"{"errors":["request path \"a\": rate limit quota exceeded"]}"#, Throttled),
    (307, "", Unavailable),
    (301, "", Unavailable),
    (412, r#"{"errors":["required index state not present"]}"#, Unavailable),
    (472, "", Unavailable),
    (473, "", Unavailable),
    (500, r#"{"errors":["internal error"]}"#, Unavailable),
    (502, "<html><body><h1>502 Bad Gateway</h1></body></html>", Unavailable),
    (503, r#"{"errors":["Vault is sealed"]}"#, Unavailable),
    (504, "", Unavailable),
    (400, r#"{"errors":["refused JSON input due to high complexity"]}"#, Other),
    (400, "", Other),
    (405, r#"{"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}"#, Other),
    (200, "", Other),
    (200, "{", Other),
    (200, "<html>Welcome</html>", Other),
    (200, "null", Other),
    (200, "{}", Other),
    (200, r#"{"data":null}"#, Other),
    (200, r#"{"data":{}}"#, Other),
    (200, r#"{"data":{"plaintext":null}}"#, Other),
    (200, r#"{"data":{"plaintext":7}}"#, Other),
    (200, r#"{"data":{"plaintext":"no base64!"}}"#, Other),
    (200, r#"{"data":{"plaintext":"oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8\u003d"}}"#, Other),
    (204, "", Other),
    (201, r#"{"data":{"plaintext":"oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="}}"#, Other),
    (200, r#"{"data":{"plaintext":""}}"#, Rejected),
    (200, r#"{"data":{"plaintext":"oKGio6SlpqeoqaqrrK2urw=="}}"#, Rejected),
    (200, r#"{"data":{"plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}"#, Rejected),
    (200, r#"{"data":{"plaintext":"oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr+g"}}"#, Rejected),
];

#[test]
fn each_reply_has_its_kind() {
    for (status, body, kind) in REPLIES {
        let error = unwrap_with(Scripted::always(*status, *body)).unwrap_err();
        assert_eq!(error.kind(), *kind, "{status} {body}");
        let kept = match cause(&error) {
            TransitError::Refused { status, .. } | TransitError::Unreadable { status, .. } => {
                *status
            }
            TransitError::NotADataKey {
                source: KeyError::Length { .. } | KeyError::Weak, ..
            } => 200,
            other => panic!("{other:?}"),
        };
        assert_eq!(kept, *status, "{body}");
        // The same reply to a wrap is never a success either.
        let (key, _) = unchecked(Scripted::always(*status, *body));
        let error = pollster::block_on(key.wrap_key(Row::new(1).wrap())).unwrap_err();
        assert!(error.kind() == *kind || *status == 200, "{status} {body}");
    }
    assert!(REPLIES.len() >= 46);
    let body = format!(r#"{{"data":{{"plaintext":"{DATA_KEY_BASE64}"}}}}"#);
    unwrap_with(Scripted::always(200, body)).unwrap();
}

/// Returns whether the README's table of errors has this status in the row of this kind.
fn is_in_the_readme(status: u16, kind: ProviderErrorKind) -> bool {
    let readme = include_str!("../../README.md");
    let row = format!("| `{kind:?}` | ");
    let row = readme.lines().find_map(|line| line.strip_prefix(&row)).unwrap();
    [format!("{status}"), format!("{}xx", status / 100)].iter().any(|status| row.contains(status))
}

#[test]
fn the_readme_has_each_status_in_the_row_of_its_kind() {
    for (status, body, kind) in REPLIES {
        assert!(is_in_the_readme(*status, *kind), "{status} {body} {kind:?}");
    }
    assert!(is_in_the_readme(504, Unavailable) && !is_in_the_readme(504, Denied));
}

#[test]
fn the_reply_to_a_wrap_must_be_a_ciphertext() {
    let bad = [
        "",
        "AAAA",
        "vault:v0:AAAA",
        "vault:v1:",
        "vault:v1:A\u{e9}",
        "vault:v1:A A",
        "vault:v99999999999:AAAA",
    ];
    for ciphertext in bad {
        let body = serde_json::json!({ "data": { "ciphertext": ciphertext } }).to_string();
        let (key, _) = unchecked(Scripted::always(200, body));
        let error = pollster::block_on(key.wrap_key(Row::new(1).wrap())).unwrap_err();
        assert_eq!(error.kind(), Other, "{ciphertext}");
        assert!(key.is_current(b"vault:v1:AAAA"));
    }
}

#[test]
fn what_the_transport_reports() {
    let cases = [
        (TransportErrorKind::Timeout, Unavailable),
        (TransportErrorKind::Connect, Unavailable),
        (TransportErrorKind::Other, Unavailable),
        (TransportErrorKind::TooLarge, Other),
        (TransportErrorKind::Config, Other),
    ];
    for (reported, kind) in cases {
        let service = Scripted::new(move |_| Err(TransportError::new(reported, "the cause")));
        let error = unwrap_with(service).unwrap_err();
        assert_eq!(error.kind(), kind);
        let TransitError::Transport { source, .. } = cause(&error) else { panic!("{error:?}") };
        assert_eq!(source.kind(), reported);
        assert_eq!(source.source().unwrap().to_string(), "the cause");
    }
}

#[test]
fn how_long_the_service_asks_to_wait() {
    let cases = [
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("0", None),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("3600", Some(3600)),
        ("86400", Some(3600)),
        ("18446744073709551615", Some(3600)),
        ("18446744073709551616", None),
    ];
    for (header, seconds) in cases {
        let service = Scripted::new(move |_| {
            let mut reply = reply(429, "{}");
            reply.headers_mut().insert("retry-after", HeaderValue::from_static(header));
            Ok(reply)
        });
        let error = unwrap_with(service).unwrap_err();
        assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{header}");
    }
    assert_eq!(unwrap_with(Scripted::always(503, "")).unwrap_err().retry_after(), None);
}

/// Returns everything that an error shows.
fn shown(error: &ProviderError) -> String {
    let mut shown = format!("{error:?}");
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        shown.push_str(&format!("\n{error}"));
        next = error.source();
    }
    shown
}

#[test]
fn an_error_says_what_the_service_said() {
    let body = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
    let error = unwrap_with(Scripted::always(403, body)).unwrap_err();
    assert_eq!(
        cause(&error).to_string(),
        "the key service replied with status 403 to /v1/transit/decrypt/byok: \
         1 error occurred: * permission denied"
    );
    // Only for the rows of a batch does the service say the id.
    let body = r#"{"request_id":"80ce8e1b-d680-ceca-9391-445c28363312","data":{"batch_results":
        [{"plaintext":"","error":"invalid ciphertext length"}]}}"#;
    let (key, row) = (unchecked(Scripted::always(400, body)).0, Row::new(1));
    let error = pollster::block_on(key.unwrap_keys(&[row.unwrap(BODY)])).remove(0).unwrap_err();
    assert_eq!(
        cause(&error).to_string(),
        "the key service replied with status 400 to /v1/transit/decrypt/byok: invalid ciphertext length \
         (request 80ce8e1b-d680-ceca-9391-445c28363312)"
    );
    let error = unwrap_with(Scripted::always(502, "<html>")).unwrap_err();
    assert_eq!(
        cause(&error).to_string(),
        "the key service replied with status 502 to /v1/transit/decrypt/byok"
    );
    let error = unwrap_with(Scripted::always(307, "")).unwrap_err();
    assert!(cause(&error).to_string().contains("redirects to another address, which is not asked"));
    let error = unwrap_with(Scripted::always(200, r#"{"request_id":"abc"}"#)).unwrap_err();
    assert!(cause(&error).to_string().ends_with("is not one of Transit (request abc)"));
}

/// A proxy in between may quote the request in its error.
#[test]
fn an_error_quotes_no_key_and_no_token() {
    let vault_token = format!("hvs.{}", "CANARY".repeat(15));
    let quotes = [
        format!("cannot read {{\"plaintext\":\"{DATA_KEY_BASE64}\"}}"),
        format!("{DATA_KEY_BASE64}{DATA_KEY_BASE64}"),
        format!("token={vault_token}"),
        String::from(TOKEN),
        format!("X-Vault-Token:{TOKEN}"),
        format!("X-Vault-Token: {TOKEN}"),
        format!("00000000-{TOKEN}-0000"),
        format!("\u{1b}[31mred\u{7}\n\r{DATA_KEY_BASE64}\u{202e}"),
        "a ".repeat(100_000),
    ];
    for quote in quotes {
        for status in [400, 403, 503, 200] {
            let refusal = serde_json::json!({ "errors": [quote], "request_id": "id" }).to_string();
            let item = serde_json::json!({ "data": { "batch_results": [{ "error": quote }] } });
            let (single, _) = unchecked(Scripted::always(status, refusal));
            let (batch, _) = unchecked(Scripted::always(status, item.to_string()));
            let row = Row::new(1);
            let errors = [
                pollster::block_on(single.wrap_key(row.wrap())).unwrap_err(),
                pollster::block_on(batch.wrap_keys(&[row.wrap()])).remove(0).unwrap_err(),
            ];
            for error in errors {
                let shown = shown(&error);
                for part in ["oKGio6Sl", "CANARY", TOKEN] {
                    assert!(!shown.contains(part), "status {status}: a secret is shown");
                }
                assert!(shown.bytes().all(|c| c == b'\n' || c == b' ' || c.is_ascii_graphic()));
                assert!(shown.len() < 2000, "{}", shown.len());
            }
        }
    }
    // A reply that cannot be read is not quoted at all.
    let body = format!(r#"{{"data":{{"plaintext":"{DATA_KEY_BASE64}\n"}}}}"#);
    let shown = shown(&unwrap_with(Scripted::always(200, body)).unwrap_err());
    assert!(!shown.contains("oKGio6Sl"), "a data key is shown");
}

#[test]
fn a_request_for_the_key_has_the_same_errors() {
    let key_id = "k".parse().unwrap();
    for (status, body, kind) in REPLIES.iter().filter(|(status, ..)| *status != 200) {
        let (key, _) = unchecked(Scripted::always(*status, *body));
        let error = pollster::block_on(key.check(&key_id)).unwrap_err();
        assert_eq!(error.kind(), *kind, "{status} {body}");
    }
    for body in
        ["", "{}", r#"{"data":{"latest_version":1}}"#, r#"{"data":{"type":"aes256-gcm96"}}"#]
    {
        let (key, _) = unchecked(Scripted::always(200, body));
        assert_eq!(pollster::block_on(key.check(&key_id)).unwrap_err().kind(), Other, "{body}");
    }
    let (key, _) = unchecked(Scripted::always(200, KEY));
    pollster::block_on(key.check(&key_id)).unwrap();
}

/// An old service does not know the associated data, and says so only in a warning.
#[test]
fn a_service_that_ignores_the_associated_data() {
    let warnings = [
        (r#"["Endpoint ignored these unrecognized parameters: [associated_data]"]"#, true),
        (r#"["Endpoint replaced the value of these parameters: [mount]"]"#, false),
        ("[]", false),
        ("null", false),
    ];
    for (warnings, is_refused) in warnings {
        let item = format!(r#"{{"plaintext":"{DATA_KEY_BASE64}","ciphertext":"vault:v1:AAAA"}}"#);
        let reply = |data| format!(r#"{{"data":{data},"warnings":{warnings}}}"#);
        let (single, _) = unchecked(Scripted::always(200, reply(item.clone())));
        let batch = format!(r#"{{"batch_results":[{item}]}}"#);
        let (batch, _) = unchecked(Scripted::always(200, reply(batch)));
        let row = Row::new(1);
        let (wrap, unwrap) = ([row.wrap()], [row.unwrap(BODY)]);
        let errors = [
            pollster::block_on(single.wrap_key(row.wrap())).err(),
            pollster::block_on(single.unwrap_key(row.unwrap(BODY))).err(),
            pollster::block_on(batch.wrap_keys(&wrap)).remove(0).err(),
            pollster::block_on(batch.unwrap_keys(&unwrap)).remove(0).err(),
        ];
        for error in errors {
            assert_eq!(error.is_some(), is_refused, "{warnings}");
            if let Some(error) = error {
                assert_eq!(error.kind(), Other);
                assert!(matches!(cause(&error), TransitError::UnsuitableKey { .. }), "{error:?}");
            }
        }
    }
}

#[test]
fn a_body_has_a_limit() {
    let body = |length| sealwax_transit::Body::try_from(vec![0; length]);
    let limit = sealwax_transit::Body::MAX_LEN;
    assert_eq!(body(limit).unwrap().as_ref().len(), limit);
    assert_eq!(body(limit + 1).unwrap_err().kind(), TransportErrorKind::TooLarge);
}
