//! The header in a request, and the requests that get none.

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST as HOST_HEADER};
use http::{HeaderName, HeaderValue, Request, Uri};
use sealwax_credentials::{AuthorizeError, DestinationError, KeyHeader};

use crate::{HOST, KEY, bound, try_bound};

fn request(uri: &str) -> Request<()> {
    Request::post(uri).body(()).unwrap()
}

/// Asserts that a request is refused, and is as it was.
fn refuse(request: Request<()>, header: &KeyHeader, expected: AuthorizeError) {
    let secret = bound(KEY);
    let before = request.headers().clone();
    let mut request = request;
    assert_eq!(secret.authorize(&mut request, header), Err(expected));
    assert_eq!(*request.headers(), before);
    let (mut parts, ()) = request.into_parts();
    assert_eq!(secret.authorize_parts(&mut parts, header), Err(expected));
    assert_eq!(parts.headers, before);
}

#[test]
fn each_header_has_its_name_and_its_prefix() {
    let own = KeyHeader::new(HeaderName::from_static("xi-api-key"), String::from("v1/"));
    let headers = [
        (KeyHeader::BEARER, "authorization", format!("Bearer {KEY}")),
        (KeyHeader::KEY, "authorization", format!("Key {KEY}")),
        (KeyHeader::TOKEN, "authorization", format!("Token {KEY}")),
        (KeyHeader::X_API_KEY, "x-api-key", KEY.to_owned()),
        (KeyHeader::X_GOOG_API_KEY, "x-goog-api-key", KEY.to_owned()),
        (own, "xi-api-key", format!("v1/{KEY}")),
    ];
    for (header, name, value) in &headers {
        let mut request = request("https://api.openai.com/v1/responses?a=b");
        request.headers_mut().insert("x-other", HeaderValue::from_static("kept"));
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        bound(KEY).authorize(&mut request, header).unwrap();
        let written = &request.headers()[*name];
        assert!(written == value.as_str(), "{name}");
        assert!(written.is_sensitive());
        assert_eq!(request.headers()[ACCEPT_ENCODING], "identity");
        assert_eq!(request.headers().len(), 3);
        assert_eq!(
            (header.name().as_str(), header.prefix().len()),
            (*name, value.len() - KEY.len())
        );

        let (mut parts, ()) = self::request("https://api.openai.com").into_parts();
        bound(KEY).authorize_parts(&mut parts, header).unwrap();
        assert!(parts.headers[*name] == value.as_str() && parts.headers[*name].is_sensitive());
    }
}

#[test]
fn a_header_that_exists_is_not_replaced() {
    let mut request = request("https://api.openai.com/");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer of another"));
    refuse(request.clone(), &KeyHeader::BEARER, AuthorizeError::HeaderPresent);
    refuse(request.clone(), &KeyHeader::KEY, AuthorizeError::HeaderPresent);
    // Another header is.
    bound(KEY).authorize(&mut request, &KeyHeader::X_API_KEY).unwrap();
    // A request is authorized once.
    let again = bound(KEY).authorize(&mut request, &KeyHeader::X_API_KEY);
    assert_eq!(again, Err(AuthorizeError::HeaderPresent));
}

#[test]
fn methods_that_return_or_tunnel_the_head_are_refused() {
    let refused = ["TRACE", "TRACK", "CONNECT", "trace", "Track", "tRACE", "connect", "cONNECT"];
    for method in refused {
        let mut request = request("https://api.openai.com/");
        *request.method_mut() = method.parse().unwrap();
        refuse(request, &KeyHeader::BEARER, AuthorizeError::Method);
    }
    let others =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACER", "get"];
    for method in others {
        let mut request = request("https://api.openai.com/");
        *request.method_mut() = method.parse().unwrap();
        bound(KEY).authorize(&mut request, &KeyHeader::BEARER).unwrap();
    }
}

#[test]
fn a_header_that_frames_or_routes_is_refused() {
    let refused = [
        "host",
        "Host",
        "content-length",
        "transfer-encoding",
        "Transfer-Encoding",
        "content-encoding",
        "accept-encoding",
        "expect",
        "te",
        "trailer",
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "max-forwards",
        "via",
    ];
    let header = |name: &str| KeyHeader::new(HeaderName::from_bytes(name.as_bytes()).unwrap(), "");
    for name in refused {
        refuse(request("https://api.openai.com/"), &header(name), AuthorizeError::Name);
    }
    for name in ["cookie", "x-host", "x-api-key", "authorization", "api-key", "tea", "hosts"] {
        let mut request = request("https://api.openai.com/");
        bound(KEY).authorize(&mut request, &header(name)).unwrap();
        assert!(request.headers()[name] == KEY, "{name}");
    }
    // Those of HTTP/2 that begin with a colon are no names.
    HeaderName::from_bytes(b":authority").unwrap_err();
}

/// Otherwise a front that many services share sends the request, and the key, to another of them.
#[test]
fn a_host_header_must_be_that_of_the_uri() {
    let with = |uri: &str, hosts: &[&'static str]| {
        let mut request = request(uri);
        for host in hosts {
            request.headers_mut().append(HOST_HEADER, HeaderValue::from_static(host));
        }
        request
    };
    let (bare, full) = ("https://api.openai.com/", "https://api.openai.com:443/");
    for hosts in [
        &["evil.example"][..],
        &[HOST, "evil.example"],
        &["evil.example", HOST],
        &[""],
        &["API.openai.com"],
        &["api.openai.com."],
        &["api.openai.com:443"],
        &["api.openai.com:8443"],
    ] {
        refuse(with(bare, hosts), &KeyHeader::BEARER, AuthorizeError::HostHeader);
    }
    refuse(with(full, &[HOST]), &KeyHeader::BEARER, AuthorizeError::HostHeader);
    for mut request in [with(bare, &[HOST]), with(full, &["api.openai.com:443"])] {
        bound(KEY).authorize(&mut request, &KeyHeader::BEARER).unwrap();
    }
}

