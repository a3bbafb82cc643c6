//! Valgrind's client requests, made of the instructions that it looks for (`valgrind.h`, amd64).
//!
//! Outside Valgrind they do nothing: four rotations that add up to a full turn, and an exchange of a
//! register with itself.

use core::arch::asm;

/// Codes of `valgrind.h` and `memcheck.h`.
const RUNNING_ON_VALGRIND: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;

fn request(code: usize, address: usize, len: usize) -> usize {
    let block = [code, address, len, 0, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: the same instructions as in `valgrind.h`; the block outlives the request.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdx") answer,
            in("rax") block.as_ptr(),
        );
    }
    answer
}

pub fn is_watching() -> bool {
    request(RUNNING_ON_VALGRIND, 0, 0) > 0
}

/// Returns the number of reports so far, without the suppressed ones.
pub fn reports() -> usize {
    request(COUNT_ERRORS, 0, 0)
}

/// Marks the bytes as secret: from here on, a branch or an address that depends on them is reported.
pub fn secret(bytes: &[u8]) {
    request(MAKE_MEM_UNDEFINED, bytes.as_ptr().addr(), bytes.len());
}

/// Marks the bytes as public, for results that everybody may see.
pub fn public(bytes: &[u8]) {
    request(MAKE_MEM_DEFINED, bytes.as_ptr().addr(), bytes.len());
}

/// Marks a verdict as public, and returns it.
pub fn public_verdict(verdict: bool) -> bool {
    let byte = [u8::from(verdict)];
    public(&byte);
    // Read back, now that it is marked as public.
    std::hint::black_box(byte)[0] == 1
}

/// Marks as public whether there is a value. The value itself is on the heap and stays secret.
pub fn published<T, E>(result: Result<T, E>) -> Result<T, E> {
    let result = std::hint::black_box(result);
    request(MAKE_MEM_DEFINED, (&raw const result).addr(), size_of_val(&result));
    result
}
