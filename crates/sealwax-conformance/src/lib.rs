// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [providers]: sealwax::docs::providers
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What is reported, and what the author of a provider knows about it.
mod expect;
mod report;

// How a provider is called: guarded against panics and hangs.
mod calls;
mod refusals;
mod subject;

// The checks.
mod checks;
mod decorator;

// Providers around a provider, for tests of services and of decorators.
mod counted;
mod faulty;

pub use checks::check;
pub use counted::{Counted, Counts};
pub use decorator::{Probe, check_decorator};
pub use expect::Expect;
pub use faulty::{Fault, Faulty};
pub use report::{Finding, Outcome, Report};
