//! Redirects, none of which a client follows.

use http::Uri;
use http::header::LOCATION;
use sealwax_credentials::{DestinationError, KeyHeader};

use super::clients::CLIENTS;
use super::server::{Server, http};
use crate::{KEY, bound};

const STATUSES: [&str; 5] =
    ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"];

#[test]
fn no_redirect_is_followed() {
    let target = Server::replying(http("200 OK", "", "reached"));
    let places = [
        // To another host, as clients see it, and to another port of the same one.
        format!("http://localhost:{}/v1", target.port()),
        target.uri(),
        format!("//localhost:{}/v1", target.port()),
        format!("http://user@127.0.0.1:{}/v1", target.port()),
    ];
    let mut refused = 0;
    for (name, send) in CLIENTS {
        for status in STATUSES {
            for place in &places {
                let server = Server::replying(http(status, &format!("location: {place}\r\n"), ""));
                let secret = bound(KEY).allowing_loopback_for_testing_only();
                let reply = send(&server.uri(), &secret, &KeyHeader::X_API_KEY).unwrap();
                assert!(reply.status.is_redirection(), "{name}: {status} to {place}");
                assert_eq!(reply.headers[LOCATION], *place);
                assert_eq!(server.connections(), 1);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, CLIENTS.len() * 5 * 4);
    assert_eq!((target.connections(), target.heads().as_str()), (0, ""));
}

/// A service that follows a redirect itself makes a new request, which is checked.
#[test]
fn a_redirect_is_checked_like_any_other_request() {
    let secret = bound(KEY);
    for (location, expected) in [
        ("https://api.openai.com/v2", Ok(())),
        ("https://evil.example/", Err(DestinationError::Host)),
        ("http://api.openai.com/v2", Err(DestinationError::NotHttps)),
        ("https://eu.api.openai.com/", Err(DestinationError::Host)),
        ("https://openai.com/", Err(DestinationError::Host)),
        ("https://api.openai.com:8443/", Err(DestinationError::Port)),
        ("https://169.254.169.254/", Err(DestinationError::IpAddress)),
        ("//evil.example/", Err(DestinationError::NotAbsolute)),
        ("/v2", Err(DestinationError::NotAbsolute)),
    ] {
        assert_eq!(secret.check(&location.parse::<Uri>().unwrap()), expected, "{location}");
    }
}

/// What the tests above would see if a client followed: reqwest by default sends the key to the other host.
#[cfg(feature = "reqwest")]
#[test]
fn a_client_that_follows_is_noticed() {
    let target = Server::replying(http("200 OK", "", "reached"));
    let place = format!("location: http://localhost:{}/v1\r\n", target.port());
    let server = Server::replying(http("307 Temporary", &place, ""));
    let secret = bound(KEY).allowing_loopback_for_testing_only();
    let mut request = http::Request::get(server.uri()).body("").unwrap();
    secret.authorize(&mut request, &KeyHeader::X_API_KEY).unwrap();
    super::clients::run(async {
        let client = reqwest::Client::new();
        client.execute(request.try_into().unwrap()).await.unwrap();
    });
    assert!(target.heads().contains(&format!("x-api-key: {KEY}")));
}
