//! The known answers of the page, and what the bytes of an entry bind.

use std::collections::{BTreeMap, BTreeSet};

use sealwax::EncryptionContext;
use sealwax_audit::{Action, AuditKeys, Entry, Record, read_lines, verify};

use crate::given::{Memory, id, key, log, now, only};

const PAGE: &str = include_str!("../../FORMAT.md");

/// Returns the blocks of text on the page after a heading.
fn blocks(heading: &str) -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(heading).unwrap();
    section.split("```text\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

fn known() -> BTreeMap<&'static str, &'static str> {
    let known: BTreeMap<_, _> =
        blocks("## Known answers")[0].lines().map(|line| line.split_once(" = ").unwrap()).collect();
    assert_eq!(known.len(), 12);
    known
}

pub(crate) fn lines() -> &'static str {
    let lines = blocks("## Known answers")[1];
    assert_eq!(lines.lines().count(), 3);
    lines
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_known_answers() {
    let known = known();
    let keys = only("audit-2026", 0);
    assert_eq!(keys.primary().1.to_text().expose_str().unwrap(), known["text of audit-2026"]);
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "42")]).unwrap();
    assert_eq!(hex(context.encoded()), known["encoded context"]);
    let digest = keys.context_digest(&id("audit-2026"), &context).unwrap();
    assert_eq!(hex(&digest), known["context digest"]);

    // The same entries, appended here.
    let log = log(keys, Memory::default());
    let commitment: [u8; 32] = std::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
    let prod = id("prod-2026");
    let action = Action {
        key_id: Some(&prod),
        commitment: Some(&commitment),
        context: Some(&context),
        ..Action::new("open", "mia", "ticket 7", "opened")
    };
    now(log.append("acme", action)).unwrap();
    let ratcheted = only("audit-2026", 0).ratcheted().unwrap();
    assert_eq!(
        ratcheted.primary().1.to_text().expose_str().unwrap(),
        known["text of audit-2026@1"]
    );
    assert_eq!(ratcheted.primary().0.as_ref(), "audit-2026@1");
    let later = std::sync::atomic::AtomicU64::new(1_790_000_000_001);
    let clock = move || later.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let log =
        sealwax_audit::AuditLog::new(ratcheted, Memory::with(&log.sink().chain("acme")), clock);
    now(log.hand_over("acme", "ops", "daily")).unwrap().unwrap();

    let chain = log.sink().chain("acme");
    let macs: Vec<_> = chain.iter().map(|record| hex(&record.mac)).collect();
    assert_eq!(macs, [known["mac_1"], known["mac_2"], known["mac_3"]]);
    let written: String = chain.iter().map(|record| format!("{record}\n")).collect();
    assert_eq!(written, lines());
    let read: Vec<Record> = read_lines(lines()).map(Result::unwrap).collect();
    assert_eq!(read, chain);
    let keys = only("audit-2026", 0);
    assert_eq!(verify(&keys, "acme", &read, &[]).unwrap().last, Some(chain[2].anchor()));
}

/// The MACs of the page depend on the bytes that the page shows: each digit that is changed is noticed by the
/// independent implementation that computed them, and each digit of a line by the reader or the verifier.
#[test]
fn a_digit_of_a_line_that_is_changed_is_noticed() {
    let keys = only("audit-2026", 0);
    let mut changed = 0;
    for (at, byte) in lines().bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        let mut text = lines().as_bytes().to_vec();
        text[at] = if byte == b'9' { b'8' } else { byte + 1 };
        let text = String::from_utf8(text).unwrap();
        let read: Result<Vec<Record>, _> = read_lines(&text).collect();
        assert!(read.is_err() || verify(&keys, "acme", read.unwrap(), &[]).is_err(), "byte {at}");
        changed += 1;
    }
    assert!(changed > 200, "{changed}");
}

/// Appends the first entry of a chain, and returns its MAC.
fn first_mac(keys: AuditKeys, subject: &str, entry: &Entry) -> [u8; 32] {
    let log = sealwax_audit::AuditLog::new(keys, Memory::default(), || 7);
    let action = Action {
        key_id: entry.key_id.as_ref(),
        commitment: entry.commitment.as_ref(),
        ..Action::new(&entry.action, &entry.who, &entry.why, &entry.outcome)
    };
    now(log.append(subject, action)).unwrap().mac
}

/// Two different entries never have the same bytes, wherever one field ends and the next begins.
#[test]
fn every_entry_has_its_own_bytes() {
    let mut macs = BTreeSet::new();
    for action in ["a", "b", "ab", "ba"] {
        for who in ["a", "b", "ab", "ba"] {
            for why in ["", "a", "b", "ab"] {
                for outcome in ["", "a", "b", "ab"] {
                    for key_id in [None, Some("a"), Some("ab")] {
                        for commitment in [None, Some([b'a'; 32])] {
                            let (action, who, why) = (action.into(), who.into(), why.into());
                            let (outcome, key_id) = (outcome.into(), key_id.map(id));
                            let entry = Entry {
                                time: 7,
                                action,
                                who,
                                why,
                                outcome,
                                key_id,
                                commitment,
                                context: None,
                            };
                            macs.insert(first_mac(only("k", 0), "acme", &entry));
                        }
                    }
                }
            }
        }
    }
    assert_eq!(macs.len(), 4 * 4 * 4 * 4 * 3 * 2);
    // Nor wherever the id of the audit key ends and the subject begins.
    let entry = Entry {
        time: 7,
        action: "a".into(),
        who: "a".into(),
        why: String::new(),
        outcome: String::new(),
        key_id: None,
        commitment: None,
        context: None,
    };
    let (mut macs, mut later) = (BTreeSet::new(), BTreeSet::new());
    for (key_id, subject) in [
        ("k", "acme"),
        ("ka", "cme"),
        ("kac", "me"),
        ("k", "acm"),
        ("k@1", "acme"),
        ("k", "@1acme"),
    ] {
        let keys = || AuditKeys::new(id(key_id), key(0)).unwrap();
        macs.insert(first_mac(keys(), subject, &entry));
        // Also of an entry that comes after another one, whose MAC is the same each time.
        let (subject, entry, audit_key) = (subject.to_owned(), entry.clone(), id(key_id));
        let before = Record { subject, number: 1, entry, audit_key, mac: [7; 32] };
        let log = log(keys(), Memory::with(std::slice::from_ref(&before)));
        later.insert(now(log.append(&before.subject, Action::new("a", "a", "", ""))).unwrap().mac);
    }
    assert_eq!((macs.len(), later.len()), (6, 6));
}
