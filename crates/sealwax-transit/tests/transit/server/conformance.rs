//! The conformance kit, over a real server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sealwax_conformance::{Expect, check};
use sealwax_transit::{TransitKey, Transport};
use serde_json::json;

use super::{Bao, Counting, with_bao};

async fn conforms(bao: Bao, cipher: &str, transport: impl Transport + Clone + 'static) {
    bao.create("byok", json!({ "type": cipher })).await;
    bao.create("other", json!({ "type": cipher })).await;
    let connect = |transport, name| TransitKey::connect(transport, bao.location(name), bao.root());
    let counting = Counting::new(transport.clone());
    let requests = Arc::clone(&counting.requests);
    let key = connect(counting, "byok").await.unwrap();
    let other = connect(Counting::new(transport), "other").await.unwrap();
    let bao = Arc::new(bao);
    let rotation = Arc::clone(&bao);
    let expect = Expect::default()
        .other_key(other)
        .counting(move || requests.load(Ordering::Relaxed))
        .rotated_by(async move { rotation.rotate("byok").await });
    let report = check(key, "transit/byok".parse().unwrap(), expect).await;
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.passed(), report.not_run()), (33, 0), "{report}");
}

#[test]
fn over_hyper() {
    with_bao(|bao| async move {
        let transport = bao.transport.clone();
        conforms(bao, "aes256-gcm96", transport).await;
    });
}

#[test]
#[cfg(feature = "reqwest")]
fn over_reqwest() {
    with_bao(|bao| async move {
        let (builder, timeout) = (reqwest::Client::builder(), std::time::Duration::from_secs(10));
        let transport = sealwax_transit::ReqwestTransport::new(builder, timeout);
        conforms(bao, "xchacha20-poly1305", transport.unwrap()).await;
    });
}
