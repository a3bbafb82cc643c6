//! Paints the stack, runs an operation, and reads what is left below the caller's frame.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

pub(crate) const PAINT: u8 = 0x11;

#[inline(never)]
fn paint<const PAINTED: usize>() {
    black_box(&mut [PAINT; PAINTED]);
}

/// Returns what an operation leaves in the upper half of the painted part, the deepest byte first.
#[inline(never)]
pub(crate) fn stack_after<const PAINTED: usize>(verb: &mut dyn FnMut()) -> Vec<u8> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut below = vec![0; PAINTED / 2];
    let here = 0_u8;
    let bottom = u64::try_from((&raw const here).addr() - below.len()).unwrap();
    paint::<PAINTED>();
    verb();
    memory.read_exact_at(&mut below, bottom).unwrap();
    below
}
