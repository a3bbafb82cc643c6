//! An outage, and a key that is disabled.

use std::io::Write;
use std::time::{Duration, Instant};

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_branch::BranchKeys;

use crate::proxy::Mode;
use crate::with_moto;

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).unwrap()
}

#[test]
fn in_an_outage_a_row_opens_with_its_escrow() {
    with_moto(|moto| async move {
        let ring = Keyring::new("aws/byok".parse().unwrap(), moto.key().await).unwrap();
        let ring =
            ring.with_escrow("local".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
        let row = ring.seal_async(&"sk-proj-1".into(), &context()).await.unwrap();
        for mode in [Mode::Cut, Mode::Answer(500, "KMSInternalException", ""), Mode::CutBody] {
            moto.proxy.set(mode);
            let opened = ring.open_async(&row, &context()).await.unwrap();
            assert_eq!(opened, "sk-proj-1".into());
        }
    });
}

#[test]
fn in_an_outage_rows_of_known_branches_open() {
    with_moto(|moto| async move {
        let key = moto.key().await;
        let ring = || {
            let branches = BranchKeys::new(key.clone(), 1.try_into().unwrap());
            Keyring::new("aws/branches".parse().unwrap(), branches).unwrap()
        };
        let (ring, other) = (ring(), ring());
        let (secret, context) = ("sk-proj-1".into(), context());
        let known = ring.seal_async(&secret, &context).await.unwrap();
        let unknown = ring.seal_async(&secret, &context).await.unwrap();
        assert_eq!(other.open_async(&known, &context).await.unwrap(), secret);
        moto.proxy.set(Mode::Cut);
        assert_eq!(other.open_async(&known, &context).await.unwrap(), secret);
        assert_eq!(other.open(&known, &context).unwrap(), secret);
        let error = other.open_async(&unknown, &context).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        moto.proxy.set(Mode::Pass);
        assert_eq!(other.open_async(&unknown, &context).await.unwrap(), secret);
    });
}

#[test]
fn after_the_key_is_disabled_a_branch_in_use_ends() {
    const MAX_AGE: Duration = Duration::from_secs(2);
    with_moto(|moto| async move {
        let branches =
            BranchKeys::new(moto.key().await, 1000.try_into().unwrap()).with_max_age(MAX_AGE);
        let ring = Keyring::new("aws/branches".parse().unwrap(), branches).unwrap();
        let row = ring.seal_async(&"sk-proj-1".into(), &context()).await.unwrap();
        drop(ring.open_async(&row, &context()).await.unwrap());
        // moto goes on to use a key that is disabled.
        moto.proxy.set(Mode::Answer(400, "DisabledException", "it is disabled"));
        let (disabled, mut last) = (Instant::now(), Duration::ZERO);
        let error = loop {
            match ring.open_async(&row, &context()).await {
                Ok(_) => last = disabled.elapsed(),
                Err(error) => break error,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let last_open = last.as_millis();
        let line =
            format!("a branch in use opened for {last_open} ms after its key was disabled\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert!(last < MAX_AGE, "{last:?}");
        assert!(!error.is_transient(), "{error:?}");
        assert!(ring.open_async(&row, &context()).await.is_err());
    });
}
