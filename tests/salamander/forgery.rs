//! A ciphertext and a tag that are valid under two keys.
//!
//! Under each key, the tag is a polynomial in a secret of that key, with the blocks of the message
//! as coefficients. Requiring two tags to be equal is therefore one linear equation for one block.

use crate::binary_field::Element as Bits;
use crate::ciphers::Cipher;
use crate::prime_field::Element as Number;

/// Two keys, and the other inputs that they share.
pub(crate) struct Pair<'a> {
    pub(crate) cipher: Cipher,
    pub(crate) keys: [&'a [u8; 32]; 2],
    pub(crate) iv: &'a [u8],
    pub(crate) associated_data: &'a [u8],
}

/// The block of a ciphertext that is overwritten.
const FREE: core::ops::Range<usize> = 16..32;

impl Pair<'_> {
    /// Overwrites the second block of a ciphertext so that the returned tag is valid under both
    /// keys.
    pub(crate) fn reconcile(&self, ciphertext: &mut [u8]) -> [u8; 16] {
        match self.cipher {
            Cipher::Gcm | Cipher::GcmLongIv => self.reconcile_gcm(ciphertext),
            Cipher::ChaCha => loop {
                if let Some(tag) = self.reconcile_chacha(ciphertext) {
                    return tag;
                }
                // No block of 16 bytes solves the equation. Another first block gives another
                // equation.
                ciphertext[0] = ciphertext[0].wrapping_add(1);
            },
        }
    }

    /// Returns the plaintext under each key.
    pub(crate) fn readings(&self, ciphertext: &[u8], tag: &[u8; 16]) -> [Option<Vec<u8>>; 2] {
        let Self { cipher, iv, associated_data, .. } = self;
        self.keys.map(|key| cipher.decrypt(key, iv, associated_data, ciphertext, tag))
    }

    /// Solves tag = (… (block₁ × H + block₂) × H + … + lengths) × H + mask, in GF(2^128).
    fn reconcile_gcm(&self, ciphertext: &mut [u8]) -> [u8; 16] {
        ciphertext[FREE].fill(0);
        let lengths = self.lengths(ciphertext).map(|bytes| (8 * bytes).to_be_bytes()).concat();
        let blocks = self.blocks(ciphertext, &lengths);
        let [(tag, factor), (other_tag, other_factor)] = self.keys.map(|key| {
            let (hash_key, mask) = self.gcm_secrets(key);
            let add = |sum, block| (sum + Bits(u128::from_be_bytes(block))) * hash_key;
            let tag = blocks.iter().copied().fold(Bits::ZERO, add) + mask;
            (tag, hash_key.power(self.exponent(&blocks)))
        });
        let block = (tag + other_tag) * (factor + other_factor).inverse();
        ciphertext[FREE].copy_from_slice(&block.0.to_be_bytes());
        (tag + block * factor).0.to_be_bytes()
    }

    /// Computes H and the mask without access to the cipher's internals: the tag of an empty
    /// message is the mask, and the tag of a block of zeros as associated data is lengths × H +
    /// mask.
    fn gcm_secrets(&self, key: &[u8; 32]) -> (Bits, Bits) {
        let tag = |associated_data: &[u8]| {
            let (_, tag) = self.cipher.encrypt(key, self.iv, associated_data, &[]);
            Bits(u128::from_be_bytes(tag))
        };
        let mask = tag(&[]);
        let lengths = Bits(128 << 64);
        ((tag(&[0; 16]) + mask) * lengths.inverse(), mask)
    }

    /// Solves tag = the low 128 bits of s plus (… (block₁ × r + block₂) × r + … + lengths) × r mod
    /// p. A block counts as 2^128 more than its bytes.
    fn reconcile_chacha(&self, ciphertext: &mut [u8]) -> Option<[u8; 16]> {
        ciphertext[FREE].fill(0);
        let lengths = self.lengths(ciphertext).map(u64::to_le_bytes).concat();
        let blocks = self.blocks(ciphertext, &lengths);
        // With an empty free block, so its 2^128 is subtracted as well.
        let [(sum, factor, s), (other_sum, other_factor, other_s)] = self.keys.map(|key| {
            let (r, s) = poly1305_secrets(key, self.iv);
            let add = |sum, block| (sum + Number::new(1, u128::from_le_bytes(block))) * r;
            let sum = blocks.iter().copied().fold(Number::ZERO, add);
            let factor = r.power(self.exponent(&blocks));
            (sum - Number::new(1, 0) * factor, factor, s)
        });
        // The sums have to differ by s − s′ modulo 2^128, so by that or by a multiple of 2^128
        // more.
        (0..4).find_map(|high| {
            let difference = Number::new(high, other_s.wrapping_sub(s));
            let block = (difference + other_sum - sum) * (factor - other_factor).inverse();
            let tag = |sum, factor, s: u128| -> u128 {
                let Number { low, .. } = sum + block * factor;
                low.wrapping_add(s)
            };
            let tags = [tag(sum, factor, s), tag(other_sum, other_factor, other_s)];
            (block.high == 1 && tags[0] == tags[1]).then(|| {
                ciphertext[FREE].copy_from_slice(&block.low.to_le_bytes());
                tags[0].to_le_bytes()
            })
        })
    }

    fn lengths(&self, ciphertext: &[u8]) -> [u64; 2] {
        [self.associated_data, ciphertext].map(|part| part.len().try_into().unwrap())
    }

    /// Returns the message as both tags process it, each part padded with zeros to whole blocks.
    fn blocks(&self, ciphertext: &[u8], lengths: &[u8]) -> Vec<[u8; 16]> {
        let parts = [self.associated_data, ciphertext, lengths];
        let blocks = parts.into_iter().flat_map(|part| part.chunks(16)).map(|chunk| {
            let mut block = [0; 16];
            block[..chunk.len()].copy_from_slice(chunk);
            block
        });
        blocks.collect()
    }

    /// Returns how often the free block is multiplied: once for itself, and once for each block
    /// after it.
    fn exponent(&self, blocks: &[[u8; 16]]) -> usize {
        blocks.len() - self.associated_data.len().div_ceil(16) - FREE.start / 16
    }
}

