//! Over AES-KW (RFC 3394), which authenticates what it wraps and binds nothing.

use aes_kw::{KeyInit, KwAes256};
use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKeyProvider, ProviderError,
    ProviderErrorKind, ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};
use sealwax_branch::{BodyError, BranchKeys, Rebound, wrap_in_branch, wrap_in_rebound};
use sealwax_conformance::{Counted, Expect, Fault, Faulty, check};

use crate::service::{Row, Service, open, wrapped};

/// AES-KW under a key of its own.
struct Kw(KwAes256);

impl Kw {
    fn new() -> Self {
        Self(KwAes256::new(DataKey::generate().unwrap().expose_secret().into()))
    }

    fn of(key: &DataKey) -> Self {
        Self(KwAes256::new(key.expose_secret().into()))
    }
}

impl KeyWrapper for Kw {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let mut body = vec![0; 40];
        let key = request.data_key().expose_secret();
        let wrapped = self.0.wrap_key(key, &mut body).map(|_| ());
        ProviderFuture::ready(match wrapped {
            Ok(()) => Ok(body),
            Err(_) => Err(ProviderErrorKind::Other.into()),
        })
    }
}

impl MasterKeyProvider for Kw {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let mut key = [0; 32];
        let fits = request.body().len() == 40;
        let unwrapped = fits && self.0.unwrap_key(request.body(), &mut key).is_ok();
        ProviderFuture::ready(if unwrapped {
            DataKey::from_bytes(&mut key).map_err(ProviderError::from)
        } else {
            Err(ProviderErrorKind::Rejected.into())
        })
    }
}

#[test]
fn rebound_passes_the_kit_as_a_service_that_binds() {
    let expect = || Expect::default().other_key(Rebound::new(Kw::new()));
    let key_id = || "hsm/1".parse().unwrap();
    let report = pollster::block_on(check(Rebound::new(Kw::new()), key_id(), expect()));
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.passed(), report.not_run()), (31, 2), "{report}");
    // Without it, the kit finds that the service binds nothing.
    let bare = Expect::default().other_key(Kw::new());
    let report = pollster::block_on(check(Kw::new(), key_id(), bare));
    assert!(report.failures().any(|finding| finding.name() == "wrong_commitment"), "{report}");
    // Branch keys over it.
    let branches = BranchKeys::new(Rebound::new(Kw::new()), 7.try_into().unwrap());
    let report = pollster::block_on(check(branches, key_id(), expect()));
    assert!(report.is_ok(), "{report}");
}

