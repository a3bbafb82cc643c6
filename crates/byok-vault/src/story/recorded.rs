//! What the story opens, and the log of it.

use std::io::Write;

use sealwax::{Keyring, Secret};
use sealwax_audit::AuditKey;

use super::{CREDENTIALS, SAMPLE, credential, row_of, unexpected};
use crate::audit_keys::LogKeys;
use crate::commands::log::verify;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::key_text::Given;
use crate::log::{Log, Opener};
use crate::row::Row;
use crate::store::Store;

/// Generates the key of the story's log.
pub(super) fn audit_key() -> Result<LogKeys, VaultError> {
    let key = AuditKey::generate().map_err(|source| VaultError::NewAuditKey { source })?.to_text();
    parse(["primary log-1 ", key.expose_str().unwrap_or_default()].concat())
}

/// Returns what opens rows with this keyring and records it.
pub(super) fn opener(log: &LogKeys, keyring: &Keyring) -> Result<Opener, VaultError> {
    let keys = parse(log.text.expose().to_owned())?.keys;
    Ok(Log::new(keys, "story").opener(keyring))
}

fn parse(text: String) -> Result<LogKeys, VaultError> {
    LogKeys::parse(Secret::from(text), Given::AuditKeys.variable().to_owned())
}

/// Opens the sampled rows, compares each with the credential that was stored, and returns their number.
pub(super) fn opened_as_stored(store: &mut Store, opener: &Opener) -> Result<u64, VaultError> {
    let numbers = (0..CREDENTIALS).step_by(usize::try_from(SAMPLE).unwrap_or(1));
    let sample: Vec<_> =
        numbers.map(|n| Ok((n, row_of(store, n)?))).collect::<Result<_, VaultError>>()?;
    let open = |(n, row): &(u64, Row), keyring: &Keyring| {
        if row.open(keyring)? == Secret::from(credential(*n)) {
            Ok(1)
        } else {
            Err(unexpected("a row opened to a different credential than was stored"))
        }
    };
    opener.open_each(store, &sample, open)?.into_iter().sum()
}

/// Verifies the log of the whole story.
pub(super) fn tell(store: &Store, log: &LogKeys, out: &mut impl Write) -> Result<(), VaultError> {
    writeln!(out, "\n9. Whatever was opened, or was refused, is in the log:")?;
    let mut report = Vec::new();
    let (exit, _) = verify(store, &log.keys, None, Vec::new(), &mut report)?;
    for line in String::from_utf8_lossy(&report).lines().take(2) {
        writeln!(out, "   {line}")?;
    }
    if exit == Exit::Done { Ok(()) } else { Err(unexpected("the log does not verify")) }
}
