//! The transports behind features, against servers that misbehave.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealwax::{KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind};
use sealwax_transit::{Body, KeyLocation, TransitError, TransitKey, Transport, TransportErrorKind};

use crate::scripted::{BODY, DATA_KEY_BASE64, KEY, Row, TOKEN, cause, token};

const TIMEOUT: Duration = Duration::from_millis(400);

/// A server that reads a request on each connection, and then does what the test says.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn new(act: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            read: Arc::default(),
        };
        let (connections, read) = (Arc::clone(&server.connections), Arc::clone(&server.read));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let request = request(&mut stream);
                read.lock().unwrap().extend(request);
                act(&mut stream);
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        server
    }

    fn replying(reply: impl Into<String>) -> Self {
        let reply = reply.into();
        Self::new(move |stream| drop(stream.write_all(reply.as_bytes())))
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Reads a request up to the end of its body.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return read;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return read,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Each transport that this build has.
fn transports() -> Vec<(&'static str, Box<dyn Transport>)> {
    vec![
        #[cfg(feature = "hyper")]
        ("hyper", Box::new(sealwax_transit::HyperTransport::plain(TIMEOUT))),
        #[cfg(feature = "reqwest")]
        ("reqwest", {
            let builder = reqwest::Client::builder().no_proxy();
            Box::new(sealwax_transit::ReqwestTransport::new(builder, TIMEOUT).unwrap())
        }),
    ]
}

/// Unwraps over each transport, and passes on what came of it.
fn each(server: &Server, check: impl Fn(&str, Result<sealwax::DataKey, ProviderError>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut tried = 0;
    for (name, transport) in transports() {
        let location = KeyLocation::new(&server.address(), "byok").unwrap();
        let key = TransitKey::unchecked(transport, location, token());
        let row = Row::new(1);
        let start = Instant::now();
        check(name, runtime.block_on(key.unwrap_key(row.unwrap(BODY))));
        assert!(start.elapsed() < 5 * TIMEOUT, "{name}: {:?}", start.elapsed());
        tried += 1;
    }
    assert!(tried >= 1);
}

/// Checks the kinds of the error over each transport.
fn each_fails(server: &Server, kind: ProviderErrorKind, reported: Option<TransportErrorKind>) {
    each(server, |name, result| {
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
    each(&server, |name, result| {
        assert_eq!(result.unwrap().expose_secret()[0], 0xa0, "{name}");
    });
    let sent = String::from_utf8(server.read.lock().unwrap().clone()).unwrap();
    assert_eq!(
        sent.matches("POST /v1/transit/decrypt/byok HTTP/1.1\r\n").count(),
        transports().len()
    );
    assert_eq!(sent.matches(TOKEN).count(), transports().len());
    // In chunks, and without a length.
    let (first, second) = body.split_at(20);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    each(&Server::replying(chunked), |_, result| drop(result.unwrap()));
    each(&Server::replying(format!("HTTP/1.1 200 OK\r\n\r\n{body}")), |_, result| {
        drop(result.unwrap())
    });
}

#[test]
fn no_redirect_is_followed() {
    let other = Server::replying(http("200 OK", "", KEY));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("location: {}/v1/transit/decrypt/byok\r\n", other.address());
        let server = Server::replying(http(status, &location, ""));
        each_fails(&server, ProviderErrorKind::Unavailable, None);
        assert_eq!(server.connections.load(Ordering::SeqCst), transports().len());
    }
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
    // The other server would have been counted.
    each(&other, |_, result| drop(result.unwrap_err()));
    assert_eq!(other.connections.load(Ordering::SeqCst), transports().len());
}

#[test]
fn a_service_that_hangs() {
    let server = Server::new(|_| std::thread::sleep(2 * TIMEOUT));
    each_fails(&server, ProviderErrorKind::Unavailable, Some(TransportErrorKind::Timeout));
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
    each_fails(&server, ProviderErrorKind::Unavailable, Some(TransportErrorKind::Timeout));
}

#[test]
fn a_reply_that_is_cut() {
    let server = Server::replying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":");
    each_fails(&server, ProviderErrorKind::Unavailable, Some(TransportErrorKind::Other));
    let server = Server::replying("");
    each_fails(&server, ProviderErrorKind::Unavailable, Some(TransportErrorKind::Other));
    let server = Server::replying("SSH-2.0-OpenSSH_9.2\r\n");
    each_fails(&server, ProviderErrorKind::Unavailable, Some(TransportErrorKind::Other));
}

#[test]
fn a_page_of_a_proxy() {
    let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    let server = Server::replying(http("502 Bad Gateway", "content-type: text/html\r\n", page));
    each_fails(&server, ProviderErrorKind::Unavailable, None);
    let server = Server::replying(http("200 OK", "", "<html>Sign in to the Wi-Fi</html>"));
    each_fails(&server, ProviderErrorKind::Other, None);
}

#[test]
fn a_reply_that_is_too_large() {
    let large = format!("{{\"data\":\"{}\"}}", "A".repeat(Body::MAX_LEN));
    let server = Server::replying(http("200 OK", "", &large));
    each_fails(&server, ProviderErrorKind::Other, Some(TransportErrorKind::TooLarge));
    // One that never ends.
    let server = Server::new(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    each_fails(&server, ProviderErrorKind::Other, Some(TransportErrorKind::TooLarge));
}

#[test]
fn nobody_listens() {
    let mut server = Server::replying("");
    // Bound and dropped, so that nobody has this port.
    server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    each_fails(&server, ProviderErrorKind::Unavailable, Some(TransportErrorKind::Connect));
}

#[test]
fn how_long_to_wait_comes_from_the_header() {
    let server = Server::replying(http("429 Too Many Requests", "Retry-After: 7\r\n", "{}"));
    each(&server, |name, result| {
        let error = result.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{name}");
    });
}

/// A wrap that hangs is one wrap that fails: the next key is tried.
#[test]
fn one_transport_serves_several_keys() {
    let server = Server::replying(http("503 Service Unavailable", "", "{}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, transport) in transports() {
        let location = |key| KeyLocation::new(&server.address(), key).unwrap();
        let keys = ["a", "b"].map(|key| TransitKey::unchecked(&transport, location(key), token()));
        for key in keys {
            let error = runtime.block_on(key.wrap_key(Row::new(1).wrap())).unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "{name}");
        }
    }
    let sent = String::from_utf8(server.read.lock().unwrap().clone()).unwrap();
    assert_eq!(sent.matches("/encrypt/a ").count(), transports().len());
    assert_eq!(sent.matches("/encrypt/b ").count(), transports().len());
}
