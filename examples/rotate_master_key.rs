//! Makes a new master key primary, rewraps every row, and retires the old key: no payload byte
//! changes, and at every step every row opens.
//!
//! `cargo run --example rotate_master_key` prints:
//!
//! ```text
//! sealed 100 rows under 2025
//! 2026 opens, 2025 seals: 100 rows open, 0 are stale
//! 2026 seals, 2025 opens: 100 rows open, 100 are stale
//! rewrapped 100 rows; 100 payloads are what they were
//! rewrapped again: 0 rows
//! 2025 dropped: 100 rows open, 0 are stale
//! ```

#![expect(clippy::arithmetic_side_effects, reason = "it counts to a hundred")]

use std::error::Error;

use sealwax::{EncryptionContext, Envelope, Keyring, Secret};

/// A row of a database: the context's parts, and the sealed column.
struct Row {
    context: EncryptionContext,
    column: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new) = (generate()?, generate()?);
    let keyring = |text: String| text.parse::<Keyring>();

    let seals_2025 = keyring(format!("primary 2025 {old}"))?;
    let mut rows = Vec::new();
    for number in 0..100 {
        let context = EncryptionContext::new([("tenant", "acme"), ("row", &number.to_string())])?;
        let secret = Secret::from(format!("sk-not-a-real-key-{number}"));
        let column = seals_2025.seal(&secret, &context)?.to_string();
        rows.push(Row { context, column });
    }
    println!("sealed {} rows under 2025", rows.len());

    // 1. Every process learns the new key before any process seals with it.
    let opens_2026 = keyring(format!("primary 2025 {old}; retired 2026 {new}"))?;
    let (open, stale) = census(&opens_2026, &rows)?;
    println!("2026 opens, 2025 seals: {open} rows open, {stale} are stale");

    // 2. The new key becomes primary; the old one still opens what is there.
    let seals_2026 = keyring(format!("primary 2026 {new}; retired 2025 {old}"))?;
    let (open, stale) = census(&seals_2026, &rows)?;
    println!("2026 seals, 2025 opens: {open} rows open, {stale} are stale");

    // 3. Every row is rewrapped, at leisure and as often as you like.
    let payloads = payloads(&rows)?;
    let rewrapped = rewrap(&seals_2026, &mut rows)?;
    let kept = payloads.iter().zip(self::payloads(&rows)?).filter(|(a, b)| *a == b).count();
    println!("rewrapped {rewrapped} rows; {kept} payloads are what they were");
    println!("rewrapped again: {} rows", rewrap(&seals_2026, &mut rows)?);

    // 4. Nothing names the old key any more: it can go. (Backups may still need it.)
    let without_2025 = keyring(format!("primary 2026 {new}"))?;
    let (open, stale) = census(&without_2025, &rows)?;
    println!("2025 dropped: {open} rows open, {stale} are stale");
    Ok(())
}

fn generate() -> Result<String, Box<dyn Error>> {
    Ok(sealwax::MasterKey::generate()?.to_text().expose_str()?.to_owned())
}

/// How many rows open, and how many are not wrapped as the keyring would wrap them.
fn census(keyring: &Keyring, rows: &[Row]) -> Result<(usize, usize), Box<dyn Error>> {
    let (mut open, mut stale) = (0, 0);
    for row in rows {
        let envelope: Envelope = row.column.parse()?;
        open += usize::from(keyring.open(&envelope, &row.context).is_ok());
        stale += usize::from(!keyring.is_current(&envelope));
    }
    Ok((open, stale))
}

/// Needs no context and no plaintext.
fn rewrap(keyring: &Keyring, rows: &mut [Row]) -> Result<usize, Box<dyn Error>> {
    let batch = keyring.rewrap_batch(rows.iter().map(|row| row.column.as_str()).enumerate());
    if let Some((_, error)) = batch.failures.into_iter().next() {
        return Err(error.into());
    }
    let mut rewrapped = 0;
    for change in batch.changes {
        // A database does both in one statement, so that two workers do not overwrite each other.
        if let Some(row) =
            rows.get_mut(change.id).filter(|row| row.column == change.old.to_string())
        {
            row.column = change.fresh.to_string();
            rewrapped += 1;
        }
    }
    Ok(rewrapped)
}

/// What a rewrap must not touch: commitment, iv, tag and ciphertext.
fn payloads(rows: &[Row]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    rows.iter()
        .map(|row| {
            let envelope: Envelope = row.column.parse()?;
            let (commitment, iv, tag) = (envelope.commitment(), envelope.iv(), envelope.tag());
            Ok([commitment.as_slice(), iv, tag, envelope.ciphertext()].concat())
        })
        .collect()
}
