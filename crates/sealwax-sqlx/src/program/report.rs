//! What the program prints: lines for a person, or an object of JSON a line.

use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use sealwax::{KeyId, KeyState, Keyring};
use sealwax_sqlx::{
    Census, Failures, Finding, Found, Job, Proof, ProofVerdict, Report, Status, Table, Unopenable, Verdict,
};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use crate::exit::{Exit, Failure};
use crate::place::Place;
use crate::place::written;

/// To whom the program speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) is_json: bool,
}

impl Output {
    /// Prints the text to a person, or the value to a machine.
    pub(crate) fn say(self, text: &str, value: &Value) -> Result<(), Failure> {
        if self.is_json { self.print_json(value) } else { print(text) }
    }

    pub(crate) fn say_to_a_person(self, text: &str) -> Result<(), Failure> {
        if self.is_json { Ok(()) } else { print(text) }
    }

    pub(crate) fn print_json(self, value: &Value) -> Result<(), Failure> {
        print(&value.to_string())
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    printed.map_err(|error| Failure {
        is_broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
        ..Failure::new(Exit::InputOutput, format!("the output: {error}"))
    })
}

pub(crate) fn named(table: &Table) -> String {
    written(table.schema(), table.name(), table.envelope())
}

/// Returns rows a second.
pub(crate) fn rate(rows: i64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    rows.unsigned_abs().saturating_mul(1_000).checked_div(milliseconds).unwrap_or_default()
}

/// Says in a word or two how far a job is.
pub(crate) fn state(status: &Status) -> String {
    match status {
        Status { replaced_by: Some(by), .. } => format!("replaced by job {by}"),
        Status { is_cancelled: true, .. } => "cancelled".to_owned(),
        Status { is_finished: true, .. } => "finished".to_owned(),
        Status { stopped_because: Some(because), .. } => format!("stopped: {because}"),
        Status { is_paused: true, .. } => "paused".to_owned(),
        Status { .. } => "unfinished".to_owned(),
    }
}

/// Prints how far a job is and what failed.
pub(crate) async fn job(db: &mut PgConnection, job: &Job, output: Output) -> Result<Status, Failure> {
    let (status, failures) = (job.status(db).await?, job.failures(db).await?);
    if output.is_json {
        let failures = failures.iter().map(|group| {
            let Failures { class, name, key_id, rows, keys, .. } = group;
            json!({ "class": class, "name": name, "key_id": key_id, "rows": rows, "keys": keys })
        });
        let mut object = counts(job.id(), &status);
        object.insert("kind".to_owned(), job.kind().name().into());
        object.insert("place".to_owned(), named(job.table()).into());
        object.insert("is_dry_run".to_owned(), job.is_dry_run().into());
        object.insert("failures".to_owned(), failures.collect());
        output.print_json(&object.into())?;
        return Ok(status);
    }
    let dry_run = if job.is_dry_run() { ", a dry run" } else { "" };
    let (id, kind, place, state) = (job.id(), job.kind().name(), named(job.table()), state(&status));
    print(&format!("job {id}: {kind} {place}{dry_run}, {state}"))?;
    print_counts(&status)?;
    for group in failures {
        let key = group.key_id.map(|key_id| format!(", key {key_id}")).unwrap_or_default();
        let some: Vec<_> = group.keys.iter().map(|key| key.join(", ")).collect();
        print(&format!("  {} rows: {} ({}){key}: {}", group.rows, group.name, group.class, some.join("; ")))?;
    }
    Ok(status)
}

/// Prints how far a job is that cannot be loaded, and why.
pub(crate) fn unusable(job: i64, status: &Status, because: &str, output: Output) -> Result<(), Failure> {
    if output.is_json {
        let mut object = counts(job, status);
        object.insert("unusable".to_owned(), because.into());
        return output.print_json(&object.into());
    }
    print(&format!("job {job}: {}, but {because}", state(status)))?;
    print_counts(status)
}

/// Returns what every line about a job has.
pub(crate) fn counts(job: i64, status: &Status) -> Map<String, Value> {
    let counts: [(&str, Value); 10] = [
        ("job", job.into()),
        ("state", state(status).into()),
        ("rows", status.rows.into()),
        ("rows_expected", status.rows_expected.into()),
        ("changed", status.changed.into()),
        ("current", status.current.into()),
        ("failed", status.failed.into()),
        ("ranges", status.ranges.into()),
        ("ranges_finished", status.ranges_finished.into()),
        ("seconds", status.seconds.into()),
    ];
    counts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn print_counts(status: &Status) -> Result<(), Failure> {
    let Status { rows, rows_expected, changed, current, failed, ranges, ranges_finished, seconds, .. } = status;
    print(&format!("  {rows} of {rows_expected} rows in {seconds:.1} s, {ranges_finished} of {ranges} ranges"))?;
    print(&format!("  {changed} written, {current} needed no change, {failed} failed"))
}

pub(crate) fn census(table: &Table, census: &Census, output: Output) -> Result<(), Failure> {
    if output.is_json {
        return output.print_json(&json!({ "place": named(table), "census": counted(census) }));
    }
    let Census { rows, nulls, not_envelopes, .. } = census;
    print(&format!("{}: {rows} rows, {nulls} of them null, {not_envelopes} no envelopes", named(table)))?;
    for (what, counts) in [("key", census.by_key_id()), ("suite", census.by_suite()), ("kind", census.by_kind())] {
        for (name, rows) in counts {
            print(&format!("  {rows:>10} rows, {what} {name}"))?;
        }
    }
    Ok(())
}

fn counted(census: &Census) -> Value {
    json!({
        "rows": census.rows,
        "nulls": census.nulls,
        "not_envelopes": census.not_envelopes,
        "by_key_id": census.by_key_id(),
        "by_suite": census.by_suite(),
        "by_kind": census.by_kind(),
    })
}

pub(crate) fn undeclared(found: &[Found], output: Output) -> Result<(), Failure> {
    if output.is_json {
        return output.print_json(&json!({ "undeclared": found.iter().map(found_json).collect::<Vec<_>>() }));
    }
    print(&format!("undeclared columns with envelopes, or that could not be read: {}", found.len()))?;
    found.iter().try_for_each(|found| print(&format!("  {}", found_text(found))))
}

fn found_text(found: &Found) -> String {
    let place = written(&found.schema, &found.table, &found.column);
    match &found.finding {
        Finding::Envelopes { rows, .. } => format!("{place}: {rows} rows"),
        Finding::NotScanned { code, .. } => format!("{place}: not scanned, SQLSTATE {code}"),
        _ => place,
    }
}

fn found_json(found: &Found) -> Value {
    let (rows, code) = match &found.finding {
        Finding::Envelopes { rows, .. } => (Some(rows), None),
        Finding::NotScanned { code, .. } => (None, Some(code)),
        _ => (None, None),
    };
    json!({ "place": written(&found.schema, &found.table, &found.column), "rows": rows, "sqlstate": code })
}

/// Prints a report about a key. There is no bare yes: what was scanned is part of it.
pub(crate) fn safe(to: &str, report: &Report, waived: &[Place], output: Output) -> Result<Exit, Failure> {
    let verdict = match &report.verdict {
        Verdict::NothingScanned => "nothing_scanned",
        Verdict::UnfinishedJob => "unfinished_job",
        Verdict::Named => "named",
        Verdict::NotEnvelopes => "not_envelopes",
        Verdict::Undeclared => "undeclared",
        Verdict::NoDate => "no_date",
        Verdict::InBackups { .. } => "in_backups",
        Verdict::NoneFound => "none_found",
        _ => "unknown",
    };
    let days = match &report.verdict {
        Verdict::InBackups { until, .. } => Some(days_left(*until)),
        _ => None,
    };
    let exit = if report.verdict == Verdict::NoneFound { Exit::Done } else { Exit::No };
    if output.is_json {
        let scanned: Vec<Value> = report
            .scanned
            .iter()
            .map(|scanned| {
                let place = written(&scanned.schema, &scanned.table, &scanned.column);
                json!({ "place": place, "census": counted(&scanned.census) })
            })
            .collect();
        output.print_json(&json!({
            "key_id": report.key_id.to_string(),
            "question": to,
            "verdict": verdict,
            "days_left": days,
            "naming": report.naming,
            "naming_alone": report.naming_alone,
            "not_envelopes": report.not_envelopes,
            "unfinished": report.unfinished,
            "undeclared": report.undeclared.iter().map(found_json).collect::<Vec<_>>(),
            "waived": waived.iter().map(Place::named).collect::<Vec<_>>(),
            "scanned": scanned,
        }))?;
        return Ok(exit);
    }
    let key_id = &report.key_id;
    for scanned in &report.scanned {
        let named = scanned.census.naming(key_id);
        let place = written(&scanned.schema, &scanned.table, &scanned.column);
        print(&format!("scanned {place}: {} rows, {named} name {key_id}", scanned.census.rows))?;
        let named = scanned.census.by_key_id();
        named.iter().try_for_each(|(name, rows)| print(&format!("  {rows:>10} rows, key {name}")))?;
    }
    for place in waived {
        print(&format!("waived {}: whatever its rows name", place.named()))?;
    }
    for found in &report.undeclared {
        print(&format!("undeclared {}", found_text(found)))?;
    }
    let said = match &report.verdict {
        Verdict::NothingScanned => "nothing was scanned".to_owned(),
        Verdict::UnfinishedJob => format!("no: jobs that are not finished wrap for {key_id}: {:?}", report.unfinished),
        Verdict::Named => {
            format!("no: {} rows name {key_id}, {} of them no other key", report.naming, report.naming_alone)
        }
        Verdict::NotEnvelopes => {
            format!("no: {} values are no envelopes, and may be damaged rows", report.not_envelopes)
        }
        Verdict::Undeclared => {
            "no: declare each column above as a PLACE. If nobody needs what is in it, waive it".to_owned()
        }
        Verdict::NoDate => "no: a column that once had the key was not scanned since".to_owned(),
        Verdict::InBackups { .. } => format!("no: backups can still hold it, for {} days", days.unwrap_or_default()),
        Verdict::NoneFound => {
            format!("no row that was scanned names {key_id}; waived columns, exports and other databases were not")
        }
        other => format!("no: {other:?}"),
    };
    print(&format!("to {to} {key_id}: {said}"))?;
    Ok(exit)
}

/// Returns the days until a time, counting a part of one.
fn days_left(until: SystemTime) -> u64 {
    until.duration_since(SystemTime::now()).unwrap_or_default().as_secs().div_ceil(86_400)
}

pub(crate) fn unopenable(table: &Table, found: &[Unopenable], output: Output) -> Result<(), Failure> {
    let heads = found.iter().map(|found| match found {
        Unopenable::NoKey { head, .. } => ("no_key", head.to_string()),
        Unopenable::Leaked { head, .. } => ("leaked", head.to_string()),
        _ => ("not_envelopes", String::new()),
    });
    if output.is_json {
        let heads: Vec<Value> = heads.map(|(why, head)| json!({ "why": why, "head": head })).collect();
        return output.print_json(&json!({ "place": named(table), "unopenable": heads }));
    }
    print(&format!("{}: {} kinds of rows that the keyring does not open", named(table), found.len()))?;
    heads.into_iter().try_for_each(|(why, head)| print(&format!("  {why} {head}")))
}

/// Prints with which keys rows are verified.
pub(crate) fn keys(ring: &Keyring, output: Output) -> Result<(), Failure> {
    let is_usable =
        |(_, state): &(&KeyId, KeyState)| matches!(state, KeyState::Primary | KeyState::Retired | KeyState::Escrow);
    let keys: Vec<String> = ring.keys().filter(is_usable).map(|(id, state)| format!("{state} {id}")).collect();
    output.say(&format!("verifies with {}", keys.join("; ")), &json!({ "verifies_with": keys }))
}

/// Prints a proof, and returns what it concludes.
pub(crate) fn proof(job: i64, proof: &Proof, output: Output) -> Result<Exit, Failure> {
    let (verdict, exit) = match proof.verdict {
        ProofVerdict::Unchanged => ("unchanged", Exit::Done),
        ProofVerdict::Damaged => ("damaged", Exit::No),
        ProofVerdict::Unfinished => ("unfinished", Exit::No),
        ProofVerdict::NothingCompared => ("nothing_compared", Exit::No),
        _ => ("unknown", Exit::No),
    };
    let Proof { unchanged, damaged, sealed, gone, added, not_envelopes, before, after, .. } = proof;
    if output.is_json {
        output.print_json(&json!({
            "job": job,
            "proof": verdict,
            "unchanged": unchanged,
            "damaged": damaged,
            "sealed": sealed,
            "gone": gone,
            "added": added,
            "not_envelopes": not_envelopes,
            "digest_before": before,
            "digest_after": after,
            "by_key_id_before": proof.by_key_id_before,
            "by_key_id_after": proof.by_key_id_after,
        }))?;
        return Ok(exit);
    }
    print(&format!("proof of job {job}: {verdict}"))?;
    print(&format!(
        "  {unchanged} rows hold what they held, {damaged} are damaged; others have sealed {sealed}, deleted {gone}, added {added}; {not_envelopes} are no envelopes"
    ))?;
    print(&format!("  digest before {before}\n  digest after  {after}"))?;
    for (when, counts) in [("before", &proof.by_key_id_before), ("after", &proof.by_key_id_after)] {
        counts.iter().try_for_each(|(name, rows)| print(&format!("  {when}: {rows:>10} rows, key {name}")))?;
    }
    Ok(exit)
}
