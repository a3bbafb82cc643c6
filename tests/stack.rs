//! How deep the verbs go on the stack, against how much of it is wiped after them.
//!
//! The stack is painted, a verb runs, and what is left of the paint is read back through
//! `/proc/self/mem`. In a release build only, because that is what the wipe is sized for:
//! `cargo test --release --test stack -- --nocapture`.

#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use sealwax::{DataKey, EncryptionContext, Keyring, MasterKey, Secret, Suite, sealing};

const PAINT: u8 = 0xa7;
const PAINTED: usize = 256 * 1024;
/// What the crate wipes after a verb, and a little for the frames of this test above it.
const WIPED: usize = 8 * 1024;
const SLACK: usize = 1024;

type Verb<'a> = (&'static str, Box<dyn FnMut() + 'a>);

#[inline(never)]
fn paint() {
    black_box(&mut [PAINT; PAINTED]);
}

/// Paints the stack, runs the verb, and reads how far down the paint is gone.
#[inline(never)]
fn depth_of(verb: &mut dyn FnMut()) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut below = vec![0; PAINTED / 2];
    let here = 0_u8;
    let top = u64::try_from((&raw const here).addr()).unwrap();
    paint();
    verb();
    let bottom = top - u64::try_from(below.len()).unwrap();
    memory.read_exact_at(&mut below, bottom).unwrap();
    below.len() - below.iter().position(|byte| *byte != PAINT).unwrap()
}

#[test]
fn no_verb_goes_deeper_than_the_wipe() {
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "1")]).unwrap();
    let mut measured = 0;
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        for len in [0, 51, 4096, 1 << 20] {
            let text = MasterKey::generate().unwrap().to_text();
            let key = || text.expose_str().unwrap().parse::<MasterKey>().unwrap();
            let ring = Keyring::new("prod".parse().unwrap(), key())
                .with_escrow("dr".parse().unwrap(), MasterKey::generate().unwrap())
                .unwrap()
                .with_suite(suite);
            let next = Keyring::new("next".parse().unwrap(), MasterKey::generate().unwrap())
                .with_retired("prod".parse().unwrap(), key())
                .unwrap();
            let secret = Secret::from(vec![b'x'; len]);
            let envelope = ring.seal(&secret, &context).unwrap();
            let other = EncryptionContext::empty();
            let mut altered: Vec<u8> = envelope.clone().into();
            if let Some(last) = altered.last_mut() {
                *last ^= 1;
            }
            let altered = altered.try_into().unwrap();
            let draft = sealing::prepare(&secret, &context, suite).unwrap();
            let wraps: Vec<_> = envelope.wrapped_keys().collect();
            let foreign = draft.finish(wraps).unwrap();

            let mut verbs: Vec<Verb<'_>> = vec![
                ("seal", Box::new(|| drop(black_box(ring.seal(&secret, &context))))),
                ("open", Box::new(|| drop(black_box(ring.open(&envelope, &context))))),
                ("open elsewhere", Box::new(|| drop(black_box(ring.open(&envelope, &other))))),
                ("open altered", Box::new(|| drop(black_box(ring.open(&altered, &context))))),
                ("open foreign", Box::new(|| drop(black_box(ring.open(&foreign, &context))))),
                ("verify", Box::new(|| drop(black_box(ring.verify(&envelope))))),
                ("rewrap", Box::new(|| drop(black_box(next.rewrap(&envelope))))),
                (
                    "prepare",
                    Box::new(|| {
                        drop(black_box(sealing::prepare(&secret, &context, suite)));
                    }),
                ),
                ("data key", Box::new(|| drop(black_box(DataKey::generate())))),
                ("master key", Box::new(|| drop(black_box(MasterKey::generate())))),
                ("to text", Box::new(|| drop(black_box(MasterKey::generate().unwrap().to_text())))),
                (
                    "from text",
                    Box::new(|| {
                        drop(black_box(text.expose_str().unwrap().parse::<MasterKey>()));
                    }),
                ),
                (
                    "async",
                    Box::new(|| {
                        drop(black_box(pollster::block_on(ring.open_async(&envelope, &context))));
                    }),
                ),
            ];
            for (name, verb) in &mut verbs {
                let depth = depth_of(verb.as_mut());
                println!("{suite} {len:>7} B {name:<15} {depth:>6} B of stack");
                assert!(depth <= WIPED + SLACK, "{suite} {name} of {len} bytes: {depth}");
                measured += 1;
            }
        }
    }
    assert_eq!(measured, 2 * 4 * 13);
}
