//! Does everything that the library can do, drops everything, and waits to be searched.
//!
//! One step is one operation: fresh memory, the operation, and then nothing until the search has
//! looked. Secrets come from the search and are handed on to the library; see `given`.

mod canaries;
mod given;
mod keys;
mod memory;
mod rows;
mod secrets;
mod verbs;
mod waiting;

use residue::pipe;
use sealwax::Suite;

/// Lengths around a block of each primitive, up to the largest that fits a page; and 1 MiB. A plaintext
/// below 8 bytes is too short to be told from chance: there the search looks for keys and what is made of them.
pub const SIZES: [usize; 28] = [
    0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512,
    1000, 1024, 2048, 4095, 4096, MIB,
];
const MIB: usize = 1024 * 1024;
/// Where the length makes no difference: one that fits no block.
pub const SOME: usize = 51;

pub const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

/// One operation, and a look at what it left.
///
/// Not inlined: what `work` uses lies below this frame, on the stack that was painted.
#[inline(never)]
pub fn step(name: &'static str, suite: Suite, size: usize, work: &mut dyn FnMut()) {
    memory::fresh();
    work();
    let len = name.len().try_into().unwrap_or_default();
    pipe::write(&pipe::message(pipe::ENDED, suite.id(), len, size));
    pipe::write(name.as_bytes());
    pipe::read(&mut [0]);
}

/// `probe all` does every step, `probe brief` each operation at one length; `probe kept` does that
/// in one memory, which is never cleared, and leaves a canary at its end.
fn main() {
    // A panic of a provider is part of a step, and says nothing.
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload().is::<&str>() || panic.payload().is::<String>() {
            eprintln!("{panic}");
        }
    }));
    let mode = std::env::args().nth(1).unwrap_or_default();
    let sizes: &[usize] = if mode == "all" { &SIZES } else { &[SOME] };
    if mode == "kept" {
        memory::keep();
    } else {
        canaries::steps();
    }
    secrets::steps(sizes);
    keys::steps();
    verbs::steps(sizes);
    waiting::steps();
    rows::steps(sizes);
    if mode == "kept" {
        canaries::on_the_heap();
        step("end", Suite::Aes256Gcm, 0, &mut || ());
    } else {
        verbs::sweep(if mode == "all" { 0..=4096 } else { SOME..=SOME });
    }
}
