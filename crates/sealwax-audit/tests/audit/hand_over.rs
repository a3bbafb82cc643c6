//! Chains that go on under another audit key.

use sealwax_audit::{
    Action, Anchor, AppendError, AuditKeys, ChainError, Entry, Record, Verifier, verify,
};

use crate::given::{Memory, append, chain, id, key, log, mac, now, only};

/// The keys of a service while it moves from one key to another: the first is the primary.
fn both(primary: (&str, u8), retired: (&str, u8)) -> AuditKeys {
    only(primary.0, primary.1).with_retired(id(retired.0), key(retired.1)).unwrap()
}

fn actions(chain: &[Record]) -> Vec<(&str, &str)> {
    chain.iter().map(|record| (record.entry.action.as_str(), record.audit_key.as_ref())).collect()
}

#[test]
fn two_entries_hand_over_to_an_unrelated_key() {
    let old = log(only("old", 0), Memory::default());
    append(&old, "acme", 1);
    // A process that only knows the new key cannot append, nor hand over.
    let new_alone = log(only("new", 9), old.sink());
    let refused = now(new_alone.append("acme", Action::new("noted", "mia", "", ""))).unwrap_err();
    assert!(
        matches!(&refused, AppendError::UnknownKey { audit_key, .. } if *audit_key == id("old"))
    );
    assert!(now(new_alone.hand_over("acme", "ops", "")).is_err());
    assert!(!refused.is_transient());

    // One that knows both keeps to the key that the chain is under, whichever is the primary ...
    let before = log(both(("old", 0), ("new", 9)), old.sink());
    let after = log(both(("new", 9), ("old", 0)), old.sink());
    append(&after, "acme", 1);
    // ... until the chain is handed over.
    assert_eq!(now(before.hand_over("acme", "ops", "")).unwrap(), None);
    let begun = now(after.hand_over("acme", "ops", "leaving old")).unwrap().unwrap();
    assert_eq!(begun.number, 4);
    assert_eq!(now(after.hand_over("acme", "ops", "")).unwrap(), None);
    append(&before, "acme", 1);
    append(&new_alone, "acme", 1);
    let chain = old.sink().chain("acme");
    assert_eq!(
        actions(&chain),
        [
            ("open", "old"),
            ("open", "old"),
            ("swa1/end", "old"),
            ("swa1/begin", "new"),
            ("open", "new"),
            ("open", "new")
        ]
    );
    assert_eq!(
        (&chain[2].entry.key_id, &chain[3].entry.key_id),
        (&Some(id("new")), &Some(id("old")))
    );
    assert_eq!(chain[3].entry.commitment, Some(chain[2].mac));
    assert_eq!((chain[3].entry.who.as_str(), chain[3].entry.why.as_str()), ("ops", "leaving old"));
    let keys = both(("new", 9), ("old", 0));
    let verified = verify(&keys, "acme", &chain, &[]).unwrap();
    assert_eq!((verified.last.unwrap().number, verified.audit_key), (6, Some(id("new"))));
    let error = verify(&only("old", 0), "acme", &chain, &[]).unwrap_err();
    assert!(matches!(error, ChainError::UnknownKey { number: 4, .. }), "{error}");

    // The chain of a new subject begins under the primary, without a hand-over.
    assert_eq!(now(after.hand_over("initech", "ops", "")).unwrap(), None);
    append(&after, "initech", 1);
    assert_eq!(actions(&old.sink().chain("initech")), [("open", "new")]);
}

