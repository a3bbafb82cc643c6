//! The negative of every binding: what one part of an envelope is bound to may not change, and the
//! error says which part did. Then what that makes of rewrapping.

use std::collections::BTreeSet;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use sealwax::sealing;
use sealwax::{Answer, DataKey, EncryptionContext, Envelope, FormatError, KeyId, Keyring};
use sealwax::{MasterKey, MasterKeyProvider, OpenError, ProviderError, ProviderErrorKind};
use sealwax::{RewrapError, Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey};

use crate::fixtures::{CREDENTIAL, Counting, Parts, SUITES, Scripted, acme, class, context};
use crate::fixtures::{counted_data_key, expand, key_id, keyring, master_key, opening, rewrapping};
use crate::fixtures::{open_outcome, sealed, sha256, wrap};

/// `prod` alone, and `dr` alone.
fn prod() -> Keyring {
    Keyring::new(key_id("prod"), master_key(1))
}

fn dr() -> Keyring {
    Keyring::new(key_id("dr"), master_key(2))
}

/// Another primary, which opens with whatever sealed: under it no envelope is current.
fn next() -> Keyring {
    Keyring::new(key_id("next"), master_key(3))
        .with_retired(key_id("prod"), master_key(1))
        .unwrap()
        .with_retired(key_id("dr"), master_key(2))
        .unwrap()
}

/// Seals for `context`, from the randomness that [`counted_data_key`] tells the data key of.
fn seal(suite: Suite, seed: u8, context: &EncryptionContext, plaintext: &str) -> Envelope {
    let mut rng = Counting(seed);
    keyring(suite).seal_with_rng(&Secret::from(plaintext), context, &mut rng).unwrap()
}

fn other(suite: Suite) -> Suite {
    match suite {
        Suite::Aes256Gcm => Suite::ChaCha20Poly1305,
        _ => Suite::Aes256Gcm,
    }
}

fn wraps_of(envelope: &Envelope) -> Vec<WrappedKey> {
    envelope.wrapped_keys().collect()
}

/// One verdict of all three verbs: opening, verifying, and rewrapping for another primary. Where
/// the envelope is intact but for its payload or context, the last two go through.
fn refused(envelope: &Envelope, context: &EncryptionContext, expected: &str, what: &str) {
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
        // The same bytes, divided elsewhere.
        let moved = format!("{}{value}", &name[name.len() - 1..]);
        changed("the border", &[(&name[..name.len() - 1], &moved)]);
        changed("one more pair", &[(name, value), ("field", "")]);
        // Of a value without letters only its name has a case.
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
        // What was sealed without a context has none.
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

/// Each field altered twice: as somebody does who can write to the database, and as somebody does
/// who also has this row's data key and computes the mac anew. The second shows what each field is
/// bound by besides the mac.
#[test]
fn each_field_is_bound() {
    type Change = fn(&mut Parts);
    let rows: [(&str, Change, &str, Option<&str>); 13] = [
        ("suite", |p| p.suite = 3 - p.suite, "wrap_altered(prod)", Some("wrap_altered(prod)")),
        ("iv", |p| p.iv[0] ^= 1, "envelope_altered", Some("context_mismatch")),
        ("commitment", |p| p.commitment[31] ^= 1, "wrap_altered(prod)", Some("wrap_altered(prod)")),
        ("mac", |p| p.mac[0] ^= 1, "envelope_altered", None),
        ("end of the mac", |p| p.mac[15] ^= 0x80, "envelope_altered", None),
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
                // Under one wrap, or the other wrap would open what the holder of the key wrote.
                let mut parts = Parts::of(&prod().rewrap(&envelope).unwrap().unwrap());
                change(&mut parts);
                let parts = parts.with_mac_under(&counted_data_key(1));
                let found = opening(&prod(), &parts.envelope(), &acme());
                assert_eq!(found, forged, "{suite}, {field}, the mac computed anew");
                tried += 1;
            }
        }
        let mut parts = Parts::of(&envelope);
        parts.version = 2;
        let error = Envelope::from_bytes(&parts.binary()).unwrap_err();
        assert!(matches!(error, FormatError::NewerVersion { version: 2, .. }), "{suite}");
        let error = parts.text().parse::<Envelope>().unwrap_err();
        assert!(matches!(error, FormatError::NewerVersion { version: 2, .. }), "{suite}");
    }
    assert_eq!(tried, 2 * (13 + 11));
}

/// The commitment stands for data key, suite, iv and context: somebody who has the data key and
/// wraps it anew for a head of his making still cannot relabel the payload.
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
        // A control: made anew as it was, it is what it was.
        assert_eq!(remade(parts.clone(), suite), envelope, "{suite}");

        let mut relabelled = parts.clone();
        relabelled.suite = other(suite).id();
        let relabelled = remade(relabelled, other(suite));
        refused(&relabelled, &acme(), "context_mismatch", &format!("{suite}, relabelled"));

        let mut with_iv = parts.clone();
        with_iv.iv[11] ^= 1;
        let with_iv = remade(with_iv, suite);
        refused(&with_iv, &acme(), "context_mismatch", &format!("{suite}, another iv"));

        // Every bit of it is compared: one that differs in one bit is another.
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

