//! Sets a gateway up: its keys, its database, and the first epoch.

use std::fmt::Write;
use std::fs::File;

use anyhow::{Context, Result, bail, ensure};
use sealwax::Secret;
use sealwax_audit::AuditKey;
use sealwax_tokens::Pepper;

use crate::clock;
use crate::config::Home;
use crate::epoch::Epoch;
use crate::files::{AUDIT, LIVE, PROOFS, RING, SEALER, TEST, VISITORS};
use crate::ring::Source;
use crate::store::{Log, Store};

/// Makes the keys of all processes, and the tables. A set-up that was interrupted goes on, with the keys that it has made.
pub async fn init(home: &Home) -> Result<()> {
    let _lock = home.lock()?;
    let has = |file| home.path(file).exists();
    // Written last.
    if has(SEALER) {
        bail!("{} exists: this gateway is set up", home.path(SEALER).display());
    }
    if let Some(file) = home.database().strip_prefix("sqlite:") {
        File::options().append(true).create(true).open(file).with_context(|| format!("cannot create {file}"))?;
    }
    let store = Store::open(&home.database()).await?;
    for (file, name) in [(VISITORS, "visitors-1"), (PROOFS, "accounts-1"), (LIVE, "live-1"), (TEST, "test-1")] {
        if !has(file) {
            home.write(file, primary(name, &Pepper::generate()?.to_text())?.expose_secret())?;
        }
    }
    if !has(AUDIT) {
        home.write(AUDIT, primary("audit-1", &AuditKey::generate()?.to_text())?.expose_secret())?;
    }
    let (first, source) = (Epoch(1), Source::new(home)?);
    if !has(RING) {
        // The escrow of its root would be written over.
        ensure!(store.pairs().await?.is_empty(), "{RING} is lost, and the database is under it: restore it");
        source.write(&primary(first.root()?.as_ref(), &first.draw_root(home)?)?).await?;
    }
    let ring = source.read().await?;
    if Epoch::newest(&ring) != Some(first) {
        bail!("the keyring is of a later epoch: this gateway is set up");
    }
    let log = Log::new(home.parsed(AUDIT)?, store.audit(), clock::millis);
    first.note_begin(home, &store, &log, &ring).await?;
    first.make_pair(home, &store, &ring).await
}

/// Returns the line of a keyring's first key.
fn primary(name: &str, key: &Secret) -> Result<Secret> {
    let mut line = String::with_capacity(name.len().saturating_add(key.len()).saturating_add(16));
    write!(line, "primary {name} {}", key.expose_str()?)?;
    Ok(Secret::from(line))
}
