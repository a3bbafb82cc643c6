//! A provider with a fault planted in it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKey, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest,
};

use crate::plant::Plant::{self, self as P};

pub(crate) struct Planted {
    key: MasterKey,
    /// Another key of the same service.
    other: Arc<MasterKey>,
    plant: Plant,
    version: Arc<AtomicUsize>,
    /// The version that the provider takes for the newest one.
    learnt: AtomicU8,
    requests: Arc<AtomicUsize>,
    busy: AtomicBool,
    slot: Mutex<[u8; 32]>,
    newest: Mutex<HashMap<[u8; 32], Vec<u8>>>,
    cache: Mutex<HashMap<Vec<u8>, Result<DataKey, ProviderErrorKind>>>,
}

type Wrapped = Result<Vec<u8>, ProviderError>;
type Unwrapped = Result<DataKey, ProviderError>;

fn rejected() -> ProviderError {
    ProviderErrorKind::Rejected.into()
}

fn bad(kind: ProviderErrorKind, request: &UnwrapRequest<'_>) -> ProviderError {
    ProviderError::new(kind, format!("bad: {}", String::from_utf8_lossy(request.body())))
}

async fn pending_once() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a wrap is bound to, as far as the provider binds.
struct Bound(KeyId, Suite, [u8; 32]);

impl Planted {
    pub(crate) fn new(plant: Plant) -> Self {
        Self {
            key: MasterKey::generate().unwrap(),
            other: Arc::new(MasterKey::generate().unwrap()),
            plant,
            version: Arc::default(),
            learnt: AtomicU8::new(0),
            requests: Arc::default(),
            busy: AtomicBool::new(false),
            slot: Mutex::default(),
            newest: Mutex::default(),
            cache: Mutex::default(),
        }
    }

