//! Lowercase hex of 32 bytes.

use alloc::string::String;

pub(crate) fn encode(bytes: &[u8; 32]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Returns `None` unless the text is exactly 64 lowercase hex digits.
pub(crate) fn decode(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let decoded = base16ct::lower::decode(text, &mut bytes).ok()?;
    (decoded.len() == 32).then_some(bytes)
}
