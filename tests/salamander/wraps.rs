//! A wrap is a salt and a data key under a pad, and the pad follows from the salt alone. Anyone who knows one data key
//! knows the pad of its wrap, and can put any other data key under it. This fails because the opener computes the salt
//! again, from the data key that it unwrapped and from the row.

use sealwax::{EncryptionContext, OpenError, UnwrapError};

use crate::page::{Parts, SUITES, drawn, pad, ring, xor};
use crate::reference::procedures::{check_value, salt, salt_and_padded, wrapped};
use crate::reference::sha256;

const WRITTEN: &[u8] = b"whatever somebody writes who knows the data keys";

fn context(tenant: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", tenant)]).unwrap()
}

/// The results for the rows whose wrap is forged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    envelopes: usize,
    opened: usize,
    /// Opened by a reader that does not verify the salt.
    opened_without_the_salt: usize,
}

/// There are two rows with known data keys, and a third data key. Everything in an envelope except its wrap follows the
/// format, under any of the three data keys, in either suite, IV and context. The wrap has the salt of either row, and
/// any of the three data keys under the pad of either row.
#[test]
fn a_wrap_of_one_row_is_good_for_no_other() {
    let mut count = Count::default();
    for suites in [[SUITES[0]; 2], [SUITES[1]; 2], SUITES] {
        one_pair_of_rows(suites, &mut count);
    }
    println!("wraps of two rows: {count:?}");
    // For each pair: the two rows as they were. Without a check, the salt and the pad of one row hold any data key in
    // any row, if it is the data key of the rest.
    let rests = 2 * 2 * 2 * 3;
    assert_eq!(
        count,
        Count {
            envelopes: 3 * rests * (2 * 2 * 3),
            opened: 3 * 2,
            opened_without_the_salt: 3 * rests * 2,
        }
    );
}

fn one_pair_of_rows(suites: [sealwax::Suite; 2], count: &mut Count) {
    let prod = ("prod", drawn("prod"));
    let ring = ring(&[(prod.0, &prod.1)]);
    let data_keys = ["data key of acme", "data key of initech", "any data key"].map(drawn::<32>);
    let ivs = ["iv of acme", "iv of initech"].map(drawn::<12>);
    let contexts = ["acme", "initech"].map(context);
    let rows = [0, 1].map(|of| {
        let (data_key, context) = (&data_keys[of], &contexts[of]);
        Parts::sealed(suites[of], data_key, &ivs[of], context, WRITTEN, &[prod])
    });
    let halves = rows.each_ref().map(|row| salt_and_padded(&row.wraps[0].1));
    let pads = [0, 1].map(|of| xor(halves[of].1, &data_keys[of]));
    let check = check_value(&prod.1);

    for (suite, iv, of, data_key) in SUITES.iter().flat_map(|suite| {
        let places = ivs.iter().flat_map(|iv| [(iv, 0), (iv, 1)]);
        places.flat_map(|(iv, of)| data_keys.each_ref().map(|data_key| (*suite, iv, of, data_key)))
    }) {
        let context = &contexts[of];
        let rest = Parts::sealed(suite, data_key, iv, context, WRITTEN, &[]);
        for (salt, _) in &halves {
            for padded in pads.iter().flat_map(|pad| data_keys.each_ref().map(|key| xor(key, pad)))
            {
                let wraps = vec![(prod.0.to_owned(), wrapped(&check, salt, &padded))];
                let parts = Parts { wraps, ..rest.clone() }.with_mac_under(data_key);
                count.envelopes += 1;
                let opened = ring.open(&parts.envelope(), context);
                let read = parts.opened(prod.0, &prod.1, context);
                assert_eq!(opened.is_ok(), read.is_some(), "the crate and the page disagree");
                let read = parts.opened_without_the_salt(prod.0, &prod.1, context);
                count.opened_without_the_salt += usize::from(read.is_some());
                match opened {
                    Ok(secret) => {
                        assert!(secret.expose_secret() == WRITTEN && rows.contains(&parts));
                        count.opened += 1;
                    }
                    Err(error) => {
                        assert!(
                            matches!(error, OpenError::Unwrap(UnwrapError::WrapAltered { .. })),
                            "{error}"
                        )
                    }
                }
            }
        }
    }
}

/// The other place for two readings is one wrap that holds two data keys, for two services that use its id for master
/// keys with the same check value. Its pads alone would allow this for any wrap. With its salt, a wrap holds at most
/// one data key, because each service computes its own salt.
#[test]
fn a_wrap_holds_one_data_key_at_most() {
    // The first two numbers that give equal check values.
    let masters = [15_906, 61_477].map(|n| sha256(&[format!("master key {n}").as_bytes()]));
    let check = check_value(&masters[0]);
    assert_eq!(check, check_value(&masters[1]));
    let rings = masters.each_ref().map(|master| ring(&[("a", master)]));
    let (context, iv, data_key) = (context("acme"), drawn("iv"), drawn::<32>("data key"));
    let (mut verified, mut attempts) = ([0, 0], 0);
    for suite in SUITES {
        let row = Parts::sealed(suite, &data_key, &iv, &context, WRITTEN, &[]);
        let salts =
            masters.map(|master| salt(&master, "a", suite.id(), &row.commitment, &data_key));
        for salt in [&salts[0], &salts[1], &drawn::<24>("any salt").to_vec()] {
            for under in &masters {
                let padded = xor(&data_key, &pad(under, salt));
                // What each service finds under its own pad.
                let held = masters.each_ref().map(|master| xor(&padded, &pad(master, salt)));
                assert_ne!(held[0], held[1]);
                for held in &held {
                    let wraps = vec![("a".to_owned(), wrapped(&check, salt, &padded))];
                    let envelope = Parts { wraps, ..row.clone() }.with_mac_under(held).envelope();
                    let found = rings.each_ref().map(|ring| ring.verify(&envelope).is_ok());
                    attempts += found.len();
                    assert_ne!(found, [true, true], "{suite}: one wrap holds two data keys");
                    verified[0] += usize::from(found[0]);
                    verified[1] += usize::from(found[1]);
                }
            }
        }
    }
    // For each suite: the service that the salt and the pad belong to, if the MAC is computed with the data key in it.
    assert_eq!((attempts, verified), (2 * 3 * 2 * 2 * 2, [2, 2]));
}
