//! A row of another service on its way into an envelope, as an import reads it. The original row opens under its key to
//! its plaintext, and under no other key; once sealed, it opens to the same plaintext. An edited row never opens as its
//! declared kind. Read as any other kind, a row opens to its plaintext or not at all.

use sealwax::legacy::litellm::Version;
use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{Encoding, IvLen, Triplet, TripletError, TripletKey};
use sealwax::{Secret, triplet};

use super::edits::edit;
use super::input::Input;
use super::material::{DEK, IV, RING, Scripted, TRIPLET_KEY, context, key};
use super::parse_triplet::{ENCODINGS, INSTANCE_KEY, IV_LENS, LABEL, NAMED, SALT_KEY, layout_of};
use super::reference::encoding::hex;
use super::reference::legacy;
use super::reference::triplet::{Row, Shape};

/// The kind that a row is declared to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text(Shape),
    Columns(Encoding, IvLen),
    Joined(Encoding, IvLen),
    LiteLlm(Version),
    Cloak(IvLen),
    N8n,
}

fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::LiteLlm(Version::V2), Kind::LiteLlm(Version::V3), Kind::N8n];
    kinds.extend(NAMED.map(|(_, shape)| Kind::Text(shape)));
    let [iv, tag, ciphertext] = [triplet::Part::Iv, triplet::Part::Tag, triplet::Part::Ciphertext];
    for iv_len in IV_LENS {
        kinds.push(Kind::Cloak(iv_len));
        for encoding in ENCODINGS {
            kinds.extend([Kind::Columns(encoding, iv_len), Kind::Joined(encoding, iv_len)]);
            for separator in [None, Some('.')] {
                for parts in [[iv, tag, ciphertext], [iv, ciphertext, tag], [ciphertext, iv, tag]] {
                    let iv_len = iv_len.bytes();
                    kinds.push(Kind::Text(Shape { separator, parts, encoding, iv_len }));
                }
            }
        }
    }
    kinds
}

/// The keys of a service: the one that encrypts its rows, and the text that another is derived from.
struct Keys {
    key: TripletKey,
    salt_key: &'static str,
}

impl Kind {
    /// Writes a row the way the service does. Asserts that the crate and the reference write the same bytes.
    fn write(self, keys: &Keys, plaintext: &Secret, random: &[u8; 32]) -> Vec<u8> {
        let plain = plaintext.expose_secret();
        let iv = |iv_len: IvLen| &random[..iv_len.bytes()];
        let triplet = |iv_len: IvLen| {
            let triplet = keys.key.encrypt_with_rng(plaintext, iv_len, &mut Scripted(iv(iv_len)));
            (triplet.unwrap(), Row::sealed(&TRIPLET_KEY, iv(iv_len), &[], plain))
        };
        let (found, expected) = match self {
            Self::Text(shape) => {
                let iv_len = if shape.iv_len == 12 { IvLen::Twelve } else { IvLen::Sixteen };
                let (triplet, row) = triplet(iv_len);
                (triplet.encode(layout_of(&shape)).unwrap().into(), shape.text(&row).into())
            }
            Self::Columns(encoding, iv_len) => {
                let (triplet, row) = triplet(iv_len);
                let columns = [row.iv, row.tag, row.ciphertext];
                (triplet.to_columns(encoding).join("\n").into(), lines(encoding, &columns))
            }
            Self::Joined(encoding, iv_len) => {
                let (triplet, row) = triplet(iv_len);
                let columns = [row.iv, [row.ciphertext, row.tag].concat()];
                (triplet.to_joined(encoding).join("\n").into(), lines(encoding, &columns))
            }
            Self::LiteLlm(version) => {
                let key = litellm::insecure_key(version, keys.salt_key);
                let rng = &mut Scripted(&random[..12]);
                let found = litellm::encrypt_with_rng(&key, version, plaintext, rng).unwrap();
                let key = legacy::litellm::key(version, keys.salt_key);
                let row = legacy::litellm::encrypt(&key, version, &random[..12], plain);
                (found.into_bytes(), row.into_bytes())
            }
            Self::Cloak(iv_len) => {
                let rng = &mut Scripted(iv(iv_len));
                let found = cloak::encrypt_with_rng(&keys.key, LABEL, iv_len, plaintext, rng);
                let row = legacy::cloak::encrypt(&TRIPLET_KEY, LABEL, iv(iv_len), plain);
                (found.unwrap(), row)
            }
            Self::N8n => {
                let rng = &mut Scripted(random);
                let found = n8n::encrypt_with_rng(&keys.key, "key-1", plaintext, rng).unwrap();
                let row = legacy::n8n::encrypt(&TRIPLET_KEY, "key-1", random, plain);
                (found.into_bytes(), row.into_bytes())
            }
        };
        assert_eq!(found, expected);
        found
    }

