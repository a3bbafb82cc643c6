//! The clients of `sealwax-credentials` over TLS, HTTP/2 and a proxy, against servers on this machine.

mod clients;
mod goaway;
mod proxies;
mod redirects;
mod server;

use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
use sealwax_credentials::{BoundSecret, open_bound};

/// A key that is like no word.
const KEY: &str = "sk-qZ7_Xw9vK3Jp5Hd8.Bn2Gm6Ry4";
const HOST: &str = "api.openai.com";

/// Returns the key, for the host and this machine, on a port.
fn bound(port: u16) -> BoundSecret {
    let keyring = Keyring::new("prod".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let context = EncryptionContext::empty().with_hosts(&[HOST]).unwrap();
    let envelope = keyring.seal(&Secret::from(KEY), &context).unwrap();
    let secret = open_bound(&keyring, &envelope, &context).unwrap();
    secret.allowing_other_port(port).allowing_loopback_for_testing_only()
}
