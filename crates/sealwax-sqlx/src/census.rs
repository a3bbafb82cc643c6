//! The census: which keys the rows of a table name, counted by the database.

use std::collections::BTreeMap;
use std::fmt;

use sealwax::{KeyId, KeyState, Keyring, Suite, WrapKind};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_as, query_scalar};

use crate::table::Table;

/// What an envelope says without a key: its suite, and the kind and key id of each wrap.
///
/// `Display` writes it as the SQL function `sealwax.head` does: `a256gcm 1=prod-2026,1=eu-dr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    suite: Suite,
    wraps: Vec<(WrapKind, KeyId)>,
}

impl Head {
    /// Reads what `sealwax.head` returned.
    fn read(text: &str) -> Option<Self> {
        let (suite, wraps) = text.split_once(' ')?;
        let wrap = |wrap: &str| {
            let (kind, key_id) = wrap.split_once('=')?;
            Some((WrapKind::from_byte(kind.parse().ok()?)?, key_id.parse().ok()?))
        };
        Some(Self { suite: suite.parse().ok()?, wraps: wraps.split(',').map(wrap).collect::<Option<_>>()? })
    }

    /// Returns the suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Returns the kind and the key id of each wrap, in the order of the envelope.
    pub fn wraps(&self) -> impl Iterator<Item = (WrapKind, &KeyId)> {
        self.wraps.iter().map(|(kind, key_id)| (*kind, key_id))
    }

    /// Returns whether a wrap is under this key.
    #[must_use]
    pub fn names(&self, key_id: &KeyId) -> bool {
        self.wraps.iter().any(|(_, named)| named == key_id)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.suite)?;
        let mut separator = ' ';
        for (kind, key_id) in &self.wraps {
            write!(f, "{separator}{}={key_id}", kind.byte())?;
            separator = ',';
        }
        Ok(())
    }
}

/// What a census counted in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Census {
    /// All rows of the table.
    pub rows: u64,
    /// The rows without an envelope: NULL.
    pub nulls: u64,
    /// The rows with a value that is no envelope.
    pub not_envelopes: u64,
    /// The rows with each head, in the order of the heads.
    pub heads: Vec<(Head, u64)>,
}

impl Census {
    /// Returns how many rows name each key. A row with several wraps counts for each of their keys.
    #[must_use]
    pub fn by_key_id(&self) -> BTreeMap<String, u64> {
        self.by(|head| head.wraps().map(|(_, key_id)| key_id.to_string()).collect())
    }

    /// Returns how many rows have each suite.
    #[must_use]
    pub fn by_suite(&self) -> BTreeMap<String, u64> {
        self.by(|head| vec![head.suite.to_string()])
    }

    /// Returns how many rows have a wrap of each kind.
    #[must_use]
    pub fn by_kind(&self) -> BTreeMap<String, u64> {
        self.by(|head| {
            let mut kinds: Vec<_> = head.wraps().map(|(kind, _)| kind.to_string()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds
        })
    }

    /// Returns how many rows name a key.
    #[must_use]
    pub fn naming(&self, key_id: &KeyId) -> u64 {
        self.count(|head| head.names(key_id))
    }

    /// Returns how many rows name a key and no other: without that key, they cannot be opened.
    #[must_use]
    pub fn naming_alone(&self, key_id: &KeyId) -> u64 {
        self.count(|head| head.wraps().all(|(_, named)| named == key_id))
    }

    fn count(&self, is_counted: impl Fn(&Head) -> bool) -> u64 {
        self.heads.iter().filter(|(head, _)| is_counted(head)).map(|(_, rows)| rows).sum()
    }

    fn by(&self, names: impl Fn(&Head) -> Vec<String>) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (head, rows) in &self.heads {
            for name in names(head) {
                let count: &mut u64 = counts.entry(name).or_default();
                *count = count.saturating_add(*rows);
            }
        }
        counts
    }
}

impl Table {
    /// Returns the head of a row, as the index has it.
    fn head(&self) -> String {
        format!("sealwax.head({}) COLLATE \"C\"", self.quoted_envelope())
    }

