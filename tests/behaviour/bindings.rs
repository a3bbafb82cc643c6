//! The negative of every binding: a value that a part of an envelope is bound to must not change,
//! and the error says which one did.

use sealwax::{
    EncryptionContext, Envelope, FormatError, Keyring, Secret, Suite, WrapKind, WrappedKey,
};

use crate::fixtures::{
    CREDENTIAL, Counting, Parts, SUITES, acme, class, context, counted_data_key, key_id, keyring,
    master_key, open_outcome, opening, rewrapping, sealed, wrap,
};
use crate::rings::{escrow, next, other, prod, wraps_of};

/// Seals for `context`, with the randomness from which [`counted_data_key`] returns the data key.
pub(crate) fn seal(
    suite: Suite,
    seed: u8,
    context: &EncryptionContext,
    plaintext: &str,
) -> Envelope {
    let mut rng = Counting(seed);
    keyring(suite).seal_with_rng(&Secret::from(plaintext), context, &mut rng).unwrap()
}

/// Asserts the same outcome of all three operations: opening, verifying, and rewrapping for another
/// primary. If only the payload or the context is wrong, the last two succeed.
pub(crate) fn refused(
    envelope: &Envelope,
    context: &EncryptionContext,
    expected: &str,
    what: &str,
) {
    assert_eq!(opening(&keyring(envelope.suite()), envelope, context), expected, "{what}");
    let verified = open_outcome(&keyring(envelope.suite()).verify(envelope));
    let rewrapped = rewrapping(&next(), envelope);
    if matches!(expected, "context_mismatch" | "payload_altered") {
        assert_eq!(verified, "done", "{what}: verified");
        let fresh = next().rewrap(envelope).unwrap().unwrap();
        assert_eq!(opening(&next(), &fresh, context), expected, "{what}: rewrapped");
    } else {
        assert_eq!(verified, expected, "{what}: verified");
        assert_eq!(rewrapped, expected, "{what}: rewrapped");
    }
}

#[test]
fn each_pair_of_the_context_is_bound() {
    let pairs = [("tenant", "acme"), ("provider", "openai"), ("row", "1")];
    let mut contexts: Vec<(String, EncryptionContext)> = Vec::new();
    for (place, (name, value)) in pairs.into_iter().enumerate() {
        let mut changed = |what: &str, change: &[(&str, &str)]| {
            let mut others = pairs.to_vec();
            others.remove(place);
            others.extend_from_slice(change);
            contexts.push((format!("{what} of {name}"), context(&others)));
        };
        let upper_name = name.to_uppercase();
        let upper = value.to_uppercase();
        changed("the removal", &[]);
        changed("another name", &[("other", value)]);
        changed("the case of the name", &[(&upper_name, value)]);
        changed("a longer name", &[(&format!("{name}s"), value)]);
        changed("another value", &[(name, "other")]);
        changed("an empty value", &[(name, "")]);
        changed("a space after the value", &[(name, &format!("{value} "))]);
        changed("a longer value", &[(name, &format!("{value}0"))]);
        changed("a shorter value", &[(name, &format!("{value}x")[..value.len() - 1])]);
        // The same bytes, divided at another place.
        let moved = format!("{}{value}", &name[name.len() - 1..]);
        changed("the boundary", &[(&name[..name.len() - 1], &moved)]);
        changed("one more pair", &[(name, value), ("field", "")]);
        // If the value has no letters, only the name has a case.
        if upper != value {
            changed("the case of the value", &[(name, &upper)]);
        }
    }
    contexts.push(("no pair".to_owned(), EncryptionContext::empty()));
    contexts.push((
        "values exchanged".to_owned(),
        context(&[("tenant", "openai"), ("provider", "acme"), ("row", "1")]),
    ));
    contexts.push(("all in one value".to_owned(), context(&[("tenant", "acme,openai,1")])));
    let mut tried = 0;
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        assert_eq!(opening(&keyring(suite), &envelope, &acme()), "opened", "{suite}");
        let reordered = context(&[("row", "1"), ("tenant", "acme"), ("provider", "openai")]);
        assert_eq!(opening(&keyring(suite), &envelope, &reordered), "opened", "{suite}");
        for (what, context) in &contexts {
            refused(&envelope, context, "context_mismatch", &format!("{suite}, {what}"));
            let data_key = counted_data_key(1);
            let error = envelope.open_with(&data_key, context).unwrap_err();
            assert_eq!(class(&error), "context_mismatch", "{suite}, {what}, with the data key");
            tried += 1;
        }
        // An envelope that was sealed without a context has an empty one.
        let without = seal(suite, 2, &EncryptionContext::empty(), CREDENTIAL);
        refused(&without, &acme(), "context_mismatch", &format!("{suite}, sealed without"));
    }
    assert_eq!(tried, 2 * (3 * 11 + 2 + 3));
}

