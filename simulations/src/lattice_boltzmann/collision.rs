//! Multiple-relaxation-time collision with Guo's forcing.
//!
//! Populations are stored as deviations h_i = f_i - w_i from fluid at rest with density 1. Single precision
//! then resolves pressures and velocities that are small compared with 1.
//!
//! Each moment m of the populations relaxes to its equilibrium at its own rate,
//!
//! m* = m + s (m_eq - m) + (1 - s/2) S
//!
//! m_eq are the moments of the equilibrium f_i^eq = w_i ρ (1 + 3 e_i·u + 9/2 (e_i·u)² - 3/2 u²) and S those
//! of the force term F_i = w_i [3 (e_i - u) + 9 (e_i·u) e_i]·F. In the order and normalisation of Lallemand &
//! Luo (2000),
//!
//! | moment | equilibrium m_eq | force S | rate |
//! |---|---|---|---|
//! | ρ | ρ | 0 | conserved |
//! | e (energy) | -2ρ + 3ρu² | 6 u·F | [`BULK_RATE`] |
//! | ε (energy squared) | ρ - 3ρu² | -6 u·F | [`BULK_RATE`] |
//! | j | ρu | F | conserved up to F |
//! | q (energy flux) | -ρu | -F | s_q |
//! | p_xx | ρ(u_x² - u_y²) | 2(u_x F_x - u_y F_y) | s_ν |
//! | p_xy | ρ u_x u_y | u_x F_y + u_y F_x | s_ν |
//!
//! ρu = Σ e_i f_i + F/2, and s_ν = 1/(3ν + 1/2). In the interface 1/ν = C/ν_i + (1 - C)/ν_d, the harmonic
//! mean of the viscosities of the invading and the defending fluid. The rate s_q = 8(2 - s_ν)/(8 - s_ν) makes
//! (1/s_ν - 1/2)(1/s_q - 1/2) = Λ = 3/16. With this Λ, half-way bounce-back places the wall exactly half-way
//! between sites for Poiseuille flow along the lattice, at any viscosity.
//!
//! # Units
//! Lattice units: f_i, e, ε are mass per site, j and q momentum, F momentum per site and step, ν sites² per
//! step.
//!
//! # Limits
//! ν from 0.005 to 1 (τ = 1/s_ν from 0.515 to 3.5): less viscous fluids are near the limit of stability, more
//! viscous ones slip at staircase walls. Speeds must be far below the speed of sound, 0.58, because the
//! equilibrium is truncated after u².
//!
//! # References
//! P. Lallemand, L.-S. Luo, Phys. Rev. E 61 (2000) 6546: the moments; Y. Ba, H. Liu, Q. Li, Q. Kang, J. Sun,
//! Phys. Rev. E 94 (2016) 023310, equations 11 to 13: in a colour-gradient model. Z. Guo, C. Zheng, B. Shi,
//! Phys. Rev. E 65 (2002) 046308, equations 20 and 19: the force term, and the velocity with half the force.
//! I. Ginzburg, D. d'Humières, Phys. Rev. E 68 (2003) 066614, equations 41 to 43: the rate s_q (their Λ² is
//! 4/3 of Λ, and 1/4). S. Leclaire, A. Parmigiani, O. Malaspinas, B. Chopard, J. Latt, Phys. Rev. E 95 (2017)
//! 033306, equations 13 and 14: ν in the interface and its rate; equation 4 is the equilibrium, here without
//! its terms in ∇ρ, which go with a density ratio.

use super::real::Real;
use super::stencil::Q;

/// Relaxation rate of the energy moments. It sets the bulk viscosity, which affects only sound waves.
pub(super) const BULK_RATE: f64 = 1.25;

/// Density (as a deviation from 1) and Σ e_i f_i.
#[inline(always)]
pub(super) fn density_and_momentum<T: Real>(h: [T; Q]) -> (T, T, T) {
    let [h0, h1, h2, h3, h4, h5, h6, h7, h8] = h;
    let density = h0 + ((h1 + h3) + (h2 + h4)) + ((h5 + h7) + (h6 + h8));
    let (along, across) = (h5 - h7, h6 - h8);
    (density, (h1 - h3) + (along - across), (h2 - h4) + (along + across))
}

