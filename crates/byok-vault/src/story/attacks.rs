//! What can go wrong, and what the errors say.

use std::io::Write;

use sealwax::{Envelope, KeyId};

use super::invented::PROVIDERS;

use super::{keyring, new_key, parsed, recorded, row_of, unexpected};
use crate::audit_keys::LogKeys;
use crate::error::VaultError;
use crate::log::Opener;
use crate::row::Row;
use crate::store::Store;

/// Attacks the vault, and shows the errors.
pub(super) fn tell(
    store: &mut Store,
    opener: &Opener,
    log: &LogKeys,
    id: &KeyId,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    writeln!(out, "\n8. What can go wrong, and what the errors say:")?;
    let (mine, theirs) = (row_of(store, 0)?, row_of(store, PROVIDERS)?);

    exchange(store, &[(&mine, &theirs.envelope), (&theirs, &mine.envelope)])?;
    let swapped = row_of(store, 0)?;
    expect_refusal("two tenants' rows are swapped", store, &swapped, opener, out)?;
    let (mine_now, theirs_now) = (row_of(store, 0)?, row_of(store, PROVIDERS)?);
    exchange(store, &[(&mine_now, &mine.envelope), (&theirs_now, &theirs.envelope)])?;

    let flipped = with_last_bit_flipped(&mine)?;
    exchange(store, &[(&mine, &flipped)])?;
    let damaged = row_of(store, 0)?;
    expect_refusal("one bit of a ciphertext is flipped", store, &damaged, opener, out)?;
    exchange(store, &[(&damaged, &mine.envelope)])?;

    let other_material = keyring(&[("primary", id, &new_key()?)])?;
    let what = format!("the program starts with a different key under {id}");
    let other_material = recorded::opener(log, &other_material.keyring)?;
    expect_refusal(&what, store, &mine, &other_material, out)?;

    let restored = row_of(store, 0)?;
    opener.open(store, &restored)?;
    writeln!(out, "   with its original envelope and key, the row opens again")?;
    Ok(())
}

fn expect_refusal(
    what: &str,
    store: &mut Store,
    row: &Row,
    opener: &Opener,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    match opener.open(store, row) {
        Ok(_) => Err(unexpected("a row opened that must not open")),
        Err(error) => {
            writeln!(out, "   - {what}:\n       {error}\n       next: {}", error.advice())?;
            Ok(())
        }
    }
}

fn exchange(store: &mut Store, changes: &[(&Row, &String)]) -> Result<(), VaultError> {
    let writer = store.begin()?;
    for (row, envelope) in changes {
        if !writer.exchange_envelope(row.place.id, &row.envelope, envelope)? {
            return Err(unexpected("a row changed unexpectedly"));
        }
    }
    writer.commit()
}

fn with_last_bit_flipped(row: &Row) -> Result<String, VaultError> {
    let mut bytes = parsed(row)?.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Envelope::from_bytes(&bytes)
        .map(|envelope| envelope.to_string())
        .map_err(|_| unexpected("flipping a bit of the ciphertext broke the format"))
}
