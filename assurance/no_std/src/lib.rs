//! Seals and opens without an operating system, with its own allocator and with randomness from the host.
//!
//! If it builds, neither the library nor another of its crates without `std`, nor anything below them, links `std`: two
//! panic handlers in one program are a compile error. `run.sh` also builds it for WebAssembly and for bare metal, and
//! runs [`round_trip`] in Node.

#![no_std]

extern crate alloc;

use alloc::string::ToString;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::sync::atomic::{AtomicUsize, Ordering};

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, OpenError};
// Not used, but part of the program.
use {sealwax_audit as _, sealwax_credentials as _, sealwax_tokens as _};

#[cfg_attr(target_family = "wasm", link(wasm_import_module = "host"))]
unsafe extern "C" {
    /// Fills `len` bytes at `start` from the host's cryptographically secure generator.
    fn fill_random(start: *mut u8, len: usize);
}

struct Host;

impl TryRng for Host {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, place: &mut [u8]) -> Result<(), Infallible> {
        // SAFETY: `place` is as long as it says, and borrowed for the call.
        unsafe { fill_random(place.as_mut_ptr(), place.len()) };
        Ok(())
    }
}

impl TryCryptoRng for Host {}

/// Seals a credential, encodes and parses the envelope, opens it, tries another context, and rewraps it.
///
/// Returns 0, or the number of the first step that failed.
#[unsafe(no_mangle)]
pub extern "C" fn round_trip() -> u32 {
    steps().err().unwrap_or(0)
}

fn steps() -> Result<(), u32> {
    let text = MasterKey::generate_with_rng(&mut Host).map_err(|_| 1_u32)?.to_text();
    let text = text.expose_str().map_err(|_| 2_u32)?;
    let key = || text.parse::<MasterKey>().map_err(|_| 3_u32);
    let ring = Keyring::new("old".parse().map_err(|_| 4_u32)?, key()?).map_err(|_| 5_u32)?;

    let context = |row| EncryptionContext::new([("row", row)]).map_err(|_| 6_u32);
    let sealed =
        ring.seal_with_rng(&"s3cret".into(), &context("7")?, &mut Host).map_err(|_| 7_u32)?;
    let parsed: Envelope = sealed.to_string().parse().map_err(|_| 8_u32)?;
    let opened = ring.open(&parsed, &context("7")?).map_err(|_| 9_u32)?;
    ensure(opened.expose_secret() == b"s3cret", 10)?;
    let elsewhere = ring.open(&parsed, &context("8")?);
    ensure(matches!(elsewhere, Err(OpenError::ContextMismatch)), 11)?;

    let new = MasterKey::generate_with_rng(&mut Host).map_err(|_| 12_u32)?;
    let new = Keyring::new("new".parse().map_err(|_| 13_u32)?, new).map_err(|_| 14_u32)?;
    let both = new.with_retired("old".parse().map_err(|_| 15_u32)?, key()?).map_err(|_| 16_u32)?;
    let fresh = both.rewrap(&parsed).map_err(|_| 17_u32)?.ok_or(18_u32)?;
    ensure(
        both.open(&fresh, &context("7")?).is_ok() && ring.open(&fresh, &context("7")?).is_err(),
        19,
    )
}

fn ensure(holds: bool, step: u32) -> Result<(), u32> {
    if holds { Ok(()) } else { Err(step) }
}

/// An allocator that hands out one arena from front to back and never frees.
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_LEN]>,
    taken: AtomicUsize,
}

const ARENA_LEN: usize = 64 * 1024;

// SAFETY: no two allocations overlap, because `taken` only grows, atomically.
unsafe impl Sync for Arena {}

// SAFETY: a block is inside the arena, aligned, and handed out once. If none fits, the null pointer is returned.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.bytes.get().cast::<u8>();
        let reserve = |taken: usize| {
            let block =
                taken.checked_add(start.wrapping_add(taken).align_offset(layout.align()))?;
            block.checked_add(layout.size()).filter(|end| *end <= ARENA_LEN).map(|end| (block, end))
        };
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let Some((block, end)) = reserve(taken) else { return core::ptr::null_mut() };
            match self.taken.compare_exchange(taken, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return start.wrapping_add(block),
                Err(now) => taken = now,
            }
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; ARENA_LEN]), taken: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