#[test]
fn a_ratchet_is_a_hand_over() {
    let (keys, chain) = chain("acme");
    assert_eq!(
        actions(&chain)[2..6],
        [
            ("open", "audit-2026"),
            ("swa1/end", "audit-2026"),
            ("swa1/begin", "audit-2026@1"),
            ("open", "audit-2026@1")
        ]
    );
    // A process that still has the first step goes on under the later one, and does not go back.
    let behind = log(keys, Memory::with(&chain));
    append(&behind, "acme", 1);
    assert_eq!(now(behind.hand_over("acme", "ops", "")).unwrap(), None);
    let chain = behind.sink().chain("acme");
    assert_eq!(actions(&chain)[9], ("open", "audit-2026@1"));
    // One that has only a later step cannot go on: nobody handed the chain over.
    let ahead = log(only("audit-2026@2", 5), behind.sink());
    let refused = now(ahead.append("acme", Action::new("noted", "mia", "", ""))).unwrap_err();
    assert!(
        matches!(&refused, AppendError::UnknownKey { audit_key, .. } if audit_key.as_ref() == "audit-2026@1")
    );
    // Several steps at once.
    let keys = only("audit-2026", 0).ratcheted().unwrap().ratcheted().unwrap().ratcheted().unwrap();
    let third = log(keys, behind.sink());
    assert_eq!(now(third.hand_over("acme", "ops", "")).unwrap().unwrap().number, 12);
    append(&third, "acme", 1);
    let chain = behind.sink().chain("acme");
    assert_eq!(actions(&chain)[11..], [("swa1/begin", "audit-2026@3"), ("open", "audit-2026@3")]);
    let verified = verify(&only("audit-2026", 0), "acme", &chain, &[]).unwrap();
    assert_eq!(verified.audit_key, Some(id("audit-2026@3")));
}

/// A crash between the two entries.
#[test]
fn the_next_one_completes_a_hand_over() {
    let (keys, chain) = chain("acme");
    let half = &chain[..4];
    assert_eq!(half[3].entry.action, "swa1/end");
    assert_eq!(verify(&keys, "acme", half, &[]).unwrap().audit_key, Some(id("audit-2026")));

    // A program that appends, also one that is behind.
    let behind = log(only("audit-2026", 0), Memory::with(half));
    assert_eq!(append(&behind, "acme", 1)[0].number, 6);
    let completed = behind.sink().chain("acme");
    assert_eq!(
        actions(&completed)[4..],
        [("swa1/begin", "audit-2026@1"), ("open", "audit-2026@1")]
    );
    assert_eq!((completed[4].entry.who.as_str(), completed[4].entry.context), ("mia", None));
    verify(&keys, "acme", &completed, &[]).unwrap();

    // The hand-over itself, again.
    let again = log(only("audit-2026", 0).ratcheted().unwrap(), Memory::with(half));
    assert_eq!(now(again.hand_over("acme", "ops", "")).unwrap().unwrap().number, 5);
    assert_eq!(now(again.hand_over("acme", "ops", "")).unwrap(), None);
    verify(&keys, "acme", again.sink().chain("acme"), &[]).unwrap();

    // To another primary than the one that it was to.
    let third = only("audit-2026", 0).ratcheted().unwrap().ratcheted().unwrap();
    let third = log(third, Memory::with(half));
    assert_eq!(now(third.hand_over("acme", "ops", "")).unwrap().unwrap().number, 7);
    let chain = third.sink().chain("acme");
    assert_eq!(
        actions(&chain)[4..],
        [
            ("swa1/begin", "audit-2026@1"),
            ("swa1/end", "audit-2026@1"),
            ("swa1/begin", "audit-2026@2")
        ]
    );
    verify(&keys, "acme", &chain, &[]).unwrap();
}

#[test]
fn a_hand_over_that_is_incomplete_or_exchanged_is_refused() {
    let (keys, chain) = chain("acme");
    let number = |chain: &[Record]| match verify(&keys, "acme", chain, &[]).unwrap_err() {
        ChainError::HandOver { number, .. } => ("hand-over", number),
        other => ("another", other.number()),
    };
    let renumbered = |without: &[usize]| {
        let kept = chain.iter().enumerate().filter(|(at, _)| !without.contains(at));
        let kept = (1..).zip(kept).map(|(number, (_, record))| Record { number, ..record.clone() });
        kept.collect::<Vec<_>>()
    };
    assert_eq!(number(&renumbered(&[3])), ("hand-over", 4));
    assert_eq!(number(&renumbered(&[4])), ("hand-over", 5));
    assert_eq!(number(&renumbered(&[3, 4])), ("hand-over", 4));
    assert_eq!(number(&renumbered(&[0, 1, 2, 3])), ("hand-over", 1));
    // What each of the two names.
    let mut altered = chain.clone();
    altered[4].entry.commitment = Some([1; 32]);
    assert_eq!(number(&altered), ("hand-over", 5));
    let mut altered = chain.clone();
    altered[4].entry.key_id = Some(id("audit-2025"));
    assert_eq!(number(&altered), ("hand-over", 5));
    let mut altered = chain.clone();
    altered[4].audit_key = id("audit-2026@2");
    assert_eq!(number(&altered), ("hand-over", 5));
    // The successor is bound by the MAC of the end.
    let mut altered = chain.clone();
    altered[3].entry.key_id = Some(id("audit-2026@2"));
    assert_eq!(number(&altered), ("another", 4));
}

