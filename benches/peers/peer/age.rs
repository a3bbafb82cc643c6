//! age: one file for each credential, with one X25519 recipient.

use std::sync::Arc;

use ::age::x25519::Identity;

use super::{About, Form, Peer, Rng, plaintext};

pub(super) fn peer() -> Peer {
    let identity = Identity::generate();
    let keys = Arc::new((identity.to_public(), identity));
    let about = About {
        name: "age, X25519",
        form: Form::Binary,
        // For keys. The other random parts of a header come from the thread's generator.
        rng: Rng::System,
        // The header's HMAC.
        binds: "recipients",
        // The header's HMAC is keyed from the file key. We found no claim about commitment.
        commits: "partly",
        // A header contains a stanza of random length ("grease").
        stored: 264..=441,
    };
    Peer::new(
        about,
        move || Arc::clone(&keys),
        |keys| ::age::encrypt(&keys.0, plaintext()).unwrap(),
        |keys, file| ::age::decrypt(&keys.1, file).unwrap(),
    )
}
