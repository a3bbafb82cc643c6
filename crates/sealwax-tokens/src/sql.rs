//! A table of tokens, for SQLite and PostgreSQL.
//!
//! The table `sealwax_tokens` has a row for each public id: the record, what it is searched by, and, after a rotation, the
//! same of the token before. Records are text, which is [`Record`](crate::Record)'s `to_string` and `parse`. You may add
//! columns of your own, such as a name that the owner gives to the token.
//!
//! - **One statement changes a row.** `SWAP` writes a [`Change`](crate::Change), whichever it is, if the record is still
//!   the one that its caller saw. So it needs no transaction, and of any number of writers, one changes a row.
//! - **No request has to write.** `FIND` says whether `last_used` is older than five minutes. Only then run `USED`.
//! - **Every parameter is a text**, also a number or a time, so that a method can return all of them in order.

/// SQL for SQLite 3.38 or later.
pub mod sqlite {
    /// Creates the table and its indexes. Running it again changes nothing.
    pub const TABLES: &str = include_str!("sql/sqlite.sql");

    /// Inserts a token that was [issued](crate::Issued::parameters) or [converted](crate::Converted::parameters).
    ///
    /// `?1` is its id, `?2` the subject, `?3` the lookup key, `?4` the record and `?5` when it expires.
    pub const INSERT: &str = "
        INSERT INTO sealwax_tokens (id, subject, lookup, record, expires) VALUES (?1, ?2, ?3, ?4, CAST(?5 AS INTEGER))";

    /// Selects the record that has one of a token's [lookup keys](crate::LookupKeys::parameters), and whether `last_used`
    /// is due.
    ///
    /// `?1` is the keys as a JSON array and `?2` the time.
    pub const FIND: &str = "
        SELECT CASE WHEN lookup IN (SELECT value FROM json_each(?1)) THEN record ELSE previous END,
            last_used IS NULL OR last_used <= CAST(?2 AS INTEGER) - 300
        FROM sealwax_tokens
        WHERE lookup IN (SELECT value FROM json_each(?1)) OR previous_lookup IN (SELECT value FROM json_each(?1))";

    /// Selects the record with an id, `?1`: to narrow, rotate or revoke it.
    pub const GET: &str = "SELECT record FROM sealwax_tokens WHERE id = ?1";

    /// Selects the records of a subject, `?1`, and when each was last used.
    ///
    /// Somebody who can write the table can give a row to another subject's list: what counts is the subject in the record.
    pub const LIST: &str =
        "SELECT record, last_used FROM sealwax_tokens WHERE subject = ?1 ORDER BY id";

    /// Selects the records of salted tokens that another program issued, and that were not used since:
    /// [`search`](crate::Tokens::search) them if no record has a token's lookup keys.
    ///
    /// That costs about a microsecond each, for every wrong text that somebody sends: limit the rate. If that finds none
    /// either, `FIND` once more, because the first use of the token may have come between.
    pub const SALTED: &str = "
        SELECT record FROM sealwax_tokens WHERE substr(record, length(lookup) + 7, 4) IN ('AQIA', 'AQMA')
        UNION ALL
        SELECT previous FROM sealwax_tokens WHERE substr(previous, length(previous_lookup) + 7, 4) IN ('AQIC', 'AQMC')";

    /// Writes a [change](crate::Change::parameters), or no row if the record is not the one that was seen.
    ///
    /// `?1` is the id, `?2` the record seen, `?3` the lookup key, `?4` the record that it gets and `?5` when it expires,
    /// `?6` and `?7` the lookup key and the record of the previous one or null, and `?8` null unless the row keeps the
    /// previous one that it has.
    pub const SWAP: &str = "
        UPDATE sealwax_tokens SET lookup = ?3, record = ?4,
            expires = max(CAST(?5 AS INTEGER), iif(?8 IS NULL, 0, expires)),
            previous_lookup = iif(?8 IS NULL, ?6, previous_lookup), previous = iif(?8 IS NULL, ?7, previous)
        WHERE id = ?1 AND record = ?2";

    /// Notes that a token, `?1`, was used at the time `?2`, if the last note is older than five minutes.
    pub const USED: &str = "
        UPDATE sealwax_tokens SET last_used = CAST(?2 AS INTEGER)
        WHERE id = ?1 AND (last_used IS NULL OR last_used <= CAST(?2 AS INTEGER) - 300)";

    /// Counts the rows with a token under a pepper, `?1`, which ends if you disable it. Purge before, and delete those
    /// that were revoked: they never move to another pepper.
    pub const UNDER: &str = "
        SELECT count(*) FROM sealwax_tokens
        WHERE substr(lookup, 1, length(?1) + 1) = ?1 || ':' OR substr(previous_lookup, 1, length(?1) + 1) = ?1 || ':'";

