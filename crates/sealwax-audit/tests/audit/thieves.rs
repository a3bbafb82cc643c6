//! What a thief can do, who has the current audit key and writes to the table, and what an anchor changes.

use sealwax_audit::{Action, Anchor, ChainError, Record, verify};

use crate::given::{Memory, append, chain, id, key, log, now, only};

/// Goes on after a chain with the thief's key, the next step of the first one, under its own id.
fn forge(chain: &[Record], entries: usize) -> Result<Vec<Record>, sealwax_audit::AppendError> {
    let ratcheted = only("audit-2026", 0).ratcheted().unwrap();
    let text = ratcheted.primary().1.to_text();
    let stolen = text.expose_str().unwrap().parse().unwrap();
    let thief = log(sealwax_audit::AuditKeys::new(id("audit-2026@1"), stolen), Memory::with(chain));
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
