//! What `sealwax-branch` opens, whoever wrote the table: a body has one parse, and it opens only if it is, byte for byte,
//! what a wrapper with the same keys makes. Opening allocates no more than the body is long, and a little.

use std::error::Error;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use sealwax::companion::IntermediateKey;
use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};
use sealwax_branch::{BodyError, BranchKeys, Rebound, wrap_in_branch, wrap_in_rebound};

use super::edits::edit;
use super::heap::Limit;
use super::input::Input;

/// A copy of W that is kept, and the futures, maps and keys of a call.
const OPENING: Limit = Limit { bytes: 8192, allocations: 32 };
/// Lengths of W where something ends: none, the longest that fit, and the longest that there are.
const LENGTHS: [usize; 8] = [0, 256, 65_440, 65_441, 65_472, 65_473, 65_534, 65_535];

/// An input is a body, or says how one is made and edited. Returns whether the body opens.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let kind = *input.choose(&[WrapKind::Branch, WrapKind::Rebound]);
    let service = Service::default();
    let providers = Providers::over(&service);
    let opens = |body: &[u8]| {
        // A longer one stands in no wrap.
        WrappedKey::new(key_id(), kind, body).is_ok()
            && opens_as_the_page_says(kind, body, &service, providers.of(kind))
    };
    if input.below(2) == 0 {
        return opens(input.rest());
    }
    let mut body = some_body(kind, &mut input);
    opens(&body);
    // The branch is known now, if it is one.
    let other = made_of(kind, b"W of another row", &Row::all()[3]);
    for _ in 0..input.below(4) {
        edit(&mut body, &other, &mut input);
    }
    opens(&body)
}

fn opens_as_the_page_says(
    kind: WrapKind,
    body: &[u8],
    service: &Service,
    provider: &dyn MasterKeyProvider,
) -> bool {
    let wrap = split(kind, body).map(|(_, wrap, _)| wrap);
    assert_eq!(wrap_in(kind, body).map(place), wrap.map(place), "two readings of a body");
    assert_eq!(provider.is_current(body), wrap.is_some_and(is_even));
    let mut opens = false;
    // The second time, a branch is known.
    for row in Row::all().iter().chain(&Row::all()) {
        let request = row.unwrap(body);
        let limit = Limit { bytes: 2 * body.len() + OPENING.bytes, ..OPENING };
        let found = limit.hold(|| ended(provider.unwrap_key(request)));
        let batch = ended(provider.unwrap_keys(&[request, request]));
        let asked = service.asked.lock().unwrap().take();
        assert!(asked.is_none() || asked == wrap.map(place), "the service was asked about another");
        let expected = opened(kind, body, row);
        for found in batch.iter().chain([&found]) {
            match (found, &expected) {
                (Ok(found), Ok(expected)) => {
                    assert!(found.expose_secret() == expected.expose_secret());
                }
                (Err(error), Err(expected)) => {
                    assert_eq!(error.kind(), *expected);
                    let source = error.source().and_then(|source| source.downcast_ref());
                    assert_eq!(source == Some(&BodyError::Malformed), wrap.is_none());
                }
                _ => panic!("accepted: {}, but it should be {}", found.is_ok(), expected.is_ok()),
            }
        }
        if let (Ok(data_key), Some(wrap)) = (found, wrap) {
            opens = true;
            let bound = WrapRequest::new(&row.key_id, row.suite, &row.commitment, &data_key);
            let again = made(kind, &key_of(wrap), wrap, bound);
            assert!(body == again, "it opens, and a wrapper makes another");
            let (cut, longer) = (&body[..body.len() - 1], [body, &[0]].concat());
            assert!(wrap_in(kind, cut).is_none() && wrap_in(kind, &longer).is_none());
        }
    }
    opens
}

/// Makes a body for the first row, as the crate does too.
fn some_body(kind: WrapKind, input: &mut Input<'_>) -> Vec<u8> {
    let [row, ..] = Row::all();
    let len = match input.byte() {
        byte @ ..0xf8 => usize::from(byte),
        byte => LENGTHS[usize::from(byte - 0xf8)],
    };
    let few = input.below(16);
    let few = [input.take(few), &[1]].concat();
    let wrap: Vec<u8> = few.into_iter().cycle().take(len).collect();
    is_made(kind, &wrap, &row);
    made_of(kind, &wrap, &row)
}

fn made_of(kind: WrapKind, wrap: &[u8], row: &Row) -> Vec<u8> {
    made(kind, &key_of(wrap), wrap, row.wrap())
}

/// The crate makes the same body, if it stands in a wrap.
fn is_made(kind: WrapKind, wrap: &[u8], row: &Row) {
    let service = Service { wrap: wrap.to_vec(), ..Service::default() };
    let found = ended(Providers::over(&service).of(kind).wrap_key(row.wrap()));
    let key = service.key.lock().unwrap().take().unwrap();
    let expected = made(kind, &key, wrap, row.wrap());
    let fits = !wrap.is_empty() && WrappedKey::new(key_id(), kind, &expected).is_ok();
    assert_eq!(found.ok(), fits.then_some(expected));
}

