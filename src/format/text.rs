//! Conversion between the binary form and the text form,
//! `sw1:<suite>:<key_id>=<wrapped>[,…]:<proof>:<iv>:<tag>:<ciphertext>`.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::format::binary::{
    self, CIPHERTEXT_EXPECTED, COUNT_EXPECTED, ID_EXPECTED, Layout, MAGIC, WRAPPED_EXPECTED,
};
use crate::format::error::{Field, FormatError, offset_in};
use crate::format::key_id::{self, KeyId};
use crate::format::sizes::{
    COMMITMENT_LEN, FORMAT_VERSION, IV_LEN, MAC_LEN, MAX_PLAINTEXT_LEN, MAX_WRAPS, TAG_LEN,
};
use crate::format::suite::Suite;
use crate::format::wrapped_key::WrapKind;

pub(super) const PREFIX: &str = "sw1:";
const PROOF_LEN: usize = COMMITMENT_LEN + MAC_LEN;

/// Decodes the text form into the binary form.
///
/// Decoding is strict: no white space, no padding, and one encoding per envelope.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "at most eight wraps, and lengths within a text in memory"
)]
pub(super) fn decode(text: &str) -> Result<Vec<u8>, FormatError> {
    let fields = after_version(text)?;
    let [suite, wraps, proof, iv, tag, ciphertext] = split_fields(text, fields)?;
    let at = offset_in(text, suite);
    let suite: Suite = suite.parse().map_err(|error: FormatError| error.moved_to(at))?;

    // Every length is checked before a byte is decoded.
    check_len(text, proof, PROOF_LEN, Field::Proof, "64 base64url characters")?;
    check_len(text, iv, IV_LEN, Field::Iv, "16 base64url characters")?;
    check_len(text, tag, TAG_LEN, Field::Tag, "22 base64url characters")?;
    if decoded_len(ciphertext) > MAX_PLAINTEXT_LEN {
        let at = offset_in(text, ciphertext);
        return Err(FormatError::malformed(Field::Ciphertext, CIPHERTEXT_EXPECTED, at));
    }
    let mut parsed = [("", "", 0); MAX_WRAPS];
    let mut count: u8 = 0;
    for wrap in wraps.split(',') {
        let at = offset_in(text, wrap);
        let Some(place) = parsed.get_mut(usize::from(count)) else {
            return Err(FormatError::malformed(Field::WrapCount, COUNT_EXPECTED, at));
        };
        let found = split_wrap(text, wrap)?;
        *place = found;
        if parsed.iter().filter(|(key_id, ..)| *key_id == found.0).count() > 1 {
            return Err(FormatError::malformed(Field::KeyId, ID_EXPECTED, at));
        }
        count += 1;
    }
    let parsed = parsed.iter().take(count.into());

    // This allocates less than the length of the text: decoding shrinks fields by a quarter.
    let front = parsed.clone().map(|(id, _, len)| (id.len(), usize::from(*len) - 1));
    let mut bytes = Vec::with_capacity(binary::front_len(front) + decoded_len(ciphertext));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[FORMAT_VERSION, suite.id(), count]);
    for (key_id, wrapped, wrapped_len) in parsed {
        bytes.push(key_id::len_byte(key_id));
        bytes.extend_from_slice(key_id.as_bytes());
        bytes.extend_from_slice(&wrapped_len.to_be_bytes());
        let start = bytes.len();
        push_decoded(&mut bytes, text, wrapped, Field::WrappedKey)?;
        if bytes.get(start).and_then(|kind| WrapKind::from_byte(*kind)).is_none() {
            let at = offset_in(text, wrapped);
            return Err(FormatError::malformed(Field::WrappedKey, WRAPPED_EXPECTED, at));
        }
    }
    push_decoded(&mut bytes, text, proof, Field::Proof)?;
    push_decoded(&mut bytes, text, iv, Field::Iv)?;
    push_decoded(&mut bytes, text, tag, Field::Tag)?;
    push_decoded(&mut bytes, text, ciphertext, Field::Ciphertext)?;
    Ok(bytes)
}

/// Returns what follows `sw1:`. Newer versions are `sw2:` to `sw255:`, without leading zeros.
fn after_version(text: &str) -> Result<&str, FormatError> {
    if let Some(fields) = text.strip_prefix(PREFIX) {
        return Ok(fields);
    }
    let digits = text.strip_prefix("sw").and_then(|rest| rest.split_once(':')).map(|(n, _)| n);
    // Rust also parses numbers with a sign, which the format does not allow.
    let is_number = |digits: &&str| digits.starts_with(|first| matches!(first, '1'..='9'));
    match digits.filter(is_number).and_then(|digits| digits.parse().ok()) {
        Some(version @ 2..) => Err(FormatError::NewerVersion { version }),
        _ => Err(FormatError::malformed(Field::Prefix, PREFIX, 0)),
    }
}

fn split_fields<'a>(text: &'a str, fields: &'a str) -> Result<[&'a str; 6], FormatError> {
    let fault = |at| FormatError::malformed(Field::Envelope, "seven fields separated by ':'", at);
    let mut rest = fields.split(':');
    let mut found = [""; 6];
    for field in &mut found {
        *field = rest.next().ok_or(fault(text.len()))?;
    }
    match rest.next() {
        None => Ok(found),
        Some(extra) => Err(fault(offset_in(text, extra))),
    }
}

