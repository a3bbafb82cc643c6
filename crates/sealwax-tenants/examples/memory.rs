//! Prints how much memory tenants take that are kept: `cargo run --release -p sealwax-tenants --example memory`.
//!
//! A service has 1,000,000 tenants, and keeps the keyrings of 100,000. All of them are opened once.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "numbers are small"
)]

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::time::Instant;

use sealwax::{Keyring, MasterKey};
use sealwax_tenants::{TenantId, TenantKeys, TenantRecord, TenantState};

const TENANTS: usize = 1_000_000;
const KEPT: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let service = Keyring::new("epoch-2026-11".parse()?, MasterKey::generate()?)?;
    let kept = NonZeroUsize::new(KEPT).ok_or("none")?;
    let keys = TenantKeys::new(service, []).with_capacity(kept);
    // Warms the allocator up, and what the process has besides.
    for tenant in 0..1000 {
        open(&keys, tenant)?;
    }
    keys.forget_all();

    let (before, started) = (resident()?, Instant::now());
    let mut most = 0;
    for tenant in 0..TENANTS {
        open(&keys, tenant)?;
        if tenant % KEPT == KEPT - 1 {
            most = resident()?.max(most);
        }
    }
    let nanoseconds = started.elapsed().as_nanos() as f64 / TENANTS as f64;
    println!("{TENANTS} tenants opened, {} kept", keys.kept());
    println!("{} bytes for each tenant that is kept", (most - before) / KEPT);
    println!("{nanoseconds:.0} ns to make a key, and to open it");
    Ok(())
}

fn open(keys: &TenantKeys, tenant: usize) -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = tenant.to_string().parse()?;
    let created =
        keys.create(&TenantRecord::from_row(tenant.clone(), None), TenantState::NeverHad)?;
    let record = TenantRecord::new(tenant, 1, 0, [(1, created.envelope().to_string())]);
    keys.keyring(&record)?;
    Ok(())
}

/// The memory of this process, on Linux.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/statm")?;
    let pages: usize = status.split(' ').nth(1).ok_or("no second field")?.parse()?;
    Ok(pages * 4096)
}
