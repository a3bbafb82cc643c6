//! The recorder of one request.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use sealwax::{OpenEvent, OpenRecorder, ProviderFuture, RecorderError};

use crate::entry::{EntryError, check_subject, check_who_and_why};
use crate::log::{Action, AuditLog};
use crate::sink::AuditSink;

/// The action of an entry about an opening.
const OPEN: &str = "open";

/// Records what one request opens, in the chain of one subject.
///
/// Give a clone of the keyring to each request, with a recorder that knows who asks and why:
/// [`Keyring::with_recorder`](sealwax::Keyring::with_recorder). The action of its entries is `open`, and the outcome is
/// `opened` or the name of the error. The example `audit` of this crate shows it in a service. A program that records its
/// openings under another action implements [`OpenRecorder`] with [`AuditLog::append`].
pub struct Recorder<S> {
    log: Arc<AuditLog<S>>,
    subject: String,
    who: String,
    why: String,
}

impl<S: AuditSink> Recorder<S> {
    /// Creates a recorder.
    ///
    /// Take the subject from the authorisation of the request, as for a context, and never from the row.
    ///
    /// # Errors
    ///
    /// Returns an [`EntryError`] if the length of the subject or of `who` is not 1 to 1024 bytes, that of `why` is more
    /// than 1024 bytes, or one of them has a control character.
    pub fn new(
        log: &Arc<AuditLog<S>>,
        subject: impl Into<String>,
        who: impl Into<String>,
        why: impl Into<String>,
    ) -> Result<Self, EntryError> {
        let (log, subject, who, why) = (Arc::clone(log), subject.into(), who.into(), why.into());
        check_subject(&subject)?;
        check_who_and_why(&who, &why)?;
        Ok(Self { log, subject, who, why })
    }
}

impl<S: AuditSink> OpenRecorder for Recorder<S> {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        let action = Action {
            key_id: event.key_id(),
            commitment: Some(event.commitment()),
            context: Some(event.context()),
            ..Action::new(OPEN, &self.who, &self.why, event.outcome().name())
        };
        let appended = self.log.append(&self.subject, action);
        appended.map(|appended| appended.map(drop).map_err(Into::into))
    }
}

impl<S> fmt::Debug for Recorder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log: _, subject, who, why } = self;
        let mut shown = f.debug_struct("Recorder");
        shown.field("subject", subject).field("who", who).field("why", why);
        shown.finish_non_exhaustive()
    }
}
