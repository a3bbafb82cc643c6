//! The transports behind features, against servers that misbehave.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealwax::{KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind};
use sealwax_transit::{Body, KeyLocation, TransitError, TransitKey, TransportErrorKind};

use crate::scripted::{BODY, DATA_KEY_BASE64, KEY, Row, TOKEN, cause, token};
use crate::socket_server::{Server, http, request, transports};

/// For servers from which no reply is expected in time.
const TIMEOUT: Duration = Duration::from_millis(400);
/// For the others: a busy machine may take long.
const LONG: Duration = Duration::from_secs(20);

/// Unwraps over each transport, and passes on what came of it.
fn each(address: &str, check: impl Fn(&str, Result<sealwax::DataKey, ProviderError>)) {
    each_within(LONG, address, check);
}

fn each_within(
    timeout: Duration,
    address: &str,
    check: impl Fn(&str, Result<sealwax::DataKey, ProviderError>),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut tried = 0;
    for (name, transport) in transports(timeout) {
        let location = KeyLocation::new(address, "byok").unwrap();
        let key = TransitKey::unchecked(transport, location, token());
        let row = Row::new(1);
        check(name, runtime.block_on(key.unwrap_key(row.unwrap(BODY))));
        tried += 1;
    }
    assert!(tried >= 1);
}

/// Checks the kinds of the error over each transport.
fn each_fails(address: &str, kind: ProviderErrorKind, reported: Option<TransportErrorKind>) {
    let is_late = reported == Some(TransportErrorKind::Timeout);
    each_within(if is_late { TIMEOUT } else { LONG }, address, |name, result| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        let found = match cause(&error) {
            TransitError::Transport { source, .. } => Some(source.kind()),
            _ => None,
        };
        assert_eq!(found, reported, "{name}: {error:?}");
        let shown = format!("{error:?}");
        assert!(!shown.contains("CANARY") && !shown.contains("oKGio6Sl"), "{name}: a secret");
    });
}

#[test]
fn a_reply_is_read() {
    let body = format!(r#"{{"data":{{"plaintext":"{DATA_KEY_BASE64}"}}}}"#);
    let server = Server::replying(http("200 OK", "", &body));
    each(&server.address(), |name, result| {
        assert_eq!(result.unwrap().expose_secret()[0], 0xa0, "{name}");
    });
    let sent = server.read();
    assert_eq!(
        sent.matches("POST /v1/transit/decrypt/byok HTTP/1.1\r\n").count(),
        transports(LONG).len()
    );
    assert_eq!(sent.matches(TOKEN).count(), transports(LONG).len());
    // In chunks, and without a length.
    let (first, second) = body.split_at(20);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    each(&Server::replying(chunked).address(), |_, result| drop(result.unwrap()));
    each(&Server::replying(format!("HTTP/1.1 200 OK\r\n\r\n{body}")).address(), |_, result| {
        drop(result.unwrap())
    });
}

#[test]
fn no_redirect_is_followed() {
    let other = Server::replying(http("200 OK", "", KEY));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("location: {}/v1/transit/decrypt/byok\r\n", other.address());
        let server = Server::replying(http(status, &location, ""));
        each_fails(&server.address(), ProviderErrorKind::Unavailable, None);
        assert_eq!(server.connections(), transports(LONG).len());
    }
    assert_eq!(other.connections(), 0);
    // The other server would have been counted.
    each(&other.address(), |_, result| drop(result.unwrap_err()));
    assert_eq!(other.connections(), transports(LONG).len());
}

#[test]
fn a_service_that_hangs() {
    let server = Server::new(|_| std::thread::sleep(20 * TIMEOUT));
    each_fails(
        &server.address(),
        ProviderErrorKind::Unavailable,
        Some(TransportErrorKind::Timeout),
    );
}

/// The timeout is for the whole exchange, not for the time between two bytes.
#[test]
fn a_service_that_is_slow() {
    let server = Server::new(|stream| {
        let reply = http("200 OK", "", KEY);
        for byte in reply.as_bytes().chunks(8) {
            if stream.write_all(byte).is_err() {
                return;
            }
            std::thread::sleep(TIMEOUT / 8);
        }
    });
    each_fails(
        &server.address(),
        ProviderErrorKind::Unavailable,
        Some(TransportErrorKind::Timeout),
    );
}

