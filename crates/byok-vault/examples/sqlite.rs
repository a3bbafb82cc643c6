//! The shortest form of what the program does: it seals credentials into a SQLite table, opens them, lists them by
//! master key, and rotates to a new master key.
//!
//! `cargo run -p byok-vault --example sqlite` prints:
//!
//! ```text
//! opened acme's key for openai: 26 bytes
//! prod-2026: acme/openai acme/anthropic initech/openai
//! rotated 3 rows; 0 had changed meanwhile
//! prod-2027: acme/openai acme/anthropic initech/openai
//! opened acme's key for openai without prod-2026: 26 bytes
//! ```

use std::collections::BTreeMap;
use std::error::Error;

use rusqlite::{Connection, params};
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret};

// AUTOINCREMENT, because envelopes are bound to the id, so an id must never be used twice. TEXT without a limit,
// because an envelope is longer than its credential, and grows with each escrow key.
const SCHEMA: &str = "CREATE TABLE credentials (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant   TEXT NOT NULL,
    provider TEXT NOT NULL,
    envelope TEXT NOT NULL,
    UNIQUE (tenant, provider)
) STRICT";

fn main() -> Result<(), Box<dyn Error>> {
    let mut database = Connection::open_in_memory()?;
    database.execute_batch(SCHEMA)?;

    // A service reads the text of its keyring from the environment.
    let (old, new) = (MasterKey::generate()?.to_text(), MasterKey::generate()?.to_text());
    let keyring: Keyring = format!("primary prod-2026 {}", old.expose_str()?).parse()?;

    for (tenant, provider) in [("acme", "openai"), ("acme", "anthropic"), ("initech", "openai")] {
        let api_key = Secret::from(format!("the key of {tenant} for {provider}"));
        insert(&mut database, &keyring, tenant, provider, &api_key)?;
    }
    let secret = open(&database, &keyring, "acme", "openai")?;
    assert_eq!(secret.expose_str()?, "the key of acme for openai");
    println!("opened acme's key for openai: {} bytes", secret.len());
    list(&database)?;

    // The new key seals, and the old one opens until no row needs it. If there are several processes, each of them must
    // have the new key before one of them seals with it: see the page Operations.
    let (old, new) = (old.expose_str()?, new.expose_str()?);
    let both: Keyring = format!("primary prod-2027 {new}; retired prod-2026 {old}").parse()?;
    let (rotated, overtaken) = rotate(&database, &both)?;
    println!("rotated {rotated} rows; {overtaken} had changed meanwhile");
    list(&database)?;

    let keyring: Keyring = format!("primary prod-2027 {new}").parse()?;
    let secret = open(&database, &keyring, "acme", "openai")?;
    println!("opened acme's key for openai without prod-2026: {} bytes", secret.len());
    Ok(())
}

/// Returns what a credential belongs to.
///
/// The row's id is part of it, so the envelope opens in no other row.
fn context(id: i64, tenant: &str, provider: &str) -> Result<EncryptionContext, Box<dyn Error>> {
    let row = id.to_string();
    Ok(EncryptionContext::new([("tenant", tenant), ("provider", provider), ("row", &row)])?)
}

/// Inserts a row.
///
/// SQLite chooses its id, and nobody sees the row before it has its envelope.
fn insert(
    database: &mut Connection,
    keyring: &Keyring,
    tenant: &str,
    provider: &str,
    api_key: &Secret,
) -> Result<(), Box<dyn Error>> {
    let transaction = database.transaction()?;
    let sql = "INSERT INTO credentials (tenant, provider, envelope) VALUES (?, ?, '')";
    transaction.execute(sql, [tenant, provider])?;
    let id = transaction.last_insert_rowid();
    let envelope = keyring.seal(api_key, &context(id, tenant, provider)?)?;
    let sql = "UPDATE credentials SET envelope = ? WHERE id = ?";
    transaction.execute(sql, params![envelope.to_string(), id])?;
    Ok(transaction.commit()?)
}

/// Opens the credential of a tenant for a provider.
fn open(
    database: &Connection,
    keyring: &Keyring,
    tenant: &str,
    provider: &str,
) -> Result<Secret, Box<dyn Error>> {
    let sql = "SELECT id, envelope FROM credentials WHERE tenant = ? AND provider = ?";
    let (id, envelope): (i64, String) =
        database.query_row(sql, [tenant, provider], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(keyring.open(&envelope.parse()?, &context(id, tenant, provider)?)?)
}

/// Rewraps every row for the keyring's primary, without a context or a plaintext.
///
/// A row is written only if it is still the one that was read. If another process was faster, its envelope stays, and
/// the next run looks at it again.
fn rotate(database: &Connection, keyring: &Keyring) -> Result<(u32, u32), Box<dyn Error>> {
    let mut read = database.prepare("SELECT id, envelope FROM credentials ORDER BY id")?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;

    let mut swap =
        database.prepare("UPDATE credentials SET envelope = ? WHERE id = ? AND envelope = ?")?;
    // Read a large table in batches. Rows that fail are left unchanged, and the others are still rewrapped.
    let batch = keyring.rewrap_batch(rows);
    for (id, error) in &batch.failures {
        eprintln!("row {id}: {error}");
    }
    if batch.must_stop() {
        return Err("this keyring is not the one that these rows need".into());
    }
    let (mut rotated, mut overtaken) = (0, 0);
    for change in &batch.changes {
        let (fresh, old) = (change.fresh.to_string(), change.old.to_string());
        match swap.execute(params![fresh, change.id, old])? {
            0 => overtaken += 1,
            _ => rotated += 1,
        }
    }
    Ok((rotated, overtaken))
}

/// Prints which rows need which master key.
///
/// Every envelope names its keys in plaintext, so this needs no key.
fn list(database: &Connection) -> Result<(), Box<dyn Error>> {
    let mut read =
        database.prepare("SELECT tenant, provider, envelope FROM credentials ORDER BY id")?;
    let mut rows = read.query([])?;
    let mut users: BTreeMap<String, String> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (tenant, provider, envelope): (String, String, String) = row.try_into()?;
        for key_id in envelope.parse::<Envelope>()?.key_ids() {
            users.entry(key_id.to_string()).or_default().push_str(&format!(" {tenant}/{provider}"));
        }
    }
    for (key_id, rows) in users {
        println!("{key_id}:{rows}");
    }
    Ok(())
}
