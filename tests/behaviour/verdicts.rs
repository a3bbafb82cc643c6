//! If several wraps fail, which failure is reported: a key that was not asked may open the row, a
//! transient failure may open it later, and the others are final.

use sealwax::{
    DataKey, Envelope, KeyError, KeyWrapper, Keyring, MasterKeyProvider, OpenError, ProviderFuture,
};
use sealwax::{ProviderError, ProviderErrorKind, RewrapError, Secret, Suite, UnwrapError};
use sealwax::{UnwrapRequest, WrapKind};
use sealwax::{WrapRequest, triplet};

use crate::fixtures::{CREDENTIAL, acme, counted_data_key, key_id, master_key, open_outcome};
use crate::fixtures::{rewrap_outcome, sealed, verdicts};
use crate::providers::{KINDS, is_transient};

#[test]
fn the_error_of_a_key_in_memory_has_no_source() {
    let row = sealed(Suite::default(), 1);
    let ring = Keyring::new(key_id("prod"), master_key(2)).unwrap();
    assert!(matches!(ring.verify(&row), Err(UnwrapError::WrongKeyMaterial { source: None, .. })));
}

/// What happens when a key is asked to unwrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// An error of this kind, at once.
    Fails(ProviderErrorKind),
    /// The same error, later: an operation that does not wait cannot ask.
    FailsLater(ProviderErrorKind),
    /// A different data key.
    Lies,
    /// Nothing: the key's kind differs from the wrap's.
    OtherKind,
}

/// Wraps to a constant body, and fails to unwrap.
struct Key(Comes);

impl KeyWrapper for Key {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Ok(b"body".to_vec()))
    }

    fn kind(&self) -> WrapKind {
        match self.0 {
            Comes::OtherKind => WrapKind::from_byte(0x80).unwrap(),
            _ => WrapKind::Provider,
        }
    }
}

impl MasterKeyProvider for Key {
    fn unwrap_key<'a>(
        &'a self,
        _: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        match self.0 {
            Comes::Fails(kind) => ProviderFuture::ready(Err(kind.into())),
            Comes::FailsLater(kind) => ProviderFuture::boxed(async move { Err(kind.into()) }),
            Comes::Lies => ProviderFuture::ready(Ok(counted_data_key(200))),
            Comes::OtherKind => panic!("asked about a wrap of another kind"),
        }
    }
}

fn every_way() -> Vec<Comes> {
    let now = KINDS.map(Comes::Fails);
    let later = [ProviderErrorKind::Denied, ProviderErrorKind::Throttled].map(Comes::FailsLater);
    [now.as_slice(), &later, &[Comes::Lies, Comes::OtherKind]].concat()
}

/// Returns how one failure is reported, and its rank: 0 not asked, 1 transient, 2 final.
fn alone(comes: Comes, id: &str, waits: bool) -> (u8, String) {
    match comes {
        Comes::FailsLater(_) if !waits => (0, format!("would_block({id})")),
        Comes::Fails(kind) | Comes::FailsLater(kind) => {
            let told = match kind {
                ProviderErrorKind::WrongKeyMaterial => format!("wrong_key_material({id})"),
                ProviderErrorKind::Rejected => format!("wrap_altered({id})"),
                ProviderErrorKind::Disabled => format!("key_disabled({id})"),
                _ => format!("provider({id}) {kind:?}"),
            };
            (if is_transient(kind) { 1 } else { 2 }, told)
        }
        Comes::Lies => (2, "envelope_altered".to_owned()),
        Comes::OtherKind => (2, format!("wrong_wrap_kind({id})")),
    }
}

/// Returns the first failure with the lowest rank.
fn expected(ways: &[Comes], waits: bool) -> (u8, String) {
    let all = ways.iter().zip(["a", "b", "c"]).map(|(way, id)| alone(*way, id, waits));
    // `min_by_key` returns the first of several minimal elements; `max_by` would return the last.
    all.min_by_key(|(rank, _)| *rank).unwrap()
}

