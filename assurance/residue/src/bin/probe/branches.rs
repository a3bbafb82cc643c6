//! Branch keys and rebound wraps: made, used and forgotten, also in front of a client that keeps all that it sees.

use std::hint::black_box;
use std::mem::forget;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sealwax::companion::IntermediateKey;
use sealwax::{
    DataKey, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest,
};
use sealwax_branch::{BranchKeys, Rebound};

use crate::given::{DRAWN, context, data_key, id, master_key, says, secret};
use crate::waiting::{TO_THE_END, polled, polls};
use crate::{SOME, SUITES, step};

/// The number of the data key that is the branch key or the fresh key.
const BRANCH: u8 = 2;
const COMMITMENT: [u8; 32] = [7; 32];

/// A service that holds no key: W is the number of the data key that the search sends for it.
struct Service {
    trip: usize,
    says_no: AtomicU64,
}

impl Service {
    fn new(trip: usize) -> Arc<Self> {
        Arc::new(Self { trip, says_no: AtomicU64::new(0) })
    }
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            black_box(request.data_key());
            polls(self.trip).await;
            Ok(vec![BRANCH])
        })
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            polls(self.trip).await;
            if self.says_no.load(Relaxed) == 1 {
                return Err(ProviderErrorKind::Denied.into());
            }
            let key = data_key(request.body()[0]);
            polls(self.trip).await;
            Ok(key)
        })
    }
}

/// A client that never wipes: it keeps a copy, in hex, of each key that it sees.
pub struct Client(pub MasterKey);

fn keep(key: &DataKey) {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|at| b"0123456789abcdef"[usize::from(at)]);
    let copy: Vec<u8> = key.expose_secret().iter().flat_map(digits).collect();
    black_box(copy.leak());
}

impl KeyWrapper for Client {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        keep(request.data_key());
        self.0.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }
}

impl MasterKeyProvider for Client {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let unwrapped = self.0.unwrap_key(request).into_ready();
        let unwrapped = unwrapped.unwrap_or_else(|_| unreachable!("a key in memory is ready"));
        ProviderFuture::ready(unwrapped.inspect(keep))
    }
}

/// Returns the body of a branch whose key is the data key of this number, and of a rebound wrap under that key.
fn bodies(suite: Suite, number: u8) -> (Vec<u8>, Vec<u8>) {
    let (key, key_id) = (IntermediateKey::new(&data_key(number)), id("prod"));
    let local = key.wrap(WrapRequest::new(&key_id, suite, &COMMITMENT, &data_key(0)));
    let rebound = [&[0, 1, number], &local[..]].concat();
    ([&key.branch_id()[..], &rebound].concat(), rebound)
}

/// Unwraps a body in so many polls, and returns whether that was enough.
fn unwrap(provider: &dyn MasterKeyProvider, suite: Suite, body: &[u8], polls: usize) -> bool {
    let key_id = id("prod");
    let unwrapped = async {
        let request = UnwrapRequest::new(&key_id, suite, &COMMITMENT, body);
        match provider.unwrap_key(request).await {
            Ok(key) => drop(black_box(key)),
            Err(error) => says(&error),
        }
    };
    polled(unwrapped, polls)
}

fn branches(service: &Arc<Service>) -> BranchKeys<Arc<Service>> {
    BranchKeys::new(Arc::clone(service), NonZeroU32::MIN)
}

pub fn steps() {
    for suite in SUITES {
        step("intermediate key", suite, 0, &mut || {
            let (key, (_, body)) = (IntermediateKey::new(&data_key(BRANCH)), bodies(suite, BRANCH));
            assert!(key.is_branch(&key.branch_id()));
            let (key_id, mut local) = (id("prod"), body[3..].to_vec());
            let unwrap =
                |body: &[u8]| key.unwrap(UnwrapRequest::new(&key_id, suite, &COMMITMENT, body));
            drop(black_box(unwrap(&local).expect("the body")));
            local[59] ^= 1;
            says(&unwrap(&local).expect_err("an altered body"));
            black_box(format!("{key:?}"));
        });
        waiting(suite);
        evicted(suite);
        step("branch refused", suite, 0, &mut || {
            // The body names the branch of another key than the one that the service unwraps.
            let (mut body, _) = bodies(suite, BRANCH);
            body[34] = 1;
            assert!(unwrap(&branches(&Service::new(1)), suite, &body, TO_THE_END));
            body.pop();
            assert!(unwrap(&branches(&Service::new(1)), suite, &body, TO_THE_END));
        });
        behind(suite);
    }
}

