//! Errors: every variant that can be provoked, and the data that it carries for an operator.

use std::{collections::BTreeSet, error::Error, time::Duration};

use sealwax::{
    ContextError, DataKey, Draft, EncryptionContext, Envelope, ErrorClass, FormatError, KeyError,
    KeyId, Keyring, KeyringError, MasterKey, OpenError, ProviderError, ProviderErrorKind,
    RewrapError, RowError, SealError, Secret, Suite, UnwrapError, WrapKind, WrappedKey,
    triplet::{IvLen, Layout, Triplet, TripletError, TripletKey},
};

use crate::{
    Dry, Lies, Refuses, Remote, Service, at, context, cut, flipped, id, key, key_text, ring,
    rotated, sealed, sealed_by, secret,
};

/// The data of every error.
trait Data: Error + Clone + Send + Sync + 'static {
    fn says(&self) -> (ErrorClass, &'static str);
}

/// The additional data of an error of an operation, a row or a provider.
trait Acted: Data {
    fn passes(&self) -> bool;
    fn wait(&self) -> Option<Duration>;
    fn of_key(&self) -> Option<&KeyId>;
}

macro_rules! data {
    ($($error:ty),+) => {$(
        impl Data for $error {
            fn says(&self) -> (ErrorClass, &'static str) {
                let class: ErrorClass = self.class();
                let name: &'static str = self.name();
                (class, name)
            }
        }
    )+};
}

macro_rules! acted {
    ($($error:ty),+) => {$(
        impl Acted for $error {
            fn passes(&self) -> bool {
                self.is_transient()
            }

            fn wait(&self) -> Option<Duration> {
                self.retry_after()
            }

            fn of_key(&self) -> Option<&KeyId> {
                self.key_id()
            }
        }
    )+};
}

data!(ContextError, FormatError, KeyError, KeyringError, TripletError);
data!(SealError, OpenError, UnwrapError, RewrapError, RowError, ProviderError);
acted!(SealError, OpenError, UnwrapError, RewrapError, RowError, ProviderError);

/// Asserts the class, and that a clone gives the same data. Returns the name.
#[track_caller]
fn is<T: Data>(error: &T, class: ErrorClass) -> &'static str {
    let (found, name) = error.says();

    assert_eq!(found, class, "{error}");
    assert!(!name.is_empty());
    assert_eq!(error.clone().says(), (found, name));
    assert_eq!(error.clone().to_string(), error.to_string());
    name
}

/// Like `is`, and asserts that the error is transient only if its class is.
#[track_caller]
fn acts<T: Acted>(error: &T, class: ErrorClass) -> &'static str {
    assert_eq!(error.passes(), class == ErrorClass::Transient, "{error}");
    is(error, class)
}

fn row_error(ring: &Keyring, row: &str) -> RowError {
    let batch = ring.rewrap_batch([((), row)]);
    let failure = batch.failures.into_iter().next();
    failure.unwrap().1
}

fn unwrap_error(ring: &Keyring) -> UnwrapError {
    ring.verify(&sealed()).unwrap_err()
}

fn throttled() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Throttled, "slow down")
        .with_retry_after(Duration::from_secs(3))
}

/// Returns a keyring without the key of `sealed()`.
fn rotated_without_key() -> Keyring {
    Keyring::new(id("prod-2027"), key(1)).unwrap()
}

/// Returns a keyring that opens through a provider with this error.
fn opens_by(error: &ProviderError) -> Keyring {
    rotated_without_key().with_retired(id("kms"), Refuses(error.clone())).unwrap()
}

/// Returns a keyring that wraps through a provider with this error.
fn wraps_by(error: &ProviderError) -> Keyring {
    Keyring::new(id("kms"), Refuses(error.clone()))
        .unwrap()
        .with_retired(id("prod-2026"), key(0))
        .unwrap()
}

