//! Randomness after a fork: parent and child share all state, but nothing that they seal is the
//! same.

#![cfg(unix)]
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    reason = "a fork is unsafe by nature, and tests fail by panicking"
)]

use core::error::Error;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::OwnedFd;

use sealwax::{
    EncryptionContext, Envelope, Keyring, MasterKey, MasterKeyProvider, Secret, UnwrapRequest,
};

const CHILDREN: usize = 8;
const SEALS: usize = 4;

fn seals(keyring: &Keyring, context: &EncryptionContext) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for _ in 0..SEALS {
        text += &keyring.seal(&Secret::from("s3cret"), context)?.to_string();
        text.push('\n');
    }
    Ok(text)
}

/// Returns what `seal` writes in a child process that is forked here.
fn forked(seal: impl FnOnce() -> Result<String, Box<dyn Error>>) -> String {
    let (mut reader, writer) = pipe().unwrap();
    // SAFETY: the child only seals and writes, and leaves by `_exit`: it runs no destructor and no
    // code of the test harness, whose other threads do not exist in the child.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let sent = seal()
            .is_ok_and(|text| File::from(OwnedFd::from(writer)).write_all(text.as_bytes()).is_ok());
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!sent)) }
    }
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let mut status = 0;
    // SAFETY: waits for the child forked above and writes only to `status`.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child did not seal");
    text
}

fn master_key() -> MasterKey {
    MasterKey::from_bytes(&mut (1..=32).collect::<Vec<u8>>()).unwrap()
}

#[test]
fn parent_and_children_never_seal_with_the_same_key_or_iv() {
    let keyring = Keyring::new("prod".parse().unwrap(), master_key()).unwrap();
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    // This also seals before the fork, so that the children inherit any state that exists.
    let mut texts = seals(&keyring, &context).unwrap();
    for _ in 0..CHILDREN {
        texts += &forked(|| seals(&keyring, &context));
        texts += &seals(&keyring, &context).unwrap();
    }

    let rows: Vec<Envelope> = texts.lines().map(|text| text.parse().unwrap()).collect();
    let all = SEALS * (1 + 2 * CHILDREN);
    assert_eq!(rows.len(), all);
    for row in &rows {
        assert_eq!(keyring.open(row, &context).unwrap(), Secret::from("s3cret"));
    }
    // Everything else differs if the IV does, so the data keys have to be compared separately.
    let data_key = |row: &Envelope| {
        let wrapped = row.wrapped_keys().next().unwrap();
        let (suite, commitment) = (row.suite(), row.commitment());
        let request = UnwrapRequest::new(wrapped.key_id(), suite, commitment, wrapped.body());
        *master_key().unwrap_key(request).into_ready().unwrap().unwrap().expose_secret()
    };
    assert_eq!(rows.iter().map(data_key).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::iv).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::commitment).collect::<HashSet<_>>().len(), all);
    assert_eq!(rows.iter().map(Envelope::ciphertext).collect::<HashSet<_>>().len(), all);
}
