//! Opens every row, which is the only check that reads the ciphertexts.
//!
//! The vault can do this for all rows, because each row holds everything that its envelope is bound to.

use sealwax::Keyring;

use crate::error::VaultError;
use crate::log::Opener;
use crate::rotation::{self, Mode, Outcome};
use crate::row::Row;
use crate::row_fault::Fault;
use crate::store::Store;
use crate::variables;

/// The number of rows that are held at once.
const BATCH: u32 = 500;

/// Opens every row for its own owner, id and variable, and wipes the credential at once. A variable that
/// `run` refuses is a fault too.
///
/// It shows a progress bar. In the result, the rows that open are `current`, and the others `failed`.
///
/// # Errors
/// Returns an error if the database fails.
pub fn audit(store: &mut Store, opener: &Opener) -> Result<Outcome, VaultError> {
    let progress = rotation::bar("opening");
    let open = |row: &Row, keyring: &Keyring| {
        row.open(keyring)?;
        // `run` would refuse it.
        match variables::of_a_credential(&row.place.env_name) {
            Ok(_) => Ok(None),
            Err(_) => Err(row.error(Fault::variable())),
        }
    };
    let open_each = |store: &mut Store, page: &[Row]| opener.open_each(store, page, open);
    let outcome = rotation::rewrite(store, BATCH, Mode::DryRun, &progress, open_each, |_| Ok(()));
    progress.finish_and_clear();
    outcome
}
