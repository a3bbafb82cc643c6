//! No output of a type or an error of this crate shows four consecutive bytes of a key or of a URI.

use std::error::Error;
use std::fmt::Write;

use http::{HeaderMap, Request};
use sealwax_credentials::{KeyHeader, RedactError};

use crate::{KEY, bound, try_bound};

/// A host and a path that are like no word.
const ELSEWHERE: &str = "https://zqxj-vkwy.example:9317/Hd8BnGm6Ry?Tf1WcLx=Dk5Fs2Zs8";

/// Returns everything that an error says.
pub(crate) fn said(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut text = String::new();
    for cause in causes {
        write!(text, "{cause} {cause:?} {cause:#?} ").unwrap();
    }
    text
}

#[test]
fn no_output_shows_a_key_or_a_uri() {
    let mut outputs = Vec::new();
    let secret = bound(KEY);
    outputs.push(format!("{secret:?} {secret:#?}"));
    outputs.push(format!("{:?}", bound(KEY).allowing_loopback_for_testing_only()));
    let mut redactor = crate::redactor(&secret);
    redactor.push(&KEY.as_bytes()[..20], |_| ());
    outputs.push(format!("{redactor:?} {redactor:#?}"));

    let mut request = Request::post("https://api.openai.com/").body(()).unwrap();
    secret.authorize(&mut request, &KeyHeader::BEARER).unwrap();
    outputs.push(format!("{request:?} {request:#?} {:?}", request.headers()["authorization"]));
    let copy = request.clone();
    outputs.push(format!("{:?} {:?}", copy.headers(), copy.headers().get("authorization")));
    outputs.push(said(&secret.authorize(&mut request, &KeyHeader::BEARER).unwrap_err()));
    outputs.push(said(&secret.authorize(&mut request, &KeyHeader::KEY).unwrap_err()));

    for uri in [
        ELSEWHERE.to_owned(),
        ELSEWHERE.replace("https", "http"),
        ELSEWHERE.replace("zqxj-vkwy.example:9317", "api.openai.com:9317"),
        ELSEWHERE.replace("zqxj", "zqxj@zqxj"),
        ELSEWHERE.replace("zqxj-vkwy.example", "127.0.0.1"),
        ELSEWHERE.replace("zqxj-vkwy.example", "localhost"),
        "zqxj-vkwy.example".to_owned(),
    ] {
        let mut request = Request::post(uri).body(()).unwrap();
        outputs.push(said(&secret.authorize(&mut request, &KeyHeader::BEARER).unwrap_err()));
    }
    let header = KeyHeader::new(http::header::AUTHORIZATION, "zqxj\nvkwy");
    let mut request = Request::post("https://api.openai.com/").body(()).unwrap();
    outputs.push(said(&secret.authorize(&mut request, &header).unwrap_err()));
    outputs.push(said(&try_bound([KEY, "\n"].concat(), &["a.example"]).unwrap_err()));

    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", KEY.parse().unwrap());
    let error = secret.redactor(&mut headers).unwrap_err();
    assert_eq!(error, RedactError::Encoded);
    outputs.push(said(&error));
    outputs.push(said(&try_bound(&KEY.as_bytes()[..7], &["a.example"]).unwrap_err()));

    assert_eq!(outputs.len(), 18);
    for (number, output) in outputs.iter().enumerate() {
        assert!(output.len() > 20, "output {number} is empty");
        let hidden = ELSEWHERE.strip_prefix("https://").unwrap().replace("example", "");
        for window in KEY.as_bytes().windows(4).chain(hidden.as_bytes().windows(4)) {
            let window = std::str::from_utf8(window).unwrap();
            assert!(!output.contains(window), "output {number}");
        }
    }
    // The search finds what is shown.
    assert!(outputs[0].contains("api.openai.com"));
}
