//! What the two servers have in common.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use crate::config::Config;

/// For how long a connection may wait for a whole head, which may be the next one, and for the next piece of a body.
const IDLE: Duration = Duration::from_secs(10);
/// For how long a customer may read nothing of what is sent, in milliseconds.
const UNREAD: u32 = 30_000;
/// For how long requests may go on after the process is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How often each of many, such as addresses, may do something.
#[derive(Debug)]
pub struct Limit<K: std::hash::Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    swept: Mutex<Instant>,
}

impl<K: std::hash::Hash + Eq + Clone> Limit<K> {
    /// Allows this many in a period, at once or spread.
    #[must_use]
    pub fn new(count: u32, period: Duration) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period / count.get()).unwrap_or(Quota::per_second(count)).allow_burst(count);
        Self { limiter: RateLimiter::keyed(quota), swept: Mutex::new(Instant::now()) }
    }

    /// Returns whether one more is allowed.
    pub fn allows(&self, key: &K) -> bool {
        // What nobody used for a while is forgotten, so that the memory does not grow with the addresses. Looking for it
        // takes milliseconds: one request in a second does so, and no other one waits.
        if self.limiter.len() > 100_000
            && let Ok(mut swept) = self.swept.try_lock()
            && swept.elapsed() > Duration::from_secs(1)
        {
            self.limiter.retain_recent();
            *swept = Instant::now();
        }
        self.limiter.check_key(key).is_ok()
    }
}

/// Returns the part of an address that one customer has: an IPv6 address is one of very many. If there is a server in front,
/// it says whose address it is.
fn network(peer: SocketAddr, headers: &HeaderMap, front: Option<&HeaderName>) -> IpAddr {
    let said = front.and_then(|front| headers.get_all(front).iter().next_back()?.to_str().ok()?.parse::<IpAddr>().ok());
    match said.unwrap_or(peer.ip()).to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Serves until the process is told to stop, and prints where. Handlers get the customer's network as `ConnectInfo`.
pub async fn serve(name: &str, address: SocketAddr, config: &Config, router: Router) -> Result<()> {
    let front = config.front.as_deref().map(HeaderName::try_from).transpose().context("`front` is not a header")?;
    // Each connection is a file, and so is the one to the provider.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    if files.maximum.is_some_and(|maximum| maximum < 2 * u64::from(config.limits.connections) + 64) {
        tracing::warn!("this process may open too few files for `limits.connections`: see `ulimit -Hn`");
    }
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))?;
    println!("{name} at http://{}", listener.local_addr()?);
    let service = TowerToHyperService::new(router.layer(from_fn(timely)).layer(map_response(secure)));
    let (room, connections) =
        (Arc::new(Semaphore::new(config.limits.connections.max(1).into())), GracefulShutdown::new());
    let accept = async {
        // Without room, the next connection waits in the kernel's queue.
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let logged = |error: &std::io::Error| tracing::warn!("a connection was not accepted: {error}");
            let Ok((stream, peer)) = listener.accept().await.inspect_err(logged) else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            // Otherwise, somebody who never reads would keep the connection for ever.
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD) {
                tracing::warn!("a connection has no timeout: {error}");
            }
            let (service, front) = (service.clone(), front.clone());
            let service = service_fn(move |mut request: axum::http::Request<Incoming>| {
                let from = network(peer, request.headers(), front.as_ref());
                request.extensions_mut().insert(ConnectInfo(from));
                service.call(request)
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(IDLE);
            let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                // It fails if the customer goes away.
                let _ = connection.await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stopped() => {}
    }
    drop(listener);
    // What has not ended then is dropped with the process.
    let _ = timeout(GRACE, connections.shutdown()).await;
    Ok(())
}

/// Refuses a request whose body stops coming.
async fn timely(request: Request, next: Next) -> Response {
    let stalled = Arc::new(Notify::new());
    let request = request.map(|body| {
        Body::from_stream(stream::unfold(
            (body.into_data_stream(), Arc::clone(&stalled)),
            |(mut body, stalled)| async {
                let piece = match timeout(IDLE, body.next()).await {
                    Ok(piece) => piece?,
                    Err(error) => {
                        stalled.notify_one();
                        // The answer is below, whatever the handler would say of this error.
                        tokio::task::yield_now().await;
                        Err(axum::Error::new(error))
                    }
                };
                Some((piece, (body, stalled)))
            },
        ))
    });
    tokio::select! {
        biased;
        () = stalled.notified() => (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response(),
        response = next.run(request) => response,
    }
}

/// Waits for SIGINT or SIGTERM.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Adds the headers that every answer has.
async fn secure(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
        frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        // Also instead of what a provider says.
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
