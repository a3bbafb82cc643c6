//! A provider's wrong reply is noticed: a different key, no key, or a body that does not fit.

use std::error::Error;
use std::sync::Arc;

use sealwax::{
    DataKey, Envelope, Field, FormatError, KeyError, KeyWrapper, Keyring, MasterKey,
    MasterKeyProvider, ProviderError, ProviderErrorKind, ProviderFuture, Suite, UnwrapRequest,
    WrapKind, WrapRequest,
};

use crate::fixtures::{
    acme, key_id, master_key, open_outcome, rewrap_outcome, seal_outcome, sealed,
};
use crate::providers::{FORMS, Fault, Log, When, old, remote, seal, secret, successor};

/// Wraps the data key that it was given, with this bit flipped.
struct Flips {
    key: MasterKey,
    bit: usize,
}

impl KeyWrapper for Flips {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let mut bytes = *request.data_key().expose_secret();
        bytes[self.bit / 8] ^= 1 << (self.bit % 8);
        let data_key = DataKey::from_bytes(&mut bytes).unwrap();
        let (id, suite) = (request.key_id(), request.suite());
        let lie = WrapRequest::new(id, suite, request.commitment(), &data_key);
        ProviderFuture::ready(self.key.wrap_key(lie).into_ready().unwrap())
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }
}

impl MasterKeyProvider for Flips {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.key.unwrap_key(request)
    }
}

#[test]
fn a_data_key_that_differs_in_any_one_bit_is_another() {
    let row = sealed(Suite::default(), 1);
    for bit in 0..256 {
        let ring = Keyring::new(key_id("next"), Flips { key: master_key(3), bit })
            .unwrap()
            .with_retired(key_id("prod"), master_key(1))
            .unwrap();
        assert_eq!(rewrap_outcome(&ring.rewrap(&row)), "unverified(next)", "bit {bit}");
        // Nobody can open what it seals.
        let sealed = ring.seal(&secret(), &acme()).unwrap();
        assert_eq!(open_outcome(&ring.open(&sealed, &acme())), "envelope_altered", "bit {bit}");
    }
}

#[test]
fn another_data_key_opens_nothing_and_is_noticed_when_it_is_wrapped() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    let current = seal(&ring);
    log.take_calls();
    let mut tried = 0;
    for form in FORMS {
        // When opening, the MAC does not verify under the wrong key, and the next provider is
        // asked.
        log.set_faults(&[(1, Fault::AnotherKey)]);
        assert_eq!(open_outcome(&form.open(&ring, &row)), "envelope_altered");
        assert_eq!(log.take_calls(), "unwrap:o");
        assert_eq!(open_outcome(&form.verify(&ring, &row)), "envelope_altered");
        assert_eq!(log.take_calls(), "unwrap:o");
        assert_eq!(form.open(&ring, &current).unwrap(), secret());
        assert_eq!(log.take_calls(), "unwrap:p unwrap:e");

        let rows = [
            (1, "envelope_altered"),
            // It wrapped a different data key than it was given.
            (2, "unverified(p)"),
            (3, "unverified(e)"),
            (4, "unverified(f)"),
            // It returns a different data key than it wrapped.
            (5, "unverified(p)"),
            (6, "unverified(e)"),
            (7, "unverified(f)"),
        ];
        for (call, expected) in rows {
            log.set_faults(&[(call, Fault::AnotherKey)]);
            let result = form.rewrap(&ring, &row);
            assert_eq!(rewrap_outcome(&result), expected, "at call {call}, {form:?}");
            assert!(!result.unwrap_err().is_transient());
            log.take_calls();
            tried += 1;
        }

        // A seal does not check the wrap. The envelope is rejected, or another wrap opens it.
        log.set_faults(&[(1, Fault::AnotherKey)]);
        let envelope = form.seal(&ring).unwrap();
        log.set_faults(&[]);
        log.take_calls();
        assert_eq!(form.open(&ring, &envelope).unwrap(), secret());
        assert_eq!(log.take_calls(), "unwrap:p unwrap:e");
        let primary = Keyring::new(key_id("p"), remote(1, When::Now, &log)).unwrap();
        assert_eq!(open_outcome(&form.open(&primary, &envelope)), "envelope_altered");
        log.take_calls();
    }
    assert_eq!(tried, FORMS.len() * 7);
}

