//! A proxy between reqwest and the host.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use reqwest::Proxy;
use sealwax_credentials::ReqwestClient;

use crate::clients::{DEADLINE, builder, run, send};
use crate::server::{Server, head, http, listen};
use crate::{HOST, KEY, bound};

/// Starts a proxy that tunnels every connection to this port, and returns what it sees of them.
fn proxy(to: u16) -> (String, Arc<Mutex<Vec<u8>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let port = listen(move |mut client| {
        all.lock().unwrap().extend_from_slice(head(&mut client).as_bytes());
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let host = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).unwrap();
        let back = (host.try_clone().unwrap(), client.try_clone().unwrap());
        let (there, also) = ((client, host), Arc::clone(&all));
        std::thread::spawn(move || copy(back, &also));
        copy(there, &all);
    });
    (format!("http://user:password@127.0.0.1:{port}"), seen)
}

fn copy((mut from, mut to): (TcpStream, TcpStream), seen: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        seen.lock().unwrap().extend_from_slice(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn shows(seen: &Mutex<Vec<u8>>, text: &str) -> bool {
    seen.lock().unwrap().windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn a_proxy_sees_no_key() {
    let server = Server::new(&[HOST], http("200 OK", ""));
    let (proxy, seen) = proxy(server.port);
    let client = ReqwestClient::with_proxy(builder(&server), &proxy).unwrap();
    let uri = format!("https://{HOST}:{}/v1", server.port);
    let (status, _) = run(send(&client, &uri, &bound(server.port))).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(server.heads().contains(&format!("x-api-key: {KEY}\r\n")));
    assert!(shows(&seen, &format!("CONNECT {HOST}:{} HTTP/1.1\r\n", server.port)));
    assert!(shows(&seen, "dXNlcjpwYXNzd29yZA=="));
    assert!(!shows(&seen, KEY) && !shows(&seen, "x-api-key"));
}

#[test]
fn only_the_proxy_of_the_client_is_used() {
    let server = Server::new(&[HOST], http("200 OK", ""));
    let (proxy, seen) = proxy(server.port);
    let builder = builder(&server).proxy(Proxy::all(proxy).unwrap());
    let client = ReqwestClient::new(builder).unwrap();
    let uri = format!("https://{HOST}:{}/v1", server.port);
    run(send(&client, &uri, &bound(server.port))).unwrap();
    assert!(seen.lock().unwrap().is_empty());
}

/// Whatever listens on a Unix socket gets what it would get over TCP: the start of TLS, and nothing without a certificate.
#[cfg(unix)]
#[test]
fn a_unix_socket_sees_no_key() {
    use std::os::unix::net::UnixListener;

    use sealwax_credentials::SendError;

    crate::server::use_ring();
    let name = format!("sealwax-destinations-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let socket = UnixListener::bind(&path).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut seen = [0; 4096];
        let len = socket.accept().unwrap().0.read(&mut seen).unwrap();
        tell.send(seen[..len].to_vec()).unwrap();
    });
    let builder = reqwest::Client::builder().tls_certs_only([]).unix_socket(&*path);
    let client = ReqwestClient::new(builder).unwrap();
    let error = run(send(&client, &format!("https://{HOST}/v1"), &bound(443))).unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    let seen = told.recv_timeout(DEADLINE).unwrap();
    // A handshake (RFC 8446, section 5.1).
    assert!(seen.starts_with(&[22, 3]));
    assert!(seen.windows(HOST.len()).any(|part| part == HOST.as_bytes()));
    assert!(!seen.windows(KEY.len()).any(|part| part == KEY.as_bytes()));
    std::fs::remove_file(&path).unwrap();
}

/// The `localhost` of a proxy is another machine.
#[test]
fn what_may_go_to_this_machine_does_not_go_through_a_proxy() {
    let server = Server::new(&["localhost", "127.0.0.1"], http("200 OK", ""));
    let (proxy, seen) = proxy(server.port);
    let client = ReqwestClient::with_proxy(builder(&server), &proxy).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let uri = format!("https://{host}:{}/v1", server.port);
        run(send(&client, &uri, &bound(server.port))).unwrap();
    }
    // Nobody listens there any more, or at all without IPv6, but the proxy would say yes.
    let free = TcpListener::bind("[::1]:0").and_then(|listener| listener.local_addr());
    let port = free.map_or(9, |address| address.port());
    run(send(&client, &format!("https://[::1]:{port}/v1"), &bound(port))).unwrap_err();
    assert_eq!(server.connections(), 2);
    assert!(seen.lock().unwrap().is_empty());
}
