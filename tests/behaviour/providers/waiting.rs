//! A provider that takes its time: sync operations do not wait for it; async ones start when they are polled, and end
//! when they are dropped.

use core::pin::pin;
use core::task::Poll;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rand_core::TryRng;
use sealwax::{
    DataKey, KeyWrapper, Keyring, MasterKeyProvider, ProviderError, ProviderFuture, SealError,
    Secret, Suite, UnwrapRequest, WrapRequest,
};

use crate::fixtures::{
    Counting, OffScript, Scripted, acme, key_id, master_key, open_outcome, rewrap_outcome,
    seal_outcome, sealed,
};
use crate::providers::{
    Form, Log, Remote, When, old, poll_once, remote, seal, secret, successor, three,
};

/// As many polls as the providers are pending, and the same bytes as from keys that are ready at once.
#[test]
fn async_verbs_wait_for_providers_that_take_their_time() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let expected = seal(&successor(When::Now, &log));
    for pending in [0, 1, 5] {
        let log = Arc::new(Log::default());
        let ring = successor(When::Later(pending), &log);
        let mut polls = 0;
        let mut polled = |calls: usize| {
            polls += calls * (pending + 1);
            assert_eq!(log.polls(), polls);
        };
        assert_eq!(Form::Async.seal(&ring).unwrap(), expected);
        polled(3);
        assert_eq!(Form::Async.open(&ring, &expected).unwrap(), secret());
        polled(1);
        Form::Async.verify(&ring, &expected).unwrap();
        polled(1);
        assert_eq!(Form::Async.rewrap(&ring, &row).unwrap(), Some(expected.clone()));
        polled(7);
    }
}

#[test]
fn sync_verbs_do_not_wait_and_do_not_poll() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let current = seal(&three(When::Now, &log));
    log.take_calls();
    for when in [When::Later(0), When::Later(3), When::Never] {
        let ring = successor(when, &log);
        assert_eq!(seal_outcome(&Form::Now.seal(&ring)), "would_block(p)", "{when:?}");
        assert_eq!(open_outcome(&Form::Now.open(&ring, &current)), "would_block(p)", "{when:?}");
        assert_eq!(open_outcome(&Form::Now.open(&ring, &row)), "would_block(o)", "{when:?}");
        assert_eq!(open_outcome(&Form::Now.verify(&ring, &row)), "would_block(o)", "{when:?}");
        assert_eq!(rewrap_outcome(&Form::Now.rewrap(&ring, &row)), "would_block(o)", "{when:?}");
        assert!(!Form::Now.rewrap(&ring, &row).unwrap_err().is_transient());
        // A local key that opens, and remote ones to wrap for.
        let ring = three(when, &log).with_retired(key_id("prod"), master_key(1)).unwrap();
        let local = sealed(Suite::default(), 1);
        assert_eq!(rewrap_outcome(&Form::Now.rewrap(&ring, &local)), "would_block(p)", "{when:?}");
        // Only a remote escrow key.
        let ring = Keyring::new(key_id("prod"), master_key(1))
            .unwrap()
            .with_escrow(key_id("e"), remote(2, when, &log))
            .unwrap();
        assert_eq!(seal_outcome(&Form::Now.seal(&ring)), "would_block(e)", "{when:?}");
        assert_eq!(rewrap_outcome(&Form::Now.rewrap(&ring, &local)), "would_block(e)", "{when:?}");
        // A current envelope is recognised without a call.
        assert_eq!(successor(when, &log).rewrap(&current).unwrap(), None);
    }
    assert_eq!(log.polls(), 0);
}

/// A key that is ready when it wraps but not when it unwraps, so that the check would block.
#[test]
fn a_rewrap_whose_check_would_block_is_no_rewrap() {
    struct Mixed(Remote);

    impl KeyWrapper for Mixed {
        fn wrap_key<'a>(
            &'a self,
            request: WrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
            self.0.key.wrap_key(request)
        }
    }

    impl MasterKeyProvider for Mixed {
        fn unwrap_key<'a>(
            &'a self,
            request: UnwrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
            self.0.unwrap_key(request)
        }
    }

    let log = Arc::new(Log::default());
    let ring = Keyring::new(key_id("p"), Mixed(remote(1, When::Later(0), &log)))
        .unwrap()
        .with_retired(key_id("prod"), master_key(1))
        .unwrap();
    let row = sealed(Suite::default(), 1);
    assert_eq!(rewrap_outcome(&ring.rewrap(&row)), "would_block(p)");
    assert_eq!(log.polls(), 0);
    let fresh = Form::Async.rewrap(&ring, &row).unwrap().unwrap();
    assert_eq!(Form::Async.open(&ring, &fresh).unwrap(), secret());
}

#[test]
fn a_remote_primary_does_not_keep_a_local_escrow_from_opening() {
    for when in [When::Later(1), When::Never] {
        let log = Arc::new(Log::default());
        let ring = Keyring::new(key_id("p"), remote(1, when, &log))
            .unwrap()
            .with_escrow(key_id("remote"), remote(2, when, &log))
            .and_then(|ring| ring.with_escrow(key_id("local"), master_key(3)))
            .unwrap();
        let quick = Log::default().into();
        let row = seal(
            &Keyring::new(key_id("p"), remote(1, When::Now, &quick))
                .unwrap()
                .with_escrow(key_id("remote"), remote(2, When::Now, &quick))
                .and_then(|ring| ring.with_escrow(key_id("local"), master_key(3)))
                .unwrap(),
        );
        assert_eq!(Form::Now.open(&ring, &row).unwrap(), secret(), "{when:?}");
        Form::Now.verify(&ring, &row).unwrap();
        // The primary, then the local escrow key. The remote one comes before it in the keyring and is not asked.
        assert_eq!(log.take_calls(), "unwrap:p unwrap:p", "{when:?}");
        assert_eq!(log.polls(), 0, "{when:?}");
    }
}