    /// Returns the statement that creates the index which [`unopenable`] reads.
    ///
    /// PostgreSQL names the index. It cannot create one `CONCURRENTLY` in a transaction or on a partitioned table.
    #[must_use]
    pub fn index_statement(&self) -> String {
        format!("CREATE INDEX CONCURRENTLY ON {} ({})", self.quoted(), self.head())
    }
}

/// Counts the rows of a table by what their envelopes say, in the database.
///
/// It reads every row, in a transaction of its own. It also notes in the table `sealwax.sightings` which keys it saw,
/// and which it no longer saw: [`safe_to_destroy`](crate::safe_to_destroy) needs the date. Only one census runs at a time.
///
/// Row-level security that would hide rows is an error. The schema must be [installed](crate::install).
///
/// # Errors
/// Returns an error if the database fails, or if `db` is in a transaction that is not `READ COMMITTED`.
pub async fn census(db: &mut PgConnection, table: &Table) -> Result<Census, sqlx::Error> {
    take(db, table, None).await
}

/// Takes a census, and notes also that this key was not seen, if it never was.
pub(crate) async fn take(
    db: &mut PgConnection,
    table: &Table,
    expected: Option<&KeyId>,
) -> Result<Census, sqlx::Error> {
    let mut transaction = db.begin().await?;
    // Each statement sees what was committed before it, so the count is not older than the lock.
    query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").execute(&mut *transaction).await?;
    // Otherwise PostgreSQL leaves out rows that the role may not see.
    query("SET LOCAL row_security = off").execute(&mut *transaction).await?;
    // Otherwise an older census could write over what a newer one saw.
    query("LOCK TABLE sealwax.sightings IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let census = count(&mut transaction, table).await?;
    note(&mut transaction, table, &census, expected).await?;
    transaction.commit().await?;
    Ok(census)
}

/// Counts the rows of a table, and notes nothing.
pub(crate) async fn count(db: &mut PgConnection, table: &Table) -> Result<Census, sqlx::Error> {
    let count = format!(
        "SELECT {head}, {column} IS NULL, pg_catalog.count(*) FROM {table} GROUP BY 1, 2 ORDER BY 1",
        head = table.head(),
        column = table.quoted_envelope(),
        table = table.quoted(),
    );
    let counts: Vec<(Option<String>, bool, i64)> = query_as(AssertSqlSafe(count)).fetch_all(db).await?;
    let mut census = Census { rows: 0, nulls: 0, not_envelopes: 0, heads: Vec::new() };
    for (head, is_null, rows) in counts {
        let rows = u64::try_from(rows).unwrap_or_default();
        census.rows = census.rows.saturating_add(rows);
        match head.as_deref().and_then(Head::read) {
            Some(head) => census.heads.push((head, rows)),
            None if is_null => census.nulls = rows,
            None => census.not_envelopes = census.not_envelopes.saturating_add(rows),
        }
    }
    Ok(census)
}

/// Notes which keys a census saw in a column, and which it did not.
async fn note(
    db: &mut PgConnection,
    table: &Table,
    census: &Census,
    expected: Option<&KeyId>,
) -> Result<(), sqlx::Error> {
    let seen: Vec<String> = census.by_key_id().into_keys().collect();
    let absent: Vec<&str> =
        expected.filter(|key_id| census.naming(key_id) == 0).map(AsRef::as_ref).into_iter().collect();
    // The clock and not now(): a row may have left after the transaction began.
    query(
        "WITH seen AS (
            INSERT INTO sealwax.sightings AS s (table_schema, table_name, column_name, key_id, last_seen)
            SELECT $1, $2, $3, key_id, pg_catalog.clock_timestamp() FROM pg_catalog.unnest($4::text[]) AS key_id
            ON CONFLICT (table_schema, table_name, column_name, key_id)
            DO UPDATE SET last_seen = excluded.last_seen, first_absent = NULL
        ), absent AS (
            INSERT INTO sealwax.sightings (table_schema, table_name, column_name, key_id, first_absent)
            SELECT $1, $2, $3, key_id, pg_catalog.clock_timestamp() FROM pg_catalog.unnest($5::text[]) AS key_id
            ON CONFLICT DO NOTHING
        )
        UPDATE sealwax.sightings SET first_absent = pg_catalog.clock_timestamp()
         WHERE table_schema = $1 AND table_name = $2 AND column_name = $3 AND first_absent IS NULL
           AND key_id <> ALL ($4::text[])",
    )
    .bind(table.schema())
    .bind(table.name())
    .bind(table.envelope())
    .bind(seen)
    .bind(absent)
    .execute(db)
    .await?;
    Ok(())
}

