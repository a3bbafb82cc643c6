//! What a leaked data key allows: one row's data key leaked, while the master keys and all other data keys did not.
//!
//! The thief reads that row and can rewrite it: with any plaintext, in the row's own context and under its own IV,
//! because the wraps are bound to the commitment, and the commitment to the IV and the context. A rewrap keeps the data
//! key, so it does not end this; sealing the credential again does. No other row reads differently, and this row opens
//! in no other context.
//!
//! All of this requires a wrap that is bound. If a provider binds nothing, nothing prevents a known data key and its
//! wrap from being used with another commitment, and the thief writes rows in any context.

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, OpenError, ProviderFuture, Secret,
    Suite, UnwrapError,
};
use sealwax::{MasterKeyProvider, ProviderError, UnwrapRequest, WrapRequest};

use crate::ciphers::Cipher;
use crate::page::{Parts, SUITES, cipher, derive, drawn, master_key, ring};

const SEALED: &[u8] = b"the credential as it was sealed";
const WRITTEN: &[u8] = b"whatever the thief writes";

fn context(tenant: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", tenant)]).unwrap()
}

/// The results for the rows that the thief builds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    envelopes: usize,
    attempts: usize,
    /// The thief's row in its own context: as it was sealed, and as the thief rewrote it.
    own: [usize; 2],
    /// The other row, unchanged.
    other: usize,
}

/// Takes each field from either row or from the thief's own computation, in every combination. The only rows that open
/// are the two rows themselves, and the thief's own row rewritten.
#[test]
fn the_thief_of_a_data_key_rewrites_its_row_and_nothing_else() {
    let masters = [("prod", drawn("prod")), ("dr", drawn("dr"))];
    let [prod, dr] = [0, 1].map(|of| (masters[of].0, &masters[of].1));
    let rings = [ring(&[prod]), ring(&[dr]), ring(&[prod, dr])];
    let contexts = ["acme", "initech"].map(context);
    let leaked = drawn("data key of acme");
    let mut count = Count::default();
    for suite in SUITES {
        let seal = |data_key, iv: &str, of: usize| {
            Parts::sealed(suite, data_key, &drawn(iv), &contexts[of], SEALED, &masters)
        };
        let own = seal(&leaked, "iv of acme", 0);
        let other = seal(&drawn("data key of initech"), "iv of initech", 1);
        for parts in combined(&own, &other, &leaked, &contexts) {
            let envelope = parts.envelope();
            count.envelopes += 1;
            for (ring, context) in
                rings.iter().flat_map(|ring| contexts.each_ref().map(|c| (ring, c)))
            {
                count.attempts += 1;
                let Ok(secret) = ring.open(&envelope, context) else { continue };
                if *context == contexts[1] {
                    assert!(parts == other, "{suite}: an altered version of the other row opens");
                    count.other += 1;
                    continue;
                }
                let kept = |row: &Parts| (row.suite, row.iv.clone(), row.commitment.clone());
                assert!(kept(&parts) == kept(&own), "{suite}: more than the payload has changed");
                let written = [SEALED, WRITTEN].iter().position(|it| secret.expose_secret() == *it);
                count.own[written.unwrap()] += 1;
            }
        }
    }
    println!("with a leaked data key: {count:?}");
    // For each suite. The rows that open keep the suite, the IV, the commitment (which two of the choices below have in
    // common) and one wrap in its place. `prod` opens 5 of the pairs of wraps, `dr` opens 4, and a keyring with both
    // opens 8. The MAC is new, or nothing has changed.
    let envelopes = 20 * 4 * 2 * 2 * 4 * 3;
    let own = [(5 + 4 + 8) * 2 + 3 * 2, (5 + 4 + 8) * 2];
    let expected = Count { envelopes, attempts: envelopes * 6, own, other: 3 };
    let doubled = Count {
        envelopes: 2 * expected.envelopes,
        attempts: 2 * expected.attempts,
        own: expected.own.map(|opened| 2 * opened),
        other: 2 * expected.other,
    };
    assert_eq!(count, doubled);
}

