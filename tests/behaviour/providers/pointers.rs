//! A pointer to a provider behaves like the provider.

use std::sync::Arc;

use sealwax::{
    DataKey, KeyId, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError,
    ProviderErrorKind, ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest,
};

use crate::fixtures::{acme, key_id, master_key};
use crate::providers::{another_key, seal, secret};

/// A provider with an unusual reply to every call that a pointer could forget to forward.
struct Peculiar(MasterKey);

impl KeyWrapper for Peculiar {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        WrapKind::from_byte(0x80).unwrap()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        body.last().is_some_and(|last| last % 2 == 0)
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        ProviderFuture::ready(vec![Ok(vec![requests.len().try_into().unwrap()])])
    }

    fn check<'a>(&'a self, _key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        ProviderFuture::ready(Err(ProviderErrorKind::Throttled.into()))
    }
}

impl MasterKeyProvider for Peculiar {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        let _ = requests;
        ProviderFuture::ready(vec![Err(ProviderErrorKind::Denied.into())])
    }
}

fn forwards(name: &str, provider: impl MasterKeyProvider + 'static) {
    assert_eq!(provider.kind().byte(), 0x80, "{name}");
    assert!(provider.is_current(&[1, 2]) && !provider.is_current(&[2, 1]), "{name}");

    let (id, data_key) = (key_id("p"), another_key());
    let request = WrapRequest::new(&id, Suite::Aes256Gcm, &[3; 32], &data_key);
    let body = provider.wrap_key(request).into_ready().unwrap().unwrap();
    assert_eq!(body, master_key(1).wrap_key(request).into_ready().unwrap().unwrap(), "{name}");
    let request = UnwrapRequest::new(&id, Suite::Aes256Gcm, &[3; 32], &body);
    let unwrapped = provider.unwrap_key(request).into_ready().unwrap().unwrap();
    assert_eq!(unwrapped.expose_secret(), data_key.expose_secret(), "{name}");

    let wrap = WrapRequest::new(&id, Suite::Aes256Gcm, &[3; 32], &data_key);
    let bodies = provider.wrap_keys(&[wrap, wrap, wrap]).into_ready().unwrap();
    assert_eq!(bodies.len(), 1, "{name}");
    assert_eq!(bodies[0].as_deref().unwrap(), [3], "{name}");
    let keys = provider.unwrap_keys(&[request, request]).into_ready().unwrap();
    assert_eq!(keys.len(), 1, "{name}");
    assert_eq!(keys[0].as_ref().unwrap_err().kind(), ProviderErrorKind::Denied, "{name}");
    let checked = provider.check(&id).into_ready().unwrap().unwrap_err();
    assert_eq!(checked.kind(), ProviderErrorKind::Throttled, "{name}");

    let ring = Keyring::new(id, provider).unwrap();
    let row = seal(&ring);
    assert_eq!(row.wrapped_keys().next().unwrap().kind().byte(), 0x80, "{name}");
    assert_eq!(ring.open(&row, &acme()).unwrap(), secret(), "{name}");
}

#[test]
fn pointers_to_a_provider_are_the_provider() {
    let peculiar = || Peculiar(master_key(1));
    forwards("itself", peculiar());
    forwards("Arc", Arc::new(peculiar()));
    forwards("Box", Box::new(peculiar()));
    forwards("&", &*Box::leak(Box::new(peculiar())));
    let shared: Arc<dyn MasterKeyProvider> = Arc::new(peculiar());
    forwards("Arc<dyn>", shared);
    let boxed: Box<dyn MasterKeyProvider> = Box::new(peculiar());
    forwards("Arc<Box<dyn>>", Arc::new(boxed));
    let boxed: Box<dyn MasterKeyProvider> = Box::new(peculiar());
    forwards("Box<dyn>", boxed);
    let borrowed: &'static dyn MasterKeyProvider = Box::leak(Box::new(peculiar()));
    forwards("&dyn", borrowed);
}
