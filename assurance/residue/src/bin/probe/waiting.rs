//! The async operations, with keys in memory and remote ones, polled to the end or dropped before.

use std::future::poll_fn;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use residue::pipe::role;
use sealwax::{
    DataKey, EncryptionContext, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, OpenEvent,
    OpenRecorder, ProviderError, ProviderErrorKind, ProviderFuture, RecorderError, Suite,
    UnwrapRequest, WrapRequest,
};

use crate::given::{DRAWN, bytes, context, data_key, id, master_key, secret};
use crate::verbs::{altered, sealed};
use crate::{SOME, SUITES, step};

/// A master key behind a network: each trip takes some polls.
pub struct Remote {
    key: MasterKey,
    trip: usize,
    manner: Manner,
}

/// How a remote key behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Well,
    WithAnotherDataKey,
    NotAtAll,
}

impl Remote {
    pub fn new(key: MasterKey, trip: usize, manner: Manner) -> Self {
        Self { key, trip, manner }
    }

    async fn network_trip(&self) {
        polls(self.trip).await;
    }

    /// Panics, which is the worst that the client of a service can do.
    fn panics(&self) {
        if self.manner == Manner::NotAtAll {
            resume_unwind(Box::new(()));
        }
    }
}

/// Takes so many polls.
pub async fn polls(mut left: usize) {
    poll_fn(|_| {
        left = left.saturating_sub(1);
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.network_trip().await;
            let wrapped = self.key.wrap_key(request).await;
            self.panics();
            self.network_trip().await;
            wrapped
        })
    }
}

impl MasterKeyProvider for Remote {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.network_trip().await;
            let mut data_key = self.key.unwrap_key(request).await?;
            if self.manner == Manner::WithAnotherDataKey {
                data_key = DataKey::from_bytes(&mut bytes(role::DATA_KEY, 1, 32))?;
            }
            self.network_trip().await;
            self.panics();
            Ok(data_key)
        })
    }
}

/// A recorder that boxes a large future, which takes along what is on the stack, and fails if it is asked to.
pub struct Recorder {
    pub trip: usize,
    pub fails: bool,
}

impl OpenRecorder for Recorder {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        let recorded = move || {
            let line = format!("{:?} {:?}", event.outcome(), event.key_id());
            if self.fails {
                return Err(RecorderError::new(line));
            }
            drop(black_box(line));
            Ok(())
        };
        if self.trip == 0 {
            return ProviderFuture::ready(recorded());
        }
        ProviderFuture::boxed(async move {
            let mut room = std::mem::MaybeUninit::<[u8; 4096]>::uninit();
            black_box(&mut room);
            polls(self.trip).await;
            black_box(&mut room);
            recorded()
        })
    }
}

/// A provider that always fails.
pub struct Failing(pub MasterKey);

impl KeyWrapper for Failing {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        black_box(&self.0);
        ProviderFuture::ready(Err(ProviderErrorKind::Throttled.into()))
    }

    fn kind(&self) -> sealwax::WrapKind {
        sealwax::WrapKind::Local
    }
}

impl MasterKeyProvider for Failing {
    fn unwrap_key<'a>(
        &'a self,
        _: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(Err(ProviderErrorKind::Throttled.into()))
    }
}

/// Polls a future up to `times` times, drops it, and returns whether it was ready: a minimal executor.
pub fn polled<T>(future: impl Future<Output = T>, times: usize) -> bool {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..times).any(|_| future.as_mut().poll(&mut context).is_ready())
}

/// More polls than any operation here needs.
pub const TO_THE_END: usize = 32;

pub fn steps() {
    let ways = [
        None,
        Some((1, Manner::Well)),
        Some((2, Manner::Well)),
        Some((2, Manner::WithAnotherDataKey)),
        Some((1, Manner::NotAtAll)),
        Some((2, Manner::NotAtAll)),
    ];
    for suite in SUITES {
        for way in ways {
            verbs(suite, way);
        }
        step("answer dropped", suite, 0, &mut || {
            drop(black_box(ProviderFuture::ready(data_key(0))));
            let mut answer = ProviderFuture::ready(data_key(0)).map(|key| [key.duplicate(), key]);
            assert!(polled(&mut answer, 1) && !polled(answer, 1));
            drop(black_box(ProviderFuture::boxed(async { data_key(0) })));
            assert!(ProviderFuture::ready(data_key(0)).into_ready().ok().is_some());
        });
    }
}

/// Whether the master key is in memory, which is `None`, or remote.
type Way = Option<(usize, Manner)>;

/// Returns the keyring that seals if `next` is `None`, and otherwise the one after a rotation.
fn ring(suite: Suite, way: Way, next: Option<MasterKey>) -> Keyring {
    let (prod, key) = (id("prod"), master_key(0));
    let ring = match (next, way) {
        (None, None) => Ok(Keyring::new(prod, key).unwrap()),
        (None, Some((trip, manner))) => {
            Ok(Keyring::new(prod, Remote::new(key, trip, manner)).unwrap())
        }
        (Some(next), None) => Keyring::new(id("next"), next).unwrap().with_retired(prod, key),
        (Some(next), Some((trip, manner))) => Keyring::new(id("next"), next)
            .unwrap()
            .with_retired(prod, Remote::new(key, trip, manner)),
    };
    ring.expect("two ids").with_suite(suite)
}

