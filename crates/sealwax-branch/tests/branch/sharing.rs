//! Single flight, and futures that are dropped.

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use sealwax::{KeyWrapper, MasterKeyProvider, ProviderErrorKind};

use crate::service::{Row, another, branches, open, poll, wrapped};

#[test]
fn first_seals_make_one_branch_and_first_opens_ask_once() {
    let (branches, service, clock) = branches(100);
    service.busy.store(true, Relaxed);
    let rows: Vec<_> = (0..64).map(|_| Row::new()).collect();
    let mut futures: Vec<_> = rows.iter().map(|row| branches.wrap_key(row.wrap())).collect();
    assert!(futures.iter_mut().all(|future| poll(future).is_pending()));
    assert_eq!(service.requests(), (1, 0));
    service.busy.store(false, Relaxed);
    let bodies: Vec<_> =
        futures.into_iter().map(|future| pollster::block_on(future).unwrap()).collect();
    assert_eq!(service.requests(), (1, 1));

    let other = another(&service, 1, &clock);
    service.busy.store(true, Relaxed);
    let opening = rows.iter().zip(&bodies).map(|(row, body)| other.unwrap_key(row.unwrap(body)));
    let mut futures: Vec<_> = opening.collect();
    assert!(futures.iter_mut().all(|future| poll(future).is_pending()));
    service.busy.store(false, Relaxed);
    for (row, future) in rows.iter().zip(futures) {
        assert!(row.is_of(&pollster::block_on(future).unwrap()));
    }
    assert_eq!(service.requests(), (1, 2));
}

#[test]
fn the_same_from_64_threads() {
    let (branches, service, clock) = branches(64);
    let (other, barrier) = (another(&service, 1, &clock), Barrier::new(64));
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                barrier.wait();
                let row = wrapped(&branches).unwrap();
                barrier.wait();
                assert_eq!(open(&other, &row), Ok(()));
            });
        }
    });
    assert_eq!(service.requests(), (1, 2));
}

/// Each branch has room for three of 64 rows.
#[test]
fn those_who_find_no_room_make_the_next_branch_together() {
    let (branches, service, _) = branches(3);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert_eq!(open(&branches, &wrapped(&branches).unwrap()), Ok(())));
        }
    });
    assert_eq!(service.wraps.load(Relaxed), 22);
}

#[test]
fn all_who_wait_get_the_error_and_the_next_one_asks_again() {
    let (branches, service, clock) = branches(100);
    let row = wrapped(&branches).unwrap();
    let other = another(&service, 1, &clock);
    service.busy.store(true, Relaxed);
    service.says(Some(ProviderErrorKind::Throttled));
    let mut futures: Vec<_> = (0..8).map(|_| other.unwrap_key(row.0.unwrap(&row.1))).collect();
    assert!(futures.iter_mut().all(|future| poll(future).is_pending()));
    service.busy.store(false, Relaxed);
    for future in futures {
        let error = pollster::block_on(future).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Throttled);
    }
    assert_eq!(service.requests(), (1, 2));
    service.says(None);
    assert_eq!(open(&other, &row), Ok(()));
    assert_eq!(service.requests(), (1, 3));
}

/// A future that was polled, and is not polled any more, keeps its result. Nobody else gets that.
#[test]
fn a_later_call_gets_no_earlier_error() {
    let (branches, service, clock) = branches(100);
    let row = wrapped(&branches).unwrap();
    let other = another(&service, 1, &clock);
    service.busy.store(true, Relaxed);
    service.says(Some(ProviderErrorKind::Throttled));
    let open_it = || other.unwrap_key(row.0.unwrap(&row.1));
    let (mut asking, mut kept) = (open_it(), open_it());
    assert!(poll(&mut asking).is_pending() && poll(&mut kept).is_pending());
    service.busy.store(false, Relaxed);
    assert!(pollster::block_on(asking).is_err());
    service.says(None);
    assert_eq!(open(&other, &row), Ok(()));
    assert!(pollster::block_on(kept).is_err());
}

