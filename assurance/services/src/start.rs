use std::error::Error;
use std::path::Path;

use sealwax::{Keyring, Secret};
use sqlx::PgPool;

pub type AnyError = Box<dyn Error + Send + Sync>;

/// Reads the keyring from its file. The text is wiped, and no error repeats any part of it.
pub fn read_keyring(path: &Path) -> Result<Keyring, AnyError> {
    let text = Secret::from(std::fs::read(path)?);
    Ok(text.expose_str()?.parse()?)
}

/// Returns the lists of key ids that rows have and that contain no id of this keyring.
pub async fn unknown_keys(db: &PgPool, ring: &Keyring) -> sqlx::Result<Vec<String>> {
    let mut lists: Vec<String> = sqlx::query_scalar(KEY_LISTS).fetch_all(db).await?;
    lists.retain(|list| list.split(',').all(|key_id| ring.state(key_id).is_none()));
    Ok(lists)
}

/// Selects all lists. DISTINCT would read every row; this asks the index for the next list until there is none.
pub const KEY_LISTS: &str = "
    WITH RECURSIVE lists (list) AS (SELECT min(key_ids(envelope)) FROM credentials
        UNION ALL SELECT (SELECT min(key_ids(envelope)) FROM credentials WHERE key_ids(envelope) > list)
          FROM lists WHERE list IS NOT NULL)
    SELECT list FROM lists WHERE list IS NOT NULL";