    /// Deletes the tokens that had expired at the time `?1`: sign-in links above all. A time in milliseconds deletes none.
    pub const PURGE: &str = "
        DELETE FROM sealwax_tokens WHERE expires <= CAST(?1 AS INTEGER) AND CAST(?1 AS INTEGER) <= 100000000000";

    /// Deletes a token, `?1`: one whose record was altered, or that was revoked long ago.
    pub const DELETE: &str = "DELETE FROM sealwax_tokens WHERE id = ?1";
}

/// SQL for PostgreSQL 14 or later, at the isolation level `READ COMMITTED`, which is the default.
pub mod postgres {
    /// Creates the table and its indexes. Running it again changes nothing.
    ///
    /// It has several statements, so send it without parameters.
    pub const TABLES: &str = include_str!("sql/postgres.sql");

    /// Inserts a token that was [issued](crate::Issued::parameters) or [converted](crate::Converted::parameters).
    ///
    /// `$1` is its id, `$2` the subject, `$3` the lookup key, `$4` the record and `$5` when it expires.
    pub const INSERT: &str = "
        INSERT INTO sealwax_tokens (id, subject, lookup, record, expires) VALUES ($1, $2, $3, $4, $5::text::bigint)";

    /// Selects the record that has one of a token's [lookup keys](crate::LookupKeys::parameters), and whether `last_used`
    /// is due.
    ///
    /// `$1` is the keys as a JSON array and `$2` the time.
    pub const FIND: &str = "
        SELECT CASE WHEN lookup = ANY (ARRAY(SELECT json_array_elements_text($1::text::json))) THEN record ELSE previous END,
            coalesce(last_used <= $2::text::bigint - 300, true)
        FROM sealwax_tokens
        WHERE lookup = ANY (ARRAY(SELECT json_array_elements_text($1::text::json)))
            OR previous_lookup = ANY (ARRAY(SELECT json_array_elements_text($1::text::json)))";

    /// Selects the record with an id, `$1`: to narrow, rotate or revoke it.
    pub const GET: &str = "SELECT record FROM sealwax_tokens WHERE id = $1";

    /// Selects the records of a subject, `$1`, and when each was last used.
    ///
    /// Somebody who can write the table can give a row to another subject's list: what counts is the subject in the record.
    pub const LIST: &str =
        "SELECT record, last_used FROM sealwax_tokens WHERE subject = $1 ORDER BY id";

    pub use super::sqlite::SALTED;

    /// Writes a [change](crate::Change::parameters), or no row if the record is not the one that was seen.
    ///
    /// `$1` is the id, `$2` the record seen, `$3` the lookup key, `$4` the record that it gets and `$5` when it expires,
    /// `$6` and `$7` the lookup key and the record of the previous one or null, and `$8` null unless the row keeps the
    /// previous one that it has.
    pub const SWAP: &str = "
        UPDATE sealwax_tokens SET lookup = $3, record = $4,
            expires = CASE WHEN $8::text IS NULL THEN $5::text::bigint ELSE greatest($5::text::bigint, expires) END,
            previous_lookup = CASE WHEN $8::text IS NULL THEN $6 ELSE previous_lookup END,
            previous = CASE WHEN $8::text IS NULL THEN $7 ELSE previous END
        WHERE id = $1 AND record = $2";

    /// Notes that a token, `$1`, was used at the time `$2`, if the last note is older than five minutes.
    pub const USED: &str = "
        UPDATE sealwax_tokens SET last_used = $2::text::bigint
        WHERE id = $1 AND coalesce(last_used <= $2::text::bigint - 300, true)";

    /// Counts the rows with a token under a pepper, `$1`, which ends if you disable it. Purge before, and delete those
    /// that were revoked: they never move to another pepper.
    pub const UNDER: &str = "
        SELECT count(*) FROM sealwax_tokens
        WHERE starts_with(lookup, $1::text || ':') OR starts_with(previous_lookup, $1::text || ':')";

    /// Deletes the tokens that had expired at the time `$1`: sign-in links above all. A time in milliseconds deletes none.
    pub const PURGE: &str = "
        DELETE FROM sealwax_tokens WHERE expires <= $1::text::bigint AND $1::text::bigint <= 100000000000";

    /// Deletes a token, `$1`: one whose record was altered, or that was revoked long ago.
    pub const DELETE: &str = "DELETE FROM sealwax_tokens WHERE id = $1";
}