/// Returns everything that can be built from two rows and the data key of the first.
fn combined(
    own: &Parts,
    other: &Parts,
    leaked: &[u8; 32],
    contexts: &[EncryptionContext; 2],
) -> Vec<Parts> {
    let bodies: Vec<_> =
        [own, other].iter().flat_map(|row| row.wraps.iter().map(|(_, body)| body)).collect();
    let mut found = Vec::new();
    for first in &bodies {
        for second in bodies.iter().map(Some).chain([None]) {
            let mut wraps = vec![("prod".to_owned(), first.to_vec())];
            wraps.extend(second.map(|body| ("dr".to_owned(), body.to_vec())));
            for (suite, iv) in
                SUITES.iter().flat_map(|suite| [(*suite, &own.iv), (*suite, &other.iv)])
            {
                let derived = contexts.each_ref().map(|it| derive(leaked, suite, iv, it));
                let written = derived.map(|(key, commitment)| {
                    let (ciphertext, tag) = cipher(suite).encrypt(&key, iv, &[], WRITTEN);
                    (commitment, (tag.to_vec(), ciphertext))
                });
                let payloads = [own, other].map(|row| (row.tag.clone(), row.ciphertext.clone()));
                let payloads = [&payloads[0], &payloads[1], &written[0].1, &written[1].1];
                let commitments =
                    [&own.commitment, &other.commitment, &written[0].0, &written[1].0];
                for commitment in commitments {
                    for (tag, ciphertext) in payloads {
                        let parts = Parts {
                            suite: suite.id(),
                            wraps: wraps.clone(),
                            commitment: commitment.clone(),
                            mac: own.mac.clone(),
                            iv: iv.clone(),
                            tag: tag.clone(),
                            ciphertext: ciphertext.clone(),
                        };
                        found.push(Parts { mac: other.mac.clone(), ..parts.clone() });
                        found.push(parts.clone().with_mac_under(leaked));
                        found.push(parts);
                    }
                }
            }
        }
    }
    found
}

/// A rewrap keeps the data key because it keeps the payload.
#[test]
fn a_leaked_data_key_survives_a_rewrap_and_ends_with_a_new_seal() {
    for suite in SUITES {
        let (leaked, acme) = (drawn("data key of acme"), context("acme"));
        let masters = [("prod", drawn("prod"))];
        let row = Parts::sealed(suite, &leaked, &drawn("iv"), &acme, SEALED, &masters);
        let next = Keyring::new("next".parse().unwrap(), master_key(&drawn("next")))
            .unwrap()
            .with_retired("prod".parse().unwrap(), master_key(&masters[0].1))
            .unwrap();
        let rewrapped = next.rewrap(&row.envelope()).unwrap().unwrap();

        let thief = || DataKey::from_bytes(&mut leaked.clone()).unwrap();
        let read = rewrapped.open_with(&thief(), &acme).unwrap();
        assert!(read.expose_secret() == SEALED, "{suite}");

        let wraps =
            rewrapped.wrapped_keys().map(|wrap| ("next".to_owned(), [&[1], wrap.body()].concat()));
        let (key, commitment) = derive(&leaked, suite, &row.iv, &acme);
        let (ciphertext, tag) = cipher(suite).encrypt(&key, &row.iv, &[], WRITTEN);
        let (wraps, tag) = (wraps.collect(), tag.to_vec());
        let written = Parts { wraps, commitment, tag, ciphertext, ..row };
        let written = written.with_mac_under(&leaked).envelope();
        let opened = next.open(&written, &acme).unwrap();
        assert!(opened.expose_secret() == WRITTEN, "{suite}");

        let again = next.seal(&opened, &acme).unwrap();
        assert!(again.open_with(&thief(), &acme).is_err(), "{suite}");
    }
}

/// A service that encrypts the data key it is given and binds it to nothing.
struct Unbound;

const NO_IV: [u8; 12] = [0; 12];