/// Splits a wrap into its key id and its wrapped key, and returns the decoded length of the wrapped key as well.
fn split_wrap<'a>(text: &str, wrap: &'a str) -> Result<(&'a str, &'a str, u16), FormatError> {
    let at = offset_in(text, wrap);
    let (key_id, wrapped) = wrap.split_once('=').ok_or(FormatError::malformed(
        Field::WrappedKey,
        "<key id>=<wrapped key>",
        at,
    ))?;
    KeyId::check(key_id.as_bytes()).map_err(|error| error.moved_to(at))?;
    match u16::try_from(decoded_len(wrapped)) {
        Ok(len @ 2..) => Ok((key_id, wrapped, len)),
        _ => {
            let at = offset_in(text, wrapped);
            Err(FormatError::malformed(Field::WrappedKey, "2 to 65535 bytes in base64url", at))
        }
    }
}

fn check_len(
    text: &str,
    encoded: &str,
    len: usize,
    field: Field,
    expected: &'static str,
) -> Result<(), FormatError> {
    if encoded.len() == encoded_len(len) {
        Ok(())
    } else {
        Err(FormatError::malformed(field, expected, offset_in(text, encoded)))
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "lengths of data in memory")]
fn push_decoded(
    bytes: &mut Vec<u8>,
    text: &str,
    encoded: &str,
    field: Field,
) -> Result<(), FormatError> {
    let (start, len) = (bytes.len(), decoded_len(encoded));
    bytes.resize(start + len, 0);
    let (_, place) = bytes.split_at_mut(start);
    match URL_SAFE_NO_PAD.decode_slice(encoded, place) {
        Ok(decoded) if decoded == len => Ok(()),
        _ => {
            let at = offset_in(text, encoded);
            Err(FormatError::malformed(field, "canonical base64url without padding", at))
        }
    }
}

/// Returns how many bytes a base64url text decodes to.
///
/// A single character left over counts as no byte, and decoding then rejects the text.
#[expect(clippy::arithmetic_side_effects, reason = "less than the length of a text in memory")]
fn decoded_len(encoded: &str) -> usize {
    encoded.len() / 4 * 3 + (encoded.len() % 4).saturating_sub(1)
}

#[expect(clippy::arithmetic_side_effects, reason = "fields have at most 16 MiB")]
const fn encoded_len(len: usize) -> usize {
    (len * 4).div_ceil(3)
}

/// Encodes a checked envelope into the text form, in a string of exactly the right size.
#[expect(clippy::expect_used, reason = "an empty text would overwrite a stored credential")]
pub(super) fn encode(bytes: &[u8], layout: Layout) -> String {
    // The commitment and the MAC are adjacent and encoded together.
    let (proof, _) = bytes.split_at(layout.commitment_at).1.split_at(PROOF_LEN);
    let (suite, tail) = (layout.suite(bytes), layout.tail(bytes));

    let mut text = alloc::vec![0; encoded_envelope_len(bytes, layout)];
    let mut writer = Writer { rest: &mut text };
    writer.put(PREFIX.as_bytes());
    writer.put(suite.as_str().as_bytes());
    let mut separator = b":";
    for (key_id, wrapped) in layout.wraps(bytes) {
        writer.put(separator);
        writer.put(key_id);
        writer.put(b"=");
        writer.put_encoded(wrapped);
        separator = b",";
    }
    for field in [proof, tail.iv, tail.tag, tail.ciphertext] {
        writer.put(b":");
        writer.put_encoded(field);
    }
    assert!(writer.rest.is_empty(), "the text has the computed length");
    String::from_utf8(text).expect("key ids and base64url are ASCII")
}

fn encoded_envelope_len(bytes: &[u8], layout: Layout) -> usize {
    // A separator and '=' for each wrap.
    let wraps = layout
        .wraps(bytes)
        .flat_map(|(key_id, wrapped)| [2, key_id.len(), encoded_len(wrapped.len())]);
    let fields = [PROOF_LEN, IV_LEN, TAG_LEN, layout.tail(bytes).ciphertext.len()]
        .into_iter()
        .flat_map(|field| [1, encoded_len(field)]);
    wraps.chain(fields).chain([PREFIX.len(), layout.suite(bytes).as_str().len()]).sum()
}

/// Fills a buffer of exactly the right size.
struct Writer<'a> {
    rest: &'a mut [u8],
}

impl Writer<'_> {
    fn put(&mut self, field: &[u8]) {
        let (place, rest) = mem::take(&mut self.rest).split_at_mut(field.len());
        place.copy_from_slice(field);
        self.rest = rest;
    }

    #[expect(clippy::expect_used, reason = "leaving out a field would lose the credential")]
    fn put_encoded(&mut self, bytes: &[u8]) {
        let (place, rest) = mem::take(&mut self.rest).split_at_mut(encoded_len(bytes.len()));
        URL_SAFE_NO_PAD.encode_slice(bytes, place).expect("the slot has the encoded length");
        self.rest = rest;
    }
}
