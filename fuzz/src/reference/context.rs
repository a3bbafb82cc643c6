//! Section 4: the context.

use super::{take, take_u16, u16_of};

type Pairs = Vec<(String, String)>;

/// Whether these pairs, in this order, are a context's.
fn is_allowed(pairs: &Pairs) -> bool {
    let mut names: Vec<&String> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names.len() == pairs.len()
        && pairs.len() <= 32
        && pairs.iter().all(|(name, _)| (1..=64).contains(&name.len()))
        && pairs.iter().all(|(_, value)| value.len() <= 1024)
}

/// The pairs in ascending order of name, as bytes; none where they are no context.
pub fn sorted(pairs: &Pairs) -> Option<Pairs> {
    let mut sorted = pairs.clone();
    sorted.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
    is_allowed(pairs).then_some(sorted)
}

pub fn encode(pairs: &Pairs) -> Option<Vec<u8>> {
    let sorted = sorted(pairs)?;
    let mut out = u16_of(sorted.len()).to_vec();
    for (name, value) in &sorted {
        for text in [name, value] {
            out.extend(u16_of(text.len()));
            out.extend(text.as_bytes());
        }
    }
    Some(out)
}

/// The pairs of an encoded context; none where the bytes are no context's encoding.
pub fn decode(encoded: &[u8]) -> Option<Pairs> {
    let mut rest = encoded;
    let mut pairs = Vec::new();
    let count = take_u16(&mut rest)?;
    for _ in 0..count {
        let mut text = || {
            let len = take_u16(&mut rest)?;
            String::from_utf8(take(&mut rest, len)?.to_vec()).ok()
        };
        pairs.push((text()?, text()?));
    }
    (encode(&pairs)? == encoded).then_some(pairs)
}
