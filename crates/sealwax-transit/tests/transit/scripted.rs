//! A transport without a network, and requests to send over it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use sealwax::{
    DataKey, KeyId, ProviderError, ProviderFuture, Secret, Suite, UnwrapRequest, WrapRequest,
};
use sealwax_transit::{
    Body, KeyLocation, Token, TransitError, TransitKey, Transport, TransportError,
};
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "s.CANARYtokenCANARYtoken42";
/// The data key of [`data_key`], in base64.
pub(crate) const DATA_KEY_BASE64: &str = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8=";
pub(crate) const BODY: &[u8] = b"vault:v1:W1zKInJOX+1zFQs/0uMF2PxUEOmvyoODKQhsQ+CWN/QPMKtz";
/// The reply of OpenBao to a request for a key, shortened.
pub(crate) const KEY: &str = r#"{"request_id":"ff3f28b5-96ca-7ad1-1ed3-b44ae8ef15a2","lease_id":"","renewable":false,
    "data":{"deletion_allowed":false,"derived":false,"keys":{"1":1795755139},"latest_version":1,
    "min_decryption_version":1,"name":"byok","soft_deleted":false,"type":"aes256-gcm96"},"warnings":null}"#;

/// A request as it was sent.
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl From<Request<Body>> for Sent {
    fn from(request: Request<Body>) -> Self {
        let (parts, body) = request.into_parts();
        let body = body.as_ref().to_vec();
        Self { method: parts.method, uri: parts.uri.to_string(), headers: parts.headers, body }
    }
}

type Script = dyn FnMut(&Sent) -> Result<Response<Body>, TransportError> + Send;

/// Replies as its script says, and keeps the requests.
pub(crate) struct Scripted {
    script: Mutex<Box<Script>>,
    sent: Mutex<Vec<Sent>>,
}

impl Scripted {
    pub(crate) fn new(
        script: impl FnMut(&Sent) -> Result<Response<Body>, TransportError> + Send + 'static,
    ) -> Self {
        Self { script: Mutex::new(Box::new(script)), sent: Mutex::default() }
    }

    /// Gives every request the same reply.
    pub(crate) fn always(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::new(move |_| Ok(reply(status, &body)))
    }

    pub(crate) fn sent(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap()
    }
}

impl Transport for Scripted {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        let sent = Sent::from(request);
        let reply = self.script.lock().unwrap()(&sent);
        self.sent().push(sent);
        ProviderFuture::ready(reply)
    }
}

pub(crate) fn reply(status: u16, body: &str) -> Response<Body> {
    let mut reply = Response::new(Body::try_from(body.as_bytes().to_vec()).unwrap());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

pub(crate) fn location() -> KeyLocation {
    KeyLocation::new("https://bao.example:8200", "byok").unwrap()
}

pub(crate) fn token() -> Token {
    Token::new(&Secret::from(TOKEN)).unwrap()
}

/// Returns a provider that did not ask the service anything yet, and the service.
pub(crate) fn unchecked(service: Scripted) -> (TransitKey<Arc<Scripted>>, Arc<Scripted>) {
    let service = Arc::new(service);
    (TransitKey::unchecked(Arc::clone(&service), location(), token()), service)
}

/// The data key that counts up from 0xa0.
pub(crate) fn data_key() -> DataKey {
    let mut bytes: Vec<u8> = (0xa0..0xc0).collect();
    DataKey::from_bytes(&mut bytes).unwrap()
}

/// What the requests of a test borrow.
pub(crate) struct Row {
    key_id: KeyId,
    commitment: [u8; 32],
    data_key: DataKey,
}

impl Row {
    /// Rows with different numbers have different commitments.
    pub(crate) fn new(number: u32) -> Self {
        let mut commitment = [7; 32];
        commitment[..4].copy_from_slice(&number.to_be_bytes());
        Self { key_id: "transit/byok".parse().unwrap(), commitment, data_key: data_key() }
    }

    pub(crate) fn wrap(&self) -> WrapRequest<'_> {
        WrapRequest::new(&self.key_id, Suite::default(), &self.commitment, &self.data_key)
    }

    pub(crate) fn unwrap<'a>(&'a self, body: &'a [u8]) -> UnwrapRequest<'a> {
        UnwrapRequest::new(&self.key_id, Suite::default(), &self.commitment, body)
    }
}

/// The error of this crate inside a provider's error.
pub(crate) fn cause(error: &ProviderError) -> &TransitError {
    std::error::Error::source(error).unwrap().downcast_ref().unwrap()
}

/// Encrypts as Transit does, except that the ciphertext is the plaintext and the associated data.
pub(crate) fn transit(sent: &Sent, version: u32) -> Response<Body> {
    let request = sent.json();
    let one = |item: &Value| {
        let data = item["associated_data"].as_str().unwrap().replace('=', "");
        match (item["plaintext"].as_str(), item["ciphertext"].as_str()) {
            (Some(plaintext), None) => {
                json!({ "ciphertext": format!("vault:v{version}:{data}{plaintext}"), "key_version": version })
            }
            (None, Some(ciphertext)) => match ciphertext.split_once(&data) {
                Some((_, plaintext)) => json!({ "plaintext": plaintext, "reference": "" }),
                None => {
                    json!({ "plaintext": "", "error": "cipher: message authentication failed" })
                }
            },
            _ => panic!("neither plaintext nor ciphertext"),
        }
    };
    let data = match request["batch_input"].as_array() {
        Some(items) => json!({ "batch_results": items.iter().map(one).collect::<Vec<_>>() }),
        None => one(&request),
    };
    reply(200, &json!({ "request_id": "fd1a8b5c", "data": data, "warnings": null }).to_string())
}

/// A service whose key has a version that the test sets.
pub(crate) fn versioned(version: &Arc<AtomicU32>) -> Scripted {
    let version = Arc::clone(version);
    Scripted::new(move |sent| {
        let version = version.load(Ordering::Relaxed);
        if sent.uri.contains("/keys/") {
            let latest = format!(r#""latest_version":{version}"#);
            return Ok(reply(200, &KEY.replace(r#""latest_version":1"#, &latest)));
        }
        Ok(transit(sent, version))
    })
}