/// Returns r and s: the first 32 bytes of ChaCha20 for the key and IV (RFC 8439 §2.6), with some
/// bits of r cleared.
fn poly1305_secrets(key: &[u8; 32], iv: &[u8]) -> (Number, u128) {
    let block = chacha20_block(key, iv);
    let half = |at: usize| u128::from_le_bytes(*block[at..].first_chunk().unwrap());
    (Number::new(0, half(0) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff), half(16))
}

/// Returns block 0 of ChaCha20 (RFC 8439 §2.3).
fn chacha20_block(key: &[u8; 32], iv: &[u8]) -> Vec<u8> {
    let input = [b"expand 32-byte k", key.as_slice(), &[0; 4], iv].concat();
    let input: Vec<_> =
        input.chunks(4).map(|word| u32::from_le_bytes(*word.first_chunk().unwrap())).collect();
    let mut state = input.clone();
    let mut quarter = |[a, b, c, d]: [usize; 4]| {
        for (one, two, three, rotation) in
            [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]
        {
            state[one] = state[one].wrapping_add(state[two]);
            state[three] = (state[three] ^ state[one]).rotate_left(rotation);
        }
    };
    for _ in 0..10 {
        for column in 0..4 {
            quarter([column, column + 4, column + 8, column + 12]);
        }
        for column in 0..4 {
            let diagonal = |row: usize| 4 * row + (column + row) % 4;
            quarter([0, 1, 2, 3].map(diagonal));
        }
    }
    let words = state.iter().zip(input).map(|(word, start)| word.wrapping_add(start));
    words.flat_map(u32::to_le_bytes).collect()
}
