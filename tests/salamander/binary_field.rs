//! GF(2^128) in GHASH's representation (SP 800-38D §6.3): the first bit of a block is the
//! coefficient of x^0.

use core::ops::{Add, Mul};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element(pub(crate) u128);

impl Element {
    pub(crate) const ZERO: Self = Self(0);
    const ONE: Self = Self(1 << 127);

    pub(crate) fn power(self, exponent: usize) -> Self {
        (0..exponent).fold(Self::ONE, |power, _| power * self)
    }

    /// x^(2^128 − 2), which is the product of x^2, x^4, … x^(2^127).
    pub(crate) fn inverse(self) -> Self {
        let squares = core::iter::successors(Some(self * self), |square| Some(*square * *square));
        squares.take(127).fold(Self::ONE, |product, square| product * square)
    }
}

impl Add for Element {
    type Output = Self;

    #[expect(clippy::suspicious_arithmetic_impl, reason = "bits are added without carries")]
    fn add(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

impl Mul for Element {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let (mut product, mut shifted) = (0, self.0);
        for bit in (0..128).rev() {
            if other.0 >> bit & 1 == 1 {
                product ^= shifted;
            }
            // Multiplies by x, modulo x^128 + x^7 + x^2 + x + 1.
            shifted = shifted >> 1 ^ if shifted & 1 == 1 { 0xe1 << 120 } else { 0 };
        }
        Self(product)
    }
}

#[test]
fn it_is_a_field() {
    let [a, b, c] =
        [0x0388_dace_60b6_a392_f328_c2b9_71b2_fe78, 0x66e9_4bd4_ef8a_2c3b_884c_fa59_ca34_2b2e, 3]
            .map(Element);
    // GCM's test case 2: the ciphertext block times the hash key.
    assert_eq!(a * b, Element(0x5e2e_c746_9170_6288_2c85_b068_5353_deb7));
    assert_eq!((a * b, a * (b + c)), (b * a, a * b + a * c));
    for element in [a, b, c, Element::ONE] {
        assert_eq!(element * element.inverse(), Element::ONE);
    }
    assert_eq!(c.power(3), c * c * c);
}
