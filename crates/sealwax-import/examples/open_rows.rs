//! Opens a row of each of three programs, and seals one of them:
//! `cargo run -p sealwax-import --example open_rows`.
//!
//! ```text
//! rails: a text of 13 bytes
//! go: a text of 11 bytes
//! our own: a text of 15 bytes
//! sealed under example for tenant t1
//! ```

use std::error::Error;

use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
use sealwax_import::json::Object;
use sealwax_import::{Declaration, KeyForm, Named};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn main() -> Result<(), Box<dyn Error>> {
    let rails = Named::find("rails").ok_or("no such name")?.declaration()?;
    let key = "cade5f1755b3159c8dc35888d6a75c2682a1b38c4e20cfdbbcb32287575d32ee";
    let row = r#"{"value": "{\"p\":\"VNSj8uJD/HvfEf/CTg==\",\"h\":{\"iv\":\"OOCH01/yYUcXaXkH\",\"at\":\"Ks8Og3u+Ji14nCFFMYiTVw==\"}}"}"#;
    show("rails", &open(&rails, key, row)?);

    let go = Named::find("go").ok_or("no such name")?.declaration()?;
    let row = r#"{"value": "QEFCQ0RFRkdISUpLkdKDV0NP8y789iSps2n7r29O2US7r2k95yl3"}"#;
    show("go", &open(&go, KEY, row)?);

    let ours: Declaration = "cell value = {iv12:hex}:{tag:hex}:{ct:hex}
                             bound to cred:{id}"
        .parse()?;
    let row = r#"{"id": 1, "tenant": "t1", "value": "d220ff60c69d8050d8dc1081:c20c6537d273542b5a094cb535c25b2d:61c32e7f44e836e0e2e30f91fb53d5"}"#;
    let credential = open(&ours, KEY, row)?;
    show("our own", &credential);

    let keyring = Keyring::new("example".parse()?, MasterKey::generate()?)?;
    let context = EncryptionContext::new([("tenant", "t1"), ("row", "1")])?;
    let envelope = keyring.seal(&credential, &context)?;
    for key_id in envelope.key_ids() {
        println!("sealed under {key_id} for tenant t1");
    }
    Ok(())
}

fn open(declaration: &Declaration, key: &str, row: &str) -> Result<Secret, Box<dyn Error>> {
    let key = declaration.key_as.unwrap_or(KeyForm::Hex).key(key, None)?;
    Ok(declaration.read(&Object::parse(row)?)?.open(&key)?)
}

fn show(program: &str, credential: &Secret) {
    println!("{program}: a text of {} bytes", credential.len());
}
