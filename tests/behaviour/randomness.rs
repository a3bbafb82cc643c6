//! Where random bytes come from: one call, no byte used twice, and no seal without them.

use core::error::Error;
use core::fmt;
use std::collections::HashSet;
use std::thread;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    DataKey, Draft, Envelope, KeyError, Keyring, MasterKey, MasterKeyProvider, SealError, Secret,
    Suite, UnwrapRequest, WrapKind, WrappedKey,
};

use crate::fixtures::{
    CREDENTIAL, Counting, SUITES, Scripted, acme, context, key_id, keyring, master_key, sealed,
};

/// The ways in which a source of randomness can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Returns an error and writes nothing.
    Fails,
    /// Returns an error after it has written everything that was requested.
    FailsFull,
    /// Yields zeros.
    Zeros,
    /// Yields one byte, repeated.
    Repeats,
    /// Writes this many bytes, reports success, and leaves the rest unchanged.
    Short(usize),
    Good,
}

/// A source that behaves in this way for its first calls, and works after them.
struct Faulty {
    source: Source,
    faults: usize,
    calls: Vec<usize>,
}

fn faulty(source: Source, faults: usize) -> Faulty {
    Faulty { source, faults, calls: Vec::new() }
}

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl Error for Broken {}

impl TryRng for Faulty {
    type Error = Broken;

    fn try_next_u32(&mut self) -> Result<u32, Broken> {
        Err(Broken)
    }

    fn try_next_u64(&mut self) -> Result<u64, Broken> {
        Err(Broken)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        self.calls.push(bytes.len());
        let source = if self.calls.len() > self.faults { Source::Good } else { self.source };
        for (byte, i) in bytes.iter_mut().zip(1_u8..) {
            match source {
                Source::Fails => return Err(Broken),
                Source::Zeros => *byte = 0,
                Source::Repeats => *byte = 0xa5,
                Source::Short(len) if usize::from(i) > len => return Ok(()),
                Source::FailsFull | Source::Short(_) | Source::Good => *byte = i,
            }
        }
        if source == Source::FailsFull { Err(Broken) } else { Ok(()) }
    }
}

impl TryCryptoRng for Faulty {}