#[test]
fn a_reply_that_is_cut() {
    let server = Server::replying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":");
    each_fails(&server.address(), ProviderErrorKind::Unavailable, Some(TransportErrorKind::Other));
    let server = Server::replying("");
    each_fails(&server.address(), ProviderErrorKind::Unavailable, Some(TransportErrorKind::Other));
    let server = Server::replying("SSH-2.0-OpenSSH_9.2\r\n");
    each_fails(&server.address(), ProviderErrorKind::Unavailable, Some(TransportErrorKind::Other));
}

#[test]
fn a_page_of_a_proxy() {
    let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    let server = Server::replying(http("502 Bad Gateway", "content-type: text/html\r\n", page));
    each_fails(&server.address(), ProviderErrorKind::Unavailable, None);
    let server = Server::replying(http("200 OK", "", "<html>Sign in to the Wi-Fi</html>"));
    each_fails(&server.address(), ProviderErrorKind::Other, None);
}

#[test]
fn a_reply_that_is_too_large() {
    let large = format!("{{\"data\":\"{}\"}}", "A".repeat(Body::MAX_LEN));
    let server = Server::replying(http("200 OK", "", &large));
    each_fails(&server.address(), ProviderErrorKind::Other, Some(TransportErrorKind::TooLarge));
    // One that never ends.
    let server = Server::new(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    each_fails(&server.address(), ProviderErrorKind::Other, Some(TransportErrorKind::TooLarge));
}

#[test]
fn nobody_listens() {
    each_fails(
        &Server::nowhere(),
        ProviderErrorKind::Unavailable,
        Some(TransportErrorKind::Connect),
    );
}

#[test]
fn how_long_to_wait_comes_from_the_header() {
    let server = Server::replying(http("429 Too Many Requests", "Retry-After: 7\r\n", "{}"));
    each(&server.address(), |name, result| {
        let error = result.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{name}");
    });
}

#[test]
fn one_transport_serves_several_keys() {
    let server = Server::replying(http("503 Service Unavailable", "", "{}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, transport) in transports(LONG) {
        let location = |key| KeyLocation::new(&server.address(), key).unwrap();
        let keys = ["a", "b"].map(|key| TransitKey::unchecked(&transport, location(key), token()));
        for key in keys {
            let error = runtime.block_on(key.wrap_key(Row::new(1).wrap())).unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "{name}");
        }
    }
    let sent = server.read();
    assert_eq!(sent.matches("/encrypt/a ").count(), transports(LONG).len());
    assert_eq!(sent.matches("/encrypt/b ").count(), transports(LONG).len());
}

/// The name of the next test, which it runs in a process of its own.
const PROXIED: &str = "sockets::no_proxy_of_the_environment_is_used";

#[test]
fn no_proxy_of_the_environment_is_used() {
    const ADDRESS: &str = "SEALWAX_TEST_PROXIED";
    if let Ok(address) = std::env::var(ADDRESS) {
        return each(&address, |name, result| drop(result.expect(name)));
    }
    let body = format!(r#"{{"data":{{"plaintext":"{DATA_KEY_BASE64}"}}}}"#);
    let [service, proxy] = [(); 2].map(|()| Server::replying(http("200 OK", "", &body)));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, proxy.address());
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        child.env_remove(name);
    }
    let child = child.env(ADDRESS, service.address()).args(["--exact", PROXIED]);
    assert!(child.output().unwrap().status.success());
    assert_eq!(proxy.connections(), 0, "requests went to the proxy");
    assert_eq!(service.connections(), transports(LONG).len());
}