/// A wrap of the same data key, by the same master key, under another id than it was made for. One
/// keyring has a key under one id only; two keyrings may name it differently.
#[test]
fn a_wrap_moved_under_another_id_of_the_same_key_is_refused() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let ring = escrow(Keyring::new(key_id("twin"), master_key(1)), "dr", 2);
        let mut parts = Parts::of(&envelope);
        parts.wraps.truncate(1);
        parts.wraps[0].0 = b"twin".to_vec();
        for parts in [parts.clone(), parts.with_mac_under(&counted_data_key(1))] {
            let moved = parts.envelope();
            assert_eq!(opening(&ring, &moved, &acme()), "wrap_altered(twin)", "{suite}");
            assert_eq!(rewrapping(&ring, &moved), "wrap_altered(twin)", "{suite}");
        }
        // Under the other's name, where the names of both are known.
        let mut exchanged = Parts::of(&envelope);
        exchanged.wraps[0].0 = b"dr".to_vec();
        exchanged.wraps[1].0 = b"prod".to_vec();
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
        // Another row of the tenant; the same row with the value it had before.
        let other_row = context(&[("tenant", "acme"), ("provider", "openai"), ("row", "2")]);
        let other_row = seal(suite, 60, &other_row, CREDENTIAL);
        let before = seal(suite, 120, &acme(), "the value before");
        let [prod_elsewhere, dr_elsewhere] = wraps_of(&other_row).try_into().unwrap();
        let [prod_before, dr_before] = wraps_of(&before).try_into().unwrap();
        // What a key that opens can make at any time: the same data key, wrapped for this row.
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
        // A wrap doubled has its id twice.
        let doubled = Parts::of(&envelope).with_wraps(&[by_prod.clone(), by_prod.clone(), by_dr]);
        let error = Envelope::from_bytes(&doubled.binary()).unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "{suite}, a wrap doubled");
    }
    assert_eq!(tried, 2 * 17);
}

/// Rotation leaves the commitment as it is, so an old wrap still unwraps: the mac refuses it.
#[test]
fn the_wraps_of_before_a_rewrap_do_not_fit_the_envelope_of_after_it() {
    for suite in SUITES {
        let before = sealed(suite, 1);
        let ring = Keyring::new(key_id("next"), master_key(3))
            .with_escrow(key_id("dr"), master_key(2))
            .unwrap()
            .with_retired(key_id("prod"), master_key(1))
            .unwrap();
        let after = ring.rewrap(&before).unwrap().unwrap();
        let (old, new) = (wraps_of(&before), wraps_of(&after));
        // Synthetic salts: the escrow's wrap came out the same.
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
        // And the other way round.
        let mixed = Parts::of(&before).with_wraps(&new).envelope();
        assert_eq!(opening(&ring, &mixed, &acme()), "envelope_altered", "{suite}, back");
    }
}

/// The data key of a row, as a service that can unwrap it might lose it.
fn leaked(envelope: &Envelope, key: &MasterKey) -> DataKey {
    let wrapped = envelope.wrapped_keys().next().unwrap();
    let (suite, commitment) = (envelope.suite(), envelope.commitment());
    let request = UnwrapRequest::new(wrapped.key_id(), suite, commitment, wrapped.body());
    key.unwrap_key(request).into_now().unwrap().unwrap()
}

#[test]
fn a_leaked_data_key_forges_no_other_row_and_no_other_context() {
    for suite in SUITES {
        let other_context = context(&[("tenant", "globex"), ("provider", "openai"), ("row", "1")]);
        let own = sealed(suite, 1);
        let target = seal(suite, 60, &other_context, "the target's");
        let data_key = leaked(&own, &master_key(1));
        assert!(data_key.expose_secret() == counted_data_key(1).expose_secret(), "{suite}");
        let ring = keyring(suite);

        // 1. It opens, verifies and rewraps no other row.
        let error = target.verify_with(&data_key).unwrap_err();
        assert_eq!(class(&error), "envelope_altered", "{suite}, verify_with");
        let error = target.open_with(&data_key, &other_context).unwrap_err();
        assert_eq!(class(&error), "envelope_altered", "{suite}, open_with");
        let error = target.rewrapped(&data_key, wraps_of(&own)).unwrap_err();
        assert!(matches!(error, RewrapError::EnvelopeAltered), "{suite}, rewrapped: {error}");

        // 2. Its wraps fit no other row's commitment, whoever computes the mac.
        let own_parts = Parts::of(&own);
        let moved = Parts::of(&target).with_wraps(&wraps_of(&own)).with_mac_under(&data_key);
        refused(
            &moved.envelope(),
            &other_context,
            "wrap_altered(prod)",
            &format!("{suite}, moved"),
        );
        // With their commitment they make a head whose payload is another context's ...
        let mut with_commitment = Parts::of(&target).with_wraps(&wraps_of(&own));
        with_commitment.commitment.clone_from(&own_parts.commitment);
        let with_commitment = with_commitment.with_mac_under(&data_key).envelope();
        for context in [&acme(), &other_context] {
            let what = format!("{suite}, the commitment moved, in {context:?}");
            refused(&with_commitment, context, "context_mismatch", &what);
        }
        // ... and to seal something for that context means another commitment.
        let draft = |context: &EncryptionContext| {
            let secret = Secret::from("forged");
            let duplicate = data_key.duplicate();
            sealing::prepare_with_data_key(duplicate, &secret, context, suite).unwrap()
        };
        for context in [&other_context, &acme()] {
            let forged = draft(context).finish(wraps_of(&own)).unwrap();
            forged.verify_with(&data_key).unwrap();
            let what = format!("{suite}, sealed anew in {context:?}");
            refused(&forged, context, "wrap_altered(prod)", &what);
        }

        // 3. Nor does the row itself open in another context.
        let error = own.open_with(&data_key, &other_context).unwrap_err();
        assert_eq!(class(&error), "context_mismatch", "{suite}, open_with");
        refused(&own, &other_context, "context_mismatch", &format!("{suite}, in place"));
        assert_eq!(
            opening(&ring, &target, &other_context),
            "opened",
            "{suite}: the target is whole"
        );
    }
}