#[test]
fn every_row_opens_in_its_own_context_and_in_no_other() {
    let mut contexts = Vec::new();
    for tenant in ["acme", "globex"] {
        for provider in ["openai", "anthropic"] {
            for row in ["1", "2"] {
                contexts.push(context(&[("tenant", tenant), ("provider", provider), ("row", row)]));
            }
        }
    }
    for suite in SUITES {
        let (mut opened, mut tried) = (0, 0);
        for (sealed_for, seed) in contexts.iter().zip([0, 30, 60, 90, 120, 150, 180, 210]) {
            let envelope = seal(suite, seed, sealed_for, CREDENTIAL);
            for opened_for in &contexts {
                let found = opening(&keyring(suite), &envelope, opened_for);
                let expected = if sealed_for == opened_for { "opened" } else { "context_mismatch" };
                assert_eq!(found, expected, "{suite}, {sealed_for:?} in {opened_for:?}");
                opened += usize::from(found == "opened");
                tried += 1;
            }
        }
        assert_eq!((opened, tried), (8, 64), "{suite}");
    }
}

/// Alters each field twice: as someone who can write to the database would, and as someone who also
/// has this row's data key and computes a new MAC would. The second case shows what binds each
/// field besides the MAC.
#[test]
fn each_field_is_bound() {
    type Change = fn(&mut Parts);
    let rows: [(&str, Change, &str, Option<&str>); 13] = [
        ("suite", |p| p.suite = 3 - p.suite, "wrap_altered(prod)", Some("wrap_altered(prod)")),
        ("iv", |p| p.iv[0] ^= 1, "envelope_altered", Some("context_mismatch")),
        ("commitment", |p| p.commitment[31] ^= 1, "wrap_altered(prod)", Some("wrap_altered(prod)")),
        ("mac", |p| p.mac[0] ^= 1, "envelope_altered", None),
        ("end of the MAC", |p| p.mac[15] ^= 0x80, "envelope_altered", None),
        ("tag", |p| p.tag[15] ^= 1, "envelope_altered", Some("payload_altered")),
        ("ciphertext", |p| p.ciphertext[0] ^= 1, "payload_altered", Some("payload_altered")),
        (
            "shorter ciphertext",
            |p| p.ciphertext.truncate(50),
            "envelope_altered",
            Some("payload_altered"),
        ),
        (
            "longer ciphertext",
            |p| p.ciphertext.push(0),
            "envelope_altered",
            Some("payload_altered"),
        ),
        ("kind", |p| p.wraps[0].1[0] = 2, "wrong_wrap_kind(prod)", Some("wrong_wrap_kind(prod)")),
        (
            "check value",
            |p| p.wraps[0].1[1] ^= 1,
            "wrong_key_material(prod)",
            Some("wrong_key_material(prod)"),
        ),
        ("salt", |p| p.wraps[0].1[5] ^= 1, "wrap_altered(prod)", Some("wrap_altered(prod)")),
        (
            "wrapped key",
            |p| p.wraps[0].1[40] ^= 1,
            "wrap_altered(prod)",
            Some("wrap_altered(prod)"),
        ),
    ];
    let mut tried = 0;
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        for (field, change, altered, forged) in rows {
            let mut parts = Parts::of(&envelope);
            change(&mut parts);
            refused(&parts.envelope(), &acme(), altered, &format!("{suite}, {field}"));
            tried += 1;
            if let Some(forged) = forged {
                // With only one wrap, because the other wrap would open what the owner of the data
                // key wrote.
                let mut parts = Parts::of(&prod().rewrap(&envelope).unwrap().unwrap());
                change(&mut parts);
                let parts = parts.with_mac_under(&counted_data_key(1));
                let found = opening(&prod(), &parts.envelope(), &acme());
                assert_eq!(found, forged, "{suite}, {field}, with a new MAC");
                tried += 1;
            }
        }
        let mut binary = envelope.as_bytes().to_vec();
        binary[2] = 2;
        let error = Envelope::from_bytes(&binary).unwrap_err();
        assert!(matches!(error, FormatError::NewerVersion { version: 2, .. }), "{suite}");
        let text = envelope.to_string().replacen("sw1:", "sw2:", 1);
        let error = text.parse::<Envelope>().unwrap_err();
        assert!(matches!(error, FormatError::NewerVersion { version: 2, .. }), "{suite}");
    }
    assert_eq!(tried, 2 * (13 + 11));
}

