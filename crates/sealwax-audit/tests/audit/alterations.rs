//! A chain in which one thing is altered is refused, and the refusal names the entry.

use sealwax_audit::{Anchor, AuditKeys, ChainError, Record, Verified, Verifier, verify};

use crate::given::{Memory, chain, id, key, log, now, only};

fn check(keys: &AuditKeys, chain: &[Record]) -> Result<Verified, ChainError> {
    verify(keys, "acme", chain, &[])
}

/// The field that is altered, and how.
pub(crate) type Alteration = (&'static str, fn(&mut Record));

/// Every way to alter one field of a record.
pub(crate) fn alterations() -> Vec<Alteration> {
    vec![
        ("subject", |r| r.subject.push('e')),
        ("number", |r| r.number += 1),
        ("number", |r| r.number -= 1),
        ("number", |r| r.number = u64::MAX),
        ("time", |r| r.entry.time += 1),
        ("time", |r| r.entry.time = u64::MAX),
        ("action", |r| r.entry.action.push('s')),
        ("action", |r| r.entry.action = "swa1/end".into()),
        ("action", |r| r.entry.action = "swa1/begin".into()),
        ("action", |r| r.entry.action = "open.".into()),
        ("who", |r| r.entry.who.push('\n')),
        ("who", |r| r.entry.who = "eve".into()),
        ("why", |r| r.entry.why.push('7')),
        ("why", |r| r.entry.why = "x".repeat(1025)),
        ("outcome", |r| r.entry.outcome.push('?')),
        ("key_id", |r| r.entry.key_id = Some(id("prod-2027"))),
        ("key_id", |r| {
            r.entry.key_id = if r.entry.key_id.is_some() { None } else { Some(id("a")) }
        }),
        ("commitment", |r| r.entry.commitment = Some([0xee; 32])),
        ("commitment", |r| {
            r.entry.commitment = if r.entry.commitment.is_some() { None } else { Some([0; 32]) }
        }),
        ("context", |r| r.entry.context = Some([0xee; 32])),
        ("context", |r| {
            r.entry.context = if r.entry.context.is_some() { None } else { Some([0; 32]) }
        }),
        // A field's bytes in its neighbour.
        ("who", |r| r.entry.why.insert(0, r.entry.who.pop().unwrap())),
        ("commitment", |r| {
            if r.entry.commitment == r.entry.context {
                r.entry.commitment = Some([1; 32]);
            }
            std::mem::swap(&mut r.entry.commitment, &mut r.entry.context);
        }),
        ("audit_key", |r| r.audit_key = id("audit-2026@2")),
        ("audit_key", |r| r.audit_key = id("audit-2025")),
        ("audit_key", |r| r.audit_key = id("AUDIT-2026")),
        ("audit_key", |r| {
            r.audit_key = id(if r.audit_key.as_ref() == "audit-2026" {
                "audit-2026@1"
            } else {
                "audit-2026"
            });
        }),
        ("mac", |r| r.mac[0] ^= 0x80),
        ("mac", |r| r.mac[31] ^= 1),
        ("mac", |r| r.mac = [0; 32]),
    ]
}

#[test]
fn each_field_of_each_entry() {
    let (keys, chain) = chain("acme");
    let (mut cases, mut fields) = (0, std::collections::BTreeSet::new());
    for (at, original) in chain.iter().enumerate() {
        for (field, alter) in alterations() {
            let mut altered = chain.clone();
            alter(&mut altered[at]);
            if altered[at] == *original {
                // The entry of a hand-over already has that action.
                assert_eq!(field, "action");
                continue;
            }
            let error = check(&keys, &altered).unwrap_err();
            // A number that is too small is itself the number of an added entry.
            let named = if altered[at].number < original.number {
                altered[at].number
            } else {
                original.number
            };
            assert_eq!(error.number(), named, "{field} of entry {}: {error}", original.number);
            (cases, _) = (cases + 1, fields.insert(field));
        }
    }
    assert_eq!((cases, fields.len()), (9 * 30 - 2, 12));
}

#[test]
fn each_bit_of_each_mac() {
    let (keys, chain) = chain("acme");
    let mut cases = 0;
    for at in 0..chain.len() {
        for bit in 0..256 {
            let mut altered = chain.clone();
            altered[at].mac[bit / 8] ^= 1 << (bit % 8);
            let number = chain[at].number;
            let error = check(&keys, &altered).unwrap_err();
            assert!(
                matches!(error, ChainError::Altered { number: n, .. } if n == number),
                "{error}"
            );
            cases += 1;
        }
    }
    assert_eq!(cases, 2304);
}

/// Returns the kind of an error and the number that it names.
fn named(error: &ChainError) -> (&'static str, u64) {
    let kind = match error {
        ChainError::Altered { .. } => "altered",
        ChainError::Missing { .. } => "missing",
        ChainError::Added { .. } => "added",
        ChainError::OtherSubject { .. } => "other subject",
        ChainError::HandOver { .. } => "hand-over",
        ChainError::UnknownKey { .. } => "unknown key",
        ChainError::Rewritten { .. } => "rewritten",
        ChainError::Cut { .. } => "cut",
        other => panic!("{other}"),
    };
    (kind, error.number())
}

fn refused(keys: &AuditKeys, chain: &[Record]) -> (&'static str, u64) {
    named(&check(keys, chain).unwrap_err())
}

#[test]
fn an_entry_dropped_doubled_or_moved() {
    let (keys, chain) = chain("acme");
    let mut cases = 0;
    for at in 0..chain.len() {
        let number = chain[at].number;
        let mut dropped = chain.clone();
        dropped.remove(at);
        if number == 9 {
            // Without an anchor, nobody notices that the end is missing.
            assert_eq!(check(&keys, &dropped).unwrap().last.unwrap().number, 8);
        } else {
            assert_eq!(refused(&keys, &dropped), ("missing", number));
            // And if those after it move up.
            for later in &mut dropped[at..] {
                later.number -= 1;
            }
            let (kind, named) = refused(&keys, &dropped);
            assert!(["altered", "hand-over"].contains(&kind) && named == number, "{kind} {named}");
        }

        let mut doubled = chain.clone();
        doubled.insert(at, chain[at].clone());
        assert_eq!(refused(&keys, &doubled), ("added", number));
        // And if it and those after it move down.
        for later in &mut doubled[at + 1..] {
            later.number += 1;
        }
        let (kind, named) = refused(&keys, &doubled);
        assert!(["altered", "hand-over"].contains(&kind) && named == number + 1, "{kind} {named}");

        for other in 0..chain.len() {
            if other == at {
                continue;
            }
            let first = number.min(chain[other].number);
            // Exchanged, as they are and with their numbers corrected.
            let mut exchanged = chain.clone();
            exchanged.swap(at, other);
            assert_eq!(refused(&keys, &exchanged), ("missing", first));
            let numbers = (exchanged[at].number, exchanged[other].number);
            (exchanged[other].number, exchanged[at].number) = numbers;
            assert_eq!(refused(&keys, &exchanged).1, first);
            // Moved to another place.
            let mut moved = chain.clone();
            let entry = moved.remove(at);
            moved.insert(other, entry);
            assert_eq!(refused(&keys, &moved), ("missing", first));
            for (number, record) in (1..).zip(&mut moved) {
                record.number = number;
            }
            assert_eq!(refused(&keys, &moved).1, first);
            cases += 1;
        }
    }
    assert_eq!(cases, 72);
}

#[test]
fn an_entry_of_another_subject() {
    let (keys, ours) = chain("acme");
    let (_, theirs) = chain("initech");
    assert_eq!(ours.len(), theirs.len());
    for at in 0..ours.len() {
        let number = ours[at].number;
        let mut exchanged = ours.clone();
        exchanged[at] = theirs[at].clone();
        assert_eq!(refused(&keys, &exchanged), ("other subject", number));
        exchanged[at].subject = "acme".into();
        let (kind, named) = refused(&keys, &exchanged);
        assert!(["altered", "hand-over"].contains(&kind) && named == number, "{kind} {named}");
        // Also the rest of their chain, and all of it.
        let mut exchanged = ours.clone();
        exchanged[at..].clone_from_slice(&theirs[at..]);
        exchanged.iter_mut().for_each(|record| record.subject = "acme".into());
        assert_eq!(refused(&keys, &exchanged).1, number);
    }
    assert_eq!(refused(&keys, &theirs), ("other subject", 1));
}

#[test]
fn the_wrong_key() {
    let (_, chain) = chain("acme");
    // Other material under the same id, and the same material under another id.
    assert_eq!(refused(&only("audit-2026", 1), &chain), ("altered", 1));
    assert_eq!(refused(&only("audit-2025", 0), &chain), ("unknown key", 1));
    assert_eq!(refused(&only("audit-2026@1", 0), &chain), ("unknown key", 1));
    let mut renamed = chain.clone();
    renamed.iter_mut().for_each(|record| record.audit_key = id("audit-2025"));
    assert_eq!(refused(&only("audit-2025", 0), &renamed[..3]), ("altered", 1));
    // Other material in the second half.
    let both = |second| only("audit-2027", second).with_retired(id("audit-2026"), key(0)).unwrap();
    let moved = log(both(9), Memory::with(&chain[..3]));
    now(moved.hand_over("acme", "ops", "moved")).unwrap().unwrap();
    let moved = moved.sink().chain("acme");
    check(&both(9), &moved).unwrap();
    assert_eq!(refused(&both(7), &moved), ("altered", 5));
}

#[test]
fn an_end_that_is_cut_off_is_noticed_with_an_anchor() {
    let (keys, chain) = chain("acme");
    let other = Anchor { subject: "initech".into(), number: 99, mac: [7; 32] };
    for anchored in 1..=9 {
        let anchors = [other.clone(), chain[anchored - 1].anchor()];
        for end in 0..=9 {
            let verified = verify(&keys, "acme", &chain[..end], &anchors);
            if end < anchored {
                let error = verified.unwrap_err();
                assert_eq!(named(&error), ("cut", end as u64 + 1));
                assert!(
                    matches!(error, ChainError::Cut { anchored: n, .. } if n == anchored as u64)
                );
            } else {
                let verified = verified.unwrap();
                assert_eq!(verified.anchored, anchored as u64);
                assert_eq!(verified.last, Some(chain[end - 1].anchor()));
                assert_eq!(verified.audit_key, Some(chain[end - 1].audit_key.clone()));
            }
        }
        let mut wrong = chain[anchored - 1].anchor();
        wrong.mac[31] ^= 1;
        let error = verify(&keys, "acme", &chain, &[wrong.clone()]).unwrap_err();
        assert_eq!(named(&error), ("rewritten", anchored as u64));
        // An anchor that holds does not excuse one that does not.
        let error = verify(&keys, "acme", &chain, &[chain[anchored - 1].anchor(), wrong]);
        assert_eq!(named(&error.unwrap_err()), ("rewritten", anchored as u64));
    }
    // Of several anchors, the last one counts.
    let anchors = [7, 2, 5].map(|at: usize| chain[at].anchor());
    assert_eq!(verify(&keys, "acme", &chain, &anchors).unwrap().anchored, 8);
    assert_eq!(named(&verify(&keys, "acme", &chain[..4], &anchors).unwrap_err()), ("cut", 5));
}

/// Many anchors cost no more than many entries.
#[test]
fn a_verifier_looks_at_each_anchor_once() {
    let (keys, chain) = chain("acme");
    let other = Anchor { subject: "initech".into(), number: 1, mac: [7; 32] };
    // In no order, some of them twice, and grouped by a caller: any iterator will do.
    let anchors: Vec<Anchor> = [4, 8, 0, 4, 2, 8, 8].map(|at: usize| chain[at].anchor()).into();
    let mut verifier = Verifier::new(&keys, "acme", anchors.iter().rev().chain([&other]));
    let mut left = Vec::new();
    for record in &chain {
        verifier.check(record).unwrap();
        let shown = format!("{verifier:?}");
        let (_, rest) = shown.split_once("anchors: ").unwrap();
        left.push(rest.split_once(',').unwrap().0.parse::<usize>().unwrap());
    }
    assert_eq!(left, [6, 6, 5, 5, 3, 3, 3, 3, 0]);
    assert_eq!(verifier.finish().unwrap().anchored, 9);
}

#[test]
fn an_empty_chain_proves_nothing() {
    let verified = check(&only("audit-2026", 0), &[]).unwrap();
    assert_eq!((verified.last, verified.anchored, verified.audit_key), (None, 0, None));
    // There is no entry 0, so an anchor of it does not say that anything is missing.
    let zero = Anchor { subject: "acme".into(), number: 0, mac: [7; 32] };
    let verified = verify(&only("audit-2026", 0), "acme", [] as [Record; 0], [&zero]).unwrap();
    assert_eq!(verified.anchored, 0);
}
