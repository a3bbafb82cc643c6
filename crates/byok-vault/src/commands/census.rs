//! `census`: counts rows by key, and checks whether a key can be retired.

use std::io::Write;

use sealwax::{KeyId, KeyState};
use serde_json::{Map, Value, json};

use crate::audit;
use crate::census::{self, Verdict};
use crate::cli::{self, Cli};
use crate::commands::by_kind;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{Grouped, in_json, rows};
use crate::keys::Keys;
use crate::log::Log;
use crate::row_fault::Kind;
use crate::store::{Access, Store};

/// Counts the rows of each key, opens them if asked to, and reports the result.
///
/// # Errors
/// Returns an error if the database or the keyring fails.
pub fn census(cli: &Cli, args: &cli::Census, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = if args.verify {
        Some(Keys::load(cli.keys_file.as_deref())?)
    } else {
        Keys::load_if_given(cli.keys_file.as_deref())?
    };
    // Without its primary, a keyring cannot be rehearsed.
    let primary = keys.as_ref().and_then(|keys| keys.keyring.primary());
    let rehearsed = args.retire.as_ref().filter(|id| primary != Some(id));
    let open_with = match (&keys, rehearsed) {
        (Some(keys), Some(id)) if args.verify => Some(keys.without(id)?),
        (Some(keys), None) if args.verify => Some(keys.keyring.clone()),
        _ => None,
    };
    let opener = match &open_with {
        Some(keyring) => Some(Log::of(cli, "census --verify")?.opener(keyring)),
        None => None,
    };
    let access = if args.verify { Access::Write } else { Access::Read };
    let mut store = Store::open(&cli.db, access)?;
    let keyring = keys.as_ref().map(|keys| &keys.keyring);
    let mut census = census::take(&store, keyring)?;
    if let Some(opener) = opener {
        let audit = audit::audit(&mut store, &opener)?;
        census = census.with_audit(audit, rehearsed);
    }

    if args.json {
        let json = as_json(&census, args.retire.as_ref());
        writeln!(out, "{}", in_json(&format!("{json:#}")))?;
    } else {
        table(&census, out)?;
        by_kind::of_rows(census.faults(), "faulty", out)?;
        if let Some(id) = &args.retire
            && census.verdict(id) != Verdict::Unknown
        {
            answer(&census, id, out)?;
        }
        writeln!(out, "{}", checked(&census, keyring.is_some()))?;
        if args.verify && args.retire.is_none() && census.rows == 0 {
            writeln!(out, "  next: {ADVICE_ON_EMPTY}")?;
        }
    }
    Ok(match &args.retire {
        Some(id) => match census.verdict(id) {
            Verdict::Safe => Exit::Done,
            Verdict::Unknown => {
                return Err(VaultError::UnknownKey { with_keyring: keys.is_some() });
            }
            _ => Exit::No,
        },
        None if args.verify && census.rows == 0 => Exit::No,
        None => census.worst().map_or(Exit::Done, |kind| kind.exit()),
    })
}

fn table(census: &census::Census, out: &mut impl Write) -> Result<(), VaultError> {
    writeln!(out, "{}", rows(census.rows))?;
    writeln!(out, "{:<24} {:<10} {:>10}  CAN BE RETIRED", "KEY", "STATE", "ROWS")?;
    for (id, count) in &census.keys {
        let state = count.state.map_or("-", KeyState::as_str);
        let verdict = in_words(census.verdict(id));
        writeln!(out, "{:<24} {state:<10} {:>10}  {verdict}", id.as_ref(), Grouped(count.rows))?;
    }
    Ok(())
}

/// Reports whether the key of `--retire` can be retired.
///
/// # Errors
/// Returns an error if the report cannot be written.
pub fn answer(census: &census::Census, id: &KeyId, out: &mut impl Write) -> Result<(), VaultError> {
    let verdict = census.verdict(id);
    writeln!(out, "can {id} be retired? {}", in_words(verdict))?;
    writeln!(out, "  next: {}", next(verdict, id, census.unopened.is_some()))?;
    Ok(())
}

