//! How long a branch is used, and what holds when the service says no or is away.

use std::sync::atomic::Ordering::Relaxed;

use sealwax::{KeyWrapper, MasterKeyProvider, ProviderErrorKind};
use sealwax_branch::WhenAway;

use crate::service::{Row, another, branches, open, open_now, poll, wrapped};

const DISABLED: ProviderErrorKind = ProviderErrorKind::Disabled;
const AWAY: ProviderErrorKind = ProviderErrorKind::Unavailable;

#[test]
fn a_branch_in_use_is_confirmed_ahead_and_never_waited_for() {
    let (branches, service, clock) = branches(1000);
    let row = wrapped(&branches).unwrap();
    let mut asked = 0;
    for second in 0..16_000 {
        clock.at(second);
        let before = service.requests().1;
        assert_eq!(open(&branches, &row), Ok(()));
        asked += service.requests().1 - before;
    }
    // Every 1,200 seconds.
    assert_eq!(asked, 13);
    // While one asks, the others go on, also those that cannot wait.
    clock.at(13 * 1200 + 1200);
    assert_eq!(open_now(&branches, &row), None);
    service.busy.store(true, Relaxed);
    let mut asking = branches.unwrap_key(row.0.unwrap(&row.1));
    assert!(poll(&mut asking).is_pending());
    assert_eq!(open_now(&branches, &row), Some(Ok(())));
    service.busy.store(false, Relaxed);
    assert!(row.0.is_of(&pollster::block_on(asking).unwrap()));
}

#[test]
fn a_no_of_the_service_ends_a_branch_at_once_and_at_the_maximum_age_at_the_latest() {
    let (branches, service, clock) = branches(1000);
    let row = wrapped(&branches).unwrap();
    service.says(Some(DISABLED));
    let mut opened = 0;
    while open(&branches, &row) == Ok(()) {
        // Nobody notices a hot branch of a disabled key before somebody asks.
        opened += 1;
        clock.at(opened);
    }
    assert_eq!((opened, branches.kept()), (1200, 0));
    assert_eq!(wrapped(&branches).err(), Some(DISABLED));

    // One that is idle until it is over is not used either.
    service.says(None);
    assert_eq!(open(&branches, &row), Ok(()));
    clock.at(1200 + 1599);
    assert_eq!(branches.kept(), 1);
    clock.at(1200 + 1600);
    assert_eq!(open_now(&branches, &row), None);
    assert_eq!(branches.kept(), 0);
}

#[test]
fn each_error_that_is_not_transient_is_a_no() {
    use ProviderErrorKind::{
        Denied, Disabled, NotFound, Other, Rejected, Throttled, Unauthenticated, Unavailable,
        WrongKeyMaterial,
    };
    let mut kept = 0;
    for kind in [
        Denied,
        Disabled,
        NotFound,
        Other,
        Rejected,
        Unauthenticated,
        WrongKeyMaterial,
        Throttled,
        Unavailable,
    ] {
        let (branches, service, clock) = branches(1000);
        let row = wrapped(&branches).unwrap();
        clock.at(1200);
        service.says(Some(kind));
        let transient = matches!(kind, Throttled | Unavailable);
        assert_eq!(open(&branches, &row), if transient { Ok(()) } else { Err(kind) });
        kept += branches.kept();
    }
    assert_eq!(kept, 2);
    // And so is another key than before.
    let (branches, service, clock) = branches(1000);
    let row = wrapped(&branches).unwrap();
    clock.at(1200);
    service.confused.store(true, Relaxed);
    assert_eq!(open(&branches, &row), Err(Rejected));
    assert_eq!(branches.kept(), 0);
}

