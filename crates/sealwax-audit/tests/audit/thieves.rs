//! What a thief can do, who has an audit key and writes to the table, and what an anchor changes.

use sealwax_audit::{
    Action, Anchor, AppendError, AuditKeys, ChainError, Entry, Record, Verifier, verify,
};

use crate::given::{Memory, append, chain, id, key, log, mac, now, only};

/// Goes on after a chain with the thief's key, the next step of the first one, under its own id.
fn forge(chain: &[Record], entries: usize) -> Result<Vec<Record>, AppendError> {
    let ratcheted = only("audit-2026", 0).ratcheted().unwrap();
    let text = ratcheted.primary().1.to_text();
    let stolen = text.expose_str().unwrap().parse().unwrap();
    let thief = log(AuditKeys::new(id("audit-2026@1"), stolen).unwrap(), Memory::with(chain));
    for _ in 0..entries {
        now(thief.append("acme", Action::new("open", "eve", "forged", "opened")))?;
    }
    Ok(thief.sink().chain("acme"))
}

#[test]
fn today_is_the_thiefs_unless_it_is_anchored() {
    let (keys, chain) = chain("acme");
    // The entries under the stolen key, from its begin on, can be written again.
    let forged = forge(&chain[..6], 3).unwrap();
    assert_ne!(forged[6..], chain[6..]);
    assert_eq!(forged[..6], chain[..6]);
    verify(&keys, "acme", &forged, &[]).unwrap();
    let anchors: Vec<Anchor> = chain.iter().map(Record::anchor).collect();
    // An anchor of what was rewritten shows it, and an earlier one does not.
    let error = verify(&keys, "acme", &forged, &anchors[8..]).unwrap_err();
    assert!(matches!(error, ChainError::Rewritten { number: 9, .. }), "{error}");
    assert_eq!(verify(&keys, "acme", &forged, &anchors[..6]).unwrap().anchored, 6);
}

#[test]
fn yesterday_is_not() {
    let (keys, chain) = chain("acme");
    // The end of yesterday is missing: the thief cannot go on from there.
    for end in 1..4 {
        assert!(forge(&chain[..end], 1).is_err(), "{end}");
    }
    // The thief makes entries of yesterday with the key of today, or calls them today's.
    let stolen = forge(&chain[..5], 1).unwrap();
    for at in 0..4 {
        let number = chain[at].number;
        let mut forged = chain.clone();
        forged[at] = Record { number, ..stolen[5].clone() };
        assert_eq!(verify(&keys, "acme", &forged, &[]).unwrap_err().number(), number);
        forged[at].audit_key = id("audit-2026");
        assert_eq!(verify(&keys, "acme", &forged, &[]).unwrap_err().number(), number);
    }
    // Another chain of yesterday's length, all under today's key, is the one thing that only an anchor shows ...
    let again = log(only("audit-2026", 0).ratcheted().unwrap(), Memory::default());
    append(&again, "acme", 9);
    let again = again.sink().chain("acme");
    verify(&keys, "acme", &again, &[]).unwrap();
    // ... however old.
    let error = verify(&keys, "acme", &again, &[chain[0].anchor()]).unwrap_err();
    assert!(matches!(error, ChainError::Rewritten { number: 1, .. }), "{error}");
}

/// Somebody who writes to the table has the service go on from a copy of a chain, under a subject of their own, and puts
/// the entry that the service makes behind the original.
#[test]
fn an_entry_that_follows_a_copy_of_a_chain_does_not_fit_the_original() {
    let (keys, chain) = chain("acme");
    let mut cases = 0;
    // Of the same length, a longer one and a shorter one.
    for subject in ["evil", "acmeevil", "a"] {
        for end in [1, 2, 3, 6, 9] {
            let renamed = |record: &Record| Record { subject: subject.into(), ..record.clone() };
            let copy: Vec<Record> = chain[..end].iter().map(renamed).collect();
            let service = log(only("audit-2026", 0), Memory::with(&copy));
            append(&service, subject, 1);
            let added = service.sink().last_of(subject).unwrap();
            assert_eq!(added.number, end as u64 + 1);
            let mut moved = chain[..end].to_vec();
            moved.push(Record { subject: "acme".into(), ..added });
            let error = verify(&keys, "acme", &moved, &[]).unwrap_err();
            assert!(matches!(error, ChainError::Altered { .. }), "{error}");
            assert_eq!(error.number(), end as u64 + 1);
            // Nor does it go on from the copy, which proves nothing.
            let copied = service.sink().chain(subject);
            assert_eq!(verify(&keys, subject, &copied, &[]).unwrap_err().number(), 1);
            cases += 1;
        }
    }
    assert_eq!(cases, 15);
}

/// A key that nobody knows is no excuse for what an anchor contradicts.
#[test]
fn a_chain_under_the_thiefs_own_key_is_not_taken_for_one_whose_key_is_missing() {
    let (keys, chain) = chain("acme");
    let thief = log(only("audit-2031", 9), Memory::default());
    append(&thief, "acme", 9);
    let forged = thief.sink().chain("acme");
    let check = |anchors: &[Anchor]| verify(&keys, "acme", &forged, anchors).unwrap_err();
    for anchors in [vec![chain[0].anchor()], vec![chain[8].anchor(), chain[0].anchor()]] {
        let error = check(&anchors);
        assert!(matches!(error, ChainError::Rewritten { number: 1, .. }), "{error}");
    }
    // Without an anchor of the entry, nobody can tell.
    for anchors in [vec![], vec![chain[1].anchor()], vec![forged[0].anchor()]] {
        let error = check(&anchors);
        assert!(matches!(error, ChainError::UnknownKey { number: 1, .. }), "{error}");
    }
    // From an anchored entry on, too.
    let (true_one, forged) = (chain[4].anchor(), forged[4].anchor());
    let after = Verifier::after(&keys, &forged, &id("audit-2031"), [&true_one]);
    let error = after.unwrap_err();
    assert!(matches!(error, ChainError::Rewritten { number: 5, .. }), "{error}");
}

