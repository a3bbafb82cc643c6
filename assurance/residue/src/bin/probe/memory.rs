//! Memory that hides nothing: a heap that never uses a block twice, and a stack that was painted.
//!
//! A heap that reuses a freed block overwrites what was left in it, and one that returns it to the
//! system hides it from the search. Here, each step gets its own pages, fresh from the system, and
//! freed blocks stay unchanged until the search has looked.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// Bytes that are requested from the system at once, unless a block is larger.
const CHUNK: usize = 256 * 1024;
/// More than any step needs.
const MAX_CHUNKS: usize = 1024;
/// Bytes of stack below a step that are zero when it starts.
const PAINTED: usize = 128 * 1024;

struct Heap {
    next: usize,
    end: usize,
    chunks: [(usize, usize); MAX_CHUNKS],
    count: usize,
}

/// A heap of consecutive blocks, none of which is used again.
pub struct OnceOnly(UnsafeCell<Heap>);

// SAFETY: the probe has one thread.
unsafe impl Sync for OnceOnly {}

#[global_allocator]
static HEAP: OnceOnly =
    OnceOnly(UnsafeCell::new(Heap { next: 0, end: 0, chunks: [(0, 0); MAX_CHUNKS], count: 0 }));

impl Heap {
    fn take(&mut self, layout: Layout) -> *mut u8 {
        let start = self.next.next_multiple_of(layout.align());
        if self.next == 0 || start + layout.size() > self.end {
            return if self.grow(layout.size().max(CHUNK)) {
                self.take(layout)
            } else {
                null_mut()
            };
        }
        self.next = start + layout.size();
        std::ptr::with_exposed_provenance_mut(start)
    }

    fn grow(&mut self, len: usize) -> bool {
        let len = len.next_multiple_of(4096);
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        // SAFETY: pages of our own, wherever the kernel has room.
        let pages = unsafe { libc::mmap(null_mut(), len, access, kind, -1, 0) };
        if pages == libc::MAP_FAILED || self.count == MAX_CHUNKS {
            return false;
        }
        let start = pages.expose_provenance();
        self.chunks[self.count] = (start, len);
        self.count += 1;
        (self.next, self.end) = (start, start + len);
        true
    }
}

// SAFETY: each block is handed out once, from pages that stay mapped until `fresh`.
unsafe impl GlobalAlloc for OnceOnly {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the probe has one thread.
        unsafe { (*self.0.get()).take(layout) }
    }

    // Fresh pages from the system are already zero.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).take(layout) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// How many chunks belong to no step.
static KEPT: OnceLock<usize> = OnceLock::new();

/// Stops all clearing from here on.
pub fn keep() {
    KEPT.get_or_init(|| usize::MAX);
}

/// Returns the pages of the last step to the system, and paints the stack below the caller.
///
/// What was allocated before the first call stays.
pub fn fresh() {
    if KEPT.get() == Some(&usize::MAX) {
        return;
    }
    // SAFETY: the probe has one thread, and nothing of the last step is alive.
    unsafe {
        let heap = HEAP.0.get();
        let kept = *KEPT.get_or_init(|| (*heap).count);
        while (*heap).count > kept {
            (*heap).count -= 1;
            let (start, len) = (&(*heap).chunks)[(*heap).count];
            libc::munmap(std::ptr::with_exposed_provenance_mut(start), len);
        }
        // The next block starts a new chunk.
        ((*heap).next, (*heap).end) = (0, 0);
    }
    paint();
}

#[inline(never)]
fn paint() {
    black_box(&mut [0_u8; PAINTED]);
}
