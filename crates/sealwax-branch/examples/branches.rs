//! Branch keys in front of a key service: `cargo run -p sealwax-branch --example branches`.
//!
//! ```text
//! 10,000 rows sealed: 10 wraps and 10 unwraps at the service
//! opened by another process: 10 unwraps
//! 1,001 rows that the service had wrapped itself moved: 2 wraps and 1003 unwraps
//! opened twice, forgotten, opened twice: 2 unwraps
//! ```
//!
//! A key in memory is in place of the service's provider; `Counted` counts what it is asked.

#![expect(clippy::arithmetic_side_effects, reason = "counts only rise")]

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::Arc;

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_branch::BranchKeys;
use sealwax_conformance::Counted;

type Service = Arc<Counted<MasterKey>>;

fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let service: Service = Arc::new(Counted::new(MasterKey::generate()?));
    let rows = NonZeroU32::new(1000).ok_or("a branch has at least one row")?;
    let context = EncryptionContext::new([("tenant", "acme")])?;

    let keyring = branching(&service, rows)?;
    let mut sealed = Vec::new();
    for _ in 0..10_000 {
        sealed.push(keyring.seal_async(&"the customer's API key".into(), &context).await?);
    }
    let asked = service.counts();
    println!(
        "10,000 rows sealed: {} wraps and {} unwraps at the service",
        asked.wraps, asked.unwraps
    );

    let other = branching(&service, rows)?;
    for envelope in &sealed {
        other.open_async(envelope, &context).await?;
    }
    let before = asked.unwraps;
    println!("opened by another process: {} unwraps", service.counts().unwraps - before);

    // Rows that the service wrapped itself have its key's old id, which is retired; branches have a new id.
    let direct = Keyring::new("kms/2026".parse()?, Arc::clone(&service))?;
    let mut rows_before = Vec::new();
    for id in 0..1001 {
        rows_before.push((id, direct.seal(&"the customer's API key".into(), &context)?));
    }
    let before = service.counts();
    let moving =
        branching(&service, rows)?.with_retired("kms/2026".parse()?, Arc::clone(&service))?;
    let batch = moving.rewrap_batch_async(rows_before).await;
    assert_eq!((batch.changes.len(), batch.failures.len()), (1001, 0));
    let now = service.counts();
    println!(
        "1,001 rows that the service had wrapped itself moved: {} wraps and {} unwraps",
        now.wraps - before.wraps,
        now.unwraps + now.unwraps_in_batches - before.unwraps - before.unwraps_in_batches
    );

    // As after the key was disabled at the service: it is asked at once, and not after the maximum age.
    let branches = Arc::new(BranchKeys::new(Arc::clone(&service), rows));
    let keyring = Keyring::new("kms/2026-branches".parse()?, Arc::clone(&branches))?;
    let first = sealed.first().ok_or("no row")?;
    let before = service.counts().unwraps;
    for _ in 0..2 {
        keyring.open_async(first, &context).await?;
        keyring.open_async(first, &context).await?;
        branches.forget();
    }
    println!(
        "opened twice, forgotten, opened twice: {} unwraps",
        service.counts().unwraps - before
    );
    Ok(())
}

/// What a service adds: one line around its provider.
fn branching(service: &Service, rows: NonZeroU32) -> Result<Keyring, Box<dyn Error>> {
    Ok(Keyring::new("kms/2026-branches".parse()?, BranchKeys::new(Arc::clone(service), rows))?)
}