#[test]
fn while_the_service_is_away_a_branch_is_kept_until_its_maximum_age() {
    let (branches, service, clock) = branches(2000);
    let row = wrapped(&branches).unwrap();
    service.says(Some(AWAY));
    for second in 0..1600 {
        clock.at(second);
        assert_eq!(open(&branches, &row), Ok(()), "{second}");
        assert!(wrapped(&branches).is_ok());
    }
    // At 1,200, 1,300, 1,400 and 1,500 seconds: not every row waits for a service that is away.
    assert_eq!(service.requests(), (1, 1 + 4));
    clock.at(1600);
    assert_eq!(open(&branches, &row), Err(AWAY));
    assert_eq!(wrapped(&branches).err(), Some(AWAY));
    // The service is back. The branch takes no new rows, because it is that old.
    service.says(None);
    assert_eq!(open(&branches, &row), Ok(()));
    assert!(wrapped(&branches).is_ok());
    assert_eq!(service.requests().0, 1 + 2);
}

#[test]
fn a_service_that_is_away_for_too_long_while_it_is_asked_gives_its_error() {
    let (branches, service, clock) = branches(1000);
    let row = wrapped(&branches).unwrap();
    clock.at(1599);
    service.busy.store(true, Relaxed);
    service.says(Some(AWAY));
    let mut asking = branches.unwrap_key(row.0.unwrap(&row.1));
    assert!(poll(&mut asking).is_pending());
    clock.at(1600);
    service.busy.store(false, Relaxed);
    assert_eq!(pollster::block_on(asking).unwrap_err().kind(), AWAY);
}

#[test]
fn or_it_is_evicted_at_once() {
    let (branches, service, clock) = branches(1000);
    let branches = branches.when_away(WhenAway::EvictAtOnce);
    let row = wrapped(&branches).unwrap();
    service.says(Some(AWAY));
    assert_eq!(open(&branches, &row), Ok(()));
    clock.at(1200);
    assert_eq!(open(&branches, &row), Err(AWAY));
    assert_eq!(branches.kept(), 0);
}

#[test]
fn a_maximum_age_of_zero_asks_for_each_row() {
    let (branches, service, _) = branches(1000);
    let branches = branches.with_max_age(std::time::Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(open(&branches, &wrapped(&branches).unwrap()), Ok(()));
    }
    assert_eq!(service.requests(), (3, 6));
}

/// Each one makes a branch, and none takes the other's away before its row is there.
#[test]
fn seals_with_a_maximum_age_of_zero_do_not_keep_each_other_from_ending() {
    let (branches, service, _) = branches(1000);
    let branches = branches.with_max_age(std::time::Duration::ZERO);
    service.slow_unwraps.store(2, Relaxed);
    let (one, other) = (Row::new(), Row::new());
    let (mut first, mut second) = (branches.wrap_key(one.wrap()), branches.wrap_key(other.wrap()));
    let (mut ended, mut polls) = ([false; 2], 0);
    while ended != [true; 2] && polls < 100 {
        for (future, ended) in [&mut first, &mut second].into_iter().zip(&mut ended) {
            *ended = *ended || poll(future).is_ready();
        }
        polls += 1;
    }
    assert_eq!((ended, service.requests()), ([true; 2], (2, 2)), "after {polls} polls");
}

/// Whatever happened at the service, new rows do not go on under its old key for ever.
#[test]
fn a_branch_takes_new_rows_for_the_maximum_age_at_the_longest() {
    let (branches, service, clock) = branches(10_000);
    for second in 0..1600 {
        clock.at(second);
        wrapped(&branches).unwrap();
    }
    assert_eq!(service.requests().0, 1);
    clock.at(1600);
    wrapped(&branches).unwrap();
    assert_eq!(service.requests().0, 2);
}

#[test]
fn a_clock_that_goes_back_ends_what_was_kept() {
    let (branches, service, clock) = branches(100);
    clock.at(10_000);
    let row = wrapped(&branches).unwrap();
    // A small step, as between threads.
    clock.at(10_000 - 100);
    assert_eq!(open_now(&branches, &row), Some(Ok(())));
    clock.at(10_000 - 101);
    assert_eq!(open_now(&branches, &row), None);
    service.says(Some(DISABLED));
    assert_eq!(open(&branches, &row), Err(DISABLED));
    assert_eq!(wrapped(&branches).err(), Some(DISABLED));
}

