//! Opening for a keyring with a recorder: the record comes before the plaintext.

use crate::cipher::Prf;
use crate::format::context::EncryptionContext;
use crate::format::envelope::Envelope;
use crate::format::key_id::KeyId;
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::keys::recorder::{OpenEvent, OpenOutcome, OpenRecorder, RecorderError};
use crate::secret::Secret;
use crate::secret::wiping::{Wiped, wipe_stack, wipe_stack_after};
use crate::verbs::errors::OpenError;
use crate::verbs::payload::Bound;

/// One opening, and who records it.
pub(super) struct Recording<'a> {
    pub(super) recorder: &'a dyn OpenRecorder,
    pub(super) envelope: &'a Envelope,
    pub(super) context: &'a EncryptionContext,
}

impl<'a> Recording<'a> {
    fn event(&self, key_id: Option<&'a KeyId>, outcome: OpenOutcome) -> OpenEvent<'a> {
        OpenEvent::new(self.envelope, self.context, key_id, outcome)
    }

    /// Records it with a recorder that is ready.
    fn record(&self, key_id: Option<&'a KeyId>, outcome: OpenOutcome) -> Result<(), RecorderError> {
        // A recorder may move what was on the stack into a box.
        wipe_stack();
        let event = self.event(key_id, outcome);
        let recorded = self.recorder.record(&event).into_ready();
        let waits = |_| Err(RecorderError::new("it has to be waited for: use open_async"));
        recorded.unwrap_or_else(waits)
    }

    /// Records it with any recorder. The caller must have wiped the stack.
    async fn record_async(
        &self,
        key_id: Option<&'a KeyId>,
        outcome: OpenOutcome,
    ) -> Result<(), RecorderError> {
        let event = self.event(key_id, outcome);
        self.recorder.record(&event).await
    }
}

impl OpenError {
    fn outcome(&self) -> OpenOutcome {
        OpenOutcome::Refused { name: self.name(), class: self.class() }
    }
}

impl Keyring {
    pub(super) fn open_recorded<'a>(
        &'a self,
        recording: &Recording<'a>,
    ) -> Result<Secret, OpenError> {
        let mut unwrapped_by = None;
        self.open_and_record(recording, &mut unwrapped_by).inspect_err(|error| {
            if !matches!(error, OpenError::NotRecorded { .. }) {
                // Whether or not this is recorded, nothing is opened.
                drop(recording.record(unwrapped_by, error.outcome()));
            }
        })
    }

    fn open_and_record<'a>(
        &'a self,
        recording: &Recording<'a>,
        unwrapped_by: &mut Option<&'a KeyId>,
    ) -> Result<Secret, OpenError> {
        let Recording { envelope, context, .. } = recording;
        let mut data_key = Wiped::zeroed();
        let (prf, key_id) = self.unwrap_now(envelope, &mut data_key)?;
        *unwrapped_by = Some(key_id);
        let bound = envelope.bound_to(context);
        if !envelope.is_committed_to(&bound, &prf) {
            return Err(OpenError::ContextMismatch);
        }
        if let Err(source) = recording.record(Some(key_id), OpenOutcome::Opened) {
            return Err(OpenError::NotRecorded { source });
        }
        envelope.decrypt(&bound, &prf)
    }

    pub(super) async fn open_recorded_async<'a>(
        &'a self,
        recording: &Recording<'a>,
    ) -> Result<Secret, OpenError> {
        let mut unwrapped_by = None;
        let opened = self.open_and_record_async(recording, &mut unwrapped_by).await;
        if let Err(error) = &opened
            && !matches!(error, OpenError::NotRecorded { .. })
        {
            wipe_stack();
            drop(recording.record_async(unwrapped_by, error.outcome()).await);
        }
        opened
    }

    async fn open_and_record_async<'a>(
        &'a self,
        recording: &Recording<'a>,
        unwrapped_by: &mut Option<&'a KeyId>,
    ) -> Result<Secret, OpenError> {
        let Recording { envelope, context, .. } = recording;
        let (data_key, key_id) = self.unwrap_later(envelope).await?;
        *unwrapped_by = Some(key_id);
        let bound = envelope.bound_to(context);
        let data_key = committed(envelope, &bound, data_key)?;
        if let Err(source) = recording.record_async(Some(key_id), OpenOutcome::Opened).await {
            return Err(OpenError::NotRecorded { source });
        }
        envelope.decrypt(&bound, &Prf::new(data_key.expose_secret()))
    }
}

/// Returns the data key of an intact envelope, if that was sealed for the context.
///
/// While a recorder works, only the data key is kept, because it has a box that is wiped.
fn committed(
    envelope: &Envelope,
    bound: &Bound<'_>,
    data_key: DataKey,
) -> Result<DataKey, OpenError> {
    // Wiped at once, because a recorder may move what is on the stack into a box.
    let is_committed =
        wipe_stack_after(|| envelope.is_committed_to(bound, &Prf::new(data_key.expose_secret())));
    if is_committed { Ok(data_key) } else { Err(OpenError::ContextMismatch) }
}
