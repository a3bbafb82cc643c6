//! A fault at each request of each job: what fails, what it is reported as, and that nothing is lost.

use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use sealwax::{
    EncryptionContext, ErrorClass, Keyring, MasterKey, ProviderErrorKind, ProviderFuture, Secret,
};
use sealwax_transit::{
    Body, KeyLocation, TransitError, TransitKey, Transport, TransportError, TransportErrorKind,
};

use crate::jobs::{JOBS, Job, ROWS, Service};
use crate::scripted::{KEY, Scripted, TOKEN, location, token, unchecked, versioned};
use crate::socket_server::{Server, http, transports};
use ErrorClass::{Misconfigured, Refused, Transient};
use ProviderErrorKind::{Disabled, Throttled, Unauthenticated, Unavailable};

/// For servers from which no reply is expected in time.
const TIMEOUT: Duration = Duration::from_millis(150);
/// For the others: a busy machine may take long.
const LONG: Duration = Duration::from_secs(20);

/// Sends one request to a server that misbehaves, and the others to a service that works.
struct AtCall {
    good: Scripted,
    bad: Box<dyn Transport>,
    address: String,
    /// How many requests come before the bad one.
    left: AtomicUsize,
}

const NEVER: usize = usize::MAX / 2;

impl Transport for AtCall {
    fn send<'a>(
        &'a self,
        mut request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        if self.left.fetch_sub(1, Ordering::Relaxed) != 0 {
            return self.good.send(request);
        }
        *request.uri_mut() = format!("{}{}", self.address, request.uri().path()).parse().unwrap();
        self.bad.send(request)
    }
}

/// What is expected of each failure: its kind, its class, how long to wait.
struct Expected {
    kind: ProviderErrorKind,
    class: ErrorClass,
    wait: Option<Duration>,
    /// The status of the reply, or why there was none.
    cause: Result<u16, TransportErrorKind>,
}

impl Expected {
    fn away(cause: Result<u16, TransportErrorKind>) -> Self {
        Self { kind: Unavailable, class: Transient, wait: None, cause }
    }
}

/// How many rows fail if request `call` of a job does.
fn failing(job: Job, call: usize) -> RangeInclusive<usize> {
    // The second request of each step has the rest of the rows.
    let rest = ROWS - 249;
    match (job, call) {
        // The first row is checked twice, so it may be in both requests.
        (Job::RewrapBatch, 6) => rest..=rest + 1,
        (Job::RewrapBatch, 2 | 4) => rest..=rest,
        (Job::RewrapBatch, _) => ROWS..=ROWS,
        _ => 1..=1,
    }
}

/// Has each request of each job go to the server at `address`, one at a time.
fn at_each_call(address: &str, expected: &Expected) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let is_late = expected.cause == Err(TransportErrorKind::Timeout);
    let timeout = if is_late { TIMEOUT } else { LONG };
    let mut faults = 0;
    for (name, bad) in transports(timeout) {
        let version = Arc::new(AtomicU32::new(1));
        let transport = Arc::new(AtCall {
            good: versioned(&version),
            bad,
            address: address.to_owned(),
            left: AtomicUsize::new(NEVER),
        });
        let rotate = async { version.store(2, Ordering::Relaxed) };
        let service = Service::new(Arc::clone(&transport), location(), token(), rotate);
        let service = runtime.block_on(service);
        for (job, calls) in JOBS {
            for call in 1..=calls {
                transport.left.store(call - 1, Ordering::Relaxed);
                let (failures, rewrapped) = runtime.block_on(service.run(job));
                transport.left.store(NEVER, Ordering::Relaxed);
                let expected_rows = failing(job, call);
                assert!(expected_rows.contains(&failures.len()), "{name} {job:?} {call}");
                for failure in failures {
                    let found = match failure.cause() {
                        TransitError::Refused { status, .. } => Ok(*status),
                        TransitError::Transport { source, .. } => Err(source.kind()),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(found, expected.cause, "{name} {job:?} {call}");
                    let Expected { kind, class, wait, .. } = *expected;
                    let found = (failure.kind(), failure.class, failure.wait);
                    assert_eq!(found, (kind, class, wait), "{name} {job:?} {call}");
                }
                runtime.block_on(service.opens(&rewrapped));
                // Nothing is lost: the same job over the same rows succeeds once the fault is gone.
                let (failures, rewrapped) = runtime.block_on(service.run(job));
                assert_eq!(failures.len(), 0, "{name} {job:?} {call}");
                runtime.block_on(service.opens(&rewrapped));
                faults += 1;
            }
            // No more requests than the table says.
            transport.left.store(calls, Ordering::Relaxed);
            assert!(runtime.block_on(service.run(job)).0.is_empty());
            assert_eq!(transport.left.swap(NEVER, Ordering::Relaxed), 0, "{job:?}");
        }
    }
    assert_eq!(faults, 16 * transports(timeout).len());
}

