//! A `ProviderFuture` is ready or boxed, returns once, and starts nothing before it is polled.

use core::future;
use core::pin::Pin;
use core::task::Poll;
use std::sync::atomic::Ordering;

use sealwax::ProviderFuture;

use crate::providers::{Log, Waiting, poll_once};

#[test]
fn an_answer_is_there_now_or_later_and_map_keeps_it_so() {
    assert_eq!(ProviderFuture::ready(7).into_ready().ok(), Some(7));
    assert_eq!(ProviderFuture::boxed(future::ready(7)).into_ready().ok(), None);
    assert_eq!(ProviderFuture::ready(7).map(|n| n * 6).into_ready().ok(), Some(42));
    assert_eq!(ProviderFuture::boxed(future::ready(7)).map(|n| n * 6).into_ready().ok(), None);
    assert_eq!(pollster::block_on(ProviderFuture::ready(7)), 7);
    assert_eq!(pollster::block_on(ProviderFuture::boxed(future::ready(7))), 7);
    assert_eq!(pollster::block_on(ProviderFuture::ready(7).map(|n| n * 6)), 42);
    assert_eq!(pollster::block_on(ProviderFuture::boxed(future::ready(7)).map(|n| n * 6)), 42);

    let log = Log::default();
    let waiting = Waiting { pending: 2, answer: future::ready(7), log: &log };
    assert_eq!(pollster::block_on(ProviderFuture::boxed(waiting).map(|n| n.to_string())), "7");
    assert_eq!(log.polls(), 3);
}

#[test]
fn an_answer_polled_after_it_was_given_stays_pending() {
    for answer in [
        ProviderFuture::ready(7),
        ProviderFuture::boxed(future::ready(7)),
        ProviderFuture::ready(6).map(|n| n + 1),
    ] {
        let mut answer = answer;
        assert_eq!(poll_once(Pin::new(&mut answer)), Poll::Ready(7));
        for _ in 0..3 {
            assert_eq!(poll_once(Pin::new(&mut answer)), Poll::Pending);
        }
        let mut mapped = answer.map(|n| n + 1);
        assert_eq!(poll_once(Pin::new(&mut mapped)), Poll::Pending);
        assert_eq!(mapped.into_ready().ok(), None);
    }
    // Nor is the inner future polled after it was ready, because it might panic.
    let log = Log::default();
    let mut answer =
        ProviderFuture::boxed(Waiting { pending: 0, answer: future::ready(7), log: &log });
    for _ in 0..3 {
        let _ = poll_once(Pin::new(&mut answer));
    }
    assert_eq!(log.polls(), 1);
    // And it is dropped as soon as it is ready.
    assert_eq!(log.dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_that_is_dropped_or_taken_too_early_starts_nothing() {
    let log = Log::default();
    let waiting = || Waiting { pending: 0, answer: future::ready(7), log: &log };
    drop(ProviderFuture::boxed(waiting()));
    drop(ProviderFuture::boxed(waiting()).map(|n| n + 1));
    assert_eq!(ProviderFuture::boxed(waiting()).into_ready().ok(), None);
    assert_eq!(log.polls(), 0);
    assert_eq!(log.dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn a_future_shows_its_state_and_not_what_it_holds() {
    let mut answer = ProviderFuture::ready("canary");
    assert_eq!(format!("{answer:?}"), "ProviderFuture::Ready(..)");
    let _ = poll_once(Pin::new(&mut answer));
    assert_eq!(format!("{answer:?}"), "ProviderFuture::Taken");
    assert_eq!(
        format!("{:?}", ProviderFuture::boxed(future::ready("canary"))),
        "ProviderFuture::Boxed(..)"
    );
}
