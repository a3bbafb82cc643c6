//! How often the service is asked, and the kit over both providers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sealwax::{KeyWrapper, MasterKey, MasterKeyProvider, ProviderErrorKind};
use sealwax_branch::{BranchKeys, WhenAway};
use sealwax_conformance::{Counted, Expect, check};

use crate::service::{Clock, Row, Service, another, branches, open, open_now, wrapped};

#[test]
fn the_service_is_asked_twice_for_each_branch_and_once_to_open_it() {
    let (branches, service, clock) = branches(100);
    let rows: Vec<_> = (0..250).map(|_| wrapped(&branches).unwrap()).collect();
    assert_eq!(service.requests(), (3, 3));
    // Those that find a branch with room do not wait either.
    assert!(branches.wrap_key(rows[0].0.wrap()).into_ready().is_ok_and(|body| body.is_ok()));
    // Its maker opens them without a request, and without waiting.
    assert_eq!(rows.iter().filter(|row| open_now(&branches, row) == Some(Ok(()))).count(), 250);
    assert_eq!(service.requests(), (3, 3));
    // Another process.
    let other = another(&service, 100, &clock);
    assert_eq!(open_now(&other, &rows[0]), None);
    assert_eq!(rows.iter().filter(|row| open(&other, row) == Ok(())).count(), 250);
    assert_eq!(service.requests(), (3, 6));
    // One that started before an outage, and knows one branch.
    let third = another(&service, 100, &clock);
    assert_eq!(open(&third, &rows[0]), Ok(()));
    service.says(Some(ProviderErrorKind::Unavailable));
    let opened = rows.iter().filter(|row| open(&third, row) == Ok(())).count();
    let away = |row: &&_| open(&third, row) == Err(ProviderErrorKind::Unavailable);
    assert_eq!((opened, rows.iter().filter(away).count()), (100, 150));
}

#[test]
fn a_batch_asks_as_often_as_its_rows_one_by_one() {
    let (branches, service, clock) = branches(100);
    let rows: Vec<_> = (0..250).map(|_| Row::new()).collect();
    let requests: Vec<_> = rows.iter().map(Row::wrap).collect();
    let bodies = pollster::block_on(branches.wrap_keys(&requests));
    let bodies: Vec<_> = bodies.into_iter().map(Result::unwrap).collect();
    assert_eq!(service.requests(), (3, 3));
    let requests: Vec<_> = rows.iter().zip(&bodies).map(|(row, body)| row.unwrap(body)).collect();
    let other = another(&service, 1, &clock);
    let keys = pollster::block_on(other.unwrap_keys(&requests));
    assert!(rows.iter().zip(keys).all(|(row, key)| row.is_of(&key.unwrap())));
    assert_eq!(service.requests(), (3, 6));
}

#[test]
fn a_batch_asks_about_all_unknown_branches_at_once() {
    let service = Arc::new(Counted::new(MasterKey::generate().unwrap()));
    let one_row = || BranchKeys::new(Arc::clone(&service), 1.try_into().unwrap());
    let (branches, other) = (one_row(), one_row());
    let rows: Vec<_> = (0..5).map(|_| wrapped(&branches).unwrap()).collect();
    let before = service.counts();
    // Each row twice, and one that no branch made.
    let mut requests: Vec<_> =
        rows.iter().chain(&rows).map(|(row, body)| row.unwrap(body)).collect();
    requests.insert(3, rows[0].0.unwrap(b"no body"));
    let mut keys = pollster::block_on(other.unwrap_keys(&requests));
    assert_eq!(keys.remove(3).unwrap_err().kind(), ProviderErrorKind::Rejected);
    assert!(rows.iter().chain(&rows).zip(keys).all(|((row, _), key)| row.is_of(&key.unwrap())));
    let counts = service.counts();
    assert_eq!((counts.unwrap_batches, counts.unwraps_in_batches), (1, 5));
    assert_eq!((counts.unwraps, other.kept()), (before.unwraps, 5));
}

#[test]
fn a_batch_asks_about_due_and_unknown_branches_together() {
    let service = Arc::new(Counted::new(MasterKey::generate().unwrap()));
    let clock = Clock::default();
    let (branches, other) = (another(&service, 1, &clock), another(&service, 1, &clock));
    let rows: Vec<_> = (0..7).map(|_| wrapped(&branches).unwrap()).collect();
    // At 1,200 seconds, three are due, two are not, and two are not known.
    rows[..3].iter().for_each(|row| assert_eq!(open(&other, row), Ok(())));
    clock.at(600);
    rows[3..5].iter().for_each(|row| assert_eq!(open(&other, row), Ok(())));
    clock.at(1200);
    let before = service.counts();
    let requests: Vec<_> = rows.iter().map(|(row, body)| row.unwrap(body)).collect();
    let keys = pollster::block_on(other.unwrap_keys(&requests));
    assert!(rows.iter().zip(keys).all(|((row, _), key)| row.is_of(&key.unwrap())));
    let counts = service.counts();
    assert_eq!((counts.unwraps, other.kept()), (before.unwraps, 7));
    assert_eq!((counts.unwrap_batches, counts.unwraps_in_batches), (1, 3 + 2));
    // That was a yes about each of them.
    clock.at(1200 + 1199);
    let mut confirmed = rows[..3].iter().chain(&rows[5..]);
    assert!(confirmed.all(|row| open_now(&other, row) == Some(Ok(()))));
}