/// The populations after collision.
///
/// # Units
/// Lattice units; `force` per volume, `fluidity` is 1/ν.
#[inline(always)]
pub(super) fn collide<T: Real>(h: [T; Q], force: [T; 2], fluidity: T) -> [T; Q] {
    let n = |value: f64| T::of(value);
    let [h0, h1, h2, h3, h4, h5, h6, h7, h8] = h;
    let [fx, fy] = force;

    let (sum13, sum24, sum57, sum68) = (h1 + h3, h2 + h4, h5 + h7, h6 + h8);
    let (sides, corners) = (sum13 + sum24, sum57 + sum68);
    let density = h0 + sides + corners;
    let e = corners + corners - sides - n(4.0) * h0;
    let eps = corners - sides - sides + n(4.0) * h0;
    let pxx = sum13 - sum24;
    let pxy = sum57 - sum68;
    let (side_x, side_y) = (h1 - h3, h2 - h4);
    let (along, across) = (h5 - h7, h6 - h8);
    let (corner_x, corner_y) = (along - across, along + across);
    let (jx, jy) = (side_x + corner_x, side_y + corner_y);
    let (qx, qy) = (corner_x - side_x - side_x, corner_y - side_y - side_y);

    let rho = density + n(1.0);
    let (mx, my) = (jx + n(0.5) * fx, jy + n(0.5) * fy);
    let inverse_rho = n(1.0) / rho;
    let (ux, uy) = (mx * inverse_rho, my * inverse_rho);
    // s_ν = 1/(3ν + 1/2) and s_q = 8(2 - s_ν)/(8 - s_ν), with one division for both.
    let (shear_divisor, flux_divisor) = (n(0.5) * fluidity + n(3.0), fluidity + n(8.0));
    let inverse = n(1.0) / (shear_divisor * flux_divisor);
    let shear_rate = fluidity * flux_divisor * inverse;
    let flux_rate = n(16.0) * shear_divisor * inverse;

    let kinetic = n(3.0) * (mx * ux + my * uy);
    let work = n(6.0 * (1.0 - 0.5 * BULK_RATE)) * (ux * fx + uy * fy);
    let e = e + n(BULK_RATE) * (kinetic - density - density - e) + work;
    let eps = eps + n(BULK_RATE) * (density - kinetic - eps) - work;
    let (qx, qy) =
        (qx - flux_rate * (mx + qx - n(0.5) * fx) - fx, qy - flux_rate * (my + qy - n(0.5) * fy) - fy);
    let shear_half = n(1.0) - n(0.5) * shear_rate;
    let pxx = pxx + shear_rate * (mx * ux - my * uy - pxx) + n(2.0) * shear_half * (ux * fx - uy * fy);
    let pxy = pxy + shear_rate * (mx * uy - pxy) + shear_half * (ux * fy + uy * fx);
    let (jx, jy) = (jx + fx, jy + fy);

    let mean = n(1.0 / 9.0) * density;
    let side = mean - n(1.0 / 36.0) * (e + eps + eps);
    let corner = mean + n(1.0 / 36.0) * (e + e + eps);
    let (side_x, side_y) = (n(1.0 / 6.0) * (jx - qx), n(1.0 / 6.0) * (jy - qy));
    let (corner_x, corner_y) = (n(1.0 / 12.0) * (jx + jx + qx), n(1.0 / 12.0) * (jy + jy + qy));
    let (along, across) = (corner_x + corner_y, corner_y - corner_x);
    let (pxx, pxy) = (n(0.25) * pxx, n(0.25) * pxy);
    let (side_h, side_v) = (side + pxx, side - pxx);
    let (corner_p, corner_m) = (corner + pxy, corner - pxy);
    [
        mean - n(1.0 / 9.0) * (e - eps),
        side_h + side_x,
        side_v + side_y,
        side_h - side_x,
        side_v - side_y,
        corner_p + along,
        corner_m + across,
        corner_p - along,
        corner_m - across,
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stencil::{VELOCITIES, WEIGHTS};
    use super::*;

    fn equilibrium(rho: f64, u: [f64; 2]) -> [f64; Q] {
        std::array::from_fn(|i| {
            let (ex, ey) = (VELOCITIES[i].0 as f64, VELOCITIES[i].1 as f64);
            let (eu, uu) = (ex * u[0] + ey * u[1], u[0] * u[0] + u[1] * u[1]);
            WEIGHTS[i] * (rho * (1.0 + 3.0 * eu + 4.5 * eu * eu - 1.5 * uu) - 1.0)
        })
    }

    fn populations() -> impl Strategy<Value = [f64; Q]> {
        prop::array::uniform9(-0.01..0.01)
    }

    proptest! {
        #[test]
        fn collision_conserves_mass_and_adds_the_force_to_momentum(
            h in populations(), fx in -1e-3..1e-3, fy in -1e-3..1e-3, fluidity in 1.0..200.0,
        ) {
            let (before, after) = (density_and_momentum(h), density_and_momentum(collide(h, [fx, fy], fluidity)));
            prop_assert!((after.0 - before.0).abs() < 1e-15);
            prop_assert!((after.1 - before.1 - fx).abs() < 1e-15);
            prop_assert!((after.2 - before.2 - fy).abs() < 1e-15);
        }

        #[test]
        fn equilibrium_is_a_fixed_point(rho in 0.9..1.1, ux in -0.1..0.1, uy in -0.1..0.1, fluidity in 1.0..200.0) {
            // The table of equilibrium moments contains every term of these polynomials up to second order in
            // u.
            let h = equilibrium(rho, [ux, uy]);
            for (before, after) in h.iter().zip(collide(h, [0.0, 0.0], fluidity)) {
                prop_assert!((before - after).abs() < 1e-14);
            }
        }

        #[test]
        fn shear_stress_decays_at_the_rate_of_the_viscosity(nu in 0.005..1.0) {
            let mut h: [f64; Q] = equilibrium(1.0, [0.0, 0.0]);
            (h[5], h[6], h[7], h[8]) = (1e-3, -1e-3, 1e-3, -1e-3);
            let after: [f64; Q] = collide(h, [0.0, 0.0], 1.0 / nu);
            let rate: f64 = 1.0 - (after[5] - after[6]) / (h[5] - h[6]);
            let expected: f64 = 1.0 / (3.0 * nu + 0.5);
            prop_assert!((rate - expected).abs() < 1e-12);
        }
    }
}
