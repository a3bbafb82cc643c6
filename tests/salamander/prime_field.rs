//! The integers modulo 2^130 − 5, as Poly1305 uses them (RFC 8439 §2.5).

use core::ops::{Add, Mul, Sub};

/// The number high × 2^128 + low, which is less than the prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) high: u128,
    pub(crate) low: u128,
}

const PRIME: Element = Element { high: 3, low: u128::MAX - 4 };

impl Element {
    pub(crate) const ZERO: Self = Self { high: 0, low: 0 };
    const ONE: Self = Self { high: 0, low: 1 };

    pub(crate) fn new(high: u128, low: u128) -> Self {
        Self { high, low }.reduced()
    }

    /// Reduces a number that is less than twice the prime.
    fn reduced(self) -> Self {
        if (self.high, self.low) < (PRIME.high, PRIME.low) { self } else { self.minus(PRIME) }
    }

    fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { high: self.high - other.high - u128::from(borrow), low }
    }

    fn bit(self, place: u32) -> bool {
        let half = if place < 128 { self.low } else { self.high };
        half >> (place % 128) & 1 == 1
    }

    pub(crate) fn power(self, exponent: usize) -> Self {
        (0..exponent).fold(Self::ONE, |power, _| power * self)
    }

    /// x^(p − 2).
    pub(crate) fn inverse(self) -> Self {
        let exponent = PRIME.minus(Self { high: 0, low: 2 });
        (0..130).rev().fold(Self::ONE, |power, place| {
            let square = power * power;
            if exponent.bit(place) { square * self } else { square }
        })
    }
}

impl Add for Element {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self { high: self.high + other.high + u128::from(carry), low }.reduced()
    }
}

impl Sub for Element {
    type Output = Self;

    #[expect(clippy::suspicious_arithmetic_impl, reason = "subtracting is adding the negative")]
    fn sub(self, other: Self) -> Self {
        self + PRIME.minus(other).reduced()
    }
}

impl Mul for Element {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        (0..130).rev().fold(Self::ZERO, |product, place| {
            let doubled = product + product;
            if other.bit(place) { doubled + self } else { doubled }
        })
    }
}

#[test]
fn it_is_a_field() {
    let a = Element::new(2, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let b = Element::new(0, u128::MAX);
    let c = Element::new(3, u128::MAX - 5);
    // −1 × −1, and 2^128 × 4, which is five more than the prime.
    assert_eq!(c * c, Element::ONE);
    assert_eq!(Element::new(1, 0) * Element::new(0, 4), Element::new(0, 5));
    assert_eq!((a * b, a * (b + c)), (b * a, a * b + a * c));
    for element in [a, b, c, Element::ONE] {
        assert_eq!(element * element.inverse(), Element::ONE);
        assert_eq!((element - b + b, element - element), (element, Element::ZERO));
    }
    assert_eq!(a.power(3), a * a * a);
}
