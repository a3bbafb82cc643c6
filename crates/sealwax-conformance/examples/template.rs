//! A template: a provider for a key service, and its tests.
//!
//! Copy `template/provider.rs`, write `Client` with your HTTP client, and put your service's statuses into the two
//! tables of errors. The functions below become your tests, with a fake client in place of the made-up service.
//!
//! `cargo run -p sealwax-conformance --example template` prints:
//!
//! ```text
//! 250 data keys were wrapped with 3 requests
//! status 0: Unavailable
//! status 400: Other
//! status 401: Unauthenticated
//! status 403: Denied
//! status 404: NotFound
//! status 423: Disabled
//! status 429: Throttled
//! status 500: Unavailable
//! status 503: Unavailable
//! conformance: 33 passed, 0 failed, 0 not run
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderErrorKind, Suite, UnwrapRequest,
    WrapRequest,
};
use sealwax_conformance::{Expect, check};

use self::provider::RemoteKey;
use self::service::MadeUpService;

#[path = "template/provider.rs"]
pub(crate) mod provider;
#[path = "template/service.rs"]
pub(crate) mod service;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(async {
        batches_are_split().await?;
        statuses_have_their_kinds().await?;
        provider_conforms().await
    })
}

async fn batches_are_split() -> Result<(), Box<dyn Error>> {
    let service = Arc::new(MadeUpService::new()?);
    let key = RemoteKey::new(Arc::clone(&service), "customers");
    let (id, data_key): (KeyId, _) = ("kms/customers".parse()?, DataKey::generate()?);
    let requests = [WrapRequest::new(&id, Suite::default(), &[7; 32], &data_key); 250];
    let wrapped = key.wrap_keys(&requests).await.iter().filter(|result| result.is_ok()).count();
    assert_eq!((wrapped, service.requests()), (250, 3));
    println!("{wrapped} data keys were wrapped with {} requests", service.requests());
    Ok(())
}

/// Checks your table of statuses, which the conformance checks cannot see.
async fn statuses_have_their_kinds() -> Result<(), Box<dyn Error>> {
    use ProviderErrorKind::{
        Denied, Disabled, NotFound, Other, Throttled, Unauthenticated, Unavailable,
    };
    const TABLE: [(u16, ProviderErrorKind, Option<Duration>); 9] = [
        (0, Unavailable, None), // no response
        (400, Other, None),
        (401, Unauthenticated, None),
        (403, Denied, None),
        (404, NotFound, None),
        (423, Disabled, None),
        (429, Throttled, Some(Duration::from_secs(2))),
        (500, Unavailable, None),
        (503, Unavailable, None),
    ];
    let service = Arc::new(MadeUpService::new()?);
    let key = RemoteKey::new(Arc::clone(&service), "customers");
    let (id, data_key): (KeyId, _) = ("kms/customers".parse()?, DataKey::generate()?);
    let wrap = WrapRequest::new(&id, Suite::default(), &[7; 32], &data_key);
    let body = key.wrap_key(wrap).await?;
    let unwrap = UnwrapRequest::new(&id, Suite::default(), &[7; 32], &body);
    for (status, kind, wait) in TABLE {
        service.reply_with(status);
        let errors = [
            key.check(&id).await.err(),
            key.wrap_key(wrap).await.err(),
            key.unwrap_key(unwrap).await.err(),
        ];
        for error in errors {
            let found = error.map(|error| (error.kind(), error.retry_after()));
            assert_eq!(found, Some((kind, wait)), "status {status}");
        }
        println!("status {status}: {kind:?}");
    }
    Ok(())
}

async fn provider_conforms() -> Result<(), Box<dyn Error>> {
    let service = Arc::new(MadeUpService::new()?);
    let key = |name| RemoteKey::new(Arc::clone(&service), name);
    let (counted, rotated) = (Arc::clone(&service), Arc::clone(&service));
    let expect = Expect::default()
        .other_key(key("other"))
        .counting(move || counted.requests())
        .rotated_by(async move { rotated.rotate() });
    let report = check(key("customers"), "kms/customers".parse()?, expect).await;
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.not_run(), 0, "{report}");
    println!("conformance: {}", report.to_string().lines().last().unwrap_or_default());
    Ok(())
}