/// Makes a body: branch_id(32), in one kind ‖ u16(length of W) ‖ W ‖ local body(60).
fn made(kind: WrapKind, key: &DataKey, wrap: &[u8], row: WrapRequest<'_>) -> Vec<u8> {
    let key = IntermediateKey::new(key);
    let (id, len) = (key.branch_id(), u16::try_from(wrap.len()).unwrap().to_be_bytes());
    [&id[..front_len(kind)], &len, wrap, &key.wrap(row)].concat()
}

/// Splits a body into branch_id, W and the local body. The length of W is what the other parts leave.
fn split(kind: WrapKind, body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let len = body.len().checked_sub(front_len(kind) + 2 + 60).filter(|len| *len > 0)?;
    let (id, rest) = body.split_at(front_len(kind));
    let (found, rest) = rest.split_at(2);
    let (wrap, local) = rest.split_at(len);
    (found == u16::try_from(len).ok()?.to_be_bytes()).then_some((id, wrap, local))
}

fn front_len(kind: WrapKind) -> usize {
    if kind == WrapKind::Branch { 32 } else { 0 }
}

/// What a body opens to.
fn opened(kind: WrapKind, body: &[u8], row: &Row) -> Result<DataKey, ProviderErrorKind> {
    let (id, wrap, local) = split(kind, body).ok_or(ProviderErrorKind::Rejected)?;
    let key = IntermediateKey::new(&said(wrap)?);
    if key.branch_id()[..front_len(kind)] != *id {
        return Err(ProviderErrorKind::Rejected);
    }
    key.unwrap(row.unwrap(local)).map_err(|error| error.kind())
}

fn wrap_in(kind: WrapKind, body: &[u8]) -> Option<&[u8]> {
    if kind == WrapKind::Branch { wrap_in_branch(body) } else { wrap_in_rebound(body) }
}

/// Where bytes are.
fn place(bytes: &[u8]) -> (usize, usize) {
    (bytes.as_ptr().addr(), bytes.len())
}

fn is_even(wrap: &[u8]) -> bool {
    wrap.last().is_some_and(|byte| byte.is_multiple_of(2))
}

/// Returns the key of W, in which each byte of W counts.
fn key_of(wrap: &[u8]) -> DataKey {
    let id = key_id();
    let mut key = UnwrapRequest::new(&id, Suite::Aes256Gcm, &[0; 32], wrap).cache_key();
    DataKey::from_bytes(&mut key).unwrap()
}

/// What the service says about W.
fn said(wrap: &[u8]) -> Result<DataKey, ProviderErrorKind> {
    if wrap.first() == Some(&0) { Err(ProviderErrorKind::Denied) } else { Ok(key_of(wrap)) }
}

/// A service that binds nothing, and to which almost anything is a wrap of some key: what is refused, the crate refuses.
#[derive(Default)]
struct Service {
    /// What it makes of the next key.
    wrap: Vec<u8>,
    key: Mutex<Option<DataKey>>,
    /// The place of what it was asked to unwrap last.
    asked: Mutex<Option<(usize, usize)>>,
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        *self.key.lock().unwrap() = Some(request.data_key().duplicate());
        ProviderFuture::ready(Ok(self.wrap.clone()))
    }

    fn is_current(&self, body: &[u8]) -> bool {
        is_even(body)
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        *self.asked.lock().unwrap() = Some(place(request.body()));
        let wrapped = self.key.lock().unwrap().as_ref().map(DataKey::duplicate);
        let said = wrapped.map_or_else(|| said(request.body()), Ok);
        ProviderFuture::ready(said.map_err(ProviderError::from))
    }
}

struct Providers<'a> {
    branch: BranchKeys<&'a Service>,
    rebound: Rebound<&'a Service>,
}

impl<'a> Providers<'a> {
    fn over(service: &'a Service) -> Self {
        Self { branch: BranchKeys::new(service, NonZeroU32::MIN), rebound: Rebound::new(service) }
    }

    fn of(&self, kind: WrapKind) -> &dyn MasterKeyProvider {
        if kind == WrapKind::Branch { &self.branch } else { &self.rebound }
    }
}

struct Row {
    key_id: KeyId,
    suite: Suite,
    commitment: [u8; 32],
    data_key: DataKey,
}

fn key_id() -> KeyId {
    "kms/2026".parse().unwrap()
}

impl Row {
    fn new(suite: Suite, first: u8) -> Self {
        let mut data_key: Vec<u8> = (first..first + 32).collect();
        let data_key = DataKey::from_bytes(&mut data_key).unwrap();
        Self { key_id: key_id(), suite, commitment: [first; 32], data_key }
    }

    /// Returns two rows of each suite.
    fn all() -> [Self; 4] {
        let [gcm, chacha] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
        [Self::new(gcm, 0), Self::new(gcm, 1), Self::new(chacha, 0), Self::new(chacha, 1)]
    }

    fn wrap(&self) -> WrapRequest<'_> {
        WrapRequest::new(&self.key_id, self.suite, &self.commitment, &self.data_key)
    }

    fn unwrap<'a>(&'a self, body: &'a [u8]) -> UnwrapRequest<'a> {
        UnwrapRequest::new(&self.key_id, self.suite, &self.commitment, body)
    }
}

/// Returns the result of a future that waits for nobody, as the service never does.
fn ended<T>(mut future: ProviderFuture<'_, T>) -> T {
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}
