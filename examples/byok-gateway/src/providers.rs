//! The providers that customers may have keys for, and the context that each key is sealed in.

use std::sync::LazyLock;

use anyhow::Context;
use sealwax::{ContextError, EncryptionContext, Envelope, Keyring, OpenError, RecorderRequired};
use sealwax_credentials::{KeyHeader, PROVIDERS};
use sealwax_tenants::TenantId;

/// A service whose keys are kept.
#[derive(Debug)]
pub struct Provider {
    /// Its name in paths, tables and scopes, such as `hugging-face`.
    pub slug: String,
    /// Its name for people.
    pub name: &'static str,
    /// The only host that its keys are sent to.
    pub host: &'static str,
    /// The header that has the key.
    pub header: &'static KeyHeader,
    /// A path that costs nothing, and that only a valid key may read.
    pub check: &'static str,
}

static ALL: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let all = PROVIDERS.iter().map(|provider| Provider {
        slug: provider.name.to_ascii_lowercase().replace(' ', "-"),
        name: provider.name,
        host: provider.host,
        header: &provider.header,
        check: check(provider.name),
    });
    all.collect()
});

/// Returns where a provider says whether a key is valid.
fn check(name: &str) -> &'static str {
    match name {
        "Deepgram" => "/v1/projects",
        "DeepSeek" => "/models",
        "ElevenLabs" => "/v1/user",
        "Gemini" => "/v1beta/models",
        "Groq" => "/openai/v1/models",
        "OpenRouter" => "/api/v1/key",
        "Replicate" => "/v1/account",
        _ => "/v1/models",
    }
}

/// Returns all of them, in alphabetical order.
pub fn all() -> impl Iterator<Item = &'static Provider> {
    ALL.iter()
}

/// Returns the one with this name in paths.
#[must_use]
pub fn find(slug: &str) -> Option<&'static Provider> {
    all().find(|provider| provider.slug == slug)
}

/// Returns an error unless a row can be unwrapped, and is of a tenant and provider. It opens nothing: when all is checked but the
/// ciphertext, the recorder refuses.
pub fn verify(keyring: &Keyring, row: &Envelope, tenant: &TenantId, provider: &str) -> anyhow::Result<()> {
    let context = find(provider).context("there is no such provider")?.context(tenant)?;
    match keyring.clone().with_recorder(RecorderRequired).open(row, &context) {
        Ok(_) | Err(OpenError::NotRecorded { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Provider {
    /// Returns the context of a tenant's key for this provider. A row of another tenant or provider does not open in it, and
    /// what is opened in it goes to this host alone.
    pub fn context(&self, tenant: &TenantId) -> Result<EncryptionContext, ContextError> {
        EncryptionContext::new([("tenant", tenant.as_ref()), ("provider", &self.slug)])?.with_hosts(&[self.host])
    }
}