#[test]
fn what_a_providers_error_is_the_verbs_errors_are() {
    let by_service = sealed_by(&Keyring::new(id("kms"), Service { mask: 1 }).unwrap());
    for (kind, class) in [
        (ProviderErrorKind::Throttled, ErrorClass::Transient),
        (ProviderErrorKind::Unavailable, ErrorClass::Transient),
        (ProviderErrorKind::Rejected, ErrorClass::Altered),
        (ProviderErrorKind::Disabled, ErrorClass::Refused),
        (ProviderErrorKind::NotFound, ErrorClass::Misconfigured),
        (ProviderErrorKind::Denied, ErrorClass::Misconfigured),
        (ProviderErrorKind::Unauthenticated, ErrorClass::Misconfigured),
        (ProviderErrorKind::WrongKeyMaterial, ErrorClass::Misconfigured),
        (ProviderErrorKind::Other, ErrorClass::Misconfigured),
    ] {
        let error = ProviderError::from(kind);
        acts(&error, class);

        let ring = opens_by(&error);
        acts(&ring.verify(&by_service).unwrap_err(), class);
        acts(&ring.open(&by_service, &context()).unwrap_err(), class);
        acts(&ring.rewrap(&by_service).unwrap_err(), class);
        acts(&row_error(&ring, &by_service.to_string()), class);

        let ring = wraps_by(&error);
        acts(&ring.seal(&secret(), &context()).unwrap_err(), class);
        acts(&ring.rewrap(&sealed()).unwrap_err(), class);
        acts(&row_error(&ring, &sealed().to_string()), class);
    }
}

#[test]
fn how_long_to_wait_and_for_which_key_is_handed_on() {
    let by_service = sealed_by(&Keyring::new(id("kms"), Service { mask: 1 }).unwrap());
    #[track_caller]
    fn hands_on<T: Acted>(error: &T) {
        assert!(error.passes());
        assert_eq!(error.wait(), Some(Duration::from_secs(3)), "{error}");
        assert_eq!(error.of_key(), Some(&id("kms")), "{error}");
    }
    let opens = opens_by(&throttled());
    let wraps = wraps_by(&throttled());

    hands_on(&opens.verify(&by_service).unwrap_err());
    hands_on(&opens.open(&by_service, &context()).unwrap_err());
    hands_on(&opens.rewrap(&by_service).unwrap_err());
    hands_on(&row_error(&opens, &by_service.to_string()));
    hands_on(&wraps.seal(&secret(), &context()).unwrap_err());
    hands_on(&wraps.rewrap(&sealed()).unwrap_err());
    hands_on(&row_error(&wraps, &sealed().to_string()));

    assert_eq!(throttled().wait(), Some(Duration::from_secs(3)));
    assert_eq!(throttled().of_key(), None);
}

#[test]
fn an_error_without_a_key_or_a_wait_says_none() {
    let mismatch = ring().open(&sealed(), &EncryptionContext::empty()).unwrap_err();
    assert_eq!(mismatch.key_id(), None);
    assert_eq!(mismatch.retry_after(), None);
    assert!(!mismatch.is_transient());

    let random = ring().seal_with_rng(&secret(), &context(), &mut Dry).unwrap_err();
    assert_eq!(random.key_id(), None);
    assert_eq!(random.retry_after(), None);
    assert!(!random.is_transient());
}

#[test]
fn gone() {
    let ring = rotated_without_key().with_destroyed(id("prod-2026")).unwrap();
    let error = unwrap_error(&ring);

    assert_eq!(error.of_key(), Some(&id("prod-2026")));
    acts(&error, ErrorClass::Gone);
    acts(&ring.open(&sealed(), &context()).unwrap_err(), ErrorClass::Gone);
    acts(&ring.rewrap(&sealed()).unwrap_err(), ErrorClass::Gone);
    acts(&row_error(&ring, &sealed().to_string()), ErrorClass::Gone);
}

#[test]
fn altered() {
    let envelope = sealed();
    for row in [
        flipped(&envelope, at::SALT),
        flipped(&envelope, at::COMMITMENT),
        flipped(&envelope, at::MAC),
        flipped(&envelope, at::TAG),
        cut(&envelope),
    ] {
        acts(&ring().verify(&row).unwrap_err(), ErrorClass::Altered);
        acts(&ring().open(&row, &context()).unwrap_err(), ErrorClass::Altered);
        acts(&rotated().rewrap(&row).unwrap_err(), ErrorClass::Altered);
        acts(&row_error(&rotated(), &row.to_string()), ErrorClass::Altered);
    }
    let payload = flipped(&envelope, at::CIPHERTEXT);
    acts(&ring().open(&payload, &context()).unwrap_err(), ErrorClass::Altered);
    let empty = EncryptionContext::empty();
    acts(&ring().open(&envelope, &empty).unwrap_err(), ErrorClass::Altered);

    let malformed = "nonsense".parse::<Envelope>().unwrap_err();
    assert!(matches!(malformed, FormatError::Malformed { .. }));
    is(&malformed, ErrorClass::Altered);
    acts(&row_error(&ring(), "nonsense"), ErrorClass::Altered);
}