/// A known limit, and the reason to open and seal anew where a key that opens has leaked: the data
/// key of a row rewrites this row, in its own context, under its own iv.
#[test]
fn a_leaked_data_key_rewrites_its_own_row() {
    for suite in SUITES {
        let own = sealed(suite, 1);
        let data_key = leaked(&own, &master_key(1));
        let mut rng = Scripted(vec![own.iv().to_vec()]);
        let forged = sealing::prepare_with_data_key_and_rng(
            data_key,
            &Secret::from("forged"),
            &acme(),
            suite,
            &mut rng,
        );
        let forged = forged.unwrap().finish(wraps_of(&own)).unwrap();
        assert_eq!(forged.commitment(), own.commitment(), "{suite}");
        let opened = keyring(suite).open(&forged, &acme()).unwrap();
        assert!(opened.expose_secret() == b"forged", "{suite}");
    }
}

/// Of two keys that were given two data keys, the mac knows one.
#[test]
fn an_envelope_whose_wraps_hold_two_data_keys_opens_under_one_key_only() {
    for suite in SUITES {
        for (kept, lying) in [("prod", "dr"), ("dr", "prod")] {
            let secret = Secret::from(CREDENTIAL);
            let draft =
                sealing::prepare_with_rng(&secret, &acme(), suite, &mut Counting(1)).unwrap();
            let other_key = counted_data_key(60);
            let wraps = [("prod", master_key(1)), ("dr", master_key(2))].map(|(id, key)| {
                let data_key = if id == kept { draft.data_key() } else { &other_key };
                wrap(&key, id, suite, draft.commitment(), data_key)
            });
            let envelope = draft.finish(wraps.into()).unwrap();
            let (keeper, liar) = if kept == "prod" { (prod(), dr()) } else { (dr(), prod()) };
            assert_eq!(opening(&keeper, &envelope, &acme()), "opened", "{suite}, {kept}");
            let found = opening(&liar, &envelope, &acme());
            assert_eq!(found, "envelope_altered", "{suite}, {lying}");
            let rotated = liar.with_retired(key_id("next"), master_key(3)).unwrap();
            let found = rewrapping(&rotated, &envelope);
            assert_eq!(found, "envelope_altered", "{suite}, {lying} rewraps");
            // The ring that has both tries the next, and its rewrap mends what lied.
            assert_eq!(opening(&keyring(suite), &envelope, &acme()), "opened", "{suite}");
            let mended = next().rewrap(&envelope).unwrap().unwrap();
            assert_eq!(opening(&next(), &mended, &acme()), "opened", "{suite}");
        }
    }
}

/// AES-256-GCM for somebody who chooses the keys: the field GF(2^128) of SP 800-38D §6.3, its
/// first bit the highest.
mod gcm {
    /// x · y
    pub(super) fn times(x: u128, y: u128) -> u128 {
        let (mut product, mut shifted) = (0, y);
        for bit in (0..128).rev() {
            if x >> bit & 1 == 1 {
                product ^= shifted;
            }
            let carry = shifted & 1;
            shifted = (shifted >> 1) ^ (carry * (0xe1 << 120));
        }
        product
    }

    /// x^(2^128 − 2)
    pub(super) fn inverse(x: u128) -> u128 {
        let (mut power, mut product) = (x, 1 << 127);
        for _ in 1..128 {
            power = times(power, power);
            product = times(product, power);
        }
        product
    }

    /// GHASH over a ciphertext of whole blocks and no associated data.
    pub(super) fn hash(key: u128, blocks: &[u128]) -> u128 {
        let lengths = 128 * u128::try_from(blocks.len()).unwrap();
        blocks.iter().chain([&lengths]).fold(0, |hash, block| times(hash ^ block, key))
    }
}

fn gcm_tag(key: &[u8; 32], iv: &[u8; 12], associated_data: &[u8]) -> u128 {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let mut nothing = [0; 0];
    let buffer = nothing.as_mut_slice().into();
    let tag = cipher.encrypt_inout_detached(iv.into(), associated_data, buffer).unwrap();
    u128::from_be_bytes(tag.into())
}

