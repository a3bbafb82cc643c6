//! The made-up service, which is not part of your copy.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret};

use super::provider::{Client, Item, Response};

/// A service with two keys, of which it makes a second version. It encrypts with sealwax, which is at hand.
pub(crate) struct MadeUpService {
    keys: BTreeMap<(&'static str, u32), Keyring>,
    version: AtomicU32,
    /// With which status it replies; 0 if it does not.
    status: AtomicU16,
    requests: AtomicUsize,
}

impl MadeUpService {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut keys = BTreeMap::new();
        for key in [("customers", 1), ("customers", 2), ("other", 1), ("other", 2)] {
            keys.insert(key, Keyring::new("key".parse()?, MasterKey::generate()?)?);
        }
        let (version, status, requests) =
            (AtomicU32::new(1), AtomicU16::new(200), AtomicUsize::new(0));
        Ok(Self { keys, version, status, requests })
    }

    pub(crate) fn rotate(&self) {
        self.version.store(2, Relaxed);
    }

    pub(crate) fn reply_with(&self, status: u16) {
        self.status.store(status, Relaxed);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    fn encrypt(&self, key: &str, item: &Item) -> Option<Secret> {
        let version = self.version.load(Relaxed);
        let sealed = self.keys.get(&(key, version))?.seal(&item.bytes, &context(item)?).ok()?;
        Some(Secret::from(format!("{version}:{sealed}")))
    }

    fn decrypt(&self, key: &str, item: &Item) -> Option<Secret> {
        let (version, sealed) = item.bytes.expose_str().ok()?.split_once(':')?;
        let sealed: Envelope = sealed.parse().ok()?;
        self.keys.get(&(key, version.parse().ok()?))?.open(&sealed, &context(item)?).ok()
    }
}

fn context(item: &Item) -> Option<EncryptionContext> {
    let bound: String = item.bound.iter().map(|byte| format!("{byte:02x}")).collect();
    EncryptionContext::new([("bound", bound.as_str())]).ok()
}

impl Client for Arc<MadeUpService> {
    async fn send(
        &self,
        key: &str,
        action: &str,
        items: &[Item],
    ) -> Result<Response, Box<dyn Error + Send + Sync>> {
        self.requests.fetch_add(1, Relaxed);
        let (status, version) = (self.status.load(Relaxed), self.version.load(Relaxed));
        if status == 0 {
            return Err("no response".into());
        }
        let retry_after = (status == 429).then_some(Duration::from_secs(2));
        let result = |item| match action {
            "encrypt" => self.encrypt(key, item).ok_or(500),
            _ => self.decrypt(key, item).ok_or(400),
        };
        let results = items.iter().map(result).collect();
        Ok(Response { status, retry_after, version, results })
    }
}