    /// Returns the version of the key, to rotate it.
    pub(crate) fn version(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.version)
    }

    /// Returns another key of the same service.
    pub(crate) fn other(&self) -> Self {
        let key = self.other.to_text().expose_str().unwrap().parse().unwrap();
        Self { key, ..Self::new(P::Nothing) }
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.requests)
    }

    fn is(&self, plant: Plant) -> bool {
        self.plant == plant
    }

    fn newest_version(&self) -> u8 {
        self.version.load(Ordering::Relaxed).try_into().unwrap()
    }

    fn bound(&self, key_id: &KeyId, suite: Suite, commitment: &[u8; 32]) -> Bound {
        let all = self.is(P::BindsNothing);
        let ignores = |plant| all || self.is(plant);
        Bound(
            if ignores(P::IgnoresKeyId) { "k".parse().unwrap() } else { key_id.clone() },
            if ignores(P::IgnoresSuite) { Suite::default() } else { suite },
            if ignores(P::IgnoresCommitment) { [7; 32] } else { *commitment },
        )
    }

    /// Body: a version, a local wrap, and what the fault adds.
    fn wrap(&self, request: WrapRequest<'_>) -> Wrapped {
        if self.is(P::OneSuite) && request.suite() != Suite::default() {
            return Err(ProviderErrorKind::Other.into());
        }
        if self.is(P::ShortKeyIds) && request.key_id().as_ref().len() > 64 {
            return Err(ProviderErrorKind::Other.into());
        }
        let data_key = request.data_key();
        let Bound(key_id, suite, commitment) =
            self.bound(request.key_id(), request.suite(), request.commitment());
        let request = WrapRequest::new(&key_id, suite, &commitment, data_key);
        let local = self.key.wrap_key(request).into_ready().unwrap()?;
        self.learnt.store(self.newest_version(), Ordering::Relaxed);
        let mut body = vec![self.newest_version()];
        if self.is(P::ForgetsOlderWraps) {
            // Made different each time, by bytes that the newest wrap must have.
            body.extend(DataKey::generate()?.expose_secret());
        }
        body.extend(local);
        match self.plant {
            P::LongBody => body.resize(70_000, 0),
            P::BodyWithKey => body.extend(data_key.expose_secret()),
            P::BodyWithBase64OfKey => body.extend(base64(data_key.expose_secret())),
            P::UncheckedLastByte => body.push(0),
            P::IgnoresCase => body.push(b'a'),
            P::ForgetsOlderWraps => {
                let mut newest = self.newest.lock().unwrap();
                newest.insert(*request.commitment(), body.clone());
            }
            _ => (),
        }
        Ok(body)
    }

    fn unwrap(&self, request: UnwrapRequest<'_>, batch: bool) -> Unwrapped {
        let cache = self.cache.lock().unwrap();
        match (cache.get(request.body()), self.plant) {
            (Some(Ok(key)), P::CachesByBody) if !batch => return Ok(key.duplicate()),
            (Some(Ok(key)), P::CachesByBodyInBatches) if batch => return Ok(key.duplicate()),
            (Some(Err(kind)), P::CachesRefusals) => return Err((*kind).into()),
            _ => drop(cache),
        }
        let result = self.unwrap_strictly(request, batch);
        let kept = result.as_ref().map(DataKey::duplicate).map_err(ProviderError::kind);
        self.cache.lock().unwrap().insert(request.body().to_vec(), kept);
        result.map_err(|error| match (self.plant, error.kind()) {
            (P::EverythingIsOther, _) => ProviderErrorKind::Other.into(),
            (P::DamageIsTransient, _) => ProviderErrorKind::Unavailable.into(),
            (P::ErrorWithBody, kind) => bad(kind, &request),
            // The provider itself refuses other lengths.
            (P::ErrorWithBodyOfService, kind) if request.body().len() == 61 => bad(kind, &request),
            (P::ErrorWithBodyInBatches, kind) if batch => bad(kind, &request),
            _ => error,
        })
    }

    fn unwrap_strictly(&self, request: UnwrapRequest<'_>, batch: bool) -> Unwrapped {
        let mut body = request.body();
        match self.plant {
            P::NeverUnwraps => return Err(ProviderErrorKind::Denied.into()),
            P::SameKeyForAll => return fixed(),
            P::PanicOnEmpty => assert!(!body.is_empty(), "an empty body"),
            P::IgnoresZeros => body = body.strip_prefix(b"0").unwrap_or(body),
            _ => (),
        }
        let (version, mut rest) = body.split_first().ok_or_else(rejected)?;
        if *version > self.newest_version() {
            return Err(rejected());
        }
        if self.is(P::OldVersionIsLost) && *version < self.newest_version() {
            return Err(rejected());
        }
        if self.is(P::LearnsVersionFromRows) {
            self.learnt.store(*version, Ordering::Relaxed);
        }
        let mut added = [].as_slice();
        match self.plant {
            P::ForgetsOlderWraps => {
                let newest = self.newest.lock().unwrap();
                if newest.get(request.commitment()).is_none_or(|newest| newest != body) {
                    return Err(rejected());
                }
                rest = rest.get(32..).ok_or_else(rejected)?;
            }
            P::LongBody | P::TrailingByte => rest = rest.get(..60).unwrap_or(rest),
            P::DeniedForLength if rest.len() != 60 => return Err(ProviderErrorKind::Denied.into()),
            P::BodyWithKey | P::BodyWithBase64OfKey => {
                (rest, added) = rest.split_at_checked(60).ok_or_else(rejected)?;
            }
            P::UncheckedLastByte => rest = rest.split_last().ok_or_else(rejected)?.1,
            P::IgnoresCase => {
                (rest, added) = rest.split_at_checked(60).ok_or_else(rejected)?;
            }
            _ => (),
        }
        let Bound(key_id, suite, commitment) =
            self.bound(request.key_id(), request.suite(), request.commitment());
        let open = |commitment| {
            let request = UnwrapRequest::new(&key_id, suite, commitment, rest);
            self.key.unwrap_key(request).into_ready().unwrap()
        };
        let key = match open(&commitment) {
            Err(_) if self.is(P::IgnoresBindingInBatches) && batch => self.open_any(request, rest),
            Err(_) if self.is(P::OpensOtherKeys) => {
                let request = UnwrapRequest::new(&key_id, suite, &commitment, rest);
                self.other.unwrap_key(request).into_ready().unwrap()
            }
            opened => opened,
        }?;
        let is_added = match self.plant {
            P::IgnoresCase => added.eq_ignore_ascii_case(b"a"),
            P::BodyWithKey => added == key.expose_secret(),
            P::BodyWithBase64OfKey => added == base64(key.expose_secret()),
            _ => true,
        };
        if is_added { Ok(key) } else { Err(rejected()) }
    }

    /// Opens a wrap of any row, as a service that does not bind would: it remembers what it was given.
    fn open_any(&self, request: UnwrapRequest<'_>, local: &[u8]) -> Unwrapped {
        let known = self.newest.lock().unwrap();
        let mut commitments = known.keys();
        let open = |commitment: &[u8; 32]| {
            let request = UnwrapRequest::new(request.key_id(), request.suite(), commitment, local);
            self.key.unwrap_key(request).into_ready().unwrap().ok()
        };
        commitments.find_map(open).ok_or_else(rejected)
    }

    /// Sends a request: the work is done when the future is polled the second time.
    fn send<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce() -> T + Send + 'a,
    ) -> ProviderFuture<'a, T> {
        let requests = self.requests();
        let count = move || requests.fetch_add(1, Ordering::Relaxed);
        match self.plant {
            P::SendsBeforePoll => drop(count()),
            P::SpawnsBeforePoll => drop(thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                count()
            })),
            _ => (),
        }
        ProviderFuture::boxed(async move {
            if !matches!(self.plant, P::SendsBeforePoll | P::SpawnsBeforePoll) {
                self.requests.fetch_add(1, Ordering::Relaxed);
            }
            if self.is(P::KeepsLock) {
                while self.busy.swap(true, Ordering::Relaxed) {
                    pending_once().await;
                }
            }
            pending_once().await;
            let result = work();
            self.busy.store(false, Ordering::Relaxed);
            result
        })
    }
}

