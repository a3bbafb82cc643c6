//! Anchors: what is kept elsewhere, so that a log whose end was cut off is noticed.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::entry::{Field, check_number, check_subject};
use crate::hex;

/// The MAC of an entry, kept where the log's writers cannot change it.
///
/// A chain alone does not show that its end was cut off, and anyone who has the audit key can write another one. If the
/// chain has the anchor's entry with the anchor's MAC, then up to there it is what it was when the anchor was taken.
///
/// As text it is one line, `swa1:`, the number, `:`, the MAC as 64 hex digits, `:` and the subject:
///
/// ```
/// use sealwax_audit::Anchor;
///
/// let anchor = Anchor { subject: "acme".into(), number: 17, mac: [0xab; 32] };
/// let text = anchor.to_string();
/// assert!(text.starts_with("swa1:17:abab") && text.ends_with("ab:acme"));
/// assert_eq!(text.parse(), Ok(anchor));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// Whose chain it is.
    pub subject: String,
    /// The number of the entry.
    pub number: u64,
    /// The MAC of the entry.
    pub mac: [u8; 32],
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swa1:{}:{}:{}", self.number, hex::encode(&self.mac), self.subject)
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Self, AnchorError> {
        Self::parse(text).ok_or(AnchorError)
    }
}

impl Anchor {
    fn parse(text: &str) -> Option<Self> {
        let (number, rest) = text.strip_prefix("swa1:")?.split_once(':')?;
        let (mac, subject) = rest.split_once(':')?;
        let is_canonical =
            number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|_| is_canonical)?;
        check_number(Field::Number, number, 1).ok()?;
        check_subject(subject).ok()?;
        Some(Self { subject: subject.into(), number, mac: hex::decode(mac)? })
    }
}

/// The text is not an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("invalid anchor: expected swa1:, a number, :, 64 lowercase hex digits, : and a subject")]
pub struct AnchorError;
