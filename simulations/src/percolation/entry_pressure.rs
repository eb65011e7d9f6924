//! The pressure at which the invading fluid enters a constriction.

use crate::FluidPair;

/// Capillary entry pressure in Pa of an opening of in-plane radius `radius_m`, by Young–Laplace:
///
/// p_c = γ cos θ (1/r + 2/h)
///
/// with the contact angle θ measured through the defending fluid, as everywhere in this crate. For θ < 90°,
/// p_c > 0 and the invading fluid must be pushed in. With θ measured through the invading fluid the law is
/// p_c = -γ cos θ (1/r + 2/h). The factor of 1/r is one because a two-dimensional meniscus has a single
/// curvature in the plane (a spherical one has two). 2/h is the curvature across a micromodel of depth
/// `depth_m` = h; leave it out for a truly two-dimensional medium.
///
/// The depth term is the same for all openings: it shifts the pressures but does not change their order.
///
/// # Units
/// SI units: input in metres, output in pascals. Use √d² from
/// [`Invasion::squared_radii`](super::Invasion::squared_radii) times the voxel size as r. d is the distance
/// to the centre of the nearest solid pixel, which exceeds the distance to its face by up to half a pixel.
pub fn entry_pressure_pa(fluids: &FluidPair, radius_m: f64, depth_m: Option<f64>) -> f64 {
    let curvature = 1.0 / radius_m + depth_m.map_or(0.0, |depth| 2.0 / depth);
    fluids.surface_tension * fluids.contact_angle_deg.to_radians().cos() * curvature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wetting_defender_resists_and_narrow_openings_resist_more() {
        let fluids = FluidPair { surface_tension: 0.03, contact_angle_deg: 60.0, ..FluidPair::default() };
        let wide = entry_pressure_pa(&fluids, 30e-6, None);
        assert!((wide - 500.0).abs() < 1e-9);
        assert!((entry_pressure_pa(&fluids, 15e-6, None) - 1000.0).abs() < 1e-9);
        assert!((entry_pressure_pa(&fluids, 30e-6, Some(60e-6)) - 1000.0).abs() < 1e-9);
        let reversed = FluidPair { contact_angle_deg: 120.0, ..fluids };
        assert!((entry_pressure_pa(&reversed, 30e-6, None) + wide).abs() < 1e-9);
    }
}
