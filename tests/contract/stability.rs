//! The two foreign crates in signatures, and the traits that every type implements.

use sealwax::{
    Batch, Change, ContextError, DataKey, Draft, EncryptionContext, Envelope, ErrorClass,
    FormatError, Held, KeyError, KeyId, KeyState, Keyring, KeyringError, MasterKey, OpenError,
    ProviderError, ProviderErrorKind, ProviderFuture, ReloadProblem, RewrapError, RowError,
    SealError, Secret, Suite, UnwrapError, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
    triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey},
};

use crate::{Steps, context, key, ring, secret};

#[test]
fn every_type_is_send_and_sync() {
    fn are<T: Send + Sync>() {}

    are::<(KeyId, Suite, WrapKind, EncryptionContext, Held, WrappedKey)>();
    are::<(Envelope, Secret, MasterKey, DataKey)>();
    are::<(Keyring, KeyState, ReloadProblem, Batch<u32>, Change<u32>, Draft)>();
    are::<(WrapRequest<'static>, UnwrapRequest<'static>, ProviderErrorKind, ErrorClass)>();
    are::<(ContextError, FormatError, KeyError, KeyringError, RowError, ProviderError)>();
    are::<(SealError, OpenError, UnwrapError, RewrapError)>();
    are::<(Triplet, TripletKey, TripletError, Layout, Part, Encoding, IvLen)>();
}

#[test]
fn a_providers_future_is_send_and_unpin() {
    fn is<T: Send + Unpin>() {}

    is::<ProviderFuture<'static, u32>>();
    is::<ProviderFuture<'static, Result<DataKey, ProviderError>>>();
}

#[test]
fn whoever_has_a_source_of_rand_core_may_seal_and_make_keys() {
    fn with<R: rand_core::TryCryptoRng + ?Sized>(rng: &mut R) {
        assert!(MasterKey::generate_with_rng(rng).is_ok());
        assert!(DataKey::generate_with_rng(rng).is_ok());
        assert!(ring().seal_with_rng(&secret(), &context(), rng).is_ok());
        assert!(Draft::new_with_rng(&secret(), &context(), Suite::default(), rng).is_ok());
        let (ring, secret, context) = (ring(), secret(), context());
        assert!(pollster::block_on(ring.seal_async_with_rng(&secret, &context, rng)).is_ok());
    }
    with(&mut Steps::default());
}

#[test]
fn whoever_has_a_secret_of_secrecy_may_seal_it() {
    fn converts<T: From<secrecy::SecretString>>() {}
    fn converts_back<T: TryInto<secrecy::SecretString>>() {}

    converts::<Secret>();
    converts_back::<Secret>();
}

#[test]
fn a_keys_text_is_fixed() {
    let text = key(0).to_text();

    // base64url of 00 01 … 1f, followed by the checksum
    assert!(
        text.expose_str().unwrap().starts_with("swk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh")
    );
}
