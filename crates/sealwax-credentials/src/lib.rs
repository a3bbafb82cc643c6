// In the repository, this link of the README leads to a file. The first definition of a link wins.
//! [sealwax]: sealwax
#![doc = include_str!("../README.md")]
// Without features also without `alloc`, so that no part of a credential can be left behind on the heap.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "http")]
extern crate alloc;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
extern crate std;

use sealwax::Secret;

// What a credential is read as, and what its characters are.
mod characters;
mod reading;

// The rules.
mod around;
mod encrypted;
mod files;
mod printed;
mod references;
mod words;

// The kinds, each with its rule.
mod suspicion;

// Where a credential goes, and what comes back.
#[cfg(feature = "http")]
mod bound;

#[cfg(feature = "http")]
pub use bound::destination::DestinationError;
#[cfg(feature = "hyper")]
pub use bound::hyper::HyperClient;
#[cfg(feature = "http")]
pub use bound::key_header::KeyHeader;
#[cfg(feature = "http")]
pub use bound::providers::{PROVIDERS, Provider};
#[cfg(feature = "http")]
pub use bound::redactor::{RedactError, Redactor};
#[cfg(feature = "reqwest")]
pub use bound::reqwest::ReqwestClient;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub use bound::sending::SendError;
#[cfg(feature = "http")]
pub use bound::{
    AuthorizeError, BoundSecret, OpenBoundError, can_be_sent, open_bound, open_bound_async,
};
pub use characters::is_default_ignorable;
pub use suspicion::Suspicion;

use reading::Reading;

/// Returns everything that makes a credential look like none, in the order of [`Suspicion::ALL`].
///
/// A credential that looks like one gives an empty iterator. The credential is only read, in place:
/// nothing is copied, and the result holds nothing of it.
///
/// ```
/// use sealwax::Secret;
/// use sealwax_credentials::{Suspicion, suspicions};
///
/// let pasted = Secret::from("\"sk-...4f2a\"\n");
/// let found: Vec<_> = suspicions(&pasted).collect();
/// assert_eq!(found, [Suspicion::WhiteSpaceAtEnd, Suspicion::Quotes, Suspicion::Masked]);
///
/// assert_eq!(suspicions(&Secret::from("sk-proj-4Jq8Zr2Lw0")).next(), None);
/// ```
pub fn suspicions(credential: &Secret) -> impl Iterator<Item = Suspicion> {
    let reading = Reading::of(credential.expose_secret());
    Suspicion::ALL.iter().copied().filter(move |suspicion| suspicion.is_in(&reading))
}