/// A ciphertext of three blocks, and its tag, that AES-256-GCM decrypts under both keys.
///
/// tag = GHASH(H, ciphertext) ⊕ E(J0), with H = E(0). GHASH is linear, and the last block counts
/// H² times in it: so for any first blocks there is one last block for which the tags are equal.
fn two_key_ciphertext(keys: [&[u8; 32]; 2], iv: &[u8; 12]) -> (Vec<u8>, [u8; 16]) {
    // Of an empty message the tag is E(J0), and with a block of zeros as associated data it is
    // L · H ⊕ E(J0), with L the block of the lengths.
    let masks = keys.map(|key| gcm_tag(key, iv, &[]));
    let lengths = 128 << 64;
    let hash_keys = [0, 1]
        .map(|i| gcm::times(gcm_tag(keys[i], iv, &[0; 16]) ^ masks[i], gcm::inverse(lengths)));
    let mut blocks = [u128::from_be_bytes(*b"two keys open it"), 0x5ea1, 0];
    let tags = [0, 1].map(|i| gcm::hash(hash_keys[i], &blocks) ^ masks[i]);
    let squares = hash_keys.map(|key| gcm::times(key, key));
    blocks[2] = gcm::times(tags[0] ^ tags[1], gcm::inverse(squares[0] ^ squares[1]));
    let tag = gcm::hash(hash_keys[0], &blocks) ^ masks[0];
    (blocks.iter().flat_map(|block| block.to_be_bytes()).collect(), tag.to_be_bytes())
}

fn gcm_decrypt(key: &[u8; 32], iv: &[u8; 12], ciphertext: &[u8], tag: &[u8; 16]) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let mut plaintext = ciphertext.to_vec();
    let buffer = plaintext.as_mut_slice().into();
    cipher.decrypt_inout_detached(iv.into(), &[], buffer, tag.into()).unwrap();
    plaintext
}

/// The payload's key and the commitment, as the format page says.
fn payload_keys(data_key: &DataKey, iv: &[u8; 12], context: &EncryptionContext) -> [[u8; 32]; 2] {
    let digest = sha256(context.encoded());
    let labels: [&[u8]; 2] = [b"sw1/data", b"sw1/comm"];
    labels.map(|label| expand(data_key.expose_secret(), &[label, &[1], iv, &digest]))
}

/// GCM does not commit to its key. A sealer who means it can make one ciphertext that is authentic
/// under two data keys or in two contexts; here it opens under one, whichever he commits to.
#[test]
fn a_two_key_ciphertext_opens_to_one_plaintext_only() {
    let iv = [5; 12];
    let globex = context(&[("tenant", "globex")]);
    let cases = [
        ("two data keys", [1, 60], [acme(), acme()]),
        ("two contexts", [1, 1], [acme(), globex.clone()]),
        ("two of both", [1, 60], [acme(), globex]),
    ];
    let mut tried = 0;
    for (name, seeds, contexts) in cases {
        let data_keys = seeds.map(counted_data_key);
        let derived = [0, 1].map(|i| payload_keys(&data_keys[i], &iv, &contexts[i]));
        let (ciphertext, tag) = two_key_ciphertext([&derived[0][0], &derived[1][0]], &iv);
        // It is what it is meant to be: GCM alone decrypts it under either key.
        let plaintexts = derived.map(|[key, _]| gcm_decrypt(&key, &iv, &ciphertext, &tag));
        assert_ne!(plaintexts[0], plaintexts[1], "{name}");

        for (committed, maced) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let commitment = derived[committed][1];
            let wraps = [
                wrap(&master_key(1), "prod", Suite::Aes256Gcm, &commitment, &data_keys[0]),
                wrap(&master_key(2), "dr", Suite::Aes256Gcm, &commitment, &data_keys[1]),
            ];
            let parts = Parts {
                version: 1,
                suite: 1,
                wraps: Vec::new(),
                commitment: commitment.to_vec(),
                mac: Vec::new(),
                iv: iv.to_vec(),
                tag: tag.to_vec(),
                ciphertext: ciphertext.clone(),
            };
            let envelope = parts.with_wraps(&wraps).with_mac_under(&data_keys[maced]).envelope();
            for (reader, ring) in [prod(), dr()].iter().enumerate() {
                let what = format!("{name}: commitment {committed}, mac {maced}, read as {reader}");
                let same_key = seeds[maced] == seeds[reader];
                let expected = match (same_key, committed == reader) {
                    (false, _) => "envelope_altered",
                    (true, false) => "context_mismatch",
                    (true, true) => "opened",
                };
                let found = opening(ring, &envelope, &contexts[reader]);
                assert_eq!(found, expected, "{what}");
                if found == "opened" {
                    // The control: it is the commitment and the mac that refuse the other.
                    let opened = ring.open(&envelope, &contexts[reader]).unwrap();
                    assert!(opened.expose_secret() == plaintexts[reader], "{what}");
                }
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 3 * 4 * 2);
}

/// A service that does one thing whatever it is asked.
#[derive(Clone, Copy)]
enum Service {
    /// Answers each request, by turning bits over: deterministic, and no cipher.
    Turns(u8, WrapKind),
    /// Fails.
    Fails(ProviderErrorKind),
    /// Unwraps to a data key of no row.
    Lies,
    /// Would answer later.
    Remote,
}

impl MasterKeyProvider for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        match *self {
            Self::Turns(bits, _) => Answer::now(Ok(request
                .data_key()
                .expose_secret()
                .iter()
                .map(|byte| byte ^ bits)
                .collect())),
            Self::Fails(kind) => Answer::now(Err(kind.into())),
            Self::Lies => Answer::now(Ok(b"lies".to_vec())),
            Self::Remote => Answer::later(async { Ok(b"remote".to_vec()) }),
        }
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        match *self {
            Self::Turns(bits, _) => {
                let mut bytes: Vec<u8> = request.body().iter().map(|byte| byte ^ bits).collect();
                Answer::now(DataKey::from_bytes(&mut bytes).map_err(Into::into))
            }
            Self::Fails(kind) => Answer::now(Err(kind.into())),
            Self::Lies => Answer::now(Ok(counted_data_key(200))),
            Self::Remote => Answer::later(async { Ok(counted_data_key(200)) }),
        }
    }

    fn kind(&self) -> WrapKind {
        match *self {
            Self::Turns(_, kind) => kind,
            _ => WrapKind::Provider,
        }
    }
}

