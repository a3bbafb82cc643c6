//! `log`: prints what was opened, checks that nobody changed the log, and hands it over to another audit key.

mod hand_over;
mod verify;

use std::io::{self, Write};

use sealwax_audit::{Entry, Record};
use serde_json::json;

use crate::audit_keys::LogKeys;
use crate::cli::{self, Cli};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{in_json, shown};
use crate::key_text::Given;
use crate::log;
use crate::store::log::Stored;
use crate::store::{Access, Store};

pub use verify::verify;

use hand_over::hand_over;
use verify::read_anchors;

/// Prints the log, verifies it, or hands it over.
///
/// # Errors
/// Returns an error if there is no vault or the database fails, or if the audit key or the anchors cannot be read.
pub fn log(cli: &Cli, args: &cli::Log, out: &mut impl Write) -> Result<Exit, VaultError> {
    let subject = args.tenant.as_deref().map(log::subject);
    let subject = subject.as_deref();
    if args.verify {
        let given = LogKeys::load(cli.file(Given::AuditKeys))?;
        let anchors = args.anchor.as_deref().map_or(Ok(Vec::new()), read_anchors)?;
        let store = Store::open(&cli.db, Access::Verify)?;
        if !args.anchors {
            return Ok(verify(&store, &given.keys, subject, anchors, out)?.0);
        }
        let (exit, ends) = verify(&store, &given.keys, subject, anchors, &mut io::stderr())?;
        for end in ends {
            writeln!(out, "{end}")?;
        }
        return Ok(exit);
    }
    if args.hand_over {
        return hand_over(cli, subject, out);
    }
    let store = Store::open(&cli.db, Access::Read)?;
    print(&store, subject, args.json, out)?;
    Ok(Exit::Done)
}

/// The header of the printed log.
const HEADER: &str = "TIME                  TENANT                NUMBER  ACTION     OUTCOME            KEY                   SEAL      WHO                   WHY";

fn print(
    store: &Store,
    subject: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    if !json {
        writeln!(out, "{HEADER}")?;
    }
    store.for_each_entry(subject, |stored| {
        let Stored { subject, number, record, .. } = &stored;
        match (record, json) {
            (Some(record), true) => writeln!(out, "{}", in_json(&record.to_string()))?,
            (Some(record), false) => writeln!(out, "{}", line(&stored, record))?,
            // No reader of the log takes this for an entry.
            (None, true) => {
                let not_an_entry = json!({ "subject": subject, "number": number }).to_string();
                writeln!(out, "{}", in_json(&not_an_entry))?;
            }
            (None, false) => {
                writeln!(out, "{:<21} {:<21} {number:>6}  not an entry", "-", of_tenant(subject))?;
            }
        }
        Ok(())
    })
}

fn line(stored: &Stored, record: &Record) -> String {
    let Entry { time: _, action, who, why, outcome, key_id, commitment, context: _ } =
        &record.entry;
    let [action, outcome, who, why] = [action, outcome, who, why].map(|text| shown(text));
    let key_id = key_id.as_ref().map_or("-", AsRef::as_ref);
    let seal = commitment.as_ref().map_or_else(
        || "-".to_owned(),
        |commitment| commitment.iter().take(4).map(|byte| format!("{byte:02x}")).collect(),
    );
    format!(
        "{:<21} {:<21} {:>6}  {action:<10} {outcome:<18} {key_id:<21} {seal:<9} {who:<21} {why}",
        stored.time,
        of_tenant(&stored.subject),
        stored.number,
    )
}

/// Returns the name of a subject's tenant, or a dash for the whole vault.
fn of_tenant(subject: &str) -> String {
    log::tenant(subject).map_or_else(|| "-".to_owned(), shown)
}
