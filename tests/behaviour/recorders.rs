//! Recorders: nothing is opened that is not recorded, and every refusal is.

use std::error::Error as _;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use sealwax::{
    EncryptionContext, Envelope, ErrorClass, KeyId, Keyring, OpenError, OpenEvent, OpenOutcome,
    OpenRecorder, ProviderFuture, RecorderError, RecorderRequired, ReloadProblem, Secret, Suite,
    UnwrapError,
};

use crate::fixtures::{CREDENTIAL, SUITES, acme, context, key_id, keyring, master_key, sealed};

/// What a recorder was told: outcome, key id, suite, commitment, and context.
type Told = (OpenOutcome, Option<KeyId>, Suite, [u8; 32], EncryptionContext);

/// How a recorder behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Ready,
    /// It is ready at the second poll.
    Waits,
    Fails,
    FailsLater,
    FailsForNow,
    Never,
}

/// Remembers what it is told, and after that behaves in its manner.
struct Recorder {
    manner: Manner,
    told: Mutex<Vec<Told>>,
}

impl Recorder {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, told: Mutex::default() })
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    /// Returns the names of the outcomes, each with the key.
    fn names(&self) -> Vec<(&'static str, Option<String>)> {
        let name = |told: Told| (told.0.name(), told.1.map(|id| id.to_string()));
        self.told().into_iter().map(name).collect()
    }
}

impl OpenRecorder for Recorder {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        let told = (
            event.outcome(),
            event.key_id().cloned(),
            event.suite(),
            *event.commitment(),
            event.context().clone(),
        );
        let tell = move || self.told.lock().unwrap().push(told);
        match self.manner {
            Manner::Ready => ProviderFuture::ready({
                tell();
                Ok(())
            }),
            Manner::Fails => ProviderFuture::ready({
                tell();
                Err(RecorderError::new("no space left"))
            }),
            Manner::FailsForNow => ProviderFuture::ready({
                tell();
                Err(RecorderError::transient("locked"))
            }),
            Manner::Waits | Manner::FailsLater => ProviderFuture::boxed(async move {
                let mut is_second = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    if std::mem::replace(&mut is_second, true) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                tell();
                if self.manner == Manner::Waits { Ok(()) } else { Err(RecorderError::new("gone")) }
            }),
            Manner::Never => ProviderFuture::boxed(async move {
                tell();
                pending().await
            }),
        }
    }
}

/// Opens with a recorder of this manner, waiting or not, and returns what it was told.
fn open(
    ring: &Keyring,
    manner: Manner,
    waits: bool,
    envelope: &Envelope,
    context: &EncryptionContext,
) -> (Result<Secret, OpenError>, Vec<Told>) {
    let recorder = Recorder::new(manner);
    let ring = ring.clone().with_recorder(Arc::clone(&recorder));
    let opened = if waits {
        pollster::block_on(ring.open_async(envelope, context))
    } else {
        ring.open(envelope, context)
    };
    (opened, recorder.told())
}

fn flipped(envelope: &Envelope, from_end: usize) -> Envelope {
    let mut bytes = envelope.as_bytes().to_vec();
    let at = bytes.len() - from_end;
    bytes[at] ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

#[test]
fn an_opening_is_recorded_once_with_all_that_is_known() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let escrow_alone =
            Keyring::opening_only().with_escrow(key_id("dr"), master_key(2)).unwrap();
        for (ring, opened_by) in [(keyring(suite), "prod"), (escrow_alone, "dr")] {
            for (manner, waits) in
                [(Manner::Ready, false), (Manner::Ready, true), (Manner::Waits, true)]
            {
                let (opened, told) = open(&ring, manner, waits, &envelope, &acme());
                assert_eq!(opened.unwrap().expose_secret(), CREDENTIAL.as_bytes());
                let opened_by = Some(key_id(opened_by));
                let commitment = *envelope.commitment();
                assert_eq!(
                    told,
                    [(OpenOutcome::Opened, opened_by, suite, commitment, acme())],
                    "{manner:?} {waits}"
                );
            }
        }
    }
}

