//! A proxy between reqwest and the host.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use reqwest::Proxy;
use sealwax_credentials::ReqwestClient;

use crate::clients::{builder, run, send};
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
    // Nobody listens there, but the proxy would say yes.
    run(send(&client, "https://[::1]:9/v1", &bound(9))).unwrap_err();
    assert_eq!(server.connections(), 2);
    assert!(seen.lock().unwrap().is_empty());
}
