//! Upstreams that repeat the key.

use http::StatusCode;
use sealwax_credentials::{
    AuthorizeError, BoundSecret, DestinationError, KeyHeader, RedactError, SendError,
};

use super::clients::{CLIENTS, Reply};
use super::server::{Server, http};
use crate::{KEY, bound, redacted};

fn local() -> BoundSecret {
    bound(KEY).allowing_loopback_for_testing_only()
}

/// Returns the key, as the upstream found it in the head of a request.
fn key_in(head: &str) -> String {
    let value = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    value.unwrap().to_owned()
}

/// Returns what a service hands on of a reply.
fn handed_on(secret: &BoundSecret, mut reply: Reply) -> Result<String, RedactError> {
    secret.redactor(&mut reply.headers)?;
    let body = redacted(secret, reply.chunks.iter().map(Vec::as_slice));
    let head: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    Ok(format!("{}\n\n{}", head.join("\n"), String::from_utf8(body).unwrap()))
}

#[test]
fn an_echo_in_head_and_body_is_masked() {
    let server = Server::new(|head| {
        let key = key_in(head);
        let headers = format!(
            "x-echo: Bearer {key}\r\nlocation: /?k={key}\r\nwww-authenticate: key=\"{key}\"\r\n"
        );
        let body = format!("{{\"error\":\"Incorrect API key provided: {key}\",\"head\":{head:?}}}");
        vec![http("401 Unauthorized", &headers, &body).into_bytes()]
    });
    let secret = local();
    for (name, send) in CLIENTS {
        let reply = send(&server.uri(), &secret, &KeyHeader::BEARER).unwrap();
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        let body = reply.chunks.concat();
        let count = |text: &str| text.matches(KEY).count();
        // The key is there, five times.
        assert_eq!(count(std::str::from_utf8(&body).unwrap()), 2, "{name}");
        assert_eq!(
            reply.headers.values().map(|value| count(value.to_str().unwrap())).sum::<usize>(),
            3
        );
        let out = handed_on(&secret, reply).unwrap();
        assert_eq!(out.matches(&*"*".repeat(KEY.len())).count(), 5, "{name}");
        assert!(
            !KEY.as_bytes().windows(4).any(|part| out.contains(std::str::from_utf8(part).unwrap()))
        );
        assert!(out.contains("Incorrect API key provided: ****"));
    }
    // The upstream was given the key, and was asked for a body that can be searched.
    let heads = server.heads();
    assert_eq!(heads.matches(&format!("authorization: Bearer {KEY}\r\n")).count(), CLIENTS.len());
    assert_eq!(heads.matches("accept-encoding: identity\r\n").count(), CLIENTS.len());
}

/// hyper keeps such a phrase, and a server built on hyper would send it on.
#[test]
fn an_echo_in_the_reason_phrase_is_forgotten() {
    use hyper::ext::ReasonPhrase;
    let server = Server::new(|head| vec![http(&format!("401 {}", key_in(head)), "", "").into()]);
    for (name, send) in CLIENTS {
        let reply = send(&server.uri(), &local(), &KeyHeader::BEARER).unwrap();
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{name}");
        assert!(reply.extensions.get::<ReasonPhrase>().is_none(), "{name}");
    }
    // The upstream did send it.
    #[cfg(feature = "reqwest")]
    super::clients::run(async {
        let mut request = http::Request::get(server.uri()).body("").unwrap();
        local().authorize(&mut request, &KeyHeader::BEARER).unwrap();
        let reply = reqwest::Client::new().execute(request.try_into().unwrap()).await.unwrap();
        let phrase = reply.extensions().get::<ReasonPhrase>().unwrap();
        assert!(phrase.as_bytes() == KEY.as_bytes());
    });
}

#[test]
fn an_echo_in_chunks_is_masked_at_every_cut() {
    let page = format!("<p>{KEY}</p>");
    for (name, send) in CLIENTS {
        let (mut cuts, mut several) = (0, 0);
        for cut in 1..page.len() {
            let (first, second) = page.split_at(cut);
            let parts = [
                "HTTP/1.1 500 Oops\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                    .into(),
                format!("{:x}\r\n{first}\r\n", first.len()).into_bytes(),
                format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).into_bytes(),
            ];
            let server = Server::new(move |_| parts.to_vec());
            let secret = local();
            let reply = send(&server.uri(), &secret, &KeyHeader::BEARER).unwrap();
            several += usize::from(reply.chunks.len() > 1);
            let out = handed_on(&secret, reply).unwrap();
            assert!(
                out.ends_with(&format!("\n\n<p>{}</p>", "*".repeat(KEY.len()))),
                "{name}: {cut}"
            );
            cuts += 1;
        }
        assert_eq!(cuts, KEY.len() + 6);
        assert!(several > cuts / 2, "{name}: {several} bodies came in chunks");
    }
}

