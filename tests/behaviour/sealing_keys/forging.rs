//! What a thief can and cannot forge who writes to the table, and knows a public key, a data key, or more.

use sealwax::{
    DataKey, EncryptionContext, Envelope, Keyring, OpeningKey, Sealer, SealingKey, Secret, Suite,
    WrappedKey,
};

use super::{
    CHECK_LEN, UP_TO_ENC, draft, mixed, only_wrap, pair, reader, with_body, with_wrap, wrap_of,
};
use crate::fixtures::{
    CREDENTIAL, Counting, SUITES, acme, context, counted_data_key, forge, key_id, master_key,
    opening,
};

const ID: &str = "dashboard";

fn globex() -> EncryptionContext {
    context(&[("tenant", "globex"), ("provider", "openai"), ("row", "1")])
}

fn sealer(pair: &OpeningKey, suite: Suite) -> Sealer {
    Sealer::new(key_id(ID), pair.sealing_key()).unwrap().with_suite(suite)
}

/// Returns an honest row, whose data key is `counted_data_key(seed)`.
fn row(pair: &OpeningKey, suite: Suite, seed: u8, context: &EncryptionContext) -> Envelope {
    let secret = Secret::from(CREDENTIAL);
    sealer(pair, suite).seal_with_rng(&secret, context, &mut Counting(seed)).unwrap()
}

/// Returns a wrap with the check value that is in each row of the pair, and so is public.
fn with_check_of(envelope: &Envelope, wrap: &WrappedKey) -> WrappedKey {
    let check = only_wrap(envelope).body()[..CHECK_LEN].to_vec();
    with_body(wrap, |body| body[..CHECK_LEN].copy_from_slice(&check))
}

/// Returns sealing keys that someone has who knows the public key but not the psk: the guesses of it are another pair's,
/// and what they know of a row.
fn without_psk(pair: &OpeningKey, leaked: &DataKey) -> Vec<SealingKey> {
    let public = pair.sealing_key();
    let psk_of = |bytes: [u8; 32]| {
        let text = super::text_of("swo1", &[[1; 31].as_slice(), &[2], &bytes].concat());
        text.parse::<OpeningKey>().unwrap().sealing_key()
    };
    let guesses = [super::pair(77).sealing_key(), psk_of(*leaked.expose_secret())];
    guesses.iter().map(|guess| mixed(&public, guess)).collect()
}