fn row() -> Envelope {
    let key = || Key(Comes::Lies);
    Keyring::new(key_id("a"), key())
        .unwrap()
        .with_escrow(key_id("b"), key())
        .and_then(|ring| ring.with_escrow(key_id("c"), key()))
        .unwrap()
        .seal(&Secret::from(CREDENTIAL), &acme())
        .unwrap()
}

/// Each way of failing for each of three keys, in every order, with all three operations in both of
/// their forms.
#[test]
fn what_was_not_asked_is_told_before_what_may_pass_before_what_is_final() {
    let row = row();
    let ways = every_way();
    assert_eq!(ways.len(), 13);
    let (mut ranks, mut behind_final, mut tried) = ([0; 3], 0, 0);
    for a in &ways {
        for b in &ways {
            for c in &ways {
                // Three retired keys of one keyring are tried in the keyring's order.
                let ring = Keyring::new(key_id("mine"), master_key(9))
                    .unwrap()
                    .with_retired(key_id("a"), Key(*a))
                    .and_then(|ring| ring.with_retired(key_id("b"), Key(*b)))
                    .and_then(|ring| ring.with_retired(key_id("c"), Key(*c)))
                    .unwrap();
                let found = verdicts(&ring, &row, &acme());
                let now = expected(&[*a, *b, *c], false);
                let later = expected(&[*a, *b, *c], true);
                for (place, found) in found.iter().enumerate() {
                    let (rank, told) = if place < 3 { &now } else { &later };
                    assert_eq!(found, told, "{a:?}, {b:?}, {c:?}, operation {place}");
                    ranks[usize::from(*rank)] += 1;
                    tried += 1;
                }
                behind_final += usize::from(now.0 < 2 && alone(*a, "a", false).0 == 2);
            }
        }
    }
    assert_eq!(tried, 13 * 13 * 13 * 6);
    // Two of the thirteen would block. When the caller waits, one of these fails transiently and one
    // for good.
    let not_asked = 13_usize.pow(3) - 11_usize.pow(3);
    let passing = [11_usize.pow(3) - 9_usize.pow(3), 13_usize.pow(3) - 10_usize.pow(3)];
    let fatal = [9_usize.pow(3), 10_usize.pow(3)];
    assert_eq!(ranks, [not_asked, passing[0] + passing[1], fatal[0] + fatal[1]].map(|n| 3 * n));
    assert_eq!(behind_final, 9 * (13 * 13 - 9 * 9));
}

/// A caller that wants to try again only when that is useful asks the error.
#[test]
fn an_error_says_that_it_may_pass_exactly_where_one_of_the_failures_may() {
    let row = row();
    let mut passing = 0;
    for first in KINDS {
        for second in KINDS {
            let ring = Keyring::new(key_id("a"), Key(Comes::Fails(first)))
                .unwrap()
                .with_retired(key_id("b"), Key(Comes::Fails(second)))
                .unwrap();
            let expected = is_transient(first) || is_transient(second);
            let at = format!("{first:?}, {second:?}");
            let errors: [OpenError; 4] = [
                ring.open(&row, &acme()).map(drop).unwrap_err(),
                ring.verify(&row).unwrap_err().into(),
                pollster::block_on(ring.open_async(&row, &acme())).map(drop).unwrap_err(),
                pollster::block_on(ring.verify_async(&row)).unwrap_err().into(),
            ];
            for error in errors {
                assert_eq!(error.is_transient(), expected, "{at}: {error}");
            }
            let errors: [RewrapError; 2] = [
                ring.rewrap(&row).unwrap_err(),
                pollster::block_on(ring.rewrap_async(&row)).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.is_transient(), expected, "{at}: {error}");
            }
            passing += usize::from(expected);
        }
    }
    assert_eq!(passing, 81 - 49);
}

