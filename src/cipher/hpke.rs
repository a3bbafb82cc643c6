//! Feature `hpke`: HPKE (RFC 9180), single shot, mode_psk, with KEM X-Wing 0x647a, KDF HKDF-SHA-256 0x0001 and AEAD
//! AES-256-GCM 0x0002.
//!
//! The AEAD is RustCrypto's with either backend. Nothing here is on the heap except what is public and the private key.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::iter;

use ::hpke::aead::{AeadTag, AesGcm256};
use ::hpke::inout::InOutBuf;
use ::hpke::kdf::HkdfSha256;
use ::hpke::kem::XWing;
use ::hpke::{
    Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable,
    single_shot_open_inout_detached, single_shot_seal_inout_detached_with_rng,
};
use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroize;

use super::NotAuthentic;
use crate::format::sizes::{KEY_LEN, TAG_LEN};

/// The length of X-Wing's public key: ML-KEM-768's (1184) ‖ X25519's (32).
pub(crate) const PUBLIC_KEY_LEN: usize = 1216;
/// The length of X-Wing's encapsulated key: ML-KEM-768's ciphertext (1088) ‖ an X25519 point (32).
pub(crate) const ENCAPSULATED_LEN: usize = 1120;
/// The length of an X25519 point.
const POINT_LEN: usize = 32;
/// The prime of ML-KEM.
const Q: u16 = 3329;
const NO_ASSOCIATED_DATA: &[u8] = &[];

/// An X-Wing public key that was checked.
pub(crate) struct PublicKey {
    bytes: Box<[u8; PUBLIC_KEY_LEN]>,
    key: Box<<XWing as Kem>::PublicKey>,
}

impl PublicKey {
    /// Returns the key, unless its ML-KEM part is not FIPS 203's encoding or its X25519 part has a small order.
    pub(crate) fn parse(bytes: &[u8; PUBLIC_KEY_LEN]) -> Option<Self> {
        let (ml_kem, x25519) = bytes.split_last_chunk::<POINT_LEN>()?;
        if !is_fips_203_encoding(ml_kem) || has_small_order(x25519) {
            return None;
        }
        let key = <XWing as Kem>::PublicKey::from_bytes(bytes).ok()?;
        Some(Self { bytes: Box::new(*bytes), key: Box::new(key) })
    }

    pub(crate) fn bytes(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.bytes
    }
}

/// An X-Wing private key. Its crate wipes the seed when it is dropped.
pub(crate) struct PrivateKey(Box<<XWing as Kem>::PrivateKey>);

impl PrivateKey {
    /// Expands a seed.
    #[expect(clippy::expect_used, reason = "every 32 bytes are a seed")]
    pub(crate) fn of_seed(seed: &[u8; KEY_LEN]) -> Self {
        let key = <XWing as Kem>::PrivateKey::from_bytes(seed);
        Self(Box::new(key.expect("a seed has 32 bytes")))
    }

    pub(crate) fn write_seed(&self, seed: &mut [u8; KEY_LEN]) {
        self.0.write_exact(seed);
    }

    /// Returns the bytes of the public key.
    pub(crate) fn public(&self) -> [u8; PUBLIC_KEY_LEN] {
        let mut bytes = [0; PUBLIC_KEY_LEN];
        XWing::sk_to_pk(&self.0).write_exact(&mut bytes);
        bytes
    }
}

/// What both sides of a message know besides the key pair.
pub(crate) struct Shared<'a> {
    pub(crate) psk: &'a [u8; KEY_LEN],
    /// Not empty.
    pub(crate) psk_id: &'a [u8],
    pub(crate) info: &'a [u8],
}

impl<'a> Shared<'a> {
    #[expect(clippy::expect_used, reason = "without the psk, everybody could seal")]
    fn psk_bundle(&self) -> PskBundle<'a> {
        PskBundle::new(self.psk, self.psk_id).expect("neither the psk nor its id is empty")
    }
}

