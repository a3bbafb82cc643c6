//! A `zeroize` that wipes nothing.
//!
//! It has the types and traits of zeroize 1.9 that sealwax and the crates below it use, so that all
//! of them build with their wiping in place but without its effect.

#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::slice::IterMut;

#[cfg(feature = "zeroize_derive")]
pub use zeroize_derive::{Zeroize, ZeroizeOnDrop};

/// What the derives call.
#[doc(hidden)]
pub mod __internal {
    pub trait AssertZeroizeOnDrop {
        fn zeroize_or_on_drop(self);
    }

    impl<Z: super::ZeroizeOnDrop + ?Sized> AssertZeroizeOnDrop for &&mut Z {
        fn zeroize_or_on_drop(self) {}
    }

    pub trait AssertZeroize {
        fn zeroize_or_on_drop(&mut self);
    }

    impl<Z: super::Zeroize + ?Sized> AssertZeroize for Z {
        fn zeroize_or_on_drop(&mut self) {}
    }
}

pub trait Zeroize {
    fn zeroize(&mut self) {}
}

pub trait ZeroizeOnDrop {}

pub trait DefaultIsZeroes: Copy + Default + Sized {}

impl<Z: DefaultIsZeroes> Zeroize for Z {}

macro_rules! zeroes {
    ($($type:ty),*) => {$(impl DefaultIsZeroes for $type {})*};
}

zeroes!((), u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char, f32, f64);

impl<Z: Zeroize, const N: usize> Zeroize for [Z; N] {}
impl<Z: ZeroizeOnDrop, const N: usize> ZeroizeOnDrop for [Z; N] {}
impl<Z: Zeroize> Zeroize for IterMut<'_, Z> {}
impl<Z: Zeroize> Zeroize for Option<Z> {}
impl<Z> Zeroize for MaybeUninit<Z> {}
impl<Z: DefaultIsZeroes> Zeroize for [Z] {}
impl Zeroize for str {}
impl<Z: Zeroize> Zeroize for Vec<Z> {}
impl<Z: Zeroize> Zeroize for Box<[Z]> {}
impl Zeroize for Box<str> {}
impl Zeroize for String {}

pub struct Zeroizing<Z: Zeroize + ?Sized>(Z);

impl<Z: Zeroize> Zeroizing<Z> {
    pub fn new(value: Z) -> Self {
        Self(value)
    }
}

impl<Z: Zeroize + ?Sized> Deref for Zeroizing<Z> {
    type Target = Z;

    fn deref(&self) -> &Z {
        &self.0
    }
}

impl<Z: Zeroize + ?Sized> DerefMut for Zeroizing<Z> {
    fn deref_mut(&mut self) -> &mut Z {
        &mut self.0
    }
}

impl<Z: Zeroize + ?Sized> Zeroize for Zeroizing<Z> {}
impl<Z: Zeroize + ?Sized> ZeroizeOnDrop for Zeroizing<Z> {}

pub fn zeroize_stack<const N: usize>() {}

/// # Safety
///
/// None is needed: nothing is touched.
pub unsafe fn zeroize_flat_type<F: Sized>(_: *mut F) {}

pub fn optimization_barrier<T: ?Sized>(_: &T) {}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use core::arch::x86_64::{__m128i, __m256i};

    impl super::Zeroize for __m128i {}
    impl super::Zeroize for __m256i {}
}