/// A key that opens compensates for every failure, before it or after it.
#[test]
fn a_wrap_that_opens_is_found_among_failures_of_every_kind() {
    let seal = |ring: &Keyring| ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    let ring = Keyring::new(key_id("a"), Key(Comes::Lies))
        .unwrap()
        .with_escrow(key_id("b"), Key(Comes::Lies))
        .and_then(|ring| ring.with_escrow(key_id("good"), master_key(1)))
        .unwrap();
    let row = seal(&ring);
    let mut tried = 0;
    for a in every_way() {
        for b in every_way() {
            // A primary that fails is tried first, a retired service last.
            let ring = Keyring::new(key_id("a"), Key(a))
                .unwrap()
                .with_retired(key_id("b"), Key(b))
                .and_then(|ring| ring.with_retired(key_id("good"), master_key(1)))
                .unwrap();
            for opened in
                [ring.open(&row, &acme()), pollster::block_on(ring.open_async(&row, &acme()))]
            {
                assert_eq!(open_outcome(&opened), "done", "{a:?}, {b:?}");
                assert!(opened.unwrap().expose_secret() == CREDENTIAL.as_bytes());
            }
            let last = Keyring::new(key_id("good"), master_key(7))
                .unwrap()
                .with_retired(key_id("a"), Key(a))
                .unwrap();
            let rewrapped = rewrap_outcome(&last.rewrap(&row));
            // The local key has other material, which is final, so a transient failure is reported
            // before it.
            let (rank, told) = alone(a, "a", false);
            let told = if rank < 2 { told } else { "wrong_key_material(good)".to_owned() };
            assert_eq!(rewrapped, told, "{a:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 169);
}

/// If a service's reply is not a data key, the error says so; an error of a generator says nothing
/// about the reply.
#[test]
fn a_key_error_becomes_a_provider_s_error_by_what_it_says_of_the_answer() {
    let short = DataKey::from_bytes(&mut [1; 31]).unwrap_err();
    let weak = DataKey::from_bytes(&mut [1; 32]).unwrap_err();
    let malformed = "swk1_".parse::<sealwax::MasterKey>().unwrap_err();
    let text = master_key(1).to_text();
    let typo = text.expose_str().unwrap().replacen("swk1_", "swk1_A", 1);
    let checksum = typo[..53].parse::<sealwax::MasterKey>().unwrap_err();
    let encoding = triplet::TripletKey::from_hex("x").unwrap_err();
    let random = DataKey::generate_with_rng(&mut crate::fixtures::Scripted(vec![])).unwrap_err();
    let rows = [
        (short, ProviderErrorKind::Rejected),
        (weak, ProviderErrorKind::Rejected),
        (malformed, ProviderErrorKind::Rejected),
        (checksum, ProviderErrorKind::Rejected),
        (encoding, ProviderErrorKind::Rejected),
        (random, ProviderErrorKind::Other),
    ];
    assert!(matches!(rows[0].0, KeyError::Length { expected: 32, found: 31, .. }));
    assert!(matches!(rows[4].0, KeyError::Encoding { .. }), "{:?}", rows[4].0);
    let variants = [rows[1].0, rows[2].0, rows[3].0, rows[5].0];
    let expected = [KeyError::Weak, KeyError::Malformed, KeyError::Checksum, KeyError::Random];
    assert_eq!(variants, expected);
    for (error, kind) in rows {
        let became = ProviderError::from(error);
        assert_eq!(became.kind(), kind, "{error}");
        assert!(!became.is_transient(), "{error}");
        let source = core::error::Error::source(&became).unwrap().to_string();
        assert_eq!(source, error.to_string());
    }
    // So a service that returns half a key, or zeros, is reported as an altered wrap.
    let told = |key: &'static [u8]| {
        struct Half(&'static [u8]);
        impl KeyWrapper for Half {
            fn wrap_key<'a>(
                &'a self,
                _: WrapRequest<'a>,
            ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
                ProviderFuture::ready(Ok(vec![1]))
            }
        }

        impl MasterKeyProvider for Half {
            fn unwrap_key<'a>(
                &'a self,
                _: UnwrapRequest<'a>,
            ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
                ProviderFuture::ready(DataKey::from_bytes(&mut self.0.to_vec()).map_err(Into::into))
            }
        }
        verdicts(&Keyring::new(key_id("a"), Half(key)).unwrap(), &row(), &acme())[0].clone()
    };
    assert_eq!([told(&[7; 16]), told(&[0; 32])], ["wrap_altered(a)", "wrap_altered(a)"]);
}
