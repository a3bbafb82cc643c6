//! The sizes that the page *format* defines, in bytes unless stated otherwise.

/// The version of the format: part of an envelope's prefix, and the first byte that each wrap is bound to.
pub(crate) const FORMAT_VERSION: u8 = 0x01;
/// A key: a payload key, data key or master key.
pub(crate) const KEY_LEN: usize = 32;
/// An IV (nonce).
pub(crate) const IV_LEN: usize = 12;
/// An AEAD tag.
pub(crate) const TAG_LEN: usize = 16;
/// The commitment to the data key, suite, IV and context.
pub(crate) const COMMITMENT_LEN: usize = 32;
/// The MAC over everything except the bytes of the ciphertext.
pub(crate) const MAC_LEN: usize = 16;
/// The longest plaintext, and therefore the longest ciphertext: 16 MiB.
pub(crate) const MAX_PLAINTEXT_LEN: usize = 16 * 1024 * 1024;
/// The maximum number of wrapped keys in an envelope: one primary and seven escrows.
pub(crate) const MAX_WRAPS: usize = 8;
/// The longest body of a wrapped key: a u16 holds the length of the kind byte and the body.
pub(crate) const MAX_BODY_LEN: usize = 65_534;
/// The body of a local wrap: check(4) ‖ salt(24) ‖ wrapped data key(32).
pub(crate) const LOCAL_BODY_LEN: usize = 60;
/// The body of a sealing wrap: check(4) ‖ encapsulated key(1120) ‖ ciphertext(32) ‖ tag(16).
pub(crate) const HPKE_BODY_LEN: usize = 1172;

const _: () = assert!(MAX_PLAINTEXT_LEN < 1 << 31, "a u32 holds the length of a ciphertext");
