// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [`sql`]: crate::sql
//! [Operations]: sealwax::docs::operations
//! [threat model]: sealwax::docs::threat_model
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What a tenant and its keys are called.
mod tenant;

// What the database has of a tenant, and what is left of one that was deleted.
mod record;
mod roots;
mod tombstone;

// What a process keeps of its tenants.
mod kept;

// What is done: opening, making and destroying a tenant's keys, and certifying that.
mod certificate;
mod destroying;
mod error;
mod keys;
mod making;

// What writes for tenants and cannot read.
#[cfg(feature = "hpke")]
mod writer;

pub mod sql;

pub use certificate::{Certificate, CertificateError, Notice, NoticeError};
pub use destroying::DestroyError;
pub use error::TenantError;
pub use keys::TenantKeys;
pub use making::{CreateError, Created};
pub use record::{RecordError, TenantRecord, TenantState};
pub use tenant::{TenantId, TenantIdError, TenantKeyId, TenantKeyIdError};
pub use tombstone::{Tombstone, TombstoneError};
#[cfg(feature = "hpke")]
pub use writer::{WriterPair, WriterPairError};
