//! The statements of a job, for one table.
//!
//! A key is its columns' values as text, and the statements cast them: all types of keys are handled in one way.

use sealwax::{Change, Envelope, FormatError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _, query};

use crate::table::{Form, Table, quoted};

/// The values of a row's key columns, as text.
pub(crate) type Key = Vec<String>;

/// A row's envelope, as its column has it.
#[derive(Debug)]
pub(crate) enum Stored {
    Binary(Vec<u8>),
    Text(String),
}

impl TryFrom<Stored> for Envelope {
    type Error = FormatError;

    fn try_from(stored: Stored) -> Result<Self, FormatError> {
        match stored {
            Stored::Binary(bytes) => bytes.try_into(),
            Stored::Text(text) => text.try_into(),
        }
    }
}

/// A row to write if it still has the old envelope.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) key: Key,
    pub(crate) old: Envelope,
    pub(crate) fresh: Envelope,
}

impl From<Change<Key>> for Swap {
    fn from(change: Change<Key>) -> Self {
        Self { key: change.id, old: change.old, fresh: change.fresh }
    }
}

/// No page has more than this, in bytes of envelopes, unless it has only one row.
const PAGE_BYTES: i64 = 8 * 1024 * 1024;

/// The texts of a table's statements.
#[derive(Debug)]
pub(crate) struct Statements {
    width: usize,
    form: Form,
    page: String,
    at_keys: String,
    swap: String,
    boundaries: String,
    nth: String,
    /// The condition of a range, by its lower and its upper bound.
    above: String,
    up_to: String,
}

/// A range of keys: above the first one, up to and including the second one.
pub(crate) type Bounds<'a> = (Option<&'a Key>, Option<&'a Key>);

