//! Seals a credential with the text of a sealer: `writer SEALER_TEXT CREDENTIAL`. It contains nothing that opens.

use std::error::Error;

use sealwax::{EncryptionContext, Sealer, Secret};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("writer SEALER_TEXT CREDENTIAL");
    let (sealer, credential): (Sealer, _) = (next()?.parse()?, Secret::from(next()?));
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "42")])?;
    println!("{}", sealer.seal(&credential, &context)?);
    Ok(())
}
