//! The clients of the features, against upstreams on this machine that repeat keys and redirect.

mod clients;
mod echoes;
mod redirects;
mod server;
mod traces;
