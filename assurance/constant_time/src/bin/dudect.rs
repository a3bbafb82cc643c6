//! Measures comparisons: two classes of input, which differ in the first or in the last byte, must take
//! the same time (dudect, <https://eprint.iacr.org/2016/1123>).
//!
//! `dudect.sh` runs this and judges the t-values. The last two benches are controls: comparisons that
//! end at the first difference, whose t-values must be large.

use std::convert::Infallible;
use std::hint::black_box;

use base64ct::{Base64UrlUnpadded, Encoding};
use dudect_bencher::rand::RngExt;
use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::{TryCryptoRng, TryRng};
use sealwax::{
    DataKey, Draft, EncryptionContext, Envelope, MasterKey, MasterKeyProvider, OpenError,
    ProviderErrorKind, Secret, Suite, UnwrapError, UnwrapRequest, WrapKind, WrappedKey,
};
use sealwax_tokens::{Grant, Mode, Pepper, Peppers, Record, TokenError, Tokens};
use sha2::Sha256;

/// How many inputs there are. Those of both classes are mixed in memory, so that neither has better places.
const PLACES: usize = 256;

/// Makes inputs of both classes in random order. `make` gets the position of the difference.
fn inputs<T>(rng: &mut BenchRng, last: usize, mut make: impl FnMut(usize) -> T) -> Vec<(Class, T)> {
    let mut input = |_| {
        let (class, at) = if rng.random() { (Class::Left, 0) } else { (Class::Right, last) };
        (class, make(at))
    };
    (0..PLACES).map(&mut input).collect()
}

/// Asserts that in both classes the comparison itself notices the difference, and not an earlier check.
fn assert_of_both_classes<T>(inputs: &[(Class, T)], differs: impl Fn(&T) -> bool) {
    for class in [|class| matches!(class, Class::Left), |class| matches!(class, Class::Right)] {
        let mut of_class = inputs.iter().filter(|(of, _)| class(*of)).peekable();
        assert!(of_class.peek().is_some(), "a class has no inputs");
        assert!(of_class.all(|(_, input)| differs(input)), "the difference was not noticed");
    }
}

fn measure<T>(
    runner: &mut CtRunner,
    rng: &mut BenchRng,
    runs: usize,
    inputs: &[(Class, T)],
    compare: impl Fn(&T) -> bool,
) {
    for _ in 0..runs {
        let (class, input) = &inputs[rng.random_range(0..inputs.len())];
        runner.run_one(*class, || compare(black_box(input)));
    }
}

const LEN: usize = 64;

fn differs(at: usize) -> Vec<u8> {
    let mut bytes = vec![0x5a; LEN];
    bytes[at] ^= 1;
    bytes
}

/// Measures `Secret == Secret`.
fn secrets(runner: &mut CtRunner, rng: &mut BenchRng) {
    let secret = Secret::from([0x5a; LEN].as_slice());
    let inputs = inputs(rng, LEN - 1, |at| Secret::from(differs(at)));
    assert_of_both_classes(&inputs, |other| secret != *other);
    measure(runner, rng, 8_000_000, &inputs, |other| secret == *other);
}

fn data_key() -> DataKey {
    let mut bytes: Vec<u8> = (0..32).collect();
    DataKey::from_bytes(&mut bytes).expect("not a weak key")
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).expect("a pair")
}

/// Draws the known data key, and an IV.
struct Known;

impl TryRng for Known {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.iter_mut().zip(0..).for_each(|(place, byte)| *place = byte);
        Ok(())
    }
}

impl TryCryptoRng for Known {}

/// Makes an envelope whose data key is known, with a wrap that nothing can unwrap.
fn envelope(suite: Suite) -> Vec<u8> {
    let draft = Draft::new_with_rng(&"s3cret".into(), &context(), suite, &mut Known);
    let wrapped = WrappedKey::new("kms".parse().expect("an id"), WrapKind::Provider, b"opaque");
    let envelope = draft.expect("prepared").finish(vec![wrapped.expect("a body")]);
    envelope.expect("an envelope").into()
}

/// The lengths of commitment, MAC, IV, tag and ciphertext, which are the end of the envelope.
const COMMITMENT: usize = 32;
const MAC: usize = 16;
const IV_AND_TAG: usize = 12 + 16;
const CIPHERTEXT: usize = 6;
const TAIL: usize = COMMITMENT + MAC + IV_AND_TAG + CIPHERTEXT;

/// Makes an envelope with a wrong MAC.
fn other_mac(suite: Suite, at: usize) -> Envelope {
    let mut bytes = envelope(suite);
    let mac = bytes.len() - TAIL + COMMITMENT;
    bytes[mac + at] ^= 1;
    bytes.try_into().expect("the layout is as it was")
}