#[test]
fn a_triplets_errors_are_altered_refused_or_a_bug() {
    let iv = || IvLen::Twelve;
    let key = TripletKey::insecure_sha256_of("abc");
    let other = TripletKey::insecure_sha256_of("another key");
    let triplet = key.encrypt(&Secret::from("sk-1"), iv()).unwrap();

    let malformed = Triplet::parse("nonsense", Layout::HEX_IV12_TAG_CIPHERTEXT).err().unwrap();
    assert!(matches!(malformed, TripletError::Malformed { .. }));
    is(&malformed, ErrorClass::Altered);

    let not_authentic = other.decrypt(&triplet).unwrap_err();
    assert!(matches!(not_authentic, TripletError::NotAuthentic));
    is(&not_authentic, ErrorClass::Altered);

    let weak = key.encrypt(&Secret::from([7_u8; 32].as_slice()), iv()).unwrap();
    let weak = key.unwrap_key(&weak).err().unwrap();
    assert!(matches!(weak, TripletError::Key { .. }));
    is(&weak, ErrorClass::Altered);

    let too_long = key.encrypt(&Secret::from(vec![0_u8; 16_777_217]), iv()).err().unwrap();
    assert!(matches!(too_long, TripletError::TooLong));
    is(&too_long, ErrorClass::Refused);

    let layout = triplet.encode(Layout::HEX_IV16_TAG_CIPHERTEXT).unwrap_err();
    assert!(matches!(layout, TripletError::Layout { .. }));
    is(&layout, ErrorClass::Bug);
}

#[test]
fn misconfigured_rings_and_rows() {
    let unknown = unwrap_error(&rotated_without_key());
    assert!(matches!(unknown, UnwrapError::UnknownKey { .. }));
    acts(&unknown, ErrorClass::Misconfigured);

    let other = unwrap_error(&Keyring::new(id("prod-2026"), key(1)).unwrap());
    assert!(matches!(other, UnwrapError::WrongKeyMaterial { .. }));
    acts(&other, ErrorClass::Misconfigured);

    let kind = unwrap_error(&Keyring::new(id("prod-2026"), Service { mask: 1 }).unwrap());
    assert!(matches!(kind, UnwrapError::WrongWrapKind { .. }));
    acts(&kind, ErrorClass::Misconfigured);

    let auditor = Keyring::opening_only().with_retired(id("prod-2026"), key(0)).unwrap();
    acts(&auditor.seal(&secret(), &context()).unwrap_err(), ErrorClass::Misconfigured);
    acts(&auditor.rewrap(&sealed()).unwrap_err(), ErrorClass::Misconfigured);

    let lies = Keyring::new(id("kms"), Lies).unwrap();
    let lies = lies.with_retired(id("prod-2026"), key(0)).unwrap();
    let unverified = lies.rewrap(&sealed()).unwrap_err();
    assert!(matches!(unverified, RewrapError::Unverified { .. }));
    assert_eq!(unverified.of_key(), Some(&id("kms")));
    acts(&unverified, ErrorClass::Misconfigured);
}

#[test]
fn a_newer_version_is_misconfigured_and_named() {
    let results: [Result<Envelope, FormatError>; 3] = [
        "sw2:whatever".parse(),
        Envelope::from_bytes(b"SW\x02whatever"),
        Envelope::try_from("sw2:a256gcm:prod-2027=AQ"),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error, FormatError::NewerVersion { version: 2, .. }));
        is(&error, ErrorClass::Misconfigured);
    }
    acts(&row_error(&ring(), "sw255:whatever"), ErrorClass::Misconfigured);

    for text in ["sw0:x", "sw01:x", "sw:x", "sw256:x", "sw02:x"] {
        let error = text.parse::<Envelope>().unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "{text}");
    }
    assert!(matches!(Envelope::from_bytes(b"SW\x00x"), Err(FormatError::Malformed { .. })));
}