impl KeyWrapper for Unbound {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let data_key = request.data_key().expose_secret();
        let (body, tag) = Cipher::Gcm.encrypt(&drawn("service"), &NO_IV, &[], data_key);
        ProviderFuture::ready(Ok([body.as_slice(), &tag].concat()))
    }
}

impl MasterKeyProvider for Unbound {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let (body, tag) = request.body().split_last_chunk().unwrap();
        let data_key = Cipher::Gcm.decrypt(&drawn("service"), &NO_IV, &[], body, tag);
        ProviderFuture::ready(Ok(DataKey::from_bytes(&mut data_key.unwrap()).unwrap()))
    }
}

/// Returns a row of another tenant, written by someone who has a data key and its wraps: these wraps, with everything
/// else computed under that data key as the format says.
fn written_elsewhere(
    suite: Suite,
    leaked: &[u8; 32],
    wraps: Vec<(String, Vec<u8>)>,
    other: &EncryptionContext,
) -> Envelope {
    let written = Parts::sealed(suite, leaked, &drawn("any iv"), other, WRITTEN, &[]);
    Parts { wraps, ..written }.with_mac_under(leaked).envelope()
}

#[test]
fn a_leaked_data_key_and_its_wrap_write_no_other_row() {
    let masters = [("prod", drawn("prod")), ("dr", drawn("dr"))];
    let [prod, dr] = [0, 1].map(|of| (masters[of].0, &masters[of].1));
    let rings = [ring(&[prod]), ring(&[prod, dr]), ring(&[dr, prod])];
    let (leaked, other) = (drawn("data key of acme"), context("initech"));
    let mut refused = 0;
    for sealed_with in SUITES {
        let acme = context("acme");
        let row = Parts::sealed(sealed_with, &leaked, &drawn("iv"), &acme, SEALED, &masters);
        let wraps = [&row.wraps[..1], &row.wraps].map(<[_]>::to_vec);
        for (suite, wraps) in SUITES.iter().flat_map(|suite| wraps.iter().map(|w| (*suite, w))) {
            let written = written_elsewhere(suite, &leaked, wraps.clone(), &other);
            for ring in &rings {
                let waited = pollster::block_on(ring.open_async(&written, &other));
                for opened in [ring.open(&written, &other), waited] {
                    assert!(
                        matches!(opened, Err(OpenError::Unwrap(UnwrapError::WrapAltered { .. }))),
                        "{suite}"
                    );
                }
                let verified = ring.verify(&written);
                assert!(matches!(verified, Err(UnwrapError::WrapAltered { .. })), "{suite}");
                assert!(!matches!(ring.rewrap(&written), Ok(Some(_))), "{suite}");
                refused += 1;
            }
            // Only the wraps cause the rejection: with the data key alone, the row opens.
            let data_key = DataKey::from_bytes(&mut leaked.clone()).unwrap();
            let read = written.open_with(&data_key, &other).unwrap();
            assert!(read.expose_secret() == WRITTEN, "{suite}");
        }
    }
    assert_eq!(refused, 2 * 2 * 2 * 3);
}

/// The control: the same row, under a wrap that is bound to nothing.
#[test]
fn under_a_provider_that_binds_nothing_the_thief_writes_rows_of_any_context() {
    for suite in SUITES {
        let service = Keyring::new("kms".parse().unwrap(), Unbound).unwrap().with_suite(suite);
        let sealed = service.seal(&Secret::from(SEALED), &context("acme")).unwrap();
        let wrap = sealed.wrapped_keys().next().unwrap();
        let request = UnwrapRequest::new(wrap.key_id(), suite, sealed.commitment(), wrap.body());
        let leaked = *Unbound.unwrap_key(request).into_ready().unwrap().unwrap().expose_secret();

        let other = context("initech");
        let wraps = vec![("kms".to_owned(), [&[2], wrap.body()].concat())];
        let written = written_elsewhere(suite, &leaked, wraps, &other);
        let opened = service.open(&written, &other).unwrap();
        assert!(opened.expose_secret() == WRITTEN, "{suite}");
    }
}
