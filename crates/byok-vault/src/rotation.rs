//! Rewraps every row for the current keys of the keyring, without touching a payload.
//!
//! The other operations that look at every row share its loop, [`rewrite`]. A run reads the table in
//! pages, by id. It computes the new envelopes of a page first and then writes them in one transaction,
//! and it writes a row only if the row still has the envelope that was read. A run can therefore be
//! killed at any point and started again: a page is written completely or not at all, and rows that are
//! done are skipped. If two runs meet at a row, one of them writes it; a `put` in between wins.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use sealwax::Keyring;

use crate::error::VaultError;
use crate::formatting::number;
use crate::row::{Owner, Row};
use crate::row_fault::{Fault, FaultKind};
use crate::store::Store;

/// Whether a run writes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Rows are written.
    Write,
    /// Rows are only counted.
    DryRun,
}

/// The result of a run over all rows.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The number of rows that this run rewrote, or would have rewritten.
    pub rewritten: u64,
    /// The number of rows that needed no change, or that another process rewrote meanwhile.
    pub current: u64,
    /// The rows that could not be rewritten and were left unchanged, by id.
    pub failed: BTreeMap<i64, (Owner, Fault)>,
    /// The number of rows that another process changed every time before this run could write them.
    pub overtaken: u64,
}

impl Outcome {
    /// Returns whether every row is done now, or would be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.overtaken == 0
    }

    /// Returns the rows that failed.
    pub fn faults(&self) -> impl Iterator<Item = (i64, &Owner, &Fault)> {
        self.failed.iter().map(|(id, (owner, fault))| (*id, owner, fault))
    }

    /// Returns the most urgent kind among [`Outcome::faults`].
    #[must_use]
    pub fn worst(&self) -> Option<FaultKind> {
        self.faults().map(|(_, _, fault)| fault.kind).min()
    }
}

/// The most passes over the table for the sake of rows that another process changed meanwhile.
const PASSES: u32 = 10;

/// Rewraps every row that is not current.
///
/// A row that fails is recorded and left unchanged.
///
/// # Errors
/// Returns an error if the database fails; finished batches are kept.
pub fn rotate(
    store: &mut Store,
    keyring: &Keyring,
    batch_size: u32,
    mode: Mode,
    progress: &ProgressBar,
) -> Result<Outcome, VaultError> {
    let fresh =
        |_: &mut Store, page: &[Row]| Ok(page.iter().map(|row| row.rewrap(keyring)).collect());
    rewrite(store, batch_size, mode, progress, fresh, |_| Ok(()))
}

/// A row, and the text of its new envelope.
pub type Rewritten<'r> = (&'r Row, String);

/// What a run finds for each row of a page, in order: a new envelope, or `None` if the row needs none.
pub type Fresh = Vec<Result<Option<String>, VaultError>>;

/// Calls `fresh` for each page of rows, and replaces the envelopes of the rows for which it returns a new one.
///
/// A row for which it returns [`VaultError::Row`] is reported and left unchanged; any other error ends
/// the run. `announce` is called before each transaction, with the rows that it may change.
///
/// # Errors
/// Returns an error if the database, `fresh` or `announce` fails; finished batches are kept.
pub fn rewrite(
    store: &mut Store,
    batch_size: u32,
    mode: Mode,
    progress: &ProgressBar,
    fresh: impl Fn(&mut Store, &[Row]) -> Result<Fresh, VaultError>,
    mut announce: impl FnMut(&[Rewritten<'_>]) -> Result<(), VaultError>,
) -> Result<Outcome, VaultError> {
    let mut rewritten = 0;
    let mut passes = 0;
    loop {
        passes += 1;
        progress.set_length(store.count()?);
        progress.set_position(0);
        let pass = walk(store, batch_size, mode, progress, &fresh, &mut announce)?;
        rewritten += pass.rewritten;
        // If another process changed a row between our read and our write, another pass looks at the
        // row again: a process with the old keyring may have sealed it.
        if pass.overtaken == 0 || passes == PASSES {
            let current = (pass.current + pass.rewritten).saturating_sub(rewritten);
            let Pass { failed, overtaken, .. } = pass;
            return Ok(Outcome { rewritten, current, failed, overtaken });
        }
    }
}

#[derive(Default)]
struct Pass {
    rewritten: u64,
    current: u64,
    overtaken: u64,
    failed: BTreeMap<i64, (Owner, Fault)>,
}

fn walk(
    store: &mut Store,
    batch_size: u32,
    mode: Mode,
    progress: &ProgressBar,
    fresh: &impl Fn(&mut Store, &[Row]) -> Result<Fresh, VaultError>,
    announce: &mut impl FnMut(&[Rewritten<'_>]) -> Result<(), VaultError>,
) -> Result<Pass, VaultError> {
    let mut pass = Pass::default();
    // Ids start at 1, unless somebody wrote other ones, and the census would count those rows.
    let mut first = i64::MIN;
    loop {
        let page = store.page_from(first, batch_size)?;
        let Some(last) = page.last() else { return Ok(pass) };
        let next = last.place.id.checked_add(1);

        // Compute outside of the transaction, so that other writers do not wait for it.
        let mut changes = Vec::new();
        for (row, fresh) in page.iter().zip(fresh(store, &page)?) {
            match fresh {
                Ok(Some(envelope)) => changes.push((row, envelope)),
                Ok(None) => pass.current += 1,
                Err(VaultError::Row { id, owner, fault }) => {
                    pass.failed.insert(id, (owner, fault));
                }
                Err(error) => return Err(error),
            }
        }
        announce(&changes)?;
        match mode {
            Mode::DryRun => pass.rewritten += number(changes.len()),
            Mode::Write if changes.is_empty() => {}
            Mode::Write => {
                let writer = store.begin()?;
                for (row, envelope) in &changes {
                    if writer.exchange_envelope(row.place.id, &row.envelope, envelope)? {
                        pass.rewritten += 1;
                    } else {
                        pass.overtaken += 1;
                    }
                }
                writer.commit()?;
            }
        }
        progress.inc(number(page.len()));
        let Some(next) = next else { return Ok(pass) };
        first = next;
    }
}

/// Creates a progress bar on standard error, which draws nothing if that is not a terminal.
#[must_use]
pub fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_message(what)
}
