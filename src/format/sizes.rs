//! The sizes of the format, in bytes where nothing else is said: the table of the page *format*.

/// The version of the format: in the prefix of an envelope, and the first byte each wrap binds.
pub(crate) const FORMAT_VERSION: u8 = 0x01;
/// A key: payload key, data key, master key.
pub(crate) const KEY_LEN: usize = 32;
/// An iv (nonce).
pub(crate) const IV_LEN: usize = 12;
/// An AEAD tag.
pub(crate) const TAG_LEN: usize = 16;
/// The commitment to data key, suite, iv and context.
pub(crate) const COMMITMENT_LEN: usize = 32;
/// The MAC over everything but the bytes of the ciphertext.
pub(crate) const MAC_LEN: usize = 16;
/// The longest plaintext, and so the longest ciphertext: 16 MiB.
pub(crate) const MAX_PLAINTEXT_LEN: usize = 16 * 1024 * 1024;
/// The most wrapped keys an envelope holds: one primary and seven escrows.
pub(crate) const MAX_WRAPS: usize = 8;
/// The longest body of a wrapped key: a u16 counts the kind byte and the body.
pub(crate) const MAX_BODY_LEN: usize = 65_534;
/// A local wrap's body: check(4) ‖ salt(24) ‖ wrapped data key(32).
pub(crate) const LOCAL_BODY_LEN: usize = 60;

const _: () = assert!(MAX_PLAINTEXT_LEN < 1 << 31, "a u32 counts a ciphertext");
