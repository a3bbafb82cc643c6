//! All providers, as one server: a proxy that takes `CONNECT api.openai.com:443`, and ends TLS with a certificate for that
//! name under a root that only the tests trust.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What a provider got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The host of the tunnel.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) root: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    acceptors: Arc<HashMap<String, TlsAcceptor>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let mut root = CertificateParams::new([]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().unwrap();
        let certificate = root.self_signed(&root_key).unwrap();
        let issuer = Issuer::new(root, root_key);
        let acceptors = byok_gateway::providers::all().map(|provider| {
            let key = KeyPair::generate().unwrap();
            let leaf = CertificateParams::new([provider.host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
                .unwrap();
            (provider.host.to_owned(), TlsAcceptor::from(Arc::new(config)))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            root: certificate.pem(),
            seen: Arc::default(),
            acceptors: Arc::new(acceptors.collect()),
        };
        let served = upstream.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = stream.set_nodelay(true);
                tokio::spawn(served.clone().tunnel(stream));
            }
        });
        upstream
    }

    /// Returns what the providers got since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    async fn tunnel(self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let host = head.strip_prefix("CONNECT ")?.split_once(":443 ")?.0.to_owned();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        let stream = self.acceptors.get(&host)?.accept(stream).await.ok()?;
        let router = Router::new().fallback(answer).with_state((self, host));
        let service = TowerToHyperService::new(router);
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok()
    }
}

/// Answers a request: `/echo` repeats the headers, `/headers` has some that are not for a customer's browser, `/slow` sends its
/// body in pieces, `/endless` without an end, `/status/401` has that status.
async fn answer(State((upstream, host)): State<(Upstream, String)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let seen = Seen { host, path: parts.uri.to_string(), headers: parts.headers.clone() };
    upstream.seen.lock().unwrap().push(seen);
    let mut response = Response::builder();
    if let Some(status) = path.strip_prefix("/status/") {
        response = response.status(status.parse::<StatusCode>().unwrap());
    }
    let end = if path == "/slow" { 10 } else { u32::MAX };
    let body = match path.as_str() {
        "/echo" => {
            response = response.header(
                "x-echo",
                parts.headers.get("authorization").cloned().unwrap_or_else(|| "none".parse().unwrap()),
            );
            Body::from(format!(
                "{:?} {:?}",
                parts
                    .headers
                    .iter()
                    .map(|(name, value)| (name, String::from_utf8_lossy(value.as_bytes())))
                    .collect::<Vec<_>>(),
                body
            ))
        }
        "/headers" => {
            let headers = [
                ("set-cookie", "a=b"),
                ("alt-svc", "h3=\":443\""),
                ("clear-site-data", "\"*\""),
                ("strict-transport-security", "max-age=0"),
                ("connection", "x-named"),
                ("x-named", "between neighbours"),
                ("x-kept", "yes"),
            ];
            response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
            Body::empty()
        }
        "/slow" | "/endless" => Body::from_stream(stream::unfold(0, move |number| async move {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            (number < end).then(|| (Ok::<_, std::io::Error>(format!("data: {number}\n\n")), number + 1))
        })),
        _ => Body::from("{\"ok\":true}\n"),
    };
    response.body(body).unwrap()
}
