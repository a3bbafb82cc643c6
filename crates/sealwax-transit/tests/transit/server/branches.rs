//! Branch keys in front of the service.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sealwax::{EncryptionContext, Keyring};
use sealwax_branch::BranchKeys;
use sealwax_conformance::{Expect, check};
use sealwax_transit::TransitKey;
use serde_json::{Value, json};

use super::own::with_own_bao;
use super::{Counting, with_bao};

#[test]
fn branch_keys_pass_the_kit() {
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        bao.create("other", json!({})).await;
        let counting = Counting::new(bao.transport.clone());
        let requests = Arc::clone(&counting.requests);
        let connect =
            |name, transport| TransitKey::connect(transport, bao.location(name), bao.root());
        let key = connect("byok", counting).await.unwrap();
        let other = connect("other", Counting::new(bao.transport.clone())).await.unwrap();
        let bao = Arc::new(bao);
        let rotation = Arc::clone(&bao);
        let expect = Expect::default()
            .other_key(BranchKeys::new(other, 7.try_into().unwrap()))
            .counting(move || requests.load(Ordering::Relaxed))
            .rotated_by(async move { rotation.rotate("byok").await });
        let branches = BranchKeys::new(key, 7.try_into().unwrap());
        let report = check(branches, "transit/branches".parse().unwrap(), expect).await;
        assert!(report.is_ok(), "{report}");
        assert_eq!((report.passed(), report.not_run()), (33, 0), "{report}");
    });
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).unwrap()
}

#[test]
fn in_an_outage_rows_of_known_branches_open() {
    with_own_bao(|bao, running| async move {
        bao.create("byok", json!({})).await;
        let key = bao.key("byok").await;
        let ring = || {
            let branches = BranchKeys::new(Arc::clone(&key), 1.try_into().unwrap());
            Keyring::new("transit/branches".parse().unwrap(), branches).unwrap()
        };
        let (ring, other) = (ring(), ring());
        let (secret, context) = ("sk-proj-1".into(), context());
        let known = ring.seal_async(&secret, &context).await.unwrap();
        let unknown = ring.seal_async(&secret, &context).await.unwrap();
        assert_eq!(other.open_async(&known, &context).await.unwrap(), secret);
        drop(running);
        assert_eq!(other.open_async(&known, &context).await.unwrap(), secret);
        assert_eq!(other.open(&known, &context).unwrap(), secret);
        let error = other.open_async(&unknown, &context).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        // The one that sealed the rows has both.
        assert_eq!(ring.open_async(&unknown, &context).await.unwrap(), secret);
    });
}

/// A branch that is opened all the time ends when the key does, and not later than the maximum age.
#[test]
fn after_the_key_is_revoked_a_branch_in_use_ends() {
    const MAX_AGE: Duration = Duration::from_secs(2);
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        let branches = BranchKeys::new(bao.key("byok").await, 1000.try_into().unwrap());
        let ring =
            Keyring::new("transit/branches".parse().unwrap(), branches.with_max_age(MAX_AGE));
        let ring = ring.unwrap();
        let row = ring.seal_async(&"sk-proj-1".into(), &context()).await.unwrap();
        let started = Instant::now();
        // Long enough that the branch is confirmed once.
        while started.elapsed() < MAX_AGE {
            ring.open_async(&row, &context()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let path = format!("{}/keys/byok/soft-delete", bao.mount);
        assert_eq!(bao.send("DELETE", &path, Value::Null).await.0, 200);
        let (revoked, mut last) = (Instant::now(), Duration::ZERO);
        let error = loop {
            match ring.open_async(&row, &context()).await {
                Ok(_) => last = revoked.elapsed(),
                Err(error) => break error,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let last_open = last.as_millis();
        let line = format!("a branch in use opened for {last_open} ms after its key was revoked\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert!(last < MAX_AGE, "{last:?}");
        assert!(!error.is_transient(), "{error:?}");
        assert!(ring.open_async(&row, &context()).await.is_err());
    });
}
