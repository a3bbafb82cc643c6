//! Tests that every backend behaves correctly and the same way, and tests of the hash, HMAC and HKDF.

use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "aws-lc")]
use crate::cipher::aws_lc;
use crate::cipher::rust_crypto;
use crate::cipher::{BadLength, NotAuthentic, Prf, is_equal, sha256};
use crate::format::sizes::{IV_LEN, KEY_LEN, TAG_LEN};
use crate::format::suite::Suite;

const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
const KEY: [u8; 32] = [7; 32];
const IV: [u8; 12] = [9; 12];

type Encrypt = fn(
    Suite,
    &[u8; KEY_LEN],
    &[u8; IV_LEN],
    &[u8],
    &[u8],
    &mut [u8],
) -> Result<[u8; TAG_LEN], BadLength>;
type Decrypt = fn(
    Suite,
    &[u8; KEY_LEN],
    &[u8; IV_LEN],
    &[u8],
    &[u8],
    &[u8; TAG_LEN],
    &mut [u8],
) -> Result<(), NotAuthentic>;

/// The backends of this build.
pub(super) const BACKENDS: &[(&str, Encrypt, Decrypt)] = &[
    ("RustCrypto", rust_crypto::encrypt, rust_crypto::decrypt),
    #[cfg(feature = "aws-lc")]
    ("aws-lc", aws_lc::encrypt, aws_lc::decrypt),
];

#[test]
fn there_is_a_backend_for_each_feature() {
    assert_eq!(BACKENDS.len(), 1 + usize::from(cfg!(feature = "aws-lc")));
}

#[test]
fn a_failed_decryption_leaves_zeros() {
    for (name, encrypt, decrypt) in BACKENDS {
        for suite in SUITES {
            let plaintext = *b"not for those who fail";
            let mut ciphertext = [0; 22];
            let mut tag = encrypt(suite, &KEY, &IV, b"a", &plaintext, &mut ciphertext).unwrap();
            let mut opened = [0xaa; 22];
            assert_eq!(decrypt(suite, &KEY, &IV, b"a", &ciphertext, &tag, &mut opened), Ok(()));
            assert_eq!(opened, plaintext);

            tag[15] ^= 1;
            let mut opened = [0xaa; 22];
            let decrypted = decrypt(suite, &KEY, &IV, b"a", &ciphertext, &tag, &mut opened);
            assert_eq!((decrypted, opened), (Err(NotAuthentic), [0; 22]), "{name} {suite}");

            let mut short = [0xaa; 21];
            let decrypted = decrypt(suite, &KEY, &IV, b"a", &ciphertext, &tag, &mut short);
            assert_eq!((decrypted, short), (Err(NotAuthentic), [0; 21]), "{name} {suite}");
        }
    }
}

#[test]
fn input_and_output_of_different_lengths_are_refused() {
    for (name, encrypt, _) in BACKENDS {
        for suite in SUITES {
            for len in [3, 5] {
                let encrypted = encrypt(suite, &KEY, &IV, &[], &[0; 4], &mut vec![0; len]);
                assert_eq!(encrypted, Err(BadLength), "{name} {suite}");
            }
        }
    }
}

/// Every backend writes the same bytes and reads them, at every length around the batches of the ciphers.
#[test]
fn all_backends_make_the_same_bytes() {
    let mut compared = 0;
    for suite in SUITES {
        for len in (0..300).chain([1023, 1024, 1025, 4096, 65_537]) {
            let plaintext: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let associated_data = &plaintext[..len.min(60)];
            let mut made = vec![];
            for (name, encrypt, decrypt) in BACKENDS {
                let mut ciphertext = vec![0xaa; len];
                let tag = encrypt(suite, &KEY, &IV, associated_data, &plaintext, &mut ciphertext)
                    .unwrap();
                let mut opened = vec![0xaa; len];
                let decrypted =
                    decrypt(suite, &KEY, &IV, associated_data, &ciphertext, &tag, &mut opened);
                assert_eq!((decrypted, &opened), (Ok(()), &plaintext), "{name} {suite} {len}");
                made.push((ciphertext, tag));
            }
            assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "{suite} {len}");
            compared += made.len();
        }
    }
    assert_eq!(compared, 2 * 305 * BACKENDS.len());
}

