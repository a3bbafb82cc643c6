//! The sink of the log while a transaction writes: the chain of one subject.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealwax::{ProviderFuture, RecorderError};
use sealwax_audit::{Appended, AuditSink, Record};

/// An entry, and the MAC of the entry before it.
type Link = (Record, Option<[u8; 32]>);

/// The last entry of a chain, and what is appended to it, until the transaction takes it.
#[derive(Debug, Default)]
pub(super) struct OneChain(Mutex<Chain>);

#[derive(Debug, Default)]
struct Chain {
    last: Option<Record>,
    appended: Vec<Link>,
}

impl OneChain {
    /// Goes to a chain with this last entry.
    pub(super) fn is_at(&self, last: Option<Record>) {
        *self.lock() = Chain { last, appended: Vec::new() };
    }

    /// Returns what was appended.
    pub(super) fn take(&self) -> Vec<Link> {
        mem::take(&mut self.lock().appended)
    }

    fn lock(&self) -> MutexGuard<'_, Chain> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for OneChain {
    fn last<'a>(&'a self, _: &'a str) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        ProviderFuture::ready(Ok(self.lock().last.clone()))
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        let mut chain = self.lock();
        chain.last = Some(record.clone());
        chain.appended.push((record.clone(), after.copied()));
        ProviderFuture::ready(Ok(Appended::Done))
    }
}
