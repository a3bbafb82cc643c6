//! Brings every row to the keyring's present keys, without touching a payload.
//!
//! The table is walked in pages by id. Each page is rewrapped first and then written in one
//! transaction, row by row only if the envelope is still the one that was read. So the run can be
//! killed anywhere and started again: a page is written or it is not, and rows that are current
//! are passed over. Two runs at once write the same bytes, and a `put` in between wins.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use sealwax::Keyring;

use crate::error::VaultError;
use crate::formatting::number;
use crate::row::{Owner, Row};
use crate::row_fault::Fault;
use crate::store::Store;

/// Whether rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Write,
    /// They are only counted.
    DryRun,
}

/// What became of the rows.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rows that this run rewrapped, or would have.
    pub rewrapped: u64,
    /// Rows that needed nothing: current before, or brought there by somebody else meanwhile.
    pub current: u64,
    /// Rows left as they are, by id.
    pub failed: BTreeMap<i64, (Owner, Fault)>,
    /// Rows that somebody else wrote each time when this run was about to.
    pub overtaken: u64,
}

impl Outcome {
    /// Whether every row is current now, or would be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.overtaken == 0
    }
}

/// How often the table is walked for the sake of rows that somebody else wrote meanwhile.
const PASSES: u32 = 10;

/// Rewraps every row that is not current. A row that fails is recorded and left untouched.
///
/// # Errors
/// The database failed; finished batches are kept.
pub fn rotate(
    store: &mut Store,
    keyring: &Keyring,
    batch_size: u32,
    mode: Mode,
    progress: &ProgressBar,
) -> Result<Outcome, VaultError> {
    let mut rewrapped = 0;
    let mut passes = 0;
    loop {
        passes += 1;
        progress.set_length(store.count()?);
        progress.set_position(0);
        let pass = walk(store, keyring, batch_size, mode, progress)?;
        rewrapped += pass.rewrapped;
        // A row that somebody else wrote between our reading and our writing is looked at again,
        // in another pass: it may have been sealed by a process with the old keyring.
        if pass.overtaken == 0 || passes == PASSES {
            let current = (pass.current + pass.rewrapped).saturating_sub(rewrapped);
            let Pass { failed, overtaken, .. } = pass;
            return Ok(Outcome { rewrapped, current, failed, overtaken });
        }
    }
}

#[derive(Default)]
struct Pass {
    rewrapped: u64,
    current: u64,
    overtaken: u64,
    failed: BTreeMap<i64, (Owner, Fault)>,
}

fn walk(
    store: &mut Store,
    keyring: &Keyring,
    batch_size: u32,
    mode: Mode,
    progress: &ProgressBar,
) -> Result<Pass, VaultError> {
    let mut pass = Pass::default();
    // Ids count from 1, unless somebody wrote others; the census would count those rows.
    let mut after = i64::MIN;
    loop {
        let page = store.page_after(after, batch_size)?;
        let Some(last) = page.last() else { return Ok(pass) };
        after = last.place.id;

        // Outside of the transaction: other writers need not wait for key work.
        let mut fresh = Vec::new();
        for row in &page {
            match rewrap(row, keyring) {
                Ok(Some(envelope)) => fresh.push((row, envelope)),
                Ok(None) => pass.current += 1,
                Err(fault) => {
                    pass.failed.insert(row.place.id, (row.place.owner.clone(), fault));
                }
            }
        }
        match mode {
            Mode::DryRun => pass.rewrapped += number(fresh.len()),
            Mode::Write if fresh.is_empty() => {}
            Mode::Write => {
                let writer = store.begin()?;
                for (row, envelope) in &fresh {
                    if writer.exchange_envelope(row.place.id, &row.envelope, envelope)? {
                        pass.rewrapped += 1;
                    } else {
                        pass.overtaken += 1;
                    }
                }
                writer.commit()?;
            }
        }
        progress.inc(number(page.len()));
    }
}

fn rewrap(row: &Row, keyring: &Keyring) -> Result<Option<String>, Fault> {
    let fresh = keyring.rewrap(&row.parse()?)?;
    Ok(fresh.map(|envelope| envelope.to_string()))
}

/// A bar on standard error; nothing is drawn where that is no terminal.
#[must_use]
pub fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_message(what)
}
