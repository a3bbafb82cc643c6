//! `import`: moves rows that another program encrypted into the vault.

use std::io::{self, Write};

use sealwax_import::{Declaration, Named};

use crate::cli::{Cli, Import};
use crate::commands::by_kind;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{file, number, rows};
use crate::import::{
    self, Destination, Input, NO_CONTEXT, Outcome, Placed, Quarantine, Reason, Reported,
};
use crate::keys::Keys;
use crate::legacy_key::LegacyKey;
use crate::log::Log;
use crate::rotation::{self, Mode};
use crate::row_fault::Kind;

/// Imports a file and reports the result for every row.
///
/// # Errors
/// Returns an error if a key, the file, the quarantine file or the database fails. Rows that fail are
/// reported and quarantined instead.
pub fn import(cli: &Cli, args: &Import, out: &mut impl Write) -> Result<Exit, VaultError> {
    if let Some(named) = args.explain {
        return explain(named, out);
    }
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let opener = Log::of(cli, "import")?.opener(&keys.keyring);
    let key = LegacyKey::load(args)?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Write };
    // Check everything that needs no row first, before a row is read or the vault is touched.
    let mut quarantine = Quarantine::at(args.quarantine.as_deref(), &args.file, &cli.db)?;
    if key.is_made_of_text {
        let _ = writeln!(
            io::stderr(),
            "warning: this key comes from a text, and is only as strong as that text"
        );
    }
    let mut input = Input::open(&args.file)?;
    let mut destination = Destination::open(&cli.db, &keys.keyring, opener, mode)?;
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
        args.suspicious,
        &progress,
    );
    progress.finish_and_clear();
    let outcome = outcome?;
    let placed = quarantine.finish()?;
    report(&outcome, mode, &placed, out)?;
    if key.is_placeholder {
        writeln!(
            out,
            "The key is a placeholder that anyone can guess: treat every credential in this file as \
             leaked, and replace it at its provider."
        )?;
    }
    writeln!(out, "{NO_CONTEXT}")?;
    Ok(if outcome.is_complete() { Exit::Done } else { Exit::Partial })
}

/// Prints the options that a layout stands for, as a shell reads them.
fn explain(named: &Named, out: &mut impl Write) -> Result<Exit, VaultError> {
    let option = "--explain";
    let declaration =
        named.declaration().map_err(|source| VaultError::Declaration { option, source })?;
    let Declaration { cells, without, bound_to, key_as } = &declaration;
    let cells = cells.iter().map(|cell| format!("--cell '{}={}'", cell.path, cell.pattern));
    let without = without.iter().map(|excluded| format!("--without '{excluded}'"));
    let bound_to = bound_to.iter().map(|template| format!("--bound-to '{template}'"));
    let key_as = match key_as {
        Some(form) => format!("--key-as {form}"),
        None => "--key-as FORM".to_owned(),
    };
    let options: Vec<_> = cells.chain(without).chain(bound_to).chain([key_as]).collect();
    writeln!(out, "{}: {}", named.name, named.about)?;
    writeln!(out, "    {}", options.join(" \\\n    "))?;
    Ok(Exit::Done)
}

fn report(
    outcome: &Outcome,
    mode: Mode,
    placed: &Placed,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let (imported, quarantined) = match mode {
        Mode::Write => ("imported", "quarantined"),
        Mode::DryRun => ("would be imported", "would be quarantined"),
    };
    let (doubted, faulty): (Vec<_>, Vec<_>) =
        outcome.quarantined.iter().partition(|row| row.refusal.reason == Reason::Suspicious);
    let count = rows(number(outcome.quarantined.len()));
    writeln!(
        out,
        "{} {imported}, {} already imported, {count} {quarantined}",
        rows(outcome.imported),
        rows(outcome.present),
    )?;
    let faulty = faulty.into_iter().map(|row| (row.refusal.reason, line(row)));
    by_kind::report(faulty, quarantined, out)?;
    report_suspicious(&doubted, quarantined, Reason::Suspicious.advice(), out)?;
    let accepted: Vec<_> = outcome.suspicious.iter().collect();
    let advice = "ask their owners; `put --replace` stores a corrected credential";
    report_suspicious(&accepted, &format!("{imported} all the same"), advice, out)?;
    match mode {
        Mode::Write => report_place(&count, placed, out),
        Mode::DryRun => Ok(()),
    }
}

fn line(row: &Reported) -> String {
    let id = row.id.as_ref().map(|id| format!(", id {id}")).unwrap_or_default();
    let owner = row.owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default();
    format!("line {}{id}{owner}: {}", row.line, row.refusal)
}

/// Reports rows that look like no credential, each on a line that a program can pick out.
fn report_suspicious(
    suspicious: &[&Reported],
    verb: &str,
    advice: &str,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    if suspicious.is_empty() {
        return Ok(());
    }
    for row in suspicious {
        writeln!(out, "suspicious: {}", line(row))?;
    }
    let count = rows(number(suspicious.len()));
    writeln!(out, "{count} {verb}: {}", Reason::Suspicious.label())?;
    writeln!(out, "  next: {advice}")?;
    Ok(())
}

fn report_place(count: &str, placed: &Placed, out: &mut impl Write) -> Result<(), VaultError> {
    let (path, remark) = match placed {
        Placed::Nothing => return Ok(()),
        Placed::EarlierOnly(path) => {
            writeln!(out, "{} already existed and was left unchanged", file(path))?;
            return Ok(());
        }
        Placed::New(path) => (path, ""),
        Placed::Numbered(path) => (path, ": a new name, because no file is ever replaced"),
        Placed::Unchanged(path) => (path, ": unchanged, because it already had the same content"),
    };
    writeln!(out, "{count} in the quarantine file {}{remark}", file(path))?;
    writeln!(
        out,
        "  next: correct its rows and import that file, or import it with another key; it holds the \
         rows as they were, including unencrypted credentials: delete it when you are done"
    )?;
    Ok(())
}