#[test]
fn bytes_are_equal_where_no_bit_differs() {
    let bytes: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
    assert!(is_equal(&bytes, &bytes.clone()));
    for bit in 0..256 {
        let mut other = bytes;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_equal(&bytes, &other), "bit {bit}");
    }
}

/// RFC 5869, appendix A.1: PRK, info and OKM.
#[test]
fn expand_is_that_of_rfc_5869() {
    let prk = [
        0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b, 0xba,
        0x63, 0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a, 0xd7, 0xc2,
        0xb3, 0xe5,
    ];
    // The first of two blocks.
    let okm = [
        0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f,
        0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4,
        0xc5, 0xbf,
    ];
    // The parts of the info are joined, no matter where it is cut.
    let info: [&[u8]; 2] = [b"\xf0\xf1\xf2", b"\xf3\xf4\xf5\xf6\xf7\xf8\xf9"];
    assert_eq!(*Prf::new(&prk).expand::<32>(&info), okm);
}

/// RFC 4231: cases 1 to 4, whose keys fit in a block. Compares the first bytes of each HMAC.
#[test]
fn hmac_is_that_of_rfc_4231() {
    let four: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], u64); 4] = [
        (&[0x0b; 20], b"Hi There", 0xb034_4c61_d8db_3853),
        (b"Jefe", b"what do ya want for nothing?", 0x5bdc_c146_bf60_754e),
        (&[0xaa; 20], &[0xdd; 50], 0x773e_a91e_3680_0e46),
        (&four, &[0xcd; 50], 0x8255_8a38_9a44_3c0e),
    ];
    for (key, data, begins) in cases {
        let hmac = Prf::keyed(key).mac::<32>(&[data]);
        assert_eq!(hmac.first_chunk(), Some(&begins.to_be_bytes()));
    }
}

/// Compares with the crates `hmac` and `hkdf`, at every length around the ends of blocks and of the gathered blocks, no
/// matter how the message is cut into parts.
#[test]
fn hmac_and_expand_are_those_of_other_crates() {
    use hmac::{Hmac, KeyInit, Mac};
    let message: Vec<u8> = (0..=255).cycle().take(600).collect();
    let mut compared = 0;
    for key_len in [0, 1, 31, 32, 33, 63, 64] {
        let key = message.get(..key_len).unwrap();
        let prf = Prf::keyed(key);
        for len in 0..=message.len() {
            let message = message.get(..len).unwrap();
            let mut hmac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key).unwrap();
            hmac.update(message);
            let expected: [u8; 32] = hmac.finalize().into_bytes().into();
            for at in [0, 1, len / 2, 63, 64, 65, 255, 256, 257, len] {
                let (front, back) = message.split_at(at.min(len));
                assert_eq!(*prf.mac::<32>(&[front, &[], back]), expected, "{key_len} {len} {at}");
                compared += 1;
            }
            if let Ok::<&[u8; 32], _>(key) = key.try_into() {
                let mut expected = [0; 32];
                let hkdf = hkdf::Hkdf::<sha2::Sha256>::from_prk(key).unwrap();
                hkdf.expand(message, &mut expected).unwrap();
                assert_eq!(*Prf::new(key).expand::<32>(&[message]), expected, "{len}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 601 * (7 * 10 + 1));
}

/// The example of FIPS 180-4 with one block.
#[test]
fn sha256_joins_its_parts() {
    let [first, ..] = sha256(&[b"a", b"", b"bc"]);
    assert_eq!(first, 0xba);
    assert_eq!(sha256(&[b"a", b"", b"bc"]), sha256(&[b"abc"]));
    assert_ne!(sha256(&[b"ab"]), sha256(&[b"abc"]));
}
