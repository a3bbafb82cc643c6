//! age: one file a credential, for one X25519 recipient.

use std::sync::Arc;

use ::age::x25519::Identity;

use super::{About, Form, Peer, Rng, plaintext};

pub(super) fn peer() -> Peer {
    let identity = Identity::generate();
    let keys = Arc::new((identity.to_public(), identity));
    let about = About {
        name: "age, X25519",
        form: Form::Binary,
        // For keys; what is random in a header beside them comes from the thread's.
        rng: Rng::System,
        // The header's HMAC.
        binds: "recipients",
        // The header's HMAC is keyed from the file key; no claim about it was found.
        commits: "partly",
        // A header has a stanza of random length ("grease").
        stored: 264..=441,
    };
    Peer::new(
        about,
        move || Arc::clone(&keys),
        |keys| ::age::encrypt(&keys.0, plaintext()).unwrap(),
        |keys, file| ::age::decrypt(&keys.1, file).unwrap(),
    )
}
