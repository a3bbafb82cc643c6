//! Chains whose start is gone or broken are verified from an anchored entry on.

use sealwax_audit::{Anchor, AuditKeys, ChainError, Record, Verified, Verifier};

use crate::given::{chain, id, key, mac, only};

fn after(
    keys: &AuditKeys,
    anchor: &Anchor,
    audit_key: &str,
    rest: &[Record],
    anchors: &[Anchor],
) -> Result<Verified, ChainError> {
    let mut verifier = Verifier::after(keys, anchor, &id(audit_key), anchors)?;
    rest.iter().try_for_each(|record| verifier.check(record))?;
    verifier.finish()
}

#[test]
fn the_rest_of_a_chain_holds_from_an_anchor_on() {
    let (keys, chain) = chain("acme");
    let mut cases = 0;
    // All entries but the one that ends the chain under its key.
    for at in [0, 1, 2, 4, 5, 6, 7, 8] {
        let (anchor, audit_key) = (chain[at].anchor(), chain[at].audit_key.as_ref());
        let verified = after(&keys, &anchor, audit_key, &chain[at + 1..], &[]).unwrap();
        assert_eq!((verified.last, verified.anchored), (Some(chain[8].anchor()), anchor.number));
        assert_eq!(verified.audit_key, Some(id("audit-2026@1")));
        // Later anchors count, and earlier ones do not.
        let anchors = [chain[0].anchor(), chain[8].anchor()];
        let verified = after(&keys, &anchor, audit_key, &chain[at + 1..], &anchors).unwrap();
        assert_eq!(verified.anchored, 9);
        // With nothing after it, the anchor is the end.
        let verified = after(&keys, &anchor, audit_key, &[], &[]).unwrap();
        assert_eq!((verified.last, verified.anchored), (Some(anchor.clone()), anchor.number));
        assert_eq!(verified.audit_key, Some(chain[at].audit_key.clone()));
        // Another key than that of the entry, and one that nobody knows.
        let other = if at < 4 { "audit-2026@1" } else { "audit-2026" };
        if at < 8 {
            let error = after(&keys, &anchor, other, &chain[at + 1..], &[]).unwrap_err();
            assert!(matches!(error, ChainError::HandOver { .. }), "{error}");
            assert_eq!(error.number(), anchor.number + 1);
        }
        let error = after(&keys, &anchor, "audit-2025", &chain[at + 1..], &[]).unwrap_err();
        assert!(matches!(error, ChainError::UnknownKey { .. }), "{error}");
        assert_eq!(error.number(), anchor.number);
        cases += 1;
    }
    assert_eq!(cases, 8);
}

#[test]
fn what_does_not_follow_the_anchor_is_refused() {
    let (keys, chain) = chain("acme");
    let check = |anchor: &Anchor, rest: &[Record], anchors: &[Anchor]| {
        after(&keys, anchor, "audit-2026@1", rest, anchors).unwrap_err()
    };
    let sixth = chain[5].anchor();
    let missing = check(&sixth, &chain[7..], &[]);
    assert!(matches!(missing, ChainError::Missing { number: 7, .. }), "{missing}");
    let added = check(&sixth, &chain[5..], &[]);
    assert!(matches!(added, ChainError::Added { number: 6, .. }), "{added}");
    let mut altered = chain.clone();
    altered[7].entry.who = "eve".into();
    let altered = check(&sixth, &altered[6..], &[]);
    assert!(matches!(altered, ChainError::Altered { number: 8, .. }), "{altered}");
    // The first entry after it depends on it.
    let exchanged = check(&Anchor { mac: [7; 32], ..sixth.clone() }, &chain[6..], &[]);
    assert!(matches!(exchanged, ChainError::Altered { number: 7, .. }), "{exchanged}");
    let moved = check(&Anchor { number: 7, ..sixth.clone() }, &chain[7..], &[]);
    assert!(matches!(moved, ChainError::Altered { number: 8, .. }), "{moved}");
    let other = check(&Anchor { subject: "initech".into(), ..sixth.clone() }, &chain[6..], &[]);
    assert!(matches!(other, ChainError::OtherSubject { number: 7, .. }), "{other}");
    // Two anchors of one entry, of which one cannot be true.
    let twice = check(&sixth, &chain[6..], &[Anchor { mac: [7; 32], ..sixth.clone() }]);
    assert!(matches!(twice, ChainError::Rewritten { number: 6, .. }), "{twice}");
    let cut = check(&sixth, &chain[6..8], &[chain[8].anchor()]);
    assert!(matches!(cut, ChainError::Cut { number: 9, anchored: 9, .. }), "{cut}");
    let last = Anchor { number: u64::MAX, ..sixth };
    assert!(after(&keys, &last, "audit-2026@1", &chain[8..], &[]).is_err());
}

/// An anchor says nothing about the key that follows, so somebody who has another one could begin after it.
#[test]
fn no_key_begins_after_an_anchor() {
    let (_, chain) = chain("acme");
    let keys = only("audit-2026", 0).with_retired(id("audit-2025"), key(9)).unwrap();
    let begins = after(&keys, &chain[3].anchor(), "audit-2026", &chain[4..], &[]).unwrap_err();
    assert!(matches!(begins, ChainError::HandOver { number: 5, .. }), "{begins}");
    let mut forged = chain[4].clone();
    forged.number = 3;
    forged.audit_key = id("audit-2025");
    forged.entry.commitment = Some(chain[1].mac);
    let start = [b"swa1/start\x0aaudit-2025\x00\x04acme".as_slice(), &[1]].concat();
    let stolen = std::array::from_fn(|i| 9 + i as u8);
    forged.mac = mac(&stolen, &crate::given::hmac(&stolen, &start), &forged);
    let error = after(&keys, &chain[1].anchor(), "audit-2026", &[forged], &[]).unwrap_err();
    assert!(matches!(error, ChainError::HandOver { number: 3, .. }), "{error}");
}