fn retired(ring: Keyring, id: &str, key: u8) -> Keyring {
    ring.with_retired(key_id(id), master_key(key)).unwrap()
}

fn escrow(ring: Keyring, id: &str, key: u8) -> Keyring {
    ring.with_escrow(key_id(id), master_key(key)).unwrap()
}

fn disabled(ring: Keyring, id: &str) -> Keyring {
    ring.with_disabled(key_id(id)).unwrap()
}

fn destroyed(ring: Keyring, id: &str) -> Keyring {
    ring.with_destroyed(key_id(id)).unwrap()
}

#[test]
fn without_a_usable_wrap_destroyed_is_named_before_disabled_before_unknown() {
    let mine = || Keyring::new(key_id("mine"), master_key(9));
    let rows = [
        ("neither", mine(), "unknown_key(prod,dr)"),
        ("another disabled", disabled(mine(), "else"), "unknown_key(prod,dr)"),
        ("another destroyed", destroyed(mine(), "else"), "unknown_key(prod,dr)"),
        ("one disabled", disabled(mine(), "prod"), "key_disabled(prod)"),
        ("the other disabled", disabled(mine(), "dr"), "key_disabled(dr)"),
        ("both disabled", disabled(disabled(mine(), "dr"), "prod"), "key_disabled(prod)"),
        ("one destroyed", destroyed(mine(), "prod"), "key_destroyed(prod)"),
        ("the other destroyed", destroyed(mine(), "dr"), "key_destroyed(dr)"),
        ("both destroyed", destroyed(destroyed(mine(), "dr"), "prod"), "key_destroyed(prod)"),
        ("disabled, destroyed", destroyed(disabled(mine(), "prod"), "dr"), "key_destroyed(dr)"),
        ("destroyed, disabled", disabled(destroyed(mine(), "prod"), "dr"), "key_destroyed(prod)"),
        // What can be used is used, and its failure is what is told.
        ("disabled beside a good one", retired(disabled(mine(), "prod"), "dr", 2), "opened"),
        ("destroyed beside a good one", retired(destroyed(mine(), "dr"), "prod", 1), "opened"),
        (
            "disabled beside a wrong one",
            retired(disabled(mine(), "prod"), "dr", 7),
            "wrong_key_material(dr)",
        ),
        (
            "destroyed beside a wrong one",
            retired(destroyed(mine(), "prod"), "dr", 7),
            "wrong_key_material(dr)",
        ),
    ];
    assert_eq!(rows.len(), 15);
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        for (name, ring, expected) in &rows {
            assert_eq!(opening(ring, &envelope, &acme()), *expected, "{suite}, {name}");
            let verified = open_outcome(&ring.verify(&envelope)).replace("done", "opened");
            assert_eq!(verified, *expected, "{suite}, {name}, verified");
            let rewrapped = expected.replace("opened", "rewrapped");
            assert_eq!(rewrapping(ring, &envelope), rewrapped, "{suite}, {name}, rewrapped");
            assert!(!ring.is_current(&envelope), "{suite}, {name}");
        }
    }
}

