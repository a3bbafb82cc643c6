//! What is left of a data key in the memory of this process after wraps and unwraps.
//!
//! Each test has a data key that no other test has. It is compiled in masked, and unmasked only where it is used, so
//! that the search does not find what it searches for.

#![expect(clippy::as_conversions, reason = "the bits of base64, and addresses")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use http::{Request, Response};
use sealwax::{
    DataKey, KeyId, MasterKeyProvider, ProviderFuture, Secret, Suite, UnwrapRequest, WrapRequest,
};
use sealwax_transit::{Body, Token, TransitKey, Transport, TransportError};
use zeroize::Zeroizing;

use crate::scripted::location;

const MASK: u8 = 0x95;

/// A data key and its base64, both masked.
pub(crate) struct Masked {
    raw: [u8; 32],
    base64: [u8; 44],
}

static OURS: Masked = Masked::new(b"n3yCsAEb/4bq75lH7kMWDcCtpKyKzAHj2cn98T9et0Q=");
/// The base64 is a token.
static OUR_TOKEN: Masked = Masked::new(b"Zq5vN0sXb7Yw2kRjLhTg9uCeMd1fPaGo3xKzVtBnWyE=");
static PLANTED: Masked = Masked::new(b"+BAMJ/IjVOqW7BCpT/8xTBXovhwki67vXn3qMYlER5o=");
#[cfg(feature = "hyper")]
pub(crate) static HYPER: Masked = Masked::new(b"tkKsLcizZV2sIXT1hvaiyTDvH7U/D4ljvqMQoFH3hJE=");
#[cfg(feature = "hyper")]
pub(crate) static BRANCHES: Masked = Masked::new(b"iLA8wMFP7xdbzTdWj/idTZNH+Px3Roz0dIcV9P8qFOA=");
#[cfg(all(feature = "hyper", feature = "reqwest"))]
pub(crate) static REQWEST: Masked = Masked::new(b"ycaH+m2QB1lKjeuUMUaS5QbwACBW0TCRsPx5DpoyWJc=");

impl Masked {
    const fn new(text: &[u8; 44]) -> Self {
        let (mut raw, mut base64) = ([0; 32], [0; 44]);
        let (mut bits, mut place) = (0_u32, 0);
        while place < 44 {
            base64[place] = text[place] ^ MASK;
            let digit = match text[place] {
                c @ b'A'..=b'Z' => c - b'A',
                c @ b'a'..=b'z' => c - b'a' + 26,
                c @ b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => 0, // The '=' at the end.
            };
            bits = bits << 6 | digit as u32;
            place += 1;
            if place % 4 == 0 {
                let end = place / 4 * 3;
                raw[end - 3] = (bits >> 16) as u8 ^ MASK;
                raw[end - 2] = (bits >> 8) as u8 ^ MASK;
                if end < 33 {
                    raw[end - 1] = bits as u8 ^ MASK;
                }
            }
        }
        Self { raw, base64 }
    }

    pub(crate) fn data_key(&self) -> DataKey {
        DataKey::from_bytes(&mut unmasked(&self.raw)).unwrap()
    }