#[test]
fn a_future_that_is_dropped_leaves_nothing_locked() {
    let (branches, service, clock) = branches(100);
    let row = Row::new();
    service.busy.store(true, Relaxed);
    // Unpolled, nothing happens. Of two that wait, the second goes on after the first is gone.
    drop(branches.wrap_key(row.wrap()));
    assert_eq!(service.requests(), (0, 0));
    let (mut first, mut second) = (branches.wrap_key(row.wrap()), branches.wrap_key(row.wrap()));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    drop(first);
    service.busy.store(false, Relaxed);
    let body = pollster::block_on(second).unwrap();
    assert_eq!(service.requests(), (2, 1));

    // All are gone.
    let other = another(&service, 1, &clock);
    service.busy.store(true, Relaxed);
    for _ in 0..3 {
        assert!(poll(&mut other.unwrap_key(row.unwrap(&body))).is_pending());
    }
    service.busy.store(false, Relaxed);
    let row = (row, body);
    assert_eq!(open(&other, &row), Ok(()));

    // The one that asks again.
    clock.at(1200);
    service.busy.store(true, Relaxed);
    assert!(poll(&mut other.unwrap_key(row.0.unwrap(&row.1))).is_pending());
    service.busy.store(false, Relaxed);
    let asked = service.requests().1;
    assert_eq!(open(&other, &row), Ok(()));
    assert_eq!(service.requests().1, asked, "others go on");
    clock.at(1300);
    assert_eq!(open(&other, &row), Ok(()));
    assert_eq!(service.requests().1, asked + 1, "and a later one asks");
}

#[test]
fn a_future_that_is_dropped_before_the_proof_leaves_a_branch_without_rows() {
    let (branches, service, _) = branches(100);
    let row = Row::new();
    service.busy_unwraps.store(true, Relaxed);
    let mut proving = branches.wrap_key(row.wrap());
    assert!(poll(&mut proving).is_pending());
    assert_eq!((service.requests(), branches.kept()), ((1, 1), 0));
    drop(proving);
    service.busy_unwraps.store(false, Relaxed);
    // The next one proves the same branch, and then its row goes there.
    let row = wrapped(&branches).unwrap();
    assert_eq!((service.requests(), open(&branches, &row)), ((1, 2), Ok(())));
}

#[test]
fn nobody_waits_long_for_a_future_that_is_paused() {
    let (branches, service, clock) = branches(100);
    let row = wrapped(&branches).unwrap();
    let other = another(&service, 1, &clock);
    let open_it = || other.unwrap_key(row.0.unwrap(&row.1));
    service.busy.store(true, Relaxed);
    let (mut paused, mut waiting) = (open_it(), open_it());
    assert!(poll(&mut paused).is_pending() && poll(&mut waiting).is_pending());
    let asked = service.requests().1;
    // A sixteenth of the maximum age later.
    clock.at(100);
    assert!(poll(&mut open_it()).is_pending());
    assert_eq!(service.requests().1, asked);
    clock.at(101);
    let mut later = open_it();
    assert!(poll(&mut later).is_pending());
    assert_eq!(service.requests().1, asked + 1);
    service.busy.store(false, Relaxed);
    assert!(row.0.is_of(&pollster::block_on(later).unwrap()));
    assert!(row.0.is_of(&pollster::block_on(paused).unwrap()));
    assert!(row.0.is_of(&pollster::block_on(waiting).unwrap()));
}

#[test]
fn the_least_recently_used_branch_makes_room() {
    let (branches, service, clock) = branches(1);
    let rows: Vec<_> = (0..3).map(|_| wrapped(&branches).unwrap()).collect();
    let other = another(&service, 1, &clock).with_capacity(NonZeroUsize::new(2).unwrap());
    let asked = |row: usize| {
        let before = service.requests().1;
        assert_eq!(open(&other, &rows[row]), Ok(()));
        service.requests().1 - before
    };
    let asked: Vec<_> = [0, 1, 0, 2, 0, 1].into_iter().map(asked).collect();
    assert_eq!((asked, other.kept()), (vec![1, 1, 0, 1, 0, 1], 2));
}
