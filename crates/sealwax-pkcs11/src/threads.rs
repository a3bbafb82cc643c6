//! Threads that run blocking jobs, for futures that no runtime polls.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender, WeakReceiver};
use futures_timer::Delay;

use crate::error::TokenError;

/// How long a drop waits for the threads to close their sessions.
const GRACE: Duration = Duration::from_secs(1);

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Threads with a state each, and a queue that has one place for each thread.
///
/// A caller waits for a place without blocking, so a queue that is full slows callers down. The timeout bounds the whole
/// wait. When this is dropped, the threads end: it waits for them for up to a second, and leaves behind one that a
/// device holds up.
pub(crate) struct Threads<S> {
    jobs: Sender<Job<S>>,
    /// The other end, as long as a thread has it.
    queue: WeakReceiver<Job<S>>,
    timeout: Duration,
    /// Closed when the last thread has ended. A lock, because a receiver belongs to one thread.
    ended: Mutex<mpsc::Receiver<Infallible>>,
}

impl<S: 'static> Threads<S> {
    /// Starts the threads, each of which makes its state itself.
    pub(crate) fn start(
        count: NonZeroUsize,
        timeout: Duration,
        make: impl Fn() -> S + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, queue) = async_channel::bounded(count.get());
        let (running, ended) = mpsc::channel();
        let threads = Self { jobs, queue: queue.downgrade(), timeout, ended: Mutex::new(ended) };
        for _ in 0..count.get() {
            let (queue, make, running) = (queue.clone(), make.clone(), running.clone());
            thread::Builder::new().name("sealwax-pkcs11".into()).spawn(move || {
                serve(&queue, make);
                drop(running);
            })?;
        }
        Ok(threads)
    }

    /// Runs a job on one of the threads, unless the future is dropped before the job's turn comes.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, TokenError> {
        let (reply, answer) = async_channel::bounded(1);
        let job: Job<S> = Box::new(move |state| {
            if !reply.is_closed() {
                // Fails if the caller has stopped waiting; the result is then dropped, and so wiped.
                let _ = reply.try_send(job(state));
            }
        });
        let mut timer = Delay::new(self.timeout);
        let queued = within(&mut timer, self.jobs.send(job)).await.ok_or(TokenError::Busy)?;
        queued.map_err(|_| TokenError::ThreadEnded)?;
        let answered = within(&mut timer, answer.recv()).await.ok_or(TokenError::Late)?;
        answered.map_err(|_| TokenError::ThreadEnded)
    }
}

fn serve<S>(queue: &Receiver<Job<S>>, make: impl Fn() -> S) {
    let mut state = make();
    while let Ok(job) = queue.recv_blocking() {
        // A panic drops the job, and with it the reply, so its caller does not wait. What it left behind is dropped too.
        if catch_unwind(AssertUnwindSafe(|| job(&mut state))).is_err() {
            state = make();
        }
    }
}

/// Returns `None` if the timer is first.
async fn within<T>(timer: &mut Delay, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut *timer).poll(context).map(|()| None),
    })
    .await
}

impl<S> Drop for Threads<S> {
    fn drop(&mut self) {
        let queue = self.queue.upgrade();
        self.jobs.close();
        // If all threads are held up, nobody else drops the keys in the queue, which wipes them.
        while queue.as_ref().is_some_and(|queue| queue.try_recv().is_ok()) {}
        // Nothing is ever sent: it returns when the last thread has ended.
        let _ = self.ended.get_mut().map(|ended| ended.recv_timeout(GRACE));
    }
}