/// The commitment covers the data key, suite, IV and context. Someone who has the data key and
/// wraps it again for a head of their own still cannot relabel the payload.
#[test]
fn the_commitment_binds_suite_and_iv_also_where_wraps_and_mac_are_made_anew() {
    for suite in SUITES {
        let data_key = counted_data_key(1);
        let envelope = sealed(suite, 1);
        let remade = |parts: Parts, suite: Suite| {
            let commitment: [u8; 32] = parts.commitment.as_slice().try_into().unwrap();
            let wraps = [
                wrap(&master_key(1), "prod", suite, &commitment, &data_key),
                wrap(&master_key(2), "dr", suite, &commitment, &data_key),
            ];
            parts.with_wraps(&wraps).with_mac_under(&data_key).envelope()
        };
        let parts = Parts::of(&envelope);
        // A control: rebuilt without a change, it is the same envelope.
        assert_eq!(remade(parts.clone(), suite), envelope, "{suite}");

        let mut relabelled = parts.clone();
        relabelled.suite = other(suite).id();
        let relabelled = remade(relabelled, other(suite));
        refused(&relabelled, &acme(), "context_mismatch", &format!("{suite}, relabelled"));

        let mut with_iv = parts.clone();
        with_iv.iv[11] ^= 1;
        let with_iv = remade(with_iv, suite);
        refused(&with_iv, &acme(), "context_mismatch", &format!("{suite}, another IV"));

        // Every bit of the commitment is compared.
        for bit in 0..256 {
            let mut with_commitment = parts.clone();
            with_commitment.commitment[bit / 8] ^= 1 << (bit % 8);
            let with_commitment = remade(with_commitment, suite);
            let what = format!("{suite}, bit {bit} of the commitment");
            refused(&with_commitment, &acme(), "context_mismatch", &what);
            let opened = with_commitment.open_with(&data_key, &acme());
            assert_eq!(open_outcome(&opened), "context_mismatch", "{what}");
        }
    }
}

/// A wrap of the same data key, made by the same master key, under another id than it was made for.
/// A keyring contains a key under only one id, but two keyrings may use different ids for it.
#[test]
fn a_wrap_moved_under_another_id_of_the_same_key_is_refused() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let ring = escrow(Keyring::new(key_id("twin"), master_key(1)).unwrap(), "dr", 2);
        let mut parts = Parts::of(&envelope);
        parts.wraps.truncate(1);
        parts.wraps[0].0 = "twin".to_owned();
        for parts in [parts.clone(), parts.with_mac_under(&counted_data_key(1))] {
            let moved = parts.envelope();
            assert_eq!(opening(&ring, &moved, &acme()), "wrap_altered(twin)", "{suite}");
            assert_eq!(rewrapping(&ring, &moved), "wrap_altered(twin)", "{suite}");
        }
        // Under each other's ids, with both ids known.
        let mut exchanged = Parts::of(&envelope);
        exchanged.wraps[0].0 = "dr".to_owned();
        exchanged.wraps[1].0 = "prod".to_owned();
        let what = format!("{suite}, names exchanged");
        refused(&exchanged.envelope(), &acme(), "wrong_key_material(prod)", &what);
    }
}

