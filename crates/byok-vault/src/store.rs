//! The table of credentials, the log, and all of the SQL.

mod backup;
pub mod file;
pub mod log;
mod migration;
mod objects;
mod wal;
mod writer;

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, named_params};

use crate::error::VaultError;
use crate::row::{Owner, Place, Row};

pub use objects::Difference;
pub use writer::Writer;

/// "bykv", which distinguishes a vault from the databases of other programs.
const APPLICATION_ID: i64 = 0x6279_6b76;

/// The version of the schema below.
///
/// A new schema increments it and adds a migration to [`Store::migrate`].
const SCHEMA_VERSION: i64 = 3;

// AUTOINCREMENT, because envelopes are bound to the id, so an id must never be used twice.
// TEXT without a limit, because an envelope is about six times as long as a short credential.
const CREDENTIALS: &str = "
    CREATE TABLE credentials (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant     TEXT NOT NULL,
        provider   TEXT NOT NULL,
        label      TEXT NOT NULL DEFAULT '',
        env_name   TEXT NOT NULL,
        envelope   TEXT NOT NULL,
        revision   INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        UNIQUE (tenant, provider, label)
    ) STRICT;";

const COLUMNS: &str =
    "SELECT id, tenant, provider, label, env_name, envelope, revision, created_at, updated_at
     FROM credentials";

const OF_OWNER: &str = "WHERE tenant = :tenant AND provider = :provider AND label = :label";

/// How long to wait for another process to finish writing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page of rows ends when its envelopes have this many bytes.
const PAGE_LENGTH: usize = 8 * 1024 * 1024;

/// What a command needs the database for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only.
    Read,
    /// Reads only the log, also if somebody changed the tables or triggers: see [`Store::differences`].
    Verify,
    /// Changes rows of an existing vault.
    Write,
    /// Changes rows, and creates the vault if there is none.
    Create,
}

impl Access {
    /// Returns whether nothing is written.
    const fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::Verify)
    }
}

/// An open vault.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    differences: Vec<Difference>,
}

impl Store {
    /// Opens the vault at `path` for changes if there is one, and otherwise creates nothing.
    ///
    /// A command that stores credentials calls it before it has one.
    ///
    /// # Errors
    /// Returns an error if the file is not a vault, or SQLite cannot open it.
    pub fn open_if_present(path: &Path) -> Result<Option<Self>, VaultError> {
        // An empty file is a vault that another process is creating.
        if file::exists(path)? { Self::open(path, Access::Create).map(Some) } else { Ok(None) }
    }

