//! HTTP/2: what a server says when it closes a connection is in the errors of the HTTP clients, and in none of ours.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use reqwest::Request;
use sealwax_credentials::{HyperClient, KeyHeader, ReqwestClient, SendError};

use crate::clients::run;
use crate::server::listen;
use crate::{KEY, bound};

/// Types of frames (RFC 9113, section 6).
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// A flag: the head is complete, or the settings are acknowledged.
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const STATUS_200: u8 = 0x88;
const ENHANCE_YOUR_CALM: u8 = 0xb;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[0, 0, len, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Starts a server that answers requests by closing their connections with the key as the reason: at once, or after the
/// head of a reply and a word from the test.
fn server(word: Option<Receiver<()>>) -> String {
    let word = word.map(|word| Arc::new(Mutex::new(word)));
    let port = listen(move |mut stream| {
        let _ = serve(&mut stream, word.as_deref());
    });
    format!("http://127.0.0.1:{port}/v1")
}

fn serve(stream: &mut TcpStream, word: Option<&Mutex<Receiver<()>>>) -> std::io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload)?;
        match head[3] {
            SETTINGS if head[4] != ACK => stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            HEADERS => break,
            _ => {}
        }
    }
    if let Some(word) = word {
        stream.write_all(&frame(HEADERS, END_HEADERS, 1, &[STATUS_200]))?;
        word.lock().unwrap().recv().unwrap();
    }
    let end = [&[0, 0, 0, 0, 0, 0, 0, ENHANCE_YOUR_CALM], KEY.as_bytes()].concat();
    stream.write_all(&frame(GOAWAY, 0, 0, &end))?;
    let _ = stream.read(&mut [0; 4096]);
    Ok(())
}

/// Returns everything that an error says.
fn said(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(|cause| format!("{cause} {cause:?} {cause:#?} ")).collect()
}

fn assert_silent(error: &SendError) {
    assert!(matches!(error, SendError::Connection(_)), "{error:?}");
    let said = said(error);
    assert!(said.starts_with("the connection to the host failed"));
    for part in KEY.as_bytes().windows(4) {
        assert!(!said.contains(std::str::from_utf8(part).unwrap()));
    }
}

fn reqwest_client() -> ReqwestClient {
    ReqwestClient::new(reqwest::Client::builder().http2_prior_knowledge().tls_certs_only([]))
        .unwrap()
}

type OverHyper = HyperClient<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>;

fn hyper_client() -> OverHyper {
    HyperClient::new(Client::builder(TokioExecutor::new()).http2_only(true).build_http())
}

#[test]
fn an_error_does_not_repeat_why_a_server_goes_away() {
    crate::server::use_ring();
    let uri = server(None);
    run(async {
        let request = Request::new(Method::GET, uri.parse().unwrap());
        let reply = reqwest_client().send(request, &bound(1), &KeyHeader::BEARER).await;
        assert_silent(&reply.unwrap_err());
        let request = http::Request::get(&uri).body(Empty::new()).unwrap();
        let reply = hyper_client().send(request, &bound(1), &KeyHeader::BEARER).await;
        assert_silent(&reply.unwrap_err());

        // The control: the clients alone do.
        let client = reqwest::Client::builder().http2_prior_knowledge().tls_certs_only([]);
        let error = client.build().unwrap().get(&uri).send().await.unwrap_err();
        assert!(said(&error).contains(KEY));
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let request = http::Request::get(&uri).body(Empty::<Bytes>::new()).unwrap();
        assert!(said(&client.request(request).await.unwrap_err()).contains(KEY));
    });
}

/// While a body is read, the error is the client's own, and becomes one of ours.
#[test]
fn an_error_in_the_body_does_not_either_once_it_is_ours() {
    crate::server::use_ring();
    let (word, listened) = channel();
    let uri = server(Some(listened));
    run(async {
        let request = Request::new(Method::GET, uri.parse().unwrap());
        let client = reqwest_client();
        let mut reply = client.send(request, &bound(1), &KeyHeader::BEARER).await.unwrap();
        word.send(()).unwrap();
        let error = reply.chunk().await.unwrap_err();
        assert!(said(&error).contains(KEY));
        assert_silent(&error.into());

        let request = http::Request::get(&uri).body(Empty::new()).unwrap();
        let client = hyper_client();
        let reply = client.send(request, &bound(1), &KeyHeader::BEARER).await.unwrap();
        word.send(()).unwrap();
        let error = reply.into_body().frame().await.unwrap().unwrap_err();
        assert!(said(&error).contains(KEY));
        assert_silent(&error.into());
    });
}
