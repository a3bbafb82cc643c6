//! Two pipes, used with bare system calls.
//!
//! Between the end of an operation and the search, nothing may run in the probe that writes to its
//! stack or heap, because it would overwrite what was left. A bare system call writes to neither.

use core::arch::asm;

/// What the probe requests from the search.
///
/// A number distinguishes several secrets of one role.
pub mod role {
    /// A credential: printable, and such that JSON needs no escapes.
    pub const PLAINTEXT: u8 = b'p';
    /// A data key of 32 bytes. Number 0 is the one that [`DRAWN`] starts with.
    pub const DATA_KEY: u8 = b'd';
    /// What a seal draws: data key ‖ IV.
    pub const DRAWN: u8 = b'r';
    /// An IV of 12 or 16 bytes. Public.
    pub const IV: u8 = b'i';
    /// A salt of 32 bytes. Public.
    pub const SALT: u8 = b's';
    /// A master key of 32 bytes.
    pub const MASTER_KEY: u8 = b'm';
    /// A master key as text.
    pub const MASTER_TEXT: u8 = b't';
    /// The same with a wrong last character, so that the checksum fails.
    pub const MISTYPED_TEXT: u8 = b'y';
    /// A keyring as text. The number selects one of the shapes that the search knows.
    pub const KEYRING_TEXT: u8 = b'k';
    /// A derivation key of 32 bytes, from which the probe derives another one.
    pub const DERIVATION_KEY: u8 = b'v';
    /// A pepper of 32 bytes.
    pub const PEPPER: u8 = b'e';
    /// The text of several peppers. The number selects one of the shapes that the search knows.
    pub const PEPPERS_TEXT: u8 = b'a';
    /// The 64 bytes that the token of the same number is drawn from, or the 16 of a public id.
    pub const TOKEN_DRAW: u8 = b'u';
    /// A token, after a prefix of `len` characters.
    pub const TOKEN: u8 = b'n';
    /// A token of another program.
    pub const OLD_TOKEN: u8 = b'o';
    /// Its SHA-256, as a table had it. The number is the scheme's. Public.
    pub const OLD_DIGEST: u8 = b'g';
    /// A pair: seed ‖ psk, 64 bytes.
    pub const PAIR: u8 = b'q';
    /// Its public key. Public.
    pub const PUBLIC_KEY: u8 = b'1';
    /// Its opening key as text.
    pub const OPENING_TEXT: u8 = b'O';
    /// Its sealing key as text.
    pub const SEALING_TEXT: u8 = b'S';
    /// Added to the number of a pair whose text has a wrong last character.
    pub const MISTYPED: u8 = 128;
    /// What a wrap of data key 0 for pair 0 draws, under the probe's id and commitment. The number is the suite.
    pub const COINS: u8 = b'2';
    /// The text of a sealer. The number selects one of the shapes that the search knows.
    pub const SEALER_TEXT: u8 = b'W';
    /// The text of a keyring with pairs. The number selects one of the shapes that the search knows.
    pub const PAIRS_TEXT: u8 = b'K';
    /// The master key of a tenant, 32 bytes.
    pub const TENANT_KEY: u8 = b'T';
    /// A row key of 32 bytes.
    pub const ROW_KEY: u8 = b'3';
    /// A row key in hex. Number 1 is in upper case.
    pub const ROW_KEY_HEX: u8 = b'h';
    /// A row key in base64.
    pub const ROW_KEY_BASE64: u8 = b'b';
    /// A text that a key is derived from.
    pub const PASSPHRASE: u8 = b'w';
    /// The credential as a JSON string. Number 1 starts with an escaped line feed.
    pub const JSON: u8 = b'j';
    /// The credential in postcard.
    pub const POSTCARD: u8 = b'c';
}

/// The probe requests bytes of a role. The reply is their length, in four bytes, and then the bytes.
pub const GIVE: u8 = b'G';
/// The probe has dropped everything, and waits for one byte, which comes when the search has looked.
///
/// The name of the step follows the message.
pub const ENDED: u8 = b'E';

/// Returns a message of the probe.
///
/// `first` and `second` are a role and a number, or the suite and the length of the name. `len` is
/// the length of the credential.
pub fn message(kind: u8, first: u8, second: u8, len: usize) -> [u8; 8] {
    let [a, b, c, d] = u32::try_from(len).unwrap_or_default().to_le_bytes();
    [kind, first, second, 0, a, b, c, d]
}

/// Calls `read` or `write` of Linux on x86-64, which have the numbers 0 and 1, like stdin and stdout.
#[inline(always)]
fn transfer(call: usize, buffer: usize, len: usize) -> usize {
    let done: isize;
    // SAFETY: the callers pass a buffer of `len` bytes; the kernel changes no other memory.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") call => done,
            in("rdi") call,
            in("rsi") buffer,
            in("rdx") len,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    done.unsigned_abs() * usize::from(done > 0)
}

/// Fills the buffer from stdin. Exits if the search is gone.
#[inline(always)]
pub fn read(buffer: &mut [u8]) {
    let mut at = 0;
    while at < buffer.len() {
        let done = transfer(0, buffer.as_mut_ptr().addr() + at, buffer.len() - at);
        if done == 0 {
            std::process::exit(2);
        }
        at += done;
    }
}

/// Writes the whole buffer to stdout. Exits if the search is gone.
#[inline(always)]
pub fn write(buffer: &[u8]) {
    let mut at = 0;
    while at < buffer.len() {
        let done = transfer(1, buffer.as_ptr().addr() + at, buffer.len() - at);
        if done == 0 {
            std::process::exit(2);
        }
        at += done;
    }
}
