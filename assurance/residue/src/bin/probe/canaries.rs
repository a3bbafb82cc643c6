//! Tests the search: leaves a secret on purpose in each place where one can be left.

use std::cell::UnsafeCell;
use std::hint::black_box;

use residue::pipe::role;
use sealwax::{Keyring, Suite};

use crate::branches::Client;
use crate::given::{DRAWN, Lent, bytes, context, id, master_key, secret};
use crate::{SOME, step};

/// Aligned, so that it never lies across two pages: at the end of the program's static data, these can be two mappings,
/// which are searched one by one.
#[repr(align(32))]
struct Place(UnsafeCell<[u8; 32]>);

// SAFETY: the probe has one thread.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new([0; 32]));

/// Leaves a copy at the low end of a large frame.
#[inline(never)]
fn leave_on_stack(left: &[u8]) {
    let mut frame = [0; 8192];
    frame.iter_mut().zip(left).for_each(|(place, byte)| *place = *byte);
    black_box(&mut frame);
}

pub fn steps() {
    step("canary: nothing is left", Suite::Aes256Gcm, 32, &mut || drop(secret(32)));
    on_the_heap();
    step("canary: left on the stack", Suite::Aes256Gcm, 32, &mut || {
        let lent = Lent::new(role::PLAINTEXT, 0, 32);
        leave_on_stack(&lent);
    });
    step("canary: left in a static", Suite::Aes256Gcm, 32, &mut || {
        let lent = Lent::new(role::PLAINTEXT, 0, 32);
        // SAFETY: the probe has one thread.
        let place = unsafe { &mut *PLACE.0.get() };
        place.copy_from_slice(&lent);
        black_box(place);
    });
    step("canary: and wiped there", Suite::Aes256Gcm, 32, &mut || {
        // SAFETY: the probe has one thread.
        unsafe { (*PLACE.0.get()).fill(0) };
        drop(secret(32));
    });
    // A live key is found in every form in which it is held.
    step("canary: a master key that lives", Suite::Aes256Gcm, 0, &mut || {
        std::mem::forget(master_key(0));
    });
    // What branch keys keep away from a client.
    step("canary: a client that never wipes", Suite::Aes256Gcm, SOME, &mut || {
        let ring = Keyring::new(id("prod"), Client(master_key(0))).expect("a provider");
        drop(ring.seal_with_rng(&secret(SOME), &context(), &mut { DRAWN }).expect("sealed"));
    });
}

pub fn on_the_heap() {
    step("canary: left on the heap", Suite::Aes256Gcm, 32, &mut || {
        drop(black_box(bytes(role::PLAINTEXT, 0, 32)));
    });
}
