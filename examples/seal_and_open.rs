//! Seals a customer's API key for a database column, opens it again, and shows what does not open.
//!
//! `cargo run --example seal_and_open` prints:
//!
//! ```text
//! the column has 248 characters and starts with sw1:a256gcm:prod-2026=
//! opened 28 bytes for acme: Secret([REDACTED])
//! for another tenant: the envelope was sealed for another context
//! with one bit flipped: the payload of the envelope was altered
//! with another keyring: no key in this keyring can open the envelope; it is wrapped for: prod-2026
//! a plaintext instead of an envelope: invalid prefix at byte 0: expected sw1:
//! ```

use std::error::Error;

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret};

fn main() -> Result<(), Box<dyn Error>> {
    // A service reads this text from its environment: `primary prod-2026 swk1_…`.
    let key = MasterKey::generate()?;
    let keyring: Keyring = format!("primary prod-2026 {}", key.to_text().expose_str()?).parse()?;

    // What the credential belongs to. Including the row id binds the credential to its row.
    let context =
        |tenant| EncryptionContext::new([("tenant", tenant), ("provider", "openai"), ("row", "7")]);
    let acme = context("acme")?;

    let api_key = String::from("sk-not-a-real-key-0123456789");
    let envelope = keyring.seal(&Secret::from(api_key), &acme)?;
    let column = envelope.to_string();
    let start = "sw1:a256gcm:prod-2026=";
    assert!(column.starts_with(start));
    println!("the column has {} characters and starts with {start}", column.len());

    let secret = keyring.open(&column.parse()?, &acme)?;
    println!("opened {} bytes for acme: {secret:?}", secret.len());
    assert_eq!(secret.expose_str()?, "sk-not-a-real-key-0123456789");

    // When an envelope does not open, the error says why.
    if let Err(error) = keyring.open(&envelope, &context("globex")?) {
        println!("for another tenant: {error}");
    }
    let mut altered = Vec::from(envelope.clone());
    if let Some(byte) = altered.last_mut() {
        *byte ^= 1;
    }
    if let Err(error) = keyring.open(&Envelope::try_from(altered)?, &acme) {
        println!("with one bit flipped: {error}");
    }
    let other = Keyring::new("staging".parse()?, MasterKey::generate()?)?;
    if let Err(error) = other.open(&envelope, &acme) {
        println!("with another keyring: {error}");
    }
    if let Err(error) = "sk-not-a-real-key-0123456789".parse::<Envelope>() {
        println!("a plaintext instead of an envelope: {error}");
    }
    Ok(())
}
