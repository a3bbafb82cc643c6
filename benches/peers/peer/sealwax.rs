//! This library: a keyring with one local key, suite `a256gcm`, in both forms.

use std::sync::Arc;

use ::sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, OpenError, Secret};

use super::{About, Bytes, CONTEXT, Form, KEY_ID, OTHER_CONTEXT, Peer, Rng, plaintext};

pub(super) const NAME: &str = "sealwax";

struct Fixture {
    keyring: Keyring,
    context: EncryptionContext,
    secret: Secret,
}

pub(super) fn peers() -> Vec<Peer> {
    let fixture = Arc::new(Fixture {
        keyring: Keyring::new(KEY_ID.parse().unwrap(), MasterKey::generate().unwrap()).unwrap(),
        context: EncryptionContext::new(CONTEXT).unwrap(),
        secret: Secret::from(plaintext().to_vec()),
    });
    fixture.check_context();
    let start = move || Arc::clone(&fixture);
    let (binary, text) = (Form::Binary, Form::Text);
    let (system, thread) = (Rng::System, Rng::Thread);
    vec![
        Peer::new(about(binary, system), start.clone(), |f| f.seal(), |f, c| f.open_binary(c)),
        Peer::new(about(binary, thread), start.clone(), |f| f.seal_fast(), |f, c| f.open_binary(c)),
        Peer::new(about(text, system), start.clone(), |f| f.seal().to_string(), |f, c| f.open(c)),
        Peer::new(about(text, thread), start, |f| f.seal_fast().to_string(), |f, c| f.open(c)),
    ]
}

fn about(form: Form, rng: Rng) -> About {
    let stored = match form {
        Form::Binary => 205,
        Form::Text => 278,
    };
    About {
        name: NAME,
        form,
        rng,
        binds: "context, suite, key id",
        commits: "yes, and to the context",
        stored: stored..=stored,
    }
}

impl Fixture {
    fn seal(&self) -> Envelope {
        self.keyring.seal(&self.secret, &self.context).unwrap()
    }

    /// Seals with a CSPRNG that asks the operating system only now and then.
    fn seal_fast(&self) -> Envelope {
        self.keyring.seal_with_rng(&self.secret, &self.context, &mut rand::rng()).unwrap()
    }

    fn open_binary(&self, column: &Envelope) -> Secret {
        let envelope = Envelope::from_bytes(column.as_bytes()).unwrap();
        self.keyring.open(&envelope, &self.context).unwrap()
    }

    fn open(&self, column: &str) -> Secret {
        let envelope: Envelope = column.parse().unwrap();
        self.keyring.open(&envelope, &self.context).unwrap()
    }

    fn check_context(&self) {
        let other = EncryptionContext::new(OTHER_CONTEXT).unwrap();
        let opened = self.keyring.open(&self.seal(), &other);
        assert!(matches!(opened, Err(OpenError::ContextMismatch)));
    }
}

impl Bytes for Envelope {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Bytes for Secret {
    fn bytes(&self) -> &[u8] {
        self.expose_secret()
    }
}
