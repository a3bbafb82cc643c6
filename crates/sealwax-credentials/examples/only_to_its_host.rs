//! A key that was sealed for one host, the requests that it does not go into, and an upstream that repeats it.
//!
//! `cargo run -p sealwax-credentials --features reqwest --example only_to_its_host` prints:
//!
//! ```text
//! opened for other hosts: the envelope was sealed for another context
//! to https://api.openai.com/v1/models: may go
//! to https://api.openai.com.example/v1: the credential was not sealed for the host of the URI
//! to https://api.openai.com@example.com/: the URI has user info in front of the host
//! to http://api.openai.com/v1/models: the scheme of the URI is not https
//! to http://127.0.0.1/: the scheme of the URI is not https
//! the upstream replied: Incorrect API key provided: ******************
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use http::{Method, Uri};
use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
use sealwax_credentials::{BoundSecret, KeyHeader, ReqwestClient, SendError, open_bound};

fn main() -> Result<(), Box<dyn Error>> {
    let ring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
    let context = |hosts: &[&str]| EncryptionContext::new([("tenant", "acme")])?.with_hosts(hosts);
    let row = ring.seal(&Secret::from("sk-proj-4Jq8Zr2Lw0"), &context(&["api.openai.com"])?)?;

    let others = context(&["api.openai.com", "api.mistral.ai"])?;
    if let Err(error) = open_bound(&ring, &row, &others) {
        println!("opened for other hosts: {error}");
    }

    let key = open_bound(&ring, &row, &context(&["api.openai.com"])?)?;
    for uri in [
        "https://api.openai.com/v1/models",
        "https://api.openai.com.example/v1",
        "https://api.openai.com@example.com/",
        "http://api.openai.com/v1/models",
        "http://127.0.0.1/",
    ] {
        match key.check(&uri.parse::<Uri>()?) {
            Ok(()) => println!("to {uri}: may go"),
            Err(error) => println!("to {uri}: {error}"),
        }
    }

    let uri = upstream()?;
    let key = key.allowing_loopback_for_testing_only();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("the upstream replied: {}", runtime.block_on(ask(&uri, &key))?);
    Ok(())
}

/// Sends the key, and returns the body of the reply without it.
async fn ask(uri: &str, key: &BoundSecret) -> Result<String, Box<dyn Error>> {
    let client = ReqwestClient::new(reqwest::Client::builder())?;
    let request = reqwest::Request::new(Method::GET, uri.parse()?);
    let mut reply = client.send(request, key, &KeyHeader::BEARER).await?;

    let mut redactor = key.redactor(reply.headers_mut())?;
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.map_err(SendError::from)? {
        redactor.push(&chunk, |bytes| body.extend_from_slice(bytes));
    }
    redactor.finish(|bytes| body.extend_from_slice(bytes));
    Ok(String::from_utf8(body)?)
}

/// Starts an upstream on this machine that repeats the key of the first request, and returns its address.
fn upstream() -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let uri = format!("http://{}/v1/models", listener.local_addr()?);
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut key = String::new();
        for line in BufReader::new(stream.try_clone()?).lines() {
            let line = line?;
            if let Some(value) = line.strip_prefix("authorization: Bearer ") {
                value.clone_into(&mut key);
            }
            if line.is_empty() {
                break;
            }
        }
        let body = format!("Incorrect API key provided: {key}");
        let head = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all([head, body].concat().as_bytes())
    });
    Ok(uri)
}
