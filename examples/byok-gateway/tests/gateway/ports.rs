//! Ports for the servers of tests.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns a port that is free, that no other test has, and that the system gives to no client: that one would be first.
pub(crate) fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let mut start = [0; 2];
        getrandom::fill(&mut start).unwrap();
        AtomicU16::new(u16::from_le_bytes(start))
    });
    loop {
        let port = 20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