#[test]
fn the_public_key_alone_forges_nothing_also_with_a_leaked_data_key_of_another_row() {
    let mut tried = 0;
    for suite in SUITES {
        let pair = pair(1);
        let ring = reader(super::pair(1));
        let own = row(&pair, suite, 10, &acme());
        let leaked = counted_data_key(10);
        own.verify_with(&leaked).unwrap();

        for key in without_psk(&pair, &leaked) {
            // A fresh row, and one under the leaked data key, for either context.
            for context in [acme(), globex()] {
                for forged in [
                    draft(suite, 90, &context),
                    forge(leaked.expose_secret(), &[0x77; 12], &context, suite),
                ] {
                    let wrap = with_check_of(&own, &wrap_of(&key, ID, &forged));
                    let forged = forged.finish(vec![wrap]).unwrap();
                    assert_eq!(opening(&ring, &forged, &context), "wrap_altered(dashboard)");
                    tried += 1;
                }
            }
        }
        // The row's own wrap does not fit another commitment: another context, or another IV in its own.
        for context in [acme(), globex()] {
            let forged = forge(leaked.expose_secret(), &[0x77; 12], &context, suite);
            let forged = forged.finish(vec![only_wrap(&own)]).unwrap();
            forged.verify_with(&leaked).unwrap();
            assert_eq!(opening(&ring, &forged, &context), "wrap_altered(dashboard)");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * (2 * 2 * 2 + 2));
}

/// The known limit of any wrap, as with a local one: format, section 13.
#[test]
fn a_leaked_data_key_rewrites_its_own_row() {
    let (ring, own) = (reader(pair(1)), row(&pair(1), Suite::Aes256Gcm, 10, &acme()));
    let forged = forge(counted_data_key(10).expose_secret(), own.iv(), &acme(), own.suite());
    let forged = forged.finish(vec![only_wrap(&own)]).unwrap();
    assert!(ring.open(&forged, &acme()).unwrap().expose_secret() == b"forged");
}

/// A writer knows the data keys that it drew, so a rewrap onto another key, and the end of its pair, do not end its rows.
#[test]
fn a_dismissed_writer_rewrites_its_own_rows_until_they_are_sealed_anew() {
    let own = row(&pair(1), Suite::Aes256Gcm, 10, &acme());
    let ring = || Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let moved = ring().with_retired(key_id(ID), pair(1)).unwrap().rewrap(&own).unwrap().unwrap();
    let ended = ring().with_disabled(key_id(ID)).unwrap();
    let forged = forge(counted_data_key(10).expose_secret(), own.iv(), &acme(), own.suite());
    let forged = forged.finish(vec![only_wrap(&moved)]).unwrap();
    assert!(ended.open(&forged, &acme()).unwrap().expose_secret() == b"forged");
    // Sealed again, its data key is one that the writer does not know.
    let secret = ended.open(&moved, &acme()).unwrap();
    let again = ended.seal_with_rng(&secret, &acme(), &mut Counting(20)).unwrap();
    let forged = forge(counted_data_key(10).expose_secret(), again.iv(), &acme(), again.suite());
    let forged = forged.finish(vec![only_wrap(&again)]).unwrap();
    assert_eq!(opening(&ended, &forged, &acme()), "wrap_altered(prod)");
}

/// `bind` is in info, so the encapsulation of one row gives another row another key and nonce.
#[test]
fn the_parts_of_two_wraps_do_not_mix() {
    let mut tried = 0;
    for suite in SUITES {
        let (ring, other_pair) = (reader(pair(1)), pair(100));
        let target = row(&pair(1), suite, 10, &acme());
        let from = [
            row(&pair(1), suite, 20, &acme()),
            row(&pair(1), suite, 20, &globex()),
            row(&other_pair, suite, 10, &acme()),
        ];
        for from in &from {
            // All combinations of enc, ciphertext and tag but the target's own.
            for mix in 1..8_u8 {
                let body = only_wrap(from).body().to_vec();
                let mixed = with_body(&only_wrap(&target), |target| {
                    let parts = [CHECK_LEN..UP_TO_ENC, UP_TO_ENC..UP_TO_ENC + 32, 1156..1172];
                    for (bit, part) in parts.into_iter().enumerate() {
                        if mix >> bit & 1 == 1 {
                            target[part.clone()].copy_from_slice(&body[part]);
                        }
                    }
                });
                // Whoever holds a data key computes its MAC.
                for seed in [10, 20] {
                    let mixed = with_wrap(&target, mixed.clone());
                    let mixed = mixed.with_mac_under(&counted_data_key(seed)).envelope();
                    let told = opening(&ring, &mixed, &acme());
                    assert_eq!(told, "wrap_altered(dashboard)", "{suite}, mix {mix}");
                    tried += 1;
                }
            }
        }
        // A whole wrap of the other pair has its check value.
        let moved = with_wrap(&target, only_wrap(&from[2]));
        let moved = moved.with_mac_under(&counted_data_key(10)).envelope();
        assert_eq!(opening(&ring, &moved, &acme()), "wrong_key_material(dashboard)");
    }
    assert_eq!(tried, 2 * 3 * 7 * 2);
}

#[test]
fn a_wrap_fits_one_key_id_one_suite_and_one_commitment() {
    let pair = pair(1);
    let mut tried = 0;
    for suite in SUITES {
        let draft_of = |suite: Suite, context: &EncryptionContext| draft(suite, 10, context);
        let other = SUITES.into_iter().find(|other| *other != suite).unwrap();
        let (own, ring) = (draft_of(suite, &acme()), reader(super::pair(1)));
        for (what, wrap) in [
            ("key id", wrap_of(&pair, "elsewhere", &own)),
            ("suite", wrap_of(&pair, ID, &draft_of(other, &acme()))),
            ("context", wrap_of(&pair, ID, &draft_of(suite, &globex()))),
        ] {
            let wrap = WrappedKey::new(key_id(ID), wrap.kind(), wrap.body()).unwrap();
            let moved = draft_of(suite, &acme()).finish(vec![wrap]).unwrap();
            let told = opening(&ring, &moved, &acme());
            assert_eq!(told, "wrap_altered(dashboard)", "{suite}, another {what}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 3);
}

#[test]
fn every_flipped_bit_of_a_wrap_is_refused() {
    let ring = reader(pair(1));
    let own = row(&pair(1), Suite::Aes256Gcm, 10, &acme());
    let whole = only_wrap(&own);
    assert_eq!(whole.body().len(), 1172);
    // All bits of what is not the encapsulated key, and one bit in each of its bytes.
    for bit in (0..8 * 1172)
        .filter(|bit| !(8 * CHECK_LEN..8 * UP_TO_ENC).contains(bit) || bit % 8 == bit / 8 % 8)
    {
        let flipped = with_body(&whole, |body| body[bit / 8] ^= 1 << (bit % 8));
        let row = with_wrap(&own, flipped).with_mac_under(&counted_data_key(10)).envelope();
        let expected = match bit {
            0..32 => "wrong_key_material(dashboard)",
            // X25519 ignores the top bit, but the shared secret is bound to the bytes.
            _ => "wrap_altered(dashboard)",
        };
        assert_eq!(opening(&ring, &row, &acme()), expected, "bit {bit}");
    }
    // The shape comes before the check value.
    for len in [1, 4, 60, 1171, 1173, 2000] {
        let cut = with_body(&whole, |body| body.resize(len, 7));
        let row = with_wrap(&own, cut).with_mac_under(&counted_data_key(10)).envelope();
        assert_eq!(opening(&ring, &row, &acme()), "wrap_altered(dashboard)", "{len} bytes");
    }
}

/// It is no signature: that is why each writer has a pair of its own.
#[test]
fn the_sealing_key_forges_for_every_context() {
    let ring = Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_retired(key_id(ID), pair(1))
        .unwrap();
    for context in [acme(), globex()] {
        let forged = row(&pair(1), Suite::Aes256Gcm, 90, &context);
        assert_eq!(opening(&ring, &forged, &context), "opened");
        // And under its escrows' ids alone, if the ring opens those.
        let disabled =
            Keyring::new(key_id("prod"), master_key(1)).unwrap().with_disabled(key_id(ID)).unwrap();
        assert_eq!(opening(&disabled, &forged, &context), "key_disabled(dashboard)");
    }
}

/// Ending a writer takes `disabled` for each pair in its text that the ring can open.
#[test]
fn a_dismissed_writer_still_seals_through_an_escrow_that_the_ring_can_open() {
    let (own, shared) = (|| pair(1), || pair(100));
    // What the dismissed writer kept: its text, and with it the psk of the escrow.
    let writer = Sealer::new(key_id(ID), own().sealing_key())
        .unwrap()
        .with_offline_escrow(key_id("shared"), shared().sealing_key())
        .unwrap();
    let secret = Secret::from(CREDENTIAL);
    let both = writer.seal_with_rng(&secret, &acme(), &mut Counting(10)).unwrap();
    let by_escrow = Sealer::new(key_id("shared"), shared().sealing_key()).unwrap();
    let by_escrow = by_escrow.seal_with_rng(&secret, &acme(), &mut Counting(10)).unwrap();

    let base = || Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let half_ended =
        base().with_disabled(key_id(ID)).unwrap().with_retired(key_id("shared"), shared()).unwrap();
    assert_eq!(opening(&half_ended, &both, &acme()), "opened");
    assert_eq!(opening(&half_ended, &by_escrow, &acme()), "opened");

    let ended = base().with_disabled(key_id(ID)).unwrap().with_disabled(key_id("shared")).unwrap();
    assert_eq!(opening(&ended, &both, &acme()), "key_disabled(dashboard)");
    assert_eq!(opening(&ended, &by_escrow, &acme()), "key_disabled(shared)");

    // An escrow that is offline gives nothing away: the ring cannot open with it.
    let offline = base()
        .with_disabled(key_id(ID))
        .unwrap()
        .with_offline_escrow(key_id("shared"), shared().sealing_key())
        .unwrap();
    assert_eq!(opening(&offline, &both, &acme()), "key_disabled(dashboard)");
    assert_eq!(opening(&offline, &by_escrow, &acme()), "unknown_key(shared)");
}
