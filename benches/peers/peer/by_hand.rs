//! What services write themselves: AES-256-GCM under one key from an environment variable, and a
//! row `iv:tag:ciphertext` in hex. There is no envelope and no context, and nothing is wiped.

use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit};
use rand::Rng as _;

use super::{About, Form, Peer, Rng, plaintext};

/// The value of the environment variable.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const TAG_LEN: usize = 16;

pub(super) fn peers() -> [Peer; 2] {
    let cipher = Aes256Gcm::new_from_slice(&hex::decode(KEY).unwrap()).unwrap();
    let cipher = Arc::new(cipher);
    let start = move || Arc::clone(&cipher);
    let from_system = |iv: &mut [u8]| getrandom::fill(iv).unwrap();
    let from_thread = |iv: &mut [u8]| rand::rng().fill_bytes(iv);
    [
        Peer::new(
            about(Rng::System),
            start.clone(),
            move |c| seal(c, from_system),
            |c, r| open(c, r),
        ),
        Peer::new(about(Rng::Thread), start, move |c| seal(c, from_thread), |c, r| open(c, r)),
    ]
}

fn about(rng: Rng) -> About {
    About {
        name: "by hand",
        form: Form::Text,
        rng,
        binds: "nothing",
        commits: "no",
        stored: 160..=160,
    }
}

fn seal(cipher: &Aes256Gcm, draw: impl Fn(&mut [u8])) -> String {
    let mut iv = [0; 12];
    draw(&mut iv);
    let mut ciphertext = cipher.encrypt(&iv.into(), plaintext()).unwrap();
    let tag = ciphertext.split_off(ciphertext.len() - TAG_LEN);
    format!("{}:{}:{}", hex::encode(iv), hex::encode(tag), hex::encode(ciphertext))
}

fn open(cipher: &Aes256Gcm, row: &str) -> Vec<u8> {
    let mut fields = row.split(':').map(|field| hex::decode(field).unwrap());
    let [iv, tag, mut ciphertext] = std::array::from_fn(|_| fields.next().unwrap());
    ciphertext.extend(tag);
    cipher.decrypt(iv.as_slice().try_into().unwrap(), ciphertext.as_slice()).unwrap()
}