#[test]
fn every_keyring_error_is_misconfigured() {
    let keys = [key_text(0), key_text(1)];
    let [first, second] = &keys;
    let texts = [
        format!("retired a {first}"),
        format!("primary a {first}\nprimary b {second}"),
        format!("primary a {first}\nretired A {second}"),
        format!("primary a {first}\nretired b {first}"),
        format!("primary a {first}\nretried b {second}"),
        format!("primary a {first}\nretired b nonsense"),
        String::new(),
        "primary a".to_owned(),
    ];
    for text in texts {
        is(&text.parse::<Keyring>().unwrap_err(), ErrorClass::Misconfigured);
    }
    is(&ring().with_retired(id("prod-2026"), key(1)).unwrap_err(), ErrorClass::Misconfigured);
    is(&ring().with_retired(id("b"), key(0)).unwrap_err(), ErrorClass::Misconfigured);
}

#[test]
fn every_key_error_but_random_is_misconfigured() {
    let mistyped = key_text(0).replacen("swk1_A", "swk1_B", 1);
    let errors: [Result<MasterKey, KeyError>; 4] = [
        MasterKey::from_bytes(&mut [7; 31]),
        MasterKey::from_bytes(&mut [7; 32]),
        "nonsense".parse(),
        mistyped.parse(),
    ];
    let mut names = BTreeSet::new();
    for error in errors {
        names.insert(is(&error.err().unwrap(), ErrorClass::Misconfigured));
    }
    names.insert(is(&DataKey::generate_with_rng(&mut Dry).err().unwrap(), ErrorClass::Failed));
    assert_eq!(names.len(), 5);
}

#[test]
fn refused() {
    let disabled = unwrap_error(&rotated_without_key().with_disabled(id("prod-2026")).unwrap());
    assert!(matches!(disabled, UnwrapError::KeyDisabled { .. }));
    assert_eq!(disabled.of_key(), Some(&id("prod-2026")));
    acts(&disabled, ErrorClass::Refused);

    let leaked = unwrap_error(&rotated_without_key().with_leaked(id("prod-2026")).unwrap());
    assert!(matches!(leaked, UnwrapError::KeyLeaked { .. }));
    assert_eq!(leaked.of_key(), Some(&id("prod-2026")));
    acts(&leaked, ErrorClass::Refused);

    let long = Secret::from(vec![0_u8; 16_777_217]);
    acts(&ring().seal(&long, &context()).unwrap_err(), ErrorClass::Refused);
    acts(&Draft::new(&long, &context(), Suite::default()).err().unwrap(), ErrorClass::Refused);
}

#[test]
fn failed() {
    let random = ring().seal_with_rng(&secret(), &context(), &mut Dry).unwrap_err();
    assert!(matches!(random, SealError::Random));
    acts(&random, ErrorClass::Failed);

    let random = MasterKey::generate_with_rng(&mut Dry).err().unwrap();
    assert!(matches!(random, KeyError::Random));
    is(&random, ErrorClass::Failed);
}

#[test]
fn a_bug() {
    let remote = Keyring::new(id("kms"), Remote(Service { mask: 1 })).unwrap();
    let remote = remote.with_retired(id("prod-2026"), key(0)).unwrap();
    let envelope = pollster::block_on(remote.seal_async(&secret(), &context())).unwrap();

    let seal = remote.seal(&secret(), &context()).unwrap_err();
    assert_eq!(seal.of_key(), Some(&id("kms")));
    acts(&seal, ErrorClass::Bug);
    acts(&remote.verify(&envelope).unwrap_err(), ErrorClass::Bug);
    acts(&remote.open(&envelope, &context()).unwrap_err(), ErrorClass::Bug);
    acts(&remote.rewrap(&sealed()).unwrap_err(), ErrorClass::Bug);
    acts(&row_error(&remote, &sealed().to_string()), ErrorClass::Bug);

    let context: ContextError = EncryptionContext::new([("sw1/holds", "ring")]).unwrap_err();
    is(&context, ErrorClass::Bug);
}

#[test]
fn invalid_wraps_are_a_bug_whatever_their_source_is() {
    let draft = Draft::new(&secret(), &context(), Suite::default()).unwrap();
    let data_key = draft.data_key().duplicate();
    let wrap = WrappedKey::new(id("kms"), WrapKind::Provider, b"body").unwrap();
    let envelope = draft.finish(vec![wrap]).unwrap();

    let error = envelope.rewrap_with(&data_key, Vec::new()).unwrap_err();
    assert!(matches!(error, RewrapError::InvalidWraps { .. }));
    assert!(error.source().is_some());
    acts(&error, ErrorClass::Bug);
}