#[test]
fn a_yes_about_one_branch_wipes_the_others_that_are_over() {
    let (branches, _, clock) = branches(1);
    let rows: Vec<_> = (0..5).map(|_| wrapped(&branches).unwrap()).collect();
    clock.at(1200);
    assert_eq!((open(&branches, &rows[0]), branches.kept()), (Ok(()), 5));
    clock.at(2400);
    assert_eq!((open(&branches, &rows[0]), branches.kept()), (Ok(()), 1));
}

#[test]
fn a_seal_that_fails_takes_no_place() {
    let (branches, service, clock) = branches(2);
    let branches = branches.when_away(WhenAway::EvictAtOnce);
    let row = wrapped(&branches).unwrap();
    clock.at(1200);
    service.says(Some(AWAY));
    for _ in 0..10 {
        assert_eq!(wrapped(&branches).err(), Some(AWAY));
    }
    service.says(None);
    assert_eq!(wrapped(&branches).unwrap().1[..32], row.1[..32]);
    assert_eq!(service.requests().0, 1);
}

#[test]
fn renew_and_forget_reach_a_branch_that_is_being_made() {
    for forgets in [false, true] {
        let (branches, service, _) = branches(100);
        let (one, other) = (Row::new(), Row::new());
        service.busy.store(true, Relaxed);
        let mut before = branches.wrap_key(one.wrap());
        assert!(poll(&mut before).is_pending());
        if forgets {
            branches.forget()
        } else {
            branches.renew()
        }
        let mut after = branches.wrap_key(other.wrap());
        assert!(poll(&mut after).is_pending());
        assert_eq!(service.wraps.load(Relaxed), 2, "nobody waits for the one before");
        service.busy.store(false, Relaxed);
        let after = pollster::block_on(after).unwrap();
        let before = pollster::block_on(before).unwrap();
        assert_eq!(before[..32], after[..32], "no row goes to the one before");
        assert_eq!(service.requests().0, 2);
    }
}

#[test]
fn renew_keeps_what_is_being_opened() {
    let (branches, service, clock) = branches(100);
    let row = wrapped(&branches).unwrap();
    let other = another(&service, 1, &clock);
    service.busy.store(true, Relaxed);
    let mut opening = other.unwrap_key(row.0.unwrap(&row.1));
    assert!(poll(&mut opening).is_pending());
    other.renew();
    service.busy.store(false, Relaxed);
    assert!(row.0.is_of(&pollster::block_on(opening).unwrap()));
    assert_eq!(other.kept(), 1);
}

#[test]
fn renew_starts_a_branch_and_forget_asks_again() {
    let (branches, service, clock) = branches(1000);
    let rows = [wrapped(&branches).unwrap(), wrapped(&branches).unwrap()];
    assert_eq!(rows[0].1[..32], rows[1].1[..32]);
    branches.renew();
    let renewed = wrapped(&branches).unwrap();
    assert_ne!(rows[0].1[..32], renewed.1[..32]);
    assert_eq!((service.requests(), branches.kept()), ((2, 2), 2));
    assert_eq!(open_now(&branches, &rows[0]), Some(Ok(())));

    branches.forget();
    assert_eq!((open_now(&branches, &rows[0]), branches.kept()), (None, 0));
    service.says(Some(DISABLED));
    assert_eq!(open(&branches, &rows[0]), Err(DISABLED));
    service.says(None);

    // A call that began before leaves nothing, and nobody waits for it.
    let other = another(&service, 1, &clock);
    service.busy.store(true, Relaxed);
    let mut before = other.unwrap_key(rows[0].0.unwrap(&rows[0].1));
    assert!(poll(&mut before).is_pending());
    other.forget();
    let asked = service.requests().1;
    assert!(poll(&mut other.unwrap_key(rows[1].0.unwrap(&rows[1].1))).is_pending());
    assert_eq!(service.requests().1, asked + 1);
    service.busy.store(false, Relaxed);
    assert!(rows[0].0.is_of(&pollster::block_on(before).unwrap()));
    assert_eq!(other.kept(), 0);
}
