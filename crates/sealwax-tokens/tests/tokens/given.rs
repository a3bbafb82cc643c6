//! What the tests share: peppers that count up, a second implementation of records, and scripted randomness.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::{TryCryptoRng, TryRng};
use std::time::Duration;

use sealwax_tokens::{Grant, Issued, Mode, Pepper, Peppers, Record, Rotation, Tokens};
use sha2::Sha256;

/// A time at which most tokens of the tests are valid.
pub(crate) const NOW: u64 = 1_790_000_000;
/// Whose most tokens of the tests are.
pub(crate) const SUBJECT: &str = "tenant/42";

/// Returns the pepper whose bytes count up from `first`.
pub(crate) fn pepper(first: u8) -> Pepper {
    Pepper::from_bytes(&mut bytes(first)).unwrap()
}

pub(crate) fn bytes(first: u8) -> [u8; 32] {
    std::array::from_fn(|n| first + n as u8)
}

/// Returns a line of the text of peppers.
pub(crate) fn line(state: &str, pepper_id: &str, first: u8) -> String {
    format!("{state} {pepper_id} {}\n", pepper(first).to_text().expose_str().unwrap())
}

/// Returns live tokens under `tokens-2026`, the bytes from 0 on.
pub(crate) fn tokens() -> Tokens {
    under(&line("primary", "tokens-2026", 0))
}

/// Returns live tokens under peppers.
pub(crate) fn under(peppers: &str) -> Tokens {
    let peppers: Peppers = peppers.parse().unwrap();
    Tokens::new(peppers, Mode::Live, "acme_live_".parse().unwrap())
}

pub(crate) fn grant() -> Grant {
    Grant::new(SUBJECT, ["read", "write"]).unwrap()
}

pub(crate) fn rotation(now: u64, grace: Duration, expires: Option<u64>) -> Rotation {
    Rotation { now, grace, expires }
}

/// Issues a token, and takes it out.
pub(crate) fn issue(tokens: &Tokens, grant: Grant) -> (String, Record) {
    let Issued { token, record, .. } = tokens.issue(grant).unwrap();
    (shown(token), record)
}

pub(crate) fn shown(token: sealwax_tokens::ShowOnce) -> String {
    token.into_secret().unwrap().expose_str().unwrap().to_owned()
}

/// The parts of a record, by a second implementation of the page.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) pepper_id: String,
    pub(crate) digest: Vec<u8>,
    pub(crate) claims: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

impl Parts {
    pub(crate) fn of(record: &Record) -> Self {
        let text = record.to_string();
        let parts: Vec<&str> = text.split(':').collect();
        let ["swt1", pepper_id, digest, claims, mac] = parts[..] else { panic!("five parts") };
        let decode = |part| Base64UrlUnpadded::decode_vec(part).unwrap();
        let (digest, claims, mac) = (decode(digest), decode(claims), decode(mac));
        Self { pepper_id: pepper_id.into(), digest, claims, mac }
    }

    pub(crate) fn text(&self) -> String {
        let [digest, claims, mac] = [&self.digest, &self.claims, &self.mac]
            .map(|part| Base64UrlUnpadded::encode_string(part));
        format!("swt1:{}:{digest}:{claims}:{mac}", self.pepper_id)
    }

    pub(crate) fn record(&self) -> Record {
        self.text().parse().unwrap()
    }

    /// Gives it the MAC that somebody who has the pepper would.
    pub(crate) fn signed(mut self, first: u8) -> Record {
        let id = self.pepper_id.as_bytes();
        let info = [b"swt1/claims", &[id.len() as u8][..], id, &self.digest, &self.claims].concat();
        self.mac = expand(first, &info).into();
        self.record()
    }
}

/// Returns a record's text with another part in the place of one.
pub(crate) fn with_part(record: &str, at: usize, part: &str) -> String {
    let mut parts: Vec<&str> = record.split(':').collect();
    parts[at] = part;
    parts.join(":")
}

/// expand(pepper, info, 32), by another crate.
pub(crate) fn expand(first: u8, info: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(&bytes(first)).unwrap();
    hmac.update(info);
    hmac.update(&[1]);
    hmac.finalize().into_bytes().into()
}

/// The fields of claims, by a second implementation of the page.
#[derive(Clone)]
pub(crate) struct Fields {
    pub(crate) version: u8,
    pub(crate) scheme: u8,
    pub(crate) state: u8,
    pub(crate) mode: u8,
    pub(crate) single_use: u8,
    pub(crate) id: [u8; 16],
    pub(crate) not_before: u64,
    pub(crate) expires: u64,
    pub(crate) subject: Vec<u8>,
    pub(crate) scopes: Vec<Vec<u8>>,
    pub(crate) hint: Vec<u8>,
    pub(crate) salt: Vec<u8>,
}

impl Fields {
    pub(crate) fn of(claims: &[u8]) -> Self {
        let u64_at = |at: usize| u64::from_be_bytes(claims[at..at + 8].try_into().unwrap());
        let mut at = 37;
        let sized = |at: &mut usize| {
            let field = claims[*at + 1..*at + 1 + claims[*at] as usize].to_vec();
            *at += 1 + field.len();
            field
        };
        let subject = sized(&mut at);
        let count = claims[at];
        at += 1;
        let scopes = (0..count).map(|_| sized(&mut at)).collect();
        let (hint, salt) = (sized(&mut at), sized(&mut at));
        assert_eq!(at, claims.len());
        Self {
            version: claims[0],
            scheme: claims[1],
            state: claims[2],
            mode: claims[3],
            single_use: claims[4],
            id: claims[5..21].try_into().unwrap(),
            not_before: u64_at(21),
            expires: u64_at(29),
            subject,
            scopes,
            hint,
            salt,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let sized = |field: &Vec<u8>| [&[field.len() as u8][..], field].concat();
        [
            vec![self.version, self.scheme, self.state, self.mode, self.single_use],
            self.id.into(),
            self.not_before.to_be_bytes().into(),
            self.expires.to_be_bytes().into(),
            sized(&self.subject),
            vec![self.scopes.len() as u8],
            self.scopes.iter().flat_map(sized).collect(),
            sized(&self.hint),
            sized(&self.salt),
        ]
        .concat()
    }
}

/// Returns the bytes it was given, in order, and then fails.
pub(crate) struct Scripted(pub(crate) Vec<u8>);

#[derive(Debug)]
pub(crate) struct OffScript;

impl std::fmt::Display for OffScript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("off script")
    }
}

impl std::error::Error for OffScript {}

impl TryRng for Scripted {
    type Error = OffScript;

    fn try_next_u32(&mut self) -> Result<u32, OffScript> {
        Err(OffScript)
    }

    fn try_next_u64(&mut self) -> Result<u64, OffScript> {
        Err(OffScript)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), OffScript> {
        if self.0.len() < bytes.len() {
            return Err(OffScript);
        }
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}
