//! Phase separation: recolouring after Latva-Kokko and Rothman.
//!
//! After collision the invading fluid receives its fraction C of every population and is pushed towards its
//! own side of the interface,
//!
//! f_i^inv = C f_i + β ρ C (1 - C) w_i e_i·n
//!
//! and the defending fluid receives the rest. Σ f_i^inv = ρC, so the mass of each fluid is conserved.
//!
//! At rest the recolouring flux, βρC(1 - C)n Σ w_i e_i e_i = ⅓ βρC(1 - C)n, balances the mixing by streaming,
//! which has a diffusivity of c_s²/2 = 1/6: dC/dx = 2βC(1 - C), so that C ≈ ½(1 + tanh βx). β is between 0
//! and [`MAX_SHARPNESS`]; above it a population could become negative.
//!
//! Latva-Kokko and Rothman use the cosine of the angle between e_i and n instead of e_i·n. On D2Q9 the flux
//! is then (2 + 1/√2)/3 = 0.902 times as large at the same β, and slightly less isotropic.
//!
//! Streaming therefore needs only the nine total populations, C and the vector V = βρC(1 - C)n. The
//! populations of each fluid are not stored: the mass of invading fluid that arrives at a site is
//!
//! ρC (x, t+1) = Σ_i [C f_i + w_i e_i·V](x - e_i, t)
//!
//! At a wall, both terms bounce back with their populations.
//!
//! # Units
//! Lattice units: f_i and V are mass per site; C and β are pure numbers.
//!
//! # Limits
//! With β = 0.7 the interface is 4 sites wide from C = 0.06 to 0.94; throats must be wider. Both fluids have
//! the same density.
//!
//! # References
//! M. Latva-Kokko, D. Rothman, Phys. Rev. E 71 (2005) 056702: the recolouring. S. Leclaire, A. Parmigiani, O.
//! Malaspinas, B. Chopard, J. Latt, Phys. Rev. E 95 (2017) 033306, equations 19 and 20: with the cosine. I.
//! Halliday, A. Hollis, C. Care, Phys. Rev. E 76 (2007) 026708; T. Spencer, I. Halliday, C. Care, Phys. Rev.
//! E 82 (2010) 066701, equation 69; M. Sedahmed, R. Coelho, Phys. Fluids 36 (2024) 092117, equation 17: with
//! e_i·n, as here.

use super::real::Real;
use super::stencil::{Q, WEIGHTS};

/// Largest β: beyond it β w_i |e_i| C(1 - C) exceeds C w_i along the diagonals.
pub const MAX_SHARPNESS: f64 = 0.7;

/// The mass of invading fluid that the terms w_i e_i·V bring, and take back at the walls: what arrives from the
/// neighbours x - e_i, and what bounces back. `wall_moment` is Σ w_i e_i over the walls.
#[inline(always)]
pub(super) fn gathered<T: Real>(x: [T; Q], y: [T; Q], wall_moment: [T; 2]) -> [T; 2] {
    let side = (x[1] - x[3]) + (y[2] - y[4]);
    let along = (x[5] - x[7]) + (y[5] - y[7]);
    let across = (y[6] - y[8]) - (x[6] - x[8]);
    let arriving = T::of(1.0 / 9.0) * side + T::of(1.0 / 36.0) * (along + across);
    [arriving, wall_moment[0] * x[0] + wall_moment[1] * y[0]]
}

/// Change of C by streaming.
///
/// It is exactly zero where all neighbours have the same C, so that pure fluids stay pure.
///
/// `h` are the populations that have streamed in, as deviations from w_i; `share` is C at x - e_i before streaming; `open`
/// is 0 where x - e_i is a wall that returns the population of x, else 1; `gathered` is the result of [`gathered`].
#[inline(always)]
pub(super) fn change<T: Real>(h: [T; Q], share: [T; Q], open: [T; Q], gathered: [T; 2]) -> T {
    let mut density = T::of(1.0) + h[0];
    let mut change = T::of(0.0);
    for i in 1..Q {
        density = density + h[i];
        change = change + open[i] * (share[i] - share[0]) * (h[i] + T::of(WEIGHTS[i]));
    }
    (change + gathered[0] - gathered[1]) / density
}

#[cfg(test)]
mod tests {
    use super::super::stencil::VELOCITIES;
    use super::*;

    #[test]
    fn a_pure_fluid_stays_pure_to_the_last_bit() {
        let h = std::array::from_fn(|i| 1e-3 * (i as f32 * 1.7).sin());
        let gathered = gathered([0.0; Q], [0.0; Q], [0.0; 2]);
        assert_eq!(change(h, [1.0_f32; Q], [1.0; Q], gathered), 0.0);
    }

    #[test]
    fn what_gathers_is_the_first_moment() {
        let x = VELOCITIES.map(|(x, _)| x as f64);
        let y = VELOCITIES.map(|(_, y)| y as f64);
        // Σ w_i e_i·e_i = 2/3
        let change = change([0.0; Q], [0.5; Q], [1.0; Q], gathered(x, y, [0.0; 2]));
        assert!((change - 2.0 / 3.0).abs() < 1e-15);
    }
}
