//! Calls of third-party code that may panic or never return.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use sealwax::{ProviderError, ProviderErrorKind, ProviderFuture};

/// How often a waiting call looks at the time.
const TICK: Duration = Duration::from_millis(20);

/// Why a call did not return a value.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It returned an error of this kind.
    Error(ProviderErrorKind),
    /// It panicked.
    Panicked,
    /// It was still pending when its time was up.
    Hung,
}

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        // Without the source: a faulty provider may have put a key into it.
        Self::Error(error.kind())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(kind) => write!(f, "it failed with {kind:?}"),
            Self::Panicked => f.write_str("it panicked"),
            Self::Hung => f.write_str("it hung: the future was still pending at the deadline"),
        }
    }
}

/// Calls code that may panic.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Trouble::Panicked)
}

/// Waits for a future that may panic.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, Trouble> {
    let mut future = pin!(future);
    poll_fn(|context| match catch(|| future.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(trouble) => Poll::Ready(Err(trouble)),
    })
    .await
}

/// Waits for calls, each until the deadline, under any executor.
#[derive(Debug)]
pub(crate) struct Calls {
    deadline: Duration,
    hung: AtomicBool,
    /// The task that waits. A thread wakes it now and then, and ends when this is dropped.
    waiting: OnceLock<Arc<Mutex<Option<Waker>>>>,
}

impl Calls {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { deadline, hung: AtomicBool::new(false), waiting: OnceLock::new() }
    }

    /// Returns whether a call has hung, after which there is no point in waiting for others.
    pub(crate) fn have_hung(&self) -> bool {
        self.hung.load(Ordering::Relaxed)
    }

    /// Makes a call, and waits for it.
    pub(crate) async fn wait<'a, T>(
        &self,
        call: impl FnOnce() -> ProviderFuture<'a, T>,
    ) -> Result<T, Trouble> {
        self.wait_for(catch(call)?).await
    }

    /// Waits for a call that was made.
    pub(crate) async fn wait_for<T>(
        &self,
        mut future: ProviderFuture<'_, T>,
    ) -> Result<T, Trouble> {
        let started = Instant::now();
        poll_fn(move |context| match catch(|| Pin::new(&mut future).poll(context)) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) if started.elapsed() < self.deadline => {
                self.wake_later(context.waker());
                Poll::Pending
            }
            Ok(Poll::Pending) => {
                self.hung.store(true, Ordering::Relaxed);
                Poll::Ready(Err(Trouble::Hung))
            }
            Err(trouble) => Poll::Ready(Err(trouble)),
        })
        .await
    }

    /// Waits this long, so that the executor runs other tasks meanwhile.
    pub(crate) async fn pause(&self, duration: Duration) {
        let started = Instant::now();
        poll_fn(|context| {
            if started.elapsed() >= duration {
                return Poll::Ready(());
            }
            self.wake_later(context.waker());
            Poll::Pending
        })
        .await;
    }

    fn wake_later(&self, waker: &Waker) {
        let waiting = self.waiting.get_or_init(|| {
            let waiting = Arc::new(Mutex::new(None::<Waker>));
            let weak = Arc::downgrade(&waiting);
            thread::spawn(move || {
                while let Some(waiting) = weak.upgrade() {
                    let waker = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
                    waker.iter().for_each(Waker::wake_by_ref);
                    drop((waker, waiting));
                    thread::sleep(TICK);
                }
            });
            waiting
        });
        *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}
