//! Generates a pair, `reader`, or opens an envelope: `reader KEYRING_TEXT ENVELOPE`.

use std::error::Error;

use sealwax::{EncryptionContext, Envelope, Keyring, OpeningKey};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [keyring, envelope] = arguments.as_slice() else {
        let key = OpeningKey::generate()?;
        println!("{}", key.to_text().expose_str()?);
        println!("{}", key.sealing_key().to_text().expose_str()?);
        return Ok(());
    };
    let (keyring, envelope): (Keyring, Envelope) = (keyring.parse()?, envelope.parse()?);
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "42")])?;
    println!("{}", keyring.open(&envelope, &context)?.expose_str()?);
    Ok(())
}
