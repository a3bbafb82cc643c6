//! An `Answer` is there now or later, once, and starts nothing before it is polled.

use core::future;
use core::pin::Pin;
use core::task::Poll;
use std::sync::atomic::Ordering;

use sealwax::Answer;

use crate::providers::{Log, Waiting, poll_once};

#[test]
fn an_answer_is_there_now_or_later_and_map_keeps_it_so() {
    assert_eq!(Answer::now(7).into_now(), Some(7));
    assert_eq!(Answer::later(future::ready(7)).into_now(), None);
    assert_eq!(Answer::now(7).map(|n| n * 6).into_now(), Some(42));
    assert_eq!(Answer::later(future::ready(7)).map(|n| n * 6).into_now(), None);
    assert_eq!(pollster::block_on(Answer::now(7)), 7);
    assert_eq!(pollster::block_on(Answer::later(future::ready(7))), 7);
    assert_eq!(pollster::block_on(Answer::now(7).map(|n| n * 6)), 42);
    assert_eq!(pollster::block_on(Answer::later(future::ready(7)).map(|n| n * 6)), 42);

    let log = Log::default();
    let waiting = Waiting { pending: 2, answer: future::ready(7), log: &log };
    assert_eq!(pollster::block_on(Answer::later(waiting).map(|n| n.to_string())), "7");
    assert_eq!(log.polls(), 3);
}

#[test]
fn an_answer_polled_after_it_was_given_stays_pending() {
    for answer in [Answer::now(7), Answer::later(future::ready(7)), Answer::now(6).map(|n| n + 1)] {
        let mut answer = answer;
        assert_eq!(poll_once(Pin::new(&mut answer)), Poll::Ready(7));
        for _ in 0..3 {
            assert_eq!(poll_once(Pin::new(&mut answer)), Poll::Pending);
        }
        let mut mapped = answer.map(|n| n + 1);
        assert_eq!(poll_once(Pin::new(&mut mapped)), Poll::Pending);
        assert_eq!(mapped.into_now(), None);
    }
    // Nor does the future in it see a poll after it was ready: it might panic.
    let log = Log::default();
    let mut answer = Answer::later(Waiting { pending: 0, answer: future::ready(7), log: &log });
    for _ in 0..3 {
        let _ = poll_once(Pin::new(&mut answer));
    }
    assert_eq!(log.polls(), 1);
    // And it is dropped as soon as it was ready.
    assert_eq!(log.dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_that_is_dropped_or_taken_too_early_starts_nothing() {
    let log = Log::default();
    let waiting = || Waiting { pending: 0, answer: future::ready(7), log: &log };
    drop(Answer::later(waiting()));
    drop(Answer::later(waiting()).map(|n| n + 1));
    assert_eq!(Answer::later(waiting()).into_now(), None);
    assert_eq!(log.polls(), 0);
    assert_eq!(log.dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn an_answer_shows_its_state_and_not_what_it_holds() {
    let mut answer = Answer::now("canary");
    assert_eq!(format!("{answer:?}"), "Answer::Now(..)");
    let _ = poll_once(Pin::new(&mut answer));
    assert_eq!(format!("{answer:?}"), "Answer::Taken");
    assert_eq!(format!("{:?}", Answer::later(future::ready("canary"))), "Answer::Later(..)");
}
