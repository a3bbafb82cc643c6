//! A table of tokens, for SQLite and PostgreSQL.
//!
//! The table `sealwax_tokens` has a row for each public id: the record, what it is searched by, and, after a rotation, the
//! same of the token before. Records are text, which is [`Record`](crate::Record)'s `to_string` and `parse`.
//!
//! - **One statement changes a row.** `SWAP` writes a [`Change`](crate::Change), whichever it is, if the record is still
//!   the one that its caller saw. So it needs no transaction, and of any number of writers, one changes a row. If it
//!   changes no row, a token for one use was used by somebody else; after another change, read the record again.
//! - **No request has to write.** `FIND` says whether `last_used` is older than five minutes. Only then run `USED`.

/// SQL for SQLite 3.37 or later.
pub mod sqlite {
    /// Creates the table and its indexes. Running it again changes nothing.
    pub const TABLES: &str = include_str!("sql/sqlite.sql");

    /// Inserts a token that was issued or converted.
    ///
    /// `?1` is its id, `?2` the subject, `?3` the lookup key and `?4` the record.
    pub const INSERT: &str =
        "INSERT INTO sealwax_tokens (id, subject, lookup, record) VALUES (?1, ?2, ?3, ?4)";

    /// Selects the record that has a lookup key, `?1`, and whether `last_used` is due at the time `?2`.
    ///
    /// Run it for each lookup key of a token until it finds a record. There is one key for each pepper.
    pub const FIND: &str = "
        SELECT CASE lookup WHEN ?1 THEN record ELSE previous END, last_used IS NULL OR last_used <= ?2 - 300
        FROM sealwax_tokens WHERE lookup = ?1 OR previous_lookup = ?1";

    /// Selects the record with an id, `?1`: to narrow, rotate or revoke it.
    pub const GET: &str = "SELECT record FROM sealwax_tokens WHERE id = ?1";

    /// Selects the records of a subject, `?1`, and when each was last used.
    pub const LIST: &str =
        "SELECT record, last_used FROM sealwax_tokens WHERE subject = ?1 ORDER BY id";

    /// Selects the records of salted tokens that another program issued, and that were not used since.
    ///
    /// If no record has a token's lookup keys, verify it against each of these, until the error is not `Unknown`. That
    /// costs about a microsecond each, for every wrong text that somebody sends: limit the rate.
    pub const SALTED: &str = "
        SELECT record FROM sealwax_tokens WHERE substr(record, length(lookup) + 7, 3) IN ('AQI', 'AQM')";

    /// Writes a change, or no row if the record is not the one that was seen.
    ///
    /// `?1` is the id, `?2` the record seen, `?3` the lookup key and `?4` the record that it gets, `?5` and `?6` those of
    /// the previous one or null, and `?7` whether the row keeps the previous one that it has.
    pub const SWAP: &str = "
        UPDATE sealwax_tokens SET lookup = ?3, record = ?4,
            previous_lookup = CASE WHEN ?7 THEN previous_lookup ELSE ?5 END,
            previous = CASE WHEN ?7 THEN previous ELSE ?6 END
        WHERE id = ?1 AND record = ?2";

    /// Notes that a token, `?1`, was used at the time `?2`, if the last note is older than five minutes.
    pub const USED: &str = "
        UPDATE sealwax_tokens SET last_used = ?2 WHERE id = ?1 AND (last_used IS NULL OR last_used <= ?2 - 300)";

    /// Deletes a token, `?1`: one whose record was altered, or that expired long ago.
    pub const DELETE: &str = "DELETE FROM sealwax_tokens WHERE id = ?1";
}

/// SQL for PostgreSQL 14 or later, at the isolation level `READ COMMITTED`, which is the default.
pub mod postgres {
    /// Creates the table and its indexes. Running it again changes nothing.
    ///
    /// It has several statements, so send it without parameters.
    pub const TABLES: &str = include_str!("sql/postgres.sql");

    /// Inserts a token that was issued or converted.
    ///
    /// `$1` is its id, `$2` the subject, `$3` the lookup key and `$4` the record.
    pub const INSERT: &str =
        "INSERT INTO sealwax_tokens (id, subject, lookup, record) VALUES ($1, $2, $3, $4)";

    /// Selects the record that has one of the lookup keys, `$1` (`text[]`), and whether `last_used` is due at the time
    /// `$2` (`bigint`).
    pub const FIND: &str = "
        SELECT CASE WHEN lookup = ANY ($1) THEN record ELSE previous END, coalesce(last_used <= $2 - 300, true)
        FROM sealwax_tokens WHERE lookup = ANY ($1) OR previous_lookup = ANY ($1)";

    /// Selects the record with an id, `$1`: to narrow, rotate or revoke it.
    pub const GET: &str = "SELECT record FROM sealwax_tokens WHERE id = $1";

    /// Selects the records of a subject, `$1`, and when each was last used.
    pub const LIST: &str =
        "SELECT record, last_used FROM sealwax_tokens WHERE subject = $1 ORDER BY id";

    /// Selects the records of salted tokens that another program issued, and that were not used since.
    ///
    /// If no record has a token's lookup keys, verify it against each of these, until the error is not `Unknown`. That
    /// costs about a microsecond each, for every wrong text that somebody sends: limit the rate.
    pub const SALTED: &str = "
        SELECT record FROM sealwax_tokens WHERE substr(record, length(lookup) + 7, 3) IN ('AQI', 'AQM')";

    /// Writes a change, or no row if the record is not the one that was seen.
    ///
    /// `$1` is the id, `$2` the record seen, `$3` the lookup key and `$4` the record that it gets, `$5` and `$6` those of
    /// the previous one or null, and `$7` (`boolean`) whether the row keeps the previous one that it has.
    pub const SWAP: &str = "
        UPDATE sealwax_tokens SET lookup = $3, record = $4,
            previous_lookup = CASE WHEN $7 THEN previous_lookup ELSE $5 END,
            previous = CASE WHEN $7 THEN previous ELSE $6 END
        WHERE id = $1 AND record = $2";

    /// Notes that a token, `$1`, was used at the time `$2` (`bigint`), if the last note is older than five minutes.
    pub const USED: &str = "
        UPDATE sealwax_tokens SET last_used = $2 WHERE id = $1 AND coalesce(last_used <= $2 - 300, true)";

    /// Deletes a token, `$1`: one whose record was altered, or that expired long ago.
    pub const DELETE: &str = "DELETE FROM sealwax_tokens WHERE id = $1";
}
