use std::error::Error;

use sealwax::Keyring;
use sqlx::PgPool;

pub type AnyError = Box<dyn Error + Send + Sync>;

/// Counts the rows that are wrapped for no key of this keyring, by list of key ids, those with most rows first.
pub async fn unknown_keys(db: &PgPool, ring: &Keyring) -> sqlx::Result<Vec<(String, i64)>> {
    let known: Vec<&str> = ring.keys().map(|(key_id, _)| key_id.as_ref()).collect();
    let lists: Vec<String> = sqlx::query_scalar(UNKNOWN_LISTS).bind(known).fetch_all(db).await?;
    sqlx::query_as(COUNTS).bind(lists).fetch_all(db).await
}

// DISTINCT would read every row. This asks the index for the next list until there is none.
pub const UNKNOWN_LISTS: &str = r#"
    WITH RECURSIVE lists (list) AS (SELECT min(key_ids(envelope) COLLATE "C") FROM credentials
        UNION ALL SELECT (SELECT min(key_ids(envelope) COLLATE "C") FROM credentials
                           WHERE key_ids(envelope) COLLATE "C" > list) FROM lists WHERE list IS NOT NULL)
    SELECT list FROM lists WHERE NOT string_to_array(list, ',') && $1"#;

pub const COUNTS: &str = r#"
    SELECT key_ids(envelope) COLLATE "C", count(*) FROM credentials WHERE key_ids(envelope) COLLATE "C" = ANY($1)
     GROUP BY 1 ORDER BY 2 DESC, 1"#;