/// An operation that draws randomness: its name, how many bytes it requests, and whether it returns
/// `Random`.
type Verb = (&'static str, usize, fn(&mut dyn TryCryptoRng<Error = Broken>) -> Result<(), bool>);

fn sealing<T>(result: Result<T, SealError>) -> Result<(), bool> {
    result.map(drop).map_err(|error| matches!(error, SealError::Random))
}

fn generating<T>(result: Result<T, KeyError>) -> Result<(), bool> {
    result.map(drop).map_err(|error| error == KeyError::Random)
}

fn secret() -> Secret {
    Secret::from(CREDENTIAL)
}

const VERBS: [Verb; 5] = [
    ("seal", 44, |rng| sealing(keyring(Suite::default()).seal_with_rng(&secret(), &acme(), rng))),
    ("seal_async", 44, |rng| {
        let ring = keyring(Suite::default());
        sealing(pollster::block_on(ring.seal_async_with_rng(&secret(), &acme(), rng)))
    }),
    ("Draft::new", 44, |rng| {
        sealing(Draft::new_with_rng(&secret(), &acme(), Suite::default(), rng))
    }),
    ("MasterKey::generate", 32, |rng| generating(MasterKey::generate_with_rng(rng))),
    ("DataKey::generate", 32, |rng| generating(DataKey::generate_with_rng(rng))),
];

#[test]
fn each_verb_draws_once_and_in_one_call() {
    for (verb, len, draw) in VERBS {
        let mut rng = faulty(Source::Good, 0);
        assert_eq!(draw(&mut rng), Ok(()), "{verb}");
        assert_eq!(rng.calls, [len], "{verb}");
    }
}

/// Failing randomness is an error, without a second attempt, and nothing is made from the first.
#[test]
fn randomness_that_fails_or_is_none_is_an_error() {
    let mut tried = 0;
    for (verb, len, draw) in VERBS {
        let sources = [
            Source::Fails,
            Source::FailsFull,
            Source::Zeros,
            Source::Short(0),
            // A whole key, and an IV of zeros.
            Source::Short(if len == 44 { 32 } else { 0 }),
            Source::Short(if len == 44 { 20 } else { 0 }),
        ];
        for source in sources {
            let mut rng = faulty(source, 1);
            assert_eq!(draw(&mut rng), Err(true), "{verb} from {source:?}");
            assert_eq!(rng.calls, [len], "{verb} from {source:?}");
            // When the source works again, so does the operation.
            assert_eq!(draw(&mut rng), Ok(()), "{verb} after {source:?}");
            tried += 1;
        }
        // Twice in a row: no operation retries until it succeeds.
        let mut rng = faulty(Source::Zeros, 2);
        assert_eq!(draw(&mut rng), Err(true), "{verb}, zeros");
        assert_eq!(draw(&mut rng), Err(true), "{verb}, zeros again");
        assert_eq!(draw(&mut rng), Ok(()), "{verb} after zeros twice");
        assert_eq!(rng.calls, [len; 3], "{verb}");
        tried += 1;
    }
    assert_eq!(tried, 5 * 7);
}

/// A key must not be one byte repeated; an IV may be.
#[test]
fn randomness_of_one_repeated_byte_makes_no_key() {
    for (verb, _, draw) in VERBS {
        assert_eq!(draw(&mut faulty(Source::Repeats, 1)), Err(true), "{verb}");
    }
    // Only the data key is repeated, or only the IV.
    let ring = keyring(Suite::default());
    let rows = [
        ("a repeated data key", [vec![7; 32], (1..=12).collect()].concat(), Err(true)),
        ("a data key of zeros", [vec![0; 32], (1..=12).collect()].concat(), Err(true)),
        ("an IV of zeros", [(1..=32).collect(), vec![0; 12]].concat(), Err(true)),
        ("an IV of eleven zeros", [(1..=33).collect(), vec![0; 11]].concat(), Ok(())),
        ("all good", (1..=44).collect(), Ok(())),
    ];
    for (row, script, expected) in rows {
        let mut rng = Scripted(vec![script]);
        let sealed = sealing(ring.seal_with_rng(&secret(), &acme(), &mut rng));
        assert_eq!(sealed, expected, "{row}");
    }
}

/// `DEK(32) ‖ iv(12)`: the IV that was drawn is the IV that is written, and the key that was drawn
/// is the key that was wrapped.
#[test]
fn what_is_drawn_is_what_is_used() {
    for suite in SUITES {
        let drawn: Vec<u8> = (101..=144).collect();
        let mut rng = Scripted(vec![drawn.clone()]);
        let row = keyring(suite).seal_with_rng(&secret(), &acme(), &mut rng).unwrap();
        assert!(rng.0.is_empty());
        assert_eq!(row.iv(), &drawn[32..]);
        let data_key = DataKey::from_bytes(&mut drawn[..32].to_vec()).unwrap();
        row.verify_with(&data_key).unwrap();
        assert_eq!(row.open_with(&data_key, &acme()).unwrap(), secret());
    }
    // A seal does not draw other lengths, or in two calls.
    for lens in [vec![43], vec![45], vec![32, 12], vec![12, 32], vec![44, 44]] {
        let script = lens.iter().map(|len| (1..=*len).collect()).collect();
        let mut rng = Scripted(script);
        let sealed = keyring(Suite::default()).seal_with_rng(&secret(), &acme(), &mut rng);
        if lens == [44, 44] {
            assert!(sealed.is_ok() && rng.0.len() == 1, "{lens:?}");
        } else {
            assert!(matches!(sealed, Err(SealError::Random)), "{lens:?}");
        }
    }
}

/// A rewrap takes no RNG, and does not draw from one of its own.
#[test]
fn a_rewrap_draws_none() {
    let next = || {
        Keyring::new(key_id("next"), master_key(3))
            .unwrap()
            .with_escrow(key_id("dr"), master_key(2))
            .and_then(|ring| ring.with_retired(key_id("prod"), master_key(1)))
            .unwrap()
    };
    for suite in SUITES {
        let row = sealed(suite, 1);
        let fresh = next().rewrap(&row).unwrap().unwrap();
        assert_ne!(fresh, row);
        let mut workers = HashSet::new();
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| next().rewrap(&row).unwrap().unwrap())).collect();
            workers.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
        assert_eq!(workers, HashSet::from([fresh.clone()]));
        let later = pollster::block_on(next().rewrap_async(&row)).unwrap().unwrap();
        assert_eq!(later, fresh);
    }
}

/// Returns the salt of each local wrap: 24 bytes after the check value.
fn salts(row: &Envelope) -> Vec<Vec<u8>> {
    row.wrapped_keys().map(|wrapped| wrapped.body()[4..28].to_vec()).collect()
}

/// Returns the data key in each wrap of [`keyring`]: the primary's and the escrow key's.
fn data_keys(row: &Envelope) -> Vec<[u8; 32]> {
    let unwrapped = row.wrapped_keys().zip([1, 2]).map(|(wrapped, number)| {
        let (suite, commitment) = (row.suite(), row.commitment());
        let request = UnwrapRequest::new(wrapped.key_id(), suite, commitment, wrapped.body());
        let answer = master_key(number).unwrap_key(request).into_ready().unwrap();
        *answer.unwrap().expose_secret()
    });
    unwrapped.collect()
}

