//! The threads, with jobs that hang, panic, or are no longer wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::Context;
use std::time::Instant;

use pollster::block_on;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Threads whose state counts the jobs that it has seen.
fn threads(count: usize, timeout: Duration) -> Threads<usize> {
    Threads::start(NonZeroUsize::new(count).unwrap(), timeout, || 0).unwrap()
}

/// Polls once, as a runtime would before it turns to something else.
fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// Keeps a thread busy until the sender is dropped or used.
fn hang() -> (Sender<()>, impl FnOnce(&mut usize) -> usize + Send + 'static) {
    let (release, gate) = channel();
    (release, move |_: &mut usize| {
        let _ = gate.recv();
        0
    })
}

/// Waits until the queue's only place is free, because the thread has taken the job.
fn until_taken(threads: &Threads<usize>) {
    while !threads.jobs.is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_job_runs_on_another_thread_with_its_state() {
    let threads = threads(1, MINUTE);
    for expected in 1..=3 {
        let job = |seen: &mut usize| {
            *seen = seen.checked_add(1).unwrap();
            (*seen, thread::current().name().map(String::from))
        };
        let name = Some("sealwax-pkcs11".into());
        assert_eq!(block_on(threads.run(job)).unwrap(), (expected, name));
    }
}

#[test]
fn a_panic_is_an_error_and_the_state_is_made_again() {
    let threads = threads(1, MINUTE);
    block_on(threads.run(|seen| *seen = 7)).unwrap();
    let result = block_on(threads.run(|_| -> usize { panic!("a test") }));
    assert!(matches!(result, Err(TokenError::ThreadEnded)), "{result:?}");
    assert_eq!(block_on(threads.run(|seen| *seen)).unwrap(), 0);
}

#[test]
fn a_device_that_hangs_fails_its_caller_in_time_and_not_the_next_one() {
    let threads = threads(2, Duration::from_millis(50));
    let (release, job) = hang();
    let start = Instant::now();
    let result = block_on(threads.run(job));
    assert!(matches!(result, Err(TokenError::Late)), "{result:?}");
    assert!((50..5_000).contains(&start.elapsed().as_millis()));
    assert_eq!(block_on(threads.run(|_| 1)).unwrap(), 1);
    drop(release);
}

#[test]
fn a_full_queue_makes_callers_wait() {
    let threads = threads(1, MINUTE);
    let (release, job) = hang();
    let mut hanging = pin!(threads.run(job));
    assert!(poll(hanging.as_mut()).is_pending());
    until_taken(&threads);
    let mut queued = pin!(threads.run(|_| 1));
    assert!(poll(queued.as_mut()).is_pending());
    assert!(threads.jobs.is_full());
    let mut waiting = pin!(threads.run(|_| 2));
    assert!(poll(waiting.as_mut()).is_pending());
    release.send(()).unwrap();
    assert_eq!(block_on(waiting).unwrap(), 2);
    assert_eq!(block_on(queued).unwrap(), 1);
}

#[test]
fn a_full_queue_fails_callers_in_time_without_their_jobs() {
    let threads = threads(1, Duration::from_millis(50));
    let (release, job) = hang();
    let mut hanging = pin!(threads.run(job));
    assert!(poll(hanging.as_mut()).is_pending());
    until_taken(&threads);
    let mut queued = pin!(threads.run(|_| 1));
    assert!(poll(queued.as_mut()).is_pending());
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let result = block_on(threads.run(move |_| count.fetch_add(1, Ordering::SeqCst)));
    assert!(matches!(result, Err(TokenError::Busy)), "{result:?}");
    assert!(matches!(block_on(queued), Err(TokenError::Late)));
    drop(release);
    assert_eq!(block_on(threads.run(|_| 3)).unwrap(), 3);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_job_that_nobody_waits_for_is_skipped() {
    let threads = threads(1, MINUTE);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = |ran: &Arc<AtomicUsize>| {
        let ran = Arc::clone(ran);
        move |_: &mut usize| ran.fetch_add(1, Ordering::SeqCst)
    };
    drop(threads.run(count(&ran))); // never polled
    let (release, job) = hang();
    let mut hanging = pin!(threads.run(job));
    assert!(poll(hanging.as_mut()).is_pending());
    until_taken(&threads);
    {
        let mut dropped = pin!(threads.run(count(&ran)));
        assert!(poll(dropped.as_mut()).is_pending());
        assert!(threads.jobs.is_full());
    }
    drop(release);
    block_on(threads.run(count(&ran))).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[test]
fn a_drop_ends_the_threads_and_skips_what_is_queued() {
    struct State(Arc<AtomicUsize>);
    impl Drop for State {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (dropped, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (state, count) = (Arc::clone(&dropped), Arc::clone(&ran));
    let make = move || State(Arc::clone(&state));
    let threads = Threads::start(NonZeroUsize::new(4).unwrap(), MINUTE, make).unwrap();
    {
        let slow = |_: &mut State| thread::sleep(Duration::from_millis(20));
        let mut slow: Vec<_> = (0..4).map(|_| Box::pin(threads.run(slow))).collect();
        assert!(slow.iter_mut().all(|job| poll(job.as_mut()).is_pending()));
        while !threads.jobs.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let job = move |_: &mut State| count.fetch_add(1, Ordering::SeqCst);
        let mut queued = pin!(threads.run(job));
        assert!(poll(queued.as_mut()).is_pending());
    }
    drop(threads);
    assert_eq!((dropped.load(Ordering::SeqCst), ran.load(Ordering::SeqCst)), (4, 0));
}

#[test]
fn a_drop_leaves_a_thread_behind_that_hangs() {
    let threads = threads(2, Duration::from_millis(10));
    let (release, job) = hang();
    assert!(block_on(threads.run(job)).is_err());
    let start = Instant::now();
    drop(threads);
    assert!((1_000..10_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    drop(release);
}

/// A job that waits has a data key, which is wiped when it is dropped.
#[test]
fn a_drop_empties_the_queue_also_if_all_threads_hang() {
    let threads = threads(1, Duration::from_millis(50));
    let (release, job) = hang();
    assert!(block_on(threads.run(job)).is_err());
    let key = Arc::new(());
    let held = Arc::clone(&key);
    let queued = block_on(threads.run(move |_| drop(held)));
    assert!(matches!(queued, Err(TokenError::Late)));
    assert_eq!(Arc::strong_count(&key), 2, "it waits in the queue");
    drop(threads);
    assert_eq!(Arc::strong_count(&key), 1);
    drop(release);
}

#[test]
fn no_poll_waits_for_a_job() {
    let threads = threads(1, MINUTE);
    let slow = |_: &mut usize| thread::sleep(Duration::from_millis(100));
    let mut jobs: Vec<_> = (0..4).map(|_| Box::pin(threads.run(slow))).collect();
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    while !jobs.is_empty() {
        jobs.retain_mut(|job| {
            let start = Instant::now();
            let pending = poll(job.as_mut()).is_pending();
            longest = longest.max(start.elapsed());
            pending
        });
        thread::sleep(Duration::from_millis(1));
    }
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert!(longest < Duration::from_millis(90), "{longest:?}");
}
