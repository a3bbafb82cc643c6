//! Tokens of another program's table: found, verified, and upgraded when they are first used.

use std::time::Duration;

use sealwax_tokens::{ChangeError, Existing, Mode, OldDigest, Previous, Salt, TokenError, Tokens};
use sha2::{Digest, Sha256};

use crate::format::{OLD, existing};
use crate::given::{
    Fields, NOW, Parts, SUBJECT, grant, issue, line, rotation, shown, tokens, under,
};

fn accepting() -> Tokens {
    tokens().accept_existing([])
}

#[test]
fn each_kind_is_upgraded_at_its_first_use() {
    for (kind, old) in existing() {
        let record = accepting().convert(&old, grant()).unwrap().record;
        let verified = accepting().verify(OLD, &record, NOW, "read").unwrap();
        assert_eq!((&verified.claims.grant, verified.claims.hint()), (&grant(), ""));
        let Some(change) = verified.change else {
            assert_eq!(kind, "plaintext", "it has nothing to upgrade");
            continue;
        };
        assert_ne!(kind, "plaintext");
        let fields = Fields::of(&Parts::of(&change.record).claims);
        assert_eq!((fields.scheme, fields.salt), (0, vec![]));
        assert_eq!(fields.id, Fields::of(&Parts::of(&record).claims).id);
        let again = accepting().verify(OLD, &change.record, NOW, "read").unwrap();
        assert!(again.change.is_none());
        // It is found by its plain lookup key from then on.
        assert_eq!(accepting().lookup_keys(OLD).unwrap()[0], change.record.lookup_key());
    }
}

