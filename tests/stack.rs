//! What the verbs leave on the stack: no eight bytes of a secret.
//!
//! The stack is painted, a verb runs, and what is left below the caller's frame is read back
//! through `/proc/self/mem`. In a release build only, because that is what the wipe after each
//! verb is sized for: `cargo test --release --test stack`.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::convert::Infallible;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    DataKey, EncryptionContext, Envelope, Keyring, MasterKey, MasterKeyProvider, Secret, Suite,
    WrapRequest, sealing,
};

const PAINT: u8 = 0x11;
const PAINTED: usize = 64 * 1024;
/// The shortest fragment that counts as left behind.
const FRAGMENT: usize = 8;

const CREDENTIAL: &[u8] = b"sk-CANARY-0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
/// What [`Drawn`] yields first: the data key, or a master key. 32 bytes that count up.
const DRAWN: u8 = 0x90;
/// The master keys: 32 bytes that count up from here.
const MASTER_KEY: u8 = 0xd0;

struct Drawn;

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for (byte, value) in bytes.iter_mut().zip(DRAWN..) {
            *byte = value;
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

#[inline(never)]
fn paint() {
    black_box(&mut [PAINT; PAINTED]);
}

/// How many fragments of a secret a verb leaves below the caller's frame.
#[inline(never)]
fn left_by(verb: &mut dyn FnMut()) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let counting = |first: u8| (0..32).map(|i| first.wrapping_add(i)).collect::<Vec<_>>();
    let secrets = [CREDENTIAL.to_vec(), counting(DRAWN), counting(MASTER_KEY)];
    let mut below = vec![0; PAINTED / 2];
    let here = 0_u8;
    let bottom = u64::try_from((&raw const here).addr() - below.len()).unwrap();
    paint();
    verb();
    memory.read_exact_at(&mut below, bottom).unwrap();
    let is_left = |part: &&[u8]| below.windows(FRAGMENT).any(|window| window == *part);
    secrets.iter().flat_map(|secret| secret.windows(FRAGMENT)).filter(is_left).count()
}

type Verb<'a> = (&'static str, Box<dyn FnMut() + 'a>);

#[test]
fn no_verb_leaves_a_fragment_of_a_secret_on_the_stack() {
    let id = |id: &str| id.parse().unwrap();
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "1")]).unwrap();
    let elsewhere = EncryptionContext::empty();
    // On the heap: what the test itself holds must not lie on the stack.
    let bytes = || (0..32).map(|i| MASTER_KEY.wrapping_add(i)).collect::<Vec<u8>>();
    let key = || MasterKey::from_bytes(&mut bytes()).unwrap();
    let mut tried = 0;
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let ring = Keyring::new(id("prod"), key())
            .with_escrow(id("dr"), MasterKey::generate().unwrap())
            .unwrap()
            .with_suite(suite);
        let next = Keyring::new(id("next"), MasterKey::generate().unwrap())
            .with_retired(id("prod"), key())
            .unwrap();
        let secret = Secret::from(CREDENTIAL);
        let text = key().to_text();
        let envelope = ring.seal_with_rng(&secret, &context, &mut Drawn).unwrap();
        let mut altered: Vec<u8> = envelope.clone().into();
        if let Some(last) = altered.last_mut() {
            *last ^= 1;
        }
        let altered = Envelope::try_from(altered).unwrap();
        let data_key = DataKey::generate_with_rng(&mut Drawn).unwrap();
        let foreign = {
            let draft = sealing::prepare(&secret, &context, suite).unwrap();
            draft.finish(envelope.wrapped_keys().collect()).unwrap()
        };
        let master = key();
        let prod = id("prod");
        let request = WrapRequest::new(&prod, suite, envelope.commitment(), &data_key);
        let prepare = || sealing::prepare_with_rng(&secret, &context, suite, &mut Drawn);
        let mut verbs: Vec<Verb<'_>> = vec![
            (
                "seal",
                Box::new(|| {
                    drop(black_box(ring.seal_with_rng(&secret, &context, &mut Drawn)));
                }),
            ),
            (
                "seal, async",
                Box::new(|| {
                    let sealed = ring.seal_async_with_rng(&secret, &context, &mut Drawn);
                    drop(black_box(pollster::block_on(sealed)));
                }),
            ),
            ("open", Box::new(|| drop(black_box(ring.open(&envelope, &context))))),
            ("open elsewhere", Box::new(|| drop(black_box(ring.open(&envelope, &elsewhere))))),
            ("open altered", Box::new(|| drop(black_box(ring.open(&altered, &context))))),
            ("open foreign", Box::new(|| drop(black_box(ring.open(&foreign, &context))))),
            (
                "open, async",
                Box::new(|| {
                    drop(black_box(pollster::block_on(ring.open_async(&envelope, &context))));
                }),
            ),
            ("verify", Box::new(|| drop(black_box(ring.verify(&envelope))))),
            ("rewrap", Box::new(|| drop(black_box(next.rewrap(&envelope))))),
            (
                "rewrap, async",
                Box::new(|| {
                    drop(black_box(pollster::block_on(next.rewrap_async(&envelope))));
                }),
            ),
            ("prepare", Box::new(|| drop(black_box(prepare())))),
            (
                "finish",
                Box::new(|| {
                    drop(black_box(prepare().unwrap().finish(envelope.wrapped_keys().collect())));
                }),
            ),
            ("open_with", Box::new(|| drop(black_box(envelope.open_with(&data_key, &context))))),
            ("data key", Box::new(|| drop(black_box(DataKey::generate_with_rng(&mut Drawn))))),
            ("duplicate", Box::new(|| drop(black_box(data_key.duplicate())))),
            ("master key", Box::new(|| drop(black_box(MasterKey::generate_with_rng(&mut Drawn))))),
            ("from bytes", Box::new(|| drop(black_box(MasterKey::from_bytes(&mut bytes()))))),
            ("to text", Box::new(|| drop(black_box(master.to_text())))),
            (
                "from text",
                Box::new(|| {
                    drop(black_box(text.expose_str().unwrap().parse::<MasterKey>()));
                }),
            ),
            ("wrap_key", Box::new(|| drop(black_box(master.wrap_key(request).into_now())))),
        ];
        for (name, verb) in &mut verbs {
            assert_eq!(left_by(verb.as_mut()), 0, "{suite} {name}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 20);
}

/// A test of the test: what is not wiped is found.
#[test]
fn a_secret_that_is_left_is_found() {
    let mut leave = || {
        // At the low end of a large frame, where what reads the stack back does not reach.
        let mut copy = [0; 8192];
        copy.iter_mut().zip(CREDENTIAL).for_each(|(place, byte)| *place = *byte);
        black_box(&mut copy);
    };
    assert_eq!(left_by(&mut leave), CREDENTIAL.len() - FRAGMENT + 1);
}
