//! Sets a gateway up: its keys, its database, and the first epoch.

use std::fmt::Write;

use anyhow::{Result, bail};
use sealwax::{Keyring, Secret};
use sealwax_audit::AuditKey;
use sealwax_tokens::Pepper;

use crate::clock;
use crate::config::Home;
use crate::epoch::Epoch;
use crate::files::{AUDIT, LIVE, RING, TEST, VISITORS};
use crate::ring::Source;
use crate::store::{Log, Store};

/// Makes the keys of all processes, and the tables.
pub async fn init(home: &Home) -> Result<()> {
    if home.path(RING).exists() {
        bail!("{} exists: this gateway is set up", home.path(RING).display());
    }
    let store = Store::open(&home.database()).await?;
    for (file, name) in [(VISITORS, "visitors-1"), (LIVE, "live-1"), (TEST, "test-1")] {
        home.write(file, primary(name, &Pepper::generate()?.to_text())?.expose_secret())?;
    }
    home.write(AUDIT, primary("audit-1", &AuditKey::generate()?.to_text())?.expose_secret())?;
    let first = Epoch(1);
    let ring = primary(first.root()?.as_ref(), &first.draw_root(home)?)?;
    // Written last, so that a set-up which was interrupted can begin again.
    let source = Source::new(home)?;
    let service: Keyring = ring.expose_str()?.parse()?;
    let log = Log::new(home.parsed(AUDIT)?, store.audit(), clock::millis);
    first.note_begin(&log, &service).await?;
    first.make_pair(home, &store, &service).await?;
    source.write(&ring).await
}

/// Returns the line of a keyring's first key.
fn primary(name: &str, key: &Secret) -> Result<Secret> {
    let mut line = String::with_capacity(name.len().saturating_add(key.len()).saturating_add(16));
    write!(line, "primary {name} {}", key.expose_str()?)?;
    Ok(Secret::from(line))
}
