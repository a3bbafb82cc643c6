//! Takes away what tools put around an envelope.

use sealwax::Keyring;

use crate::around;
use crate::error::VaultError;
use crate::row::Row;

/// Returns the envelope without what is around it, or `None` if nothing is around it.
///
/// # Errors
/// Returns [`VaultError::Row`] if there is no envelope inside, or it does not open for this row: such a
/// row must be left as evidence of what happened to it.
pub fn trimmed(row: &Row, keyring: &Keyring) -> Result<Option<String>, VaultError> {
    let fault = match row.parse() {
        Ok(_) => return Ok(None),
        Err(fault) => fault,
    };
    let Some(inside) = around::envelope_inside(&row.envelope) else {
        return Err(row.error(fault));
    };
    let repaired = Row { envelope: inside.envelope, ..row.clone() };
    match repaired.try_open(keyring) {
        Ok(_credential) => Ok(Some(repaired.envelope)),
        // What a column cut off is the text with what is around it.
        Err(fault) => Err(row.error(fault.in_text(&row.envelope))),
    }
}
