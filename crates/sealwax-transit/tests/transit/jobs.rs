//! What a service does with a key, each with the number of requests that it takes.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealwax::{
    EncryptionContext, Envelope, ErrorClass, Keyring, OpenError, ProviderError, ProviderErrorKind,
    RewrapError, RowError, SealError, Secret, UnwrapError,
};
use sealwax_transit::{KeyLocation, Token, TransitError, TransitKey, Transport};

/// The most rows in a request, and some more.
pub(crate) const ROWS: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Connect,
    Check,
    Seal,
    Open,
    Verify,
    Rewrap,
    RewrapBatch,
}

/// Each job, and how many requests it sends.
pub(crate) const JOBS: [(Job, usize); 7] = [
    (Job::Connect, 1),
    (Job::Check, 3),
    (Job::Seal, 1),
    (Job::Open, 1),
    (Job::Verify, 1),
    // Unwraps, wraps, and unwraps what it has wrapped.
    (Job::Rewrap, 3),
    (Job::RewrapBatch, 6),
];

/// A service whose rows were sealed under version 1 of its key, which now has version 2.
pub(crate) struct Service<T> {
    transport: T,
    location: KeyLocation,
    token: Token,
    ring: Keyring,
    rows: Vec<Envelope>,
}

/// What went wrong, as the service sees it.
pub(crate) struct Failure {
    pub(crate) class: ErrorClass,
    pub(crate) wait: Option<Duration>,
    error: Box<dyn Error>,
}

macro_rules! failures {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { class: error.class(), wait: error.retry_after(), error: Box::new(error) }
            }
        }
    )+};
}

failures!(ProviderError, SealError, OpenError, UnwrapError, RewrapError);

impl From<RowError> for Failure {
    fn from(error: RowError) -> Self {
        let wait = match &error {
            RowError::Rewrap(error) => error.retry_after(),
            _ => None,
        };
        Self { class: error.class(), wait, error: Box::new(error) }
    }
}

impl Failure {
    fn find<E: Error + 'static>(&self) -> &E {
        let chain = std::iter::successors(Some(&*self.error), |error| (*error).source());
        chain.into_iter().find_map(|error| error.downcast_ref()).unwrap()
    }

    pub(crate) fn kind(&self) -> ProviderErrorKind {
        self.find::<ProviderError>().kind()
    }

    /// The error of this crate at the end of the chain.
    pub(crate) fn cause(&self) -> &TransitError {
        self.find()
    }
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).unwrap()
}

fn secret() -> Secret {
    Secret::from("sk-proj-42")
}

impl<T: Transport + Clone + 'static> Service<T> {
    /// Connects, seals the rows, and has `rotate` make version 2 of the key.
    pub(crate) async fn new(
        transport: T,
        location: KeyLocation,
        token: Token,
        rotate: impl Future<Output = ()>,
    ) -> Self {
        let key = TransitKey::connect(transport.clone(), location.clone(), token.clone()).await;
        let key = Arc::new(key.unwrap());
        let ring = Keyring::new("transit/byok".parse().unwrap(), Arc::clone(&key)).unwrap();
        // Sealed locally and moved, because that takes fewer requests.
        let local = "local".parse().unwrap();
        let master = sealwax::MasterKey::generate().unwrap().to_text();
        let master = || master.expose_str().unwrap().parse::<sealwax::MasterKey>().unwrap();
        let before = Keyring::new("local".parse().unwrap(), master()).unwrap();
        let sealed = (0..ROWS).map(|id| (id, before.seal(&secret(), &context()).unwrap()));
        let moving = ring.clone().with_retired(local, master()).unwrap();
        let moved = moving.rewrap_batch_async(sealed).await;
        assert!(moved.failures.is_empty());
        let rows: Vec<_> = moved.changes.into_iter().map(|change| change.fresh).collect();
        assert_eq!(rows.len(), ROWS);
        rotate.await;
        assert_eq!(key.refresh().await.unwrap().latest, 2);
        Self { transport, location, token, ring, rows }
    }

    /// Does a job, and returns what failed: nothing if the whole job succeeded.
    ///
    /// Whatever fails, each row is either rewrapped or reported, and what was rewrapped opens later.
    pub(crate) async fn run(&self, job: Job) -> (Vec<Failure>, Vec<Envelope>) {
        let row = &self.rows[0];
        let only = |failure: Failure| (vec![failure], Vec::new());
        let done = |fresh| (Vec::new(), fresh);
        match job {
            Job::Connect => {
                let (transport, location) = (self.transport.clone(), self.location.clone());
                let connected = TransitKey::connect(transport, location, self.token.clone()).await;
                connected.map_or_else(|error| only(error.into()), |_| done(Vec::new()))
            }
            Job::Check => {
                let checked = self.ring.check_async().await;
                assert_eq!(checked.len(), 1);
                let failures = checked.into_iter().filter_map(|(_, usable)| usable.err());
                (failures.map(Failure::from).collect(), Vec::new())
            }
            Job::Seal => match self.ring.seal_async(&secret(), &context()).await {
                Ok(fresh) => done(vec![fresh]),
                Err(error) => only(error.into()),
            },
            Job::Open => match self.ring.open_async(row, &context()).await {
                Ok(opened) => {
                    assert_eq!(opened, secret());
                    done(Vec::new())
                }
                Err(error) => only(error.into()),
            },
            Job::Verify => match self.ring.verify_async(row).await {
                Ok(()) => done(Vec::new()),
                Err(error) => only(error.into()),
            },
            Job::Rewrap => match self.ring.rewrap_async(row).await {
                Ok(fresh) => done(vec![fresh.unwrap()]),
                Err(error) => only(error.into()),
            },
            Job::RewrapBatch => {
                let rows = self.rows.iter().cloned().enumerate();
                let batch = self.ring.rewrap_batch_async(rows).await;
                assert_eq!((batch.changes.len() + batch.failures.len(), batch.current), (ROWS, 0));
                let mut ids: Vec<_> = batch.changes.iter().map(|change| change.id).collect();
                ids.extend(batch.failures.iter().map(|(id, _)| *id));
                ids.sort_unstable();
                assert!(ids.into_iter().eq(0..ROWS), "each row has one result");
                let failures = batch.failures.into_iter().map(|(_, error)| error.into()).collect();
                (failures, batch.changes.into_iter().map(|change| change.fresh).collect())
            }
        }
    }

    /// Checks that what a job made opens.
    pub(crate) async fn opens(&self, fresh: &[Envelope]) {
        // The first and the last: each costs a request.
        for envelope in fresh.first().into_iter().chain(fresh.last()) {
            assert_eq!(self.ring.open_async(envelope, &context()).await.unwrap(), secret());
        }
    }
}
