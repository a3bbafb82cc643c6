//! Makes a new master key primary, rewraps every row, and removes the old key. No byte of a payload
//! changes, and every row opens at every step.
//!
//! `cargo run --example rotate_master_key` prints:
//!
//! ```text
//! sealed 100 rows under key 2025
//! 2025 seals, 2026 only opens: 100 rows open, 0 stale
//! 2026 seals, 2025 only opens: 100 rows open, 100 stale
//! rewrapped 100 rows; 100 payloads are unchanged
//! second pass: rewrapped 0 rows
//! 2025 removed: 100 rows open, 0 stale
//! ```

#![expect(clippy::arithmetic_side_effects, reason = "the counters stay at or below 100")]

use std::error::Error;

use sealwax::{EncryptionContext, Envelope, Keyring, Secret};

/// A database row: its context and its sealed column.
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
    println!("sealed {} rows under key 2025", rows.len());

    // 1. Every process learns the new key before any process seals with it.
    let opens_2026 = keyring(format!("primary 2025 {old}; retired 2026 {new}"))?;
    let (open, stale) = census(&opens_2026, &rows)?;
    println!("2025 seals, 2026 only opens: {open} rows open, {stale} stale");

    // 2. The new key becomes primary. The old one still opens existing rows.
    let seals_2026 = keyring(format!("primary 2026 {new}; retired 2025 {old}"))?;
    let (open, stale) = census(&seals_2026, &rows)?;
    println!("2026 seals, 2025 only opens: {open} rows open, {stale} stale");

    // 3. Every row is rewrapped, at your own pace and as often as you like.
    let payloads = payloads(&rows)?;
    let rewrapped = rewrap(&seals_2026, &mut rows)?;
    let kept = payloads.iter().zip(self::payloads(&rows)?).filter(|(a, b)| *a == b).count();
    println!("rewrapped {rewrapped} rows; {kept} payloads are unchanged");
    println!("second pass: rewrapped {} rows", rewrap(&seals_2026, &mut rows)?);

    // 4. No row names the old key any more, so it can be removed. (Backups may still need it.)
    let without_2025 = keyring(format!("primary 2026 {new}"))?;
    let (open, stale) = census(&without_2025, &rows)?;
    println!("2025 removed: {open} rows open, {stale} stale");
    Ok(())
}

fn generate() -> Result<String, Box<dyn Error>> {
    Ok(sealwax::MasterKey::generate()?.to_text().expose_str()?.to_owned())
}

/// Counts the rows that open, and the rows whose wraps are not the ones this keyring would make.
fn census(keyring: &Keyring, rows: &[Row]) -> Result<(usize, usize), Box<dyn Error>> {
    let (mut open, mut stale) = (0, 0);
    for row in rows {
        let envelope: Envelope = row.column.parse()?;
        open += usize::from(keyring.open(&envelope, &row.context).is_ok());
        stale += usize::from(!keyring.is_current(&envelope));
    }
    Ok((open, stale))
}

/// Rewraps every stale row, without a context or a plaintext.
fn rewrap(keyring: &Keyring, rows: &mut [Row]) -> Result<usize, Box<dyn Error>> {
    let batch = keyring.rewrap_batch(rows.iter().map(|row| row.column.as_str()).enumerate());
    if let Some((_, error)) = batch.failures.into_iter().next() {
        return Err(error.into());
    }
    let mut rewrapped = 0;
    for change in batch.changes {
        // A database compares and writes in one statement, so that two workers never overwrite each
        // other.
        if let Some(row) =
            rows.get_mut(change.id).filter(|row| row.column == change.old.to_string())
        {
            row.column = change.fresh.to_string();
            rewrapped += 1;
        }
    }
    Ok(rewrapped)
}

/// Returns the parts that a rewrap must not touch: commitment, IV, tag and ciphertext.
fn payloads(rows: &[Row]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    rows.iter()
        .map(|row| {
            let envelope: Envelope = row.column.parse()?;
            let (commitment, iv, tag) = (envelope.commitment(), envelope.iv(), envelope.tag());
            Ok([commitment.as_slice(), iv, tag, envelope.ciphertext()].concat())
        })
        .collect()
}