/// Drops each future before its first poll, then after each further one.
fn waiting(suite: Suite) {
    for polls in 0..=TO_THE_END {
        let mut ended = false;
        step("branch opened, waiting", suite, 0, &mut || {
            let (branches, (body, _)) = (branches(&Service::new(2)), bodies(suite, BRANCH));
            ended = unwrap(&branches, suite, &body, polls);
            // The second time, the branch is known, or the next future asks.
            assert!(unwrap(&branches, suite, &body, if ended { 1 } else { TO_THE_END }));
        });
        step("rebound opened, waiting", suite, 0, &mut || {
            let (_, body) = bodies(suite, BRANCH);
            unwrap(&Rebound::new(Service::new(2)), suite, &body, polls);
        });
        if ended {
            break;
        }
    }
}

/// The branch keys stay in memory, and the key of the branch does not.
fn evicted(suite: Suite) {
    let open = |branches: &BranchKeys<_>, number| {
        assert!(unwrap(branches, suite, &bodies(suite, number).0, TO_THE_END));
    };
    step("branch evicted", suite, 0, &mut || {
        let branches = branches(&Service::new(1));
        open(&branches, BRANCH);
        assert_eq!(branches.kept(), 1);
        branches.forget();
        forget(branches);
    });
    step("branch evicted", suite, 0, &mut || {
        let (service, now) = (Service::new(1), Arc::new(AtomicU64::new(0)));
        let clock = Arc::clone(&now);
        let branches =
            branches(&service).with_clock(move || Duration::from_secs(clock.load(Relaxed)));
        // The service is asked again in the last quarter of ten minutes, and after them.
        for (open_at, asked_at) in [(0, 500), (1000, 1700)] {
            now.store(open_at, Relaxed);
            service.says_no.store(0, Relaxed);
            open(&branches, BRANCH);
            assert_eq!(branches.kept(), 1);
            now.store(asked_at, Relaxed);
            service.says_no.store(1, Relaxed);
            open(&branches, BRANCH);
            assert_eq!(branches.kept(), 0);
        }
        forget(branches);
    });
    step("branch evicted", suite, 0, &mut || {
        let branches = branches(&Service::new(1)).with_capacity(std::num::NonZeroUsize::MIN);
        open(&branches, BRANCH);
        open(&branches, 3);
        assert_eq!(branches.kept(), 1);
        branches.forget();
        forget(branches);
    });
}

/// A client that never wipes sees the key of the branch, and no data key.
fn behind(suite: Suite) {
    step("behind a branch", suite, SOME, &mut || {
        let branches = |key| Arc::new(BranchKeys::new(Client(master_key(key)), NonZeroU32::MIN));
        let (before, after) = (branches(0), branches(2));
        let ring = Keyring::new(id("prod"), Arc::clone(&before)).expect("a provider");
        let next = Keyring::new(id("next"), after).expect("a provider");
        let (ring, next) =
            (ring.with_suite(suite), next.with_retired(id("prod"), before).expect("two ids"));
        let (secret, context) = (secret(SOME), context());
        let work = async {
            let sealing = ring.seal_async_with_rng(&secret, &context, &mut { DRAWN });
            let envelope = sealing.await.expect("sealed");
            drop(ring.open_async(&envelope, &context).await.expect("its own row"));
            drop(ring.open(&envelope, &context).expect("a branch that is known"));
            ring.verify(&envelope).expect("its own row");
            let moved = next.rewrap_async(&envelope).await.expect("its own row").expect("moved");
            drop(next.open(&moved, &context).expect("its own row"));
        };
        assert!(polled(work, TO_THE_END));
    });
}
