//! A filter that removes a key from what an upstream sends back.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use http::header::{self, HeaderMap, HeaderValue};
use sealwax::Secret;
use zeroize::Zeroizing;

use super::escapes::{Notation, Unescaped};
use super::forms::Form;

/// How many bytes are searched before the first of them are handed on.
const BLOCK: usize = 1024;
const MASK: u8 = b'*';

/// Removes a key from one reply, as far as it finds the key: **best effort**.
///
/// Upstreams repeat keys in error messages, redirects and debug pages, and what a service passes on ends up in logs,
/// browsers and tickets. [`BoundSecret::redactor`](super::BoundSecret::redactor) filters the headers and returns this
/// filter: [`push`](Self::push) and [`finish`](Self::finish) are for the body, [`trailers`](Self::trailers) is for what
/// may come after it. Each byte of the key becomes `*`, so lengths do not change, and `content-length` remains right. A
/// checksum of the body does not.
///
/// ```
/// # use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
/// # let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
/// # let context = EncryptionContext::empty().with_hosts(&["api.openai.com"])?;
/// # let envelope = keyring.seal(&Secret::from("sk-proj-4Jq8Zr2Lw0"), &context)?;
/// # let key = sealwax_credentials::open_bound(&keyring, &envelope, &context)?;
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-echo", "Bearer sk-proj-4Jq8Zr2Lw0".parse()?);
///
/// let mut redactor = key.redactor(&mut headers)?;
/// assert_eq!(headers["x-echo"], "Bearer ******************");
/// let mut body = Vec::new();
/// for chunk in ["{\"error\":\"Incorrect API key: sk-pr", "oj-4Jq8Zr2Lw0\"}"] {
///     redactor.push(chunk.as_bytes(), |bytes| body.extend_from_slice(bytes));
/// }
/// redactor.finish(|bytes| body.extend_from_slice(bytes));
/// assert_eq!(body, b"{\"error\":\"Incorrect API key: ******************\"}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it finds
///
/// The whole key, also if it is cut across chunks:
///
/// - as it is
/// - in base64 of either alphabet, with or without padding, alone or inside a longer text, such as the one of
///   `Authorization: Basic`; except for the characters at both ends that also depend on a neighbour, which contain at
///   most 4 bits of the first byte and 4 of the last
/// - in hex of either case
/// - the key and its base64 with any of their characters percent-encoded, or escaped as in JSON
///
/// # Where it looks
///
/// In the names and values of headers (`set-cookie` is one of them) and trailers, and in the body. Three places are not
/// in them:
///
/// - the **reason phrase** of HTTP/1.1, which hyper keeps in the extensions of a reply if it is unusual. `HyperClient` and
///   `ReqwestClient` remove it; with another client, do that yourself
/// - heads with a status of 1xx, which come before the reply, and which clients drop unless you ask hyper for them
/// - what your client keeps for itself, such as a cookie store
///
/// # What it does not find
///
/// Parts of a key (`sk-…4f2a`, and a body that ends in the middle of the key), a key in several pieces, in other case
/// (except in names of headers), or reversed; base64 with line breaks; hex with separators; base64 of base64; what is
/// escaped twice, as JSON in JSON is; a key with escapes in it, and whose first two characters are hex digits, right behind
/// a `%` or `\u00` that makes an escape of these two; entities of HTML; UTF-16; a hash of the key; anything compressed or
/// encrypted. An upstream that wants to hand out the key can always do so.
///
/// # Cost
///
/// The time is linear in the reply, whatever the upstream sends. The filter holds back the bytes that may become a key
/// until it knows: fewer than 8 times the length of the key, and none if nothing looks like one. It needs no memory
/// beyond that and one block of 1 KiB, and wipes what it holds and what it searches for.
pub struct Redactor {
    readings: [Reading; 3],
    /// The bytes that are not handed on yet. It never grows beyond its capacity.
    held: Zeroizing<Vec<u8>>,
    /// The position of the first of them in the body.
    start: usize,
    /// Where keys are, in ascending order and with gaps in between.
    found: VecDeque<Range<usize>>,
}

