//! What the operations of sealing keys and opening keys leave on the stack: nothing of their keys, and nothing below the
//! part that they wipe.
//!
//! As in `tests/stack.rs`, the test paints the stack, runs an operation, and reads what is left. It runs only in a
//! release build: `cargo test --release --features hpke --test kem_stack`.

#![cfg(all(feature = "hpke", target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

#[path = "stack/painted.rs"]
mod painted;

use std::convert::Infallible;
use std::hint::black_box;

use painted::{PAINT, stack_after};
use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    DataKey, EncryptionContext, KeyWrapper, Keyring, MasterKeyProvider, OpeningKey, Sealer,
    SealingKey, Secret, Suite, UnwrapRequest, WrapRequest,
};

const PAINTED: usize = 512 * 1024;
const FRAGMENT: usize = 8;

/// Counts up, from a byte of its own for each kind of secret.
struct From(u8);

impl TryRng for From {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for (byte, value) in bytes.iter_mut().zip(self.0..) {
            *byte = value;
        }
        Ok(())
    }
}

impl TryCryptoRng for From {}

/// Seed and psk, 64 bytes, and a data key, 32 bytes.
const PAIR: u8 = 0x20;
const DATA_KEY: u8 = 0x90;

/// Returns how many bytes of the stack were touched, and whether the deepest of them were wiped.
fn depth(below: &[u8]) -> (usize, bool) {
    let touched = below.iter().position(|byte| *byte != PAINT).unwrap();
    let mut lowest = below[touched..].windows(512).take(2048);
    (below.len() - touched, lowest.any(|window| window.iter().all(|byte| *byte == 0)))
}

fn left_in(below: &[u8]) -> usize {
    let counting = |first: u8, len: u8| (first..first + len).collect::<Vec<u8>>();
    let secrets = [counting(PAIR, 64), counting(DATA_KEY, 32)];
    let is_left = |part: &&[u8]| below.windows(FRAGMENT).any(|window| window == *part);
    secrets.iter().flat_map(|secret| secret.windows(FRAGMENT)).filter(is_left).count()
}

#[test]
fn no_operation_of_a_pair_leaves_its_keys_on_the_stack() {
    let pair = || OpeningKey::generate_with_rng(&mut From(PAIR)).unwrap();
    let (opening, sealing) = (pair(), pair().sealing_key());
    let (opening_text, sealing_text) = (opening.to_text(), sealing.to_text());
    let sealer = Sealer::new("a".parse().unwrap(), pair().sealing_key()).unwrap();
    let ring = Keyring::new("a".parse().unwrap(), pair()).unwrap();
    let (secret, context) = (Secret::from("a credential"), EncryptionContext::empty());
    let row = sealer.seal_with_rng(&secret, &context, &mut From(DATA_KEY)).unwrap();
    let id = "a".parse().unwrap();
    let data_key = DataKey::generate_with_rng(&mut From(DATA_KEY)).unwrap();
    let request = WrapRequest::new(&id, Suite::Aes256Gcm, row.commitment(), &data_key);
    let body = row.wrapped_keys().next().unwrap().body().to_vec();
    let mut altered = body.clone();
    altered[1171] ^= 1;
    let to_unwrap = |body| UnwrapRequest::new(&id, Suite::Aes256Gcm, row.commitment(), body);
    let (whole, flipped) = (to_unwrap(&body), to_unwrap(&altered));
    let mut verbs: Vec<(&str, Box<dyn FnMut() + '_>)> = vec![
        ("generate", Box::new(|| drop(black_box(pair())))),
        ("to text", Box::new(|| drop(black_box(opening.to_text())))),
        ("sealing key to text", Box::new(|| drop(black_box(sealing.to_text())))),
        (
            "from text",
            Box::new(|| {
                drop(black_box(opening_text.expose_str().unwrap().parse::<OpeningKey>()));
            }),
        ),
        (
            "sealing key from text",
            Box::new(|| {
                drop(black_box(sealing_text.expose_str().unwrap().parse::<SealingKey>()));
            }),
        ),
        ("wrap", Box::new(|| drop(black_box(sealing.wrap_key(request).into_ready().ok())))),
        ("unwrap", Box::new(|| drop(black_box(opening.unwrap_key(whole).into_ready().ok())))),
        (
            "unwrap, altered",
            Box::new(|| drop(black_box(opening.unwrap_key(flipped).into_ready().ok()))),
        ),
        (
            "seal",
            Box::new(|| {
                drop(black_box(sealer.seal_with_rng(&secret, &context, &mut From(DATA_KEY))));
            }),
        ),
        ("open", Box::new(|| drop(black_box(ring.open(&row, &context))))),
        ("verify", Box::new(|| drop(black_box(ring.verify(&row))))),
    ];
    let mut found = Vec::new();
    for (name, verb) in &mut verbs {
        let below = stack_after::<PAINTED>(&mut **verb);
        let (depth, is_wiped) = depth(&below);
        println!("{name}: {depth} bytes, {} fragments", left_in(&below));
        if !is_wiped || left_in(&below) > 0 {
            found.push(*name);
        }
    }
    assert_eq!(verbs.len(), 11);
    assert_eq!(found, Vec::<&str>::new());
}

/// Checks the test itself: a secret that is not wiped is found.
#[test]
fn a_secret_that_is_left_is_found() {
    let mut leave = || {
        let mut copy = [0; 8192];
        copy.fill(0xee);
        copy.iter_mut().zip(PAIR..PAIR + 64).for_each(|(place, byte)| *place = byte);
        black_box(&mut copy);
    };
    let below = stack_after::<PAINTED>(&mut leave);
    assert_eq!((left_in(&below), depth(&below).1), (64 - FRAGMENT + 1, false));
}
