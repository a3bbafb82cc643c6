//! What a local wrap promises as deterministic authenticated encryption: its salt is a function of
//! everything that it is bound to, and if the salt does not match, nothing that was unwrapped is
//! used.

use std::collections::HashSet;
use std::env;

use sealwax::{
    DataKey, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderErrorKind,
};
use sealwax::{Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey};

use crate::fixtures::{
    CREDENTIAL, Counting, Parts, SUITES, acme, context, counted_data_key, forge,
};
use crate::fixtures::{key_id, keyring, master_bytes, master_key, opening, sealed, verdicts, wrap};
use crate::reference::procedures::{padded, wrap_local};

/// check ‖ salt ‖ wrapped data key
const SALT: core::ops::Range<usize> = 4..28;
const WRAPPED: core::ops::RangeFrom<usize> = 28..;

fn data_key(bytes: &[u8; 32]) -> DataKey {
    DataKey::from_bytes(&mut bytes.clone()).unwrap()
}

fn body_of(key: &MasterKey, id: &str, suite: Suite, commitment: &[u8; 32], dek: &[u8; 32]) -> Body {
    Body(wrap(key, id, suite, commitment, &data_key(dek)).body().to_vec())
}

#[derive(Clone, PartialEq, Eq)]
struct Body(Vec<u8>);

impl Body {
    fn salt(&self) -> &[u8] {
        &self.0[SALT]
    }

    /// Returns what someone who knows the data key learns.
    fn pad(&self, dek: &[u8; 32]) -> [u8; 32] {
        let pad: Vec<u8> = self.0[WRAPPED].iter().zip(dek).map(|(a, b)| a ^ b).collect();
        pad.try_into().unwrap()
    }
}

fn unwrapped(
    key: &MasterKey,
    id: &str,
    suite: Suite,
    commitment: &[u8; 32],
    body: &[u8],
) -> Result<[u8; 32], ProviderErrorKind> {
    let id = key_id(id);
    let answer = key.unwrap_key(UnwrapRequest::new(&id, suite, commitment, body));
    let answer = answer.into_ready().unwrap();
    answer.map_err(|error| error.kind()).map(|found| *found.expose_secret())
}

/// Returns a data key that differs with the number, and is never one byte repeated.
fn numbered(number: u32) -> [u8; 32] {
    let mut dek = [0x5e; 32];
    dek[..4].copy_from_slice(&number.to_be_bytes());
    dek[31] = 1;
    dek
}