/// An encrypted key, and what it was encapsulated in.
pub(crate) struct Message<'a> {
    pub(crate) encapsulated: &'a [u8; ENCAPSULATED_LEN],
    pub(crate) ciphertext: &'a [u8; KEY_LEN],
    pub(crate) tag: &'a [u8; TAG_LEN],
}

/// The library drew something else than 64 bytes of coins: what it made is not this format's.
pub(crate) struct OtherCoins;

/// Encrypts `key` in place, encapsulates with the coins m and e, and returns the encapsulated key and the tag.
#[expect(
    clippy::expect_used,
    reason = "an encapsulation cannot fail, and 32 bytes are not too long"
)]
pub(crate) fn encrypt_to(
    public: &PublicKey,
    shared: &Shared<'_>,
    m: &[u8; KEY_LEN],
    e: &[u8; KEY_LEN],
    key: &mut [u8; KEY_LEN],
) -> Result<([u8; ENCAPSULATED_LEN], [u8; TAG_LEN]), OtherCoins> {
    let mut coins = Coins { m, e, drawn: 0 };
    let (encapsulated, tag) =
        single_shot_seal_inout_detached_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Psk(shared.psk_bundle()),
            &public.key,
            shared.info,
            InOutBuf::from(key.as_mut_slice()),
            NO_ASSOCIATED_DATA,
            &mut coins,
        )
        .expect("a key is encrypted to a checked public key");
    let (mut written, mut written_tag) = ([0; ENCAPSULATED_LEN], [0; TAG_LEN]);
    encapsulated.write_exact(&mut written);
    tag.write_exact(&mut written_tag);
    if coins.drawn == 2 * KEY_LEN { Ok((written, written_tag)) } else { Err(OtherCoins) }
}

/// Decrypts into `key`, which is zeros if this fails. All failures are the same error.
pub(crate) fn decrypt_with(
    private: &PrivateKey,
    shared: &Shared<'_>,
    message: &Message<'_>,
    key: &mut [u8; KEY_LEN],
) -> Result<(), NotAuthentic> {
    key.copy_from_slice(message.ciphertext);
    let decrypted = decrypt_in_place(private, shared, message, key);
    if decrypted.is_none() {
        key.zeroize();
    }
    decrypted.ok_or(NotAuthentic)
}

fn decrypt_in_place(
    private: &PrivateKey,
    shared: &Shared<'_>,
    message: &Message<'_>,
    key: &mut [u8; KEY_LEN],
) -> Option<()> {
    let (_, point) = message.encapsulated.split_last_chunk::<POINT_LEN>()?;
    if has_small_order(point) {
        return None;
    }
    single_shot_open_inout_detached::<AesGcm256, HkdfSha256, XWing>(
        &OpModeR::Psk(shared.psk_bundle()),
        &private.0,
        &<XWing as Kem>::EncappedKey::from_bytes(message.encapsulated).ok()?,
        shared.info,
        InOutBuf::from(key.as_mut_slice()),
        NO_ASSOCIATED_DATA,
        &AeadTag::<AesGcm256>::from_bytes(message.tag).ok()?,
    )
    .ok()
}

/// A random generator that yields the coins of one encapsulation, m(32) ‖ e(32), in any pieces, and then zeros.
struct Coins<'a> {
    m: &'a [u8; KEY_LEN],
    e: &'a [u8; KEY_LEN],
    drawn: usize,
}

impl TryRng for Coins<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, place: &mut [u8]) -> Result<(), Infallible> {
        let coins = self.m.iter().chain(self.e).skip(self.drawn).chain(iter::repeat(&0));
        place.iter_mut().zip(coins).for_each(|(place, coin)| *place = *coin);
        self.drawn = self.drawn.saturating_add(place.len());
        Ok(())
    }
}

impl TryCryptoRng for Coins<'_> {}

