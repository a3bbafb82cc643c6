//! Which envelopes give a credential that may be sent.

use sealwax::{EncryptionContext, Envelope, Held, OpenError, Secret};
use sealwax_credentials::{OpenBoundError, can_be_sent, open_bound, open_bound_async};

use crate::{HOST, KEY, KEYRING, bound, try_bound};

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).unwrap()
}

fn seal(context: &EncryptionContext) -> Envelope {
    KEYRING.seal(&Secret::from(KEY), context).unwrap()
}

/// Opens in both ways, which must agree.
fn error(envelope: &Envelope, context: &EncryptionContext) -> OpenBoundError {
    let waiting = pollster::block_on(open_bound_async(&KEYRING, envelope, context)).unwrap_err();
    let error = open_bound(&KEYRING, envelope, context).unwrap_err();
    assert_eq!(format!("{error:?}"), format!("{waiting:?}"));
    error
}

#[test]
fn the_hosts_are_those_of_the_context() {
    let context = context().with_hosts(&["b.example", "a.example"]).unwrap();
    let envelope = seal(&context);
    let secret = open_bound(&KEYRING, &envelope, &context).unwrap();
    assert!(secret.hosts().eq(["a.example", "b.example"]));
    let secret = pollster::block_on(open_bound_async(&KEYRING, &envelope, &context)).unwrap();
    assert!(secret.hosts().eq(["a.example", "b.example"]));
}

#[test]
fn a_context_without_hosts_opens_nothing() {
    // It would open.
    let envelope = seal(&context());
    KEYRING.open(&envelope, &context()).unwrap();
    assert!(matches!(error(&envelope, &context()), OpenBoundError::NoHosts));
    // It is found before the keyring is asked.
    let other = context().with_hosts(&[HOST]).unwrap();
    assert!(matches!(error(&seal(&other), &context()), OpenBoundError::NoHosts));
}

#[test]
fn another_set_of_hosts_does_not_open() {
    let sets: [&[&str]; 5] = [
        &[HOST],
        &["openai.com"],
        &["api.openai.com.example"],
        &[HOST, "a.example"],
        &["a.example"],
    ];
    let contexts = sets.map(|hosts| context().with_hosts(hosts).unwrap());
    let mut refused = 0;
    for sealed in &contexts {
        let envelope = seal(sealed);
        for opened in &contexts {
            if sealed == opened {
                open_bound(&KEYRING, &envelope, opened).unwrap();
            } else {
                let error = error(&envelope, opened);
                assert!(matches!(error, OpenBoundError::Open(OpenError::ContextMismatch)));
                refused += 1;
            }
        }
        // Nor without the hosts.
        let error = KEYRING.open(&envelope, &context()).unwrap_err();
        assert!(matches!(error, OpenError::ContextMismatch));
    }
    assert_eq!(refused, 20);
}

#[test]
fn a_key_of_sealwax_is_not_sent() {
    for held in [Held::MasterKey, Held::OpeningKey, Held::Keyring] {
        let context = context().with_hosts(&[HOST]).unwrap().holding(held).unwrap();
        assert!(matches!(error(&seal(&context), &context), OpenBoundError::NotACredential));
    }
}

#[test]
fn what_no_header_can_carry_does_not_open() {
    let accept = |key: &[u8]| {
        bound(key);
        assert!(can_be_sent(&Secret::from(key)), "{} bytes", key.len());
    };
    let refuse = |key: &[u8]| {
        let error = try_bound(key, &[HOST]).unwrap_err();
        assert!(matches!(error, OpenBoundError::NotForAHeader), "{} bytes", key.len());
        assert!(!can_be_sent(&Secret::from(key)), "{} bytes", key.len());
    };
    (0..8).for_each(|len| refuse(&vec![b'x'; len]));
    accept(&[b'x'; 8]);
    accept(&[b'x'; 8192]);
    refuse(&[b'x'; 8193]);
    refuse(b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n");
    refuse(b"{\"type\": \"service_account\"}");
    let mut refused = 0;
    for byte in 0..=u8::MAX {
        for place in [0, 4, 8] {
            let mut key = [b'x'; 9];
            key[place] = byte;
            if (b'!'..=b'~').contains(&byte) {
                accept(&key);
            } else {
                refuse(&key);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 3 * (256 - 94));
}
