//! Databases, keyrings and tables for the measurements.

use std::env;
use std::time::SystemTime;

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_sqlx::{Form, Table};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, query, raw_sql};

/// Creates a database on the server of `ci/servers`. Nothing drops it.
pub(crate) async fn database() -> (PgPool, PgConnectOptions) {
    let url = env::var("SEALWAX_TEST_POSTGRES").expect("SEALWAX_TEST_POSTGRES is not set: run this with ci/servers");
    let server: PgConnectOptions = url.parse().unwrap();
    let name = format!("reach_{}", SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos());
    let mut admin = server.connect().await.unwrap();
    raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    // The server's user has the name of our schema, where its tables would be.
    let options = server.database(&name).options([("search_path", "public")]);
    let db = PgPoolOptions::new().max_connections(4).connect_with(options.clone()).await.unwrap();
    sealwax_sqlx::install(&mut db.acquire().await.unwrap()).await.unwrap();
    (db, options)
}

/// The keyrings before and after a rotation, as text.
pub(crate) struct Rings {
    pub(crate) old: String,
    pub(crate) new: String,
}

impl Rings {
    /// Returns keyrings whose envelopes have so many wraps: one for the primary, the others for escrow keys.
    pub(crate) fn new(wraps: usize) -> Self {
        let key = || MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned();
        let escrow: String = (1..wraps).map(|n| format!("; escrow escrow-{n} {}", key())).collect();
        let (a, b) = (key(), key());
        Self {
            old: format!("primary prod-2025 {a}{escrow}"),
            new: format!("primary prod-2026 {b}; retired prod-2025 {a}{escrow}"),
        }
    }

    pub(crate) fn old(&self) -> Keyring {
        self.old.parse().unwrap()
    }

    pub(crate) fn new_ring(&self) -> Keyring {
        self.new.parse().unwrap()
    }
}

/// How a table identifies its rows.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    Int,
    Uuid,
    TwoColumns,
}

impl Keys {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Uuid => "uuid",
            Self::TwoColumns => "bigint, text",
        }
    }

    const fn columns(self) -> &'static str {
        match self {
            Self::Int => "id bigint PRIMARY KEY",
            Self::Uuid => "id uuid PRIMARY KEY",
            Self::TwoColumns => "tenant bigint, provider text, PRIMARY KEY (tenant, provider)",
        }
    }

    /// Returns the values for row `n`.
    const fn values(self) -> &'static str {
        match self {
            Self::Int => "n",
            // In another order than the rows are stored in.
            Self::Uuid => "md5(n::text)::uuid",
            Self::TwoColumns => "n / 3, (ARRAY['anthropic', 'mistral', 'openai'])[n % 3 + 1]",
        }
    }
}

const SEALED_AT_ONCE: i64 = 5_000;

/// Creates the table `source` of envelopes, each with a data key of its own.
pub(crate) async fn seal(db: &PgPool, ring: &Keyring, form: Form, rows: i64) {
    let type_name = type_name(form);
    let create = format!("DROP TABLE IF EXISTS source; CREATE UNLOGGED TABLE source (n bigint, envelope {type_name})");
    raw_sql(AssertSqlSafe(create)).execute(db).await.unwrap();
    let context = EncryptionContext::new([("table", "credentials"), ("column", "envelope")]).unwrap();
    for first in (1..=rows).step_by(usize::try_from(SEALED_AT_ONCE).unwrap()) {
        let numbers: Vec<i64> = (first..=rows.min(first + SEALED_AT_ONCE - 1)).collect();
        let envelopes = numbers.iter().map(|n| {
            let secret = format!("sk-proj-{n:044}");
            ring.seal(&secret.as_str().into(), &context).unwrap()
        });
        let insert = format!("INSERT INTO source SELECT * FROM unnest($1::int8[], $2::{type_name}[])");
        let insert = query(AssertSqlSafe(insert)).bind(&numbers);
        let insert = match form {
            Form::Binary => insert.bind(envelopes.map(Vec::from).collect::<Vec<Vec<u8>>>()),
            _ => insert.bind(envelopes.map(|envelope| envelope.to_string()).collect::<Vec<_>>()),
        };
        insert.execute(db).await.unwrap();
    }
}

const fn type_name(form: Form) -> &'static str {
    match form {
        Form::Binary => "bytea",
        _ => "text",
    }
}

/// Creates the table `credentials` from `source`, as new as a table is that nobody has updated. `extra` are more columns.
pub(crate) async fn fresh_table(db: &PgPool, keys: Keys, form: Form, extra: &str) -> Table {
    let (columns, values, type_name) = (keys.columns(), keys.values(), type_name(form));
    let names = match keys {
        Keys::TwoColumns => "tenant, provider",
        _ => "id",
    };
    let create = format!(
        "DROP TABLE IF EXISTS credentials;
         CREATE TABLE credentials ({columns}, envelope {type_name} NOT NULL{extra});
         INSERT INTO credentials ({names}, envelope) SELECT {values}, envelope FROM source ORDER BY n"
    );
    raw_sql(AssertSqlSafe(create)).execute(db).await.unwrap();
    settle(db).await;
    find(&mut db.acquire().await.unwrap()).await
}

pub(crate) async fn find(db: &mut PgConnection) -> Table {
    Table::find(db, "public", "credentials", &[], "envelope").await.unwrap()
}

/// Leaves nothing for the server to do in the background.
pub(crate) async fn settle(db: &PgPool) {
    for statement in ["VACUUM ANALYZE credentials", "CHECKPOINT"] {
        raw_sql(statement).execute(db).await.unwrap();
    }
}
