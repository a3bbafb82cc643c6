//! What a call costs on the heap, measured by an allocator that counts for each thread.

#![expect(unsafe_code, reason = "an allocator is unsafe by nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Per thread, because libFuzzer and the test harness have their own threads.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn grow(size: usize) {
        // A thread that is ending has no counters any more, so nothing is measured then.
        let _ = LIVE.try_with(|live| {
            live.set(live.get().wrapping_add(size));
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
        });
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }

    fn shrink(size: usize) {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_sub(size)));
    }
}

// SAFETY: the system allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::grow(layout.size());
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::grow(layout.size());
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Counts as a copy: for a moment both blocks exist.
        Self::grow(new_size);
        Self::shrink(layout.size());
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Self::shrink(layout.size());
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A limit on what a call may cost.
#[derive(Clone, Copy)]
pub struct Limit {
    /// Bytes on the heap at the same time, including the returned value.
    pub bytes: usize,
    pub allocations: usize,
}

/// Two keys, each in its own box: readers need these however short the input is. The parsers alone need none of it.
const KEYS: usize = 64;

impl Limit {
    pub const NOTHING: Self = Self { bytes: 0, allocations: 0 };

    /// Allows twice the input: the decoded bytes, and the parts that are taken out or decrypted. A parser that trusts a
    /// length field needs more.
    pub fn twice(input: usize, allocations: usize) -> Self {
        Self { bytes: 2 * input + KEYS, allocations }
    }

    /// Runs a call, and panics if it costs more.
    pub fn hold<T>(self, call: impl FnOnce() -> T) -> T {
        let (live, count) = (LIVE.get(), ALLOCATIONS.get());
        PEAK.set(live);
        let answer = call();
        let bytes = PEAK.get().wrapping_sub(live);
        let allocations = ALLOCATIONS.get() - count;
        assert!(bytes <= self.bytes, "{bytes} bytes at once, more than {}", self.bytes);
        assert!(
            allocations <= self.allocations,
            "{allocations} allocations, more than {}",
            self.allocations
        );
        answer
    }
}