/// Rows that a keyring does not open, all with the same head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unopenable {
    /// The keyring has none of the keys, or has them only as disabled or destroyed, or as keys of another kind.
    #[non_exhaustive]
    NoKey {
        /// What the envelopes say.
        head: Head,
    },
    /// The keyring has one of the keys as leaked, so it refuses the rows.
    #[non_exhaustive]
    Leaked {
        /// What the envelopes say.
        head: Head,
        /// The leaked key.
        key_id: KeyId,
    },
    /// There are values that are no envelopes.
    NotEnvelopes,
}

/// Finds the heads of rows that a keyring does not open, before a service starts.
///
/// One query steps through the distinct heads by the index of [`Table::index_statement`], so that its time depends on
/// the number of heads, not of rows. Without the index, it reads the table once for each head. An empty result does not
/// say that every row opens: a damaged row has the head that it had before.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn unopenable(
    db: &mut PgConnection,
    table: &Table,
    keyring: &Keyring,
) -> Result<Vec<Unopenable>, sqlx::Error> {
    let mut transaction = db.begin().await?;
    query("SET LOCAL row_security = off").execute(&mut *transaction).await?;
    let heads: Vec<Option<String>> =
        query_scalar(AssertSqlSafe(distinct_heads(table))).fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    let of = |head: Option<String>| match head.as_deref().and_then(Head::read) {
        Some(head) => fault(keyring, head),
        None => Some(Unopenable::NotEnvelopes),
    };
    Ok(heads.into_iter().filter_map(of).collect())
}

/// Returns the query for the distinct heads, and NULL if there are values that are no envelopes.
fn distinct_heads(table: &Table) -> String {
    format!(
        "WITH RECURSIVE heads AS (
            (SELECT {head} AS head FROM {table} WHERE {head} IS NOT NULL ORDER BY 1 LIMIT 1)
            UNION ALL
            SELECT (SELECT {head} FROM {table} WHERE {head} > heads.head ORDER BY 1 LIMIT 1)
              FROM heads WHERE heads.head IS NOT NULL
        )
        SELECT head FROM heads WHERE head IS NOT NULL
        UNION ALL
        SELECT NULL WHERE EXISTS (SELECT FROM {table} WHERE {head} IS NULL AND {column} IS NOT NULL)",
        head = table.head(),
        table = table.quoted(),
        column = table.quoted_envelope(),
    )
}

fn fault(keyring: &Keyring, head: Head) -> Option<Unopenable> {
    let leaked = head.wraps().find(|(_, key_id)| keyring.state(key_id.as_ref()) == Some(KeyState::Leaked));
    if let Some(key_id) = leaked.map(|(_, key_id)| key_id.clone()) {
        return Some(Unopenable::Leaked { head, key_id });
    }
    let opens = head.wraps().any(|(kind, key_id)| {
        let is_usable =
            matches!(keyring.state(key_id.as_ref()), Some(KeyState::Primary | KeyState::Retired | KeyState::Escrow));
        // Only a key in memory has a check value.
        let is_its_kind = match kind {
            WrapKind::Local | WrapKind::Hpke => keyring.check_value(key_id.as_ref()).is_some(),
            WrapKind::Provider | WrapKind::Branch | WrapKind::Rebound | WrapKind::Private { .. } => {
                keyring.check_value(key_id.as_ref()).is_none()
            }
            _ => false,
        };
        is_usable && is_its_kind
    });
    (!opens).then_some(Unopenable::NoKey { head })
}
