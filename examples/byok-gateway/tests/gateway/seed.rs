//! What the dashboard writes, written with the dashboard's keys.

use byok_gateway::config::Home;
use byok_gateway::files::SEALER;
use byok_gateway::store::{Proofs, Put, Store};
use byok_gateway::tokens::{self, ApiTokens};
use byok_gateway::{clock, providers};
use sealwax::{Sealer, Secret};
use sealwax_tenants::TenantId;
use sealwax_tokens::{Grant, Mode};

use crate::scene::Scene;

/// Writes an account, a key and a token, and returns the token.
pub(crate) async fn seed(scene: &Scene, tenant: &str, provider: &str, key: &str) -> String {
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    let tenant: TenantId = tenant.parse().unwrap();
    let proofs = Proofs::read(&home).unwrap();
    store.account(&proofs, &format!("{tenant}@example.com"), &tenant).await.unwrap();
    let sealer: Sealer = home.parsed(SEALER).unwrap();
    let context = providers::find(provider).unwrap().context(&tenant).unwrap();
    let sealed = sealer.seal(&Secret::from(key), &context).unwrap();
    assert_eq!(store.put(&tenant, provider, &sealed).await.unwrap(), Put::Stored);
    let grant = Grant::new(tokens::subject(&tenant), [provider]).unwrap().expires(clock::seconds() + 3600);
    let issued = ApiTokens::read(&home).unwrap().of(Mode::Live).issue(grant).unwrap();
    store.tokens().insert(&issued).await.unwrap();
    issued.token.into_secret().unwrap().expose_str().unwrap().to_owned()
}
