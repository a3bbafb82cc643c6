//! The provider that is checked, and the rows that it is checked with.

use std::sync::Arc;

use sealwax::{
    DataKey, KeyError, KeyId, KeyWrapper, MasterKeyProvider, Suite, UnwrapRequest, WrapRequest,
};

use crate::calls::{Calls, Trouble};
use crate::expect::Expect;
use crate::refusals::Unwrapped;

/// What a check returns: nothing if it passed.
pub(crate) type Verdict = Result<(), Problem>;

/// Why a check did not pass.
#[derive(Debug)]
pub(crate) enum Problem {
    Failed(String),
    NotRun(String),
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        Self::NotRun(format!("the kit could not generate a data key: {error}"))
    }
}

/// Fails the check with this reason, unless the condition holds.
pub(crate) fn ensure(condition: bool, reason: impl FnOnce() -> String) -> Verdict {
    if condition { Ok(()) } else { Err(Problem::Failed(reason())) }
}

/// The suites, which sealwax has no list of.
pub(crate) const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

/// The provider that is checked.
pub(crate) struct Subject {
    pub(crate) provider: Arc<dyn MasterKeyProvider>,
    pub(crate) key_id: KeyId,
    pub(crate) expect: Expect,
    pub(crate) calls: Calls,
}

/// What is wrapped, and what it is bound to.
pub(crate) struct Row {
    pub(crate) key_id: KeyId,
    pub(crate) suite: Suite,
    pub(crate) commitment: [u8; 32],
    pub(crate) data_key: DataKey,
}

impl Row {
    pub(crate) fn wrap_request(&self) -> WrapRequest<'_> {
        WrapRequest::new(&self.key_id, self.suite, &self.commitment, &self.data_key)
    }

    pub(crate) fn unwrap_request<'a>(&'a self, body: &'a [u8]) -> UnwrapRequest<'a> {
        UnwrapRequest::new(&self.key_id, self.suite, &self.commitment, body)
    }

    /// Returns the same row, to be changed into another one with the same data key.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            key_id: self.key_id.clone(),
            suite: self.suite,
            commitment: self.commitment,
            data_key: self.data_key.duplicate(),
        }
    }

    /// Returns whether this is the row's data key.
    pub(crate) fn is_of(&self, data_key: &DataKey) -> bool {
        data_key.expose_secret() == self.data_key.expose_secret()
    }
}

impl Subject {
    /// Returns a fresh row, with its own data key and commitment.
    pub(crate) fn row(&self) -> Result<Row, KeyError> {
        Ok(Row {
            key_id: self.key_id.clone(),
            suite: Suite::default(),
            commitment: *DataKey::generate()?.expose_secret(),
            data_key: DataKey::generate()?,
        })
    }

    pub(crate) fn rows(&self, count: usize) -> Result<Vec<Row>, KeyError> {
        (0..count).map(|_| self.row()).collect()
    }

    pub(crate) async fn wrap(&self, row: &Row) -> Result<Vec<u8>, Trouble> {
        Ok(self.calls.wait(|| self.provider.wrap_key(row.wrap_request())).await??)
    }

    /// Returns a fresh row and its wrap.
    pub(crate) async fn wrapped_row(&self) -> Result<(Row, Vec<u8>), Problem> {
        let row = self.row()?;
        let body = self.wrap(&row).await.map_err(|trouble| format!("when wrapping, {trouble}"))?;
        Ok((row, body))
    }

    pub(crate) async fn unwrap(&self, row: &Row, body: &[u8]) -> Unwrapped {
        let unwrap = || self.provider.unwrap_key(row.unwrap_request(body));
        match self.calls.wait(unwrap).await {
            Ok(result) => Unwrapped::of(row, result),
            Err(trouble) => Unwrapped::Not(trouble),
        }
    }

    /// Checks that a wrap opens to the row's data key.
    pub(crate) async fn must_open(&self, row: &Row, body: &[u8], which: &str) -> Verdict {
        match self.unwrap(row, body).await {
            Unwrapped::Same => Ok(()),
            Unwrapped::Other => Err(format!("unwrapping {which} gave another data key").into()),
            Unwrapped::Not(trouble) => Err(format!("when unwrapping {which}, {trouble}").into()),
        }
    }

    /// Checks that the provider still wraps and unwraps.
    pub(crate) async fn must_work(&self, when: &str) -> Verdict {
        let row = self.row()?;
        let body =
            self.wrap(&row).await.map_err(|trouble| format!("wrapping {when}: {trouble}"))?;
        self.must_open(&row, &body, &format!("a wrap {when}")).await
    }
}
