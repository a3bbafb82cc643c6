//! What is wiped: values when they are dropped, and the stack behind each verb.

use alloc::boxed::Box;
use core::future::{Future, poll_fn};
use core::ops::{Deref, DerefMut};
use core::task::Poll;

use zeroize::Zeroize;

/// Bytes that are wiped when dropped.
///
/// A move leaves a copy behind. So it stays where it was made: in a box, or on the frame of a verb
/// whose stack is wiped.
// `Zeroizing` wipes an array byte by byte, and a slice at once.
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

/// Bytes of stack that are wiped after a verb over envelopes and master keys.
///
/// Of the stack below its caller such a verb touches 9,976 bytes in a release build for x86-64 (rustc 1.95), and
/// 11,751 at the most (level `z` with fat LTO): for AES-256-GCM of RustCrypto on a processor with AVX-512, whose
/// wider code spills more than that for others. Where the AEADs are those of aws-lc it is 4,272. A verb that waits goes
/// deeper, where a master key in memory wipes for itself. The rest is for compilers to come: `tests/stack.rs` looks
/// whether what is wiped is the deepest that was touched, and `assurance/residue` searches what is left.
const STACK_LEN: usize = if cfg!(feature = "aws-lc") { 6 * 1024 } else { ROWS_STACK_LEN };
/// The same for verbs that use no cipher: a rewrap touches 2,984 bytes where the hash is the portable one, and 2,696
/// where the processor has instructions for it. A provider wipes for itself, or is wiped after.
const HASHING_STACK_LEN: usize = 4 * 1024;
/// The same for verbs over rows that others wrote, whose long ivs RustCrypto takes in every build.
const ROWS_STACK_LEN: usize = 14 * 1024;

/// Runs a verb, then wipes the stack that it used.
///
/// The primitives wipe what they own. What the compiler spilled or moved on the way is nobody's:
/// it is still there when the frames are gone.
pub(crate) fn wipe_stack_after<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<STACK_LEN, T>(verb)
}

/// The same for a verb that uses no cipher.
pub(crate) fn wipe_stack_after_hashing<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<HASHING_STACK_LEN, T>(verb)
}

/// The same for a verb over rows that others wrote.
pub(crate) fn wipe_stack_after_row<T>(verb: impl FnOnce() -> T) -> T {
    wipe_after::<ROWS_STACK_LEN, T>(verb)
}

fn wipe_after<const LEN: usize, T>(verb: impl FnOnce() -> T) -> T {
    /// Wipes also where a provider or an RNG panics, and somebody above catches it.
    struct Wipe<const LEN: usize>;

    impl<const LEN: usize> Drop for Wipe<LEN> {
        fn drop(&mut self) {
            zeroize::zeroize_stack::<LEN>();
        }
    }

    /// Not inlined, so that the verb's frames lie below the caller's, where the wipe will be.
    #[inline(never)]
    fn run<T>(verb: impl FnOnce() -> T) -> T {
        verb()
    }

    let _wipe = Wipe::<LEN>;
    run(verb)
}

/// The same for a verb that waits: wipes the stack after each poll.
pub(crate) fn wipe_stack_after_polls<'a, T>(
    verb: impl Future<Output = T> + Send + 'a,
) -> impl Future<Output = T> + Send + 'a {
    let mut verb = Some(Box::pin(verb));
    poll_fn(move |context| {
        wipe_stack_after(|| {
            // None: it has returned already.
            let Some(running) = verb.as_mut() else { return Poll::Pending };
            let polled = running.as_mut().poll(context);
            if polled.is_ready() {
                verb = None;
            }
            polled
        })
    })
}

/// Wipes what a verb has left on the stack by now, before it calls what others wrote: a future that is
/// moved into its box takes along what lay where it was made.
pub(crate) fn wipe_stack() {
    zeroize::zeroize_stack::<STACK_LEN>();
}