/// Makes an envelope with a wrong commitment, and the MAC that matches it.
fn other_commitment(suite: Suite, at: usize) -> Envelope {
    let mut bytes = envelope(suite);
    let commitment = bytes.len() - TAIL;
    bytes[commitment + at] ^= 1;
    let mac = commitment + COMMITMENT;
    let (head, tail) = (&bytes[..mac], &bytes[mac + MAC..][..IV_AND_TAG]);
    let len = u32::try_from(CIPHERTEXT).expect("a short one").to_be_bytes();
    let hmac = Hmac::<Sha256>::new_from_slice(data_key().expose_secret()).expect("any length");
    let full =
        [b"sw1/mac", head, tail, &len].iter().fold(hmac, |hmac, part| hmac.chain_update(part));
    bytes.splice(mac..mac + MAC, full.finalize().into_bytes()[..MAC].iter().copied());
    bytes.try_into().expect("the layout is as it was")
}

/// Alternates between the suites whatever the class, so that the work before the comparison is the same.
fn suites() -> impl FnMut() -> Suite {
    let mut suites = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305].into_iter().cycle();
    move || suites.next().expect("an endless iterator")
}

/// Measures the envelope's MAC, through `verify_with`.
fn mac(runner: &mut CtRunner, rng: &mut BenchRng) {
    let (data_key, mut suite) = (data_key(), suites());
    let inputs = inputs(rng, MAC - 1, |at| other_mac(suite(), at));
    assert_of_both_classes(&inputs, |envelope| {
        matches!(envelope.verify_with(&data_key), Err(UnwrapError::EnvelopeAltered))
    });
    measure(runner, rng, 4_000_000, &inputs, |envelope| envelope.verify_with(&data_key).is_err());
}

/// Measures the commitment, through `open_with`.
fn commitment(runner: &mut CtRunner, rng: &mut BenchRng) {
    let (data_key, context, mut suite) = (data_key(), context(), suites());
    let inputs = inputs(rng, COMMITMENT - 1, |at| other_commitment(suite(), at));
    // The MAC is right, so the commitment is compared.
    assert_of_both_classes(&inputs, |envelope| {
        matches!(envelope.open_with(&data_key, &context), Err(OpenError::ContextMismatch))
    });
    measure(runner, rng, 4_000_000, &inputs, |envelope| {
        envelope.open_with(&data_key, &context).is_err()
    });
}

/// Makes a wrap with a salt that is wrong at one byte, or with the right one.
///
/// The pad follows from the salt, token, claims, so the data key is XORed with the pad of the wrong salt. The salt that an unwrap
/// computes is then the right one, which differs from the wrong one only at the changed byte.
fn other_salt(suite: Suite, at: Option<usize>) -> (Suite, Vec<u8>) {
    let hmac = |label: &[u8], parts: &[&[u8]]| {
        let hmac = Hmac::<Sha256>::new_from_slice(&MASTER).expect("any length");
        let hmac =
            parts.iter().fold(hmac.chain_update(label), |hmac, part| hmac.chain_update(part));
        hmac.chain_update([1]).finalize().into_bytes()
    };
    let (data_key, head) = (data_key(), [1, suite.id(), 4]);
    let bound: [&[u8]; 4] = [&head, b"prod", &[7; COMMITMENT], data_key.expose_secret()];
    let mut salt = hmac(b"sw1/salt", &bound)[..SALT].to_vec();
    if let Some(at) = at {
        salt[at] ^= 1;
    }
    let pad = hmac(b"sw1/wrap", &[&salt]);
    let padded = data_key.expose_secret().iter().zip(pad).map(|(byte, pad)| byte ^ pad);
    (suite, [&hmac(b"sw1/check", &[])[..4], &salt, &padded.collect::<Vec<_>>()].concat())
}

const SALT: usize = 24;
const MASTER: [u8; 32] = *b"a master key of no other use: 32";

/// Measures the salt of a wrap, by calling a master key directly.
fn salt(runner: &mut CtRunner, rng: &mut BenchRng) {
    let (prod, mut suite) = ("prod".parse().expect("an id"), suites());
    let master = MasterKey::from_bytes(&mut MASTER.clone()).expect("not a weak key");
    let refused = |(suite, body): &(Suite, Vec<u8>)| {
        let request = UnwrapRequest::new(&prod, *suite, &[7; COMMITMENT], body);
        master.unwrap_key(request).into_ready().expect("ready").err()
    };
    assert!(refused(&other_salt(suite(), None)).is_none(), "the right salt does not unwrap");
    let inputs = inputs(rng, SALT - 1, |at| other_salt(suite(), Some(at)));
    assert_of_both_classes(&inputs, |input| {
        refused(input).is_some_and(|error| error.kind() == ProviderErrorKind::Rejected)
    });
    // Every input is copied to one place. With 256 places, the times would show where each of them is relative to
    // the key that is allocated in between, which has nothing to do with the class.
    let mut place = inputs[0].1.clone();
    for _ in 0..4_000_000 {
        let (class, (suite, body)) = &inputs[rng.random_range(0..inputs.len())];
        place.0 = *suite;
        place.1.copy_from_slice(body);
        runner.run_one(*class, || refused(black_box(&place)).is_some());
    }
}

