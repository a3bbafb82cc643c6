//! Two pipes, used by bare system calls.
//!
//! Between the end of an operation and the search nothing may run in the probe that writes to its
//! stack or its heap: it would cover what was left. A system call of two instructions writes to
//! neither.

use core::arch::asm;

/// What the probe asks the search for. Where several stand under one name, a number tells them
/// apart.
pub mod role {
    /// A credential: printable, and the same in JSON as it stands.
    pub const PLAINTEXT: u8 = b'p';
    /// A data key, 32 bytes; number 0 is the one that [`DRAWN`] starts with.
    pub const DATA_KEY: u8 = b'd';
    /// What a seal draws: data key ‖ iv.
    pub const DRAWN: u8 = b'r';
    /// An iv of 12 or 16 bytes. Public.
    pub const IV: u8 = b'i';
    /// A salt of 32 bytes. Public.
    pub const SALT: u8 = b's';
    /// A master key, 32 bytes.
    pub const MASTER_KEY: u8 = b'm';
    /// A master key as text.
    pub const MASTER_TEXT: u8 = b't';
    /// The same with another last character: its checksum is wrong.
    pub const MISTYPED_TEXT: u8 = b'y';
    /// A keyring as text, of one of the shapes that the search knows.
    pub const KEYRING_TEXT: u8 = b'k';
    /// A key of rows, 32 bytes.
    pub const ROW_KEY: u8 = b'3';
    /// A key of rows in hex; in upper case under number 1.
    pub const ROW_KEY_HEX: u8 = b'h';
    /// A key of rows in base64.
    pub const ROW_KEY_BASE64: u8 = b'b';
    /// A text that a key is derived from.
    pub const PASSPHRASE: u8 = b'w';
    /// The credential as a JSON string; under number 1 behind an escaped line feed.
    pub const JSON: u8 = b'j';
    /// The credential in postcard.
    pub const POSTCARD: u8 = b'c';
}

/// The probe wants bytes of a role. The answer is their number, four bytes, and then they.
pub const GIVE: u8 = b'G';
/// The probe has dropped everything, and waits for one byte until the search has looked. The name
/// of the step follows.
pub const ENDED: u8 = b'E';

/// A message of the probe. `first` and `second` are role and number, or suite and length of name;
/// `len` is that of the credential.
pub fn message(kind: u8, first: u8, second: u8, len: usize) -> [u8; 8] {
    let [a, b, c, d] = u32::try_from(len).unwrap_or_default().to_le_bytes();
    [kind, first, second, 0, a, b, c, d]
}

/// `read` or `write` on Linux for x86-64, which are numbers 0 and 1, as stdin and stdout are.
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

/// Fills the buffer from stdin. Where the search is gone, the probe ends.
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

/// Writes all of the buffer to stdout.
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
