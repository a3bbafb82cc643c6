//! Takes rows apart and puts them together as the table of kinds says, without the crate. This also
//! determines what the crate has to return for a damaged row.

use crate::coding::Coding;
use crate::kinds::{Kind, Part, Piece, Refusal, Row};

const TAG_LEN: usize = 16;
const SALT_LEN: usize = 32;
const MAX_KEY_ID_LEN: usize = 36;

/// The parts of a row in the order of the table, all columns one after the other.
pub(crate) type Parts = Vec<(Part, Vec<u8>)>;

impl Kind {
    /// Returns whether this column holds bytes instead of text.
    pub(crate) fn has_bytes_at(&self, column: usize) -> bool {
        matches!(self.columns[column], [Piece::Coded(Coding::Bytes, _)])
    }

    /// Takes a row apart. If it is not of this kind, returns how the crate has to reject it. A row
    /// of this kind either opens or is not authentic.
    pub(crate) fn parse(&self, name: &str, row: &Row) -> Result<Parts, Refusal> {
        let mut parts = Vec::new();
        for (pieces, column) in self.columns.iter().zip(row) {
            let mut rest = column.as_slice();
            for (at, piece) in pieces.iter().enumerate() {
                // A piece without a fixed length extends to the text after it.
                let next = match pieces.get(at + 1) {
                    Some(Piece::Text(text)) => Some(text.as_bytes()),
                    _ => None,
                };
                let mut take = || match next {
                    None => Ok::<_, Refusal>(std::mem::take(&mut rest)),
                    Some(next) => {
                        let end = rest.windows(next.len()).position(|window| window == next);
                        let (taken, left) = rest.split_at(end.ok_or(Refusal::Malformed)?);
                        rest = left;
                        Ok(taken)
                    }
                };
                match piece {
                    Piece::Text(text) => {
                        rest = rest.strip_prefix(text.as_bytes()).ok_or(Refusal::Malformed)?;
                    }
                    Piece::KeyId => check_key_id(name, take()?)?,
                    Piece::Coded(coding, names) => {
                        let bytes = coding.decode(take()?).ok_or(Refusal::Malformed)?;
                        parts.extend(self.split(name, names, &bytes).ok_or(Refusal::Malformed)?);
                    }
                }
            }
        }
        Ok(parts)
    }

    /// Splits the parts that were encoded together.
    fn split(&self, name: &str, names: &[Part], bytes: &[u8]) -> Option<Parts> {
        let label = || [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        if let [alone] = names {
            let fits = match alone {
                Part::Iv | Part::KeyIv => self.ivs.contains(&bytes.len()),
                Part::Tag => bytes.len() == TAG_LEN,
                _ => true,
            };
            return fits.then(|| vec![(*alone, bytes.to_vec())]);
        }
        let lens = names.iter().map(|part| match part {
            Part::Mark => Some(1),
            Part::Label => Some(label().len()),
            Part::Salt => Some(SALT_LEN),
            Part::Iv | Part::KeyIv => Some(self.ivs[0]),
            Part::Tag | Part::KeyTag => Some(TAG_LEN),
            Part::Ciphertext | Part::WrappedKey => None,
        });
        let fixed: usize = lens.clone().flatten().sum();
        let long = bytes.len().checked_sub(fixed)?;
        let mut rest = bytes;
        let mut parts = Vec::new();
        for (part, len) in names.iter().zip(lens) {
            let (bytes, left) = rest.split_at(len.unwrap_or(long));
            parts.push((*part, bytes.to_vec()));
            rest = left;
        }
        let holds = |(part, bytes): &(Part, Vec<u8>)| match part {
            Part::Mark => bytes == &[1],
            Part::Label => *bytes == label(),
            // A wrapped key is recognised by its length, before a key is used.
            Part::WrappedKey => bytes.len() == 32,
            _ => true,
        };
        parts.iter().all(holds).then_some(parts)
    }

    /// Builds a row of these parts, whatever they contain.
    pub(crate) fn compose(&self, name: &str, parts: &Parts) -> Row {
        let mut rest = parts.iter();
        let mut column = |pieces: &&[Piece]| {
            let mut written = Vec::new();
            for piece in *pieces {
                match piece {
                    Piece::Text(text) => written.extend_from_slice(text.as_bytes()),
                    Piece::KeyId => written.extend_from_slice(name.as_bytes()),
                    Piece::Coded(coding, names) => {
                        let parts = rest.by_ref().take(names.len());
                        let joined: Vec<_> = parts.map(|(_, bytes)| bytes.as_slice()).collect();
                        written.extend(coding.encode(&joined.concat()));
                    }
                }
            }
            written
        };
        self.columns.iter().map(&mut column).collect()
    }
}

fn check_key_id(name: &str, key_id: &[u8]) -> Result<(), Refusal> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    if !(1..=MAX_KEY_ID_LEN).contains(&key_id.len()) || !key_id.iter().all(allowed) {
        return Err(Refusal::Malformed);
    }
    if key_id == name.as_bytes() { Ok(()) } else { Err(Refusal::OtherKeyId) }
}
