//! The statements of a job, for one table.
//!
//! A key is its columns' values as text, and the statements cast them: all types of keys are handled in one way.

use sealwax::{Change, Envelope, FormatError};
use sealwax_import::{Cell, RowError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _, query};

use crate::step::Care;
use crate::table::{Form, Table, quoted};

/// The values of a row's key columns, as text.
pub(crate) type Key = Vec<String>;

/// What the column of envelopes has.
#[derive(Clone, Debug)]
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

/// A row of a page.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) stored: Option<Stored>,
    /// The columns that the job reads besides.
    pub(crate) cells: Cells,
    /// A hash of these columns.
    pub(crate) seen: Option<Vec<u8>>,
}

/// Columns of a row, by their names.
#[derive(Debug, Default)]
pub(crate) struct Cells(Vec<(String, Cell<'static>)>);

impl Cells {
    pub(crate) fn are_null(&self, columns: &[&str]) -> bool {
        let is_null =
            |(name, cell): &(String, Cell<'_>)| !columns.contains(&name.as_str()) || matches!(cell, Cell::Null);
        self.0.iter().all(is_null)
    }
}

impl sealwax_import::Row for Cells {
    fn cell(&self, column: &str) -> Result<Option<Cell<'_>>, RowError> {
        let cell = self.0.iter().find(|(name, _)| name == column).map(|(_, cell)| cell);
        Ok(cell.map(|cell| match cell {
            Cell::Text(text) => Cell::Text(text.as_ref().into()),
            Cell::Bytes(bytes) => Cell::Bytes(bytes.as_ref().into()),
            Cell::Json(_) | Cell::Null => Cell::Null,
        }))
    }
}

/// A row to write if it still has what was read.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) key: Key,
    pub(crate) old: Old,
    pub(crate) fresh: Envelope,
    pub(crate) seen: Option<Vec<u8>>,
}

/// What was read from the column of envelopes.
#[derive(Debug)]
pub(crate) enum Old {
    Nothing,
    Envelope(Envelope),
    Other(Stored),
}

impl From<Change<Key>> for Swap {
    fn from(change: Change<Key>) -> Self {
        Self { key: change.id, old: Old::Envelope(change.old), fresh: change.fresh, seen: None }
    }
}

/// Which rows a job reads, and what of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// Whether the column of envelopes must be null.
    pub(crate) is_null: bool,
    /// Further columns, and whether each is of bytes.
    pub(crate) columns: Vec<(String, bool)>,
}

/// A page ends with the row that reaches this, in bytes of envelopes.
const PAGE_BYTES: i64 = 8 * 1024 * 1024;

/// The texts of a table's statements.
#[derive(Debug)]
pub(crate) struct Statements {
    width: usize,
    form: Form,
    columns: Vec<(String, bool)>,
    page: String,
    at_keys: String,
    swap: String,
    swap_unlocked: String,
    pub(crate) count: String,
    boundaries: String,
    nth: String,
    left: String,
    /// The condition of a range, by its lower and its upper bound.
    above: String,
    up_to: String,
}

/// A range of keys: above the first one, up to and including the second one.
pub(crate) type Bounds<'a> = (Option<&'a Key>, Option<&'a Key>);

