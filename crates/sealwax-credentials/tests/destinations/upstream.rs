//! The clients of the features, against upstreams on this machine that repeat keys and redirect.

mod clients;
#[cfg(feature = "hyper")]
mod connectors;
mod echoes;
#[cfg(feature = "reqwest")]
mod proxies;
mod redirects;
mod server;
mod traces;
