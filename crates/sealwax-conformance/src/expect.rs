//! What the author of a provider knows about it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealwax::{MasterKeyProvider, ProviderFuture};

/// What a provider can do, which the checks cannot find out.
///
/// The default is a provider whose service binds associated data and refuses every altered body.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use sealwax_conformance::Expect;
///
/// let requests = Arc::new(AtomicUsize::new(0)); // which the test's service counts
/// let expect = Expect::default()
///     .counting(move || requests.load(Ordering::Relaxed))
///     .rotated_by(async { /* make a new version of the key at the service */ });
/// ```
#[must_use]
pub struct Expect {
    pub(crate) binds: bool,
    pub(crate) strict: bool,
    pub(crate) deadline: Duration,
    pub(crate) requests: Option<Box<dyn Fn() -> usize + Send + Sync>>,
    pub(crate) other: Option<Arc<dyn MasterKeyProvider>>,
    /// In a mutex only to be `Sync`: the checks take it out.
    pub(crate) rotation: Mutex<Option<ProviderFuture<'static, ()>>>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            binds: true,
            strict: true,
            deadline: Duration::from_secs(30),
            requests: None,
            other: None,
            rotation: Mutex::new(None),
        }
    }
}

impl Expect {
    /// Says that the service cannot bind associated data.
    ///
    /// Then a wrap may open under another commitment, suite or key id, but only to the data key that it was made of.
    pub fn binding_nothing(self) -> Self {
        Self { binds: false, ..self }
    }

    /// Says that the service may read an altered body as the original one.
    ///
    /// A lenient decoder of base64 does that: it ignores line feeds, or the last bits. Then an altered body may open,
    /// but only to the data key that it was made of. The MAC of the envelope still finds the change.
    pub fn reading_leniently(self) -> Self {
        Self { strict: false, ..self }
    }

    /// Sets how long a call may take before it counts as hung; the default is 30 seconds.
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Passes a counter of all the requests that have reached the service.
    ///
    /// The check `dropped_unpolled` needs it. Nobody else may call the service while the checks run.
    pub fn counting(self, requests: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { requests: Some(Box::new(requests)), ..self }
    }

    /// Passes a provider for another key of the same service.
    ///
    /// The check `other_key` needs it: the provider must refuse what the other key wrapped.
    pub fn other_key(self, other: impl MasterKeyProvider + 'static) -> Self {
        Self { other: Some(Arc::new(other)), ..self }
    }

    /// Passes a future that rotates the key at the service, so that new wraps are made by a new version of it.
    ///
    /// The check `rotation` needs it. It is polled once, at the end.
    pub fn rotated_by(self, rotation: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { rotation: Mutex::new(Some(ProviderFuture::boxed(rotation))), ..self }
    }
}

impl fmt::Debug for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { binds, strict, deadline, requests, other, rotation } = self;
        f.debug_struct("Expect")
            .field("binds", binds)
            .field("strict", strict)
            .field("deadline", deadline)
            .field("counts", &requests.is_some())
            .field("knows_another_key", &other.is_some())
            .field("rotates", &rotation.lock().is_ok_and(|rotation| rotation.is_some()))
            .finish()
    }
}