#[test]
fn an_error_of_unwrapping_becomes_the_verbs_error() {
    let inner = unwrap_error(&rotated_without_key());
    let open: OpenError = inner.clone().into();
    let rewrap: RewrapError = inner.into();

    assert!(matches!(open, OpenError::Unwrap(UnwrapError::UnknownKey { .. })));
    assert!(matches!(rewrap, RewrapError::Unwrap(UnwrapError::UnknownKey { .. })));
    acts(&open, ErrorClass::Misconfigured);
    acts(&rewrap, ErrorClass::Misconfigured);
}

#[test]
fn different_errors_have_different_names() {
    let by_service = sealed_by(&Keyring::new(id("kms"), Service { mask: 1 }).unwrap());
    let remote = Keyring::opening_only().with_retired(id("kms"), Remote(Service { mask: 1 }));
    let names = BTreeSet::from([
        unwrap_error(&rotated_without_key()).name(),
        unwrap_error(&rotated_without_key().with_disabled(id("prod-2026")).unwrap()).name(),
        unwrap_error(&rotated_without_key().with_leaked(id("prod-2026")).unwrap()).name(),
        unwrap_error(&rotated_without_key().with_destroyed(id("prod-2026")).unwrap()).name(),
        unwrap_error(&Keyring::new(id("prod-2026"), key(1)).unwrap()).name(),
        unwrap_error(&Keyring::new(id("prod-2026"), Service { mask: 1 }).unwrap()).name(),
        ring().verify(&flipped(&sealed(), at::SALT)).unwrap_err().name(),
        ring().verify(&flipped(&sealed(), at::MAC)).unwrap_err().name(),
        opens_by(&throttled()).verify(&by_service).unwrap_err().name(),
        remote.unwrap().verify(&by_service).unwrap_err().name(),
    ]);

    assert_eq!(names.len(), 10);
}

#[test]
fn what_surrounds_an_envelope_is_told_and_nothing_is_echoed() {
    let text = sealed().to_string();
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let plain = "nonsense".parse::<Envelope>().unwrap_err().to_string();
    for surrounded in [
        format!(" {text}"),
        format!("{text}\n"),
        format!("\u{feff}{text}"),
        format!("\"{text}\""),
        format!("'{text}'"),
        format!("\\x{hex}"),
        format!("0x{hex}"),
        format!("b'{text}'"),
        format!("SEALED={text}"),
        format!("{{\"key\": \"{text}\"}}"),
        // Base64 of `sw1:a256gcm:` and of a possible continuation.
        "c3cxOmEyNTZnY206cHJvZC0yMDI2PUFR".to_owned(),
    ] {
        let error = surrounded.parse::<Envelope>().unwrap_err();
        is(&error, ErrorClass::Altered);

        assert_ne!(error.to_string(), plain, "{surrounded}");
        let printed = format!("{error} {error:?}");
        for field in text.split(':').chain([hex.as_str()]).filter(|field| field.len() > 12) {
            assert!(!printed.contains(field), "{printed}");
        }
    }
}

#[test]
fn what_surrounds_a_key_is_told_and_nothing_is_echoed() {
    let text = key_text(0);
    let (_, encoded) = text.split_at_checked(5).unwrap();
    let plain = "nonsense".parse::<MasterKey>().err().unwrap().to_string();
    for surrounded in [
        format!("{text}\n"),
        format!("\u{feff}{text}"),
        format!("\"{text}\""),
        format!("b'{text}'"),
        format!("KEY={text}"),
        "c3drMV9BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE".to_owned(),
        "0x".to_owned() + &"5a".repeat(32),
        "/run/secrets/a-path-that-is-longer-than-a-master-key/sealwax".to_owned(),
    ] {
        let error = surrounded.parse::<MasterKey>().err().unwrap();
        is(&error, ErrorClass::Misconfigured);

        assert_ne!(error.to_string(), plain, "{surrounded:?}");
        assert!(!format!("{error} {error:?}").contains(encoded));
    }
    // A key without its prefix, whatever its first characters are.
    for bare in [encoded.to_owned(), format!("0x{}", "A".repeat(46))] {
        assert_eq!(bare.parse::<MasterKey>().err().unwrap().to_string(), plain);
    }
}