impl Statements {
    pub(crate) fn new(table: &Table, reads: Reads) -> Self {
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
        let read = each(&|n, _, _| format!("page.key_{n}::text"), ", ");
        let ordered = each(&|n, _, _| format!("page.key_{n}"), ", ");
        let numbered = each(&|n, _, _| format!("key_{n}"), ", ");
        let arrays = each(&|n, _, type_name| format!("${n}::text[]::{type_name}[]"), ", ");
        let joined = each(&|n, column, _| format!("t.{column} = page.key_{n}"), " AND ");
        let bound =
            |parameter: usize| each(&|n, _, type_name| format!("(${parameter}::text[])[{n}]::{type_name}"), ", ");
        let [old, fresh, seen] = [1, 2, 3].map(|after| width.saturating_add(after));

        let (cast, bytes) = match table.form() {
            Form::Binary => ("bytea", ""),
            Form::Text => ("text", " COLLATE \"C\""),
        };
        let is_wanted = format!("t.{envelope} IS {}NULL", if reads.is_null { "" } else { "NOT " });
        let is_unchanged =
            if reads.is_null { format!("t.{envelope} IS NULL") } else { format!("t.{envelope}{bytes} = page.old") };
        let (cells, hash, is_unchanged, size) = if reads.columns.is_empty() {
            (String::new(), String::new(), is_unchanged, format!("octet_length(t.{envelope})"))
        } else {
            let cell = |(n, (column, is_bytes)): (i32, &(String, bool))| {
                format!(", t.{}{} AS cell_{n}", quoted(column), if *is_bytes { "" } else { "::text" })
            };
            let row: Vec<_> = reads.columns.iter().map(|(column, _)| format!("t.{}", quoted(column))).collect();
            let row = format!("ROW({})::text", row.join(", "));
            let hash = format!("sha256(convert_to({row}, 'UTF8'))");
            let cells: String = (1..).zip(&reads.columns).map(cell).collect();
            (
                cells,
                format!(", {hash} AS seen"),
                format!("{is_unchanged} AND {hash} = page.seen"),
                format!("octet_length({row}) + coalesce(octet_length(t.{envelope}), 0)"),
            )
        };
        let (given_hash, named_hash) =
            if reads.columns.is_empty() { Default::default() } else { (format!(", ${seen}::bytea[]"), ", seen") };
        let named_cells: String = (1_i32..).zip(&reads.columns).map(|(n, _)| format!(", cell_{n}")).collect();
        let given = format!(
            "unnest({arrays}, ${old}::{cast}[], ${fresh}::{cast}[]{given_hash}) AS page ({numbered}, old, fresh{named_hash})"
        );
        Self {
            width,
            form: table.form(),
            columns: reads.columns,
            // One window in the order of the index, so that nothing is sorted. The first columns are the key's.
            page: format!(
                "SELECT {read}, envelope{named_cells}{named_hash}, bytes FROM (
                   SELECT {named}, t.{envelope} AS envelope{cells}{hash},
                          {size} AS size, sum({size}) OVER (ORDER BY {keys} ROWS UNBOUNDED PRECEDING) AS bytes
                     FROM {name} t WHERE {is_wanted}\0 ORDER BY {keys} LIMIT $3) AS page
                  WHERE bytes - size < $4 ORDER BY {ordered}"
            ),
            at_keys: format!(
                "SELECT {texts}, t.{envelope} AS envelope{cells}{hash} FROM unnest({arrays}) AS page ({numbered})
                   JOIN {name} t ON {joined} WHERE {is_wanted} ORDER BY {keys}"
            ),
            // PostgreSQL reads the keys in their order, and waits for a row that is locked.
            swap: format!("UPDATE {name} t SET {envelope} = page.fresh FROM {given} WHERE {joined} AND {is_unchanged}"),
            // Rows are locked in the order of their keys, and a row that is locked is left out. The UPDATE finds a row
            // where the lock is, not in the index once more. If a customer has moved it in between, it is not written.
            swap_unlocked: format!(
                "WITH page AS MATERIALIZED (
                   SELECT page.*, t.ctid AS at FROM {given} JOIN {name} t ON {joined} AND {is_unchanged}
                    ORDER BY {keys} FOR NO KEY UPDATE OF t SKIP LOCKED)
                 UPDATE {name} t SET {envelope} = page.fresh FROM page
                  WHERE t.ctid = page.at AND {joined} AND {is_unchanged}"
            ),
            count: format!("SELECT count(*) FROM {name} t WHERE {is_wanted}"),
            boundaries: format!(
                "SELECT ARRAY[{numbered}] AS key FROM (
                   SELECT {texts}, row_number() OVER (ORDER BY {keys}) AS n, count(*) OVER () AS rows
                     FROM {name} t TABLESAMPLE SYSTEM ($1::int8::float4)) AS sample
                  WHERE n % greatest(rows / $2, 1) = 0 AND n < rows ORDER BY n LIMIT $2 - 1"
            ),
            left: format!("SELECT count(*) FROM (SELECT FROM {name} t WHERE {is_wanted}\0 LIMIT $3) AS rows"),
            nth: format!(
                "SELECT ARRAY[{numbered}] AS key FROM (
                   SELECT {texts} FROM {name} t WHERE {is_wanted}\0 ORDER BY {keys} OFFSET $3 LIMIT 1) AS page"
            ),
            above: format!(" AND ({keys}) > ({})", bound(1)),
            up_to: format!(" AND ({keys}) <= ({})", bound(2)),
        }
    }

    /// Puts the range where the statement has NUL, which no name has, and binds the bounds as the first two parameters. A bound that is missing is not in the statement, because an index
    /// is not used for `$1 IS NULL OR …`.
    fn in_range<'q>(&self, statement: &str, (above, up_to): Bounds<'_>) -> Query<'q, Postgres, PgArguments> {
        // A parameter that nothing uses would have no type.
        let mut range = " AND ($1::text[] IS NULL OR true) AND ($2::text[] IS NULL OR true)".to_owned();
        range.push_str(above.map_or("", |_| &self.above));
        range.push_str(up_to.map_or("", |_| &self.up_to));
        query(AssertSqlSafe(statement.replace('\0', &range))).bind(above.cloned()).bind(up_to.cloned())
    }

    /// Reads the first rows of a range, in the order of their keys, and returns whether there are no more for sure.
    pub(crate) async fn page(
        &self,
        db: &mut PgConnection,
        bounds: Bounds<'_>,
        rows: i32,
    ) -> Result<(Vec<Row>, bool), sqlx::Error> {
        let page = self.in_range(&self.page, bounds).bind(i64::from(rows)).bind(PAGE_BYTES);
        let read = page.fetch_all(db).await?;
        let bytes: Option<i64> = read.last().map(|row| row.try_get("bytes")).transpose()?;
        // Neither of the limits has ended the page.
        let is_last =
            read.len() < usize::try_from(rows).unwrap_or_default() && bytes.is_none_or(|bytes| bytes < PAGE_BYTES);
        Ok((read.iter().map(|row| self.read(row)).collect::<Result<_, _>>()?, is_last))
    }

    /// Reads the rows with these keys, as far as they are still there and wanted.
    pub(crate) async fn at_keys(&self, db: &mut PgConnection, keys: &[Key]) -> Result<Vec<Row>, sqlx::Error> {
        let rows = self.bind_keys(query(AssertSqlSafe(self.at_keys.clone())), keys).fetch_all(db).await?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    /// Writes each fresh envelope if its row still has what was read. Returns how many it wrote.
    pub(crate) async fn swap(&self, db: &mut PgConnection, swaps: &[Swap], care: Care) -> Result<u64, sqlx::Error> {
        if swaps.is_empty() {
            return Ok(0);
        }
        let keys: Vec<&Key> = swaps.iter().map(|swap| &swap.key).collect();
        let swap = if care == Care::Wait { &self.swap } else { &self.swap_unlocked };
        let swap = self.bind_keys(query(AssertSqlSafe(swap.clone())), &keys);
        let swap = match self.form {
            Form::Binary => {
                let old = swaps.iter().map(|swap| match &swap.old {
                    Old::Envelope(envelope) => Some(envelope.as_bytes()),
                    Old::Other(Stored::Binary(bytes)) => Some(bytes.as_slice()),
                    Old::Other(Stored::Text(_)) | Old::Nothing => None,
                });
                let fresh = swaps.iter().map(|swap| swap.fresh.as_bytes());
                swap.bind(old.collect::<Vec<_>>()).bind(fresh.collect::<Vec<_>>())
            }
            Form::Text => {
                let old = swaps.iter().map(|swap| match &swap.old {
                    Old::Envelope(envelope) => Some(envelope.to_string()),
                    Old::Other(Stored::Text(text)) => Some(text.clone()),
                    Old::Other(Stored::Binary(_)) | Old::Nothing => None,
                });
                let fresh = swaps.iter().map(|swap| swap.fresh.to_string());
                swap.bind(old.collect::<Vec<_>>()).bind(fresh.collect::<Vec<_>>())
            }
        };
        let swap = if self.columns.is_empty() {
            swap
        } else {
            swap.bind(swaps.iter().map(|swap| swap.seen.as_deref()).collect::<Vec<_>>())
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

    /// Counts the rows of a range, up to a limit.
    pub(crate) async fn left(&self, db: &mut PgConnection, bounds: Bounds<'_>, limit: i64) -> Result<i64, sqlx::Error> {
        self.in_range(&self.left, bounds).bind(limit).fetch_one(db).await?.try_get(0)
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

    fn read(&self, row: &PgRow) -> Result<Row, sqlx::Error> {
        let key = (0..self.width).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
        let stored = match self.form {
            Form::Binary => row.try_get::<Option<_>, _>("envelope")?.map(Stored::Binary),
            Form::Text => row.try_get::<Option<_>, _>("envelope")?.map(Stored::Text),
        };
        let mut cells = Vec::with_capacity(self.columns.len());
        for ((column, is_bytes), n) in self.columns.iter().zip(1..) {
            let name = format!("cell_{n}");
            let cell = if *is_bytes {
                row.try_get::<Option<Vec<u8>>, _>(name.as_str())?.map(|bytes| Cell::Bytes(bytes.into()))
            } else {
                row.try_get::<Option<String>, _>(name.as_str())?.map(|text| Cell::Text(text.into()))
            };
            cells.push((column.clone(), cell.unwrap_or(Cell::Null)));
        }
        let seen = if self.columns.is_empty() { None } else { Some(row.try_get("seen")?) };
        Ok(Row { key, stored, cells: Cells(cells), seen })
    }
}
