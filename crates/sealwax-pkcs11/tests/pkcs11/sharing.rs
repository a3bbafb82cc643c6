//! Many operations at once, futures that are dropped, and providers that are.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cryptoki::session::SessionState;
use pollster::block_on;
use sealwax_pkcs11::TokenKey;

use crate::token::{Row, with_token};

/// Polls all futures on this thread, until each has its result.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<Pin<Box<_>>> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().map(Option::unwrap).collect()
}

#[test]
fn sixty_four_at_once_over_four_sessions() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        let config = token.config().with_sessions(NonZeroUsize::new(4).unwrap());
        let key = block_on(TokenKey::connect(config)).unwrap();
        let rows: Vec<_> = (0..64).map(Row::new).collect();
        let bodies = block_on(all(rows.iter().map(|row| row.wrap_async(&key))));
        let bodies: Vec<_> = bodies.into_iter().map(Result::unwrap).collect();
        let opened = rows.iter().zip(&bodies).map(|(row, body)| row.unwrap_async(&key, body));
        let opened = block_on(all(opened));
        assert_eq!(opened.iter().filter(|result| result.is_ok()).count(), 64);
    });
}

#[test]
fn both_threads_log_in_again() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let elsewhere = token.user();
        for _ in 0..20 {
            elsewhere.logout().unwrap();
            for body in block_on(all((0..8).map(|_| row.wrap_async(&key)))) {
                row.unwrap(&key, &body.unwrap()).unwrap();
            }
        }
    });
}

#[test]
fn futures_that_are_dropped_leave_nothing_behind() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        for polls in 0..100 {
            let mut future = Box::pin(row.wrap_async(&key));
            for _ in 0..polls % 4 {
                if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
            }
        }
        row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
    });
}

#[test]
fn a_dropped_provider_closes_its_sessions() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let rows = [(); 8].map(|()| row.wrap_async(&key));
        block_on(all(rows.into_iter())).into_iter().for_each(|body| assert!(body.is_ok()));
        // A process is logged in for as long as it has a session.
        let state = || {
            let session = token.library.open_ro_session(token.slot).unwrap();
            session.get_session_info().unwrap().session_state()
        };
        assert_eq!(state(), SessionState::RoUser);
        let mut pending = Box::pin(row.wrap_async(&key));
        let _ = pending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(pending);
        drop(key);
        assert_eq!(state(), SessionState::RoPublic);
    });
}

#[test]
fn two_providers_share_a_token() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let other = token.connect();
        drop(key);
        row.unwrap(&other, &body).unwrap();
    });
}