    /// Writes the reply to a request, with this key in it as often as the request has rows.
    fn reply(&self, is_batch: bool) -> Body {
        let mut body = Body::try_from(Vec::with_capacity(512)).unwrap();
        let (start, end) = if is_batch { ("{\"batch_results\":[", "]}") } else { ("", "") };
        body.push(format!("{{\"data\":{start}").as_bytes()).unwrap();
        for row in 0..if is_batch { ROWS } else { 1 } {
            body.push(if row == 0 { b"" } else { b"," }).unwrap();
            body.push(br#"{"plaintext":""#).unwrap();
            body.push(&unmasked(&self.base64)).unwrap();
            body.push(br#"","ciphertext":"vault:v1:AAAA"}"#).unwrap();
        }
        body.push(format!("{end}}}").as_bytes()).unwrap();
        body
    }

    /// Counts the copies of the key, and of its base64, in the whole memory of this process.
    ///
    /// Half a copy counts as one.
    pub(crate) fn copies(&self) -> [usize; 2] {
        let ((a, b), (c, d)) = (self.raw.split_at(16), self.base64.split_at(22));
        let found = occurrences([a, b, c, d]);
        [found[0].max(found[1]), found[2].max(found[3])]
    }
}

/// Unmasks on the heap, byte by byte.
#[inline(never)]
fn unmasked(masked: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(masked.len()));
    bytes.extend(masked.iter().map(|byte| std::hint::black_box(byte ^ MASK)));
    bytes
}

/// What a search has read. All of them share it, because each would find what others have read.
static BUFFER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Counts the places in memory at which each of these is, unmasked.
fn occurrences(masked: [&[u8]; 4]) -> [usize; 4] {
    const PIECE: usize = 1 << 20;
    let memory = File::open("/proc/self/mem").unwrap();
    let firsts = masked.map(|masked| masked[0] ^ MASK);
    let mut buffer = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
    buffer.resize(PIECE + 64, 0);
    let (mut found, mut searched) = ([0; 4], 0);
    let own = buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| usize::from_str_radix(hex, 16).unwrap());
        for piece in (start..end).step_by(PIECE) {
            let length = buffer.len().min(end - piece);
            // Another thread may have unmapped it.
            if memory.read_exact_at(&mut buffer[..length], piece as u64).is_err() {
                continue;
            }
            let starts = length.min(PIECE);
            searched += starts;
            for (place, byte) in buffer[..starts].iter().enumerate() {
                // The buffer itself holds what was read into it before.
                if !firsts.contains(byte) || own.contains(&(piece + place)) {
                    continue;
                }
                for (masked, found) in masked.iter().zip(&mut found) {
                    let here = &buffer[place..length];
                    let is_one = |(byte, masked): (&u8, &u8)| byte ^ MASK == *masked;
                    let is_long = here.len() >= masked.len();
                    *found += usize::from(is_long && here.iter().zip(*masked).all(is_one));
                }
            }
        }
    }
    assert!(searched > PIECE, "{searched} bytes were searched");
    found
}

/// Replies without a network, and leaves nothing behind.
struct Replying(&'static Masked);

impl Transport for Replying {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        let is_batch = str::from_utf8(request.body().as_ref()).unwrap().contains("batch_input");
        ProviderFuture::boxed(async move { Ok(Response::new(self.0.reply(is_batch))) })
    }
}

const ROWS: usize = 3;

/// Wraps and unwraps a data key, alone and in a batch, ten times.
pub(crate) async fn use_key(key: &impl MasterKeyProvider, masked: &Masked) {
    let (key_id, suite, commitment): (KeyId, _, _) =
        ("transit/byok".parse().unwrap(), Suite::default(), [7; 32]);
    let data_key = masked.data_key();
    let wrap = WrapRequest::new(&key_id, suite, &commitment, &data_key);
    for _ in 0..10 {
        let body = key.wrap_key(wrap).await.unwrap();
        let unwrap = UnwrapRequest::new(&key_id, suite, &commitment, &body);
        let unwrapped = key.unwrap_key(unwrap).await.unwrap();
        assert!(unwrapped.expose_secret() == data_key.expose_secret());
        let wrapped = key.wrap_keys(&[wrap; ROWS]).await;
        assert!(wrapped.len() == ROWS && wrapped.iter().all(Result::is_ok));
        for unwrapped in key.unwrap_keys(&[unwrap; ROWS]).await {
            assert!(unwrapped.unwrap().expose_secret() == data_key.expose_secret());
        }
    }
}

#[test]
fn nothing_is_left_in_our_buffers() {
    assert_eq!(OURS.copies(), [0, 0]);
    assert_eq!(OUR_TOKEN.copies(), [0, 0]);
    let token = Token::new(&Secret::from(unmasked(&OUR_TOKEN.base64).as_slice())).unwrap();
    let key = TransitKey::unchecked(Replying(&OURS), location(), token);
    pollster::block_on(use_key(&key, &OURS));
    assert_eq!(OURS.copies(), [0, 0]);
    // The one that the provider has.
    assert_eq!(OUR_TOKEN.copies(), [0, 1]);
    drop(key);
    assert_eq!(OUR_TOKEN.copies(), [0, 0]);
}

/// The search finds what is there.
#[test]
fn a_copy_is_found() {
    assert_eq!(PLANTED.copies(), [0, 0]);
    let (raw, text) = (PLANTED.data_key(), unmasked(&PLANTED.base64));
    assert_eq!(PLANTED.copies(), [1, 1]);
    // Half of it too.
    let half = text[..22].to_vec();
    assert_eq!(PLANTED.copies(), [1, 2]);
    drop((raw, text));
    assert_eq!(PLANTED.copies(), [0, 1]);
    drop(half);
}
