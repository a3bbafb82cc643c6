//! Section 4: the context.

use super::{take, take_u16, u16_of};

pub type Pairs = Vec<(String, String)>;

/// What an envelope may hold in place of a credential.
pub const HELD: [&str; 3] = ["swk1", "swo1", "ring"];

/// Returns whether these pairs, in this order, make a context.
fn is_allowed(pairs: &Pairs) -> bool {
    let mut names: Vec<&String> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names.len() == pairs.len()
        && pairs.len() <= 32
        && pairs.iter().all(|(name, _)| (1..=64).contains(&name.len()))
        && pairs.iter().all(|(_, value)| value.len() <= 1024)
}

/// Returns whether a name is reserved: the format sets it, and callers may not.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("sw1/")
}

pub fn is_host(host: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    (1..=253).contains(&host.len())
        && host.chars().all(is_allowed)
        && host.split('.').all(|label| !label.is_empty())
}

/// Returns the hosts as the value of `sw1/hosts`, or `None` if one is invalid or given twice.
fn joined(hosts: &[String]) -> Option<String> {
    let mut sorted = hosts.to_vec();
    sorted.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    sorted.dedup();
    let joined = sorted.join(" ");
    let allowed = sorted.len() == hosts.len()
        && hosts.iter().all(|host| is_host(host))
        && (1..=1024).contains(&joined.len());
    allowed.then_some(joined)
}

/// Returns all pairs of a context: those that the caller gives, and those that the format sets.
pub fn whole(pairs: &Pairs, held: Option<&str>, hosts: Option<&[String]>) -> Option<Pairs> {
    if pairs.iter().any(|(name, _)| is_reserved(name)) {
        return None;
    }
    let mut pairs = pairs.clone();
    pairs.extend(held.map(|held| ("sw1/holds".to_owned(), held.to_owned())));
    if let Some(hosts) = hosts {
        pairs.push(("sw1/hosts".to_owned(), joined(hosts)?));
    }
    is_allowed(&pairs).then_some(pairs)
}

/// Returns the pairs in ascending order of name, compared as bytes, or `None` if they are not a
/// context.
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

/// Returns the pairs of an encoded context, or `None` if the bytes are not the encoding of a
/// context.
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
