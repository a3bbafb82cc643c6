//! What the operations leave on the stack: no eight bytes of a secret, and nothing below the part that they wipe.
//!
//! The test paints the stack, runs an operation, and reads what is left below the caller's frame through
//! `/proc/self/mem`. It runs only in a release build, because the wipe after each operation is sized for one:
//! `cargo test --release --test stack`.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

#[path = "stack/painted.rs"]
mod painted;

use std::convert::Infallible;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use hkdf::Hkdf;
use painted::{PAINT, stack_after};
use rand_core::{TryCryptoRng, TryRng};
use sealwax::triplet::{IvLen, Triplet, TripletKey};
use sealwax::{
    DataKey, Draft, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    OpenEvent, OpenRecorder, ProviderError, ProviderFuture, RecorderError, Secret, Suite,
    UnwrapRequest, WrapKind, WrapRequest,
};
use sha2::{Digest, Sha256};

const PAINTED: usize = 64 * 1024;
/// The shortest fragment that counts as left behind.
const FRAGMENT: usize = 8;

const CREDENTIAL: &[u8] = b"sk-CANARY-0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
/// The first bytes that [`Drawn`] yields, for the data key or a master key: 32 bytes that count up from here.
const DRAWN: u8 = 0x90;
/// The master keys: 32 bytes that count up from here.
const MASTER_KEY: u8 = 0xd0;
/// The same bytes in hex and in base64, as the key of rows from other programs, and the hash of [`CREDENTIAL`], which
/// is such a key as well.
const KEY_HEX: &str = "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef";
const KEY_BASE64: &str = "0NHS09TV1tfY2drb3N3e3+Dh4uPk5ebn6Onq6+zt7u8=";
const HASH: [u8; 32] = [
    0x29, 0x13, 0xdb, 0x6b, 0x3f, 0xeb, 0xec, 0x8d, 0xf2, 0xa5, 0x8a, 0xae, 0x2b, 0xdb, 0xe7, 0x5a,
    0x1c, 0xbf, 0x77, 0xc0, 0xa1, 0x38, 0xbb, 0x4f, 0x79, 0xbb, 0x6d, 0x32, 0xc5, 0x83, 0xce, 0xee,
];

struct Drawn;

/// A recorder that is ready.
struct Recorder {
    fails: bool,
}

impl OpenRecorder for Recorder {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        black_box(event);
        let failed = self.fails.then(|| RecorderError::new("it is full"));
        ProviderFuture::ready(failed.map_or(Ok(()), Err))
    }
}

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

/// Returns 32 bytes that count up.
fn counting(first: u8) -> Vec<u8> {
    (0..32).map(|i| first.wrapping_add(i)).collect()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", "1")]).unwrap()
}

/// Returns the payload key and the commitment of an envelope sealed with [`Drawn`] for [`context`], derived here
/// (format, section 5).
fn payload_keys(suite: Suite) -> Vec<u8> {
    let iv: Vec<u8> = (32..44).map(|i| DRAWN.wrapping_add(i)).collect();
    let context = Sha256::digest(context().encoded());
    let bound = [[suite.id()].as_slice(), &iv, &context].concat();
    let derived = |label: &[u8; 8]| expand(DRAWN, &[label, bound.as_slice()].concat());
    [derived(b"sw1/data"), derived(b"sw1/comm")].concat()
}

/// Returns 32 bytes of HKDF-Expand under a key that counts up.
fn expand(first: u8, info: &[u8]) -> Vec<u8> {
    let mut okm = vec![0; 32];
    Hkdf::<Sha256>::from_prk(&counting(first)).unwrap().expand(info, &mut okm).unwrap();
    okm
}

/// Returns the pad that is added to the data key of [`Drawn`] under `prod` (format, section 6). It is as secret as the
/// data key, because the row contains the sum.
fn pad(suite: Suite) -> Vec<u8> {
    let commitment = &payload_keys(suite)[32..];
    let bind = [&[1, suite.id(), 4], b"prod".as_slice(), commitment].concat();
    let salt = expand(MASTER_KEY, &[b"sw1/salt", bind.as_slice(), &counting(DRAWN)].concat());
    expand(MASTER_KEY, &[b"sw1/wrap", &salt[..24]].concat())
}

