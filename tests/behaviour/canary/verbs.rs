//! No error of an operation shows a secret, whatever a key, a provider or a row does.

use std::future;

use sealwax::{
    DataKey, Draft, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, OpenEvent,
    OpenRecorder, ProviderError, ProviderErrorKind, ProviderFuture, RecorderError, Secret, Suite,
    UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::canary::{
    DRAWN, OTHER, PLAINTEXT, PRIMARY, RETIRED, Shown, acme, data_key, drawn, key, row, scanner,
    secret,
};
use crate::fixtures::{Scripted, context, key_id};

/// A remote key that always fails, or replies later.
struct Failing(Option<ProviderErrorKind>);

impl KeyWrapper for Failing {
    fn wrap_key<'a>(
        &'a self,
        _request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        match self.0 {
            Some(kind) => ProviderFuture::ready(Err(ProviderError::new(kind, "as requested"))),
            None => ProviderFuture::boxed(future::pending()),
        }
    }
}

impl MasterKeyProvider for Failing {
    fn unwrap_key<'a>(
        &'a self,
        _request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        match self.0 {
            Some(kind) => ProviderFuture::ready(Err(ProviderError::new(kind, "as requested"))),
            None => ProviderFuture::boxed(future::pending()),
        }
    }
}

/// A key that wraps anything and unwraps it to another key.
struct Forgetful;

impl KeyWrapper for Forgetful {
    fn wrap_key<'a>(
        &'a self,
        _request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Ok(vec![1]))
    }
}

impl MasterKeyProvider for Forgetful {
    fn unwrap_key<'a>(
        &'a self,
        _request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::ready(Ok(DataKey::from_bytes(&mut OTHER.clone()).unwrap()))
    }
}

/// A recorder that fails.
struct Fails(RecorderError);

impl OpenRecorder for Fails {
    fn record<'a>(&'a self, _: &'a OpenEvent<'a>) -> ProviderFuture<'a, Result<(), RecorderError>> {
        ProviderFuture::ready(Err(self.0.clone()))
    }
}