#[test]
fn a_prefix_that_no_header_can_carry_is_refused() {
    for prefix in ["Bearer\n", "a\r\nhost: evil.example\r\nb: ", "\0", "\u{7f}"] {
        let header = KeyHeader::new(AUTHORIZATION, prefix);
        refuse(request("https://api.openai.com/"), &header, AuthorizeError::Prefix);
    }
}

#[test]
fn a_full_head_is_refused() {
    let mut request = request("https://api.openai.com/");
    let mut number = 0;
    let x = HeaderValue::from_static("x");
    let name = |number: usize| HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
    while request.headers_mut().try_insert(name(number), x.clone()).is_ok() {
        number += 1;
    }
    assert!(number > 10_000, "{number}");
    refuse(request, &KeyHeader::BEARER, AuthorizeError::TooManyHeaders);
}

#[test]
fn another_port_is_allowed_by_name() {
    let check = |other: Option<u16>, uri: &str| {
        let secret = bound(KEY);
        let secret = match other {
            Some(port) => secret.allowing_other_port(port),
            None => secret,
        };
        secret.check(&uri.parse::<Uri>().unwrap())
    };
    let refused = Err(DestinationError::Port);
    assert_eq!(check(None, "https://api.openai.com:8443/"), refused);
    assert_eq!(check(Some(8443), "https://api.openai.com:8443/"), Ok(()));
    assert_eq!(check(Some(8443), "https://api.openai.com/"), Ok(()));
    assert_eq!(check(Some(8443), "https://api.openai.com:443/"), Ok(()));
    for uri in ["https://api.openai.com:8444/", "https://api.openai.com:08443/"] {
        assert_eq!(check(Some(8443), uri), refused);
    }
    // It allows a port, and no other host or scheme.
    let refused = Err(DestinationError::Host);
    assert_eq!(check(Some(8443), "https://evil.example:8443/"), refused);
    assert_eq!(check(Some(80), "http://api.openai.com:80/"), Err(DestinationError::NotHttps));
}

#[test]
fn this_machine_is_allowed_by_name() {
    let uris = [
        "http://127.0.0.1:8080/",
        "https://127.0.0.1/",
        "http://[::1]:8080/",
        "https://[::1]:1/",
        "http://localhost:8080/",
        "https://localhost/v1",
    ];
    let secret = bound(KEY).allowing_loopback_for_testing_only();
    for uri in uris {
        secret.check(&uri.parse().unwrap()).unwrap();
        bound(KEY).check(&uri.parse().unwrap()).unwrap_err();
    }
    let others = [
        "http://127.0.0.2/",
        "http://127.1/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://LOCALHOST/",
        "http://localhost./",
        "http://a.localhost/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1@evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost:/",
        "http://localhost:x/",
        "ws://localhost/",
        "http://api.openai.com/",
    ];
    for uri in others {
        secret.check(&uri.parse().unwrap()).unwrap_err();
    }
    // The hosts of the credential remain allowed.
    secret.check(&"https://api.openai.com/".parse().unwrap()).unwrap();
}

/// `with_hosts` takes digits and dots, and a name that means this machine.
#[test]
fn an_address_that_was_sealed_as_a_host_is_refused() {
    let rows = [
        ("127.0.0.1", DestinationError::IpAddress),
        ("10.0.0.1", DestinationError::IpAddress),
        ("127.1", DestinationError::IpAddress),
        ("2130706433", DestinationError::IpAddress),
        ("0x7f000001", DestinationError::IpAddress),
        ("a.0x", DestinationError::IpAddress),
        ("017700000001", DestinationError::IpAddress),
        ("a.example.1", DestinationError::IpAddress),
        ("localhost", DestinationError::Loopback),
        ("a.localhost", DestinationError::Loopback),
    ];
    for (host, expected) in rows {
        let secret = try_bound(KEY, &[host]).unwrap();
        let uri = format!("https://{host}/").parse().unwrap();
        assert_eq!(secret.check(&uri), Err(expected), "{host}");
    }
    // Digits alone make no address.
    for host in ["1.example", "0x7f.example", "a.1b", "localhost.example", "intranet"] {
        let secret = try_bound(KEY, &[host]).unwrap();
        secret.check(&format!("https://{host}/").parse().unwrap()).unwrap();
    }
}

#[test]
fn each_of_several_hosts_is_allowed() {
    let hosts = ["api.mistral.ai", "codestral.mistral.ai", "xn--bcher-kva.example"];
    let secret = try_bound(KEY, &hosts).unwrap();
    for host in hosts {
        secret.check(&format!("https://{host}/").parse().unwrap()).unwrap();
    }
    for host in ["mistral.ai", "api.mistral.ai.codestral.mistral.ai", "pi.mistral.ai", "ai"] {
        let uri = format!("https://{host}/").parse().unwrap();
        assert_eq!(secret.check(&uri), Err(DestinationError::Host));
    }
}