#[test]
fn without_a_record_nothing_is_opened() {
    let envelope = sealed(Suite::default(), 1);
    let ring = keyring(Suite::default());
    let cases = [
        (Manner::Fails, false, ErrorClass::Failed, "no space left"),
        (Manner::Fails, true, ErrorClass::Failed, "no space left"),
        (Manner::FailsForNow, false, ErrorClass::Transient, "locked"),
        (Manner::FailsForNow, true, ErrorClass::Transient, "locked"),
        (Manner::FailsLater, true, ErrorClass::Failed, "gone"),
        // Its future is dropped before it is polled.
        (Manner::Waits, false, ErrorClass::Bug, "it has to be waited for: use open_async"),
    ];
    for (manner, waits, class, why) in cases {
        let (opened, told) = open(&ring, manner, waits, &envelope, &acme());
        let error = opened.unwrap_err();
        let OpenError::NotRecorded { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(std::error::Error::source(source).unwrap().to_string(), why);
        assert_eq!((error.class(), error.name()), (class, "not_recorded"));
        assert_eq!((source.class(), source.name()), (class, "not_recorded"));
        assert_eq!(error.is_transient(), class == ErrorClass::Transient);
        assert_eq!(source.is_transient(), class == ErrorClass::Transient);
        assert_eq!((error.key_id(), error.retry_after()), (None, None));
        // That nothing was opened is not told to the recorder that has just failed.
        let is_told = manner != Manner::Waits;
        assert_eq!(told.len(), usize::from(is_told), "{manner:?}");
    }
}

#[test]
fn a_refusal_is_recorded_whatever_the_recorder_does_and_stays_the_same() {
    let suite = Suite::default();
    let envelope = sealed(suite, 1);
    let other = Keyring::new(key_id("other"), master_key(3)).unwrap();
    let leaked = keyring(suite).with_leaked(key_id("x")).unwrap();
    let leaked_row = {
        let with_x = keyring(suite).with_escrow(key_id("x"), master_key(9)).unwrap();
        with_x.rewrap(&envelope).unwrap().unwrap()
    };
    let wrong = Keyring::new(key_id("prod"), master_key(7)).unwrap();
    let prod = || Some("prod".to_owned());
    let cases: [(&str, &Keyring, &Envelope, EncryptionContext, Option<String>); 6] = [
        ("unknown_key", &other, &envelope, acme(), None),
        ("key_leaked", &leaked, &leaked_row, acme(), None),
        ("wrong_key_material", &wrong, &envelope, acme(), None),
        ("envelope_altered", &keyring(suite), &flipped(&envelope, 51 + 17), acme(), None),
        ("context_mismatch", &keyring(suite), &envelope, context(&[("tenant", "x")]), prod()),
        ("payload_altered", &keyring(suite), &flipped(&envelope, 1), acme(), prod()),
    ];
    for (name, ring, envelope, context, key_id) in cases {
        let plain = ring.open(envelope, &context).unwrap_err();
        assert_eq!(plain.name(), name);
        for manner in [Manner::Ready, Manner::Fails, Manner::FailsForNow] {
            for waits in [false, true] {
                let (opened, told) = open(ring, manner, waits, envelope, &context);
                let error = opened.unwrap_err();
                let refused = (error.name(), key_id.clone());
                let names: Vec<_> = told
                    .iter()
                    .map(|t| (t.0.name(), t.1.as_ref().map(ToString::to_string)))
                    .collect();
                if name == "payload_altered" && manner != Manner::Ready {
                    // Nothing was decrypted, so nobody knows yet.
                    assert_eq!((error.name(), names.len()), ("not_recorded", 1));
                    continue;
                }
                assert_eq!(format!("{error:?}"), format!("{plain:?}"));
                if name == "payload_altered" {
                    assert_eq!(names, [("opened", key_id.clone()), refused]);
                } else {
                    assert_eq!(names, [refused]);
                }
                let OpenOutcome::Refused { class, .. } = told.last().unwrap().0 else { panic!() };
                assert_eq!(class, plain.class());
                for (_, _, suite, commitment, told_context) in told {
                    assert_eq!((suite, told_context), (envelope.suite(), context.clone()));
                    assert_eq!(&commitment, envelope.commitment());
                }
            }
        }
        // One that has to be waited for is not, and the error is the same.
        if name != "payload_altered" {
            let (opened, told) = open(ring, Manner::Waits, false, envelope, &context);
            assert_eq!((opened.unwrap_err().name(), told.len()), (name, 0));
        }
        let (opened, told) = open(ring, Manner::FailsLater, true, envelope, &context);
        let expected = if name == "payload_altered" { "not_recorded" } else { name };
        assert_eq!((opened.unwrap_err().name(), told.len()), (expected, 1));
    }
}

#[test]
fn an_opening_that_nobody_waits_for_ends_without_a_plaintext() {
    let recorder = Recorder::new(Manner::Never);
    let ring = keyring(Suite::default()).with_recorder(Arc::clone(&recorder));
    let (envelope, acme) = (sealed(Suite::default(), 1), acme());
    let mut opening = Box::pin(ring.open_async(&envelope, &acme));
    for _ in 0..3 {
        let polled = opening.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    drop(opening);
    assert_eq!(recorder.names(), [("opened", Some("prod".to_owned()))]);
    // Nor is a future that is dropped before it is polled recorded.
    drop(ring.open_async(&envelope, &acme));
    assert_eq!(recorder.names(), []);
}

#[test]
fn what_decrypts_no_credential_is_not_recorded() {
    let recorder = Recorder::new(Manner::Fails);
    let old = keyring(Suite::default());
    let ring = Keyring::new(key_id("next"), master_key(3))
        .unwrap()
        .with_recorder(Arc::clone(&recorder))
        // What is added afterwards does not lose it.
        .with_retired(key_id("prod"), master_key(1))
        .unwrap()
        .with_suite(Suite::ChaCha20Poly1305);
    let envelope = sealed(Suite::default(), 1);
    ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    ring.verify(&envelope).unwrap();
    ring.rewrap(&envelope).unwrap().unwrap();
    assert_eq!(ring.rewrap_batch([(1, envelope.clone())]).changes.len(), 1);
    pollster::block_on(async {
        ring.verify_async(&envelope).await.unwrap();
        ring.rewrap_async(&envelope).await.unwrap().unwrap();
        assert!(ring.check_async().await.iter().all(|(_, checked)| checked.is_ok()));
    });
    assert_eq!(recorder.names(), []);
    assert!(ring.open(&envelope, &acme()).is_err());
    assert_eq!(recorder.names().len(), 1);
    // Nobody is told of a keyring's clones but those that have it.
    assert!(old.open(&envelope, &acme()).is_ok());
    assert_eq!(recorder.names(), []);
}

#[test]
fn each_request_has_a_recorder_of_its_own() {
    let (one, other) = (Recorder::new(Manner::Ready), Recorder::new(Manner::Ready));
    let ring = keyring(Suite::default()).with_recorder(Arc::clone(&one));
    let replaced = ring.clone().with_recorder(Box::new(Arc::clone(&other)));
    let envelope = sealed(Suite::default(), 1);
    replaced.open(&envelope, &acme()).unwrap();
    assert_eq!((one.names().len(), other.names().len()), (0, 1));
    ring.open(&envelope, &acme()).unwrap();
    assert_eq!((one.names().len(), other.names().len()), (1, 0));
    // It is no part of the text that all processes share.
    assert_eq!(ring.fingerprint(), keyring(Suite::default()).fingerprint());
    assert_eq!(format!("{ring:?}"), format!("{:?}", keyring(Suite::default())));
}

#[test]
fn a_reload_does_not_lose_the_recorder() {
    let recorded = || keyring(Suite::default()).with_recorder(Recorder::new(Manner::Ready));
    let plain = || keyring(Suite::default());
    assert_eq!(plain().can_replace(&recorded()), Err(vec![ReloadProblem::RecorderLost]));
    assert_eq!(ReloadProblem::RecorderLost.name(), "recorder_lost");
    for (new, old) in [(recorded(), plain()), (recorded(), recorded()), (plain(), plain())] {
        assert_eq!(new.can_replace(&old), Ok(()));
    }
}

#[test]
fn remote_keys_are_recorded_too() {
    /// Whether the key was asked.
    struct Remote(Arc<AtomicBool>);

    impl sealwax::KeyWrapper for Remote {
        fn wrap_key<'a>(
            &'a self,
            request: sealwax::WrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<Vec<u8>, sealwax::ProviderError>> {
            let key = request.data_key().expose_secret().to_vec();
            ProviderFuture::boxed(async move { Ok(key) })
        }
    }

    impl sealwax::MasterKeyProvider for Remote {
        fn unwrap_key<'a>(
            &'a self,
            request: sealwax::UnwrapRequest<'a>,
        ) -> ProviderFuture<'a, Result<sealwax::DataKey, sealwax::ProviderError>> {
            self.0.store(true, Ordering::SeqCst);
            let mut key: [u8; 32] = request.body().try_into().unwrap();
            ProviderFuture::boxed(async move { Ok(sealwax::DataKey::from_bytes(&mut key)?) })
        }
    }

    let was_asked = Arc::new(AtomicBool::new(false));
    let ring = Keyring::new(key_id("kms"), Remote(Arc::clone(&was_asked))).unwrap();
    let acme = acme();
    let envelope = pollster::block_on(ring.seal_async(&Secret::from(CREDENTIAL), &acme)).unwrap();
    for manner in [Manner::Ready, Manner::Waits] {
        let (opened, told) = open(&ring, manner, true, &envelope, &acme);
        assert_eq!(opened.unwrap().expose_secret(), CREDENTIAL.as_bytes());
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1, Some(key_id("kms")));
        assert!(was_asked.swap(false, Ordering::SeqCst));
    }
    let (opened, told) = open(&ring, Manner::Ready, false, &envelope, &acme);
    assert!(matches!(opened, Err(OpenError::Unwrap(UnwrapError::WouldBlock { .. }))));
    assert_eq!((told[0].0.name(), told[0].1.clone()), ("would_block", None));
}

