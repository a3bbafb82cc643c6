//! What the clients log.
//!
//! hyper itself logs only if it is built with `--cfg hyper_unstable_tracing`.

use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};
use sealwax_credentials::KeyHeader;

use super::clients::CLIENTS;
use super::server::{Server, http};
use crate::bound;

/// Its base64 is known. No other test has it, because the log has what all tests of this process do.
const KEY: &str = "tr-4Hq8_Zk2Wd6.Nv9Lx3Cb7";
const BASE64: &str = "dHItNEhxOF9aazJXZDYuTnY5THgzQ2I3";

static LOG: Mutex<String> = Mutex::new(String::new());

struct Catcher;

impl Log for Catcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LOG.lock().unwrap().push_str(&format!("{}: {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn shows(log: &str) -> bool {
    let forms = [KEY, BASE64].map(str::as_bytes);
    forms
        .iter()
        .flat_map(|form| form.windows(6))
        .any(|part| log.contains(std::str::from_utf8(part).unwrap()))
}

#[test]
fn no_log_shows_the_key() {
    log::set_logger(&Catcher).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let server = Server::replying(http("200 OK", "", ""));
    let secret = bound(KEY).allowing_loopback_for_testing_only();
    for (_, send) in CLIENTS {
        send(&server.uri(), &secret, &KeyHeader::BEARER).unwrap();
    }
    assert!(server.heads().contains(KEY));
    let log = LOG.lock().unwrap().clone();
    assert!(log.contains("hyper_util"), "nothing was caught");
    assert_eq!(log.contains("reqwest"), cfg!(feature = "reqwest"));
    assert!(!shows(&log));

    // A client that logs bytes is noticed.
    #[cfg(feature = "reqwest")]
    {
        let mut request = http::Request::get(server.uri()).body("").unwrap();
        secret.authorize(&mut request, &KeyHeader::BEARER).unwrap();
        super::clients::run(async {
            let client = reqwest::Client::builder().connection_verbose(true).build().unwrap();
            client.execute(request.try_into().unwrap()).await.unwrap();
        });
        assert!(shows(&LOG.lock().unwrap()));
    }
}
