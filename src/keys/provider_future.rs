//! The future that a provider returns: one that is ready, or a boxed one.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// The future that a provider returns: *ready* or *boxed*.
///
/// A key in memory returns a ready future, without an allocation for it. A provider that makes a network trip returns a
/// boxed one. A future that is polled again after it was ready stays pending; it never panics. Dropping a boxed future
/// before it is polled starts nothing.
///
/// The future is `Send`, so that a task that waits for it may move between threads. The handles behind a JavaScript
/// promise are not `Send`: on wasm, put them into a `SendWrapper` (from the crate `send_wrapper`), which checks at run
/// time that they stay on their thread.
///
/// ```
/// use sealwax::ProviderFuture;
///
/// assert_eq!(ProviderFuture::ready(7).map(|n| n + 1).into_ready().ok(), Some(8));
/// assert!(ProviderFuture::boxed(async { 7 }).into_ready().is_err());
/// ```
#[must_use = "a boxed future does nothing until it is polled"]
pub struct ProviderFuture<'a, T>(State<'a, T>);

enum State<'a, T> {
    Ready(T),
    Boxed(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    Taken,
}

impl<'a, T> ProviderFuture<'a, T> {
    /// Makes a future that is ready with this value.
    pub const fn ready(value: T) -> Self {
        Self(State::Ready(value))
    }

    /// Boxes a future, which does nothing until it is polled.
    pub fn boxed(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }

    /// Returns the value if it is ready.
    ///
    /// # Errors
    ///
    /// Returns the future itself, unpolled, if it has to be waited for.
    pub fn into_ready(self) -> Result<T, Self> {
        match self.0 {
            State::Ready(value) => Ok(value),
            state => Err(Self(state)),
        }
    }

    /// Applies `change` to the value once it is ready; a ready future stays ready.
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

// Nothing here is pinned in place: the inner future has its own box.
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
        // The value is not shown, because it may contain a data key.
        f.write_str(match self.0 {
            State::Ready(_) => "ProviderFuture::Ready(..)",
            State::Boxed(_) => "ProviderFuture::Boxed(..)",
            State::Taken => "ProviderFuture::Taken",
        })
    }
}
