//! Winograd's transforms of F(4, 3) for the points 0, ±3/4, ±3/2 and ∞.
//!
//! The textbook's ±1 and ±2 give powers of two, but in two dimensions three times the error.

use crate::simd::Simd;

/// Components of an axis.
pub(crate) const COMPONENTS: usize = 6;
/// Output pixels of a tile along an axis.
pub(crate) const SIDE: usize = 4;

const NEAR: f32 = 0.75;
const FAR: f32 = 1.5;
const NEAR_SQUARED: f32 = NEAR * NEAR;
const FAR_SQUARED: f32 = FAR * FAR;

/// G: values of the kernel's polynomial at the points, divided by the products of the points' distances.
pub(crate) const KERNEL_TO_COMPONENTS: [[f32; 3]; COMPONENTS] = {
    let near = 2.0 * NEAR_SQUARED * (NEAR_SQUARED - FAR_SQUARED);
    let far = 2.0 * FAR_SQUARED * (FAR_SQUARED - NEAR_SQUARED);
    [
        [1.0 / (NEAR_SQUARED * FAR_SQUARED), 0.0, 0.0],
        [1.0 / near, NEAR / near, NEAR_SQUARED / near],
        [1.0 / near, -NEAR / near, NEAR_SQUARED / near],
        [1.0 / far, FAR / far, FAR_SQUARED / far],
        [1.0 / far, -FAR / far, FAR_SQUARED / far],
        [0.0, 0.0, 1.0],
    ]
};

/// Bᵀ d
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn input<S: Simd>([d0, d1, d2, d3, d4, d5]: [S::Vector; 6]) -> [S::Vector; COMPONENTS] {
    // SAFETY: ensured by the caller.
    unsafe {
        let times = |factor: f32, a, b| S::fma(S::splat(factor), a, b);
        let (near_even, near_odd) = (times(-FAR_SQUARED, d2, d4), times(-FAR_SQUARED, d1, d3));
        let (far_even, far_odd) = (times(-NEAR_SQUARED, d2, d4), times(-NEAR_SQUARED, d1, d3));
        let (sum, product) = (NEAR_SQUARED + FAR_SQUARED, NEAR_SQUARED * FAR_SQUARED);
        [
            times(product, d0, times(-sum, d2, d4)),
            times(NEAR, near_odd, near_even),
            times(-NEAR, near_odd, near_even),
            times(FAR, far_odd, far_even),
            times(-FAR, far_odd, far_even),
            times(product, d1, times(-sum, d3, d5)),
        ]
    }
}

/// Aᵀ m
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn output<S: Simd>([m0, m1, m2, m3, m4, m5]: [S::Vector; COMPONENTS]) -> [S::Vector; SIDE] {
    // SAFETY: ensured by the caller.
    unsafe {
        let zero = S::splat(0.0);
        let (near_even, near_odd) = (S::add(m1, m2), S::sub(m1, m2));
        let (far_even, far_odd) = (S::add(m3, m4), S::sub(m3, m4));
        let both = |factors: [f32; 2], near, far, rest| {
            S::fma(S::splat(factors[0]), near, S::fma(S::splat(factors[1]), far, rest))
        };
        [
            S::add(m0, S::add(near_even, far_even)),
            both([NEAR, FAR], near_odd, far_odd, zero),
            both([NEAR_SQUARED, FAR_SQUARED], near_even, far_even, zero),
            both([NEAR * NEAR_SQUARED, FAR * FAR_SQUARED], near_odd, far_odd, m5),
        ]
    }
}
