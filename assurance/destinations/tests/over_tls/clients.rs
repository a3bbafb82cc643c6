//! The clients, behind one function, and what they do with a certificate.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use reqwest::{ClientBuilder, Request};
use sealwax_credentials::{BoundSecret, HyperClient, KeyHeader, ReqwestClient, SendError};

use crate::server::{Server, http};
use crate::{HOST, KEY, bound};

/// Far more than any request to this machine takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

type Reply = (StatusCode, HeaderMap);
type Send = fn(&Server, &str, &BoundSecret) -> Result<Reply, SendError>;

pub(crate) const CLIENTS: [(&str, Send); 2] = [("hyper", over_hyper), ("reqwest", over_reqwest)];

/// Runs a future with sockets. A server that a panic has stopped may never answer.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.unwrap() })
}

/// Returns a builder that trusts the server, and finds the host on this machine.
pub(crate) fn builder(server: &Server) -> ClientBuilder {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    reqwest::Client::builder().tls_certs_only([server.root()]).resolve(HOST, here)
}

pub(crate) async fn send(
    client: &ReqwestClient,
    uri: &str,
    secret: &BoundSecret,
) -> Result<Reply, SendError> {
    let request = Request::new(Method::GET, uri.parse().unwrap());
    let response = client.send(request, secret, &KeyHeader::X_API_KEY).await?;
    Ok((response.status(), response.headers().clone()))
}

fn over_reqwest(server: &Server, uri: &str, secret: &BoundSecret) -> Result<Reply, SendError> {
    let client = ReqwestClient::new(builder(server))?;
    run(send(&client, uri, secret))
}

fn over_hyper(server: &Server, uri: &str, secret: &BoundSecret) -> Result<Reply, SendError> {
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(server.roots())
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .build();
    run(async {
        let client = HyperClient::new(Client::builder(TokioExecutor::new()).build(connector));
        let request = http::Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        let parts = client.send(request, secret, &KeyHeader::X_API_KEY).await?.into_parts().0;
        Ok((parts.status, parts.headers))
    })
}

#[test]
fn a_key_goes_over_tls() {
    for (name, send) in CLIENTS {
        let server = Server::new(&["localhost"], http("200 OK", ""));
        let uri = format!("https://localhost:{}/v1", server.port);
        let (status, _) = send(&server, &uri, &bound(server.port)).unwrap();
        assert_eq!(status, StatusCode::OK, "{name}");
        assert!(server.heads().contains(&format!("x-api-key: {KEY}\r\n")), "{name}");
    }
}

/// The certificate is what makes a host of a machine.
#[test]
fn a_machine_without_the_certificate_gets_nothing() {
    for (name, send) in CLIENTS {
        for (names, trusts) in [(["evil.example"], true), (["localhost"], false)] {
            let server = Server::new(&names, http("200 OK", ""));
            let other = Server::new(&["localhost"], String::new());
            let uri = format!("https://localhost:{}/v1", server.port);
            let trusted = if trusts { &server } else { &other };
            let error = send(trusted, &uri, &bound(server.port)).unwrap_err();
            assert!(matches!(error, SendError::Connect(_)), "{name}: {error:?}");
            assert!(!format!("{error:?} {error}").contains("evil"), "{name}");
            assert!(server.connections() > 0);
            assert_eq!(server.heads(), "", "{name}");
        }
    }
}
