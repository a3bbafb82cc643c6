//! The results of the crate for the questions that the programs are asked.

use std::collections::BTreeMap;

use sealwax::{Envelope, FormatError, Keyring, OpenError, UnwrapError};
use serde_json::{Value, json};

use crate::rows::{Form, context, hex};

pub(crate) struct Question {
    pub(crate) envelope: Form,
    pub(crate) keyring: String,
    pub(crate) pairs: Vec<(String, String)>,
}

impl Question {
    /// Returns the question in the form that `open` reads.
    pub(crate) fn line(&self) -> String {
        let (form, envelope) = match &self.envelope {
            Form::Text(text) => ("text", text.clone()),
            Form::Binary(bytes) => ("binary", hex(bytes)),
        };
        json!({ form: envelope, "keyring": self.keyring, "context": self.pairs }).to_string()
    }

    /// Returns the crate's result, in the form of the programs.
    pub(crate) fn answer(&self) -> Value {
        match self.open() {
            Ok(plaintext) => json!({ "plaintext": plaintext }),
            Err(class) => json!({ "error": class }),
        }
    }

    fn open(&self) -> Result<String, &'static str> {
        let keyring: Keyring = self.keyring.parse().map_err(|_| "keyring")?;
        let context = context(&self.pairs).map_err(|_| "context")?;
        let parsed = match &self.envelope {
            Form::Text(text) => text.parse(),
            Form::Binary(bytes) => Envelope::from_bytes(bytes),
        };
        let envelope = parsed.map_err(|error| match error {
            FormatError::NewerVersion { .. } => "newer_version",
            _ => "format",
        })?;
        let secret = keyring.open(&envelope, &context).map_err(|error| class(&error))?;
        Ok(hex(secret.expose_secret()))
    }
}

fn class(error: &OpenError) -> &'static str {
    match error {
        OpenError::Unwrap(UnwrapError::UnknownKey { .. }) => "unknown_key",
        OpenError::Unwrap(UnwrapError::KeyDisabled { .. }) => "key_disabled",
        OpenError::Unwrap(UnwrapError::KeyLeaked { .. }) => "key_leaked",
        OpenError::Unwrap(UnwrapError::KeyDestroyed { .. }) => "key_destroyed",
        OpenError::Unwrap(UnwrapError::WrongKeyMaterial { .. }) => "wrong_key_material",
        OpenError::Unwrap(UnwrapError::WrongWrapKind { .. }) => "wrong_wrap_kind",
        OpenError::Unwrap(UnwrapError::WrapAltered { .. }) => "wrap_altered",
        OpenError::Unwrap(UnwrapError::EnvelopeAltered) => "envelope_altered",
        OpenError::ContextMismatch => "context_mismatch",
        OpenError::PayloadAltered => "payload_altered",
        other => panic!("unexpected for local keys: {other}"),
    }
}

/// Counts the results: `opened`, or the class of an error.
pub(crate) fn tally(answers: &[Value]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry(answer["error"].as_str().unwrap_or("opened")).or_default() += 1;
    }
    tally
}
