//! An IV is the 12 or 16 bytes that were drawn, and one length is never treated as the other.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::Secret;
use sealwax::triplet::{IvLen, Triplet};

use crate::fixtures::{CREDENTIAL, Scripted};
use crate::triplet::{IV_LENS, Told, key, told};

/// An IV of 16 bytes is neither cut to its first 12 bytes nor used as a counter block. A row whose
/// IV starts with the 12 bytes of another row's is a different row.
#[test]
fn an_iv_of_sixteen_bytes_is_no_iv_of_twelve() {
    let secret = Secret::from(CREDENTIAL);
    let encrypt = |iv: &[u8], iv_len| {
        key().encrypt_with_rng(&secret, iv_len, &mut Scripted(vec![iv.to_vec()])).unwrap()
    };
    let short: Vec<u8> = (0x20..0x2c).collect();
    let twelve = encrypt(&short, IvLen::Twelve);
    let ends: [[u8; 4]; 5] = [[0; 4], [0, 0, 0, 1], [0, 0, 0, 2], [1, 0, 0, 0], [0xff; 4]];
    let mut rows = vec![twelve.clone()];
    for end in ends {
        let long = [short.as_slice(), &end].concat();
        let sixteen = encrypt(&long, IvLen::Sixteen);
        assert_eq!(sixteen.iv(), long);
        rows.push(sixteen.clone());
        // The tag and the ciphertext of one row under the IV of the other.
        for (iv, row) in [(&short, &sixteen), (&long, &twelve)] {
            let mixed = Triplet::from_parts(iv, row.tag(), row.ciphertext()).unwrap();
            assert_eq!(told(&key().decrypt(&mixed)), Told::NotAuthentic, "{end:?}");
        }
    }
    assert_eq!(rows.iter().map(|row| *row.tag()).collect::<HashSet<_>>().len(), 6);
    assert_eq!(rows.iter().map(|row| row.ciphertext().to_vec()).collect::<HashSet<_>>().len(), 6);
}

/// Writes everything that was requested, and returns an error.
struct FailsFull;

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl Error for Broken {}

impl TryRng for FailsFull {
    type Error = Broken;

    fn try_next_u32(&mut self) -> Result<u32, Broken> {
        Err(Broken)
    }

    fn try_next_u64(&mut self) -> Result<u64, Broken> {
        Err(Broken)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        bytes.fill(0xa5);
        Err(Broken)
    }
}

impl TryCryptoRng for FailsFull {}

#[test]
fn the_iv_that_is_drawn_is_the_iv_that_is_written() {
    let encrypt = |iv_len, script: Vec<Vec<u8>>| {
        key().encrypt_with_rng(&CREDENTIAL.into(), iv_len, &mut Scripted(script))
    };
    let mut tried = 0;
    for iv_len in IV_LENS {
        let len = iv_len.bytes();
        let last = |byte: u8| [vec![0; len - 1], vec![byte]].concat();
        // One byte repeated is as good an IV as any.
        for iv in [(1..).take(len).collect::<Vec<u8>>(), vec![0xa5; len], last(1), last(0x80)] {
            let mut rng = Scripted(vec![iv.clone(), iv.clone()]);
            let row = key().encrypt_with_rng(&CREDENTIAL.into(), iv_len, &mut rng).unwrap();
            assert_eq!((row.iv(), rng.0.len()), (iv.as_slice(), 1), "in one call");
            assert_eq!(key().decrypt(&row).unwrap(), Secret::from(CREDENTIAL));
            tried += 1;
        }
        // A source that has run out, that returns zeros, or that is asked for another number of
        // bytes.
        let refused =
            [vec![], vec![vec![0; len]], vec![vec![1; len - 1]], vec![vec![1; 28 - len]], {
                vec![vec![1; len + 1]]
            }];
        for script in refused {
            assert_eq!(told(&encrypt(iv_len, script)), Told::Random, "{iv_len:?}");
            tried += 1;
        }
        let failed = key().encrypt_with_rng(&CREDENTIAL.into(), iv_len, &mut FailsFull);
        assert_eq!(told(&failed), Told::Random, "{iv_len:?}");
        // From the operating system: never the same IV twice.
        let rows: Vec<_> =
            (0..100).map(|_| key().encrypt(&CREDENTIAL.into(), iv_len).unwrap()).collect();
        assert_eq!(rows.iter().map(Triplet::iv).collect::<HashSet<_>>().len(), 100);
        assert_eq!(rows.iter().map(Triplet::tag).collect::<HashSet<_>>().len(), 100);
        assert!(rows.iter().all(|row| row.iv_len() == iv_len));
    }
    assert_eq!(tried, 2 * (4 + 5));
}
