//! Redirects over TLS, none of which a client follows.

use http::header::LOCATION;

use crate::bound;
use crate::clients::{CLIENTS, builder, run};
use crate::server::{Server, http};
use crate::{HOST, KEY};

#[test]
fn no_redirect_is_followed() {
    let (mut refused, sub) = (0, format!("eu.{HOST}"));
    for (name, send) in CLIENTS {
        for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
        {
            // The target would be reached: it is this machine, and its certificate is the one that the client trusts.
            let target = Server::new(&["localhost"], http("200 OK", ""));
            for place in [
                format!("https://localhost:{}/v1", target.port),
                format!("http://localhost:{}/v1", target.port),
                format!("//localhost:{}/v1", target.port),
                format!("https://{sub}/v1"),
                "/v2".to_owned(),
            ] {
                let reply = http(status, &format!("location: {place}\r\n"));
                let server = Server::new(&["localhost", &sub], reply);
                let uri = format!("https://localhost:{}/v1", server.port);
                let (status, headers) = send(&server, &uri, &bound(server.port)).unwrap();
                assert!(status.is_redirection(), "{name}: {status} to {place}");
                assert_eq!(headers[LOCATION], *place);
                assert_eq!((server.connections(), target.connections()), (1, 0), "{name}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2 * 5 * 5);
}

/// The control: reqwest alone sends the key to another host.
#[test]
fn a_client_that_follows_is_noticed() {
    let target = Server::new(&["localhost"], http("200 OK", ""));
    let place = format!("location: https://localhost:{}/v1\r\n", target.port);
    let server = Server::new(&[HOST], http("307 Temporary", &place));
    let uri = format!("https://{HOST}:{}/v1", server.port);
    run(async {
        let client =
            builder(&server).tls_certs_only([server.root(), target.root()]).build().unwrap();
        client.get(uri).header("x-api-key", KEY).send().await.unwrap();
    });
    assert!(target.heads().contains(&format!("x-api-key: {KEY}\r\n")));
}