fn flipped(bytes: &[u8; 32], bit: usize) -> [u8; 32] {
    let mut bytes = *bytes;
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn two_wraps_of_one_data_key_for_one_row_are_equal_to_the_byte_and_as_the_page_says() {
    let mut tried = 0;
    for suite in SUITES {
        for number in 0..200_u8 {
            let dek = numbered(number.into());
            let (commitment, id) = ([number; 32], format!("k{number}"));
            // From two equal keys in memory.
            let [one, other] = [0, 1].map(|_| {
                let key = master_key(number);
                body_of(&key, &id, suite, &commitment, &dek)
            });
            assert!(one == other, "{suite}, {number}");

            let master = master_bytes(number);
            let wrapped = wrap_local(&master, &id, suite.id(), &commitment, &dek);
            assert!(one.0 == wrapped[1..], "{suite}, {number}: not as the page");
            assert_eq!(one.0.len(), 60);
            tried += 1;
        }
        // Sealed twice, with both forms of the operation.
        let ring = keyring(suite);
        let secret = Secret::from(CREDENTIAL);
        let waited = ring.seal_async_with_rng(&secret, &acme(), &mut Counting(1));
        let waited = pollster::block_on(waited).unwrap();
        assert_eq!([sealed(suite, 1), waited], [sealed(suite, 1), sealed(suite, 1)], "{suite}");
    }
    assert_eq!(tried, 2 * 200);
}

/// The same salt twice is the same pad twice: it reveals the XOR of the two data keys under it.
#[test]
fn any_change_of_key_id_suite_commitment_data_key_or_master_key_changes_salt_and_pad() {
    let (dek, commitment) = (numbered(7), [0xc0; 32]);
    let key = master_key(1);
    let mut bodies: Vec<(String, Body, [u8; 32])> = Vec::new();
    for suite in SUITES {
        let mut add = |what: String, body: Body, dek: [u8; 32]| bodies.push((what, body, dek));
        add(format!("{suite}"), body_of(&key, "prod", suite, &commitment, &dek), dek);
        for bit in 0..256 {
            let commitment = flipped(&commitment, bit);
            let body = body_of(&key, "prod", suite, &commitment, &dek);
            add(format!("{suite}, bit {bit} of the commitment"), body, dek);
        }
        for bit in 0..256 {
            let dek = flipped(&dek, bit);
            let body = body_of(&key, "prod", suite, &commitment, &dek);
            add(format!("{suite}, bit {bit} of the data key"), body, dek);
        }
        for len in 1..=128 {
            let body = body_of(&key, &"p".repeat(len), suite, &commitment, &dek);
            add(format!("{suite}, an id of {len}"), body, dek);
        }
        for id in ["Prod", "PROD", "prod1", "xprod", "pro", "prod/", "prod.", "prod-", "dorp"] {
            let body = body_of(&key, id, suite, &commitment, &dek);
            add(format!("{suite}, id {id}"), body, dek);
        }
        for number in 2..=255 {
            let body = body_of(&master_key(number), "prod", suite, &commitment, &dek);
            add(format!("{suite}, master key {number}"), body, dek);
        }
    }
    assert_eq!(bodies.len(), 2 * (1 + 256 + 256 + 128 + 9 + 254));
    let (mut salts, mut pads) = (HashSet::new(), HashSet::new());
    for (what, body, dek) in &bodies {
        assert!(salts.insert(body.salt().to_vec()), "{what}: a salt that was there");
        assert!(pads.insert(body.pad(dek)), "{what}: a pad that was there");
    }
    assert_eq!((salts.len(), pads.len()), (bodies.len(), bodies.len()));
    // No part of a salt is constant, or depends on only some of these inputs.
    for at in 0..24 {
        let seen: HashSet<u8> = bodies.iter().map(|(_, body, _)| body.salt()[at]).collect();
        assert!(seen.len() > 200, "byte {at} of the salt has {} values", seen.len());
    }
}

/// Wraps of one row under one master key, with different data keys. `SEALWAX_SALTS` sets a larger
/// number.
#[test]
fn a_million_wraps_under_one_master_key_have_a_million_salts() {
    let count: u32 = env::var("SEALWAX_SALTS").map_or(1_000_000, |count| count.parse().unwrap());
    let (key, id) = (master_key(1), key_id("prod"));
    let mut salts = HashSet::with_capacity(usize::try_from(count).unwrap());
    for number in 0..count {
        let dek = data_key(&numbered(number));
        let request = WrapRequest::new(&id, Suite::Aes256Gcm, &[7; 32], &dek);
        let body = key.wrap_key(request).into_ready().unwrap().unwrap();
        let salt: [u8; 24] = body[SALT].try_into().unwrap();
        assert!(salts.insert(salt), "a salt twice within {number} wraps");
    }
    assert_eq!(salts.len(), usize::try_from(count).unwrap());
}

/// Anyone who knows a row's data key knows its pad, and can put any other data key under it. Only
/// the salt, which is computed from the data key, reveals this.
#[test]
fn another_data_key_under_a_known_pad_and_its_salt_is_refused() {
    let mut tried = 0;
    for suite in SUITES {
        let prod = || Keyring::new(key_id("prod"), master_key(1)).unwrap().with_suite(suite);
        let own = prod().seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1));
        let own = own.unwrap();
        let known = *counted_data_key(1).expose_secret();
        let honest = Body(own.wrapped_keys().next().unwrap().body().to_vec());
        let pad = honest.pad(&known);
        let under_pad = |chosen: &[u8; 32]| {
            let mut body = honest.0.clone();
            body[WRAPPED].iter_mut().zip(chosen).zip(pad).for_each(|((to, a), b)| *to = a ^ b);
            body
        };
        assert!(under_pad(&known) == honest.0, "{suite}: the attack is what it is meant to be");

        let chosen = (0..256).map(|bit| flipped(&known, bit)).chain((0..64).map(numbered));
        for chosen in chosen {
            let body = under_pad(&chosen);
            // Unchanged, for the row that the pad belongs to.
            let found = unwrapped(&master_key(1), "prod", suite, own.commitment(), &body);
            assert!(found == Err(ProviderErrorKind::Rejected), "{suite}: the wrap alone");
            // As a row for the victim, sealed under the chosen data key, in its own context and in
            // another one.
            for context in [acme(), context(&[("tenant", "globex")])] {
                let forge = |body: Option<&[u8]>| {
                    let draft = forge(&chosen, &[9; 12], &context, suite);
                    let commitment = draft.commitment();
                    let wrapped = match body {
                        Some(body) => WrappedKey::new(key_id("prod"), WrapKind::Local, body),
                        None => {
                            Ok(wrap(&master_key(1), "prod", suite, commitment, draft.data_key()))
                        }
                    };
                    draft.finish(vec![wrapped.unwrap()]).unwrap()
                };
                let forged = forge(Some(&body));
                forged.verify_with(&data_key(&chosen)).unwrap();
                let found = opening(&prod(), &forged, &context);
                assert_eq!(found, "wrap_altered(prod)", "{suite}, {context:?}");
                assert_eq!(
                    prod().verify(&forged).map_err(|error| error.to_string()),
                    Err("the wrap under key prod was altered or belongs to another row".to_owned()),
                );
                // A control: it is the wrap that causes the rejection.
                assert_eq!(opening(&prod(), &forge(None), &context), "opened", "{suite}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * (256 + 64) * 2);
}

/// Returns a keyring with `prod` and `dr` under a different primary, so that nothing is current.
fn next(suite: Suite) -> Keyring {
    Keyring::new(key_id("next"), master_key(3))
        .unwrap()
        .with_suite(suite)
        .with_retired(key_id("prod"), master_key(1))
        .and_then(|ring| ring.with_retired(key_id("dr"), master_key(2)))
        .unwrap()
}

/// Returns a keyring in which only this key can open, alongside a primary that has no wrap.
fn alone(id: &str, number: u8) -> Keyring {
    let next = Keyring::new(key_id("next"), master_key(3)).unwrap();
    next.with_retired(key_id(id), master_key(number)).unwrap()
}

#[test]
fn each_flipped_bit_of_a_wrap_is_refused_with_the_error_of_its_part() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let known = counted_data_key(1);
        let untouched = ["done"; 6].map(str::to_owned);
        assert_eq!(verdicts(&next(suite), &envelope, &acme()), untouched, "{suite}");
        for (place, id, number) in [(0, "prod", 1), (1, "dr", 2)] {
            for bit in 0..8 * 60 {
                let mut parts = Parts::of(&envelope);
                parts.wraps[place].1[1 + bit / 8] ^= 1 << (bit % 8);
                let told = match bit / 8 {
                    ..4 => format!("wrong_key_material({id})"),
                    _ => format!("wrap_altered({id})"),
                };
                let what = format!("{suite}, bit {bit} of the wrap of {id}");
                let all = |told: &str| [0; 6].map(|_| told.to_owned());
                // As someone without the data key leaves it. The wrap that is tried first
                // determines the error.
                let left = parts.envelope();
                assert_eq!(verdicts(&alone(id, number), &left, &acme()), all(&told), "{what}");
                let of_both = if place == 0 { told.as_str() } else { "envelope_altered" };
                assert_eq!(verdicts(&next(suite), &left, &acme()), all(of_both), "{what}, both");
                // As someone with the data key leaves it: the other wrap still opens, and this one
                // never does.
                let left = parts.with_mac_under(&known).envelope();
                assert_eq!(verdicts(&alone(id, number), &left, &acme()), all(&told), "{what}, MAC");
                assert_eq!(verdicts(&next(suite), &left, &acme()), untouched, "{what}, MAC, both");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 2 * 480);
}

/// The local wrap on its own: no MAC, no envelope.
#[test]
fn a_local_wrap_is_bound_to_key_id_suite_commitment_and_key() {
    let data_key = counted_data_key(1);
    let commitment = [7; 32];
    let mut other_commitment = commitment;
    other_commitment[31] ^= 1;
    let mut tried = 0;
    for suite in SUITES {
        let made = wrap(&master_key(1), "prod", suite, &commitment, &data_key);
        let other = SUITES[usize::from(suite == SUITES[0])];
        let key = master_key(1);
        let found = unwrapped(&key, "prod", suite, &commitment, made.body());
        assert!(found == Ok(*data_key.expose_secret()), "{suite}: not unwrapped");

        let rejected = Err(ProviderErrorKind::Rejected);
        for (what, found) in [
            ("id", unwrapped(&key, "prod2", suite, &commitment, made.body())),
            ("id's case", unwrapped(&key, "Prod", suite, &commitment, made.body())),
            ("suite", unwrapped(&key, "prod", other, &commitment, made.body())),
            ("commitment", unwrapped(&key, "prod", suite, &other_commitment, made.body())),
            ("length", unwrapped(&key, "prod", suite, &commitment, &made.body()[..59])),
        ] {
            assert!(found == rejected, "{suite}: bound to no {what}");
            tried += 1;
        }
        let found = unwrapped(&master_key(2), "prod", suite, &commitment, made.body());
        assert!(found == Err(ProviderErrorKind::WrongKeyMaterial), "{suite}: another key");
        for bit in 0..8 * made.body().len() {
            let mut body = made.body().to_vec();
            body[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                ..4 => ProviderErrorKind::WrongKeyMaterial,
                _ => ProviderErrorKind::Rejected,
            };
            let found = unwrapped(&key, "prod", suite, &commitment, &body);
            assert!(found == Err(expected), "{suite}, bit {bit} of the body");
            tried += 1;
        }
        // Another key that has the check value of this one: the wrap itself reveals it.
        let mut body = made.body().to_vec();
        body[..4].copy_from_slice(&master_key(2).check_value());
        let found = unwrapped(&master_key(2), "prod", suite, &commitment, &body);
        assert!(found == rejected, "{suite}: another key under the same check value");
    }
    assert_eq!(tried, 2 * (5 + 8 * 60));
}

#[test]
fn a_wrap_mixed_from_two_rows_or_moved_to_another_is_refused() {
    let key = master_key(1);
    let rows: Vec<([u8; 32], [u8; 32])> =
        (0..12_u8).map(|n| (numbered(n.into()), [n ^ 0xa5; 32])).collect();
    let mut refused = 0;
    for suite in SUITES {
        let bodies: Vec<Body> =
            rows.iter().map(|(dek, c)| body_of(&key, "prod", suite, c, dek)).collect();
        let refuse = |id: &str, suite: Suite, commitment: &[u8; 32], body: &[u8], what: &str| {
            let found = unwrapped(&key, id, suite, commitment, body);
            assert!(found == Err(ProviderErrorKind::Rejected), "{suite}: {what}");
            1
        };
        for (i, (dek, commitment)) in rows.iter().enumerate() {
            let body = &bodies[i].0;
            assert!(unwrapped(&key, "prod", suite, commitment, body) == Ok(*dek), "{suite}, {i}");
            for (j, (other_dek, other_commitment)) in rows.iter().enumerate() {
                if i == j {
                    continue;
                }
                let other = &bodies[j];
                refused += refuse("prod", suite, other_commitment, body, "moved to another row");
                // The salt of one and the ciphertext of the other, in the place of either.
                let mixed = [&body[..28], &other.0[WRAPPED]].concat();
                refused += refuse("prod", suite, commitment, &mixed, "another ciphertext");
                refused += refuse("prod", suite, other_commitment, &mixed, "another salt");
                // The salt of this row, over the data key of the other under the pad of that salt.
                let pad = bodies[i].pad(dek);
                let again: Vec<u8> = other_dek.iter().zip(pad).map(|(a, b)| a ^ b).collect();
                let again = [&body[..28], &again].concat();
                refused += refuse("prod", suite, commitment, &again, "the other's data key");
                refused += refuse("prod", suite, other_commitment, &again, "the same, there");
                // The data key of one row, wrapped for it as if for the other, and the reverse.
                let salt = body_of(&key, "prod", suite, commitment, other_dek);
                let mixed = [&salt.0[..28], &body[WRAPPED]].concat();
                refused += refuse("prod", suite, commitment, &mixed, "a salt of its own making");
            }
            let other_suite = SUITES[usize::from(suite == SUITES[0])];
            refused += refuse("prod", other_suite, commitment, body, "moved to the other suite");
            for id in ["dr", "Prod", "prod2", "pro", "p"] {
                refused += refuse(id, suite, commitment, body, "moved to another id");
            }
        }
    }
    assert_eq!(refused, 2 * 12 * (11 * 6 + 6));
}

/// The wrap is valid and made by its own key; the data key itself is rejected.
#[test]
fn a_data_key_of_one_repeated_byte_is_refused_where_it_is_unwrapped() {
    let mut tried = 0;
    for suite in SUITES {
        let row = sealed(suite, 1);
        let master = master_bytes(1);
        let hand_made = |dek: &[u8; 32]| {
            wrap_local(&master, "prod", suite.id(), row.commitment(), dek)[1..].to_vec()
        };
        let key = master_key(1);
        let found =
            |dek: &[u8; 32]| unwrapped(&key, "prod", suite, row.commitment(), &hand_made(dek));
        for byte in 0..=u8::MAX {
            assert!(found(&[byte; 32]) == Err(ProviderErrorKind::Rejected), "{suite}, {byte:#04x}");
            let mut nearly = [byte; 32];
            nearly[31] ^= 1;
            assert!(found(&nearly) == Ok(nearly), "{suite}, {byte:#04x}, except for one bit");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 256);
}

/// A flipped bit of the salt gives another pad, another data key and therefore a completely
/// different salt, which even a comparison of a few bytes would detect. Here the data key that is
/// unwrapped is the right one, and the salt differs only in that bit; only someone with the master
/// key can make this.
#[test]
fn every_bit_of_the_salt_is_compared() {
    let master = master_bytes(1);
    let (key, dek, commitment) = (master_key(1), numbered(5), [0x3c; 32]);
    let mut refused = 0;
    for suite in SUITES {
        let honest = body_of(&key, "prod", suite, &commitment, &dek);
        let under = |salt: &[u8]| [&honest.0[..4], salt, &padded(&master, salt, &dek)].concat();
        assert!(under(honest.salt()) == honest.0, "{suite}: made as the crate makes it");
        for bit in 0..8 * 24 {
            let mut salt = honest.salt().to_vec();
            salt[bit / 8] ^= 1 << (bit % 8);
            let found = unwrapped(&key, "prod", suite, &commitment, &under(&salt));
            assert!(found == Err(ProviderErrorKind::Rejected), "{suite}, bit {bit}");
            refused += 1;
        }
    }
    assert_eq!(refused, 2 * 192);
}

/// For a body of another length nothing is known, not even whose check value it has.
#[test]
fn the_shape_of_a_wrap_is_looked_at_before_its_check_value() {
    let (own, stranger) = (master_key(1), master_key(2));
    let mut tried = 0;
    for suite in SUITES {
        let row = sealed(suite, 1);
        let body = row.wrapped_keys().next().unwrap().body().to_vec();
        for len in (1..60).chain(61..130) {
            let mut shaped = body.clone();
            shaped.resize(len, 0);
            for key in [&own, &stranger] {
                let found = unwrapped(key, "prod", suite, row.commitment(), &shaped);
                assert!(found == Err(ProviderErrorKind::Rejected), "{suite}, {len} bytes");
                assert!(!key.is_current(&shaped), "{suite}, {len} bytes");
                tried += 1;
            }
        }
        let found = unwrapped(&stranger, "prod", suite, row.commitment(), &body);
        assert!(found == Err(ProviderErrorKind::WrongKeyMaterial), "{suite}");
    }
    assert_eq!(tried, 2 * (59 + 69) * 2);
}

/// If a wrap fails, the next step does not use what it yielded: neither the altered data key nor a
/// buffer of zeros opens, verifies or rewraps an envelope sealed under it.
#[test]
fn nothing_of_an_altered_wrap_is_used() {
    let mut tried = 0;
    for suite in SUITES {
        let own = sealed(suite, 1);
        let known = *counted_data_key(1).expose_secret();
        for bit in 0..256 {
            // The row as it would be if the flipped bit made the data key.
            let altered = flipped(&known, bit);
            let draft = forge(&altered, &[33; 12], &acme(), suite);
            let mut wraps: Vec<WrappedKey> = own.wrapped_keys().collect();
            let mut body = wraps[0].body().to_vec();
            body[28 + bit / 8] ^= 1 << (bit % 8);
            wraps[0] = WrappedKey::new(key_id("prod"), WrapKind::Local, &body).unwrap();
            let forged: Envelope = draft.finish(wraps.clone()).unwrap();
            // Validly sealed under the altered data key, if that were accepted.
            forged.verify_with(&data_key(&altered)).unwrap();
            let told = ["wrap_altered(prod)"; 6].map(str::to_owned);
            assert_eq!(verdicts(&next(suite), &forged, &acme()), told, "{suite}, bit {bit}");
            // With the MAC computed from zeros, which are what is left of the data key.
            let mut by_zeros = Parts::of(&own).with_wraps(&wraps);
            by_zeros = by_zeros.with_mac_of_zeros();
            let found = verdicts(&next(suite), &by_zeros.envelope(), &acme());
            assert_eq!(found, told, "{suite}, bit {bit}, zeros");
            tried += 2;
        }
    }
    assert_eq!(tried, 2 * 256 * 2);
}
