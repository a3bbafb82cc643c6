//! Where the entries go: the trait that the caller implements.

use alloc::boxed::Box;
use alloc::sync::Arc;

use sealwax::{ProviderFuture, RecorderError};

use crate::entry::Record;

/// Where the entries of a log are kept, such as a table of your database.
///
/// A sink that is ready at once returns [`ProviderFuture::ready`], and one that has to be waited for
/// [`ProviderFuture::boxed`]. Both methods do the same.
///
/// The crate has the SQL of a sink for [SQLite](crate::sql::sqlite) and for [PostgreSQL](crate::sql::postgres).
pub trait AuditSink: Send + Sync {
    /// Returns the last entry of a subject's chain, or `None` if it has none.
    ///
    /// # Errors
    ///
    /// Returns an error if the sink fails.
    fn last<'a>(
        &'a self,
        subject: &'a str,
    ) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>>;

    /// Appends an entry to the chain of its subject, if the entry before it is still the last one.
    ///
    /// `after` is the MAC of the entry before, whose number is one less than the record's. It is `None` for the first
    /// entry, which may be appended only if the subject has none. The check and the append are one transaction: of two
    /// writers with the same number, one gets [`Appended::Raced`]. When the future is ready, the entry survives a crash.
    ///
    /// The log tries again at once. If many writers append to one chain, wait for a short random time before you return
    /// [`Appended::Raced`], so that it is not always the same ones who lose.
    ///
    /// # Errors
    ///
    /// Returns an error if the sink fails. Then nothing is opened, whether or not the entry was appended.
    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>>;
}

/// Whether an entry was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// It was appended.
    Done,
    /// It was not: the entry before it is not the last one.
    Raced,
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: AuditSink + ?Sized> AuditSink for $pointer {
    fn last<'a>(
        &'a self,
        subject: &'a str,
    ) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        (**self).last(subject)
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        (**self).append(record, after)
    }
}
    )*};
}

forward!(&S, Arc<S>, Box<S>);