#[test]
fn in_a_batch_a_due_branch_ends_as_it_does_alone() {
    use ProviderErrorKind::{Disabled, Rejected, Unavailable};
    for (when_away, fault, known, kept) in [
        (WhenAway::KeepUntilMaxAge, Some(Unavailable), Ok(()), 3),
        (WhenAway::EvictAtOnce, Some(Unavailable), Err(Unavailable), 0),
        (WhenAway::KeepUntilMaxAge, Some(Disabled), Err(Disabled), 0),
        // The service unwraps another key.
        (WhenAway::KeepUntilMaxAge, None, Err(Rejected), 0),
    ] {
        let (branches, service, clock) = branches(1);
        let rows: Vec<_> = (0..4).map(|_| wrapped(&branches).unwrap()).collect();
        let other = another(&service, 1, &clock).when_away(when_away);
        rows[..3].iter().for_each(|row| assert_eq!(open(&other, row), Ok(())));
        clock.at(1200);
        service.says(fault);
        service.confused.store(fault.is_none(), Relaxed);
        let requests: Vec<_> = rows.iter().map(|(row, body)| row.unwrap(body)).collect();
        let keys = pollster::block_on(other.unwrap_keys(&requests));
        let opened = keys.into_iter().map(|key| key.map(|_| ()).map_err(|error| error.kind()));
        let unknown = Err(fault.unwrap_or(Rejected));
        assert_eq!(opened.collect::<Vec<_>>(), [known, known, known, unknown]);
        assert_eq!(other.kept(), kept);
    }
}

#[test]
fn a_batch_in_an_outage_asks_once() {
    let (branches, service, clock) = branches(100);
    let rows: Vec<_> = (0..20).map(|_| wrapped(&branches).unwrap()).collect();
    let other = another(&service, 100, &clock);
    service.says(Some(ProviderErrorKind::Unavailable));
    let before = service.requests();
    let requests: Vec<_> = rows.iter().map(|(row, body)| row.unwrap(body)).collect();
    let keys = pollster::block_on(other.unwrap_keys(&requests));
    assert_eq!(keys.iter().filter(|key| key.as_ref().is_err_and(|e| e.is_transient())).count(), 20);
    let requests: Vec<_> = rows.iter().map(|(row, _)| row.wrap()).collect();
    let bodies = pollster::block_on(other.wrap_keys(&requests));
    assert_eq!(
        bodies.iter().filter(|body| body.as_ref().is_err_and(|e| e.is_transient())).count(),
        20
    );
    assert_eq!(service.requests(), (before.0 + 1, before.1 + 1));
}

#[test]
fn branch_keys_pass_the_kit() {
    for rows in [1, 7, 1000] {
        let (branches, service, _) = branches(rows);
        let (counted, rotated) = (Arc::clone(&service), Arc::clone(&service));
        let other = BranchKeys::new(Service::new(), 10.try_into().unwrap());
        let expect = Expect::default()
            .other_key(other)
            .counting(move || counted.requests().0 + counted.requests().1)
            .rotated_by(async move { rotated.rotate() });
        let report = pollster::block_on(check(branches, "kms/2026".parse().unwrap(), expect));
        assert!(report.is_ok(), "{rows}: {report}");
        assert_eq!((report.passed(), report.not_run()), (33, 0), "{report}");
    }
}

#[test]
fn a_check_asks_the_provider() {
    let (branches, service, _) = branches(1);
    let key_id = "kms/2026".parse().unwrap();
    assert!(pollster::block_on(branches.check(&key_id)).is_ok());
    service.says(Some(ProviderErrorKind::Denied));
    let error = pollster::block_on(branches.check(&key_id)).unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Denied);
}

#[test]
fn a_key_that_was_rotated_at_the_service_gets_a_new_branch() {
    let (branches, service, _) = branches(100);
    let old = wrapped(&branches).unwrap();
    assert!(branches.is_current(&old.1));
    service.rotate();
    assert!(!branches.is_current(&old.1));
    let new = wrapped(&branches).unwrap();
    assert!(branches.is_current(&new.1));
    assert_eq!(service.requests(), (2, 2));
    assert_eq!((open(&branches, &old), open(&branches, &new)), (Ok(()), Ok(())));
    assert!(!branches.is_current(b""));
}

#[test]
fn each_key_id_and_each_suite_has_its_own_branch() {
    let (branches, service, _) = branches(100);
    let mut made = 0;
    for key_id in ["kms/2026", "kms/2027", "test/kms"] {
        for suite in [sealwax::Suite::Aes256Gcm, sealwax::Suite::ChaCha20Poly1305] {
            for _ in 0..2 {
                let row = Row { key_id: key_id.parse().unwrap(), suite, ..Row::new() };
                let body = pollster::block_on(branches.wrap_key(row.wrap()));
                // The service in these tests is a master key, which is no test key.
                assert_eq!(body.is_ok(), key_id != "test/kms");
                made += usize::from(body.is_ok_and(|body| open(&branches, &(row, body)) == Ok(())));
            }
        }
    }
    assert_eq!((made, branches.kept()), (8, 4));
    assert_eq!(service.requests(), (4 + 4, 4));
}
