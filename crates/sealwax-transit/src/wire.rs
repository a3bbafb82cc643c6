//! The JSON of requests and replies.
//!
//! Requests are written by hand: what goes into them is base64, or was checked to need no escapes, and so no data key
//! passes through a JSON value. Replies are read in place, out of the wiped buffer of the reply.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use http::{Response, StatusCode};
use sealwax::{DataKey, UnwrapRequest, WrapRequest};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::TransitError;
use crate::transport::{Body, TransportError};
use crate::version::Versions;

/// The most items in a request. The service allows 1,000 strings in its JSON, and an item has four.
pub(crate) const MAX_BATCH: usize = 249;

/// One of the two operations with a data key.
pub(crate) trait Operation: Copy + Send + Sync {
    type Output: Send;

    /// Refuses what the service need not be asked about.
    fn check(&self) -> Result<(), TransitError>;

    /// Writes the members of the item.
    fn write(&self, json: &mut Body) -> Result<(), TransportError>;

    /// Returns the result of an item that has no error; `None` if that is not what Transit says.
    fn read(item: &Item<'_>, versions: &Versions<'_>)
    -> Option<Result<Self::Output, TransitError>>;
}

impl Operation for WrapRequest<'_> {
    type Output = Vec<u8>;

    fn check(&self) -> Result<(), TransitError> {
        Ok(())
    }

    fn write(&self, json: &mut Body) -> Result<(), TransportError> {
        json.push(br#""plaintext":""#)?;
        push_base64(json, self.data_key().expose_secret())?;
        push_associated_data(json, &self.associated_data())
    }

    fn read(item: &Item<'_>, versions: &Versions<'_>) -> Option<Result<Vec<u8>, TransitError>> {
        let body = item.ciphertext?;
        let version = version_of(body.as_bytes())?;
        Some(versions.raise(version).map(|()| body.into()))
    }
}

impl Operation for UnwrapRequest<'_> {
    type Output = DataKey;

    fn check(&self) -> Result<(), TransitError> {
        version_of(self.body()).map(|_| ()).ok_or(TransitError::NotACiphertext)
    }

    fn write(&self, json: &mut Body) -> Result<(), TransportError> {
        json.push(br#""ciphertext":""#)?;
        json.push(self.body())?;
        push_associated_data(json, &self.associated_data())
    }

    fn read(item: &Item<'_>, _: &Versions<'_>) -> Option<Result<DataKey, TransitError>> {
        let text = item.plaintext?;
        let mut buffer = Zeroizing::new(vec![0; text.len()]);
        let length = Base64::decode(text, &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(
            DataKey::from_bytes(&mut buffer).map_err(|source| TransitError::NotADataKey { source }),
        )
    }
}

fn push_associated_data(json: &mut Body, data: &[u8]) -> Result<(), TransportError> {
    json.push(br#"","associated_data":""#)?;
    push_base64(json, data)?;
    json.push(b"\"")
}

fn push_base64(json: &mut Body, bytes: &[u8]) -> Result<(), TransportError> {
    // 48 bytes become 64 characters, without padding except in the last piece.
    let mut text = Zeroizing::new([0; 64]);
    for piece in bytes.chunks(48) {
        let text = Base64::encode(piece, &mut *text).unwrap_or_default();
        json.push(text.as_bytes())?;
    }
    Ok(())
}

/// Returns the version of the key that made a wrap, or `None` if the body is not a ciphertext of Transit.
///
/// `body` is that of a [`WrappedKey`](sealwax::WrappedKey): `vault:v3:…`. Use it to count the rows that older versions
/// wrapped, before you raise `min_decryption_version` at the service.
///
/// ```
/// use sealwax_transit::version_of;
///
/// assert_eq!(version_of(b"vault:v3:W1zKInJOX+1zFQs/0uMF2PxU"), Some(3));
/// assert_eq!(version_of(b"vault:v3:\"}"), None);
/// ```
#[must_use]
pub fn version_of(body: &[u8]) -> Option<u32> {
    // Transit writes 89 bytes for a data key under version 1, and 97 with XChaCha20.
    const MAX_LEN: usize = 256;
    let text = str::from_utf8(body).ok().filter(|text| text.len() <= MAX_LEN)?;
    let (version, ciphertext) = text.strip_prefix("vault:v")?.split_once(':')?;
    let is_number = version.bytes().all(|c| c.is_ascii_digit()) && !version.starts_with('0');
    let is_base64 = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
    let is_ciphertext = !ciphertext.is_empty() && ciphertext.bytes().all(is_base64);
    version.parse().ok().filter(|_| is_number && is_ciphertext)
}

/// Writes a request with one item.
pub(crate) fn write_one<O: Operation>(operation: O) -> Result<Body, TransportError> {
    let mut json = Body::new();
    json.push(b"{")?;
    operation.write(&mut json)?;
    json.push(b"}")?;
    Ok(json)
}

/// Writes a request with several items.
///
/// Without the code 207, one refused item makes the status of the whole reply 400.
pub(crate) fn write_batch<O: Operation>(items: &[O]) -> Result<Body, TransportError> {
    let mut json = Body::new();
    json.push(br#"{"partial_failure_response_code":207,"batch_input":["#)?;
    let mut separator: &[u8] = b"{";
    for item in items {
        json.push(separator)?;
        item.write(&mut json)?;
        separator = b"},{";
    }
    json.push(b"}]}")?;
    Ok(json)
}

/// What every reply may have around its data.
#[derive(Deserialize)]
pub(crate) struct Reply<'a, D> {
    request_id: Option<&'a str>,
    data: Option<D>,
    warnings: Option<Vec<String>>,
    errors: Option<Vec<String>>,
}

/// The data of one operation. Only strings without escapes can be borrowed; neither base64 nor a version has any.
#[derive(Deserialize)]
pub(crate) struct Item<'a> {
    ciphertext: Option<&'a str>,
    plaintext: Option<&'a str>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch_results: Vec<Item<'a>>,
}

/// The data of a key.
#[derive(Deserialize)]
pub(crate) struct KeyData<'a> {
    #[serde(rename = "type")]
    pub(crate) cipher: &'a str,
    pub(crate) latest_version: u32,
    pub(crate) min_decryption_version: u32,
    #[serde(default)]
    pub(crate) derived: bool,
    #[serde(default)]
    pub(crate) soft_deleted: bool,
    /// For symmetric keys, the times at which the versions were created.
    #[serde(default)]
    keys: BTreeMap<String, Value>,
}

