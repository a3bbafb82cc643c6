//! What a provider returns: a value that is ready, or a future of it.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// What a provider returns: a future that is *ready*, or *boxed*.
///
/// A key in memory returns a ready one, without an allocation for the future; a network trip a boxed one.
/// Polled after it was ready it stays pending; it never panics. Dropping a boxed one that was not polled
/// starts nothing.
///
/// It is `Send`, so that a task which waits for it may move between threads. What a JavaScript promise is
/// made of is not: on wasm, put such handles into a `SendWrapper` (the crate of that name), which checks at
/// run time that they stay on their thread.
///
/// ```
/// use sealwax::ProviderFuture;
///
/// assert_eq!(ProviderFuture::ready(7).map(|n| n + 1).into_ready().ok(), Some(8));
/// assert!(ProviderFuture::boxed(async { 7 }).into_ready().is_err());
/// ```
#[must_use = "a boxed future starts when it is polled"]
pub struct ProviderFuture<'a, T>(State<'a, T>);

enum State<'a, T> {
    Ready(T),
    Boxed(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    Taken,
}

impl<'a, T> ProviderFuture<'a, T> {
    /// A value that is there.
    pub const fn ready(value: T) -> Self {
        Self(State::Ready(value))
    }

    /// The value that `future` will return. Nothing happens until it is polled.
    pub fn boxed(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }

    /// The value, if it is ready.
    ///
    /// # Errors
    ///
    /// The future itself, unpolled, if it has to be waited for.
    pub fn into_ready(self) -> Result<T, Self> {
        match self.0 {
            State::Ready(value) => Ok(value),
            state => Err(Self(state)),
        }
    }

    /// The value, changed by `change` once it is there. One that is ready stays so.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'a) -> ProviderFuture<'a, U>
    where
        T: 'a,
    {
        match self.0 {
            State::Ready(value) => ProviderFuture::ready(change(value)),
            State::Boxed(future) => ProviderFuture::boxed(async { change(future.await) }),
            State::Taken => ProviderFuture(State::Taken),
        }
    }
}

// Nothing in it is pinned in place: the future lies in a box of its own.
impl<T> Unpin for ProviderFuture<'_, T> {}

impl<T> Future for ProviderFuture<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let state = &mut self.get_mut().0;
        if let State::Boxed(future) = state {
            let polled = future.as_mut().poll(context);
            if polled.is_ready() {
                *state = State::Taken;
            }
            return polled;
        }
        match core::mem::replace(state, State::Taken) {
            State::Ready(value) => Poll::Ready(value),
            State::Boxed(_) | State::Taken => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for ProviderFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value itself: it may hold a data key.
        f.write_str(match self.0 {
            State::Ready(_) => "ProviderFuture::Ready(..)",
            State::Boxed(_) => "ProviderFuture::Boxed(..)",
            State::Taken => "ProviderFuture::Taken",
        })
    }
}
