//! Exponential and logarithm in plain arithmetic, so that loops over them can be vectorised.

use std::f32::consts::{LN_2, LOG2_E};

/// A value that a closure consumes, which makes it `FnOnce`; see [`widest`].
pub(crate) struct Once;

/// Runs a loop compiled for the widest vectors of the processor. Functions that it calls must be
/// `inline(always)`.
///
/// The closure consumes a value so that it is only `FnOnce`. The compiler would put a closure that can be
/// called again into a separate function, which would not be inlined and so not compiled for these vectors.
macro_rules! widest {
    ($work:expr) => {{
        let once = $crate::exponential::Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let _once = once;
                $work
            },
        )
    }};
}
pub(crate) use widest;

/// e^x for |x| below 80, accurate to a few units in the last place: 2^k e^r with |r| ≤ ln 2 / 2, e^r by its
/// series to r⁷.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = x.clamp(-80.0, 80.0);
    // Adding and subtracting 1.5·2²³ rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let k = (x * LOG2_E + ROUND) - ROUND;
    // ln 2 is split in two parts such that k times the first part is exact.
    let r = (x - k * 0.693_359_4) + k * (0.693_359_4 - LN_2);
    let mut sum = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + factor;
    }
    let power = f32::from_bits((((k as i32) + 127) << 23) as u32);
    sum * power
}

/// ln x for positive normal x, accurate to a few units in the last place of the larger of 1 and the result. x
/// = 2^k m with m from √½ to √2, and ln m = 2 artanh s = 2 (s + s³/3 + … + s⁹/9) with s = (m - 1)/(m + 1).
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let bits = x.to_bits() as i32;
    // Bits of √½: subtracting them makes the exponent change there.
    const ROOT_HALF: i32 = 0x3f35_04f3;
    let k = (bits - ROOT_HALF) >> 23;
    let m = f32::from_bits((bits - (k << 23)) as u32);
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = 2.0 / 9.0;
    for factor in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        sum = sum * square + factor;
    }
    sum * s + k as f32 * LN_2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn both_equal_those_of_the_standard_library(x in -79.0f32..79.0) {
            let expected = f64::from(x).exp();
            prop_assert!((f64::from(exp(x)) / expected - 1.0).abs() < 4e-7, "{} {}", exp(x), expected);
            let y = expected as f32;
            let error = (f64::from(ln(y)) - f64::from(y).ln()).abs();
            prop_assert!(error < 4e-7 * f64::from(y).ln().abs().max(1.0), "{y} {error}");
        }
    }

    #[test]
    fn whole_powers_are_exact() {
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
        assert!(exp(-1000.0) < 1e-34);
    }
}
