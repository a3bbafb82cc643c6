//! What is left of a data key in the memory of this process after wraps and unwraps.
//!
//! Each test has a data key that no other test has. It is computed masked, and unmasked only where it is used, so that
//! the search does not find what it searches for.

#![expect(clippy::as_conversions, reason = "bytes of a hash, and addresses")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use sealwax::{DataKey, MasterKeyProvider};

use crate::token::{Row, with_token};

const MASK: u8 = 0x95;

/// Computes a masked key, which differs from every other number's.
fn masked(number: u64) -> [u8; 32] {
    std::array::from_fn(|i| {
        let product = (number << 8 | i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (product ^ product >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()[6]
    })
}

/// Unmasks on the heap; the buffer is wiped.
fn data_key(masked: &[u8; 32]) -> DataKey {
    let mut bytes: Vec<u8> = Vec::with_capacity(32);
    bytes.extend(masked.iter().map(|byte| std::hint::black_box(byte ^ MASK)));
    DataKey::from_bytes(&mut bytes).unwrap()
}

/// What a search has read. All of them share it, because each would find what others have read.
static BUFFER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Counts the places in memory at which either half of the key is.
fn copies(masked: &[u8; 32]) -> usize {
    const PIECE: usize = 1 << 20;
    let memory = File::open("/proc/self/mem").unwrap();
    let mut buffer = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
    buffer.resize(PIECE + 16, 0);
    let own = buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
    // Places, because a mapping that grows meanwhile is listed twice.
    let (mut found, mut searched) = ([(); 2].map(|()| BTreeSet::new()), 0);
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).unwrap());
        for place in (start..end).step_by(PIECE) {
            let Ok(read) = memory.read_at(&mut buffer[..], place as u64) else { break };
            let read = read.min(end - place);
            searched += read.min(PIECE);
            for (half, found) in masked.chunks(16).zip(&mut found) {
                let first = half[0] ^ MASK;
                let starts =
                    (0..PIECE.min(read.saturating_sub(15))).filter(|&i| buffer[i] == first);
                let here = starts.filter(|&i| !own.contains(&(place + i)));
                let is_half =
                    |&i: &usize| half.iter().zip(&buffer[i..]).all(|(a, b)| a ^ MASK == *b);
                found.extend(here.filter(is_half).map(|i| place + i));
            }
        }
    }
    assert!(searched > 1 << 20, "{searched}");
    found[0].len().max(found[1].len())
}

/// Wraps and unwraps a key many times, and counts the copies that are left after all wraps, and after all unwraps.
fn left(key: &impl MasterKeyProvider, number: u64) -> [usize; 2] {
    let masked = masked(number);
    assert_eq!(copies(&masked), 0);
    let row = Row { data_key: data_key(&masked), ..Row::new(1) };
    // The search finds what there is.
    assert_eq!(copies(&masked), 1);
    let bodies: Vec<_> = (0..80).map(|_| row.wrap(key).unwrap()).collect();
    // Apart from that of the row.
    let after_wraps = copies(&masked) - 1;
    for body in &bodies {
        row.unwrap(key, body).unwrap();
    }
    drop(row);
    [after_wraps, copies(&masked)]
}

#[test]
fn aes_gcm_leaves_nothing() {
    with_token(|token| assert_eq!(left(&token.key(), 1), [0, 0]));
}

#[test]
fn aes_key_wrap_leaves_nothing_of_data_keys() {
    with_token(|token| assert_eq!(left(&token.rebound(), 2), [0, 0]));
}

/// The README has the figure.
#[test]
fn what_aes_key_wrap_leaves_of_fresh_keys_is_known() {
    with_token(|token| {
        let [after_wraps, after_unwraps] = left(token.rebound().service(), 3);
        let line = format!("AES key wrap: {after_unwraps} copies of a fresh key\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert_eq!(after_wraps, 0);
        // None is left if other tests soon get the memory.
        assert!(after_unwraps <= 40, "{after_unwraps}");
    });
}
