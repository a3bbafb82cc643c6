//! Sections 3, 6, 8 and 9: key ids, wraps, and both forms of an envelope.

use super::encoding::BASE64URL;
use super::{MAX_LEN, take, take_u8, take_u16, u8_of, u16_of};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// 1 or 2.
    pub suite: u8,
    /// The key id, and kind ‖ body.
    pub wraps: Vec<(String, Vec<u8>)>,
    pub commitment: Vec<u8>,
    pub mac: Vec<u8>,
    pub iv: Vec<u8>,
    pub tag: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

/// Why something is not an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Malformed,
    /// A newer version, 2 to 255.
    Version(u8),
}

pub fn is_key_id(id: &[u8]) -> bool {
    let is_allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || [b'.', b'_', b'-', b'/', b'@'].contains(byte);
    (1..=128).contains(&id.len())
        && id[0].is_ascii_alphanumeric()
        && id.iter().all(is_allowed)
        && !looks_like_a_key(id)
}

/// Returns whether the id contains `sw`, one or two letters and `1_`, in any case.
fn looks_like_a_key(id: &[u8]) -> bool {
    let id = id.to_ascii_lowercase();
    (0..id.len()).any(|at| {
        let mut rest = &id[at..];
        let Some(b"sw") = take(&mut rest, 2) else { return false };
        [1, 2].into_iter().any(|len| {
            let mut rest = rest;
            take(&mut rest, len).is_some_and(|letters| letters.iter().all(u8::is_ascii_alphabetic))
                && rest.starts_with(b"1_")
        })
    })
}

impl Envelope {
    /// Checks the rules that hold for both forms.
    fn checked(self) -> Option<Self> {
        let Self { suite, wraps, commitment, mac, iv, tag, ciphertext } = &self;
        let mut ids: Vec<&String> = wraps.iter().map(|(id, _)| id).collect();
        ids.sort();
        ids.dedup();
        let allowed = [1, 2].contains(suite)
            && (1..=8).contains(&wraps.len())
            && ids.len() == wraps.len()
            && ids.iter().all(|id| is_key_id(id.as_bytes()))
            && wraps.iter().all(|(_, wrapped)| (2..=65_535).contains(&wrapped.len()))
            && wraps.iter().all(|(_, wrapped)| wrapped[0] != 0)
            && [commitment.len(), mac.len(), iv.len(), tag.len()] == [32, 16, 12, 16]
            && ciphertext.len() <= MAX_LEN;
        allowed.then_some(self)
    }

    pub fn head(&self) -> Vec<u8> {
        let mut head = [b"SW".as_slice(), &[1, self.suite], &u8_of(self.wraps.len())].concat();
        for (id, wrapped) in &self.wraps {
            head.extend(u8_of(id.len()));
            head.extend(id.as_bytes());
            head.extend(u16_of(wrapped.len()));
            head.extend(wrapped);
        }
        head.extend(&self.commitment);
        head
    }

    pub fn binary(&self) -> Vec<u8> {
        [&self.head(), &self.mac, &self.iv, &self.tag, &self.ciphertext].map(Vec::as_slice).concat()
    }

    pub fn from_binary(bytes: &[u8]) -> Result<Self, Refused> {
        let mut rest = bytes;
        if take(&mut rest, 2) != Some(b"SW") {
            return Err(Refused::Malformed);
        }
        match take_u8(&mut rest) {
            Some(1) => Self::after_version(rest).ok_or(Refused::Malformed),
            Some(version @ 2..) => Err(Refused::Version(version.try_into().unwrap())),
            _ => Err(Refused::Malformed),
        }
    }

    fn after_version(mut rest: &[u8]) -> Option<Self> {
        let suite = take(&mut rest, 1)?[0];
        let count = take_u8(&mut rest)?;
        let mut wraps = Vec::new();
        for _ in 0..count {
            let len = take_u8(&mut rest)?;
            let id = String::from_utf8(take(&mut rest, len)?.to_vec()).ok()?;
            let len = take_u16(&mut rest)?;
            wraps.push((id, take(&mut rest, len)?.to_vec()));
        }
        let mut field = |len| take(&mut rest, len).map(<[u8]>::to_vec);
        let [commitment, mac, iv, tag] = [field(32)?, field(16)?, field(12)?, field(16)?];
        let ciphertext = rest.to_vec();
        Self { suite, wraps, commitment, mac, iv, tag, ciphertext }.checked()
    }

    pub fn text(&self) -> String {
        let suite = if self.suite == 1 { "a256gcm" } else { "c20p" };
        let wraps = self.wraps.iter().map(|(id, wrapped)| {
            let wrapped = BASE64URL.encode(wrapped);
            format!("{id}={wrapped}")
        });
        let wraps = wraps.collect::<Vec<_>>().join(",");
        let proof = BASE64URL.encode(&[self.commitment.as_slice(), &self.mac].concat());
        let [iv, tag, ciphertext] =
            [&self.iv, &self.tag, &self.ciphertext].map(|field| BASE64URL.encode(field));
        format!("sw1:{suite}:{wraps}:{proof}:{iv}:{tag}:{ciphertext}")
    }

    pub fn from_text(text: &str) -> Result<Self, Refused> {
        let fields: Vec<&str> = text.split(':').collect();
        if fields[0] == "sw1" && fields.len() > 1 {
            return Self::from_fields(&fields).ok_or(Refused::Malformed);
        }
        // Formats each number and compares, so that a version can be written in only one way.
        let newer = (2..=255).find(|version| fields[0] == format!("sw{version}"));
        Err(match newer {
            Some(version) if fields.len() > 1 => Refused::Version(version),
            _ => Refused::Malformed,
        })
    }

    fn from_fields(fields: &[&str]) -> Option<Self> {
        let [_, suite, wraps, proof, iv, tag, ciphertext] = fields else { return None };
        let suite = match *suite {
            "a256gcm" => 1,
            "c20p" => 2,
            _ => return None,
        };
        let wraps: Option<Vec<_>> = wraps
            .split(',')
            .map(|wrap| {
                let (id, wrapped) = wrap.split_once('=')?;
                Some((id.to_owned(), BASE64URL.decode(wrapped)?))
            })
            .collect();
        let proof = BASE64URL.decode(proof)?;
        if proof.len() != 48 {
            return None;
        }
        Self {
            suite,
            wraps: wraps?,
            commitment: proof[..32].to_vec(),
            mac: proof[32..].to_vec(),
            iv: BASE64URL.decode(iv)?,
            tag: BASE64URL.decode(tag)?,
            ciphertext: BASE64URL.decode(ciphertext)?,
        }
        .checked()
    }
}