/// Bytes of gzip, which neither client unpacks: no feature for that is on, and `ReqwestClient` switches them off.
#[test]
fn a_gzipped_echo_is_refused() {
    let server = Server::new(|_| {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\n\r\n";
        // One block that is stored as it is, so the key is readable in it.
        let len = u8::try_from(KEY.len()).unwrap();
        let start = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, len, 0, !len, 0xff];
        vec![head.into(), [start.as_slice(), KEY.as_bytes(), &[0; 8]].concat()]
    });
    for (name, send) in CLIENTS {
        let secret = local();
        let reply = send(&server.uri(), &secret, &KeyHeader::BEARER).unwrap();
        assert!(reply.chunks.concat().starts_with(&[0x1f, 0x8b]), "{name}");
        assert_eq!(handed_on(&secret, reply).unwrap_err(), RedactError::Encoded, "{name}");
    }
}

/// The name of the next test, which it runs in a process of its own.
const PROXIED: &str = "upstream::echoes::no_proxy_of_the_environment_sees_a_key";

#[test]
fn no_proxy_of_the_environment_sees_a_key() {
    const UPSTREAM: &str = "SEALWAX_TEST_PROXIED";
    if let Ok(uri) = std::env::var(UPSTREAM) {
        for (_, send) in CLIENTS {
            send(&uri, &local(), &KeyHeader::BEARER).unwrap();
        }
        return;
    }
    let [upstream, proxy] = [(); 2].map(|()| Server::replying(http("200 OK", "", "")));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, proxy.uri());
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        child.env_remove(name);
    }
    let child = child.env(UPSTREAM, upstream.uri()).args(["--exact", PROXIED]);
    assert!(child.output().unwrap().status.success());
    assert_eq!(proxy.connections(), 0, "requests went to the proxy");
    assert_eq!(upstream.connections(), CLIENTS.len());
}

/// Nobody listens where the request goes, so the client fails.
#[test]
fn an_error_of_a_client_shows_neither_key_nor_uri() {
    let path = "/Hd8BnGm6Ry?Tf1WcLx=Dk5Fs2Zs8";
    for (name, send) in CLIENTS {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let uri = format!("http://127.0.0.1:{port}{path}");
        let error = send(&uri, &local(), &KeyHeader::BEARER).err().unwrap();
        let refused = std::io::ErrorKind::ConnectionRefused;
        assert!(matches!(error, SendError::Connect(Some(kind)) if kind == refused), "{name}");
        let said = crate::canary::said(&error);
        assert!(said.contains("no connection to the host: connection refused"));
        for part in KEY.as_bytes().windows(4).chain(path.as_bytes().windows(4)) {
            assert!(!said.contains(std::str::from_utf8(part).unwrap()), "{name}");
        }
    }
}

#[test]
fn an_error_of_a_client_says_what_failed() {
    let closes = Server::new(|_| Vec::new());
    let speaks = Server::replying("SSH-2.0-OpenSSH\r\n\r\n".to_owned());
    for (name, send) in CLIENTS {
        for server in [&closes, &speaks] {
            let error = send(&server.uri(), &local(), &KeyHeader::BEARER).err().unwrap();
            assert!(matches!(error, SendError::Connection(None)), "{name}: {error:?}");
            assert_eq!(error.to_string(), "the connection to the host failed", "{name}");
        }
    }
}

/// hyper alone has no timeouts: see `connectors`.
#[cfg(feature = "reqwest")]
#[test]
fn a_timeout_is_one() {
    // It takes the connection, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", silent.local_addr().unwrap());
    let builder = reqwest::Client::builder().timeout(std::time::Duration::from_millis(50));
    let client = sealwax_credentials::ReqwestClient::new(builder).unwrap();
    let request = reqwest::Request::new(http::Method::GET, uri.parse().unwrap());
    let reply = super::clients::run(client.send(request, &local(), &KeyHeader::BEARER));
    assert!(matches!(reply, Err(SendError::Timeout)), "{reply:?}");
}

#[test]
fn nothing_is_sent_to_another_place() {
    let server = Server::replying(http("200 OK", "", ""));
    for (name, send) in CLIENTS {
        let error = send(&server.uri(), &bound(KEY), &KeyHeader::BEARER).err().unwrap();
        let SendError::Authorize(AuthorizeError::Destination(why)) = error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!(why, DestinationError::NotHttps);
        let uri = server.uri().replace("127.0.0.1", "user@127.0.0.1");
        let error = send(&uri, &local(), &KeyHeader::BEARER).err().unwrap();
        let SendError::Authorize(AuthorizeError::Destination(why)) = error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!(why, DestinationError::UserInfo);
        // Without TLS, nothing is sent to https.
        let uri = server.uri().replace("http", "https");
        let error = send(&uri, &local(), &KeyHeader::BEARER).err().unwrap();
        assert!(matches!(error, SendError::NoTls), "{name}: {error:?}");
    }
    assert_eq!(server.connections(), 0);
    // It works.
    for (_, send) in CLIENTS {
        send(&server.uri(), &local(), &KeyHeader::BEARER).unwrap();
    }
    assert_eq!(server.connections(), CLIENTS.len());
}