impl KeyData<'_> {
    pub(crate) fn created(&self, version: u32) -> Option<u64> {
        self.keys.get(&version.to_string())?.as_u64()
    }
}

/// Reads the reply to a request that has one result.
pub(crate) fn read_data<'a, D: Deserialize<'a>>(
    response: &'a Response<Body>,
) -> Result<(D, Option<&'a str>), TransitError> {
    let reply = parse(response);
    bound(reply.as_ref())?;
    match reply {
        Some(Reply { data: Some(data), request_id, .. }) if response.status() == StatusCode::OK => {
            Ok((data, request_id))
        }
        reply => Err(failure(response, reply)),
    }
}

/// Reads the reply to a request with one item.
pub(crate) fn read_one<O: Operation>(
    response: &Response<Body>,
    versions: &Versions<'_>,
) -> Result<O::Output, TransitError> {
    let (item, request_id) = read_data::<Item<'_>>(response)?;
    let unreadable = || TransitError::unreadable(response.status(), request_id);
    O::read(&item, versions).ok_or_else(unreadable)?
}

/// Reads the reply to a request with several items: one result for each.
pub(crate) fn read_batch<O: Operation>(
    response: &Response<Body>,
    items: usize,
    versions: &Versions<'_>,
) -> Result<Vec<Result<O::Output, TransitError>>, TransitError> {
    let reply = parse::<Batch<'_>>(response);
    bound(reply.as_ref())?;
    // 207 if some items failed, and 400 if all did.
    let Some((data, request_id)) = reply
        .as_ref()
        .filter(|_| matches!(response.status().as_u16(), 200 | 207 | 400))
        .and_then(|reply| Some((reply.data.as_ref()?, reply.request_id)))
    else {
        return Err(failure(response, reply));
    };
    let unreadable = || TransitError::unreadable(response.status(), request_id);
    if data.batch_results.len() != items {
        return Err(unreadable());
    }
    let read = |item: &Item<'_>| match item.error.as_deref() {
        None | Some("") => O::read(item, versions).ok_or_else(unreadable)?,
        Some(error) => Err(TransitError::refused_item(response, error, request_id)),
    };
    Ok(data.batch_results.iter().map(read).collect())
}

/// Returns `None` for a reply that is not JSON of this shape, for instance a page of a proxy.
fn parse<'a, D: Deserialize<'a>>(response: &'a Response<Body>) -> Option<Reply<'a, D>> {
    // The error of serde quotes what it read.
    serde_json::from_slice(response.body().as_ref()).ok()
}

/// Refuses the reply of a service that says it ignored the associated data, because it is too old for that.
fn bound<D>(reply: Option<&Reply<'_, D>>) -> Result<(), TransitError> {
    let warnings = reply.and_then(|reply| reply.warnings.as_deref()).unwrap_or_default();
    if warnings.iter().any(|warning| warning.contains("associated_data")) {
        return Err(TransitError::UnsuitableKey { reason: "the service ignores associated data" });
    }
    Ok(())
}

fn failure<D>(response: &Response<Body>, reply: Option<Reply<'_, D>>) -> TransitError {
    let (errors, request_id) = reply.map_or((None, None), |reply| (reply.errors, reply.request_id));
    if response.status().is_success() {
        return TransitError::unreadable(response.status(), request_id);
    }
    let errors = errors.unwrap_or_default();
    TransitError::refused(response, &errors, request_id)
}
