//! Who is asked before a credential is opened.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use crate::format::context::EncryptionContext;
use crate::format::envelope::Envelope;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::format::sizes::COMMITMENT_LEN;
use crate::format::suite::Suite;
use crate::keys::provider_future::ProviderFuture;

/// Records that a keyring opens a credential, before it does.
///
/// [`Keyring::with_recorder`](crate::Keyring::with_recorder) gives a keyring one. Each `open` and `open_async` asks it
/// when the envelope is found intact and sealed for the context, and before a byte of the credential is decrypted. If it
/// fails, nothing is decrypted, and the caller gets [`OpenError::NotRecorded`](crate::OpenError::NotRecorded). Give the
/// keyring of a service [`RecorderRequired`], and each request a clone with a recorder of its own, which knows who asks
/// and why: then a handler that forgets it opens nothing. This guards against what people forget, and not against code
/// that means harm: who has the keyring can replace the recorder, or wrap a data key for a key of their own.
///
/// It is also told of each refusal, as well as is possible: there, its own failure changes nothing, a call that nobody
/// waits for any more may end before the record, and a synchronous `open` tells no recorder that has to be waited for. A
/// payload that turns out to be altered is a refusal after a record that it was opened: the ciphertext is the last thing
/// that is checked.
///
/// Rewrapping and verifying decrypt no credential, so they are not recorded. Neither is
/// [`Envelope::open_with`](crate::Envelope::open_with), which needs no keyring.
///
/// A recorder that is ready at once, as one that writes to a local database may be, returns
/// [`ProviderFuture::ready`]. One that has to be waited for returns [`ProviderFuture::boxed`], and then only
/// `open_async` opens. The data key stays in memory while it works, so it needs a deadline of its own. It must not open
/// anything with a keyring that has this recorder.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use sealwax::{EncryptionContext, Keyring, MasterKey, OpenEvent, OpenRecorder, ProviderFuture, RecorderError};
/// use sealwax::RecorderRequired;
///
/// /// A recorder for one request.
/// struct InMemory {
///     who: &'static str,
///     lines: Mutex<Vec<String>>,
/// }
///
/// impl OpenRecorder for InMemory {
///     fn record<'a>(&'a self, event: &'a OpenEvent<'a>) -> ProviderFuture<'a, Result<(), RecorderError>> {
///         let line = format!("{} {} {:?}", self.who, event.outcome().name(), event.key_id());
///         let recorded = self.lines.lock().map(|mut lines| lines.push(line));
///         ProviderFuture::ready(recorded.map_err(|_| RecorderError::new("the lock is poisoned")))
///     }
/// }
///
/// let recorder = Arc::new(InMemory { who: "mia", lines: Mutex::default() });
/// let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?.with_recorder(RecorderRequired);
/// let sealed = keyring.seal(&"sk-proj-4Jq8Zr2Lw".into(), &EncryptionContext::empty())?;
/// // A clone of a keyring is cheap: give each request a recorder that knows who asks, and why.
/// keyring.clone().with_recorder(Arc::clone(&recorder)).open(&sealed, &EncryptionContext::empty())?;
/// assert_eq!(recorder.lines.lock().unwrap()[..], ["mia opened Some(KeyId(\"prod-2026\"))"]);
/// assert!(keyring.open(&sealed, &EncryptionContext::empty()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait OpenRecorder: Send + Sync {
    /// Records that a credential is about to be opened, or was refused.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no record. Then nothing is decrypted.
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>>;
}

/// What a keyring is about to do, or has refused.
///
/// None of it is secret to those who may read the database. But who has a context can test guesses of where a credential
/// belongs, so store a keyed digest of it rather than the context.
#[derive(Clone, Copy, Debug)]
pub struct OpenEvent<'a> {
    envelope: &'a Envelope,
    context: &'a EncryptionContext,
    key_id: Option<&'a KeyId>,
    outcome: OpenOutcome,
}

/// A recorder that records nothing, and so lets nothing be opened.
///
/// A service gives it to its keyring, and each request replaces it by a recorder of its own.
///
/// It also answers whether an envelope belongs to a context: `open` fails with
/// [`OpenError::NotRecorded`](crate::OpenError::NotRecorded) if [`verify`](crate::Keyring::verify) passes and the envelope
/// was sealed for the context, and decrypts nothing. Ask so before you rewrap a row that somebody may have put in another
/// one's place, because a rewrap knows no context.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecorderRequired;