impl Redactor {
    pub(super) fn new(secret: &Secret) -> Self {
        let key = secret.expose_secret();
        Self::of([
            Reading::new(Notation::Plain, key),
            Reading::new(Notation::Percent, key),
            Reading::new(Notation::Json, key),
        ])
    }

    fn of(readings: [Reading; 3]) -> Self {
        let undecided = readings.iter().map(Reading::max_undecided).max().unwrap_or(0);
        let held = Vec::with_capacity(undecided.saturating_add(BLOCK)).into();
        Self { readings, held, start: 0, found: VecDeque::new() }
    }

    /// Removes the key from the trailers of the reply, as [`BoundSecret::redactor`](super::BoundSecret::redactor) does from
    /// its headers.
    pub fn trailers(&self, trailers: &mut HeaderMap) {
        self.headers(trailers);
    }

    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        // The body may have begun, so that this one is in use.
        let mut fresh = Self::of(self.readings.each_ref().map(Reading::again));
        for value in headers.values_mut() {
            let masked = fresh.whole(value.as_bytes());
            if masked != value.as_bytes() {
                let is_sensitive = value.is_sensitive();
                // A `*` is valid wherever the bytes were.
                *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static("*"));
                value.set_sensitive(is_sensitive);
            }
        }
        // Names come in lower case, but an escape in them may still be one of a capital letter.
        let lower = Self::of(self.readings.each_ref().map(Reading::in_lower_case));
        let mut searches = [fresh, lower];
        let mut has_key = |name: &header::HeaderName| {
            let name = name.as_str().as_bytes();
            searches.iter_mut().any(|search| search.whole(name) != name)
        };
        let names: Vec<_> = headers.keys().filter(|name| has_key(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }

    /// Returns a whole text without the key, and is ready for the next one.
    fn whole(&mut self, text: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(text.len());
        self.push(text, |bytes| masked.extend_from_slice(bytes));
        self.end(&mut |bytes| masked.extend_from_slice(bytes));
        masked
    }

    /// Takes the next bytes of the body, and hands on what it can: to `out`, at most once for each KiB.
    pub fn push(&mut self, chunk: &[u8], mut out: impl FnMut(&[u8])) {
        for block in chunk.chunks(BLOCK) {
            self.held.extend_from_slice(block);
            for &byte in block {
                for reading in &mut self.readings {
                    reading.push(byte, &mut self.found);
                }
            }
            let undecided = self.readings.iter().map(Reading::undecided).min();
            self.hand_on(undecided.unwrap_or(self.start), &mut out);
        }
    }

    /// Hands on the rest of the body.
    pub fn finish(mut self, mut out: impl FnMut(&[u8])) {
        self.end(&mut out);
    }

    fn end(&mut self, out: &mut impl FnMut(&[u8])) {
        for reading in &mut self.readings {
            reading.end(&mut self.found);
        }
        self.hand_on(self.start.saturating_add(self.held.len()), out);
        self.start = 0;
    }

    /// Hands on the bytes up to a position.
    fn hand_on(&mut self, end: usize, out: &mut impl FnMut(&[u8])) {
        let len = end.saturating_sub(self.start);
        for key in &self.found {
            let range =
                key.start.saturating_sub(self.start)..key.end.min(end).saturating_sub(self.start);
            self.held.get_mut(range).unwrap_or_default().fill(MASK);
        }
        self.found.retain(|key| key.end > end);
        if let Some(bytes) = self.held.get(..len).filter(|bytes| !bytes.is_empty()) {
            out(bytes);
            self.held.drain(..len);
            self.start = end;
        }
    }
}