/// Cut back into yesterday, the chain does not end under the primary any more, and the service cannot append.
#[test]
fn a_chain_that_is_cut_back_into_yesterday_stops_the_service() {
    let (keys, chain) = chain("acme");
    for end in 1..=3 {
        assert_eq!(
            verify(&keys, "acme", &chain[..end], &[]).unwrap().audit_key,
            Some(id("audit-2026"))
        );
        assert!(forge(&chain[..end], 1).is_err());
    }
}

/// A key that was handed over from can be stolen: what it wrote is bound by the key that followed.
#[test]
fn a_thief_of_the_old_key_cannot_rewrite_what_it_closed() {
    let (keys, chain) = chain("acme");
    let thief = log(only("audit-2026", 0), Memory::with(&chain[..1]));
    append(&thief, "acme", 2);
    let forged = thief.sink().chain("acme");
    assert_ne!(forged[1], chain[1]);
    for end in 1..=3 {
        let cut = [&forged[..end], &chain[end..]].concat();
        let named = verify(&keys, "acme", &cut, &[]);
        if end == 1 {
            named.unwrap()
        } else {
            assert_eq!(named.unwrap_err().number(), end as u64 + 1);
            continue;
        };
    }
    // Anyone who has the first key also has its later steps. An unrelated key does not follow from it.
    let unrelated = log(
        only("audit-2027", 9).with_retired(id("audit-2026"), key(0)).unwrap(),
        Memory::with(&chain[..3]),
    );
    now(unrelated.hand_over("acme", "ops", "stolen")).unwrap().unwrap();
    append(&unrelated, "acme", 1);
    let true_chain = unrelated.sink().chain("acme");
    let keys = only("audit-2027", 9).with_retired(id("audit-2026"), key(0)).unwrap();
    verify(&keys, "acme", &true_chain, &[]).unwrap();
    let forged = [&forged[..3], &true_chain[3..]].concat();
    assert_eq!(verify(&keys, "acme", &forged, &[]).unwrap_err().number(), 4);
}

/// Goes on after a chain with the bytes of a stolen key, whatever a log would append.
fn write(chain: &mut Vec<Record>, stolen: &[u8; 32], action: &str, key_id: Option<&str>) {
    let last = chain.last().unwrap().clone();
    let (action, key_id, commitment, context) = (action.into(), key_id.map(id), None, None);
    let entry =
        Entry { action, who: "eve".into(), key_id, commitment, context, ..last.entry.clone() };
    let mut record = Record { number: last.number + 1, entry, ..last };
    record.mac = mac(stolen, &chain.last().unwrap().mac, &record);
    chain.push(record);
}

/// The thief of a key that was handed over from ends the chain as a service would have done it.
#[test]
fn a_service_signs_nothing_for_a_key_that_it_has_given_up() {
    let stolen = std::array::from_fn(|i| i as u8);
    let both = || only("audit-2026", 9).with_retired(id("audit-2025"), key(0)).unwrap();
    let old = log(only("audit-2025", 0), Memory::default());
    append(&old, "acme", 3);
    let moving = log(both(), old.sink());
    now(moving.hand_over("acme", "ops", "robbed")).unwrap().unwrap();
    append(&moving, "acme", 2);
    let chain = old.sink().chain("acme");
    assert_eq!(chain.len(), 7);

    let mut cases = 0;
    for kept in 1..=3 {
        let mut forged = chain[..kept].to_vec();
        write(&mut forged, &stolen, "open", Some("prod-2026"));
        write(&mut forged, &stolen, "swa1/end", Some("audit-2026"));
        // It is what a log would have written: the chain holds, but it does not end under the primary.
        let verified = verify(&both(), "acme", &forged, &[]).unwrap();
        assert_eq!(verified.audit_key, Some(id("audit-2025")));

        let is_old = |error| matches!(error, AppendError::UnknownKey { audit_key, .. } if audit_key.as_ref() == "audit-2025");
        let service = log(only("audit-2026", 9), Memory::with(&forged));
        let action = Action::new("open", "mia", "ticket 8", "opened");
        assert!(is_old(now(service.append("acme", action)).unwrap_err()));
        assert!(is_old(now(service.hand_over("acme", "ops", "")).unwrap_err()));
        assert_eq!(service.sink().chain("acme"), forged);
        append(&service, "initech", 1);

        // Every service that still has the key is the thief's, and then only an anchor shows it.
        let late = log(both(), Memory::with(&forged));
        append(&late, "acme", 1);
        let completed = late.sink().chain("acme");
        let verified = verify(&both(), "acme", &completed, &[]).unwrap();
        assert_eq!(verified.audit_key, Some(id("audit-2026")));
        assert!(verify(&both(), "acme", &completed, &[chain[5].anchor()]).is_err());
        cases += 1;
    }
    assert_eq!(cases, 3);
}