/// Makes a token and its record, in which one part is wrong at a byte: the digest, with the MAC that matches it, or the
/// MAC.
fn other_record((record, part): (&Record, usize), at: usize) -> Record {
    const DIGEST: usize = 2;
    let text = record.to_string();
    let fields: Vec<&str> = text.split(':').collect();
    let decode = |field: usize| Base64UrlUnpadded::decode_vec(fields[field]).expect("base64");
    let (mut digest, claims, mut mac) = (decode(DIGEST), decode(3), decode(4));
    if part == DIGEST {
        digest[at] ^= 1;
        let hmac = Hmac::<Sha256>::new_from_slice(&MASTER).expect("any length");
        let id = [&[fields[1].len() as u8], fields[1].as_bytes()].concat();
        let info = [b"swt1/claims", &id[..], &digest, &claims, &[1]];
        mac = info
            .iter()
            .fold(hmac, |hmac, part| hmac.chain_update(part))
            .finalize()
            .into_bytes()
            .to_vec();
    } else {
        mac[at] ^= 1;
    }
    let [digest, claims, mac] =
        [digest, claims, mac].map(|field| Base64UrlUnpadded::encode_string(&field));
    let text = format!("swt1:{}:{digest}:{claims}:{mac}", fields[1]);
    text.parse().expect("the layout is as it was")
}

/// Measures the comparison of a record's part, through `Tokens::verify`.
fn record(runner: &mut CtRunner, rng: &mut BenchRng, part: usize, refusal: TokenError) {
    let pepper = Pepper::from_bytes(&mut MASTER.clone()).expect("not a weak key");
    let peppers = Peppers::new("prod".parse().expect("an id"), pepper).expect("an id");
    let tokens = Tokens::new(peppers, Mode::Live, "acme_live_".parse().expect("a prefix"));
    let grant = Grant::new("tenant/42", ["read"]).expect("a subject and a scope");
    let issued = tokens.issue_with_rng(grant, &mut Known).expect("issued");
    let token = issued.token.into_secret().expect("not shown");
    let token = token.expose_str().expect("text");
    let verify = |record: &Record| tokens.verify(token, record, 0, "read").err();
    assert_eq!(verify(&issued.record), None);
    let inputs = inputs(rng, 31, |at| other_record((&issued.record, part), at));
    assert_of_both_classes(&inputs, |record| verify(record).as_ref() == Some(&refusal));
    // Every record is made in one place, as above.
    let inputs: Vec<_> =
        inputs.iter().map(|(class, record)| (*class, record.to_string())).collect();
    for _ in 0..2_000_000 {
        let (class, text) = &inputs[rng.random_range(0..inputs.len())];
        let record = text.parse().expect("a record");
        runner.run_one(*class, || verify(black_box(&record)).is_some());
    }
}

/// Measures the digest in a token's record.
fn token(runner: &mut CtRunner, rng: &mut BenchRng) {
    record(runner, rng, 2, TokenError::Unknown);
}

/// Measures the MAC of a token's record.
fn claims(runner: &mut CtRunner, rng: &mut BenchRng) {
    record(runner, rng, 4, TokenError::Altered);
}

/// Ends at the first difference.
#[inline(never)]
fn ends_early(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(a, b)| black_box(a) == b)
}

/// A control: `secrets` with a comparison that ends early.
fn ends_early_in_64(runner: &mut CtRunner, rng: &mut BenchRng) {
    let secret = Secret::from([0x5a; LEN].as_slice());
    let inputs = inputs(rng, LEN - 1, |at| Secret::from(differs(at)));
    measure(runner, rng, 400_000, &inputs, |other| {
        ends_early(secret.expose_secret(), other.expose_secret())
    });
}

/// A control: `mac` with a comparison that ends early, after the work that an operation does before it.
fn ends_early_in_16(runner: &mut CtRunner, rng: &mut BenchRng) {
    let data_key = data_key();
    let real = Envelope::try_from(envelope(Suite::Aes256Gcm)).expect("an envelope");
    let inputs = inputs(rng, MAC - 1, |at| {
        let mut mac = *real.mac();
        mac[at] ^= 1;
        mac
    });
    measure(runner, rng, 200_000, &inputs, |mac| {
        real.verify_with(&data_key).is_ok() && ends_early(real.mac(), mac)
    });
}

ctbench_main!(secrets, mac, commitment, salt, token, claims, ends_early_in_64, ends_early_in_16);
