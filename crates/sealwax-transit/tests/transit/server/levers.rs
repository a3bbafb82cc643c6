//! The real server refuses in the middle of a job: before each request in turn, somebody changes something there.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use sealwax::{ErrorClass, ProviderErrorKind, ProviderFuture, Secret};
use sealwax_transit::{Body, Token, TransitError, Transport, TransportError};
use serde_json::{Value, json};

use super::own::{Running, with_own_bao};
use super::{Bao, with_bao};
use crate::jobs::{JOBS, Job, ROWS, Service};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lever {
    RevokeToken,
    EmptyPolicy,
    SoftDelete,
    RaiseMinimum,
    Seal,
}

/// Pulls the lever right before one of the requests.
struct Before {
    bao: Arc<Bao>,
    running: Option<Running>,
    lever: Lever,
    token: Token,
    /// The text of the token.
    text: Mutex<Secret>,
    /// How many requests come before.
    left: AtomicUsize,
}

/// The rows in the second request of a batch.
const REST: usize = ROWS - 249;
const NEVER: usize = usize::MAX / 2;
const POLICY: &str = r#"path "MOUNT/*" { capabilities = ["read", "update"] }"#;

impl Transport for Before {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        ProviderFuture::boxed(async move {
            if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
                self.pull().await;
            }
            self.bao.transport.send(request).await
        })
    }
}

impl Before {
    async fn new(bao: Bao, running: Option<Running>, lever: Lever) -> Self {
        bao.set_policy(&bao.mount, POLICY).await;
        let text = bao.token_with(&bao.mount, "1h").await;
        let (token, left) = (Token::new(&text).unwrap(), AtomicUsize::new(NEVER));
        Self { bao: Arc::new(bao), running, lever, token, text: Mutex::new(text), left }
    }

    async fn pull(&self) {
        let bao = &self.bao;
        match self.lever {
            Lever::RevokeToken => {
                let token = self.text.lock().unwrap().expose_str().unwrap().to_owned();
                bao.post("auth/token/revoke", json!({ "token": token })).await;
            }
            Lever::EmptyPolicy => bao.set_policy(&bao.mount, r#"path "nothing" {}"#).await,
            Lever::SoftDelete => {
                let path = format!("{}/keys/byok/soft-delete", bao.mount);
                assert_eq!(bao.send("DELETE", &path, Value::Null).await.0, 200);
            }
            Lever::RaiseMinimum => self.minimum(2).await,
            Lever::Seal => drop(bao.post("sys/seal", json!({})).await),
        }
    }

    async fn undo(&self) {
        let bao = &self.bao;
        match self.lever {
            Lever::RevokeToken => {
                let fresh = bao.token_with(&bao.mount, "1h").await;
                self.token.replace(&fresh).unwrap();
                *self.text.lock().unwrap() = fresh;
            }
            Lever::EmptyPolicy => bao.set_policy(&bao.mount, POLICY).await,
            Lever::SoftDelete => {
                let path = format!("{}/keys/byok/soft-delete-restore", bao.mount);
                bao.post(&path, json!({})).await;
            }
            Lever::RaiseMinimum => self.minimum(1).await,
            Lever::Seal => self.running.as_ref().unwrap().unseal(bao).await,
        }
    }

    async fn minimum(&self, version: u32) {
        let config = format!("{}/keys/byok/config", self.bao.mount);
        self.bao.post(&config, json!({ "min_decryption_version": version })).await;
    }
}

/// Pulls the lever before each request of each job, where `failing` says how many rows that affects.
async fn at_each_call(
    transport: Before,
    failing: fn(Job, usize) -> RangeInclusive<usize>,
    expected: (ProviderErrorKind, ErrorClass),
    requests: usize,
) {
    let (transport, mut pulled) = (Arc::new(transport), 0);
    let (bao, token) = (Arc::clone(&transport.bao), transport.token.clone());
    bao.create("byok", json!({})).await;
    let rotate = async { bao.rotate("byok").await };
    let location = bao.location("byok");
    let service = Service::new(Arc::clone(&transport), location, token, rotate).await;
    for (job, calls) in JOBS {
        for call in (1..=calls).filter(|call| *failing(job, *call).end() > 0) {
            transport.left.store(call - 1, Ordering::Relaxed);
            let (failures, rewrapped) = service.run(job).await;
            transport.left.store(NEVER, Ordering::Relaxed);
            transport.undo().await;
            assert!(failing(job, call).contains(&failures.len()), "{job:?} {call}");
            for failure in failures {
                let found = (failure.kind(), failure.class);
                assert_eq!(found, expected, "{job:?} {call}: {:?}", failure.cause());
                let is_named = matches!(
                    failure.cause(),
                    TransitError::Refused { .. } | TransitError::SoftDeleted
                );
                assert!(is_named, "{job:?} {call}: {:?}", failure.cause());
            }
            service.opens(&rewrapped).await;
            // Nothing is lost: the same job over the same rows succeeds.
            let (failures, rewrapped) = service.run(job).await;
            assert_eq!(failures.len(), 0, "{job:?} {call}");
            service.opens(&rewrapped).await;
            pulled += 1;
        }
    }
    assert_eq!(pulled, requests);
}

/// The later requests of the job fail too.
fn from_then_on(job: Job, call: usize) -> RangeInclusive<usize> {
    match (job, call) {
        // The first row is checked twice, so it may be in both requests.
        (Job::RewrapBatch, 6) => REST..=REST + 1,
        (Job::RewrapBatch, _) => ROWS..=ROWS,
        _ => 1..=1,
    }
}

/// Only the requests that unwrap a row of version 1 fail.
fn old_rows(job: Job, call: usize) -> RangeInclusive<usize> {
    match (job, call) {
        (Job::RewrapBatch, 1) => ROWS..=ROWS,
        (Job::RewrapBatch, 2) => REST..=REST,
        (Job::Open | Job::Verify | Job::Rewrap, 1) => 1..=1,
        _ => 0..=0,
    }
}

#[test]
fn the_token_is_revoked() {
    let expected = (ProviderErrorKind::Unauthenticated, ErrorClass::Misconfigured);
    with_bao(|bao| async move {
        let before = Before::new(bao, None, Lever::RevokeToken).await;
        at_each_call(before, from_then_on, expected, 16).await;
    });
}

#[test]
fn the_policy_is_taken_away() {
    let expected = (ProviderErrorKind::Denied, ErrorClass::Misconfigured);
    with_bao(|bao| async move {
        let before = Before::new(bao, None, Lever::EmptyPolicy).await;
        at_each_call(before, from_then_on, expected, 16).await;
    });
}

#[test]
fn the_key_is_soft_deleted() {
    let expected = (ProviderErrorKind::Disabled, ErrorClass::Refused);
    with_bao(|bao| async move {
        let before = Before::new(bao, None, Lever::SoftDelete).await;
        at_each_call(before, from_then_on, expected, 16).await;
    });
}

#[test]
fn the_version_is_switched_off() {
    let expected = (ProviderErrorKind::Disabled, ErrorClass::Refused);
    with_bao(|bao| async move {
        let before = Before::new(bao, None, Lever::RaiseMinimum).await;
        at_each_call(before, old_rows, expected, 5).await;
    });
}

#[test]
fn the_server_is_sealed() {
    let expected = (ProviderErrorKind::Unavailable, ErrorClass::Transient);
    with_own_bao(|bao, running| async move {
        let before = Before::new(bao, Some(running), Lever::Seal).await;
        at_each_call(before, from_then_on, expected, 16).await;
    });
}