/// The four async operations: pending for ever, polled a number of times, then dropped.
#[test]
fn an_async_verb_starts_when_it_is_polled_and_ends_when_it_is_dropped() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let current = seal(&three(When::Now, &log));
    log.take_calls();
    let (acme, secret) = (acme(), secret());
    let ring = successor(When::Never, &log);
    let mut dropped = 0;
    for polls in 0..3 {
        let mut rng = Counting(1);
        let seal = ring.seal_async_with_rng(&secret, &acme, &mut rng);
        let (open, open_older) = (ring.open_async(&current, &acme), ring.open_async(&row, &acme));
        let (verify, rewrap) = (ring.verify_async(&current), ring.rewrap_async(&row));
        let verbs: [(&str, &str, ProviderFuture<'_, bool>); 5] = [
            ("seal", "wrap:p", ProviderFuture::boxed(async { seal.await.is_ok() })),
            ("open", "unwrap:p", ProviderFuture::boxed(async { open.await.is_ok() })),
            (
                "open an older row",
                "unwrap:o",
                ProviderFuture::boxed(async { open_older.await.is_ok() }),
            ),
            ("verify", "unwrap:p", ProviderFuture::boxed(async { verify.await.is_ok() })),
            ("rewrap", "unwrap:o", ProviderFuture::boxed(async { rewrap.await.is_ok() })),
        ];
        for (verb, call, answer) in verbs {
            assert_eq!(log.take_calls(), "", "{verb}, before the first poll");
            let before = log.polls();
            let mut answer = Box::pin(answer);
            for _ in 0..polls {
                assert_eq!(poll_once(answer.as_mut()), Poll::Pending, "{verb}");
            }
            assert_eq!(log.polls() - before, polls, "{verb}");
            assert_eq!(log.take_calls(), if polls == 0 { "" } else { call }, "{verb}");
            drop(answer);
            dropped += usize::from(polls > 0);
            assert_eq!(log.dropped.load(Ordering::SeqCst), dropped, "{verb}");
            assert_eq!(log.polls() - before, polls, "{verb}, dropped");
        }
    }
    assert_eq!(dropped, 2 * 5);
}

#[test]
fn a_verb_polled_after_it_returned_stays_pending() {
    let log = Arc::new(Log::default());
    let ring = three(When::Now, &log);
    let (row, acme, secret) = (seal(&ring), acme(), secret());
    let mut rng = Counting(1);
    let mut seal = pin!(ring.seal_async_with_rng(&secret, &acme, &mut rng));
    let mut open = pin!(ring.open_async(&row, &acme));
    let mut verify = pin!(ring.verify_async(&row));
    let mut rewrap = pin!(ring.rewrap_async(&row));
    let mut polled = |is_ready: bool| {
        [
            poll_once(seal.as_mut()).is_ready(),
            poll_once(open.as_mut()).is_ready(),
            poll_once(verify.as_mut()).is_ready(),
            poll_once(rewrap.as_mut()).is_ready(),
        ] == [is_ready; 4]
    };
    assert!(polled(true) && polled(false) && polled(false));
}

/// Drops a rewrap halfway; each of its calls takes two polls.
#[test]
fn a_rewrap_dropped_at_any_poll_has_done_nothing_and_can_be_repeated() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Later(1), &log);
    let mut dropped = 0;
    for polls in 0..8 {
        let mut rewrap = pin!(ring.rewrap_async(&row));
        for poll in 0..polls {
            assert!(poll_once(rewrap.as_mut()).is_pending(), "poll {poll} of {polls}");
        }
        dropped += 1;
    }
    assert_eq!(dropped, 8);
    let fresh = Form::Async.rewrap(&ring, &row).unwrap();
    assert_eq!(fresh, Some(seal(&successor(When::Now, &log))));
}

/// By the time the future is returned, the RNG was called once, and no provider was asked yet.
#[test]
fn randomness_is_drawn_before_the_future_is_returned() {
    let log = Arc::new(Log::default());
    let ring = three(When::Later(1), &log);
    let mut rng = Scripted(vec![(1..=44).collect()]);
    let future = ring.seal_async_with_rng(&secret(), &acme(), &mut rng);
    assert!(rng.0.is_empty());
    assert_eq!(log.take_calls(), "");
    assert_eq!(pollster::block_on(future).unwrap(), seal(&three(When::Now, &log)));

    // If the RNG fails, no provider is asked.
    let failed = ring.seal_async_with_rng(&secret(), &acme(), &mut Scripted(vec![]));
    assert!(matches!(pollster::block_on(failed), Err(SealError::Random)));
    let _: OffScript = Scripted(vec![]).try_fill_bytes(&mut [0]).unwrap_err();
    log.take_calls();
    let long = Secret::from(vec![0; 16 * 1024 * 1024 + 1]);
    let failed = ring.seal_async_with_rng(&long, &acme(), &mut Counting(1));
    assert!(matches!(pollster::block_on(failed), Err(SealError::TooLong)));
    assert_eq!(log.take_calls(), "");
}
