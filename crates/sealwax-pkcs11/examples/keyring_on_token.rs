//! A keyring whose primary key is on a PKCS#11 token: `cargo run -p sealwax-pkcs11 --example keyring_on_token -- LIBRARY
//! TOKEN KEY CKA_ID`, with the user's PIN in `HSM_PIN`. The `CKA_ID` is in hex.
//!
//! ```text
//! connected: version 01 wraps
//! sealed: hsm/byok is the key of the row
//! opened: 22 bytes
//! another tenant's context: the envelope was sealed for another context
//! ```

use std::env;
use std::error::Error;
use std::iter::successors;
use std::process::ExitCode;
use std::sync::Arc;

use sealwax::{EncryptionContext, Keyring, Secret};
use sealwax_pkcs11::{TokenConfig, TokenKey};

type AnyError = Box<dyn Error>;

fn main() -> ExitCode {
    let Err(error) = pollster::block_on(run()) else { return ExitCode::SUCCESS };
    eprintln!("{}", chain(&*error));
    ExitCode::FAILURE
}

async fn run() -> Result<(), AnyError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [library, token, key, id] = arguments.as_slice() else {
        return Err("expected LIBRARY TOKEN KEY CKA_ID".into());
    };
    let pin = Secret::from(env::var("HSM_PIN").map_err(|_| "HSM_PIN is not set")?);
    let id = u8::from_str_radix(id, 16).map_err(|_| "expected two hex digits as CKA_ID")?;
    let config = TokenConfig::new(library, token, key, &pin).with_current([id]);

    let key = Arc::new(TokenKey::connect(config).await?);
    println!("connected: version {:02x} wraps", key.current().first().ok_or("no version")?);

    let keyring = Keyring::new("hsm/byok".parse()?, Arc::clone(&key))?;
    for (key_id, usable) in keyring.check_async().await {
        usable.map_err(|error| format!("key {key_id}: {}", chain(&error)))?;
    }

    let acme = EncryptionContext::new([("tenant", "acme"), ("row", "42")])?;
    let envelope = keyring.seal_async(&Secret::from("the customer's API key"), &acme).await?;
    let key_id = envelope.key_ids().next().ok_or("no key")?;
    println!("sealed: {key_id} is the key of the row");

    let secret = keyring.open_async(&envelope, &acme).await?;
    println!("opened: {} bytes", secret.len());

    let other = EncryptionContext::new([("tenant", "other"), ("row", "42")])?;
    let refused = keyring.open_async(&envelope, &other).await.err().ok_or("it opened")?;
    println!("another tenant's context: {refused}");
    Ok(())
}

/// Joins an error and its sources: the first says which key failed, and the last what the token said.
fn chain(error: &(dyn Error + 'static)) -> String {
    let errors = successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