/// Returns whether each coefficient of an ML-KEM public key is less than q, as FIPS 203 §7.2 requires.
///
/// The key is 768 coefficients of 12 bits, two in three bytes, and a seed of 32 bytes.
fn is_fips_203_encoding(key: &[u8]) -> bool {
    let Some((coefficients, _seed)) = key.split_last_chunk::<32>() else { return false };
    let (pairs, rest) = coefficients.as_chunks::<3>();
    let are_reduced = |[a, b, c]: &[u8; 3]| {
        u16::from_le_bytes([*a, b & 0x0f]) < Q && u16::from_le_bytes([*b, *c]) >> 4 < Q
    };
    rest.is_empty() && pairs.iter().all(are_reduced)
}

/// The u-coordinates of small order, in little-endian bytes: 0, 1, the two of order 8, p - 1, p and p + 1.
#[rustfmt::skip]
const SMALL_ORDER: [[u8; POINT_LEN]; 7] = [
    [0; POINT_LEN],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
     0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00],
    [0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
     0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

/// Returns the number that ends like p = 2^255 - 19 except for its lowest byte, which is 0xed in p.
const fn near_p(lowest: u8) -> [u8; POINT_LEN] {
    let mut number = [0xff; POINT_LEN];
    number[0] = lowest;
    number[POINT_LEN - 1] = 0x7f;
    number
}

/// Returns whether an X25519 point has a small order, so that its shared secret is zero whatever the other key.
///
/// Libraries differ in whether they reject such a point, and in whether they clear the top bit first.
fn has_small_order(point: &[u8; POINT_LEN]) -> bool {
    let mut u = *point;
    if let Some(last) = u.last_mut() {
        *last &= 0x7f;
    }
    SMALL_ORDER.contains(&u)
}

#[cfg(test)]
mod tests {
    use core::array;

    use super::{Coins, Q, TryRng, is_fips_203_encoding};

    /// The library would refuse these keys too; it must not be asked.
    #[test]
    fn an_encoding_is_checked_before_the_library_is_called() {
        let key = |place: usize, value: u16| {
            let mut coefficients = [Q - 1; 768];
            *coefficients.get_mut(place).unwrap() = value;
            let pack = |[a, b]: &[u16; 2]| {
                let packed = u32::from(*a) | u32::from(*b) << 12;
                let [low, middle, high, _] = packed.to_le_bytes();
                [low, middle, high]
            };
            let (pairs, _) = coefficients.as_chunks::<2>();
            let mut key: alloc::vec::Vec<u8> = pairs.iter().flat_map(pack).collect();
            key.extend([0xff; 32]);
            key
        };
        for place in 0..768 {
            assert!(
                is_fips_203_encoding(&key(place, Q - 1)) && is_fips_203_encoding(&key(place, 0))
            );
            assert!(!is_fips_203_encoding(&key(place, Q)), "{place}");
            assert!(!is_fips_203_encoding(&key(place, 4095)), "{place}");
        }
        assert!(!is_fips_203_encoding(&[0; 31]) && !is_fips_203_encoding(&[0; 36]));
    }

    #[test]
    fn coins_are_the_same_in_any_pieces_and_then_zeros() {
        let (m, e) = ([1; 32], [2; 32]);
        let whole = [m, e, [0; 32]].concat();
        for piece in [1, 5, 32, 64, 96] {
            let mut coins = Coins { m: &m, e: &e, drawn: 0 };
            let mut drawn = [0xff; 96];
            drawn.chunks_mut(piece).for_each(|place| coins.try_fill_bytes(place).unwrap());
            assert_eq!((drawn.as_slice(), coins.drawn), (whole.as_slice(), 96));
        }
    }

    #[test]
    fn coins_that_are_drawn_as_numbers_are_the_same() {
        let (m, e) = (array::from_fn(|i| i.try_into().unwrap()), [0xee; 32]);
        let mut coins = Coins { m: &m, e: &e, drawn: 0 };
        assert_eq!(coins.try_next_u32(), Ok(0x0302_0100));
        assert_eq!(coins.try_next_u64(), Ok(0x0b0a_0908_0706_0504));
        assert_eq!(coins.drawn, 12);
    }
}
