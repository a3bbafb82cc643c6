//! What the two servers have in common.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{HeaderValue, Response, header};
use axum::middleware::map_response;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::net::TcpListener;

/// How often each of many, such as addresses, may do something.
#[derive(Debug)]
pub struct Limit<K: std::hash::Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: std::hash::Hash + Eq + Clone> Limit<K> {
    /// Allows this many in a period, at once or spread.
    #[must_use]
    pub fn new(count: u32, period: Duration) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period / count.get()).unwrap_or(Quota::per_second(count)).allow_burst(count);
        Self(RateLimiter::keyed(quota))
    }

    /// Returns whether one more is allowed.
    pub fn allows(&self, key: &K) -> bool {
        // What nobody used for a while is forgotten, so that the memory does not grow with the addresses.
        if self.0.len() > 100_000 {
            self.0.retain_recent();
        }
        self.0.check_key(key).is_ok()
    }
}

/// Returns the part of an address that one customer has: an IPv6 address is one of very many.
#[must_use]
pub fn network(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Serves until the process is told to stop, and prints where.
pub async fn serve(name: &str, address: SocketAddr, router: Router) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))?;
    println!("{name} at http://{}", listener.local_addr()?);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stopped()).await?;
    Ok(())
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
pub fn secured(router: Router) -> Router {
    router.layer(map_response(secure))
}

async fn secure<B>(mut response: Response<B>) -> Response<B> {
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