#[test]
fn the_next_wrap_is_tried_and_one_failure_told() {
    // Wrapped for `prod` and `dr` in memory, and for `kms` by a service.
    let turns = || Service::Turns(0x5a, WrapKind::Provider);
    let ring = keyring(Suite::default()).with_escrow(key_id("kms"), turns()).unwrap();
    let envelope = ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    let primary = |key| Keyring::new(key_id("prod"), master_key(key));
    let kms = |ring: Keyring, service| ring.with_retired(key_id("kms"), service).unwrap();
    let by_kms = |service| Keyring::new(key_id("kms"), service);
    use ProviderErrorKind::{Denied, Disabled, Rejected, Unavailable, WrongKeyMaterial};
    use Service::{Fails, Lies, Remote};

    let rows = [
        // A first key fails in each way, a second one opens.
        ("wrong material, good", retired(primary(7), "dr", 2), "opened"),
        ("wrong material, good service", kms(primary(7), turns()), "opened"),
        ("lies, good", retired(by_kms(Lies), "dr", 2), "opened"),
        ("remote, good", retired(by_kms(Remote), "dr", 2), "opened"),
        ("unavailable, good", retired(by_kms(Fails(Unavailable)), "dr", 2), "opened"),
        ("denied, good", retired(by_kms(Fails(Denied)), "prod", 1), "opened"),
        ("disabled, good", retired(by_kms(Fails(Disabled)), "prod", 1), "opened"),
        ("rejected, good", retired(by_kms(Fails(Rejected)), "prod", 1), "opened"),
        ("two bad, good", kms(retired(primary(7), "dr", 8), turns()), "opened"),
        // All fail: what was not asked is told, then what may pass, then the first. The primary
        // first, then local keys, then services; for others than the primary, by the order of the
        // keyring and not of the wraps.
        ("wrong twice", retired(primary(7), "dr", 8), "wrong_key_material(prod)"),
        ("wrong, lies", kms(primary(7), Lies), "wrong_key_material(prod)"),
        ("lies, wrong", retired(by_kms(Lies), "prod", 7), "envelope_altered"),
        ("remote, wrong", retired(by_kms(Remote), "prod", 7), "would_block(kms)"),
        (
            "down, wrong",
            retired(by_kms(Fails(Unavailable)), "prod", 7),
            "provider(kms) Unavailable",
        ),
        ("rejects, wrong", retired(by_kms(Fails(Rejected)), "prod", 7), "wrap_altered(kms)"),
        ("disabled, wrong", retired(by_kms(Fails(Disabled)), "prod", 7), "key_disabled(kms)"),
        (
            "other material, wrong",
            retired(by_kms(Fails(WrongKeyMaterial)), "prod", 7),
            "wrong_key_material(kms)",
        ),
        (
            "a service listed before a local key",
            retired(kms(Keyring::new(key_id("mine"), master_key(9)), Fails(Denied)), "dr", 8),
            "wrong_key_material(dr)",
        ),
        (
            "a service that is down, after a local key",
            retired(kms(Keyring::new(key_id("mine"), master_key(9)), Fails(Unavailable)), "dr", 8),
            "provider(kms) Unavailable",
        ),
        (
            "the order of the keyring",
            retired(retired(Keyring::new(key_id("mine"), master_key(9)), "dr", 8), "prod", 7),
            "wrong_key_material(dr)",
        ),
        (
            "the other order of the keyring",
            retired(retired(Keyring::new(key_id("mine"), master_key(9)), "prod", 7), "dr", 8),
            "wrong_key_material(prod)",
        ),
    ];
    assert_eq!(rows.len(), 21);
    for (name, ring, expected) in rows {
        assert_eq!(opening(&ring, &envelope, &acme()), expected, "{name}");
        let verified = open_outcome(&ring.verify(&envelope)).replace("done", "opened");
        assert_eq!(verified, expected, "{name}, verified");
        if expected != "opened" {
            assert_eq!(rewrapping(&ring, &envelope), expected, "{name}, rewrapped");
        }
    }
}

/// Keyrings and envelopes of every sort, and for each pair whether it is current. What a keyring
/// seals for is its label: two with one label agree.
#[test]
fn current_is_the_exact_negation_of_rewrapped() {
    let turning = |kind| Service::Turns(0x33, kind);
    let by_kind = |kind| Keyring::new(key_id("prod"), turning(kind));
    let private = WrapKind::from_byte(0x80).unwrap();
    // Each also holds what opens the others' envelopes, where an id is free for it.
    let rings: Vec<(&str, &str, Keyring)> = vec![
        ("the usual", "prod1 dr2", keyring(Suite::default())),
        ("the other suite", "prod1 dr2", keyring(Suite::ChaCha20Poly1305)),
        ("one more retired", "prod1 dr2", retired(keyring(Suite::default()), "x", 4)),
        ("one more disabled", "prod1 dr2", disabled(keyring(Suite::default()), "x")),
        ("without escrow", "prod1", prod()),
        ("the escrow retired", "prod1", retired(prod(), "dr", 2)),
        ("the escrow disabled", "prod1", disabled(prod(), "dr")),
        ("the other order", "dr2 prod1", escrow(dr(), "prod", 1)),
        ("another escrow after", "prod1 dr2 x4", escrow(escrow(prod(), "dr", 2), "x", 4)),
        ("another escrow between", "prod1 x4 dr2", escrow(escrow(prod(), "x", 4), "dr", 2)),
        (
            "other material in the primary",
            "prod7 dr2",
            escrow(Keyring::new(key_id("prod"), master_key(7)), "dr", 2),
        ),
        ("other material in the escrow", "prod1 dr8", escrow(prod(), "dr", 8)),
        (
            "the retired one as primary",
            "next3 dr2",
            retired(escrow(Keyring::new(key_id("next"), master_key(3)), "dr", 2), "prod", 1),
        ),
        (
            "the same material under another id",
            "twin1 dr2",
            escrow(Keyring::new(key_id("twin"), master_key(1)), "dr", 2),
        ),
        ("another kind", "prodK dr2", escrow(by_kind(WrapKind::Provider), "dr", 2)),
        ("a private kind", "prodP dr2", escrow(by_kind(private), "dr", 2)),
        (
            "only an escrow is there",
            "mine9 dr2",
            escrow(Keyring::new(key_id("mine"), master_key(9)), "dr", 2),
        ),
        ("a stranger", "mine9", Keyring::new(key_id("mine"), master_key(9))),
    ];
    let envelopes: Vec<(&str, &str, Envelope)> = rings
        .iter()
        .map(|(name, label, ring)| {
            (*name, *label, ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap())
        })
        .collect();
    let (mut current, mut rewrapped, mut refused) = (0, 0, 0);
    for (ring_name, ring_label, ring) in &rings {
        for (name, label, envelope) in &envelopes {
            let what = format!("what {name} sealed, under {ring_name}");
            let expected = ring_label == label;
            assert_eq!(ring.is_current(envelope), expected, "{what}");
            match ring.rewrap(envelope) {
                Ok(None) => {
                    assert!(expected, "{what}: not rewrapped");
                    current += 1;
                }
                Ok(Some(fresh)) => {
                    assert!(!expected, "{what}: rewrapped");
                    assert!(ring.is_current(&fresh), "{what}: not current after a rewrap");
                    assert_eq!(opening(ring, &fresh, &acme()), "opened", "{what}");
                    assert_eq!(ring.rewrap(&fresh).unwrap(), None, "{what}: rewrapped twice");
                    rewrapped += 1;
                }
                Err(error) => {
                    assert!(!expected, "{what}: {error}");
                    // Refused for its keys: what does not rewrap does not open either.
                    assert_ne!(opening(ring, envelope, &acme()), "opened", "{what}");
                    refused += 1;
                }
            }
        }
    }
    let labels: BTreeSet<&str> = rings.iter().map(|(_, label, _)| *label).collect();
    assert_eq!((rings.len(), labels.len()), (18, 13));
    // Four of one label, three of another, eleven alone.
    assert_eq!(current, 4 * 4 + 3 * 3 + 11);
    assert_eq!(current + rewrapped + refused, 18 * 18);
    assert_eq!((rewrapped, refused), (218, 70));
}