#[test]
fn an_answer_that_is_no_data_key_is_refused_as_an_altered_wrap() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    for form in FORMS {
        for len in [0, 1, 16, 24, 31, 33, 64, 65_536] {
            log.set_faults(&[(1, Fault::KeyOf(len))]);
            log.take_calls();
            let opened = form.open(&old(When::Now, &log), &row);
            assert_eq!(open_outcome(&opened), "wrap_altered(o)", "{len} bytes, {form:?}");
            log.take_calls();
            let rewrapped = form.rewrap(&successor(When::Now, &log), &row);
            assert_eq!(rewrap_outcome(&rewrapped), "wrap_altered(o)", "{len} bytes, {form:?}");
            // When the rewrap checks what it has wrapped.
            log.set_faults(&[(5, Fault::KeyOf(len))]);
            log.take_calls();
            let rewrapped = form.rewrap(&successor(When::Now, &log), &row);
            assert_eq!(rewrap_outcome(&rewrapped), "unverified(p)", "{len} bytes, {form:?}");
        }
        // A control: 32 of the same bytes are the data key.
        log.set_faults(&[(1, Fault::KeyOf(32))]);
        log.take_calls();
        let opened = form.open(&old(When::Now, &log), &row);
        assert_eq!(open_outcome(&opened), "done", "{form:?}");
        log.take_calls();
    }

    let error = ProviderError::from(DataKey::from_bytes(&mut [7; 31]).unwrap_err());
    assert_eq!(error.kind(), ProviderErrorKind::Rejected);
    let source = error.source().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(KeyError::Length { expected: 32, found: 31, .. })));
    let error = ProviderError::from(DataKey::from_bytes(&mut [7; 32]).unwrap_err());
    let source = error.source().and_then(|source| source.downcast_ref());
    assert_eq!((error.kind(), source), (ProviderErrorKind::Rejected, Some(&KeyError::Weak)));
}

#[test]
fn a_body_that_fits_no_envelope_is_the_fault_of_its_provider() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    log.take_calls();
    let mut tried = 0;
    for form in FORMS {
        for len in [0, 65_535, 65_536, 131_072] {
            for (call, id) in [(1, "p"), (2, "e"), (3, "f")] {
                log.set_faults(&[(call, Fault::Body(vec![1; len]))]);
                let result = form.seal(&ring);
                let at = format!("{len} bytes from {id}, {form:?}");
                assert_eq!(seal_outcome(&result), format!("wrap({id}) Other"), "{at}");
                log.take_calls();

                // The source of the error says what is wrong with the wrap.
                let error = result.unwrap_err();
                assert!(!error.is_transient());
                let field = match error.source().unwrap().source().unwrap().downcast_ref() {
                    Some(FormatError::Malformed { field, .. }) => *field,
                    other => panic!("{at}: {other:?}"),
                };
                assert_eq!(field, Field::WrappedKey, "{at}");

                log.set_faults(&[(call + 1, Fault::Body(vec![1; len]))]);
                let result = form.rewrap(&ring, &row);
                assert_eq!(rewrap_outcome(&result), format!("wrap({id}) Other"), "{at}");
                log.take_calls();
                tried += 1;
            }
        }
        // The shortest and the longest possible body. A rewrap succeeds only with a wrap that
        // unwraps.
        for len in [1, 65_534] {
            log.set_faults(&[(2, Fault::Body(vec![1; len]))]);
            let envelope = form.seal(&ring).unwrap();
            assert_eq!(envelope.wrapped_keys().nth(1).unwrap().body(), vec![1; len]);
            log.take_calls();
            let text: Envelope = envelope.to_string().parse().unwrap();
            assert_eq!(text, envelope);
            assert_eq!(form.open(&ring, &text).unwrap(), secret());
            log.take_calls();
            log.set_faults(&[(3, Fault::Body(vec![1; len]))]);
            let result = form.rewrap(&ring, &row);
            assert_eq!(rewrap_outcome(&result), "unverified(e)", "{len} bytes, {form:?}");
            log.take_calls();
            tried += 1;
        }
    }
    assert_eq!(tried, FORMS.len() * (4 * 3 + 2));
}