/// Returns the same data key each time.
fn fixed() -> Unwrapped {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    Ok(DataKey::from_bytes(&mut bytes)?)
}

/// Returns the first 30 bytes of a key in base64.
fn base64(key: &[u8; 32]) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = key.iter().take(30).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<_> = bits.collect();
    let digit = |six: &[u8]| six.iter().fold(0, |digit: usize, bit| digit << 1 | usize::from(*bit));
    bits.chunks(6).map(|six| *alphabet.get(digit(six)).unwrap()).collect()
}

impl KeyWrapper for Planted {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Wrapped> {
        if self.is(P::IgnoresBindingInBatches) {
            self.newest.lock().unwrap().insert(*request.commitment(), Vec::new());
        }
        if self.is(P::OneReady) {
            return ProviderFuture::ready(self.wrap(request));
        }
        self.send(move || self.wrap(request))
    }

    fn kind(&self) -> WrapKind {
        match self.plant {
            P::ReservedKind => WrapKind::from_byte(0x06).unwrap(),
            P::KindOfPairs => WrapKind::Hpke,
            P::PanickingKind => panic!("a planted fault"),
            P::ChangingKind if self.requests.load(Ordering::Relaxed).is_multiple_of(2) => {
                WrapKind::private::<1>()
            }
            _ => WrapKind::Provider,
        }
    }

    fn is_current(&self, body: &[u8]) -> bool {
        match self.plant {
            P::NeverCurrent => false,
            P::PanickingIsCurrent => *body.first().unwrap() == self.newest_version(),
            P::OldVersionIsCurrent => true,
            _ => body.first() == Some(&self.learnt.load(Ordering::Relaxed)),
        }
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Wrapped>> {
        self.send(move || {
            let mut results: Vec<_> = requests.iter().map(|request| self.wrap(*request)).collect();
            match self.plant {
                P::WrapsReversed => results.reverse(),
                P::LosesResults => results.truncate(100),
                _ => (),
            }
            results
        })
    }

    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.send(|| match self.plant {
            P::FailingCheck => {
                Err(ProviderError::new(ProviderErrorKind::Denied, "token=a-planted-token"))
            }
            P::LearnsVersionFromWraps => Ok(()),
            _ => {
                self.learnt.store(self.newest_version(), Ordering::Relaxed);
                Ok(())
            }
        })
    }
}

impl MasterKeyProvider for Planted {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Unwrapped> {
        if self.is(P::SharedSlot) {
            return ProviderFuture::boxed(async move {
                let key = self.unwrap(request, false)?;
                *self.slot.lock().unwrap() = *key.expose_secret();
                pending_once().await;
                let mut bytes = *self.slot.lock().unwrap();
                Ok(DataKey::from_bytes(&mut bytes)?)
            });
        }
        self.send(move || self.unwrap(request, false))
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Unwrapped>> {
        self.send(move || {
            let unwrap = |request: &UnwrapRequest<'a>| self.unwrap(*request, true);
            let mut results: Vec<_> = requests.iter().map(unwrap).collect();
            match self.plant {
                P::UnwrapsReversedInChunks => {
                    results.chunks_mut(100).skip(1).for_each(<[Unwrapped]>::reverse);
                }
                P::LosesResults => results.truncate(100),
                // More lines than requests; the bodies of this provider itself have 61 bytes, of any value.
                P::OneLinePerItem
                    if requests
                        .iter()
                        .any(|r| r.body().len() != 61 && r.body().contains(&b'\n')) =>
                {
                    results.iter_mut().for_each(|result| *result = Err(rejected()));
                }
                P::StopsAtBadItem => {
                    let good = results.iter().position(Result::is_err).unwrap_or(results.len());
                    results.iter_mut().skip(good).for_each(|result| *result = Err(rejected()));
                }
                _ => (),
            }
            results
        })
    }
}
