//! `sealwax-credentials` accepts a URI only if its authority is an allowed host, with or without the port. If it does,
//! the URL parser of browsers sees the same host, the same port and no user info.

use std::sync::LazyLock;

use http::Uri;
use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
use sealwax_credentials::{BoundSecret, open_bound};
use url::Url;

const HOSTS: [&str; 4] = ["a.b", "api.openai.com", "xn--bcher-kva.example", "7.0x1"];
const PORT: u16 = 8443;

/// One that allows the hosts alone, one that allows another port, and one that allows this machine.
static SECRETS: LazyLock<[BoundSecret; 3]> = LazyLock::new(|| {
    let keyring = Keyring::new("k".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let context = EncryptionContext::empty().with_hosts(&HOSTS).unwrap();
    let envelope = keyring.seal(&Secret::from("sk-12345"), &context).unwrap();
    let open = || open_bound(&keyring, &envelope, &context).unwrap();
    [open(), open().allowing_other_port(PORT), open().allowing_loopback_for_testing_only()]
});

/// The input is a URI. `\x01` and what follows it, one byte, is short for a host, so that short inputs reach far.
pub(crate) fn check(input: &[u8]) -> bool {
    let mut bytes = Vec::new();
    let mut rest = input.iter();
    while let Some(byte) = rest.next() {
        match byte {
            1 => {
                let choice = usize::from(rest.next().copied().unwrap_or(0));
                bytes.extend_from_slice(HOSTS[choice % HOSTS.len()].as_bytes());
            }
            byte => bytes.push(*byte),
        }
    }
    let Ok(text) = String::from_utf8(bytes) else { return false };
    // As it is, and as a browser writes it.
    let url = Url::parse(&text).ok();
    let uris = [Some(text.as_str()), url.as_ref().map(Url::as_str)];
    let uris: Vec<Uri> = uris.into_iter().flatten().filter_map(|text| text.parse().ok()).collect();
    for uri in &uris {
        for (number, secret) in SECRETS.iter().enumerate() {
            let port = (number == 1).then_some(PORT);
            let is_accepted = secret.check(uri).is_ok();
            assert_eq!(is_accepted, expected(uri, port, number == 2), "{uri}");
            if is_accepted {
                agree(uri);
            }
        }
    }
    !uris.is_empty()
}

/// Compares whole authorities, and takes nothing apart.
fn expected(uri: &Uri, port: Option<u16>, loopback: bool) -> bool {
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let authority = authority.as_str();
    let is = |host: &str, port: u16| authority == format!("{host}:{port}");
    let hosts = &HOSTS[..3];
    let is_a_host = hosts
        .iter()
        .any(|host| authority == *host || is(host, 443) || port.is_some_and(|port| is(host, port)));
    let is_port =
        |port: &str| port.parse().is_ok_and(|number: u16| number > 0 && number.to_string() == port);
    let is_this_machine = ["127.0.0.1", "[::1]", "localhost"].iter().any(|host| {
        let rest = authority.strip_prefix(host);
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
    });
    (scheme == "https" && is_a_host)
        || (loopback && matches!(scheme, "http" | "https") && is_this_machine)
}

/// What was accepted means the same to the URL parser of browsers.
fn agree(uri: &Uri) {
    // A URI may have characters in its path that `url` writes in another way, but its authority is the same.
    let url = Url::parse(&uri.to_string()).unwrap();
    let authority = uri.authority().unwrap();
    assert_eq!(url.host_str(), Some(authority.host()));
    assert_eq!(Some(url.scheme()), uri.scheme_str());
    let port = authority.port_u16().filter(|port| Some(*port) != default_port(&url));
    assert_eq!(url.port(), port);
    assert_eq!((url.username(), url.password()), ("", None));
}

fn default_port(url: &Url) -> Option<u16> {
    match url.scheme() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}