/// Current is told from public bytes: it is no statement about the mac.
#[test]
fn an_altered_envelope_that_looks_current_is_neither_rewrapped_nor_opened() {
    for suite in SUITES {
        let mut parts = Parts::of(&sealed(suite, 1));
        parts.mac[0] ^= 1;
        let altered = parts.envelope();
        assert!(keyring(suite).is_current(&altered), "{suite}");
        assert_eq!(rewrapping(&keyring(suite), &altered), "current", "{suite}");
        assert_eq!(opening(&keyring(suite), &altered, &acme()), "envelope_altered", "{suite}");
    }
}

/// A check value that is not this keyring's, or a body of another length, is not current.
#[test]
fn a_wrap_that_this_key_did_not_make_is_not_current() {
    for suite in SUITES {
        type Change = fn(&mut Parts);
        let rows: [(&str, Change); 5] = [
            ("check value of the primary", |p| p.wraps[0].1[1] ^= 1),
            ("check value of the escrow", |p| p.wraps[1].1[4] ^= 0x80),
            ("a shorter body", |p| p.wraps[0].1.truncate(60)),
            ("a longer body", |p| p.wraps[1].1.push(0)),
            ("kind", |p| p.wraps[1].1[0] = 2),
        ];
        for (what, change) in rows {
            let mut parts = Parts::of(&sealed(suite, 1));
            change(&mut parts);
            let altered = parts.envelope();
            assert!(!keyring(suite).is_current(&altered), "{suite}, {what}");
            let found = rewrapping(&keyring(suite), &altered);
            assert_eq!(found, opening(&keyring(suite), &altered, &acme()), "{suite}, {what}");
        }
    }
}

#[test]
fn a_rewrap_leaves_the_payload_as_it_is_and_is_repeatable_to_the_byte() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        // Two workers, each with a keyring of its own, of the other suite at that.
        let worker = || {
            std::thread::spawn({
                let envelope = envelope.clone();
                move || {
                    let ring = escrow(next().with_suite(other(envelope.suite())), "eu", 5);
                    ring.rewrap(&envelope).unwrap().unwrap()
                }
            })
        };
        let [first, second] = [worker(), worker()].map(|worker| worker.join().unwrap());
        assert_eq!(first.as_bytes(), second.as_bytes(), "{suite}");

        let kept = |envelope: &Envelope| {
            let (iv, tag) = (*envelope.iv(), *envelope.tag());
            (envelope.suite(), *envelope.commitment(), iv, tag, envelope.ciphertext().to_vec())
        };
        assert!(kept(&first) == kept(&envelope), "{suite}: more than the wraps has changed");
        assert_ne!(first.mac(), envelope.mac(), "{suite}");
        let ids: Vec<KeyId> = first.key_ids().collect();
        assert_eq!(ids, [key_id("next"), key_id("eu")], "{suite}");

        let ring = escrow(next(), "eu", 5);
        let opened = ring.open(&first, &acme()).unwrap();
        assert!(opened.expose_secret() == CREDENTIAL.as_bytes(), "{suite}");
        // Twice: nothing to do any more.
        assert_eq!(ring.rewrap(&first).unwrap(), None, "{suite}");
        // The keys it was sealed with open it no longer, and still open what they sealed.
        let old = keyring(suite);
        assert_eq!(opening(&old, &first, &acme()), "unknown_key(next,eu)", "{suite}");
        assert_eq!(opening(&old, &envelope, &acme()), "opened", "{suite}");
    }
}