    /// Opens the vault at `path`.
    ///
    /// # Errors
    /// Returns an error if there is no file, it is not a vault, or SQLite cannot open it.
    pub fn open(path: &Path, access: Access) -> Result<Self, VaultError> {
        if !file::exists(path)? {
            match access {
                Access::Create => file::create_private(path)?,
                Access::Read | Access::Verify | Access::Write => {
                    return Err(VaultError::NoVault);
                }
            }
        }
        let mode = match access {
            Access::Read | Access::Verify => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write | Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(while_("opening the vault"))?;
        connection.busy_timeout(PATIENCE).map_err(while_("opening the vault"))?;
        let mut store = Self { connection, differences: Vec::new() };
        let version = store.prepare_schema(path, access)?;
        if !access.is_read() {
            store.prepare_writing().map_err(while_("preparing to write"))?;
        }
        if version < SCHEMA_VERSION {
            store.migrate(version, access).map_err(while_("migrating the table"))?;
        }
        Ok(store)
    }

    /// Checks that this is a vault, creates the table if there is none, and returns its version.
    fn prepare_schema(&mut self, path: &Path, access: Access) -> Result<i64, VaultError> {
        let reading = while_("reading the schema version");
        // Read both in one snapshot, because another process may create the vault in between.
        let snapshot = self.connection.transaction().map_err(reading)?;
        let (application, version) = schema_version(&snapshot).map_err(reading)?;
        let differences = objects::differences(&snapshot, version).map_err(reading)?;
        drop(snapshot);
        match (application, version) {
            (APPLICATION_ID, 1..=SCHEMA_VERSION)
                if differences.is_empty() || access == Access::Verify =>
            {
                self.differences = differences;
                Ok(version)
            }
            (APPLICATION_ID, 1..=SCHEMA_VERSION) => {
                Err(VaultError::ForeignObjects { path: path.to_owned() })
            }
            (APPLICATION_ID, found) => {
                Err(VaultError::NewerVault { path: path.to_owned(), found, known: SCHEMA_VERSION })
            }
            (0, 0) if access == Access::Create => {
                self.create_schema(path)?;
                Ok(SCHEMA_VERSION)
            }
            _ => Err(VaultError::NotAVault { path: path.to_owned() }),
        }
    }

    fn create_schema(&mut self, path: &Path) -> Result<(), VaultError> {
        let creating = while_("creating the table");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(creating)?;
        // Check again, now that nobody else can write: two processes may run the first `put` at once.
        if schema_version(&transaction).map_err(creating)? == (APPLICATION_ID, SCHEMA_VERSION) {
            return Ok(());
        }
        let tables: i64 = transaction
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(creating)?;
        if tables > 0 {
            return Err(VaultError::NotAVault { path: path.to_owned() });
        }
        transaction.execute_batch(CREDENTIALS).map_err(creating)?;
        transaction.execute_batch(log::TABLES).map_err(creating)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(creating)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(creating)?;
        transaction.commit().map_err(creating)
    }

    /// Brings an older table up to date, or, for a reader, makes it look like a current one.
    ///
    /// This happens after [`Store::prepare_writing`], so that the old table is erased from the file.
    fn migrate(&mut self, version: i64, access: Access) -> rusqlite::Result<()> {
        if access.is_read() {
            return match version {
                1 => migration::hide_version_1(&self.connection),
                _ => Ok(()),
            };
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Check again, now that nobody else can write: another process may have migrated the table.
        let version = schema_version(&transaction)?.1;
        if version < SCHEMA_VERSION {
            migration::from(version, &transaction)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        transaction.commit()
    }

    /// Returns in what the tables and triggers differ from those of a new vault, which only [`Access::Verify`] allows.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Returns the number of credentials.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn count(&self) -> Result<u64, VaultError> {
        self.connection
            .query_row("SELECT count(*) FROM credentials", [], |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(while_("counting rows"))
    }

    /// Returns the row of an owner.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn find(&self, owner: &Owner) -> Result<Option<Row>, VaultError> {
        find(&self.connection, owner)
    }

    /// Returns rows with ids of at least `first`, ordered by id: at most `limit`, and fewer if their
    /// envelopes are long.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn page_from(&self, first: i64, limit: u32) -> Result<Vec<Row>, VaultError> {
        let reading = while_("reading a page of rows");
        let sql = format!("{COLUMNS} WHERE id >= :first ORDER BY id LIMIT :limit");
        let mut statement = self.connection.prepare_cached(&sql).map_err(reading)?;
        let rows = statement
            .query_map(named_params! {":first": first, ":limit": limit}, read_row)
            .map_err(reading)?;
        let (mut page, mut length) = (Vec::new(), 0);
        for row in rows {
            let row = row.map_err(reading)?;
            length += row.envelope.len();
            page.push(row);
            if length >= PAGE_LENGTH {
                break;
            }
        }
        Ok(page)
    }

    /// Calls `visit` with each row of one snapshot, ordered by owner.
    ///
    /// # Errors
    /// Returns an error if SQLite or `visit` fails.
    pub fn for_each(
        &self,
        mut visit: impl FnMut(Row) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let reading = while_("reading the rows");
        let sql = format!("{COLUMNS} ORDER BY tenant, provider, label");
        let mut statement = self.connection.prepare_cached(&sql).map_err(reading)?;
        for row in statement.query_map([], read_row).map_err(reading)? {
            visit(row.map_err(reading)?)?;
        }
        Ok(())
    }

    /// Starts a transaction that writes.
    ///
    /// Other writers wait until it is committed or dropped.
    ///
    /// # Errors
    /// Returns an error if another process does not stop writing, or the database is read-only.
    pub fn begin(&mut self) -> Result<Writer<'_>, VaultError> {
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map(|transaction| Writer { transaction })
            .map_err(while_("starting to write"))
    }
}

fn schema_version(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    Ok((
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
        connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
    ))
}

fn find(connection: &Connection, owner: &Owner) -> Result<Option<Row>, VaultError> {
    let finding = while_("looking for a credential");
    let sql = format!("{COLUMNS} {OF_OWNER}");
    connection
        .prepare_cached(&sql)
        .map_err(finding)?
        .query_row(
            named_params! {
                ":tenant": owner.tenant,
                ":provider": owner.provider,
                ":label": owner.label_or_empty(),
            },
            read_row,
        )
        .optional()
        .map_err(finding)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        place: Place {
            id: row.get("id")?,
            owner: Owner {
                tenant: text(row, "tenant")?,
                provider: text(row, "provider")?,
                label: Some(text(row, "label")?).filter(|label| !label.is_empty()),
            },
            env_name: text(row, "env_name")?,
        },
        envelope: text(row, "envelope")?,
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Reads a TEXT column, in which SQLite does not check that the text is UTF-8.
///
/// A row that is not UTF-8 must not hide all the others. With the replacement character, it neither
/// parses as an envelope nor opens.
fn text(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

fn while_(doing: &'static str) -> impl Fn(rusqlite::Error) -> VaultError + Copy {
    move |source| VaultError::Database { doing, source }
}