/// The same hand-over in another chain, or at another place in it.
#[test]
fn the_rest_of_a_chain_does_not_fit_behind_another_one() {
    let (keys, long) = chain("acme");
    let short = log(only("audit-2026", 0), Memory::default());
    append(&short, "acme", 2);
    let ratcheted = log(only("audit-2026", 0).ratcheted().unwrap(), short.sink());
    now(ratcheted.hand_over("acme", "ops", "daily")).unwrap().unwrap();
    append(&ratcheted, "acme", 4);
    let short = short.sink().chain("acme");
    assert_eq!((long.len(), short.len()), (9, 8));
    let mut cut = [&long[..3], &short[2..]].concat();
    for (number, record) in (1..).zip(&mut cut) {
        record.number = number;
    }
    assert_eq!(verify(&keys, "acme", &cut, &[]).unwrap_err().number(), 4);
    let mut cut = [&long[..4], &short[3..]].concat();
    for (number, record) in (1..).zip(&mut cut) {
        record.number = number;
    }
    assert_eq!(verify(&keys, "acme", &cut, &[]).unwrap_err().number(), 5);
}

/// A chain that was broken once does not hold up to the entry before, nor after.
#[test]
fn a_verifier_keeps_its_first_error() {
    let (keys, chain) = chain("acme");
    let mut verifier = Verifier::new(&keys, "acme", &[]);
    for record in &chain[..2] {
        verifier.check(record).unwrap();
    }
    assert!(format!("{verifier:?}").contains("number: Ok(2)"));
    let first = verifier.check(&chain[3]).unwrap_err();
    assert!(matches!(first, ChainError::Missing { number: 3, .. }), "{first}");
    // Neither the entry that would have been right, nor another error.
    for record in [&chain[2], &chain[0], &chain[8]] {
        assert_eq!(verifier.check(record).unwrap_err(), first);
    }
    assert_eq!(verifier.finish().unwrap_err(), first);
    // Also if nothing held before, and if it is an anchor that contradicts.
    let anchor = Anchor { mac: [7; 32], ..chain[0].anchor() };
    let mut verifier = Verifier::new(&keys, "acme", [&anchor]);
    let first = verifier.check(&chain[0]).unwrap_err();
    assert_eq!(verifier.check(&chain[0]).unwrap_err(), first);
    assert!(matches!(first, ChainError::Rewritten { number: 1, .. }), "{first}");
    assert_eq!(verifier.finish().unwrap_err(), first);
}

/// Somebody who has the key makes entries that no log appends, with the right MAC.
#[test]
fn the_key_alone_does_not_make_a_hand_over() {
    let (keys, chain) = chain("acme");
    let first: [u8; 32] = std::array::from_fn(|i| i as u8);
    assert_eq!(mac(&first, &chain[0].mac, &chain[1]), chain[1].mac);
    let forge = |alter: fn(&mut Record)| {
        let mut forged = chain[..3].to_vec();
        alter(&mut forged[2]);
        forged[2].mac = mac(&first, &forged[1].mac, &forged[2]);
        verify(&keys, "acme", &forged, &[])
    };
    forge(|record| record.entry.why = "forged".into()).unwrap();
    let begins = |record: &mut Record| {
        record.entry.action = "swa1/begin".into();
        record.entry.key_id = Some(id("audit-2026"));
        record.entry.commitment = Some([1; 32]);
        record.entry.context = None;
    };
    let error = forge(begins).unwrap_err();
    assert!(matches!(error, ChainError::HandOver { number: 3, .. }), "{error}");
    // Not an end without a successor, nor another action that is reserved.
    for alter in [
        |record: &mut Record| {
            record.entry = Entry {
                action: "swa1/end".into(),
                key_id: None,
                commitment: None,
                context: None,
                ..record.entry.clone()
            }
        },
        |record: &mut Record| record.entry.action = "swa1/end".into(),
        |record: &mut Record| record.entry.action = "swa1/next".into(),
    ] {
        let error = forge(alter).unwrap_err();
        assert!(matches!(error, ChainError::Altered { number: 3, .. }), "{error}");
    }
}
