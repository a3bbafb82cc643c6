//! The connectors that hyper's client may have.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use sealwax_credentials::{HyperClient, KeyHeader, SendError};
use tower_service::Service;

use super::clients::run;
use super::server::{Server, http};
use crate::{KEY, bound};

/// A connector of one's own, which speaks plaintext.
#[derive(Clone)]
struct Plaintext(HttpConnector);

impl Service<Uri> for Plaintext {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        self.0.call(uri)
    }
}

/// A connector that takes too long.
#[derive(Clone)]
struct Slow;

impl Service<Uri> for Slow {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

fn send(
    connector: impl Connect + Clone + Send + Sync + 'static,
    server: &Server,
) -> Result<(), SendError> {
    let uri = server.uri().replace("http", "https");
    let request = http::Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    let secret = bound(KEY).allowing_loopback_for_testing_only();
    run(async {
        let client = HyperClient::new(Client::builder(TokioExecutor::new()).build(connector));
        client.send(request, &secret, &KeyHeader::BEARER).await.map(|_| ())
    })
}

/// As the first comment of `HyperClient` says.
#[test]
fn only_the_connector_of_hyper_is_known_to_have_no_tls() {
    let server = Server::replying(http("200 OK", "", ""));
    let mut connector = HttpConnector::new();
    for enforce_http in [true, false] {
        connector.enforce_http(enforce_http);
        let error = send(connector.clone(), &server).unwrap_err();
        assert!(matches!(error, SendError::NoTls), "{error:?}");
    }
    assert_eq!(server.connections(), 0);
    send(Plaintext(connector), &server).unwrap();
    assert!(server.heads().contains(&format!("authorization: Bearer {KEY}\r\n")));
}

#[test]
fn a_timeout_is_one() {
    let server = Server::replying(http("200 OK", "", ""));
    let error = send(Slow, &server).unwrap_err();
    assert!(matches!(error, SendError::Timeout), "{error:?}");
    assert_eq!(error.to_string(), "the upstream took too long");
}

#[test]
fn debug_shows_no_connector() {
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(Slow);
    assert_eq!(format!("{:?}", HyperClient::new(client)), "HyperClient { .. }");
}
