//! Where a credential goes, and what comes back.
//!
//! Every credential here is invented. No test prints one: a failure names the row of a table, or a position.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod canary;
mod corpora;
mod cuts;
mod errors;
mod forms;
mod heads;
mod opening;
mod providers;
mod requests;
#[cfg(target_os = "linux")]
mod residue;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod upstream;
mod uris;

use std::sync::LazyLock;

use http::HeaderMap;
use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
use sealwax_credentials::{BoundSecret, OpenBoundError, Redactor, open_bound};

/// A key that is like no word, with the characters that keys have.
const KEY: &str = "sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4";
const HOST: &str = "api.openai.com";

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    Keyring::new("prod".parse().unwrap(), MasterKey::generate().unwrap()).unwrap()
});

fn try_bound(key: impl AsRef<[u8]>, hosts: &[&str]) -> Result<BoundSecret, OpenBoundError> {
    let context = EncryptionContext::empty().with_hosts(hosts).unwrap();
    let envelope = KEYRING.seal(&Secret::from(key.as_ref()), &context).unwrap();
    open_bound(&KEYRING, &envelope, &context)
}

fn bound(key: impl AsRef<[u8]>) -> BoundSecret {
    try_bound(key, &[HOST]).unwrap()
}

/// Returns the filter for a body whose head is empty.
fn redactor(secret: &BoundSecret) -> Redactor {
    secret.redactor(&mut HeaderMap::new()).unwrap()
}

/// Returns a body without the key, which comes in these chunks.
fn redacted<'a>(secret: &BoundSecret, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut redactor, mut body) = (redactor(secret), Vec::new());
    for chunk in chunks {
        redactor.push(chunk, |bytes| body.extend_from_slice(bytes));
    }
    redactor.finish(|bytes| body.extend_from_slice(bytes));
    body
}
