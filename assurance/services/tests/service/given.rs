//! Keys, rows and a key service that the tests share.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sealwax::{
    DataKey, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError, ProviderErrorKind, ProviderFuture,
    UnwrapRequest, WrapRequest,
};
use sealwax_audit::AuditKey;
use services::credentials::{Provider, Tenant, context};
use sqlx::PgPool;

/// Returns the text of a new key.
pub(crate) fn key() -> String {
    MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned()
}

/// Returns the text of a service's audit keys.
pub(crate) fn audit_keys() -> String {
    format!("primary audit-2026 {}", AuditKey::generate().unwrap().to_text().expose_str().unwrap())
}

pub(crate) fn ring(text: &str) -> Keyring {
    text.parse().unwrap()
}

/// Returns a keyring that a test can replace, as a reload does.
pub(crate) fn running(text: &str) -> ArcSwap<Keyring> {
    ArcSwap::from_pointee(ring(text))
}

/// Inserts one row for each tenant, from 1 to `count`. The credential of tenant 7 is `secret-7`.
pub(crate) async fn rows(db: &PgPool, ring: &Keyring, count: i64) {
    let tenants: Vec<i64> = (1..=count).collect();
    let seal = |&tenant: &i64| {
        let context = context(Tenant(tenant), Provider::OpenAi).unwrap();
        Vec::from(ring.seal(&format!("secret-{tenant}").into(), &context).unwrap())
    };
    let envelopes: Vec<Vec<u8>> = tenants.iter().map(seal).collect();
    let sql = "INSERT INTO credentials (tenant, provider, envelope)
        SELECT tenant, 'openai', envelope FROM unnest($1, $2) AS new (tenant, envelope)";
    sqlx::query(sql).bind(tenants).bind(envelopes).execute(db).await.unwrap();
}

/// A key at a service. Each call waits, then fails as the script says; when the script has ended, it succeeds.
#[derive(Debug)]
pub(crate) struct Kms {
    key: MasterKey,
    pub(crate) wait: Duration,
    pub(crate) script: Mutex<VecDeque<ProviderErrorKind>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) calls: AtomicU32,
}

impl Kms {
    pub(crate) fn new(script: impl IntoIterator<Item = ProviderErrorKind>) -> Self {
        Self {
            key: MasterKey::generate().unwrap(),
            wait: Duration::ZERO,
            script: Mutex::new(script.into_iter().collect()),
            retry_after: None,
            calls: AtomicU32::new(0),
        }
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn trip(&self) -> Result<(), ProviderError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.wait).await;
        let next = self.script.lock().unwrap().pop_front();
        next.map_or(Ok(()), |kind| {
            let error = ProviderError::from(kind);
            Err(match self.retry_after {
                Some(wait) => error.with_retry_after(wait),
                None => error,
            })
        })
    }
}

impl KeyWrapper for Kms {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.trip().await?;
            self.key.wrap_key(request).await
        })
    }
}

impl MasterKeyProvider for Kms {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.trip().await?;
            self.key.unwrap_key(request).await
        })
    }
}

/// Returns a keyring whose primary is this provider.
pub(crate) fn remote(provider: impl MasterKeyProvider + 'static) -> Keyring {
    Keyring::new("kms/eu".parse().unwrap(), provider).unwrap()
}
