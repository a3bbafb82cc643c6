//! The table of the log, which only grows.

use rusqlite::{OptionalExtension, params};
use sealwax_audit::Record;
use sealwax_audit::sql::sqlite::{APPEND, LAST};

use super::{Store, Writer, text, while_};
use crate::error::{LogProblem, VaultError};

/// The tables of the log since version 3 of the schema.
///
/// They are those of `sealwax-audit`, and its statements use them. The text is here, because every vault has it to the
/// letter, comments included: see [`super::objects`]. Never change it.
pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS sealwax_audit (
        subject TEXT NOT NULL CHECK (subject = record ->> 'subject'),
        number INTEGER NOT NULL CHECK (number > 0 AND number = record ->> 'number'),
        mac BLOB NOT NULL CHECK (lower(hex(mac)) = record ->> 'mac'),
        record TEXT NOT NULL,
        PRIMARY KEY (subject, number)
    ) STRICT, WITHOUT ROWID;

    CREATE VIEW IF NOT EXISTS sealwax_audit_entries AS
    SELECT subject, number, record ->> 'time' AS time, record ->> 'action' AS action, record ->> 'who' AS who,
        record ->> 'why' AS why, record ->> 'outcome' AS outcome, record ->> 'key_id' AS key_id,
        record ->> 'commitment' AS commitment, record ->> 'context' AS context, record ->> 'audit_key' AS audit_key
    FROM sealwax_audit;

    CREATE TRIGGER IF NOT EXISTS sealwax_audit_next BEFORE INSERT ON sealwax_audit
    BEGIN
        -- INSERT OR REPLACE would delete the old row, for which no trigger runs.
        SELECT RAISE(IGNORE) FROM sealwax_audit WHERE subject = NEW.subject AND number = NEW.number;
        SELECT RAISE(ABORT, 'sealwax_audit: not the next entry of its chain') WHERE NEW.number > 1
        AND NOT EXISTS (SELECT 1 FROM sealwax_audit WHERE subject = NEW.subject AND number = NEW.number - 1);
    END;

    CREATE TRIGGER IF NOT EXISTS sealwax_audit_unchanged BEFORE UPDATE ON sealwax_audit
    BEGIN SELECT RAISE(ABORT, 'sealwax_audit only grows'); END;

    CREATE TRIGGER IF NOT EXISTS sealwax_audit_undeleted BEFORE DELETE ON sealwax_audit
    BEGIN SELECT RAISE(ABORT, 'sealwax_audit only grows'); END;";

/// An entry as the table has it.
#[derive(Debug)]
pub struct Stored {
    /// Whose chain it is in.
    pub subject: String,
    /// Its number in the chain.
    pub number: i64,
    /// When it was written, in UTC and in the form of RFC 3339.
    pub time: String,
    /// The entry, or `None` if somebody wrote into the table what no entry is.
    pub record: Option<Record>,
}

impl Store {
    /// Calls `visit` with each entry, ordered by subject and number.
    ///
    /// # Errors
    /// Returns an error if SQLite or `visit` fails.
    pub fn for_each_entry(
        &self,
        subject: Option<&str>,
        mut visit: impl FnMut(Stored) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let reading = while_("reading the log");
        if !self.has_log()? {
            return Ok(());
        }
        let sql = "SELECT subject, number, mac, record, iif(
                json_valid(record),
                strftime('%Y-%m-%dT%H:%M:%SZ', (record ->> 'time') / 1000, 'unixepoch'),
                NULL
            ) AS time
            FROM sealwax_audit WHERE subject = ?1 OR ?1 IS NULL ORDER BY subject, number";
        let mut statement = self.connection.prepare_cached(sql).map_err(reading)?;
        for stored in statement.query_map([subject], read_entry).map_err(reading)? {
            visit(stored.map_err(reading)?)?;
        }
        Ok(())
    }

    /// Returns the subject of each chain that has an entry, in order.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn subjects_of_log(&self, subject: Option<&str>) -> Result<Vec<String>, VaultError> {
        let reading = while_("reading the subjects of the log");
        if !self.has_log()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT DISTINCT subject FROM sealwax_audit
            WHERE subject = ?1 OR ?1 IS NULL ORDER BY subject";
        let mut statement = self.connection.prepare_cached(sql).map_err(reading)?;
        let subjects = statement.query_map([subject], |row| text(row, "subject"));
        subjects.map_err(reading)?.collect::<Result<_, _>>().map_err(reading)
    }

    /// Returns whether there is a table. A reader does not add one to an older vault.
    fn has_log(&self) -> Result<bool, VaultError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sealwax_audit')";
        let found = self.connection.query_row(sql, [], |row| row.get(0));
        found.map_err(while_("looking for the log"))
    }
}

impl Writer<'_> {
    /// Returns the last entry of a subject's chain, or `None` if it has none.
    ///
    /// # Errors
    /// Returns an error if SQLite fails, or if somebody wrote into the table what no entry is.
    pub fn last_entry(&self, subject: &str) -> Result<Option<Record>, VaultError> {
        let reading = while_("reading the end of the log");
        let mut statement = self.transaction.prepare_cached(LAST).map_err(reading)?;
        let last = statement.query_row([subject], |row| text(row, "record")).optional();
        let parse = |record: String| record.parse().ok();
        match last.map_err(reading)?.map(parse) {
            Some(None) => Err(LogProblem::End { subject: subject.to_owned() }.into()),
            last => Ok(last.flatten()),
        }
    }

    /// Appends an entry to the chain of its subject. `after` is the MAC of the entry before it.
    ///
    /// # Errors
    /// Returns an error if SQLite fails, or if the table has another entry before it.
    pub fn append_entry(
        &self,
        record: &Record,
        after: Option<&[u8; 32]>,
    ) -> Result<(), VaultError> {
        let writing = while_("writing the log");
        let Record { subject, number, mac, .. } = record;
        let number = i64::try_from(*number).unwrap_or(i64::MAX);
        let mut statement = self.transaction.prepare_cached(APPEND).map_err(writing)?;
        let appended = statement
            .execute(params![subject, number, mac, record.to_string(), after])
            .map_err(writing)?;
        if appended == 1 {
            Ok(())
        } else {
            Err(LogProblem::End { subject: subject.clone() }.into())
        }
    }
}

fn read_entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    let subject = text(row, "subject")?;
    // Whoever changed the table may have changed the types, which must not hide the other entries.
    let number = row.get_ref("number")?.as_i64().unwrap_or_default();
    let mac = row.get_ref("mac")?.as_blob().unwrap_or_default();
    let is_of_this_row = |record: &Record| {
        record.subject == subject
            && i64::try_from(record.number) == Ok(number)
            && record.mac[..] == *mac
    };
    let record = text(row, "record")?.parse().ok().filter(is_of_this_row);
    Ok(Stored { subject, number, time: text(row, "time")?, record })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns SQL without comments, and with one space where there was white space.
    fn plain(sql: &str) -> String {
        let code = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_tables_are_those_of_sealwax_audit() {
        assert_eq!(
            plain(TABLES),
            plain(sealwax_audit::sql::sqlite::TABLES),
            "sealwax-audit has other tables now. Leave TABLES, which existing vaults have: add the new text as version 4 \
             of the schema, with a migration in store/migration.rs that existing vaults can run"
        );
    }

    #[test]
    fn the_text_of_version_3_is_frozen() {
        let letters: String = TABLES.split_whitespace().collect();
        let sum =
            letters.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        assert_eq!(
            (letters.len(), sum),
            (1_221, 831_507_589),
            "every vault of version 3 has the old text, comments included"
        );
    }
}
