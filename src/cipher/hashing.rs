//! SHA-256, and HMAC and HKDF over its compression function, which comes from RustCrypto with either backend.
//!
//! Every derivation of the format is one HMAC of a few blocks, so hashing the two blocks of the key is a good part of
//! its cost. This module hashes them only once per key. A fuzz target compares it with the crates `hmac` and `hkdf`.

use core::slice;

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::format::sizes::KEY_LEN;
use crate::secret::wiping::Wiped;

/// The length of SHA-256's output.
const HASH_LEN: usize = 32;
/// The length of a block of SHA-256's input.
const BLOCK_LEN: usize = 64;
/// The length of the bit count of the message, which ends the last block.
const COUNT_LEN: usize = 8;
/// The number of blocks that are gathered. A MAC over an envelope with one or two local wraps needs no more.
const GATHERED: usize = 4;

/// The initial hash value of SHA-256 (FIPS 180-4 §5.3.3).
#[rustfmt::skip]
const INITIAL: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// The second of the two blocks of HMAC's outer message, without the inner hash at its start.
///
/// The hash is followed by a one bit, zeros, and the number of bits of the outer message.
const OUTER_BLOCK: [u8; BLOCK_LEN] = {
    let mut block = [0; BLOCK_LEN];
    block[HASH_LEN] = 0x80;
    // 8 × (64 + 32) = 0x0300
    block[BLOCK_LEN - 2] = 0x03;
    block
};

/// HMAC-SHA-256 (RFC 2104) under one key, whose two blocks have already been hashed.
pub(crate) struct Prf {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Prf {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self::keyed(key)
    }

    /// Creates a PRF under a key, or an HKDF salt, of at most one block. A longer one would have to be hashed first.
    pub(super) fn keyed(key: &[u8]) -> Self {
        assert!(key.len() <= BLOCK_LEN, "the key has at most one block");
        // Filled in place, because a move leaves a copy behind.
        let mut prf = Self { inner: INITIAL, outer: INITIAL };
        let mut block = Wiped::<BLOCK_LEN>::zeroed();
        for (state, pad) in [(&mut prf.inner, 0x36), (&mut prf.outer, 0x5c)] {
            block.fill(pad);
            block.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
            compress256(state, slice::from_ref(&*block));
        }
        prf
    }

    /// Computes HKDF-Extract (RFC 5869 §2.2). An empty salt is the same as none.
    pub(crate) fn extract(salt: &[u8], key_material: &[u8]) -> Self {
        Self::new(&Self::keyed(salt).mac(&[key_material]))
    }

    /// Returns the first N bytes of HMAC over the concatenated parts.
    #[inline]
    pub(crate) fn mac<const N: usize>(&self, parts: &[&[u8]]) -> Wiped<N> {
        let mut inner = Message::after_key(&self.inner);
        parts.iter().for_each(|part| inner.update(part));
        self.outer(&mut inner)
    }

    /// Computes HKDF-Expand (RFC 5869 §2.3) to one block: the first N bytes of HMAC(info ‖ 01).
    ///
    /// It needs no HKDF-Extract first if the key is 32 uniform bytes (RFC 5869 §3.3).
    // `always`, so that the cost of a call does not depend on how many calls there are: up to 8 % of a seal's
    // instructions outside SHA-256.
    #[inline(always)]
    pub(crate) fn expand<const N: usize>(&self, info: &[&[u8]]) -> Wiped<N> {
        let mut inner = Message::after_key(&self.inner);
        info.iter().for_each(|part| inner.update(part));
        inner.update(&[0x01]);
        self.outer(&mut inner)
    }

    /// Finishes the inner message, and hashes the outer key's block and the inner hash in the message's state.
    fn outer<const N: usize>(&self, message: &mut Message) -> Wiped<N> {
        const { assert!(N <= HASH_LEN && N.is_multiple_of(4), "whole words of one hash") };
        message.finish();
        let mut block = Wiped::<BLOCK_LEN>::zeroed();
        block.copy_from_slice(&OUTER_BLOCK);
        write_words(&message.state, block.as_mut_slice());
        message.state = self.outer;
        compress256(&mut message.state, slice::from_ref(&*block));
        let mut hash = Wiped::zeroed();
        write_words(&message.state, hash.as_mut_slice());
        hash
    }
}

/// Writes as many words as fit.
#[inline]
fn write_words(state: &[u32; 8], bytes: &mut [u8]) {
    let (words, _) = bytes.as_chunks_mut();
    words.iter_mut().zip(state).for_each(|(place, word)| *place = word.to_be_bytes());
}

impl Drop for Prf {
    fn drop(&mut self) {
        let Self { inner, outer } = self;
        inner.as_mut_slice().zeroize();
        outer.as_mut_slice().zeroize();
    }
}

/// A message that is being hashed, wiped when dropped.
///
/// It is on the stack of an operation, which is wiped as a whole. But the result of the operation is created there as
/// well, and what is in its padding moves out with it.
///
/// Several blocks are gathered and compressed in one call, because the processor has to wait when it loads many bytes
/// at once that were stored in pieces just before.
struct Message {
    state: [u32; 8],
    /// The bytes that are not compressed yet, and zeros from `filled` on.
    blocks: [[u8; BLOCK_LEN]; GATHERED],
    filled: usize,
    len: usize,
}

impl Message {
    /// Creates a message that starts with the block of a key, which `state` has already taken in.
    #[inline]
    fn after_key(state: &[u32; 8]) -> Self {
        Self { state: *state, blocks: [[0; BLOCK_LEN]; GATHERED], filled: 0, len: BLOCK_LEN }
    }

    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "lengths of data in memory")]
    fn update(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        loop {
            let (_, free) = self.blocks.as_flattened_mut().split_at_mut(self.filled);
            if let Some(place) = free.get_mut(..bytes.len()) {
                place.copy_from_slice(bytes);
                self.filled += bytes.len();
                return;
            }
            let (fitting, rest) = bytes.split_at(free.len());
            free.copy_from_slice(fitting);
            self.compress_all();
            bytes = rest;
        }
    }

    #[cold]
    fn compress_all(&mut self) {
        compress256(&mut self.state, &self.blocks);
        self.blocks = [[0; BLOCK_LEN]; GATHERED];
        self.filled = 0;
    }

    /// Pads the message with a one bit, zeros, and the number of bits at the end of a block (FIPS 180-4 §5.1.1).
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "the gathered bytes end within the blocks")]
    #[expect(
        clippy::expect_used,
        reason = "no memory holds 2^61 bytes, and the count always has a block"
    )]
    fn finish(&mut self) {
        let bits = u64::try_from(self.len).ok().and_then(|len| len.checked_mul(8));
        let count = bits.expect("the message has less than 2^61 bytes").to_be_bytes();
        self.update(&[0x80]);
        if self.filled > const { GATHERED * BLOCK_LEN - COUNT_LEN } {
            self.compress_all();
        }
        let blocks = self.blocks.split_at_mut((self.filled + COUNT_LEN).div_ceil(BLOCK_LEN)).0;
        let last = blocks.last_mut().expect("there is a block for the count");
        last.split_at_mut(const { BLOCK_LEN - COUNT_LEN }).1.copy_from_slice(&count);
        compress256(&mut self.state, blocks);
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.state.as_mut_slice().zeroize();
        self.blocks.as_flattened_mut().zeroize();
    }
}

/// Computes SHA-256 over the concatenated parts.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