    /// Returns `None` if the row is not text.
    fn read(self, keys: &Keys, row: &[u8]) -> Option<Result<Secret, TripletError>> {
        if let Self::Cloak(iv_len) = self {
            return Some(cloak::decrypt(&keys.key, LABEL, iv_len, row));
        }
        let text = std::str::from_utf8(row).ok()?;
        let columns: Vec<&str> = text.split('\n').collect();
        let triplet = match (self, columns.as_slice()) {
            (Self::LiteLlm(version), _) => {
                let key = litellm::insecure_key(version, keys.salt_key);
                return Some(litellm::decrypt(&key, version, text));
            }
            (Self::N8n, _) => return Some(n8n::decrypt(&keys.key, text)),
            (Self::Text(shape), _) => Triplet::parse(text, layout_of(&shape)),
            (Self::Columns(encoding, _), [iv, tag, ciphertext]) => {
                Triplet::from_columns(iv, tag, ciphertext, encoding)
            }
            (Self::Joined(encoding, _), [iv, both]) => Triplet::from_joined(iv, both, encoding),
            _ => return None,
        };
        Some(triplet.and_then(|triplet| keys.key.decrypt(&triplet)))
    }

    /// Returns whether two rows are the same to a strict reader of this kind.
    fn is_same(self, one: &[u8], other: &[u8]) -> bool {
        match self {
            Self::Text(Shape { encoding: Encoding::HexAnyCase, .. })
            | Self::Columns(Encoding::HexAnyCase, _)
            | Self::Joined(Encoding::HexAnyCase, _) => one.eq_ignore_ascii_case(other),
            // The key id is a hint that nothing authenticates.
            Self::N8n => {
                let blob = |row: &[u8]| row.split(|byte| *byte == b':').nth(1).map(<[u8]>::to_vec);
                blob(one) == blob(other)
            }
            _ => one == other,
        }
    }
}

fn lines(encoding: Encoding, columns: &[Vec<u8>]) -> Vec<u8> {
    let encode = |column: &Vec<u8>| super::reference::triplet::encode(encoding, column);
    columns.iter().map(encode).collect::<Vec<_>>().join("\n").into_bytes()
}

/// Plaintexts are encrypted in pieces of 192 bytes.
const MAX_LEN: usize = 600;

/// Reads the declared kind of the row, its IV, its plaintext and another row, then edits.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let kinds = kinds();
    let (kind, random) = (*input.choose(&kinds), key(input.byte()));
    let plaintext = input.long(MAX_LEN);
    // The key in n8n's form: in hex, wrapped under another key.
    let wrapped = legacy::n8n::wrap_key(INSTANCE_KEY, &random, hex(&TRIPLET_KEY).as_bytes());
    let unwrapped = n8n::insecure_unwrap_key(INSTANCE_KEY, &wrapped).unwrap();
    let right = Keys { key: unwrapped, salt_key: SALT_KEY };
    let wrong = Keys { key: TripletKey::from_bytes(&mut key(1)).unwrap(), salt_key: "another" };
    let written = kind.write(&right, &Secret::from(plaintext.as_slice()), &random);
    let other = kind.write(&right, &Secret::from("another"), &key(0x40));

    for stray in [b' ', b'\n', b'=', 0] {
        let row = [written.as_slice(), &[stray]].concat();
        assert!(
            !matches!(kind.read(&right, &row), Some(Ok(_))),
            "a row with a trailing {stray} opens"
        );
    }

    let mut row = written.clone();
    while let Some(choice) = input.next_byte() {
        // Sometimes the edit changes the case of a letter.
        match row.get_mut(usize::from(choice)) {
            Some(byte) if byte.is_ascii_alphabetic() && choice < 64 => *byte ^= 0x20,
            _ => edit(&mut row, &other, &mut input),
        }
    }

    let mut opened = false;
    for reader in kinds {
        if let Some(Ok(secret)) = reader.read(&right, &row) {
            assert!(secret.expose_secret() == plaintext || secret.expose_secret() == b"another");
            seal(&secret);
            opened |= reader == kind;
        }
        let read = reader.read(&wrong, &row);
        assert!(!matches!(read, Some(Ok(_))), "the row opens under another key");
    }
    assert!(opened || (row != written && row != other), "the row does not open");
    assert!(
        !opened || kind.is_same(&row, &written) || kind.is_same(&row, &other),
        "an edited row opens"
    );
    opened
}

/// Seals the plaintext. From here on the row is an envelope.
fn seal(secret: &Secret) {
    let (context, rng) = (context("1"), [DEK.as_slice(), &IV].concat());
    let sealed = RING.keyring.seal_with_rng(secret, &context, &mut Scripted(&rng)).unwrap();
    assert_eq!(&RING.keyring.open(&sealed, &context).unwrap(), secret);
}