#[test]
fn a_connection_that_is_refused() {
    at_each_call(&Server::nowhere(), &Expected::away(Err(TransportErrorKind::Connect)));
}

#[test]
fn a_service_that_hangs() {
    let server = Server::new(|_| std::thread::sleep(20 * TIMEOUT));
    at_each_call(&server.address(), &Expected::away(Err(TransportErrorKind::Timeout)));
}

#[test]
fn a_service_that_is_slow() {
    let server = Server::new(|stream| {
        for bytes in http("200 OK", "", KEY).as_bytes().chunks(8) {
            if stream.write_all(bytes).is_err() {
                return;
            }
            std::thread::sleep(TIMEOUT / 8);
        }
    });
    at_each_call(&server.address(), &Expected::away(Err(TransportErrorKind::Timeout)));
}

#[test]
fn a_reply_that_is_cut() {
    let server = Server::replying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":");
    at_each_call(&server.address(), &Expected::away(Err(TransportErrorKind::Other)));
}

#[test]
fn a_page_of_a_proxy() {
    let server = Server::replying(http("502 Bad Gateway", "", "<h1>502 Bad Gateway</h1>"));
    at_each_call(&server.address(), &Expected::away(Ok(502)));
}

#[test]
fn a_quota() {
    for (header, wait) in [
        ("retry-after: 7\r\n", Some(Duration::from_secs(7))),
        ("retry-after: 0\r\n", None),
        ("", None),
    ] {
        let body = r#"{"errors":["request path \"transit\": rate limit quota exceeded"]}"#;
        let server = Server::replying(http("429 Too Many Requests", header, body));
        let expected = Expected { kind: Throttled, class: Transient, wait, cause: Ok(429) };
        at_each_call(&server.address(), &expected);
    }
}

/// The same replies as those of the real server, whose tests may be skipped.
#[test]
fn a_server_that_refuses() {
    let cases = [
        (503, r#"{"errors":["Vault is sealed"]}"#, Unavailable, Transient),
        (403, r#"{"errors":["permission denied"]}"#, Unauthenticated, Misconfigured),
        (400, r#"{"errors":["refusing to use soft-deleted key"]}"#, Disabled, Refused),
        (
            400,
            r#"{"errors":["ciphertext or signature version is disallowed by policy (too old)"]}"#,
            Disabled,
            Refused,
        ),
    ];
    for (status, body, kind, class) in cases {
        let server = Server::replying(http(&format!("{status} No"), "", body));
        let expected = Expected { kind, class, wait: None, cause: Ok(status) };
        at_each_call(&server.address(), &expected);
    }
}

#[test]
fn a_redirect_to_another_host() {
    let other = Server::replying(http("200 OK", "", KEY));
    let location = format!("location: {}/v1/transit/keys/byok\r\n", other.address());
    for status in [302, 307, 308] {
        let server = Server::replying(http(&format!("{status} Elsewhere"), &location, ""));
        at_each_call(&server.address(), &Expected::away(Ok(status)));
        assert!(server.read().contains(TOKEN));
    }
    assert_eq!((other.connections(), other.read()), (0, String::new()));
}

/// The service is the first wrap's provider, and hangs. The escrow of the same row is a key in memory.
#[test]
fn a_local_escrow_opens_while_the_service_hangs() {
    let timeout = Duration::from_millis(500);
    let local = || MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
    let with_escrow =
        |ring: Keyring| ring.with_escrow("offline".parse().unwrap(), local()).unwrap();
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let secret = Secret::from("sk-proj-42");
    let (key, _) = unchecked(versioned(&Arc::new(AtomicU32::new(1))));
    let sealing = with_escrow(Keyring::new("transit/byok".parse().unwrap(), key).unwrap());
    let envelope = pollster::block_on(sealing.seal_async(&secret, &context)).unwrap();
    let first = envelope.wrapped_keys().next().unwrap().key_id().to_string();
    assert_eq!((first.as_str(), envelope.wrapped_keys().count()), ("transit/byok", 2));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut opened = 0;
    for (name, transport) in transports(timeout) {
        let server = Server::new(move |_| std::thread::sleep(100 * timeout));
        let location = KeyLocation::new(&server.address(), "byok").unwrap();
        let key = TransitKey::unchecked(transport, location, token());
        let ring = with_escrow(Keyring::new("transit/byok".parse().unwrap(), key).unwrap());
        let start = Instant::now();
        assert_eq!(ring.open(&envelope, &context).unwrap(), secret);
        assert!(start.elapsed() < timeout, "{name}: {:?}", start.elapsed());
        assert_eq!(server.connections(), 0, "{name}");
        let start = Instant::now();
        let found = runtime.block_on(ring.open_async(&envelope, &context)).unwrap();
        assert_eq!(found, secret);
        let waited = start.elapsed();
        assert!(waited >= timeout && waited < 20 * timeout, "{name}: {waited:?}");
        assert_eq!(server.connections(), 1, "{name}");
        opened += 1;
    }
    assert!(opened >= 1);
}
