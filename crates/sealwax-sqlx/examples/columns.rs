//! Stores an envelope in SQLite, in memory, as bytes and as text, and reads it again.
//!
//! `cargo run --manifest-path crates/sealwax-sqlx/Cargo.toml --features sqlite --example columns` prints:
//!
//! ```text
//! the blob has 182 bytes, the text starts with sw1:a256gcm:prod-2026=
//! opened 28 bytes: Secret([REDACTED])
//! a plaintext in the column: invalid prefix at byte 0: expected sw1:
//! ```

use std::error::Error;

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_sqlx::{Sealed, SealedText};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query, query_as, query_scalar};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
    let context = EncryptionContext::new([("tenant", "acme"), ("provider", "openai")])?;
    let envelope = keyring.seal(&"sk-not-a-real-key-0123456789".into(), &context)?;

    let mut db = SqliteConnection::connect("sqlite::memory:").await?;
    query("CREATE TABLE credentials (envelope BLOB NOT NULL, copy TEXT NOT NULL)").execute(&mut db).await?;
    query("INSERT INTO credentials VALUES ($1, $2)")
        .bind(Sealed(envelope.clone()))
        .bind(SealedText(envelope))
        .execute(&mut db)
        .await?;

    let (bytes, text): (Vec<u8>, String) = query_as("SELECT * FROM credentials").fetch_one(&mut db).await?;
    let start = "sw1:a256gcm:prod-2026=";
    assert!(text.starts_with(start));
    println!("the blob has {} bytes, the text starts with {start}", bytes.len());

    let Sealed(envelope) = query_scalar("SELECT envelope FROM credentials").fetch_one(&mut db).await?;
    let secret = keyring.open(&envelope, &context)?;
    assert_eq!(secret.expose_str()?, "sk-not-a-real-key-0123456789");
    println!("opened {} bytes: {secret:?}", secret.len());

    query("UPDATE credentials SET copy = 'sk-not-a-real-key-0123456789'").execute(&mut db).await?;
    let found: Result<SealedText, _> = query_scalar("SELECT copy FROM credentials").fetch_one(&mut db).await;
    if let Err(sqlx::Error::ColumnDecode { source, .. }) = found {
        println!("a plaintext in the column: {source}");
    }
    Ok(())
}
