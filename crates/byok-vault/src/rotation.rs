//! Rewraps every row for the current keys of the keyring, without touching a payload.
//!
//! A run reads the table in pages, by id. It rewraps each page first and then writes it in one
//! transaction, and it writes a row only if the row still has the envelope that was read. A run can
//! therefore be killed at any point and started again: a page is written completely or not at all,
//! and rows that are current are skipped. Two runs at once write the same bytes, and a `put` in
//! between wins.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use sealwax::Keyring;

use crate::error::VaultError;
use crate::formatting::number;
use crate::row::{Owner, Row};
use crate::row_fault::Fault;
use crate::store::Store;

/// Whether a run writes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Rows are written.
    Write,
    /// Rows are only counted.
    DryRun,
}

/// The result of a rotation.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The number of rows that this run rewrapped, or would have rewrapped.
    pub rewrapped: u64,
    /// The number of rows that were already current, or that another process rewrapped meanwhile.
    pub current: u64,
    /// The rows that could not be rewrapped and were left unchanged, by id.
    pub failed: BTreeMap<i64, (Owner, Fault)>,
    /// The number of rows that another process changed every time before this run could write them.
    pub overtaken: u64,
}

impl Outcome {
    /// Returns whether every row is current now, or would be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.overtaken == 0
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
    let mut rewrapped = 0;
    let mut passes = 0;
    loop {
        passes += 1;
        progress.set_length(store.count()?);
        progress.set_position(0);
        let pass = walk(store, keyring, batch_size, mode, progress)?;
        rewrapped += pass.rewrapped;
        // If another process changed a row between our read and our write, another pass looks at the
        // row again: a process with the old keyring may have sealed it.
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
    // Ids start at 1, unless somebody wrote other ones, and the census would count those rows.
    let mut first = i64::MIN;
    loop {
        let page = store.page_from(first, batch_size)?;
        let Some(last) = page.last() else { return Ok(pass) };
        let next = last.place.id.checked_add(1);

        // Rewrap outside of the transaction, so that other writers do not wait for it.
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
        let Some(next) = next else { return Ok(pass) };
        first = next;
    }
}

fn rewrap(row: &Row, keyring: &Keyring) -> Result<Option<String>, Fault> {
    let fresh = keyring.rewrap(&row.parse()?)?;
    Ok(fresh.map(|envelope| envelope.to_string()))
}

/// Creates a progress bar on standard error, which draws nothing if that is not a terminal.
#[must_use]
pub fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_message(what)
}
