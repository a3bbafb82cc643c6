//! Does everything that the library, `sealwax-tokens`, `sealwax-branch` and `sealwax-tenants` can do, drops everything, and waits to be searched.
//!
//! One step is one operation: fresh memory, the operation, and then nothing until the search has
//! looked. Secrets come from the search and are passed to the library; see `given`.

mod branches;
mod canaries;
mod derivation;
mod given;
mod hpke;
mod keys;
mod memory;
mod pairs;
mod rows;
mod secrets;
mod tenants;
mod tokens;
mod verbs;
mod waiting;

use residue::pipe;
use sealwax::Suite;

/// Lengths around the block size of each primitive, up to the largest that fits a page, and 1 MiB.
///
/// A plaintext of less than 8 bytes cannot be distinguished from chance. For those, the search looks only for
/// keys and for what is derived from them.
pub const SIZES: [usize; 28] = [
    0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512,
    1000, 1024, 2048, 4095, 4096, MIB,
];
const MIB: usize = 1024 * 1024;
/// For steps in which the length does not matter: it is no multiple of a block.
pub const SOME: usize = 51;

pub const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

/// Runs one operation, and lets the search look at what it left.
///
/// Not inlined, so that what `work` uses is below this frame, on the stack that was painted.
#[inline(never)]
pub fn step(name: &'static str, suite: Suite, size: usize, work: &mut dyn FnMut()) {
    memory::fresh();
    work();
    let len = name.len().try_into().unwrap_or_default();
    pipe::write(&pipe::message(pipe::ENDED, suite.id(), len, size));
    pipe::write(name.as_bytes());
    pipe::read(&mut [0]);
}

/// Runs the steps that the argument selects.
///
/// `probe all` does every step, and `probe brief` does each operation at one length. `probe kept`
/// does the latter without ever clearing memory, and leaves a canary at the end.
fn main() {
    // A panic of a provider is part of a step, so nothing is printed for it.
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
    derivation::steps();
    verbs::steps(sizes);
    waiting::steps();
    branches::steps();
    hpke::steps();
    pairs::steps();
    tenants::steps();
    rows::steps(sizes);
    tokens::steps(sizes, if mode == "all" { 2..=32 } else { 10..=10 });
    if mode == "kept" {
        canaries::on_the_heap();
        step("end", Suite::Aes256Gcm, 0, &mut || ());
    } else {
        verbs::sweep(if mode == "all" { 0..=4096 } else { SOME..=SOME });
    }
}