/// Makes a row for a context under a data key that the thief knows, with a wrap that is there.
fn forged(data_key: &DataKey, kind: WrapKind, body: &[u8]) -> Envelope {
    /// Draws the data key, and then an IV.
    struct Drawn(Vec<u8>);
    impl rand_core::TryRng for Drawn {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.copy_from_slice(&self.0[..bytes.len()]);
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for Drawn {}
    let mut rng = Drawn([&data_key.expose_secret()[..], &[7; 12]].concat());
    let context = EncryptionContext::new([("tenant", "victim")]).unwrap();
    let draft =
        sealwax::Draft::new_with_rng(&"the thief's".into(), &context, Suite::default(), &mut rng)
            .unwrap();
    assert!(draft.data_key().expose_secret() == data_key.expose_secret());
    draft.finish(vec![WrappedKey::new("hsm/1".parse().unwrap(), kind, body).unwrap()]).unwrap()
}

/// One data key leaked, and the thief has its wrap from the table. Over the bare service, the thief can write a row for
/// anyone; with `Rebound`, for nobody.
#[test]
fn a_leaked_data_key_and_its_wrap_make_no_row_for_anyone_else() {
    let context = EncryptionContext::new([("tenant", "victim")]).unwrap();
    let key = DataKey::generate().unwrap();

    let (leaked, body) = wrapped(&Kw::of(&key)).unwrap();
    let bare = Keyring::new("hsm/1".parse().unwrap(), Kw::of(&key)).unwrap();
    let row = forged(&leaked.data_key, WrapKind::Provider, &body);
    assert!(bare.open(&row, &context).is_ok(), "the attack");

    let (leaked, body) = wrapped(&Rebound::new(Kw::of(&key))).unwrap();
    let bound = Keyring::new("hsm/1".parse().unwrap(), Rebound::new(Kw::of(&key))).unwrap();
    let row = forged(&leaked.data_key, WrapKind::Rebound, &body);
    let error = pollster::block_on(bound.open_async(&row, &context)).unwrap_err();
    assert_eq!(error.name(), "wrap_altered");
}

/// What the documentation warns of: the service key must never have wrapped a data key.
#[test]
fn a_service_key_that_once_wrapped_a_data_key_protects_nothing() {
    let kw = Kw::new();
    let (leaked, wrap) = wrapped(&kw).unwrap();
    let victim = Row::new();
    let local = sealwax::companion::IntermediateKey::new(&leaked.data_key).wrap(victim.wrap());
    let len = u16::try_from(wrap.len()).unwrap().to_be_bytes();
    assert_eq!(open(&Rebound::new(kw), &(victim, [&len[..], &wrap, &local].concat())), Ok(()));
}

/// What the documentation warns of: a provider under branch keys must bind.
#[test]
fn branch_keys_over_a_service_that_binds_nothing_protect_nothing() {
    let kw = Kw::new();
    let (leaked, wrap) = wrapped(&kw).unwrap();
    let victim = Row::new();
    let key = sealwax::companion::IntermediateKey::new(&leaked.data_key);
    let len = u16::try_from(wrap.len()).unwrap().to_be_bytes();
    let body = [&key.branch_id()[..], &len, &wrap, &key.wrap(victim.wrap())].concat();
    assert_eq!(wrap_in_branch(&body), Some(&wrap[..]));
    let over = |provider| BranchKeys::new(provider, 10.try_into().unwrap());
    assert_eq!(open(&over(kw), &(victim, body)), Ok(()));
    // With `Rebound` in between, over a new key.
    let rebound = BranchKeys::new(Rebound::new(Kw::new()), 10.try_into().unwrap());
    let row = wrapped(&rebound).unwrap();
    assert_eq!(open(&rebound, &row), Ok(()));
    let wrap = wrap_in_rebound(wrap_in_branch(&row.1).unwrap()).unwrap();
    assert_eq!(wrap.len(), 40);
    assert_eq!((wrap_in_branch(wrap), wrap_in_rebound(b"")), (None, None));
}

#[test]
fn a_batch_is_one_batch_and_a_bad_body_fails_alone() {
    let service = Counted::new(Kw::new());
    let rebound = Rebound::new(&service);
    let rows: Vec<_> = (0..5).map(|_| Row::new()).collect();
    let requests: Vec<_> = rows.iter().map(Row::wrap).collect();
    let bodies = pollster::block_on(rebound.wrap_keys(&requests));
    let mut bodies: Vec<_> = bodies.into_iter().map(Result::unwrap).collect();
    bodies[1].clear();
    bodies[3][5] ^= 1;
    let requests: Vec<_> = rows.iter().zip(&bodies).map(|(row, body)| row.unwrap(body)).collect();
    let keys = pollster::block_on(rebound.unwrap_keys(&requests));
    let opened: Vec<_> =
        rows.iter().zip(&keys).map(|(row, key)| key.as_ref().is_ok_and(|k| row.is_of(k))).collect();
    assert_eq!(opened, [true, false, true, false, true]);
    let counts = service.counts();
    assert_eq!((counts.wrap_batches, counts.wraps_in_batches), (1, 5));
    assert_eq!((counts.unwrap_batches, counts.unwraps_in_batches), (1, 4));
    assert_eq!((counts.wraps, counts.unwraps), (0, 0));
}

#[test]
fn a_wrap_is_current_as_the_service_says_of_its_part() {
    let rebound = Rebound::new(Service::new());
    let (_, body) = wrapped(&rebound).unwrap();
    assert!(rebound.is_current(&body));
    rebound.service().rotate();
    assert!(!rebound.is_current(&body));
    assert!(rebound.is_current(&wrapped(&rebound).unwrap().1));
    assert!(!rebound.is_current(b""));
}

#[test]
fn a_service_that_miscounts_or_makes_no_wrap_is_found() {
    let rows: Vec<_> = (0..3).map(|_| Row::new()).collect();
    let requests: Vec<_> = rows.iter().map(Row::wrap).collect();
    let short = Rebound::new(Faulty::new(Kw::new()).at(1, Fault::ShortBatch));
    let bodies = pollster::block_on(short.wrap_keys(&requests));
    assert_eq!(bodies.len(), 3);
    for body in bodies {
        let error = body.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let Some(BodyError::Miscounted { expected: 3, found: 2, .. }) = source.downcast_ref()
        else {
            panic!("{error:?}")
        };
    }
    for len in [0, 65_473] {
        let faulty = Rebound::new(Faulty::new(Kw::new()).at(1, Fault::BodyLen(len)));
        assert_eq!(wrapped(&faulty).err(), Some(ProviderErrorKind::Other));
    }
}
