//! The D2Q9 stencil: nine velocities on the square lattice.
//!
//! ```text
//!   7 4 8
//!   3 0 1   y points down the image, so that 2 is towards the next row
//!   6 2 5
//! ```
//!
//! w_0 = 4/9, w_1 to w_4 = 1/9, w_5 to w_8 = 1/36. Up to fourth order their moments are those of a Gaussian
//! of variance c_s² = 1/3. Differences weighted with them therefore have an isotropic leading error.
//!
//! # Units
//! Lattice units: lengths in sites, times in steps. Velocities must be far below c_s = 0.58.
//!
//! # References
//! Y. Qian, D. d'Humières, P. Lallemand, Europhysics Letters 17 (1992) 479: the lattice and its equilibrium.

/// Number of velocities.
pub(super) const Q: usize = 9;

/// Velocities e_i as (x, y).
pub(super) const VELOCITIES: [(isize, isize); Q] =
    [(0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)];

/// Weights w_i of the equilibrium at rest; Σ w_i e_i e_i = c_s² I with c_s² = 1/3.
pub(super) const WEIGHTS: [f64; Q] =
    [4.0 / 9.0, 1.0 / 9.0, 1.0 / 9.0, 1.0 / 9.0, 1.0 / 9.0, 1.0 / 36.0, 1.0 / 36.0, 1.0 / 36.0, 1.0 / 36.0];

/// The direction of -e_i.
pub(super) const OPPOSITE: [usize; Q] = [0, 3, 4, 1, 2, 7, 8, 5, 6];

/// One value for each velocity. Unlike `array::from_fn` it is always inlined, which keeps the inner loops
/// vectorised.
#[inline(always)]
pub(super) fn each<U>(value: impl Fn(usize) -> U) -> [U; Q] {
    [value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7), value(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_isotropic_to_fourth_order() {
        let moment = |px: i32, py: i32| -> f64 {
            let term = |i: usize| (VELOCITIES[i].0 as f64).powi(px) * (VELOCITIES[i].1 as f64).powi(py);
            (0..Q).map(|i| WEIGHTS[i] * term(i)).sum()
        };
        for (px, py, expected) in [
            (0, 0, 1.0),
            (1, 0, 0.0),
            (0, 1, 0.0),
            (2, 0, 1.0 / 3.0),
            (0, 2, 1.0 / 3.0),
            (1, 1, 0.0),
            (4, 0, 1.0 / 3.0),
            (0, 4, 1.0 / 3.0),
            (2, 2, 1.0 / 9.0),
            (3, 1, 0.0),
        ] {
            assert!((moment(px, py) - expected).abs() < 1e-15, "x^{px} y^{py}");
        }
    }

    #[test]
    fn opposites_cancel() {
        for i in 0..Q {
            let ((ax, ay), (bx, by)) = (VELOCITIES[i], VELOCITIES[OPPOSITE[i]]);
            assert_eq!((ax + bx, ay + by), (0, 0));
        }
    }
}
