//! Wiping of the stack after an operation with a key.

/// The bytes of stack that are wiped, as many as the library wipes after its own operations that only hash.
const STACK_LEN: usize = 4096;

/// Runs an operation, then wipes the stack that it used.
///
/// The values that hold a key wipe themselves. But what the compiler spilled or moved on the way is still on the stack
/// after the frames are gone, and a key that was ratcheted must be gone as well.
pub(crate) fn wipe_stack_after<T>(operation: impl FnOnce() -> T) -> T {
    /// Not inlined, so that the frames of the operation are below the caller's frame, where the wipe takes place.
    #[inline(never)]
    fn run<T>(operation: impl FnOnce() -> T) -> T {
        operation()
    }

    let result = run(operation);
    zeroize::zeroize_stack::<STACK_LEN>();
    result
}
