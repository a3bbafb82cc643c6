//! Scheduled use: tries each key at its provider once a day, so that a customer learns that it was revoked there.

use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::{Method, Request};
use sealwax::ErrorClass;
use sealwax_credentials::ReqwestClient;
use sealwax_tenants::TenantId;

use crate::config::Home;
use crate::providers::{self, Provider};
use crate::vault::{Refused, Vault};

/// How many keys are tried in a round.
const KEYS: i64 = 20;
/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tries the keys that are due.
pub(super) async fn check_due(home: &Home, vault: &Vault, client: &ReqwestClient) -> Result<()> {
    let age = i64::from(home.config.policy.check_hours).saturating_mul(3600);
    for (tenant, provider, envelope) in vault.store.due(age, KEYS).await? {
        let (status, held) = match (tenant.parse(), providers::find(&provider)) {
            (Ok(tenant), Some(provider)) => match check(vault, client, &tenant, provider).await {
                Ok(found) => found,
                // The next round tries again.
                Err(error) if error.class == ErrorClass::Transient => continue,
                Err(_) => NOT_OPENED,
            },
            _ => NOT_OPENED,
        };
        // Also of a key that cannot be opened: it would keep others waiting.
        vault.store.tried((&tenant, &provider, &envelope), status, held).await?;
    }
    Ok(())
}

/// What is noted of a key that could not be opened.
const NOT_OPENED: (i64, i64) = (-1, 0);

type Checked = Result<(i64, i64), Refused>;

/// Returns the status of the reply, or 0 if there is none, and for how many microseconds the key was open.
async fn check(vault: &Vault, client: &ReqwestClient, tenant: &TenantId, provider: &Provider) -> Checked {
    let Ok(url) = reqwest::Url::parse(&format!("https://{}{}", provider.host, provider.check)) else {
        return Ok((0, 0));
    };
    let mut request = Request::new(Method::GET, url);
    if provider.slug == "anthropic" {
        request.headers_mut().insert("anthropic-version", reqwest::header::HeaderValue::from_static("2023-06-01"));
    }
    let logged =
        |error: &Refused| tracing::warn!(name = error.name, "the key of {} is not checked: {error}", provider.slug);
    let key = vault.open(tenant, provider, "worker", "the daily check of the key").await.inspect_err(logged)?;
    let opened = Instant::now();
    let reply = tokio::time::timeout(TIMEOUT, client.send(request, &key, provider.header)).await;
    drop(key);
    let held = i64::try_from(opened.elapsed().as_micros()).unwrap_or(i64::MAX);
    Ok((reply.ok().and_then(Result::ok).map_or(0, |reply| i64::from(reply.status().as_u16())), held))
}
