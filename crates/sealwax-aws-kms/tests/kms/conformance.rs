//! The conformance kit, over moto: the key itself, and branch keys in front of it.

use std::sync::Arc;

use sealwax::MasterKeyProvider;
use sealwax_branch::BranchKeys;
use sealwax_conformance::{Expect, check};

use crate::{Moto, with_moto};

async fn conforms(
    moto: &Moto,
    provider: impl MasterKeyProvider + 'static,
    other: impl MasterKeyProvider + 'static,
) {
    let proxy = Arc::clone(&moto.proxy);
    let expect = Expect::default().other_key(other).counting(move || proxy.requests());
    let report = check(provider, "aws/byok".parse().unwrap(), expect).await;
    assert!(report.is_ok(), "{report}");
    // One key has no rotation that a provider can see.
    assert_eq!((report.passed(), report.not_run()), (32, 1), "{report}");
}

#[test]
fn the_key_passes_the_kit() {
    with_moto(|moto| async move {
        let (key, other) = (moto.key().await, moto.key().await);
        conforms(&moto, key.with_entry("service", "tests").unwrap(), other).await;
    });
}

#[test]
fn branch_keys_in_front_of_it_pass_the_kit() {
    with_moto(|moto| async move {
        let branches = |key| BranchKeys::new(key, 7.try_into().unwrap());
        let (key, other) = (branches(moto.key().await), branches(moto.key().await));
        conforms(&moto, key, other).await;
    });
}
