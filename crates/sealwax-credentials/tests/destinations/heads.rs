//! The heads of replies.

use http::header::{CONTENT_ENCODING, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use sealwax_credentials::RedactError;

use crate::{KEY, bound, redactor};

fn map<const N: usize>(headers: [(&str, &str); N]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, value.parse().unwrap());
    }
    map
}

#[test]
fn every_value_is_searched() {
    let location = format!("https://a.example/?key={}", KEY.replace('-', "%2D"));
    let challenge = format!("Bearer realm=\"{KEY}\"");
    let basic = "Basic c2stcVo3X1h3OXZLM0pwNUhkOC5CbjJHbTZSeTQ=";
    let mut headers = map([
        ("location", &location),
        ("www-authenticate", &challenge),
        ("x-echo", KEY),
        ("x-echo", basic),
        ("x-echo", "nothing"),
        ("content-length", "29"),
    ]);
    headers.get_mut("www-authenticate").unwrap().set_sensitive(true);
    bound(KEY).redactor(&mut headers).unwrap();
    let stars = |count: usize| "*".repeat(count);
    assert_eq!(headers[LOCATION], format!("https://a.example/?key={}", stars(31)));
    assert_eq!(headers["www-authenticate"], format!("Bearer realm=\"{}\"", stars(29)));
    assert!(headers["www-authenticate"].is_sensitive() && !headers["x-echo"].is_sensitive());
    let echoes: Vec<_> = headers.get_all("x-echo").iter().collect();
    assert_eq!(echoes, [&*stars(29), &format!("Basic {}Q=", stars(38)), "nothing"]);
    assert_eq!(headers["content-length"], "29");
}

/// They are no key, because a receiver reads each value for itself.
#[test]
fn halves_of_a_key_in_two_values_are_left_alone() {
    let (first, second) = KEY.split_at(14);
    let (start, rest) = KEY.split_at(3);
    let mut headers = map([("x-a", first), ("x-b", second), ("x-c", start), ("x-d", rest)]);
    let before = headers.clone();
    bound(KEY).redactor(&mut headers).unwrap();
    assert_eq!(headers, before);
}

/// Names come in lower case, whatever the upstream wrote.
#[test]
fn a_name_with_the_key_is_removed() {
    let key = "sk-Upper_0123456789";
    let names = [
        "sk-Upper_0123456789",
        "x-sk-Upper_0123456789-x",
        // In percent-encoding and hex, and in base64 in each alignment: of the key after nothing, `u` and `uu`.
        "sk%2DUpper_0123456789",
        "%73%6b%2d%55%70%70%65%72%5f%30%31%32%33%34%35%36%37%38%39",
        "736B2D55707065725F30313233343536373839",
        "c2stVXBwZXJfMDEyMzQ1Njc4OQ",
        "dXNrLVVwcGVyXzAxMjM0NTY3ODk",
        "dXVzay1VcHBlcl8wMTIzNDU2Nzg5",
    ];
    for name in names {
        let mut headers = map([(name, "a"), ("x-other", "c")]);
        bound(key).redactor(&mut headers).unwrap();
        assert_eq!(headers, map([("x-other", "c")]), "{name}");
    }
    // A value is another text in another case.
    let mut headers = map([("x-echo", "sk-upper_0123456789"), ("sk-upper_012345678", "a")]);
    let before = headers.clone();
    bound(key).redactor(&mut headers).unwrap();
    assert_eq!(headers, before);
}

/// Otherwise the filter of the head would hide that a body cannot be searched, or would make it look so.
#[test]
fn a_body_is_encoded_as_the_upstream_said() {
    let cases = [
        ("content-encoding", "content-encoding", "gzip", Err(RedactError::Encoded)),
        ("Content-Encoding", "content-encoding", "gzip", Err(RedactError::Encoded)),
        ("transfer-encoding", "transfer-encoding", "gzip", Err(RedactError::Encoded)),
        ("identity", "content-encoding", "identity", Ok(())),
    ];
    for (key, name, value, expected) in cases {
        let mut headers = map([(name, value)]);
        let result = bound(key).redactor(&mut headers).map(|_| ());
        assert_eq!(result, expected, "{name}: {value}");
        assert!(headers.get(name).is_none_or(|value| value == "********"), "{name}");
    }
}

#[test]
fn trailers_leave_a_body_that_has_begun_alone() {
    let mut redactor = redactor(&bound(KEY));
    let mut body = Vec::new();
    redactor.push(&KEY.as_bytes()[..10], |bytes| body.extend_from_slice(bytes));
    let mut trailers = map([("x-echo", KEY)]);
    trailers.insert("content-encoding", HeaderValue::from_static("gzip"));
    redactor.trailers(&mut trailers);
    assert_eq!(trailers["x-echo"], "*".repeat(29));
    assert_eq!(trailers["content-encoding"], "gzip");
    redactor.push(&KEY.as_bytes()[10..], |bytes| body.extend_from_slice(bytes));
    redactor.finish(|bytes| body.extend_from_slice(bytes));
    assert!(body == "*".repeat(29).as_bytes());
}

#[test]
fn an_encoded_body_is_refused() {
    let head = |name: HeaderName, values: &[&str]| {
        let mut headers = map([("x-echo", KEY)]);
        for value in values {
            headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let result = bound(KEY).redactor(&mut headers).map(|_| ());
        // The head has no key in it, whoever hands it on all the same.
        assert_eq!(headers["x-echo"], "*".repeat(29));
        result
    };
    let refused: [&[&str]; 12] = [
        &["gzip"],
        &["GZIP"],
        &["br"],
        &["zstd"],
        &["deflate"],
        &["identity, gzip"],
        &["gzip,identity"],
        &["identity", "gzip"],
        &["  gzip  "],
        &["identity;q=1"],
        &["unknown"],
        &["\u{e9}"],
    ];
    for values in refused {
        assert_eq!(head(CONTENT_ENCODING, values), Err(RedactError::Encoded), "{values:?}");
        assert_eq!(head(TRANSFER_ENCODING, values), Err(RedactError::Encoded), "{values:?}");
    }
    assert_eq!(head(TRANSFER_ENCODING, &["gzip, chunked"]), Err(RedactError::Encoded));
    assert_eq!(head(CONTENT_ENCODING, &["chunked"]), Err(RedactError::Encoded));
    for values in [&[][..], &["identity"], &["Identity"], &["identity, identity"], &[""], &[" , "]]
    {
        assert_eq!(head(CONTENT_ENCODING, values), Ok(()), "{values:?}");
    }
    assert_eq!(head(TRANSFER_ENCODING, &["chunked"]), Ok(()));
}