/// Returns the row with a bit flipped in the byte at `offset` from its end.
fn altered(row: &Envelope, offset: usize) -> Envelope {
    let mut bytes = row.as_bytes().to_vec();
    let at = bytes.len() - offset;
    bytes[at] ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

fn provider_kinds() -> [ProviderErrorKind; 9] {
    [
        ProviderErrorKind::NotFound,
        ProviderErrorKind::Unauthenticated,
        ProviderErrorKind::Denied,
        ProviderErrorKind::Disabled,
        ProviderErrorKind::Throttled,
        ProviderErrorKind::Unavailable,
        ProviderErrorKind::WrongKeyMaterial,
        ProviderErrorKind::Rejected,
        ProviderErrorKind::Other,
    ]
}

#[test]
fn no_error_of_a_verb_shows_a_secret() {
    let mut shown = Shown::default();
    let prod = || Keyring::new(key_id("prod"), key(PRIMARY)).unwrap();
    let other = || Keyring::new(key_id("next"), key(OTHER)).unwrap();
    let row = row(Suite::default());
    let len = row.ciphertext().len();

    // Sealing
    let sealed = prod().seal_with_rng(&secret(), &acme(), &mut Scripted(vec![]));
    shown.variant("SealError", "randomness that fails", &sealed.unwrap_err());
    let zeros = Scripted(vec![[&DRAWN[..32], &[0; 12]].concat()]);
    let sealed = prod().seal_with_rng(&secret(), &acme(), &mut { zeros });
    shown.variant("SealError", "an IV of zeros", &sealed.unwrap_err());
    let long = Secret::from(PLAINTEXT.repeat(16 * 1024 * 1024 / PLAINTEXT.len() + 1));
    let sealed = prod().seal_with_rng(&long, &acme(), &mut drawn());
    shown.variant("SealError", "a long plaintext", &sealed.unwrap_err());
    let remote = Keyring::new(key_id("kms"), Failing(None)).unwrap();
    let sealed = remote.seal_with_rng(&secret(), &acme(), &mut drawn());
    shown.variant("SealError", "a remote key", &sealed.unwrap_err());
    let opens = Keyring::opening_only().with_retired(key_id("prod"), key(PRIMARY)).unwrap();
    let sealed = opens.seal_with_rng(&secret(), &acme(), &mut drawn());
    shown.variant("SealError", "no primary", &sealed.unwrap_err());
    shown.variant("RewrapError", "no primary", &opens.rewrap(&row).unwrap_err());

    // Opening, verifying and rewrapping with keyrings that each refuse in a different way
    let damaged = [
        ("an altered MAC", altered(&row, len + 16 + 12 + 1)),
        ("an altered tag", altered(&row, len + 1)),
        ("an altered wrap", altered(&row, len + 16 + 12 + 16 + 32 + 1)),
        ("a check value that was altered", altered(&row, len + 16 + 12 + 16 + 32 + 60)),
        ("a ciphertext that was altered", altered(&row, 1)),
    ];
    let other_context = context(&[("tenant", "other")]);
    let mut rings = vec![
        ("a ring without the key", other()),
        ("a disabled key", other().with_disabled(key_id("prod")).unwrap()),
        ("a leaked key", other().with_leaked(key_id("prod")).unwrap()),
        ("a destroyed key", other().with_destroyed(key_id("prod")).unwrap()),
        ("other material", other().with_retired(key_id("prod"), key(RETIRED)).unwrap()),
        (
            "a provider for a local key",
            other().with_retired(key_id("prod"), Failing(None)).unwrap(),
        ),
        ("a provider that cannot unwrap what it wraps", {
            Keyring::new(key_id("kms"), Forgetful)
                .unwrap()
                .with_retired(key_id("prod"), key(PRIMARY))
                .unwrap()
        }),
        ("a remote key to wrap for", {
            Keyring::new(key_id("kms"), Failing(None))
                .unwrap()
                .with_retired(key_id("prod"), key(PRIMARY))
                .unwrap()
        }),
    ];
    let draft = Draft::new_with_rng(&secret(), &acme(), Suite::default(), &mut drawn());
    let body = WrappedKey::new(key_id("kms"), WrapKind::Provider, b"opaque").unwrap();
    let remote_row = draft.unwrap().finish(vec![body]).unwrap();
    for kind in provider_kinds() {
        rings.push((
            "a provider that fails",
            Keyring::new(key_id("kms"), Failing(Some(kind))).unwrap(),
        ));
        let sealed = Keyring::new(key_id("kms"), Failing(Some(kind))).unwrap();
        let sealed = sealed.seal_with_rng(&secret(), &acme(), &mut drawn());
        shown.variant("SealError", "a provider that fails", &sealed.unwrap_err());
    }
    rings.push(("a provider that waits", Keyring::new(key_id("kms"), Failing(None)).unwrap()));
    rings.push((
        "a provider that returns another key",
        Keyring::new(key_id("kms"), Forgetful).unwrap(),
    ));
    rings.push((
        "a retired provider that fails",
        other().with_retired(key_id("kms"), Failing(Some(ProviderErrorKind::Denied))).unwrap(),
    ));
    rings.push(("the right ring", prod()));
    rings.push(("its successor", other().with_retired(key_id("prod"), key(PRIMARY)).unwrap()));

    let intact = [("an intact row", row.clone()), ("a remote row", remote_row)];
    for (what, envelope) in intact.iter().chain(&damaged) {
        for (name, ring) in &rings {
            let what = format!("{what} under {name}");
            for context in [&acme(), &other_context] {
                match ring.open(envelope, context) {
                    Ok(secret) => shown.value(&what, &secret),
                    Err(error) => shown.variant("OpenError", &what, &error),
                }
            }
            if let Err(error) = ring.verify(envelope) {
                shown.variant("OpenError", &what, &error);
            }
            match ring.rewrap(envelope) {
                Ok(fresh) => shown.value(&what, &fresh),
                Err(error) => shown.variant("RewrapError", &what, &error),
            }
        }
    }
    for error in [RecorderError::new("full"), RecorderError::transient("locked")] {
        let unrecorded = prod().with_recorder(Fails(error)).open(&row, &acme()).unwrap_err();
        shown.variant("OpenError", "a recorder that fails", &unrecorded);
    }
    let tests = Keyring::new(key_id("test/a"), MasterKey::generate_for_tests(1)).unwrap();
    let of_tests = tests.seal(&PLAINTEXT.into(), &acme()).unwrap();
    shown.variant("OpenError", "a test key", &prod().open(&of_tests, &acme()).unwrap_err());
    shown.variant("RewrapError", "a test key", &prod().rewrap(&of_tests).unwrap_err());
    let none = row.rewrap_with(&data_key(), vec![]).unwrap_err();
    shown.variant("RewrapError", "no wraps", &none);
    // A provider that fails to wrap during a rewrap
    let failing = Keyring::new(key_id("kms"), Failing(Some(ProviderErrorKind::Denied)))
        .unwrap()
        .with_retired(key_id("prod"), key(PRIMARY))
        .unwrap();
    shown.variant("RewrapError", "a wrap that is denied", &failing.rewrap(&row).unwrap_err());

    shown.assert_variants("SealError", &["NoPrimary", "Random", "TooLong", "WouldBlock", "Wrap"]);
    shown.assert_variants(
        "OpenError",
        &[
            "ContextMismatch",
            "EnvelopeAltered",
            "KeyDestroyed",
            "KeyDisabled",
            "KeyLeaked",
            "NotRecorded",
            "PayloadAltered",
            "Provider",
            "TestKey",
            "UnknownKey",
            "WouldBlock",
            "WrapAltered",
            "WrongKeyMaterial",
            "WrongWrapKind",
        ],
    );
    shown.assert_variants(
        "RewrapError",
        &[
            "EnvelopeAltered",
            "InvalidWraps",
            "KeyDestroyed",
            "KeyDisabled",
            "KeyLeaked",
            "NoPrimary",
            "Provider",
            "TestKey",
            "UnknownKey",
            "Unverified",
            "WouldBlock",
            "Wrap",
            "WrapAltered",
            "WrongKeyMaterial",
            "WrongWrapKind",
        ],
    );
    shown.assert_clean(&scanner(), 1000);
}