fn in_words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Safe => "yes, no row needs it".to_owned(),
        Verdict::Unknown => "unknown: neither a row nor the keyring names it".to_owned(),
        Verdict::Empty => "unknown: the vault has no rows".to_owned(),
        Verdict::Primary => "no, it is the primary".to_owned(),
        Verdict::Needed(1) => "no, 1 row needs it".to_owned(),
        Verdict::Needed(count) => format!("no, {} need it", rows(count)),
        Verdict::Untried(1) => {
            "unknown: 1 row also names a key that stays, but that key was not tried".to_owned()
        }
        Verdict::Untried(count) => {
            let rows = rows(count);
            format!("unknown: {rows} also name a key that stays, but that key was not tried")
        }
        Verdict::Unreadable(count) => format!("unknown: {} cannot be read", rows(count)),
        Verdict::Unopened(1) => "no, 1 row does not open without it".to_owned(),
        Verdict::Unopened(count) => format!("no, {} do not open without it", rows(count)),
    }
}

/// What to do if a vault has no rows.
pub(super) const ADVICE_ON_EMPTY: &str = "check --db: this may not be the vault with the rows";

fn next(verdict: Verdict, id: &KeyId, audited: bool) -> String {
    match verdict {
        Verdict::Safe if audited => {
            return format!(
                "once every process runs with the new keyring, change the key's line to \
                 `disabled {id}`; delete the line when no backup needs the key"
            );
        }
        Verdict::Safe => {
            "before you retire it, check again with --verify, which opens every row as `byok-vault \
             audit` does: no ciphertext was read"
        }
        Verdict::Unknown => "check the spelling of the id",
        Verdict::Empty => ADVICE_ON_EMPTY,
        Verdict::Primary => "make another key the primary, run `rotate`, and check again",
        Verdict::Needed(_) => "run `rotate`, and check again",
        Verdict::Untried(_) => "check again with --verify, which tries that key",
        Verdict::Unreadable(_) => "restore or delete the unreadable rows, and check again",
        Verdict::Unopened(_) => "repair the rows listed above, and check again",
    }
    .to_owned()
}

fn checked(census: &census::Census, keyring: bool) -> String {
    let what = match (&census.unopened, census.rehearsed()) {
        (None, _) => "the key ids of every row. No ciphertext was read: `byok-vault audit`, or \
                      --verify, opens every row"
            .to_owned(),
        (Some(_), None) => "the key ids of every row, and opened it".to_owned(),
        (Some(_), Some(id)) => {
            format!("the key ids of every row, and opened it with {id} disabled")
        }
    };
    let which = if keyring {
        ""
    } else {
        " There was no keyring, so the primary is unknown, and every key that a row names counts as \
         needed."
    };
    format!("Checked {what}.{which} Backups, and rows written later, were not checked.")
}

fn as_json(census: &census::Census, retire: Option<&KeyId>) -> Value {
    let keys: Map<String, Value> = census
        .keys
        .iter()
        .map(|(id, count)| {
            let verdict = census.verdict(id);
            let entry = json!({
                "rows": count.rows,
                "rows_without_another_key_that_stays": count.alone,
                "state": count.state.map(KeyState::as_str),
                "safe_to_retire": verdict == Verdict::Safe,
                "reason": in_words(verdict),
            });
            (id.to_string(), entry)
        })
        .collect();
    let faults: Vec<Value> = census
        .faults()
        .map(|(id, owner, fault)| {
            json!({
                "row": id,
                "tenant": owner.tenant,
                "provider": owner.provider,
                "label": owner.label,
                "kind": fault.kind.label(),
                "error": fault.to_string(),
            })
        })
        .collect();
    json!({
        "rows": census.rows,
        "keys": keys,
        "faulty_rows": faults,
        "verified": census.unopened.is_some(),
        "retire": retire.map(|id| json!({
            "key": id.as_ref(),
            "safe": census.verdict(id) == Verdict::Safe,
            "reason": in_words(census.verdict(id)),
        })),
    })
}