/// Returns what HMAC keeps of a key that counts up: the state of SHA-256 after one block of key and padding.
fn padded_state(first: u8, padding: u8) -> Vec<u8> {
    let mut block = [padding; 64];
    block.iter_mut().zip(counting(first)).for_each(|(place, byte)| *place ^= byte);
    let mut state = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    sha2::block_api::compress256(&mut state, &[block]);
    state.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect()
}

/// Returns whether the deepest part that was touched was wiped. Deeper than the zeros, less than `within` bytes, are only
/// the addresses that the wipe itself returned to and what wiping a key leaves behind. The test asks for more zeros than
/// an operation leaves on its own, in a buffer that it did not fill.
fn is_wiped_to_the_ground(below: &[u8], within: usize) -> bool {
    let touched = below.iter().position(|byte| *byte != PAINT).unwrap();
    let mut lowest = below[touched..].windows(512).take(within);
    lowest.any(|window| window.iter().all(|byte| *byte == 0))
}

/// Returns how many fragments of a secret are left.
fn left_in(below: &[u8]) -> usize {
    let secrets = [
        CREDENTIAL.to_vec(),
        counting(DRAWN),
        counting(MASTER_KEY),
        KEY_HEX.into(),
        KEY_BASE64.into(),
        HASH.to_vec(),
        payload_keys(Suite::Aes256Gcm)[..32].to_vec(),
        payload_keys(Suite::ChaCha20Poly1305)[..32].to_vec(),
        pad(Suite::Aes256Gcm),
        pad(Suite::ChaCha20Poly1305),
        padded_state(DRAWN, 0x36),
        padded_state(DRAWN, 0x5c),
        padded_state(MASTER_KEY, 0x36),
        padded_state(MASTER_KEY, 0x5c),
    ];
    let is_left = |part: &&[u8]| below.windows(FRAGMENT).any(|window| window == *part);
    secrets.iter().flat_map(|secret| secret.windows(FRAGMENT)).filter(is_left).count()
}

type Verb<'a> = (&'static str, Box<dyn FnMut() + 'a>);

