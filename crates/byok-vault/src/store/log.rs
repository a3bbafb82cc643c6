//! The tables of the log, which only grow.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use sealwax::KeyId;
use sealwax_audit::sql::sqlite::{INSERT, LAST, MOVE, START};
use sealwax_audit::{Anchor, Entry, Record};

use super::{Store, Writer, text, while_};
use crate::error::VaultError;

/// An entry as the table has it.
#[derive(Debug)]
pub struct Stored {
    /// Whose chain it is in.
    pub subject: String,
    /// Its number in the chain.
    pub number: u64,
    /// When it was written, in UTC, as RFC 3339 says.
    pub time: String,
    /// The entry, or `None` if somebody wrote something into the table that no entry holds.
    pub record: Option<Record>,
}

impl Store {
    /// Calls `visit` with each entry of one snapshot, ordered by subject and number.
    ///
    /// # Errors
    /// Returns an error if SQLite or `visit` fails.
    pub fn for_each_entry(
        &self,
        subject: Option<&str>,
        mut visit: impl FnMut(Stored) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let reading = while_("reading the log");
        if !self.has_log().map_err(reading)? {
            return Ok(());
        }
        let sql = "SELECT *, strftime('%Y-%m-%dT%H:%M:%SZ', time / 1000, 'unixepoch') AS utc
                   FROM sealwax_audit WHERE subject = ?1 OR ?1 IS NULL ORDER BY subject, number";
        let mut statement = self.connection.prepare_cached(sql).map_err(reading)?;
        for stored in statement.query_map([subject], read_stored).map_err(reading)? {
            visit(stored.map_err(reading)?)?;
        }
        Ok(())
    }

    /// Returns what the database says is the last entry of each chain, ordered by subject.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn ends(&self, subject: Option<&str>) -> Result<Vec<Anchor>, VaultError> {
        let reading = while_("reading the ends of the log");
        if !self.has_log().map_err(reading)? {
            return Ok(Vec::new());
        }
        let sql = "SELECT subject, number, mac FROM sealwax_audit_last
                   WHERE subject = ?1 OR ?1 IS NULL ORDER BY subject";
        let mut statement = self.connection.prepare_cached(sql).map_err(reading)?;
        let ends = statement.query_map([subject], read_end).map_err(reading)?;
        ends.collect::<Result<_, _>>().map_err(reading)
    }

    /// Returns whether the database has the tables, which a reader does not add to an older one.
    fn has_log(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sealwax_audit')";
        self.connection.query_row(sql, [], |row| row.get(0))
    }
}

impl Writer<'_> {
    /// Returns the last entry of a subject's chain, or `None` if it has none.
    ///
    /// # Errors
    /// Returns an error if SQLite fails, or if somebody wrote something into the table that no entry holds.
    pub fn last_entry(&self, subject: &str) -> Result<Option<Record>, VaultError> {
        let reading = while_("reading the end of the log");
        let connection: &Connection = &self.transaction;
        let last = connection
            .prepare_cached(LAST)
            .and_then(|mut last| last.query_row([subject], |row| Ok(read_record(row))).optional());
        match last.map_err(reading)? {
            Some(None) => Err(VaultError::LogEnd { subject: subject.to_owned() }),
            last => Ok(last.flatten()),
        }
    }

    /// Appends an entry to the chain of its subject; `after` is the MAC of the entry before it.
    ///
    /// # Errors
    /// Returns an error if SQLite fails, or if the entry before it is not the last one.
    pub fn append_entry(
        &self,
        record: &Record,
        after: Option<&[u8; 32]>,
    ) -> Result<(), VaultError> {
        let Record { subject, number, entry, audit_key, mac } = record;
        let Entry { time, action, who, why, outcome, key_id, commitment, context } = entry;
        let [commitment, context] = [commitment, context].map(|bytes| bytes.as_ref().map(|b| &b[..]));
        let after = after.map(|mac| &mac[..]).unwrap_or_default();
        let connection: &Connection = &self.transaction;
        let append = || -> rusqlite::Result<bool> {
            connection.prepare_cached(START)?.execute([subject])?;
            let mut end = connection.prepare_cached(MOVE)?;
            if end.execute(params![subject, number_of(*number), &mac[..], after])? != 1 {
                return Ok(false);
            }
            connection.prepare_cached(INSERT)?.execute(params![
                subject,
                number_of(*number),
                number_of(*time),
                action,
                who,
                why,
                outcome,
                key_id.as_ref().map(KeyId::as_ref),
                commitment,
                context,
                audit_key.as_ref(),
                &mac[..],
            ])?;
            Ok(true)
        };
        match append().map_err(while_("writing the log"))? {
            true => Ok(()),
            false => Err(VaultError::LogEnd { subject: subject.clone() }),
        }
    }
}

/// Converts a number of an entry, which has at most 53 bits.
fn number_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        subject: text(row, "subject")?,
        number: number(row, "number").unwrap_or_default(),
        time: text(row, "utc")?,
        record: read_record(row),
    })
}

fn read_end(row: &rusqlite::Row<'_>) -> rusqlite::Result<Anchor> {
    Ok(Anchor {
        subject: text(row, "subject")?,
        number: number(row, "number").unwrap_or_default(),
        mac: bytes(row, "mac").flatten().unwrap_or_default(),
    })
}

/// Reads an entry, or returns `None` if a column has something that no entry holds.
fn read_record(row: &rusqlite::Row<'_>) -> Option<Record> {
    let of = |column| text(row, column).ok();
    let key_id = match row.get_ref("key_id").ok()? {
        ValueRef::Null => None,
        _ => Some(of("key_id")?.parse().ok()?),
    };
    Some(Record {
        subject: of("subject")?,
        number: number(row, "number")?,
        entry: Entry {
            time: number(row, "time")?,
            action: of("action")?,
            who: of("who")?,
            why: of("why")?,
            outcome: of("outcome")?,
            key_id,
            commitment: bytes(row, "commitment")?,
            context: bytes(row, "context")?,
        },
        audit_key: of("audit_key")?.parse().ok()?,
        mac: bytes(row, "mac")??,
    })
}

fn number(row: &rusqlite::Row<'_>, column: &str) -> Option<u64> {
    row.get::<_, i64>(column).ok()?.try_into().ok()
}

/// Reads 32 bytes, if there are any. Returns `None` if there is something else.
fn bytes(row: &rusqlite::Row<'_>, column: &str) -> Option<Option<[u8; 32]>> {
    match row.get_ref(column).ok()? {
        ValueRef::Null => Some(None),
        ValueRef::Blob(bytes) => bytes.try_into().ok().map(Some),
        _ => None,
    }
}
