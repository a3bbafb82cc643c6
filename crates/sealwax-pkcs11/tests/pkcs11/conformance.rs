//! The conformance kit, over a real token.

use std::num::NonZeroU32;

use pollster::block_on;
use sealwax::MasterKeyProvider;
use sealwax_branch::BranchKeys;
use sealwax_conformance::{Expect, check};
use sealwax_pkcs11::TokenKey;

use crate::token::{PIN, with_token};

/// Two checks do not run. A provider does not see a rotation, because its configuration names the version: `versions.rs`
/// tests it. And nobody can count what a library is asked: the tests of the threads do.
fn conforms(key: impl MasterKeyProvider + 'static, expect: Expect) {
    let report = block_on(check(key, "hsm/byok".parse().unwrap(), expect));
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.passed(), report.not_run()), (31, 2), "{report}");
}

#[test]
fn aes_gcm_conforms() {
    with_token(|token| {
        token.create("other", &[1], &[]);
        let other = block_on(TokenKey::connect(token.config_of("other", PIN))).unwrap();
        conforms(token.key(), Expect::default().other_key(other));
    });
}

#[test]
fn aes_key_wrap_conforms() {
    with_token(|token| {
        token.create("other", &[1], &[]);
        let other = token.config_of("other", PIN);
        let other = block_on(TokenKey::connect_key_wrap(other)).unwrap();
        conforms(token.rebound(), Expect::default().other_key(other));
    });
}

#[test]
fn branch_keys_over_aes_gcm_conform() {
    with_token(|token| {
        token.create("other", &[1], &[]);
        let other = block_on(TokenKey::connect(token.config_of("other", PIN))).unwrap();
        let branches = |key| BranchKeys::new(key, NonZeroU32::new(100).unwrap());
        let expect = Expect::default().other_key(branches(other));
        conforms(branches(token.key()), expect);
    });
}