#[test]
fn each_kind_is_found() {
    let salts = [Salt::new(b"00FF10").unwrap(), Salt::from_hex("00ff10").unwrap()];
    let ring = [line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat();
    let tokens = under(&ring).accept_existing(salts);
    let keys = tokens.lookup_keys(OLD).unwrap();
    // Two peppers, each with a plain digest, a bare hash, and two salts before and after.
    assert_eq!(keys.len(), 2 * (1 + 1 + 2 * 2));
    assert!(keys.iter().collect::<std::collections::BTreeSet<_>>().len() == keys.len());
    let mut found = 0;
    for ring in [line("primary", "tokens-2026", 0), line("primary", "tokens-2025", 9)] {
        for (_, old) in existing() {
            let record = under(&ring).convert(&old, grant()).unwrap().record;
            found += keys.iter().filter(|key| **key == record.lookup_key()).count();
        }
    }
    assert_eq!(found, 8);
    assert_eq!(accepting().lookup_keys(OLD).unwrap().len(), 2);
    // A new token has one for each pepper still.
    assert_eq!(tokens.lookup_keys(&issue(&tokens, grant()).0).unwrap().len(), 2);
}

#[test]
fn other_tokens_are_refused() {
    for (kind, old) in existing() {
        let record = accepting().convert(&old, grant()).unwrap().record;
        for token in ["tok_9f3b61c2d8", "tok_9f3b61c2d", "tok_9f3b61c2d7 ", "x"] {
            let error = accepting().verify(token, &record, NOW, "read").unwrap_err();
            assert_eq!(error, TokenError::Unknown, "{kind}");
        }
        // A service that does not accept them, and one of another mode.
        let error = tokens().verify(OLD, &record, NOW, "read").unwrap_err();
        assert_eq!(error, TokenError::Malformed);
        let peppers = line("primary", "tokens-2026", 0).parse().unwrap();
        let test =
            Tokens::new(peppers, Mode::Test, "acme_test_".parse().unwrap()).accept_existing([]);
        assert_eq!(test.verify(OLD, &record, NOW, "read").unwrap_err(), TokenError::WrongMode);
    }
    assert_eq!(tokens().lookup_keys(OLD).unwrap_err(), TokenError::Malformed);
    for text in ["", &"x".repeat(1025)] {
        assert_eq!(accepting().lookup_keys(text).unwrap_err(), TokenError::Malformed);
    }
    // One that begins like a new token may be an old one; a well-formed one of another prefix is not.
    assert_eq!(accepting().lookup_keys("acme_live_old").unwrap().len(), 2);
    let peppers = line("primary", "tokens-2026", 0).parse().unwrap();
    let other = Tokens::new(peppers, Mode::Live, "other_".parse().unwrap());
    let (other, _) = issue(&other, grant());
    assert_eq!(accepting().lookup_keys(&other).unwrap_err(), TokenError::WrongMode);
}

/// The scheme and the salt are bound: no record of one kind is one of another kind.
#[test]
fn the_scheme_and_the_salt_are_bound() {
    let kinds = existing();
    assert_eq!(kinds.len(), 4);
    for (kind, old) in kinds {
        let record = accepting().convert(&old, grant()).unwrap().record;
        let parts = Parts::of(&record);
        for scheme in 0..4 {
            for salt in [&b""[..], b"00FF10", &[0, 0xff, 0x10], b"0"] {
                let mut fields = Fields::of(&parts.claims);
                if (fields.scheme, &fields.salt[..]) == (scheme, salt) {
                    continue;
                }
                (fields.scheme, fields.salt) = (scheme, salt.to_vec());
                let altered = Parts { claims: fields.encode(), ..parts.clone() };
                let refusal = |record| accepting().verify(OLD, &record, NOW, "read").unwrap_err();
                assert_eq!(refusal(altered.record()), TokenError::Altered, "{kind}");
                // With a right MAC, the digest is not that of the scheme and the salt, or no record has both.
                let is_of_scheme = (scheme < 2) == salt.is_empty();
                let expected = if is_of_scheme { TokenError::Unknown } else { TokenError::Altered };
                assert_eq!(refusal(altered.signed(0)), expected, "{kind}");
            }
        }
    }
}

#[test]
fn they_are_changed_like_others() {
    for (kind, old) in existing() {
        let record = accepting().convert(&old, grant()).unwrap().record;
        let narrowed =
            accepting().narrow(&record, SUBJECT, grant().expires(NOW + 1)).unwrap().record;
        assert!(accepting().verify(OLD, &narrowed, NOW, "read").is_ok(), "{kind}");
        assert_eq!(
            accepting().verify(OLD, &narrowed, NOW + 1, "read").unwrap_err(),
            TokenError::Expired
        );
        let revoked = accepting().revoke(&record, SUBJECT).unwrap().record;
        assert_eq!(
            accepting().verify(OLD, &revoked, NOW, "read").unwrap_err(),
            TokenError::Revoked
        );
        // They are rotated to a token of this crate, and verified until then.
        let rotated = accepting()
            .rotate(&record, SUBJECT, rotation(NOW, Duration::from_secs(9), None))
            .unwrap();
        let Previous::Is(previous) = &rotated.previous else { panic!("{:?}", rotated.previous) };
        assert!(accepting().verify(OLD, previous, NOW + 8, "read").is_ok());
        assert!(accepting().verify(OLD, previous, NOW + 9, "read").is_err());
        let successor = rotated.record.clone();
        let new = shown(rotated.finish(true).unwrap().token);
        assert!(tokens().verify(&new, &successor, NOW, "read").is_ok());
        // A sign-in link of an old table is redeemed.
        let single = accepting().convert(&old, grant().single_use()).unwrap().record;
        let redemption = accepting().redeem(OLD, &single, NOW, "read").unwrap();
        assert_eq!(redemption.finish(true).unwrap().grant, grant().single_use());
    }
}

#[test]
fn a_plaintext_that_no_bearer_could_present_is_not_converted() {
    let (ours, _) = issue(&tokens(), grant());
    for token in ["", &ours, &"x".repeat(1025)] {
        let error = accepting().convert(&Existing::Plaintext(token), grant()).unwrap_err();
        assert_eq!(error, ChangeError::Existing);
    }
    let as_long = format!("acme_live_{}", "x".repeat(49));
    for token in ["x", "acme_live_old", &as_long, &"x".repeat(1024)] {
        let record = accepting().convert(&Existing::Plaintext(token), grant()).unwrap().record;
        assert!(accepting().verify(token, &record, NOW, "read").is_ok());
    }
    for (_, old) in existing() {
        assert!(format!("{old:?}").ends_with("([REDACTED])"));
    }
    let (digest, salt) = (OldDigest::from([7; 32]), Salt::new(b"salt").unwrap());
    let shown = format!("{digest:?} {salt:?}");
    assert_eq!(shown, "OldDigest([REDACTED]) Salt([REDACTED])");
}

/// A service that had the prefix before keeps it: old and new tokens share it.
#[test]
fn existing_tokens_may_have_the_prefix() {
    let old = format!("acme_live_{}", "0".repeat(49));
    for old in [&old[..], "acme_live_9f3b61c2d7"] {
        let digest = OldDigest::from(<[u8; 32]>::from(Sha256::digest(old)));
        let record = accepting().convert(&Existing::Sha256(digest), grant()).unwrap().record;
        assert!(accepting().lookup_keys(old).unwrap().contains(&record.lookup_key()));
        let change = accepting().verify(old, &record, NOW, "read").unwrap().change.unwrap();
        assert!(accepting().verify(old, &change.record, NOW, "read").is_ok());
        // Without them, they are typos, whatever the table has.
        for record in [&record, &change.record] {
            let error = tokens().verify(old, record, NOW, "read").unwrap_err();
            assert_eq!(error, TokenError::Malformed);
        }
    }
}

/// Of rows with a salt each, one is the token's; rows that are damaged or under no pepper are no reason to refuse it.
#[test]
fn a_token_is_searched_among_rows() {
    let [_, _, (_, before), (_, after)] = existing();
    let record = |old: &Existing<'_>| accepting().convert(old, grant()).unwrap().record;
    let other = under(&line("primary", "p", 50));
    let mut damaged = Parts::of(&record(&after));
    damaged.mac[0] ^= 1;
    let of_token = record(&before).to_string();
    let of_others = [
        String::new(),
        "sk-1".into(),
        damaged.text(),
        other.convert(&before, grant()).unwrap().record.to_string(),
        issue(&tokens(), grant()).1.to_string(),
    ];
    let rows = || of_others.iter().chain([&of_token]);
    assert_eq!(accepting().search(OLD, rows()).unwrap().to_string(), of_token);
    let error = |token: &str| accepting().search(token, rows()).unwrap_err();
    assert_eq!(error("tok_9f3b61c2d8"), TokenError::Unknown);
    assert_eq!(error(""), TokenError::Malformed);
    assert_eq!(accepting().search(OLD, &of_others).unwrap_err(), TokenError::Unknown);
    assert_eq!(tokens().search(OLD, rows()).unwrap_err(), TokenError::Malformed);
}
