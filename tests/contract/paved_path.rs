//! The main path from start to end: seal and store, open, rewrap and write back.

use std::error::Error;

use sealwax::{EncryptionContext, Envelope, Keyring, Secret};

use crate::key_text;

#[derive(Default)]
struct Request {
    token: String,
}

impl Request {
    fn bearer_auth(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }
}

/// One row of a table, updated by compare-and-swap.
struct Row {
    column: String,
}

impl Row {
    fn update_where_envelope_is(&mut self, old: &str, fresh: &str) -> Result<(), Box<dyn Error>> {
        if self.column != old {
            return Err("another worker was faster".into());
        }
        fresh.clone_into(&mut self.column);
        Ok(())
    }
}

fn write(
    text_of_keys: &Secret,
    id: u64,
    api_key: String,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let keyring: Keyring = text_of_keys.expose_str()?.parse()?;
    let context = EncryptionContext::new([
        ("tenant", "acme"),
        ("provider", "openai"),
        ("row", &id.to_string()),
    ])?;

    let envelope = keyring.seal(&Secret::from(api_key), &context)?;
    let column: String = envelope.to_string();
    Ok(column)
}

fn read(text_of_keys: &Secret, id: u64, row: &mut Row) -> Result<Request, Box<dyn Error>> {
    let keyring: Keyring = text_of_keys.expose_str()?.parse()?;
    let context = EncryptionContext::new([
        ("tenant", "acme"),
        ("provider", "openai"),
        ("row", &id.to_string()),
    ])?;
    let column = row.column.clone();
    let mut request = Request::default();

    let envelope: Envelope = column.parse()?;
    let secret = keyring.open(&envelope, &context)?;
    request.bearer_auth(secret.expose_str()?);

    if let Some(fresh) = keyring.rewrap(&envelope)? {
        row.update_where_envelope_is(&column, &fresh.to_string())?;
    }
    Ok(request)
}

#[test]
fn a_key_is_sealed_opened_and_left_alone_while_current() {
    let text = Secret::from(format!("primary prod-2026 {}", key_text(0)));

    let column = write(&text, 7, "sk-live-1".to_owned()).unwrap();
    assert!(column.starts_with("sw1:a256gcm:prod-2026="));

    let mut row = Row { column: column.clone() };
    assert_eq!(read(&text, 7, &mut row).unwrap().token, "sk-live-1");
    assert_eq!(row.column, column);
}

#[test]
fn after_a_rotation_the_row_is_opened_and_rewrapped_once() {
    let old = Secret::from(format!("primary prod-2026 {}", key_text(0)));
    let new = Secret::from(format!(
        "primary prod-2027 {}\nretired prod-2026 {}\n",
        key_text(1),
        key_text(0)
    ));
    let mut row = Row { column: write(&old, 7, "sk-live-1".to_owned()).unwrap() };

    assert_eq!(read(&new, 7, &mut row).unwrap().token, "sk-live-1");
    assert!(row.column.starts_with("sw1:a256gcm:prod-2027="));

    let column = row.column.clone();
    assert_eq!(read(&new, 7, &mut row).unwrap().token, "sk-live-1");
    assert_eq!(row.column, column);
}

#[test]
fn another_row_is_another_context() {
    let text = Secret::from(format!("primary prod-2026 {}", key_text(0)));
    let mut row = Row { column: write(&text, 7, "sk-live-1".to_owned()).unwrap() };

    assert!(read(&text, 8, &mut row).is_err());
}

#[test]
fn the_column_may_hold_bytes() {
    let envelope = crate::sealed();
    let bytes: Vec<u8> = envelope.as_bytes().to_vec();

    assert_eq!(Envelope::from_bytes(&bytes).unwrap(), envelope);
}