#[test]
fn no_verb_leaves_a_fragment_of_a_secret_on_the_stack() {
    let id = |id: &str| id.parse().unwrap();
    let context = context();
    let elsewhere = EncryptionContext::empty();
    // On the heap, because the secrets of the test itself must not be on the stack.
    let bytes = || counting(MASTER_KEY);
    let credential = str::from_utf8(CREDENTIAL).unwrap();
    let key = || MasterKey::from_bytes(&mut bytes()).unwrap();
    let mut tried = 0;
    // Rows from other programs have no suite, and an IV of one of two lengths.
    for (suite, iv_len) in
        [(Suite::Aes256Gcm, IvLen::Twelve), (Suite::ChaCha20Poly1305, IvLen::Sixteen)]
    {
        let ring = Keyring::new(id("prod"), key())
            .unwrap()
            .with_escrow(id("dr"), MasterKey::generate().unwrap())
            .unwrap()
            .with_suite(suite);
        let next = Keyring::new(id("next"), MasterKey::generate().unwrap())
            .unwrap()
            .with_retired(id("prod"), key())
            .unwrap();
        let recorded = ring.clone().with_recorder(Recorder { fails: false });
        let unrecorded = ring.clone().with_recorder(Recorder { fails: true });
        let secret = Secret::from(CREDENTIAL);
        let large = Secret::from(vec![b'l'; 70_000]);
        let large_envelope = ring.seal(&large, &context).unwrap();
        let text = key().to_text();
        let envelope = ring.seal_with_rng(&secret, &context, &mut Drawn).unwrap();
        assert_eq!(
            payload_keys(suite)[32..],
            envelope.commitment()[..],
            "the test looks for the wrong key"
        );
        let mut altered: Vec<u8> = envelope.clone().into();
        if let Some(last) = altered.last_mut() {
            *last ^= 1;
        }
        let altered = Envelope::try_from(altered).unwrap();
        let body = envelope.wrapped_keys().next().unwrap().body().to_vec();
        let sum: Vec<u8> = body[28..].iter().zip(pad(suite)).map(|(a, b)| a ^ b).collect();
        assert_eq!(sum, counting(DRAWN), "the test looks for the wrong pad");
        // Unwrapping it yields the data key except for its last bit.
        let altered_wrap = {
            let mut bytes: Vec<u8> = envelope.clone().into();
            let at = bytes.windows(60).position(|part| part == body).unwrap();
            bytes[at + 59] ^= 1;
            Envelope::try_from(bytes).unwrap()
        };
        let altered_body = altered_wrap.wrapped_keys().next().unwrap().body().to_vec();
        let data_key = DataKey::generate_with_rng(&mut Drawn).unwrap();
        let foreign = {
            let draft = Draft::new(&secret, &context, suite).unwrap();
            draft.finish(envelope.wrapped_keys().collect()).unwrap()
        };
        let master = key();
        let prod = id("prod");
        let bare = id(text.expose_str().unwrap().strip_prefix("swk1_").unwrap());
        let request = WrapRequest::new(&prod, suite, envelope.commitment(), &data_key);
        let to_unwrap = |body| UnwrapRequest::new(&prod, suite, envelope.commitment(), body);
        let (whole, flipped) = (to_unwrap(&body), to_unwrap(&altered_body));
        let triplet_key = TripletKey::from_hex(KEY_HEX).unwrap();
        let other_key = TripletKey::insecure_repeated_byte(1);
        let triplet = triplet_key.encrypt(&secret, iv_len).unwrap();
        let altered_triplet = {
            let mut tag = *triplet.tag();
            tag[0] ^= 1;
            Triplet::from_parts(triplet.iv(), &tag, triplet.ciphertext()).unwrap()
        };
        let wrap = |bytes: Vec<u8>| triplet_key.encrypt(&Secret::from(bytes), iv_len).unwrap();
        let (wrapped, no_key) = (wrap(counting(DRAWN)), wrap(vec![DRAWN; 32]));
        let faulty_hex = KEY_HEX.replace("ef", "e!");
        let faulty_base64 = KEY_BASE64.replace("u8=", "u8!");
        let prepare = || Draft::new_with_rng(&secret, &context, suite, &mut Drawn);
        let mut drafts = vec![prepare().unwrap()];
        let mut drafts_refused = vec![prepare().unwrap()];
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
            // More than the widest batch of a cipher.
            ("seal large", Box::new(|| drop(black_box(ring.seal(&large, &context))))),
            ("open large", Box::new(|| drop(black_box(ring.open(&large_envelope, &context))))),
            ("open", Box::new(|| drop(black_box(ring.open(&envelope, &context))))),
            ("open recorded", Box::new(|| drop(black_box(recorded.open(&envelope, &context))))),
            (
                "open recorded, altered",
                Box::new(|| drop(black_box(recorded.open(&altered, &context)))),
            ),
            (
                "open recorded, elsewhere",
                Box::new(|| drop(black_box(recorded.open(&envelope, &elsewhere)))),
            ),
            ("not recorded", Box::new(|| drop(black_box(unrecorded.open(&envelope, &context))))),
            (
                "not recorded, async",
                Box::new(|| {
                    drop(black_box(pollster::block_on(unrecorded.open_async(&envelope, &context))));
                }),
            ),
            (
                "open recorded, altered, async",
                Box::new(|| {
                    drop(black_box(pollster::block_on(recorded.open_async(&altered, &context))));
                }),
            ),
            (
                "open recorded, async",
                Box::new(|| {
                    drop(black_box(pollster::block_on(recorded.open_async(&envelope, &context))));
                }),
            ),
            ("open elsewhere", Box::new(|| drop(black_box(ring.open(&envelope, &elsewhere))))),
            ("open altered", Box::new(|| drop(black_box(ring.open(&altered, &context))))),
            (
                "open, altered wrap",
                Box::new(|| drop(black_box(ring.open(&altered_wrap, &context)))),
            ),
            (
                "verify, async",
                Box::new(|| {
                    drop(black_box(pollster::block_on(ring.verify_async(&envelope))));
                }),
            ),
            ("verify foreign", Box::new(|| drop(black_box(ring.verify(&foreign))))),
            ("rewrap foreign", Box::new(|| drop(black_box(next.rewrap(&foreign))))),
            ("verify, altered wrap", Box::new(|| drop(black_box(ring.verify(&altered_wrap))))),
            ("rewrap, altered wrap", Box::new(|| drop(black_box(next.rewrap(&altered_wrap))))),
            (
                "open, altered wrap, async",
                Box::new(|| {
                    let opened = ring.open_async(&altered_wrap, &context);
                    drop(black_box(pollster::block_on(opened)));
                }),
            ),
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
            ("draft", Box::new(|| drop(black_box(prepare())))),
            (
                "finish",
                Box::new(|| {
                    drop(black_box(prepare().unwrap().finish(envelope.wrapped_keys().collect())));
                }),
            ),
            (
                "finish alone",
                Box::new(|| {
                    let draft = drafts.pop().unwrap();
                    drop(black_box(draft.finish(envelope.wrapped_keys().collect())));
                }),
            ),
            (
                "finish without wraps",
                Box::new(|| {
                    let draft = drafts_refused.pop().unwrap();
                    drop(black_box(draft.finish(Vec::new())));
                }),
            ),
            ("open_with", Box::new(|| drop(black_box(envelope.open_with(&data_key, &context))))),
            ("verify_with", Box::new(|| drop(black_box(envelope.verify_with(&data_key))))),
            ("verify_with another", Box::new(|| drop(black_box(foreign.verify_with(&data_key))))),
            (
                "rewrapped",
                Box::new(|| {
                    let wraps = envelope.wrapped_keys().collect();
                    drop(black_box(envelope.rewrap_with(&data_key, wraps)));
                }),
            ),
            (
                "rewrapped by another",
                Box::new(|| {
                    let wraps = foreign.wrapped_keys().collect();
                    drop(black_box(foreign.rewrap_with(&data_key, wraps)));
                }),
            ),
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
            ("wrap_key", Box::new(|| drop(black_box(master.wrap_key(request).into_ready().ok())))),
            (
                "unwrap_key",
                Box::new(|| drop(black_box(master.unwrap_key(whole).into_ready().ok()))),
            ),
            (
                "unwrap_key, altered",
                Box::new(|| drop(black_box(master.unwrap_key(flipped).into_ready().ok()))),
            ),
            (
                "a key as an id",
                Box::new(|| drop(black_box(ring.clone().with_leaked(bare.clone())))),
            ),
            ("key of bytes", Box::new(|| drop(black_box(TripletKey::from_bytes(&mut bytes()))))),
            ("key of hex", Box::new(|| drop(black_box(TripletKey::from_hex(KEY_HEX))))),
            ("faulty hex", Box::new(|| drop(black_box(TripletKey::from_hex(&faulty_hex))))),
            ("key of base64", Box::new(|| drop(black_box(TripletKey::from_base64(KEY_BASE64))))),
            (
                "faulty base64",
                Box::new(|| drop(black_box(TripletKey::from_base64(&faulty_base64)))),
            ),
            ("hashed", Box::new(|| drop(black_box(TripletKey::insecure_sha256_of(credential))))),
            ("encrypt", Box::new(|| drop(black_box(triplet_key.encrypt(&secret, iv_len))))),
            ("decrypt", Box::new(|| drop(black_box(triplet_key.decrypt(&triplet))))),
            (
                "decrypt altered",
                Box::new(|| drop(black_box(triplet_key.decrypt(&altered_triplet)))),
            ),
            ("decrypt with another", Box::new(|| drop(black_box(other_key.decrypt(&triplet))))),
            ("unwrap", Box::new(|| drop(black_box(triplet_key.unwrap_key(&wrapped))))),
            ("unwrap no key", Box::new(|| drop(black_box(triplet_key.unwrap_key(&no_key))))),
        ];
        for (name, verb) in &mut verbs {
            let below = stack_after::<PAINTED>(verb.as_mut());
            assert_eq!(left_in(&below), 0, "{suite} {name}");
            // These two only move the key from heap to heap.
            let wipes = !["data key", "duplicate"].contains(name);
            // Around a record there are several wipes, each of which returns to an address.
            let within = if name.contains("recorded") { 2048 } else { 256 };
            assert_eq!(is_wiped_to_the_ground(&below, within), wipes, "{suite} {name}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 57);
}

/// A master key behind a provider that looks for secrets below its own frame, from where a future that it moves into a
/// box would copy them.
struct Looking {
    key: MasterKey,
    /// Searched later, because a search leaves the secrets that it searches for.
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Looking {
    fn new(key: MasterKey) -> Arc<Self> {
        Arc::new(Self { key, seen: Mutex::new(Vec::new()) })
    }

    #[inline(never)]
    fn look(&self) {
        let here = 0_u8;
        let mut below = vec![0; PAINTED / 2];
        let bottom = u64::try_from((&raw const here).addr() - below.len()).unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut below, bottom).unwrap();
        self.seen.lock().unwrap().push(below);
    }
}

impl KeyWrapper for Looking {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.look();
        self.key.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        self.look();
        WrapKind::Local
    }
}

impl MasterKeyProvider for Looking {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.look();
        self.key.unwrap_key(request)
    }
}

