//! What reqwest does with a proxy or a Unix socket: it was built without TLS here, as the assertions say.
//!
//! `assurance/destinations` has the same with TLS.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Proxy, Url};
use sealwax_credentials::{BoundSecret, KeyHeader, ReqwestClient, SendError};

use super::clients::run;
use super::server::{Server, http};
use crate::{KEY, bound};

fn local() -> BoundSecret {
    bound(KEY).allowing_loopback_for_testing_only()
}

fn send(client: &ReqwestClient, uri: &str, secret: &BoundSecret) -> Result<(), SendError> {
    let request = reqwest::Request::new(http::Method::GET, uri.parse().unwrap());
    run(client.send(request, secret, &KeyHeader::BEARER)).map(|_| ())
}

/// Proxies in a builder, each in another way.
fn proxied(proxy: &str) -> [ClientBuilder; 4] {
    let url: Url = proxy.parse().unwrap();
    let proxies = [
        Proxy::all(proxy).unwrap(),
        Proxy::http(proxy).unwrap(),
        Proxy::https(proxy).unwrap(),
        Proxy::custom(move |_| Some(url.clone())),
    ];
    proxies.map(|proxy| Client::builder().proxy(proxy))
}

/// Otherwise reqwest sends it to the proxy in plaintext, with the key.
#[test]
fn nothing_for_https_goes_to_a_proxy_without_tls() {
    let proxy = Server::replying(http("200 OK", "", ""));
    let with_proxy = ReqwestClient::with_proxy(Client::builder(), &proxy.uri());
    let others = proxied(&proxy.uri()).map(ReqwestClient::new);
    for client in others.into_iter().chain([with_proxy]) {
        for uri in ["https://api.openai.com/v1", "https://localhost/v1"] {
            let error = send(client.as_ref().unwrap(), uri, &local()).unwrap_err();
            assert!(matches!(error, SendError::NoTls), "{error:?}");
        }
    }
    assert_eq!(proxy.connections(), 0);
}

/// The control of the one above.
#[test]
fn reqwest_alone_shows_a_proxy_the_key() {
    let proxy = Server::replying(http("200 OK", "", ""));
    let client = Client::builder().proxy(Proxy::all(proxy.uri()).unwrap()).build().unwrap();
    let mut request = http::Request::get("https://api.openai.com/v1").body("").unwrap();
    local().authorize(&mut request, &KeyHeader::BEARER).unwrap();
    run(client.execute(request.try_into().unwrap())).unwrap();
    assert!(proxy.heads().contains(&format!("authorization: Bearer {KEY}\r\n")));
}

/// A proxy may be another machine, and its `localhost` too.
#[test]
fn what_may_go_to_this_machine_does_not_go_through_a_proxy() {
    let [upstream, proxy] = [(); 2].map(|()| Server::replying(http("200 OK", "", "")));
    let with_proxy = ReqwestClient::with_proxy(Client::builder(), &proxy.uri());
    let others = proxied(&proxy.uri()).map(ReqwestClient::new);
    let mut sent = 0;
    for client in others.into_iter().chain([with_proxy]) {
        for host in ["127.0.0.1", "localhost"] {
            let uri = upstream.uri().replace("127.0.0.1", host);
            send(client.as_ref().unwrap(), &uri, &local()).unwrap();
            sent += 1;
        }
    }
    assert_eq!((proxy.connections(), upstream.connections()), (0, sent));
    assert_eq!(sent, 10);
}

#[cfg(unix)]
#[test]
fn nothing_for_https_goes_to_a_unix_socket_without_tls() {
    let name = format!("sealwax-credentials-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let builder = Client::builder().unix_socket(&*path).timeout(Duration::from_secs(1));
    let client = ReqwestClient::new(builder).unwrap();
    let error = send(&client, "https://api.openai.com/v1", &local()).unwrap_err();
    assert!(matches!(error, SendError::NoTls), "{error:?}");
    assert_eq!(socket.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_proxy_that_is_no_url_is_refused() {
    for proxy in ["", "http://", "http://a b/"] {
        let client = ReqwestClient::with_proxy(Client::builder(), proxy);
        assert!(matches!(client, Err(SendError::Build(_))), "{proxy}: {client:?}");
    }
}

#[test]
fn debug_shows_no_password_of_a_proxy() {
    let client = ReqwestClient::with_proxy(Client::builder(), "http://user:password@127.0.0.1:1/");
    assert_eq!(format!("{:?}", client.unwrap()), "ReqwestClient { .. }");
}
