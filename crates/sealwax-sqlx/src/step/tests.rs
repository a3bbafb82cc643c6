//! How carefully pages are written.

use sealwax::{KeyWrapper, MasterKey, ProviderError, ProviderErrorKind, ProviderFuture, WrapRequest};

use super::*;

/// A key at a service, which is not asked.
#[derive(Debug)]
struct Service;

impl KeyWrapper for Service {
    fn wrap_key<'a>(&'a self, _: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async { Err(ProviderErrorKind::Unavailable.into()) })
    }
}

#[test]
fn a_page_with_a_key_at_a_service_does_not_wait_for_rows() {
    let local = || Keyring::new("prod-1".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    assert_eq!(Care::for_keys_of(&local()), Care::Wait);
    let offline = local().with_offline_escrow("kms/eu-dr".parse().unwrap(), Service).unwrap();
    assert_eq!(Care::for_keys_of(&offline), Care::SkipLocked);
    let in_memory = local().with_offline_escrow("eu-dr".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    assert_eq!(Care::for_keys_of(&in_memory), Care::Wait);
}