/// Returns the envelope with the last bit of a part flipped.
fn with_altered(envelope: &Envelope, part: &[u8]) -> Envelope {
    let mut bytes = envelope.as_bytes().to_vec();
    let start = bytes.windows(part.len()).position(|window| window == part).unwrap();
    bytes[start + part.len() - 1] ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

#[test]
fn no_provider_finds_a_secret_below_its_own_frame() {
    let id = |id: &str| id.parse().unwrap();
    let context = context();
    let secret = Secret::from(CREDENTIAL);
    let key = || MasterKey::from_bytes(&mut counting(MASTER_KEY)).unwrap();
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let (prod, next) = (Looking::new(key()), Looking::new(MasterKey::generate().unwrap()));
        // A local key comes first, and leaves its cleanup to the wipe of the operation.
        let ring = Keyring::new(id("local"), MasterKey::generate().unwrap())
            .unwrap()
            .with_escrow(id("prod"), Arc::clone(&prod))
            .unwrap()
            .with_suite(suite);
        let alone = Keyring::new(id("prod"), Arc::clone(&prod)).unwrap().with_suite(suite);
        let rotated = Keyring::new(id("next"), Arc::clone(&next))
            .unwrap()
            .with_retired(id("prod"), Arc::clone(&prod))
            .unwrap();
        for ring in [&ring, &alone] {
            let envelope = ring.seal_with_rng(&secret, &context, &mut Drawn).unwrap();
            let sealed = ring.seal_async_with_rng(&secret, &context, &mut Drawn);
            drop(pollster::block_on(sealed).unwrap());
            drop(alone.open(&envelope, &context).unwrap());
            drop(pollster::block_on(alone.open_async(&envelope, &context)).unwrap());
            drop(rotated.rewrap(&envelope).unwrap().unwrap());
            drop(pollster::block_on(rotated.rewrap_async(&envelope)).unwrap().unwrap());
        }
        // A local key comes first. It unwraps the data key except for one bit, or finds an altered MAC.
        let both = Keyring::new(id("a"), key()).unwrap().with_escrow(id("prod"), Arc::clone(&prod));
        let both = both.unwrap().with_suite(suite);
        let row = both.seal_with_rng(&secret, &context, &mut Drawn).unwrap();
        let first_wrap = row.wrapped_keys().next().unwrap();
        for row in [with_altered(&row, first_wrap.body()), with_altered(&row, row.mac())] {
            let looks = || prod.seen.lock().unwrap().len();
            let before = looks();
            assert!(both.open(&row, &context).is_err());
            assert!(both.verify(&row).is_err());
            assert!(pollster::block_on(both.open_async(&row, &context)).is_err());
            assert_eq!(looks() - before, 3);
        }
        let seen = [prod, next].map(|key| std::mem::take(&mut *key.seen.lock().unwrap())).concat();
        assert!(seen.len() >= 2 * 10, "only {} looks", seen.len());
        let found: Vec<usize> = seen.iter().map(|below| left_in(below)).collect();
        assert_eq!(found, vec![0; seen.len()], "{suite}");
    }
}

/// Checks the test itself: a secret that is not wiped is found.
#[test]
fn a_secret_that_is_left_is_found() {
    let mut leave = || {
        // At the low end of a large frame, which the code that reads the stack back does not reach.
        let mut copy = [0; 8192];
        copy.fill(0xee);
        copy.iter_mut().zip(CREDENTIAL).for_each(|(place, byte)| *place = *byte);
        black_box(&mut copy);
    };
    let below = stack_after::<PAINTED>(&mut leave);
    assert_eq!(left_in(&below), CREDENTIAL.len() - FRAGMENT + 1);
    assert!(!is_wiped_to_the_ground(&below, 2048));
}
