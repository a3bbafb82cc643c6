//! Takes over what another program has: keys that it encrypted, and tokens that it hashed.
//!
//! Both are files of JSON, one object in each line, with the `email` of the account.

use anyhow::{Context, Result, bail};
use sealwax::{Sealer, Secret};
use sealwax_credentials::can_be_sent;
use sealwax_import::json::Object;
use sealwax_import::{CATALOGUE, Declaration, Named};
use sealwax_tenants::TenantId;
use sealwax_tokens::{Existing, Grant, Mode, Salt};
use serde::Deserialize;

use crate::config::Home;
use crate::dashboard;
use crate::files::SEALER;
use crate::providers;
use crate::store::{Proofs, Put, Store};
use crate::tokens::{self, ApiTokens};

/// What every line has.
#[derive(Deserialize)]
struct Whose {
    email: String,
    provider: Option<String>,
}

/// A token that another program hashed: SHA-256, bare or with a salt in hex.
#[derive(Deserialize)]
struct Hashed {
    email: String,
    scopes: Vec<String>,
    sha256: String,
    salt_before: Option<String>,
    salt_after: Option<String>,
}

/// Seals keys that another program encrypted. The declaration is a name of `sealwax-import`'s catalogue, or a file.
///
/// Returns how many keys were stored. A tenant's key that is there already stays.
pub async fn keys(home: &Home, store: &Store, declaration: &str, key: &str, rows: &str) -> Result<u64> {
    let text = match Named::find(declaration) {
        Some(named) => named.text.to_owned(),
        None => std::fs::read_to_string(declaration).with_context(|| {
            let names: Vec<&str> = CATALOGUE.iter().map(|named| named.name).collect();
            format!("cannot read the declaration {declaration}, which is none of {}", names.join(", "))
        })?,
    };
    let declaration: Declaration = text.parse().with_context(|| format!("the declaration {declaration}"))?;
    let form = declaration.key_as.context("the declaration does not say how the key is written: key as …")?;
    let text = Secret::from(read(key)?);
    let key = form.key(text.expose_str()?.trim_end_matches('\n'), None).with_context(|| format!("the key in {key}"))?;
    // The worker moves the rows to their tenants' keys, as it does what the dashboard writes.
    let sealer: Sealer = home.parsed(SEALER)?;
    let proofs = Proofs::read(home)?;
    each(rows, async |line| {
        let whose: Whose = parsed(line, "no email")?;
        let provider = whose.provider.as_deref().and_then(providers::find).context("no provider, such as `openai`")?;
        let secret = declaration.read(&Object::parse(line)?)?.open(&key)?;
        if !can_be_sent(&secret) {
            bail!("it cannot be sent in a header");
        }
        let tenant = account(store, &proofs, &whose.email).await?;
        if store.find(&tenant, &provider.slug).await?.is_some() {
            bail!("the account has a key for this provider");
        }
        match store.put(&tenant, &provider.slug, &sealer.seal(&secret, &provider.context(&tenant)?)?).await? {
            Put::Stored => Ok(()),
            Put::Left => bail!("the account is being deleted"),
            Put::OldPair => bail!("an epoch begins just now: run this again"),
        }
    })
    .await
}

/// Accepts tokens that another program hashed. Each is upgraded when it is used.
///
/// Returns how many there are.
pub async fn tokens(home: &Home, store: &Store, rows: &str) -> Result<u64> {
    let (tokens, proofs) = (ApiTokens::read(home)?, Proofs::read(home)?);
    each(rows, async |line| {
        let hashed: Hashed = parsed(line, "it needs email, sha256, and a list of scopes")?;
        let digest = hashed.sha256.parse()?;
        let existing = match (hashed.salt_before, hashed.salt_after) {
            (None, None) => Existing::Sha256(digest),
            (Some(salt), None) => Existing::SaltBefore(Salt::from_hex(&salt)?, digest),
            (None, Some(salt)) => Existing::SaltAfter(Salt::from_hex(&salt)?, digest),
            (Some(_), Some(_)) => bail!("two salts"),
        };
        if hashed.scopes.iter().any(|scope| providers::find(scope).is_none()) {
            bail!("a scope is no provider, such as `openai`");
        }
        let tenant = account(store, &proofs, &hashed.email).await?;
        let grant = Grant::new(tokens::subject(&tenant), hashed.scopes)?;
        match store.tokens().insert_converted(&tokens.of(Mode::Live).convert(&existing, grant)?).await {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => bail!("it was accepted before"),
            inserted => Ok(inserted?),
        }
    })
    .await
}

/// Does something with each line, and says which lines it cannot be done with. No error has anything of a line.
async fn each(rows: &str, mut take: impl AsyncFnMut(&str) -> Result<()>) -> Result<u64> {
    let (mut taken, mut refused) = (0_u64, 0_u64);
    for (line, number) in read(rows)?.lines().zip(1_u64..) {
        match take(line).await {
            Ok(()) => taken = taken.saturating_add(1),
            Err(error) => {
                eprintln!("line {number}: {error:#}");
                refused = refused.saturating_add(1);
            }
        }
    }
    if refused == 0 { Ok(taken) } else { bail!("{refused} lines were refused, and {taken} taken") }
}

/// Parses a line. The error of a parser would repeat some of it.
fn parsed<'a, T: Deserialize<'a>>(line: &'a str, missing: &'static str) -> Result<T> {
    serde_json::from_str(line).map_err(|error| {
        let is_json = error.classify() == serde_json::error::Category::Data;
        anyhow::anyhow!(if is_json { missing } else { "it is not JSON" })
    })
}

fn read(file: &str) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
}

async fn account(store: &Store, proofs: &Proofs, email: &str) -> Result<TenantId> {
    // As whoever signs in writes it.
    let email = dashboard::address(email).context("email is not an address")?;
    let found = store.account(proofs, &email, &tokens::new_account()?).await?;
    found.context("the account is being deleted")
}
