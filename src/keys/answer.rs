//! What a provider answers: now, or later.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// The answer of a provider, or of a verb over providers: a future that is ready *now* or *later*.
///
/// A key in memory answers now, without a box for a future; a network trip answers later, in one.
/// Polled after it was ready it stays pending; it never panics. Dropping one that was not polled
/// starts nothing.
///
/// ```
/// use sealwax::Answer;
///
/// assert_eq!(Answer::now(7).map(|n| n + 1).into_now(), Some(8));
/// assert_eq!(Answer::later(async { 7 }).into_now(), None);
/// ```
#[must_use = "an answer that is to come later starts when it is polled"]
pub struct Answer<'a, T>(State<'a, T>);

enum State<'a, T> {
    Now(T),
    Later(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    Taken,
}

impl<'a, T> Answer<'a, T> {
    /// An answer that is there.
    pub const fn now(answer: T) -> Self {
        Self(State::Now(answer))
    }

    /// An answer that `future` will give. Nothing happens until it is polled.
    pub fn later(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::Later(Box::pin(future)))
    }

    /// The answer, if it is there now. One that is to come later is dropped unpolled.
    pub fn into_now(self) -> Option<T> {
        match self.0 {
            State::Now(answer) => Some(answer),
            State::Later(_) | State::Taken => None,
        }
    }

    /// The answer, changed by `change` when it is there. One that is there now stays so.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'a) -> Answer<'a, U>
    where
        T: 'a,
    {
        match self.0 {
            State::Now(answer) => Answer::now(change(answer)),
            State::Later(future) => Answer::later(async { change(future.await) }),
            State::Taken => Answer(State::Taken),
        }
    }
}

// Nothing in it is pinned in place: the future lies in a box of its own.
impl<T> Unpin for Answer<'_, T> {}

impl<T> Future for Answer<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let state = &mut self.get_mut().0;
        if let State::Later(future) = state {
            let polled = future.as_mut().poll(context);
            if polled.is_ready() {
                *state = State::Taken;
            }
            return polled;
        }
        match core::mem::replace(state, State::Taken) {
            State::Now(answer) => Poll::Ready(answer),
            State::Later(_) | State::Taken => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the answer itself: it may hold a data key.
        f.write_str(match self.0 {
            State::Now(_) => "Answer::Now(..)",
            State::Later(_) => "Answer::Later(..)",
            State::Taken => "Answer::Taken",
        })
    }
}
