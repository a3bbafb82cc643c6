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

#[test]
fn a_name_with_the_key_is_removed() {
    // Names are in lower case, so only such a key can be found.
    let key = "sk-lower_0123456789";
    let mut headers = map([(key, "a"), ("x-sk-lower_0123456789-x", "b"), ("x-other", "c")]);
    bound(key).redactor(&mut headers).unwrap();
    assert_eq!(headers, map([("x-other", "c")]));
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