#[test]
fn a_rewrap_to_the_same_material_under_another_id_opens_under_that_id_only() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        // No keyring makes it: a key is not renamed. By hand, with the data key, it can be made.
        let renamed = Keyring::new(key_id("prod-b"), master_key(1));
        assert!(renamed.clone().with_retired(key_id("prod"), master_key(1)).is_err());
        let data_key = counted_data_key(1);
        let by_twin = wrap(&master_key(1), "prod-b", suite, envelope.commitment(), &data_key);
        let fresh = envelope.rewrapped(&data_key, vec![by_twin]).unwrap();
        let ids: Vec<KeyId> = fresh.key_ids().collect();
        assert_eq!(ids, [key_id("prod-b")], "{suite}");
        assert_ne!(wraps_of(&fresh)[0].body(), wraps_of(&envelope)[0].body(), "{suite}");
        assert_eq!(opening(&renamed, &fresh, &acme()), "opened", "{suite}");
        assert_eq!(opening(&prod(), &fresh, &acme()), "unknown_key(prod-b)", "{suite}");
        // To the very same key there is nothing to do.
        assert_eq!(rewrapping(&keyring(suite), &envelope), "current", "{suite}");
    }
}

#[test]
fn rewrapped_through_many_keys_it_opens_and_back_again_it_is_what_it_was() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let mut row = envelope.clone();
        for number in 10..20 {
            let (from, to) = (format!("k{}", number - 1), format!("k{number}"));
            let mut ring = Keyring::new(key_id(&to), master_key(number));
            ring = retired(retired(ring, "prod", 1), &from, number - 1);
            row = ring.rewrap(&row).unwrap().unwrap();
            let opened = ring.open(&row, &acme()).unwrap();
            assert!(opened.expose_secret() == CREDENTIAL.as_bytes(), "{suite}, {to}");
        }
        let back = retired(keyring(suite), "k19", 19).rewrap(&row).unwrap().unwrap();
        assert_eq!(back, envelope, "{suite}");
    }
}

#[test]
fn a_keyring_rolled_back_loses_nothing() {
    for suite in SUITES {
        let old = keyring(suite);
        let new = escrow(retired(Keyring::new(key_id("next"), master_key(3)), "prod", 1), "dr", 2);
        let row = sealed(suite, 1);
        let rotated = new.rewrap(&row).unwrap().unwrap();

        // The old keyring does not know the new key; the escrow still opens, and going back is a
        // rewrap like any other.
        assert_eq!(opening(&old, &rotated, &acme()), "opened", "{suite}");
        assert_eq!(old.rewrap(&rotated).unwrap().as_ref(), Some(&row), "{suite}");
        assert_eq!(opening(&prod(), &rotated, &acme()), "unknown_key(next,dr)", "{suite}");
        assert_eq!(rewrapping(&prod(), &rotated), "unknown_key(next,dr)", "{suite}");

        // Nothing came of it: the new keyring opens both.
        assert_eq!(opening(&new, &rotated, &acme()), "opened", "{suite}");
        assert_eq!(opening(&new, &row, &acme()), "opened", "{suite}");
        // Rolled back with the new key kept as retired, every row opens and is rewrapped.
        let mended = retired(keyring(suite), "next", 3);
        assert_eq!(opening(&mended, &rotated, &acme()), "opened", "{suite}");
        assert_eq!(mended.rewrap(&rotated).unwrap(), Some(row), "{suite}");
    }
}

#[test]
fn what_a_caller_rewraps_by_hand_is_checked_as_well() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let data_key = counted_data_key(1);
        let by_next = wrap(&master_key(3), "next", suite, envelope.commitment(), &data_key);
        let fresh = envelope.rewrapped(&data_key, vec![by_next.clone()]).unwrap();
        // The same as the keyring makes it.
        assert_eq!(next().rewrap(&envelope).unwrap().as_ref(), Some(&fresh), "{suite}");

        let error = envelope.rewrapped(&counted_data_key(2), vec![by_next.clone()]).unwrap_err();
        assert!(matches!(error, RewrapError::EnvelopeAltered), "{suite}, data key: {error}");
        let mut altered = Parts::of(&envelope);
        altered.iv[0] ^= 1;
        let error = altered.envelope().rewrapped(&data_key, vec![by_next.clone()]).unwrap_err();
        assert!(matches!(error, RewrapError::EnvelopeAltered), "{suite}, altered: {error}");
        for (what, wraps) in [
            ("none", vec![]),
            ("one twice", vec![by_next.clone(), by_next.clone()]),
            ("nine", vec![by_next; 9]),
        ] {
            let error = envelope.rewrapped(&data_key, wraps).unwrap_err();
            assert!(matches!(error, RewrapError::InvalidWraps { .. }), "{suite}, {what}: {error}");
        }
        let error: OpenError = envelope.verify_with(&counted_data_key(2)).unwrap_err();
        assert_eq!(class(&error), "envelope_altered", "{suite}");
    }
}
