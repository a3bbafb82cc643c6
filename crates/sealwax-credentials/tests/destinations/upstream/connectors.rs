//! The connectors that hyper's client may have.

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