fn verbs(suite: Suite, way: Way) {
    type Verb = fn(Suite, Way, &sealwax::Envelope, usize) -> bool;
    let all: [(&'static str, Verb); 13] = [
        ("seal, waiting", |suite, way, _, polls| {
            let ring = ring(suite, way, None);
            // The future borrows neither the secret nor the context: they are dropped before it is polled.
            let sealing = {
                let (secret, context) = (secret(SOME), context());
                ring.seal_async_with_rng(&secret, &context, &mut { DRAWN })
            };
            polled(sealing, polls)
        }),
        // With the system's randomness, the search knows only the master keys and the credential.
        ("seal, waiting", |suite, way, _, polls| {
            let ring = ring(suite, way, None);
            polled(ring.seal_async(&secret(SOME), &context()), polls)
        }),
        ("open, waiting", |suite, way, envelope, polls| {
            let (ring, context) = (ring(suite, way, None), context());
            polled(ring.open_async(envelope, &context), polls)
        }),
        ("open recorded, waiting", |suite, way, envelope, polls| {
            let recorder = Recorder { trip: 2, fails: false };
            let (ring, context) = (ring(suite, way, None).with_recorder(recorder), context());
            polled(ring.open_async(envelope, &context), polls)
        }),
        ("open not recorded, waiting", |suite, way, envelope, polls| {
            let recorder = Recorder { trip: 2, fails: true };
            let (ring, context) = (ring(suite, way, None).with_recorder(recorder), context());
            polled(ring.open_async(envelope, &context), polls)
        }),
        ("refusal recorded, waiting", |suite, way, envelope, polls| {
            let ring = ring(suite, way, None).with_recorder(Recorder { trip: 2, fails: false });
            let (context, altered) = (context(), altered(envelope, 1));
            polled(ring.open_async(&altered, &context), polls)
        }),
        ("verify, waiting", |suite, way, envelope, polls| {
            polled(ring(suite, way, None).verify_async(envelope), polls)
        }),
        ("rewrap, waiting", |suite, way, envelope, polls| {
            polled(ring(suite, way, Some(master_key(2))).rewrap_async(envelope), polls)
        }),
        // The second row is refused, and the other two have one data key.
        ("rewrap batch, waiting", |suite, way, envelope, polls| {
            let ring = ring(suite, way, Some(master_key(2)));
            let refused = altered(envelope, SOME + 16 + 12 + 1);
            let rows = [(1, envelope.clone()), (2, refused), (3, envelope.clone())];
            polled(ring.rewrap_batch_async(rows), polls)
        }),
        ("check, waiting", |suite, way, _, polls| {
            let ring = ring(suite, way, Some(master_key(2)));
            polled(ring.check_async_with_rng(&mut { DRAWN }), polls)
        }),
        ("open refused, waiting", |suite, way, envelope, polls| {
            let (ring, elsewhere) = (ring(suite, way, None), EncryptionContext::empty());
            polled(ring.open_async(envelope, &elsewhere), polls)
        }),
        ("verify refused, waiting", |suite, way, envelope, polls| {
            // Alters the last byte of the MAC, which is before IV, tag and ciphertext, and the last byte of the
            // only wrap, or of the escrow's, which is before commitment and MAC.
            let ring = ring(suite, way, None);
            let mac = altered(envelope, SOME + 16 + 12 + 1);
            let wrap = altered(envelope, SOME + 16 + 12 + 16 + 32 + 1);
            let both = async {
                drop(ring.verify_async(&mac).await);
                drop(ring.verify_async(&wrap).await);
            };
            polled(both, polls)
        }),
        ("rewrap refused, waiting", |suite, way, envelope, polls| {
            let ring = ring(suite, way, Some(master_key(2)));
            let altered = altered(envelope, SOME + 16 + 12 + 1);
            polled(ring.rewrap_async(&altered), polls)
        }),
    ];
    for (name, verb) in all {
        // Dropped before the first poll, then after each further one, until there is nothing to wait for.
        for polls in 0..=TO_THE_END {
            let mut ended = false;
            step(name, suite, SOME, &mut || {
                let envelope = if way.is_none() { sealed(suite, SOME) } else { remotely(suite) };
                let run = || verb(suite, way, &envelope, polls);
                ended = catch_unwind(AssertUnwindSafe(run)).unwrap_or(true);
            });
            if ended {
                break;
            }
            assert!(polls < TO_THE_END, "{name} does not end");
        }
    }
}

/// Seals with a remote key, so that a remote key has to unwrap.
fn remotely(suite: Suite) -> sealwax::Envelope {
    let ring = ring(suite, Some((1, Manner::Well)), None);
    let (secret, context) = (secret(SOME), context());
    // A seal with the system's randomness is dropped without a poll.
    drop(ring.seal_async(&secret, &context));
    let mut sealing = ring.seal_async_with_rng(&secret, &context, &mut { DRAWN });
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..TO_THE_END {
        if let Poll::Ready(sealed) = std::pin::Pin::new(&mut sealing).poll(&mut task) {
            return sealed.expect("sealed");
        }
    }
    panic!("a seal does not end");
}