impl OpenRecorder for RecorderRequired {
    fn record<'a>(&'a self, _: &'a OpenEvent<'a>) -> ProviderFuture<'a, Result<(), RecorderError>> {
        let forgotten = "whoever opens has to give the keyring a recorder of their own";
        ProviderFuture::ready(Err(RecorderError::bug(forgotten)))
    }
}

/// Whether a credential is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenOutcome {
    /// The keyring decrypts it as soon as this is recorded.
    Opened,
    /// The keyring refuses it.
    #[non_exhaustive]
    Refused {
        /// The [name](crate::OpenError::name) of the error.
        name: &'static str,
        /// The class of the error.
        class: ErrorClass,
    },
}

impl OpenOutcome {
    /// Creates a refusal, for tests of recorders.
    #[must_use]
    pub const fn refused(name: &'static str, class: ErrorClass) -> Self {
        Self::Refused { name, class }
    }

    /// Returns the class of the error, or `None` if the credential is opened.
    #[must_use]
    pub const fn class(self) -> Option<ErrorClass> {
        match self {
            Self::Opened => None,
            Self::Refused { class, .. } => Some(class),
        }
    }

    /// Returns `opened`, or the [name](crate::OpenError::name) of the error, for metrics and audits.
    ///
    /// A name never changes once it has been released.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Refused { name, .. } => name,
        }
    }
}

impl<'a> OpenEvent<'a> {
    /// Creates an event, for tests of recorders.
    #[must_use]
    pub const fn new(
        envelope: &'a Envelope,
        context: &'a EncryptionContext,
        key_id: Option<&'a KeyId>,
        outcome: OpenOutcome,
    ) -> Self {
        Self { envelope, context, key_id, outcome }
    }

    /// Returns the key through which the envelope was found intact, or `None` if it was not.
    #[must_use]
    pub const fn key_id(&self) -> Option<&'a KeyId> {
        self.key_id
    }

    /// Returns the suite that the envelope names.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.envelope.suite()
    }

    /// Returns the stable id of the seal: it survives rewraps, and no two seals share it.
    ///
    /// It names a seal, not a credential: somebody who holds the data key can put another credential under it. If there
    /// is no [`key_id`](Self::key_id), it is only what the envelope says: who writes to the database can put the id of
    /// another seal there.
    #[must_use]
    pub fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.envelope.commitment()
    }

    /// Returns the context that the caller gave.
    #[must_use]
    pub const fn context(&self) -> &'a EncryptionContext {
        self.context
    }

    /// Returns whether the credential is opened.
    #[must_use]
    pub const fn outcome(&self) -> OpenOutcome {
        self.outcome
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<R: OpenRecorder + ?Sized> OpenRecorder for $pointer {
            fn record<'a>(
                &'a self,
                event: &'a OpenEvent<'a>,
            ) -> ProviderFuture<'a, Result<(), RecorderError>> {
                (**self).record(event)
            }
        }
    )*};
}

forward!(&R, Arc<R>, Box<R>);

/// Why there is no record that a credential was opened.
///
/// Operators see its source, so that may not contain a secret. A clone shares the source.
#[derive(Clone, Debug)]
pub struct RecorderError {
    class: ErrorClass,
    source: Arc<dyn Error + Send + Sync>,
}

impl RecorderError {
    /// Creates an error with its cause, which can be a text.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { class: ErrorClass::Failed, source: source.into().into() }
    }

    /// Creates an error as [`new`](Self::new) does, for a failure that may pass: the same call may succeed later.
    #[must_use]
    pub fn transient(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { class: ErrorClass::Transient, ..Self::new(source) }
    }

    /// Creates an error for a mistake of the program that opens.
    pub(crate) fn bug(source: &'static str) -> Self {
        Self { class: ErrorClass::Bug, ..Self::new(source) }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.class, ErrorClass::Transient)
    }

    pub(crate) const fn as_data(&self) -> (&'static str, ErrorClass) {
        ("not_recorded", self.class)
    }
}

error_as_data!(RecorderError);

impl fmt::Display for RecorderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the recorder failed")
    }
}

impl Error for RecorderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = &*self.source;
        Some(source)
    }
}