#[test]
fn a_keyring_that_requires_a_recorder_opens_nothing_without_one() {
    let ring = keyring(Suite::default()).with_recorder(RecorderRequired);
    assert!(ring.has_recorder() && !keyring(Suite::default()).has_recorder());
    let (envelope, acme) = (sealed(Suite::default(), 1), acme());
    for opened in
        [ring.open(&envelope, &acme), pollster::block_on(ring.open_async(&envelope, &acme))]
    {
        let error = opened.unwrap_err();
        assert_eq!((error.name(), error.class()), ("not_recorded", ErrorClass::Bug));
    }
    // So it says whether an envelope belongs to a context, and decrypts nothing.
    let opened = ring.open(&envelope, &EncryptionContext::empty());
    assert!(matches!(opened, Err(OpenError::ContextMismatch)), "{opened:?}");
    let mut altered = envelope.as_bytes().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let opened = ring.open(&Envelope::from_bytes(&altered).unwrap(), &acme);
    assert!(matches!(opened, Err(OpenError::NotRecorded { .. })), "{opened:?}");
    let recorder = Recorder::new(Manner::Ready);
    ring.clone().with_recorder(Arc::clone(&recorder)).open(&envelope, &acme).unwrap();
    assert_eq!(recorder.names(), [("opened", Some("prod".to_owned()))]);
    assert_eq!(OpenOutcome::Opened.class(), None);
    let refused = OpenOutcome::refused("context_mismatch", ErrorClass::Altered);
    assert_eq!((refused.name(), refused.class()), ("context_mismatch", Some(ErrorClass::Altered)));
}

#[test]
fn a_recorder_that_panics_opens_nothing() {
    struct Panics;

    impl OpenRecorder for Panics {
        fn record<'a>(
            &'a self,
            _: &'a OpenEvent<'a>,
        ) -> ProviderFuture<'a, Result<(), RecorderError>> {
            std::panic::resume_unwind(Box::new(()));
        }
    }

    let ring = keyring(Suite::default()).with_recorder(Panics);
    let envelope = sealed(Suite::default(), 1);
    let open = std::panic::AssertUnwindSafe(|| ring.open(&envelope, &acme()).is_ok());
    assert!(std::panic::catch_unwind(open).is_err());
    let acme = acme();
    let polled = std::panic::AssertUnwindSafe(|| {
        let mut opening = pin!(ring.open_async(&envelope, &acme));
        opening.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    });
    assert!(std::panic::catch_unwind(polled).is_err());
}

#[test]
fn a_recorders_error_says_what_failed_and_keeps_why() {
    let error = RecorderError::new("no space left");
    assert_eq!(error.to_string(), "the recorder failed");
    assert_eq!(error.source().unwrap().to_string(), "no space left");
}
