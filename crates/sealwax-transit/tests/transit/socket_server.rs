//! Small servers on sockets, and the transports that are sent to them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealwax_transit::Transport;

/// A server that reads a request on each connection, and then does what the test says.
pub(crate) struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    pub(crate) fn new(act: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            read: Arc::default(),
        };
        let (connections, read) = (Arc::clone(&server.connections), Arc::clone(&server.read));
        let act = Arc::new(act);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (act, read) = (Arc::clone(&act), Arc::clone(&read));
                std::thread::spawn(move || {
                    let request = request(&mut stream);
                    read.lock().unwrap().extend(request);
                    act(&mut stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        server
    }

    pub(crate) fn replying(reply: impl Into<String>) -> Self {
        let reply = reply.into();
        Self::new(move |stream| drop(stream.write_all(reply.as_bytes())))
    }

    /// An address at which nobody listens: a port that was bound, and is free again.
    pub(crate) fn nowhere() -> String {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        format!("http://127.0.0.1:{port}")
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns everything that was sent to it.
    pub(crate) fn read(&self) -> String {
        String::from_utf8(self.read.lock().unwrap().clone()).unwrap()
    }
}

/// Reads a request up to the end of its body.
pub(crate) fn request(stream: &mut TcpStream) -> Vec<u8> {
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

pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    // Otherwise the client may send its next request just before it notices that the connection is closed.
    let headers = format!("{headers}connection: close\r\ncontent-length: {}\r\n", body.len());
    format!("HTTP/1.1 {status}\r\n{headers}\r\n{body}")
}

/// Each transport that this build has.
pub(crate) fn transports(timeout: Duration) -> Vec<(&'static str, Box<dyn Transport>)> {
    vec![
        #[cfg(feature = "hyper")]
        ("hyper", Box::new(sealwax_transit::HyperTransport::plain(timeout))),
        #[cfg(feature = "reqwest")]
        ("reqwest", {
            let builder = reqwest::Client::builder();
            Box::new(sealwax_transit::ReqwestTransport::new(builder, timeout).unwrap())
        }),
    ]
}