impl Statements {
    pub(crate) fn new(table: &Table) -> Self {
        let (name, envelope) = (table.quoted(), table.quoted_envelope());
        let columns = table.key_columns();
        let width = columns.len();
        let each = |of: &dyn Fn(usize, &str, &str) -> String, separator: &str| -> String {
            let parts = columns.iter().zip(1..).map(|(column, n)| of(n, &quoted(&column.name), &column.type_name));
            parts.collect::<Vec<_>>().join(separator)
        };
        let keys = each(&|_, column, _| format!("t.{column}"), ", ");
        let texts = each(&|n, column, _| format!("t.{column}::text AS key_{n}"), ", ");
        let named = each(&|n, column, _| format!("t.{column} AS key_{n}"), ", ");
        let read = each(&|n, _, _| format!("page.key_{n}::text AS key_{n}"), ", ");
        let ordered = each(&|n, _, _| format!("page.key_{n}"), ", ");
        let numbered = each(&|n, _, _| format!("key_{n}"), ", ");
        let arrays = each(&|n, _, type_name| format!("${n}::text[]::{type_name}[]"), ", ");
        let joined = each(&|n, column, _| format!("t.{column} = page.key_{n}"), " AND ");
        let bound =
            |parameter: usize| each(&|n, _, type_name| format!("(${parameter}::text[])[{n}]::{type_name}"), ", ");
        let (old, fresh) = (width.saturating_add(1), width.saturating_add(2));
        let (cast, bytes) = match table.form() {
            Form::Binary => ("bytea", ""),
            Form::Text => ("text", " COLLATE \"C\""),
        };
        Self {
            width,
            form: table.form(),
            page: format!(
                "SELECT {read}, page.envelope FROM (
                   SELECT {named}, t.{envelope} AS envelope, row_number() OVER up_to AS n,
                          sum(octet_length(t.{envelope})) OVER up_to AS bytes
                     FROM {name} t WHERE t.{envelope} IS NOT NULL %RANGE%
                   WINDOW up_to AS (ORDER BY {keys} ROWS UNBOUNDED PRECEDING) ORDER BY {keys} LIMIT $3) AS page
                  WHERE page.bytes <= $4 OR page.n = 1 ORDER BY {ordered}"
            ),
            at_keys: format!(
                "SELECT {texts}, t.{envelope} AS envelope FROM unnest({arrays}) AS page ({numbered})
                   JOIN {name} t ON {joined} WHERE t.{envelope} IS NOT NULL ORDER BY {keys}"
            ),
            // Rows are locked in the order of their keys, and a row that is locked is left out: it never waits for a
            // customer's transaction, so neither of them deadlocks. The UPDATE finds a row where the lock is, not in the
            // index once more. If a customer has moved it in between, it is not written, and the worker reads it again.
            swap: format!(
                "WITH page AS MATERIALIZED (
                   SELECT page.*, t.ctid AS at FROM unnest({arrays}, ${old}::{cast}[], ${fresh}::{cast}[])
                          AS page ({numbered}, old, fresh)
                     JOIN {name} t ON {joined} AND t.{envelope}{bytes} = page.old
                    ORDER BY {keys} FOR NO KEY UPDATE OF t SKIP LOCKED)
                 UPDATE {name} t SET {envelope} = page.fresh FROM page
                  WHERE t.ctid = page.at AND {joined} AND t.{envelope}{bytes} = page.old"
            ),
            boundaries: format!(
                "SELECT ARRAY[{numbered}] AS key FROM (
                   SELECT {texts}, row_number() OVER (ORDER BY {keys}) AS n, count(*) OVER () AS rows
                     FROM {name} t TABLESAMPLE SYSTEM ($1::int8::float4)) AS sample
                  WHERE n % greatest(rows / $2, 1) = 0 AND n < rows ORDER BY n LIMIT $2 - 1"
            ),
            nth: format!(
                "SELECT ARRAY[{numbered}] AS key FROM (
                   SELECT {texts} FROM {name} t WHERE t.{envelope} IS NOT NULL %RANGE% ORDER BY {keys} OFFSET $3 LIMIT 1) AS page"
            ),
            above: format!(" AND ({keys}) > ({})", bound(1)),
            up_to: format!(" AND ({keys}) <= ({})", bound(2)),
        }
    }

    /// Binds the bounds as the first two parameters. A bound that is missing is not in the statement, because an index
    /// is not used for `$1 IS NULL OR …`.
    fn in_range<'q>(&self, statement: &str, (above, up_to): Bounds<'_>) -> Query<'q, Postgres, PgArguments> {
        // A parameter that nothing uses would have no type.
        let mut range = " AND ($1::text[] IS NULL OR true) AND ($2::text[] IS NULL OR true)".to_owned();
        range.push_str(above.map_or("", |_| &self.above));
        range.push_str(up_to.map_or("", |_| &self.up_to));
        query(AssertSqlSafe(statement.replace("%RANGE%", &range))).bind(above.cloned()).bind(up_to.cloned())
    }

    /// Reads the first rows of a range, in the order of their keys.
    pub(crate) async fn page(
        &self,
        db: &mut PgConnection,
        bounds: Bounds<'_>,
        rows: i32,
    ) -> Result<Vec<(Key, Stored)>, sqlx::Error> {
        let page = self.in_range(&self.page, bounds).bind(i64::from(rows)).bind(PAGE_BYTES);
        page.fetch_all(db).await?.iter().map(|row| self.read(row)).collect()
    }

    /// Reads the rows with these keys, as far as they still exist.
    pub(crate) async fn at_keys(&self, db: &mut PgConnection, keys: &[Key]) -> Result<Vec<(Key, Stored)>, sqlx::Error> {
        let rows = self.bind_keys(query(AssertSqlSafe(self.at_keys.clone())), keys).fetch_all(db).await?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    /// Writes each fresh envelope if its row still has the old one and nobody has locked it. Returns how many it wrote.
    pub(crate) async fn swap(&self, db: &mut PgConnection, swaps: &[Swap]) -> Result<u64, sqlx::Error> {
        let keys: Vec<&Key> = swaps.iter().map(|swap| &swap.key).collect();
        let swap = self.bind_keys(query(AssertSqlSafe(self.swap.clone())), &keys);
        let envelopes = |of: fn(&Swap) -> &Envelope| swaps.iter().map(of);
        let swap = match self.form {
            Form::Binary => {
                let bytes = |of| envelopes(of).map(Envelope::as_bytes).collect::<Vec<_>>();
                swap.bind(bytes(|swap| &swap.old)).bind(bytes(|swap| &swap.fresh))
            }
            Form::Text => {
                let texts = |of| envelopes(of).map(ToString::to_string).collect::<Vec<_>>();
                swap.bind(texts(|swap| &swap.old)).bind(texts(|swap| &swap.fresh))
            }
        };
        Ok(swap.execute(db).await?.rows_affected())
    }

    /// Returns keys that divide the table into about as many ranges, as far as a sample of `percent` of its pages tells.
    pub(crate) async fn boundaries(
        &self,
        db: &mut PgConnection,
        percent: i64,
        ranges: i64,
    ) -> Result<Vec<Key>, sqlx::Error> {
        let rows = query(AssertSqlSafe(self.boundaries.clone())).bind(percent).bind(ranges).fetch_all(db).await?;
        rows.iter().map(|row| row.try_get("key")).collect()
    }

    /// Returns the key of the row after `skipped` rows of a range.
    pub(crate) async fn nth(
        &self,
        db: &mut PgConnection,
        bounds: Bounds<'_>,
        skipped: i64,
    ) -> Result<Option<Key>, sqlx::Error> {
        let row = self.in_range(&self.nth, bounds).bind(skipped).fetch_optional(db).await?;
        row.map(|row| row.try_get("key")).transpose()
    }

    fn bind_keys<'q>(
        &self,
        mut statement: Query<'q, Postgres, PgArguments>,
        keys: &[impl AsRef<[String]>],
    ) -> Query<'q, Postgres, PgArguments> {
        for column in 0..self.width {
            let values = keys.iter().map(|key| key.as_ref().get(column).cloned());
            statement = statement.bind(values.collect::<Vec<_>>());
        }
        statement
    }

    fn read(&self, row: &PgRow) -> Result<(Key, Stored), sqlx::Error> {
        let key = (0..self.width).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
        let stored = match self.form {
            Form::Binary => Stored::Binary(row.try_get("envelope")?),
            Form::Text => Stored::Text(row.try_get("envelope")?),
        };
        Ok((key, stored))
    }
}