#[test]
fn each_wrap_is_bound_to_its_row_and_to_the_wraps_beside_it() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let data_key = counted_data_key(1);
        let [by_prod, by_dr] = wraps_of(&envelope).try_into().unwrap();
        // Another row of the tenant, and the same row with the value it had before.
        let other_row = context(&[("tenant", "acme"), ("provider", "openai"), ("row", "2")]);
        let other_row = seal(suite, 60, &other_row, CREDENTIAL);
        let before = seal(suite, 120, &acme(), "the value before");
        let [prod_elsewhere, dr_elsewhere] = wraps_of(&other_row).try_into().unwrap();
        let [prod_before, dr_before] = wraps_of(&before).try_into().unwrap();
        // What a key that opens can produce at any time: the same data key, wrapped for this row.
        let by_old = wrap(&master_key(4), "old", suite, envelope.commitment(), &data_key);
        let old_elsewhere =
            wrap(&master_key(4), "old", suite, other_row.commitment(), &counted_data_key(60));
        let of_other_key =
            wrap(&master_key(1), "prod", suite, envelope.commitment(), &counted_data_key(99));
        let mut longer = by_prod.body().to_vec();
        longer.push(0);
        let longer = WrappedKey::new(key_id("prod"), WrapKind::Local, &longer).unwrap();

        let rows: [(&str, Vec<&WrappedKey>, &str); 17] = [
            ("the primary's wrap stripped", vec![&by_dr], "envelope_altered"),
            ("the escrow's wrap stripped", vec![&by_prod], "envelope_altered"),
            ("exchanged", vec![&by_dr, &by_prod], "envelope_altered"),
            ("one added at the end", vec![&by_prod, &by_dr, &by_old], "envelope_altered"),
            ("one added in front", vec![&by_old, &by_prod, &by_dr], "envelope_altered"),
            (
                "one of another row added",
                vec![&by_prod, &by_dr, &old_elsewhere],
                "envelope_altered",
            ),
            ("replaced by an unknown key's", vec![&by_old], "unknown_key(old)"),
            ("the escrow's by an unknown key's", vec![&by_prod, &by_old], "envelope_altered"),
            ("the primary's of another row", vec![&prod_elsewhere, &by_dr], "wrap_altered(prod)"),
            ("the escrow's of another row", vec![&by_prod, &dr_elsewhere], "envelope_altered"),
            ("both of another row", vec![&prod_elsewhere, &dr_elsewhere], "wrap_altered(prod)"),
            ("the primary's of before", vec![&prod_before, &by_dr], "wrap_altered(prod)"),
            ("the escrow's of before", vec![&by_prod, &dr_before], "envelope_altered"),
            ("both of before", vec![&prod_before, &dr_before], "wrap_altered(prod)"),
            ("of another data key", vec![&of_other_key, &by_dr], "envelope_altered"),
            ("of another data key, alone", vec![&of_other_key], "envelope_altered"),
            ("longer by a byte", vec![&longer, &by_dr], "wrap_altered(prod)"),
        ];
        for (what, wraps, expected) in rows {
            let wraps: Vec<WrappedKey> = wraps.into_iter().cloned().collect();
            let changed = Parts::of(&envelope).with_wraps(&wraps).envelope();
            refused(&changed, &acme(), expected, &format!("{suite}, wraps {what}"));
            tried += 1;
        }
        // A duplicated wrap has its id twice.
        let doubled = Parts::of(&envelope).with_wraps(&[by_prod.clone(), by_prod.clone(), by_dr]);
        let error = Envelope::from_bytes(&doubled.binary()).unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "{suite}, a wrap doubled");
    }
    assert_eq!(tried, 2 * 17);
}

/// A rotation leaves the commitment unchanged, so an old wrap still unwraps; the MAC rejects it.
#[test]
fn the_wraps_of_before_a_rewrap_do_not_fit_the_envelope_of_after_it() {
    for suite in SUITES {
        let before = sealed(suite, 1);
        let ring = Keyring::new(key_id("next"), master_key(3))
            .unwrap()
            .with_escrow(key_id("dr"), master_key(2))
            .unwrap()
            .with_retired(key_id("prod"), master_key(1))
            .unwrap();
        let after = ring.rewrap(&before).unwrap().unwrap();
        let (old, new) = (wraps_of(&before), wraps_of(&after));
        // Salts are synthetic, so the escrow key's wrap is the same as before.
        assert_eq!(old[1], new[1], "{suite}");
        for (what, wraps) in [
            ("all", vec![old[0].clone(), old[1].clone()]),
            ("the primary's added", vec![new[0].clone(), new[1].clone(), old[0].clone()]),
            ("the primary's", vec![old[0].clone(), new[1].clone()]),
        ] {
            let mixed = Parts::of(&after).with_wraps(&wraps).envelope();
            assert_eq!(opening(&ring, &mixed, &acme()), "envelope_altered", "{suite}, {what}");
            assert_eq!(rewrapping(&next(), &mixed), "envelope_altered", "{suite}, {what}");
        }
        // And in the other direction.
        let mixed = Parts::of(&before).with_wraps(&new).envelope();
        assert_eq!(opening(&ring, &mixed, &acme()), "envelope_altered", "{suite}, back");
    }
}
