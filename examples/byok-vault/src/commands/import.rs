//! `import`: rows that another program encrypted, into the vault.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::{Cli, Import};
use crate::commands::by_kind;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::import::{self, Destination, Input, NO_CONTEXT, Outcome, Placed, Quarantine};
use crate::keys::Keys;
use crate::layout::KeyAs;
use crate::legacy_key::LegacyKey;
use crate::rotation::{self, Mode};
use crate::wording::{number, rows};

/// Imports a file and reports what became of every row.
///
/// # Errors
/// A key, the file, the quarantine or the database failed. Rows that fail are in the report and in
/// quarantine instead.
pub fn import(cli: &Cli, args: &Import, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let key = LegacyKey::load(args)?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Write };
    // All that can be wrong without a look at a row, before one is read and the vault is touched.
    let mut quarantine = Quarantine::at(args.quarantine.as_deref(), &args.file, &cli.db)?;
    if args.key_as == Some(KeyAs::Sha256) {
        let _ = writeln!(
            io::stderr(),
            "warning: a key that is the SHA-256 of a text is as weak as the text"
        );
    }
    let mut input = Input::open(&args.file)?;
    let mut destination = Destination::open(&cli.db, &keys.keyring, mode)?;
    if mode == Mode::Write {
        quarantine.create()?;
    }

    let progress = rotation::bar("importing");
    let outcome = import::import(
        &mut input,
        &key,
        &mut destination,
        &mut quarantine,
        args.batch_size,
        &progress,
    );
    progress.finish_and_clear();
    let outcome = outcome?;
    let path = quarantine.path().to_owned();
    let placed = quarantine.finish()?;
    report(&outcome, mode, (&path, placed), out)?;
    if key.is_placeholder {
        writeln!(
            out,
            "The key is a placeholder, which everybody knows: treat every credential of this file \
             as leaked, and replace it at its provider."
        )?;
    }
    writeln!(out, "{NO_CONTEXT}")?;
    Ok(if outcome.is_complete() { Exit::Done } else { Exit::Partial })
}

fn report(
    outcome: &Outcome,
    mode: Mode,
    (path, placed): (&Path, Placed),
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let (imported, quarantined) = match mode {
        Mode::Write => ("imported", "quarantined"),
        Mode::DryRun => ("would be imported", "would be quarantined"),
    };
    let count = rows(number(outcome.quarantined.len()));
    writeln!(
        out,
        "{} {imported}, {} already imported, {count} {quarantined}",
        rows(outcome.imported),
        rows(outcome.present),
    )?;
    let faulty = outcome.quarantined.iter().map(|row| {
        let id = row.id.as_ref().map(|id| format!(", id {id}")).unwrap_or_default();
        let owner = row.owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default();
        (row.refusal.reason, format!("line {}{id}{owner}: {}", row.line, row.refusal))
    });
    by_kind::report(faulty, quarantined, out)?;
    let path = path.display();
    match (mode, placed) {
        (Mode::Write, Placed::EarlierOnly) => {
            writeln!(out, "the quarantine file of an earlier run is left as it was: {path}")?;
        }
        (_, Placed::New | Placed::Replaced) => {
            let instead = match placed {
                Placed::Replaced => ", in place of the file of an earlier run",
                _ => "",
            };
            writeln!(out, "{count} in the quarantine file {path}{instead}")?;
            writeln!(
                out,
                "  next: import that file when its rows are corrected, or with another key; it \
                 holds them as they were, credentials in the clear among them: delete it when it \
                 is done"
            )?;
        }
        _ => {}
    }
    Ok(())
}
