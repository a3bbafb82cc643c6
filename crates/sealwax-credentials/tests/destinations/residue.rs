//! What is left of a key in the memory of this process after it was sent and searched for.
//!
//! The key is compiled in masked, and unmasked only where it is used, so that the search does not find what it searches
//! for. No other test has it.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use sealwax::{EncryptionContext, Secret};
use sealwax_credentials::{BoundSecret, KeyHeader, open_bound};
use zeroize::Zeroizing;

use crate::{HOST, KEYRING};

const MASK: u8 = 0x95;
const LEN: usize = 32;
/// How often the key is used.
const MANY: usize = 20;
const OURS: [u8; LEN] = masked(b"sk-n3yCsAEb_4bq75lH7kMWDcCtpKyKz");
const PLANTED: [u8; LEN] = masked(b"sk-BAMJ_IjVOqW7BCpT_8xTBXovhwki6");

const fn masked(key: &[u8; LEN]) -> [u8; LEN] {
    let mut masked = *key;
    let mut place = 0;
    while place < LEN {
        masked[place] ^= MASK;
        place += 1;
    }
    masked
}

/// Unmasks on the heap, byte by byte.
#[inline(never)]
fn unmasked(masked: &[u8; LEN]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LEN));
    bytes.extend(masked.iter().map(|byte| black_box(byte ^ MASK)));
    bytes
}

/// Counts the places in writable memory at which the second half of a key is, without its last two bytes: an allocator
/// overwrites the start of what is freed, and a reply ends in the middle of the key.
fn copies(masked: &[u8; LEN]) -> usize {
    const PIECE: usize = 1 << 20;
    let half = &masked[LEN / 2..LEN - 2];
    let memory = File::open("/proc/self/mem").unwrap();
    // A piece that is freed as it is would be found by the next search.
    let (mut buffer, mut found) = (Zeroizing::new(vec![0; PIECE + LEN]), 0);
    let own = buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [mut start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
        while rest.starts_with("rw") && start < end {
            let len = memory.read_at(&mut buffer, start.try_into().unwrap()).unwrap_or(0);
            // A match that starts in the overlap is counted with the next piece.
            let places = len.min(end - start).saturating_sub(half.len() - 1).min(PIECE);
            found += (0..places)
                .filter(|place| !own.contains(&(start + place)))
                .filter(|place| {
                    let bytes = buffer[*place..].iter();
                    bytes.zip(half).all(|(byte, masked)| byte ^ MASK == *masked)
                })
                .count();
            start += PIECE;
        }
    }
    found
}

fn bound(masked: &[u8; LEN]) -> BoundSecret {
    let context = EncryptionContext::empty().with_hosts(&[HOST]).unwrap();
    let envelope = KEYRING.seal(&Secret::from(&**unmasked(masked)), &context).unwrap();
    open_bound(&KEYRING, &envelope, &context).unwrap()
}

/// Writes a key into many requests, and searches many replies that repeat it and end in the middle of it.
///
/// All of them are dropped at the end, so that an allocator cannot reuse most of their memory before it is searched.
#[inline(never)]
fn use_a_key(masked: &[u8; LEN]) {
    let secrets: Vec<_> = (0..MANY).map(|_| bound(masked)).collect();
    let mut requests = Vec::new();
    let mut redactors = Vec::new();
    let key = unmasked(masked);
    for secret in &secrets {
        let mut request = http::Request::get("https://api.openai.com/").body(()).unwrap();
        secret.authorize(&mut request, &KeyHeader::BEARER).unwrap();
        requests.extend([request.clone(), request]);
        let mut redactor = crate::redactor(secret);
        redactor.trailers(&mut http::HeaderMap::new());
        for chunk in [&key[..7], &key[7..], b" and ", &key[..LEN - 1]] {
            redactor.push(chunk, |bytes| _ = black_box(bytes.len()));
        }
        redactors.push(redactor);
    }
    // Almost the most that a filter holds back, and then a whole block: one that grew would leave its bytes behind.
    let start: String = key[..LEN / 2].iter().map(|byte| format!("\\u{byte:04x}")).collect();
    let mut full: Vec<_> = secrets.iter().map(crate::redactor).collect();
    for redactor in &mut full {
        for chunk in [start.as_bytes(), &key[LEN / 2..LEN - 1], &[b' '; 1024]] {
            redactor.push(chunk, |bytes| _ = black_box(bytes.len()));
        }
    }
    assert!(copies(masked) > 4 * MANY, "too few copies were in use");
}

#[test]
fn nothing_of_a_key_is_left() {
    // The search finds what is there.
    assert_eq!(copies(&PLANTED), 0);
    let planted = unmasked(&PLANTED);
    let again = planted.clone();
    assert_eq!(copies(&PLANTED), 2);
    drop((planted, again));
    assert_eq!(copies(&PLANTED), 0);

    use_a_key(&OURS);
    assert_eq!(copies(&OURS), 0);
}
