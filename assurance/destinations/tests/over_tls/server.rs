//! A server with TLS and a certificate of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Both sides use the same cryptography.
static PROVIDER: LazyLock<()> =
    LazyLock::new(|| rustls::crypto::ring::default_provider().install_default().unwrap());

pub(crate) fn use_ring() {
    LazyLock::force(&PROVIDER);
}

/// Starts a thread that does something with each connection, and returns the port.
pub(crate) fn listen(each: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let each = each.clone();
            std::thread::spawn(move || each(stream.unwrap()));
        }
    });
    port
}

/// Reads up to the empty line.
pub(crate) fn head(stream: &mut impl Read) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len == 1) {
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

pub(crate) struct Server {
    pub(crate) port: u16,
    certificate: CertificateDer<'static>,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server for these names. It sends each request the same reply, and then closes the connection.
    pub(crate) fn new(names: &[&str], reply: String) -> Self {
        use_ring();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let (connections, heads) = <(Arc<AtomicUsize>, Arc<Mutex<String>>)>::default();
        let (counted, collected) = (Arc::clone(&connections), Arc::clone(&heads));
        let port = listen(move |stream| {
            counted.fetch_add(1, Ordering::SeqCst);
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let head = head(&mut stream);
            if !head.is_empty() {
                collected.lock().unwrap().push_str(&head);
                let _ = stream.write_all(reply.as_bytes());
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
        });
        Self { port, certificate, connections, heads }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the heads of all requests.
    pub(crate) fn heads(&self) -> String {
        self.heads.lock().unwrap().clone()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }

    pub(crate) fn root(&self) -> reqwest::Certificate {
        reqwest::Certificate::from_der(&self.certificate).unwrap()
    }
}

/// Returns a reply without a body, after which the connection ends.
pub(crate) fn http(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n")
}