/// Keeps connections open. It gives the first request on the first one a data key that begins with 0xa0, but late, and
/// all others one that begins with 1.
fn late_once() -> Server {
    let reply = |key| {
        let body = format!(r#"{{"data":{{"plaintext":"{key}"}}}}"#);
        http("200 OK", "", &body).replace("connection: close\r\n", "")
    };
    let (late, other) =
        (reply(DATA_KEY_BASE64), reply("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="));
    let is_first = AtomicBool::new(true);
    Server::new(move |stream| {
        let mut next = &other;
        if is_first.swap(false, Ordering::Relaxed) {
            std::thread::sleep(2 * TIMEOUT);
            next = &late;
        }
        while stream.write_all(next.as_bytes()).is_ok() && !request(stream).is_empty() {
            next = &other;
        }
    })
}

/// A reply that comes after its request was given up is not taken for that of the next request.
#[test]
fn a_late_reply_is_nobodys() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (timeout, patience) in [(TIMEOUT, LONG), (LONG, TIMEOUT)] {
        for (name, transport) in transports(timeout) {
            let server = late_once();
            let location = KeyLocation::new(&server.address(), "byok").unwrap();
            let key = TransitKey::unchecked(transport, location, token());
            let row = Row::new(1);
            runtime.block_on(async {
                // It times out, or the caller drops it.
                let first = tokio::time::timeout(patience, key.unwrap_key(row.unwrap(BODY))).await;
                assert!(!matches!(first, Ok(Ok(_))), "{name}");
                for wait in [Duration::ZERO, 2 * TIMEOUT, Duration::ZERO] {
                    tokio::time::sleep(wait).await;
                    let data_key = key.unwrap_key(row.unwrap(BODY)).await.unwrap();
                    assert_eq!(data_key.expose_secret()[0], 1, "{name}");
                }
            });
            // The later requests share a connection.
            assert_eq!(server.connections(), 2, "{name}");
        }
    }
}

#[test]
fn nothing_is_sent_to_https_without_tls() {
    let server = Server::replying(http("200 OK", "", KEY));
    let address = server.address().replace("http:", "https:");
    each_fails(&address, ProviderErrorKind::Other, Some(TransportErrorKind::Config));
    assert_eq!(server.connections(), 0);
}

/// A connector that was told not to mind sends to `https://` in the clear.
#[test]
#[cfg(feature = "hyper")]
fn nothing_is_sent_to_https_in_the_clear() {
    let server = Server::replying(http("200 OK", "", KEY));
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.enforce_http(false);
    // The parameter has a default.
    let transport: sealwax_transit::HyperTransport =
        sealwax_transit::HyperTransport::new(connector, LONG);
    let address = server.address().replace("http:", "https:");
    let key =
        TransitKey::unchecked(transport, KeyLocation::new(&address, "byok").unwrap(), token());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(key.wrap_key(Row::new(1).wrap())).unwrap_err();
    assert_eq!((error.kind(), server.connections()), (ProviderErrorKind::Other, 0));
}

#[cfg(feature = "reqwest")]
mod over_reqwest {
    use std::sync::Arc;
    use std::time::Instant;

    use reqwest::dns::{Name, Resolve, Resolving};
    use sealwax_transit::ReqwestTransport;

    use super::{Duration, KeyLocation, KeyWrapper, Row, TransitKey, cause, token};

    #[test]
    fn a_transport_shows_no_header() {
        let headers = [("x-canary".parse().unwrap(), "CANARY".parse().unwrap())];
        let builder = reqwest::Client::builder().default_headers(headers.into_iter().collect());
        let transport = ReqwestTransport::new(builder, super::LONG).unwrap();
        assert_eq!(format!("{transport:?}"), "ReqwestTransport { .. }");
    }

    struct Hanging;

    impl Resolve for Hanging {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn the_callers_timeout_for_connections_is_kept() {
        let builder = reqwest::Client::builder()
            .dns_resolver(Arc::new(Hanging))
            .connect_timeout(Duration::from_millis(50));
        let transport = ReqwestTransport::new(builder, super::LONG).unwrap();
        let location = KeyLocation::new("http://localhost:1", "byok").unwrap();
        let key = TransitKey::unchecked(transport, location, token());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = Instant::now();
        let error = runtime.block_on(key.wrap_key(Row::new(1).wrap())).unwrap_err();
        assert!(start.elapsed() < super::LONG / 2, "{:?}", cause(&error));
    }
}