/// One plaintext in one context, sealed by 64 threads with clones of one keyring.
#[test]
fn no_two_of_many_seals_share_a_key_or_an_iv() {
    const THREADS: usize = 64;
    const SEALS: usize = 100;
    let ring = keyring(Suite::default());
    let mut rows = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let ring = ring.clone();
                scope.spawn(move || {
                    let seal = |_| ring.seal(&secret(), &acme()).unwrap();
                    (0..SEALS).map(seal).collect::<Vec<_>>()
                })
            })
            .collect();
        rows.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    });
    let all = THREADS * SEALS;
    assert_eq!(rows.len(), all);
    assert_eq!(rows.iter().map(Envelope::commitment).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::iv).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::mac).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::tag).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::ciphertext).collect::<HashSet<_>>().len(), all);
    // Everything else differs if the IV does, so the data keys have to be compared separately.
    assert_eq!(rows.iter().flat_map(data_keys).collect::<HashSet<_>>().len(), all);
    // Two wraps each.
    assert_eq!(rows.iter().flat_map(salts).collect::<HashSet<_>>().len(), 2 * all);
    assert_eq!(ring.open(&rows[all - 1], &acme()).unwrap(), secret());
}

#[test]
fn clones_of_a_keyring_and_async_seals_do_not_repeat_themselves() {
    let ring = keyring(Suite::default());
    let clone = ring.clone();
    let (mut keys, mut ivs, mut commitments) = (HashSet::new(), HashSet::new(), HashSet::new());
    for _ in 0..50 {
        for ring in [&ring, &clone] {
            let sealed = ring.seal(&secret(), &acme()).unwrap();
            let later = pollster::block_on(ring.seal_async(&secret(), &acme())).unwrap();
            for row in [&sealed, &later] {
                keys.extend(data_keys(row));
                ivs.insert(*row.iv());
                commitments.insert(*row.commitment());
            }
            let draft = Draft::new(&secret(), &acme(), Suite::default()).unwrap();
            keys.insert(*draft.data_key().expose_secret());
            commitments.insert(*draft.commitment());
            let body = WrappedKey::new(key_id("kms"), WrapKind::Provider, b"opaque").unwrap();
            ivs.insert(*draft.finish(vec![body]).unwrap().iv());
        }
    }
    assert_eq!([keys.len(), ivs.len(), commitments.len()], [50 * 2 * 3; 3]);

    let keys: HashSet<_> = (0..100).map(|_| MasterKey::generate().unwrap().check_value()).collect();
    // Four bytes each: about once in a million runs, two of the hundred are equal.
    assert!(keys.len() >= 99);
    let keys: HashSet<_> =
        (0..100).map(|_| *DataKey::generate().unwrap().expose_secret()).collect();
    assert_eq!(keys.len(), 100);
}

/// The worst possible RNG, one whose state was cloned: another context still gives another payload
/// key, so no keystream is used for two plaintexts.
#[test]
fn a_repeated_data_key_and_iv_are_another_key_in_another_context() {
    for suite in SUITES {
        let ring = keyring(suite);
        let plaintexts = [CREDENTIAL, "sk-test-ANOTHER.CREDENTIAL.OF.THE.SAME.LENGTH.51.."];
        let plaintexts = plaintexts.map(|text| format!("{text:.<51}"));
        let contexts = [acme(), context(&[("tenant", "other")])];
        let rows: Vec<_> = plaintexts
            .iter()
            .zip(&contexts)
            .map(|(text, context)| {
                ring.seal_with_rng(&Secret::from(text), context, &mut Counting(1)).unwrap()
            })
            .collect();
        let [a, b] = rows.as_slice() else { panic!("two rows") };
        assert_eq!(a.iv(), b.iv());
        assert_ne!(a.commitment(), b.commitment());
        let xor = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a ^ b).collect::<Vec<_>>();
        let of_ciphertexts = xor(a.ciphertext(), b.ciphertext());
        let of_plaintexts = xor(plaintexts[0].as_bytes(), plaintexts[1].as_bytes());
        assert_eq!(of_ciphertexts.len(), 51);
        assert_ne!(of_ciphertexts, of_plaintexts);
        // No four consecutive bytes are equal at any position.
        let shared = of_ciphertexts.windows(4).zip(of_plaintexts.windows(4));
        assert_eq!(shared.filter(|(a, b)| a == b).count(), 0);
        // Nor do the wraps share a salt, because salts depend on the commitment.
        assert_eq!(salts(a).iter().filter(|salt| salts(b).contains(salt)).count(), 0);

        // The same plaintext in two contexts, and the same context with another suite.
        let twin =
            ring.seal_with_rng(&Secret::from(&plaintexts[0]), &contexts[1], &mut Counting(1));
        assert_ne!(twin.unwrap().ciphertext(), a.ciphertext());
    }
    let [gcm, chacha] = SUITES.map(|suite| sealed(suite, 1));
    assert_eq!(gcm.iv(), chacha.iv());
    assert_ne!(gcm.commitment(), chacha.commitment());
    assert_ne!(gcm.ciphertext(), chacha.ciphertext());
}
