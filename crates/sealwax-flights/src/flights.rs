//! The calls that have not returned yet, and who waits for them.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_lock::OnceCell;

struct Flight<T, E> {
    began: Duration,
    result: OnceCell<Result<T, E>>,
}

/// The calls that have not returned yet, by what they ask for.
pub struct Flights<K, T, E>(Mutex<HashMap<K, Weak<Flight<T, E>>>>);

impl<K: Clone + Eq + Hash, T: Clone, E: Clone> Flights<K, T, E> {
    /// Creates it without a call.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Waits for `call`, or for the call of another future with this key that began within `patience`; all get the same
    /// result.
    ///
    /// `now` is the time since some moment, the same for all calls. If the future that calls is dropped, the next one
    /// calls in its place. If it is kept and not polled, those that have joined wait for it without a limit: give a call
    /// that may be paused a deadline of its own.
    ///
    /// # Errors
    ///
    /// Returns the error of the call.
    pub async fn share(
        &self,
        key: &K,
        now: Duration,
        patience: Duration,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let flight = self.join(key, now, patience);
        let landed = async {
            let result = call.await;
            // Before the others get the result: a later call must not get an old error.
            self.land(key, &flight);
            result
        };
        flight.result.get_or_init(|| landed).await.clone()
    }

    /// Lets later futures call again, even if a call with their key has not returned yet.
    pub fn part(&self) {
        self.lock().clear();
    }

    /// Joins a flight, or begins one. It takes the place of an older one, whose future may never be polled again.
    fn join(&self, key: &K, now: Duration, patience: Duration) -> Arc<Flight<T, E>> {
        let mut flights = self.lock();
        let found = flights.get(key).and_then(Weak::upgrade);
        if let Some(flight) = found.filter(|flight| now.abs_diff(flight.began) <= patience) {
            return flight;
        }
        if flights.len() == flights.capacity() {
            // Those whose futures were all dropped.
            flights.retain(|_, flight| flight.strong_count() > 0);
        }
        let flight = Arc::new(Flight { began: now, result: OnceCell::new() });
        flights.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }

    fn land(&self, key: &K, flight: &Arc<Flight<T, E>>) {
        let mut flights = self.lock();
        if flights.get(key).is_some_and(|found| found.as_ptr() == Arc::as_ptr(flight)) {
            flights.remove(key);
        }
    }
}

impl<K, T, E> Flights<K, T, E> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Weak<Flight<T, E>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash, T: Clone, E: Clone> Default for Flights<K, T, E> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows no key and no result, which may be secret.
impl<K, T, E> fmt::Debug for Flights<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.lock().len();
        f.debug_struct("Flights").field("calls", &calls).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Flights;

    #[test]
    fn when_there_is_no_room_flights_that_nobody_waits_for_make_it() {
        let flights = Flights::<usize, (), ()>::new();
        let join = |key: usize| flights.join(&key, Duration::ZERO, Duration::ZERO);
        let count = || flights.lock().len();
        let awaited: Vec<_> = (0..5).map(join).collect();
        let capacity = flights.lock().capacity();
        let room = capacity - count();
        assert!(room > 0);
        for dropped in 1..=room {
            drop(join(5 + dropped));
            // They are not searched each time.
            assert_eq!(count(), 5 + dropped);
        }
        drop(join(1000));
        assert_eq!(count(), 5 + 1);
        assert!(awaited.iter().enumerate().all(|(key, flight)| Arc::ptr_eq(&join(key), flight)));
    }
}
