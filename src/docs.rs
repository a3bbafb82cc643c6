//! The book: what the bytes are, what is promised, and how to run and extend it.

#[doc = include_str!("docs/format.md")]
pub mod format {}

#[doc = include_str!("docs/threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("docs/assurance.md")]
pub mod assurance {}

#[doc = include_str!("docs/performance.md")]
#[doc = include_str!("docs/measurements.md")]
pub mod performance {}

#[doc = include_str!("docs/decisions.md")]
pub mod decisions {}

#[doc = include_str!("docs/operations.md")]
pub mod operations {}

#[doc = include_str!("docs/providers.md")]
pub mod providers {}

#[doc = include_str!("docs/legacy.md")]
pub mod legacy {}

#[doc = include_str!("docs/cookbook.md")]
pub mod cookbook {}
