//! Many writers at once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::thread;

use sealwax_audit::{Action, verify};

use crate::given::{Memory, log, now, only};

const WRITERS: usize = 64;
const EACH: usize = 25;

#[test]
fn of_one_subject_none_loses_an_entry() {
    let log = log(only("audit-2026", 0), Memory::default());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let log = &log;
            scope.spawn(move || {
                for entry in 0..EACH {
                    let why = format!("{writer}/{entry}");
                    now(log.append("acme", Action::new("noted", "mia", &why, ""))).unwrap();
                }
            });
        }
    });
    let chain = log.sink().chain("acme");
    let whys: BTreeSet<_> = chain.iter().map(|record| record.entry.why.as_str()).collect();
    assert_eq!((chain.len(), whys.len()), (WRITERS * EACH, WRITERS * EACH));
    assert_eq!(verify(log.keys(), "acme", &chain, &[]).unwrap().last.unwrap().number, 1600);
    let raced = log.sink().raced.load(Ordering::Relaxed);
    println!("{raced} of {} lost a race and tried again", chain.len());
    assert!(raced > 0, "nobody raced");
}

#[test]
fn of_many_subjects_while_they_are_handed_over() {
    let sink = Memory::default();
    let before = log(only("audit-2026", 0), &sink);
    let after = log(only("audit-2026", 0).ratcheted().unwrap(), &sink);
    let subjects: Vec<_> = (0..8).map(|n| format!("tenant {n}")).collect();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (before, after, subjects) = (&before, &after, &subjects);
            scope.spawn(move || {
                let subject = &subjects[writer % subjects.len()];
                for entry in 0..EACH {
                    let log = if entry % 2 == 0 { before } else { after };
                    now(log.append(subject, Action::new("noted", "mia", "", ""))).unwrap();
                    if entry == EACH / 2 {
                        now(after.hand_over(subject, "ops", "daily")).unwrap();
                    }
                }
            });
        }
    });
    for subject in &subjects {
        let chain = sink.chain(subject);
        let noted = chain.iter().filter(|record| record.entry.action == "noted").count();
        // Each is handed over once, however many do it.
        assert_eq!((noted, chain.len()), (WRITERS / 8 * EACH, WRITERS / 8 * EACH + 2));
        let verified = verify(before.keys(), subject, &chain, &[]).unwrap();
        assert_eq!(verified.audit_key.unwrap().as_ref(), "audit-2026@1");
    }
}