/// Returns whether a body is compressed, or encoded in another way, so that it cannot be searched.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    let has_other = |name, plain: &str| {
        let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let mut codings = values.flat_map(|value| value.split(|byte| *byte == b','));
        codings.any(|coding| {
            let coding = coding.trim_ascii();
            !coding.is_empty() && !coding.eq_ignore_ascii_case(plain.as_bytes())
        })
    };
    has_other(header::CONTENT_ENCODING, "identity")
        || has_other(header::TRANSFER_ENCODING, "chunked")
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// A body as one notation reads it, and the forms that are searched for in it.
struct Reading {
    notation: Notation,
    text: Unescaped,
    forms: Vec<Form>,
    /// The number of characters of the longest form.
    longest: usize,
    /// Where the last characters start in the body, up to that number.
    starts: VecDeque<usize>,
    /// Where the next character starts.
    next: usize,
}

impl Reading {
    fn new(notation: Notation, key: &[u8]) -> Self {
        let mut forms = vec![Form::raw(key)];
        forms.extend([0, 1, 2].map(|before| Form::base64(key, before)));
        // Nothing escapes hex digits.
        if matches!(notation, Notation::Plain) {
            forms.push(Form::hex(key));
        }
        Self::of(notation, forms)
    }

    fn of(notation: Notation, forms: Vec<Form>) -> Self {
        let longest = forms.iter().map(Form::len).max().unwrap_or(0);
        let starts = VecDeque::with_capacity(longest);
        Self { notation, text: Unescaped::new(notation), forms, longest, starts, next: 0 }
    }

    /// Returns a reading of another body.
    fn again(&self) -> Self {
        let mut again = Self::of(self.notation, self.forms.clone());
        again.restart();
        again
    }

    /// Returns a reading of another text, whose letters are in lower case.
    fn in_lower_case(&self) -> Self {
        Self::of(self.notation, self.forms.iter().map(Form::in_lower_case).collect())
    }

    /// Starts again, with another body.
    fn restart(&mut self) {
        self.forms.iter_mut().for_each(Form::restart);
        self.next = 0;
    }

    /// Returns how many bytes may be undecided at most: a form without its last byte, each character as an escape.
    fn max_undecided(&self) -> usize {
        self.longest.saturating_mul(self.notation.widest())
    }

    fn push(&mut self, byte: u8, found: &mut VecDeque<Range<usize>>) {
        self.text.push(byte);
        while let Some((character, len)) = self.text.next() {
            self.step(character, len, found);
        }
    }

    /// Ends the body, at which the start of an escape is none.
    fn end(&mut self, found: &mut VecDeque<Range<usize>>) {
        while let Some(character) = self.text.rest() {
            self.step(character, 1, found);
        }
        self.restart();
    }

    fn step(&mut self, character: u8, len: usize, found: &mut VecDeque<Range<usize>>) {
        if self.starts.len() == self.longest {
            self.starts.pop_front();
        }
        self.starts.push_back(self.next);
        self.next = self.next.saturating_add(len);
        for form in &mut self.forms {
            if form.step(character) {
                let start = start_of(&self.starts, form.len()).unwrap_or(0);
                add(found, start..self.next);
            }
        }
    }

    /// Returns the position up to which it is decided what is a key.
    fn undecided(&self) -> usize {
        let starts = self.forms.iter().filter_map(|form| start_of(&self.starts, form.matched()));
        starts.min().unwrap_or(self.next)
    }
}

/// Returns where the last so many characters start, or `None` for none of them.
fn start_of(starts: &VecDeque<usize>, characters: usize) -> Option<usize> {
    starts.get(starts.len().checked_sub(characters)?).copied()
}

/// Adds a range that ends about where the last one does, or behind it.
fn add(found: &mut VecDeque<Range<usize>>, mut range: Range<usize>) {
    // Each range is merged once, so this is linear however often a key overlaps itself.
    while let Some(last) = found.back().filter(|last| last.end >= range.start) {
        range = last.start.min(range.start)..last.end.max(range.end);
        found.pop_back();
    }
    found.push_back(range);
}

/// Why a reply is not searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// The body is compressed, or encoded in another way, although the request asked for `identity`.
    #[error("the reply is encoded, so it cannot be searched for the credential")]
    Encoded,
}
