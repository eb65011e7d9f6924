//! Activations, fused with a norm or alone.

use rayon::prelude::*;

use crate::simd::{Kernel, Level, Simd};

/// The function applied after a norm, element by element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// z
    #[default]
    Identity,
    /// max(z, 0)
    Relu,
    /// z / (1 + exp(-z)), also called swish.
    Silu,
}

/// An activation as a type, so that loops are compiled separately for each.
pub(crate) trait Function: Copy + Send + Sync {
    fn value(z: f32) -> f32;
    fn slope(z: f32) -> f32;
}

#[derive(Clone, Copy)]
pub(crate) struct Identity;

impl Function for Identity {
    #[inline(always)]
    fn value(z: f32) -> f32 {
        z
    }
    #[inline(always)]
    fn slope(_: f32) -> f32 {
        1.0
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value(z: f32) -> f32 {
        // This order of comparison preserves NaN.
        if z < 0.0 { 0.0 } else { z }
    }
    #[inline(always)]
    fn slope(z: f32) -> f32 {
        if z > 0.0 { 1.0 } else { 0.0 }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn value(z: f32) -> f32 {
        z / (1.0 + exp(-z))
    }
    #[inline(always)]
    fn slope(z: f32) -> f32 {
        let sigmoid = 1.0 / (1.0 + exp(-z));
        sigmoid * (1.0 + z * (1.0 - sigmoid))
    }
}

/// Values that a thread rectifies at a time.
const CHUNK: usize = 1 << 14;

/// max(x, 0) in place; NaN stays NaN.
pub(crate) fn rectify(level: Level, x: &mut [f32]) {
    x.par_chunks_mut(CHUNK).for_each(|x| level.run(Rectify(x)));
}

/// Sets the gradients to zero where the output of [`rectify`] is.
pub(crate) fn rectify_gradient(level: Level, out: &[f32], gradient: &mut [f32]) {
    assert_eq!(out.len(), gradient.len());
    let parts = gradient.par_chunks_mut(CHUNK).zip(out.par_chunks(CHUNK));
    parts.for_each(|(gradient, out)| level.run(RectifyGradient { out, gradient }));
}

struct Rectify<'a>(&'a mut [f32]);

impl Kernel for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for x in self.0 {
            *x = Relu::value(*x);
        }
    }
}

struct RectifyGradient<'a> {
    out: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for RectifyGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (gradient, &out) in self.gradient.iter_mut().zip(self.out) {
            *gradient = if out > 0.0 { *gradient } else { 0.0 };
        }
    }
}

/// eˣ accurate to about 2 units in the last place, without branches or calls, so that loops over it can be
/// vectorised. Saturates at e⁻⁸⁷ and e⁸⁸.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // x = k ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 · 2²³ rounds to an integer, which is then in the low
    // bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = x - k * 0.693_359_4 + k * 2.121_944_4e-4;
    let mut sum = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + coefficient;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    sum * f32::from_bits(exponent << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_accurate() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let expected = (x as f64).exp();
            assert!((exp(x) as f64 / expected - 1.0).abs() < 3e-7, "exp({x}) = {}", exp(x));
        }
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn slopes_are_the_derivatives() {
        for i in -40..40 {
            let z = i as f32 / 5.0 + 0.1;
            for (value, slope) in [
                (Relu::value as fn(f32) -> f32, Relu::slope as fn(f32) -> f32),
                (Silu::value, Silu::slope),
                (Identity::value, Identity::slope),
            ] {
                let step = 1e-2;
                let difference = (value(z + step) - value(z - step)) / (2.0 * step);
                assert!((difference - slope(z)).abs() < 2e-3, "{z}: {difference} {}", slope(z));
            }
        }
    }
}
