//! Longer documentation, one page per module.
//!
//! The pages specify the format, state what the crate promises, and explain how to operate and extend it. They are
//! files in the repository too, in `src/docs/` and at the root.

// Its code is compiled and run by `assurance/services`, which has the crates that it needs.
#[cfg_attr(not(doctest), doc = include_str!("docs/services.md"))]
pub mod services {}

// Its code is compiled and run by `assurance/services`, which has the crates that it needs.
#[cfg_attr(not(doctest), doc = include_str!("docs/recipes.md"))]
pub mod recipes {}

#[doc = include_str!("docs/operations.md")]
pub mod operations {}

#[doc = include_str!("docs/providers.md")]
pub mod providers {}

#[doc = include_str!("docs/legacy.md")]
pub mod legacy {}

#[doc = include_str!("docs/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("docs/threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("docs/assurance.md")]
pub mod assurance {}

#[doc = include_str!("docs/performance.md")]
#[doc = include_str!("docs/measurements.md")]
pub mod performance {}

#[doc = include_str!("docs/fips.md")]
pub mod fips {}

#[doc = include_str!("docs/format.md")]
pub mod format {}

#[doc = include_str!("docs/decisions.md")]
pub mod decisions {}

#[doc = include_str!("docs/architecture.md")]
pub mod architecture {}

// As in lib.rs, the first definition of a link wins.
#[doc = "[Performance]: crate::docs::performance\n[Assurance]: crate::docs::assurance\n"]
#[doc = include_str!("../COMPARE.md")]
pub mod compare {}

#[doc = "[architecture]: crate::docs::architecture\n[SECURITY.md]: crate::docs::security\n"]
#[doc = include_str!("../CONTRIBUTING.md")]
pub mod contributing {}

#[doc = "[format]: crate::docs::format\n[operations]: crate::docs::operations\n[threat model]: crate::docs::threat_model\n"]
#[doc = include_str!("../SECURITY.md")]
pub mod security {}

#[doc = include_str!("../CHANGELOG.md")]
pub mod changelog {}
