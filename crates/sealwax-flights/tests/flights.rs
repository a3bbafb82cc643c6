//! One call for all that wait, and futures that fail, are dropped or are not polled any more.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealwax_flights::Flights;

const PATIENCE: Duration = Duration::from_secs(10);

/// A service that is busy until the test says what it returns.
#[derive(Default)]
struct Service {
    calls: Cell<u32>,
    returns: Cell<Option<Result<u32, &'static str>>>,
}

struct Scene<'a> {
    flights: &'a Flights<&'static str, u32, &'static str>,
    service: &'a Service,
}

impl Scene<'_> {
    async fn call(&self) -> Result<u32, &'static str> {
        self.service.calls.set(self.service.calls.get().checked_add(1).unwrap());
        poll_fn(|_| self.service.returns.get().map_or(Poll::Pending, Poll::Ready)).await
    }

    async fn ask(&self, key: &'static str, second: u64) -> Result<u32, &'static str> {
        self.flights.share(&key, Duration::from_secs(second), PATIENCE, self.call()).await
    }

    fn calls(&self) -> u32 {
        self.service.calls.get()
    }

    fn returns(&self, result: Result<u32, &'static str>) {
        self.service.returns.set(Some(result));
    }

    fn is_busy(&self) {
        self.service.returns.set(None);
    }
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn scene(test: impl FnOnce(&Scene<'_>)) {
    let (flights, service) = (Flights::new(), Service::default());
    test(&Scene { flights: &flights, service: &service });
}

#[test]
fn one_calls_for_all_with_its_key() {
    scene(|scene| {
        let mut futures: Vec<_> = (0..64).map(|_| Box::pin(scene.ask("a", 0))).collect();
        let mut other = pin!(scene.ask("b", 0));
        assert!(futures.iter_mut().all(|future| poll(future.as_mut()).is_pending()));
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!(scene.calls(), 2, "one for each key");
        scene.returns(Ok(7));
        let all: Vec<_> = futures.into_iter().map(pollster::block_on).collect();
        assert_eq!((all, scene.calls()), (vec![Ok(7); 64], 2));
        assert_eq!(pollster::block_on(other), Ok(7));
    });
}

#[test]
fn a_result_reaches_those_who_waited_and_nobody_later() {
    for result in [Ok(7), Err("away")] {
        scene(|scene| {
            let (mut first, mut second) = (pin!(scene.ask("a", 0)), pin!(scene.ask("a", 0)));
            assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
            scene.returns(result);
            assert_eq!(pollster::block_on(first), result);
            // One that waited, and is polled again only later, keeps its result.
            scene.returns(Ok(8));
            assert_eq!((pollster::block_on(scene.ask("a", 0)), scene.calls()), (Ok(8), 2));
            assert_eq!((pollster::block_on(second), scene.calls()), (result, 2));
        });
    }
}

#[test]
fn if_the_one_that_calls_is_dropped_the_next_one_calls() {
    scene(|scene| {
        drop(scene.ask("a", 0));
        assert_eq!(scene.calls(), 0, "an unpolled future does nothing");
        let mut first = Box::pin(scene.ask("a", 0));
        let mut second = pin!(scene.ask("a", 0));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        drop(first);
        scene.returns(Ok(7));
        assert_eq!((pollster::block_on(second), scene.calls()), (Ok(7), 2));
    });
}

#[test]
fn if_all_are_dropped_the_next_one_calls() {
    scene(|scene| {
        assert!(poll(pin!(scene.ask("a", 0))).is_pending());
        scene.returns(Ok(7));
        assert_eq!((pollster::block_on(scene.ask("a", 0)), scene.calls()), (Ok(7), 2));
    });
}

#[test]
fn those_that_were_dropped_take_no_room_and_those_that_were_not_stay() {
    let flights: Flights<u32, (), ()> = Flights::new();
    let ask = |key| {
        let forever = std::future::pending();
        let flights = &flights;
        async move { flights.share(&key, Duration::ZERO, PATIENCE, forever).await }
    };
    let mut waiting = pin!(ask(0));
    assert!(poll(waiting.as_mut()).is_pending());
    for key in 1..1000 {
        assert!(poll(pin!(ask(key))).is_pending());
    }
    let calls = format!("{flights:?}");
    assert!(calls.len() <= "Flights { calls: 10 }".len(), "{calls}");
    let joins = async { flights.share(&0, Duration::ZERO, PATIENCE, async { Ok(()) }).await };
    assert!(poll(pin!(joins)).is_pending(), "the first one is still there");
}

#[test]
fn nobody_joins_a_call_that_began_too_long_ago() {
    scene(|scene| {
        let mut paused = pin!(scene.ask("a", 100));
        assert!(poll(paused.as_mut()).is_pending());
        for second in [90, 100, 110] {
            assert!(poll(pin!(scene.ask("a", second))).is_pending());
            assert_eq!(scene.calls(), 1, "{second}");
        }
        let mut later = pin!(scene.ask("a", 111));
        assert!(poll(later.as_mut()).is_pending());
        assert_eq!(scene.calls(), 2);
        // The clock may go back.
        assert!(poll(pin!(scene.ask("a", 100))).is_pending());
        assert_eq!(scene.calls(), 3);
    });
}

/// A call that takes an older one's place is not forgotten when the older one returns.
#[test]
fn an_old_call_that_returns_leaves_the_newer_one() {
    scene(|scene| {
        let (mut old, mut new) = (pin!(scene.ask("a", 0)), pin!(scene.ask("a", 11)));
        assert!(poll(old.as_mut()).is_pending() && poll(new.as_mut()).is_pending());
        scene.returns(Ok(1));
        assert_eq!(pollster::block_on(old), Ok(1));
        scene.is_busy();
        let mut joins = pin!(scene.ask("a", 12));
        assert!(poll(joins.as_mut()).is_pending());
        assert_eq!(scene.calls(), 2);
        scene.returns(Ok(2));
        assert_eq!((pollster::block_on(new), pollster::block_on(joins)), (Ok(2), Ok(2)));
    });
}

#[test]
fn those_who_come_after_part_call_again() {
    scene(|scene| {
        let mut before = pin!(scene.ask("a", 0));
        assert!(poll(before.as_mut()).is_pending());
        scene.flights.part();
        let mut after = pin!(scene.ask("a", 0));
        assert!(poll(after.as_mut()).is_pending());
        assert_eq!(scene.calls(), 2);
        scene.returns(Ok(7));
        assert_eq!((pollster::block_on(before), pollster::block_on(after)), (Ok(7), Ok(7)));
    });
}

#[test]
fn its_debug_shows_a_number_alone() {
    let flights: Flights<&str, u32, u32> = Flights::default();
    assert_eq!(format!("{flights:?}"), "Flights { calls: 0 }");
}
