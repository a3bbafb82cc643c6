//! Wiping of values when they are dropped, and of the stack after each operation.

use alloc::boxed::Box;
use core::future::{Future, poll_fn};
use core::ops::{Deref, DerefMut};
use core::task::Poll;

use zeroize::Zeroize;

/// Bytes that are wiped when dropped.
///
/// A move leaves a copy behind, so a value stays where it was created: in a box, or in the frame of an operation
/// whose stack is wiped.
// Not `Zeroizing`, which wipes an array byte by byte. A slice is wiped all at once.
pub(crate) struct Wiped<const N: usize>([u8; N]);

impl<const N: usize> Wiped<N> {
    pub(crate) const fn zeroed() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Deref for Wiped<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Wiped<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Wiped<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

/// The number of bytes of stack that are wiped after an operation on envelopes or master keys.
///
/// In a release build for x86-64 (rustc 1.95), such an operation touches 9,976 bytes of the stack below its caller, and
/// at most 11,751 (level `z` with fat LTO). That is with RustCrypto's AES-256-GCM on a processor with AVX-512, whose
/// wider code spills more than the code for other processors. With the AEADs of aws-lc it is 4,272.
///
/// An async operation goes deeper, but there a master key in memory wipes its own stack.
///
/// The margin is for future compilers. `tests/stack.rs` checks that the wipe covers the deepest byte that was touched,
/// and `assurance/residue` searches what is left.
const STACK_LEN: usize = if cfg!(feature = "aws-lc") { 6 * 1024 } else { ROWS_STACK_LEN };
/// The same for operations that use no cipher.
///
/// A rewrap touches 2,984 bytes with the portable hash, and 2,696 if the processor has instructions for the hash. The
/// stack of a provider is wiped separately, by the provider or after the call.
const HASHING_STACK_LEN: usize = 4 * 1024;
/// The same for operations on rows that other programs wrote. RustCrypto handles their long IVs in every build.
const ROWS_STACK_LEN: usize = 14 * 1024;
/// The same for sealing keys and opening keys, whose KEM has its polynomials on the stack.
///
/// In a release build for x86-64 (rustc 1.95), such an operation touches at most 65,520 bytes: the expansion of a seed.
/// `tests/kem_stack.rs` checks it.
#[cfg(feature = "hpke")]
const KEM_STACK_LEN: usize = 96 * 1024;

/// Runs an operation, then wipes the stack that it used.
///
/// The primitives wipe the values that they own. But nobody owns what the compiler spilled or moved on the way, which
/// is still on the stack after the frames are gone.
pub(crate) fn wipe_stack_after<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<STACK_LEN, T>(verb)
}

/// Like [`wipe_stack_after`], for an operation that uses no cipher.
pub(crate) fn wipe_stack_after_hashing<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<HASHING_STACK_LEN, T>(verb)
}

/// Like [`wipe_stack_after`], for an operation on rows that other programs wrote.
pub(crate) fn wipe_stack_after_row<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<ROWS_STACK_LEN, T>(verb)
}

/// Like [`wipe_stack_after`], for an operation of a sealing key or an opening key.
#[cfg(feature = "hpke")]
pub(crate) fn wipe_stack_after_kem<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<KEM_STACK_LEN, T>(verb)
}

fn wipe_after<const LEN: usize, T>(verb: impl FnOnce() -> T) -> T {
    /// Wipes the stack even if a provider or an RNG panics and a caller catches the panic.
    struct Wipe<const LEN: usize>;

    impl<const LEN: usize> Drop for Wipe<LEN> {
        fn drop(&mut self) {
            zeroize::zeroize_stack::<LEN>();
        }
    }

    /// Not inlined, so that the frames of the operation are below the caller's frame, where the wipe takes place.
    #[inline(never)]
    fn run<T>(verb: impl FnOnce() -> T) -> T {
        verb()
    }

    let _wipe = Wipe::<LEN>;
    run(verb)
}

/// Like [`wipe_stack_after`], for an async operation: wipes the stack after each poll.
pub(crate) fn wipe_stack_after_polls<'a, T>(
    verb: impl Future<Output = T> + Send + 'a,
) -> impl Future<Output = T> + Send + 'a {
    let mut verb = Some(Box::pin(verb));
    poll_fn(move |context| {
        wipe_stack_after(|| {
            // `None` if the operation has already completed.
            let Some(running) = verb.as_mut() else { return Poll::Pending };
            let polled = running.as_mut().poll(context);
            if polled.is_ready() {
                verb = None;
            }
            polled
        })
    })
}

/// Wipes what an operation has left on the stack so far, before it calls third-party code.
///
/// A future that is moved into its box takes along what was on the stack where it was created.
pub(crate) fn wipe_stack() {
    zeroize::zeroize_stack::<STACK_LEN>();
}
