//! Each client that this build has, behind one function.

use std::time::Duration;

use http::{Extensions, HeaderMap, StatusCode};
use sealwax_credentials::{BoundSecret, KeyHeader, SendError};

/// A reply: its body is in the chunks in which it came.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
    pub(crate) chunks: Vec<Vec<u8>>,
}

/// Far more than any request to this machine takes.
const DEADLINE: Duration = Duration::from_secs(60);

type Send = fn(&str, &BoundSecret, &KeyHeader) -> Result<Reply, SendError>;

pub(crate) const CLIENTS: &[(&str, Send)] = &[
    #[cfg(feature = "hyper")]
    ("hyper", over_hyper),
    #[cfg(feature = "reqwest")]
    ("reqwest", over_reqwest),
];

/// Runs a future with sockets. A server that a panic has stopped may never answer.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.unwrap() })
}

#[cfg(feature = "hyper")]
fn over_hyper(uri: &str, secret: &BoundSecret, header: &KeyHeader) -> Result<Reply, SendError> {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    run(async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
        let client = sealwax_credentials::HyperClient::new(client);
        let request = http::Request::get(uri).body(Empty::new()).unwrap();
        let (parts, mut body) = client.send(request, secret, header).await?.into_parts();
        let mut chunks = Vec::new();
        while let Some(frame) = body.frame().await {
            chunks.extend(frame.unwrap().into_data().map(Vec::from));
        }
        let (status, headers, extensions) = (parts.status, parts.headers, parts.extensions);
        Ok(Reply { status, headers, extensions, chunks })
    })
}

#[cfg(feature = "reqwest")]
fn over_reqwest(uri: &str, secret: &BoundSecret, header: &KeyHeader) -> Result<Reply, SendError> {
    run(async {
        // What would show or repeat the key, if the client allowed it.
        let builder = reqwest::Client::builder()
            .connection_verbose(true)
            .redirect(reqwest::redirect::Policy::limited(10));
        let client = sealwax_credentials::ReqwestClient::new(builder)?;
        let request = reqwest::Request::new(http::Method::GET, uri.parse().unwrap());
        let mut response = client.send(request, secret, header).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let extensions = response.extensions().clone();
        let mut chunks = Vec::new();
        while let Some(chunk) = response.chunk().await.unwrap() {
            chunks.push(chunk.into());
        }
        Ok(Reply { status, headers, extensions, chunks })
    })
}
