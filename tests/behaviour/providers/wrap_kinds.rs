//! A provider is asked only about wraps of its own kind, and never about a reserved kind.

use std::sync::Arc;

use sealwax::{
    DataKey, Draft, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError,
    ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::fixtures::{
    Counting, SUITES, acme, key_id, master_key, open_outcome, rewrap_outcome, seal_outcome, sealed,
};
use crate::providers::{FORMS, Log, Remote, When, remote, seal, secret};

/// Returns an envelope with one wrap, for `p`, of any kind. Its body is what the key of [`remote`]
/// makes.
fn of_kind(kind: WrapKind, suite: Suite) -> Envelope {
    let draft = Draft::new_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
    let id = key_id("p");
    let request = WrapRequest::new(&id, suite, draft.commitment(), draft.data_key());
    let body = master_key(1).wrap_key(request).into_ready().unwrap().unwrap();
    let wrapped = WrappedKey::new(id, kind, &body).unwrap();
    draft.finish(vec![wrapped]).unwrap()
}

const KIND_BYTES: [u8; 10] = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x7f, 0x80, 0x81, 0xff];

/// Returns whether this build has providers of the kind. A sealing wrap needs a feature.
fn is_usable(byte: u8) -> bool {
    matches!(byte, 1 | 2 | 4 | 5 | 0x80..) || (byte == 3 && cfg!(feature = "hpke"))
}

/// A keyring's entry accepts the kind of its provider, but never a reserved kind.
#[test]
fn a_wrap_of_another_kind_is_refused_unasked_and_a_reserved_kind_always() {
    let mut opened = 0;
    let mut refused = 0;
    for in_row in KIND_BYTES {
        let row = of_kind(WrapKind::from_byte(in_row).unwrap(), Suite::Aes256Gcm);
        assert_eq!(Envelope::from_bytes(row.as_bytes()).unwrap(), row);
        for in_ring in KIND_BYTES {
            let log = Arc::new(Log::default());
            let provider = Remote {
                kind: WrapKind::from_byte(in_ring).unwrap(),
                ..remote(1, When::Now, &log)
            };
            let ring = Keyring::new(key_id("p"), provider).unwrap();
            for form in FORMS {
                let at = format!("{in_row:#04x} under {in_ring:#04x}, {form:?}");
                let usable = is_usable(in_row);
                if in_row == in_ring && usable {
                    assert_eq!(form.open(&ring, &row).unwrap(), secret(), "{at}");
                    assert_eq!(log.take_calls(), "unwrap:p", "{at}");
                    // A provider of a kind that is in memory (local, hpke) and that does not implement `is_current`
                    // is never current, because it might contain other key material than the one that wrapped the
                    // row.
                    assert_eq!(ring.is_current(&row), ![0x01, 0x03].contains(&in_row), "{at}");
                    opened += 1;
                    continue;
                }
                let expected = "wrong_wrap_kind(p)";
                assert_eq!(open_outcome(&form.open(&ring, &row)), expected, "{at}");
                assert_eq!(open_outcome(&form.verify(&ring, &row)), expected, "{at}");
                assert!(!ring.is_current(&row), "{at}");
                assert_eq!(rewrap_outcome(&form.rewrap(&ring, &row)), expected, "{at}");
                assert_eq!(log.take_calls(), "", "{at}");
                refused += 1;
            }
        }
    }
    let usable = if cfg!(feature = "hpke") { 8 } else { 7 };
    assert_eq!((opened, refused), (FORMS.len() * usable, FORMS.len() * (100 - usable)));
    assert_eq!(WrapKind::from_byte(0), None);
}

#[test]
fn nothing_is_sealed_or_rewrapped_under_a_reserved_kind() {
    let row = sealed(Suite::default(), 1);
    let mut tried = 0;
    for byte in KIND_BYTES {
        // The provider's body does not have the length of a sealing wrap.
        let usable = is_usable(byte) && byte != 3;
        let log = Arc::new(Log::default());
        let provider =
            Remote { kind: WrapKind::from_byte(byte).unwrap(), ..remote(1, When::Now, &log) };
        let ring = Keyring::new(key_id("p"), provider)
            .unwrap()
            .with_retired(key_id("prod"), master_key(1))
            .unwrap();
        for form in FORMS {
            let expected = if usable { "done" } else { "wrap(p) Other" };
            assert_eq!(seal_outcome(&form.seal(&ring)), expected, "{byte:#04x}, {form:?}");
            let rewrapped = form.rewrap(&ring, &row);
            assert_eq!(rewrap_outcome(&rewrapped), expected, "{byte:#04x}, {form:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 10 * FORMS.len());
}

/// Adds bytes to what a key returns, and says another kind.
struct Longer(MasterKey, WrapKind, usize);

impl KeyWrapper for Longer {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let body = self.0.wrap_key(request).into_ready().unwrap();
        ProviderFuture::ready(body.map(|body| [body, vec![0; self.2]].concat()))
    }

    fn kind(&self) -> WrapKind {
        self.1
    }
}

impl MasterKeyProvider for Longer {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }
}

#[test]
fn a_wrap_has_the_length_of_its_kind() {
    for (kind, more, is_sealed) in [
        (WrapKind::Local, 0, true),
        (WrapKind::Local, 1, false),
        (WrapKind::Hpke, 0, false),
        (WrapKind::Provider, 1, true),
    ] {
        let ring = Keyring::new(key_id("p"), Longer(master_key(1), kind, more)).unwrap();
        for form in FORMS {
            let expected = if is_sealed { "done" } else { "wrap(p) Other" };
            assert_eq!(seal_outcome(&form.seal(&ring)), expected, "{kind} and {more}, {form:?}");
        }
    }
}

#[test]
fn a_private_kind_goes_through_both_forms_and_a_rewrap() {
    let mut tried = 0;
    for suite in SUITES {
        for byte in [0x80, 0x9c, 0xff] {
            let log = Arc::new(Log::default());
            let kind = WrapKind::from_byte(byte).unwrap();
            let ring = Keyring::new(key_id("p"), Remote { kind, ..remote(1, When::Now, &log) })
                .unwrap()
                .with_retired(key_id("prod"), master_key(1))
                .unwrap()
                .with_suite(suite);
            let row = seal(&ring);
            let fresh = ring.rewrap(&sealed(suite, 1)).unwrap().unwrap();
            assert_eq!(fresh, row);
            for envelope in [
                row.to_string().parse().unwrap(),
                Envelope::from_bytes(row.as_bytes()).unwrap(),
                fresh,
            ] {
                assert_eq!(envelope, row);
                let wrapped = envelope.wrapped_keys().next().unwrap();
                assert_eq!((wrapped.kind(), wrapped.kind().byte()), (kind, byte));
                assert_eq!(ring.open(&envelope, &acme()).unwrap(), secret());
                assert!(ring.is_current(&envelope));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 3 * 3);
}
