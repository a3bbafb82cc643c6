//! A small server that does with each request what a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server that reads the head of one request on each connection, and sends back what `reply` makes of it:
    /// each part on its own, and then it closes the connection.
    pub(crate) fn new(reply: impl Fn(&str) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, connections: Arc::default(), heads: Arc::default() };
        let (connections, heads) = (Arc::clone(&server.connections), Arc::clone(&server.heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let head = head(&mut stream);
                heads.lock().unwrap().push_str(&head);
                for part in reply(&head) {
                    // The client may have closed the connection.
                    let _ = stream.write_all(&part);
                }
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        server
    }

    pub(crate) fn replying(reply: String) -> Self {
        Self::new(move |_| vec![reply.clone().into_bytes()])
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the heads of all requests.
    pub(crate) fn heads(&self) -> String {
        self.heads.lock().unwrap().clone()
    }
}

fn head(stream: &mut TcpStream) -> String {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => read.extend_from_slice(&buffer[..len]),
        }
    }
    String::from_utf8(read).unwrap()
}

/// Returns a reply with a length, after which the connection ends.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {len}\r\n\r\n{body}"
    )
}
