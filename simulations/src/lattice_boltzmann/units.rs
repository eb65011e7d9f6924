//! Conversion between physical and lattice units.
//!
//! The lattice reproduces the geometry, the contact angle, the capillary number Ca = μ_i q/σ and the
//! viscosity ratio M = μ_i/μ_d. Lengths scale with the edge of a site, time with the injected volume,
//! pressure with σ over a length. The Reynolds and Laplace numbers are not matched: inertia is assumed
//! negligible in both the physical and the lattice flow, and so is the density difference (both fluids have
//! density 1). [`Units::reynolds_number`] tells how well the lattice satisfies this.
//!
//! One viscosity and the tension are free. Both are chosen such that few steps are needed and
//!
//! - the density changes along the domain by at most [`MAX_COMPRESSION`]. By Darcy's law it changes by 3 ν q
//!   L/k. The permeability k is estimated as that of slits, k = φ w²/24, with w four times the mean distance
//!   to the wall. Fluid injected while the pressure builds up is stored in this compression, so that
//!   saturation lags behind the injected volume by about half as much;
//! - the Reynolds number q w/ν of the less viscous fluid is at most [`MAX_REYNOLDS`];
//! - q ≤ [`PREFERRED_VELOCITY`], σ ≤ [`PREFERRED_TENSION`], and the viscosities lie in their preferred range.
//!
//! [`slowdown`](LatticeBoltzmannConfig::slowdown) then divides the tension, and with it the velocity, the compression and the
//! Reynolds number.
//!
//! With Δx the edge of a site, Δt the time step, q and σ in SI units, q_lu and σ_lu in lattice units:
//!
//! Δt = q_lu Δx/q,  p_unit = σ/(σ_lu Δx),  p = p_unit (ρ - 1)/3,  q_lu = Ca σ_lu/ν_i
//!
//! # Limits
//! Ca from about 1e-3 to 0.1, M from 1/100 to 100, equal densities, throats of at least 4 sites. Settings
//! outside the limits of the lattice are an error, which names the nearest value that works.
//!
//! # References
//! R. Lenormand, E. Touboul, C. Zarcone, J. Fluid Mech. 189 (1988) 165: the plane of Ca and M. Darcy's law
//! ⟨u⟩ = k F/ν and Poiseuille's k = w²/12 of a slit give the compression.

use porecast_base::Checks;

use super::config::{Injection, LatticeBoltzmannConfig};
use super::two_phase::LatticeFluids;
use crate::domain::connectivity::{no_path, percolates};
use crate::domain::distance::squared_distance;
use crate::{Domain, FluidPair, Result, Side};

/// Preferred injection velocity. In throats and during interface jumps the fluid is about ten times faster;
/// this must stay well below the speed of sound, 0.58.
const PREFERRED_VELOCITY: f64 = 0.004;
/// Highest injection velocity accepted.
const MAX_VELOCITY: f64 = 0.02;
/// Preferred tension. The densities of the fluids differ by 3σ/R, which must stay well below 1.
const PREFERRED_TENSION: f64 = 0.03;
/// Highest tension accepted.
const MAX_TENSION: f64 = 0.1;
/// Largest preferred relative change of the density along the domain.
const MAX_COMPRESSION: f64 = 0.025;
/// Largest preferred Reynolds number.
const MAX_REYNOLDS: f64 = 1.0;
/// Lowest preferred viscosity, τ = 0.55.
const PREFERRED_MIN_VISCOSITY: f64 = 1.0 / 60.0;
/// Highest preferred viscosity, τ = 1.5.
const PREFERRED_MAX_VISCOSITY: f64 = 0.5;
/// Lowest viscosity accepted, τ = 0.515: below it the collision is near its limit of stability.
const MIN_VISCOSITY: f64 = 0.005;
/// Highest viscosity accepted, τ = 3.5: above it the slip at staircase walls becomes large.
const MAX_VISCOSITY: f64 = 1.0;
/// Width of the interface in sites, between C = 0.06 and C = 0.94 for the sharpness used.
const INTERFACE_WIDTH: f64 = 4.0;

/// Conversion factors for one domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Units {
    /// Edge of a site in metres.
    pub length_m: f64,
    /// Time step in seconds.
    pub time_s: f64,
    /// Unit of pressure in pascals.
    pub pressure_pa: f64,
    /// Injection velocity q in lattice units, over the whole cross-section.
    pub velocity_lu: f64,
    /// The fluids in lattice units.
    pub fluids: LatticeFluids,
    /// Capillary number μ_i q/σ.
    pub capillary_number: f64,
    /// Viscosity of the invading over that of the defending fluid.
    pub viscosity_ratio: f64,
    /// Time steps needed to inject one pore volume.
    pub steps_per_pore_volume: f64,
    /// Width in sites of the bottleneck of the widest path from inlet to outlet.
    pub throat_width_lu: f64,
}

/// Most lattice sites along the edge of a pixel that are tried.
const MOST_SITES: usize = 8;

impl Units {
    /// The configuration with the fewest lattice sites along the edge of a pixel, at most 8, that resolve the throats of the
    /// domain, and its lattice parameters.
    ///
    /// # Errors
    /// As [`new`](Self::new), for the most sites.
    pub fn resolving(
        domain: &Domain,
        inlet: Side,
        fluids: &FluidPair,
        config: &LatticeBoltzmannConfig,
    ) -> Result<(LatticeBoltzmannConfig, Self)> {
        let with = |sites_per_pixel| {
            let config = LatticeBoltzmannConfig { sites_per_pixel, ..*config };
            Self::new(domain, inlet, fluids, &config).map(|units| (config, units))
        };
        (1..MOST_SITES).find_map(|sites| with(sites).ok()).map_or_else(|| with(MOST_SITES), Ok)
    }

    /// Chooses lattice parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind) with every reason why the settings cannot be simulated and the
    /// nearest settings that can. [`ErrorKind::Simulation`](crate::ErrorKind) if the domain has no path from
    /// the inlet to the outlet.
    pub fn new(
        domain: &Domain,
        inlet: Side,
        fluids: &FluidPair,
        config: &LatticeBoltzmannConfig,
    ) -> Result<Self> {
        let mut checks = Checks(config.problems());
        for (key, value) in [
            ("voxel_size_m", domain.voxel_size_m),
            ("surface_tension", fluids.surface_tension),
            ("viscosity_invading", fluids.viscosity_invading),
            ("viscosity_defending", fluids.viscosity_defending),
        ] {
            checks.positive(key, value);
        }
        checks.range("contact_angle_deg", fluids.contact_angle_deg, 0.0, 180.0);
        checks.into_result()?;
        let throat_width_lu = throat_width(domain, inlet)? * config.sites_per_pixel as f64;
        let cross_section_m = domain.voxel_size_m
            * match inlet {
                Side::Top | Side::Bottom => domain.shape().1,
                Side::Left | Side::Right => domain.shape().0,
            } as f64;
        let ratio = config.viscosity_ratio.unwrap_or(fluids.viscosity_invading / fluids.viscosity_defending);
        let viscosity_invading_pa_s = ratio * fluids.viscosity_defending;
        let capillary_velocity = fluids.surface_tension / viscosity_invading_pa_s;
        let (capillary_number, velocity_m_per_s) = match config.injection {
            Injection::CapillaryNumber(number) => (number, number * capillary_velocity),
            Injection::RateM2PerS(rate) => {
                let velocity = rate / cross_section_m;
                (velocity / capillary_velocity, velocity)
            }
        };

        let shape = domain.shape();
        let length_lu = config.sites_per_pixel as f64
            * match inlet {
                Side::Top | Side::Bottom => shape.0,
                Side::Left | Side::Right => shape.1,
            } as f64;
        // Viscosities divided by that of the less viscous fluid.
        let (invading, thick) = (ratio.max(1.0), ratio.max(1.0 / ratio));
        let compression = 3.0 * capillary_number * length_lu * thick
            / (invading * slit_permeability(domain) * (config.sites_per_pixel as f64).powi(2));
        let surface_tension =
            config.surface_tension_lu.unwrap_or((MAX_COMPRESSION / compression).min(PREFERRED_TENSION));
        let momentum = capillary_number * surface_tension / invading;
        let thin = config.viscosity_lu.map_or_else(
            || {
                let calm = (momentum * throat_width_lu / MAX_REYNOLDS).sqrt();
                calm.max(momentum / PREFERRED_VELOCITY)
                    .max(PREFERRED_MIN_VISCOSITY)
                    .min((PREFERRED_MAX_VISCOSITY / thick).max(MIN_VISCOSITY))
            },
            |given| given / thick,
        );
        let surface_tension = surface_tension / config.slowdown;
        let viscosity_invading = thin * invading;
        let viscosity_defending = viscosity_invading / ratio;
        let velocity_lu = capillary_number * surface_tension / viscosity_invading;
        let units = Self {
            length_m: domain.voxel_size_m / config.sites_per_pixel as f64,
            time_s: velocity_lu * domain.voxel_size_m / config.sites_per_pixel as f64 / velocity_m_per_s,
            pressure_pa: fluids.surface_tension / surface_tension
                * (config.sites_per_pixel as f64 / domain.voxel_size_m),
            velocity_lu,
            fluids: LatticeFluids {
                viscosity_invading,
                viscosity_defending,
                surface_tension,
                ..LatticeFluids::default()
            },
            capillary_number,
            viscosity_ratio: ratio,
            steps_per_pore_volume: domain.pore_count() as f64 * (config.sites_per_pixel as f64).powi(2)
                / (velocity_lu * cross_section_m / domain.voxel_size_m * config.sites_per_pixel as f64),
            throat_width_lu,
        };
        units.checks(config).into_result()?;
        Ok(units)
    }

    /// Width of the interface in sites, between C = 0.06 and C = 0.94.
    pub const INTERFACE_WIDTH_LU: f64 = INTERFACE_WIDTH;

    /// Relaxation times τ = 3ν + 1/2 of the invading and of the defending fluid.
    pub fn relaxation_times(&self) -> [f64; 2] {
        [self.fluids.viscosity_invading, self.fluids.viscosity_defending]
            .map(|viscosity| 3.0 * viscosity + 0.5)
    }

    /// Reynolds number q w/ν with the throat width and the viscosity of the less viscous fluid. Inertia is
    /// small below about 1.
    pub fn reynolds_number(&self) -> f64 {
        let thin = self.fluids.viscosity_invading.min(self.fluids.viscosity_defending);
        self.velocity_lu * self.throat_width_lu / thin
    }

    /// Violated limits of the lattice.
    fn checks(&self, config: &LatticeBoltzmannConfig) -> Checks {
        let mut checks = Checks::default();
        let LatticeFluids { viscosity_invading, viscosity_defending, surface_tension, .. } = self.fluids;
        let (thin, thick) =
            (viscosity_invading.min(viscosity_defending), viscosity_invading.max(viscosity_defending));
        let relaxation_time = 3.0 * thin + 0.5;
        let (spread, widest) = (thick / thin, MAX_VISCOSITY / MIN_VISCOSITY);
        if spread > widest {
            let nearest = if self.viscosity_ratio < 1.0 { 1.0 / widest } else { widest };
            checks.add(
                "viscosity_ratio",
                format!(
                    "{} is out of reach: one fluid would be too thin to be stable or the other so thick that it \
                     slips; the nearest that works is {nearest}",
                    self.viscosity_ratio
                ),
            );
        } else if thick > MAX_VISCOSITY {
            checks.add(
                "viscosity_lu",
                format!("{thick:.4} lets fluid slip at walls; the nearest that works is {MAX_VISCOSITY}"),
            );
        } else if thin < MIN_VISCOSITY {
            checks.add(
                "viscosity_lu",
                format!(
                    "the thinner fluid has a relaxation time of {relaxation_time:.4}, unstable below 0.515; \
                     the nearest that works is {:.4}",
                    MIN_VISCOSITY * spread
                ),
            );
        }
        if self.velocity_lu > MAX_VELOCITY {
            let nearest = surface_tension * MAX_VELOCITY / self.velocity_lu;
            checks.add(
                "surface_tension_lu",
                format!(
                    "{surface_tension} makes an injection velocity of {:.4} sites a step, too near to the \
                    speed of sound; the nearest that works is {nearest:.2e}",
                    self.velocity_lu
                ),
            );
        }
        if surface_tension > MAX_TENSION {
            checks.add(
                "surface_tension_lu",
                format!(
                    "{surface_tension} compresses the fluids too much; the nearest that works is {MAX_TENSION}"
                ),
            );
        }
        if self.throat_width_lu < INTERFACE_WIDTH {
            let pixels = self.throat_width_lu / config.sites_per_pixel as f64;
            let nearest = (INTERFACE_WIDTH / pixels).ceil();
            checks.add(
                "sites_per_pixel",
                format!(
                    "the narrowest place on the widest path is {pixels:.1} pixels or {:.1} sites wide, \
                    the interface {INTERFACE_WIDTH} sites; the nearest that works is {nearest}",
                    self.throat_width_lu
                ),
            );
        }
        checks
    }
}

/// Permeability in pixels² of slits with the mean pore width and a tortuosity of 2.
fn slit_permeability(domain: &Domain) -> f64 {
    let squared = squared_distance(&domain.solid);
    let half_pixel = 0.5;
    // Without solid the distance is not meaningful; the side walls bound it.
    let widest = 0.25 * domain.shape().0.min(domain.shape().1) as f64;
    let distances = squared.iter().filter(|&&squared| squared > 0);
    let sum: f64 = distances.map(|&squared| (f64::from(squared).sqrt() - half_pixel).min(widest)).sum();
    let width = 4.0 * sum / domain.pore_count().max(1) as f64;
    domain.porosity() * width * width / 24.0
}

/// Width in pixels of the bottleneck of the widest path from inlet to outlet.
fn throat_width(domain: &Domain, inlet: Side) -> Result<f64> {
    let squared = squared_distance(&domain.solid);
    let passes = |least: u32| {
        let solid = squared.map(|&squared| squared < least);
        percolates(&Domain { solid, voxel_size_m: domain.voxel_size_m }, inlet)
    };
    if !passes(1) {
        return Err(no_path(inlet));
    }
    let mut levels: Vec<u32> = squared.iter().copied().filter(|&squared| squared > 0).collect();
    levels.sort_unstable();
    levels.dedup();
    let widest = levels.partition_point(|&level| passes(level));
    Ok(2.0 * f64::from(levels[widest - 1]).sqrt() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(width: usize) -> Domain {
        let solid = ndarray::Array2::from_shape_fn((40, 30), |(_, x)| x < 4 || x >= 4 + width);
        Domain { solid, voxel_size_m: 1e-5 }
    }

    fn reasons(config: &LatticeBoltzmannConfig, fluids: &FluidPair, width: usize) -> String {
        Units::new(&channel(width), Side::Top, fluids, config).unwrap_err().to_string()
    }

    #[test]
    fn numbers_are_those_that_were_asked_for() {
        let fluids = FluidPair::default();
        let rate = 1e-6;
        let config = LatticeBoltzmannConfig { injection: Injection::RateM2PerS(rate), ..Default::default() };
        let units = Units::new(&channel(9), Side::Top, &fluids, &config).unwrap();
        let velocity = rate / 30e-5;
        assert!(
            (units.capillary_number - velocity * fluids.viscosity_invading / fluids.surface_tension).abs()
                < 1e-12
        );
        let lattice = units.velocity_lu * units.fluids.viscosity_invading / units.fluids.surface_tension;
        assert!((lattice / units.capillary_number - 1.0).abs() < 1e-12);
        assert!((units.velocity_lu * units.length_m / units.time_s / velocity - 1.0).abs() < 1e-12);
        // Laplace pressure at a radius of one site.
        let pressure = units.fluids.surface_tension * units.pressure_pa;
        assert!((pressure / (fluids.surface_tension / units.length_m) - 1.0).abs() < 1e-12);
        assert_eq!(units.throat_width_lu, 9.0);
        let seconds = units.steps_per_pore_volume * units.time_s;
        assert!((seconds / (9.0 * 40.0 * 1e-10 / rate) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_slowdown_divides_tension_velocity_and_reynolds_number() {
        let of = |slowdown: f64| {
            let config = LatticeBoltzmannConfig { slowdown, ..Default::default() };
            Units::new(&channel(9), Side::Top, &FluidPair::default(), &config).unwrap()
        };
        let (usual, slow) = (of(1.0), of(2.0));
        for (usual, slow) in [
            (usual.fluids.surface_tension, slow.fluids.surface_tension),
            (usual.velocity_lu, slow.velocity_lu),
            (usual.reynolds_number(), slow.reynolds_number()),
            (slow.steps_per_pore_volume, usual.steps_per_pore_volume),
        ] {
            assert!((usual / slow - 2.0).abs() < 1e-12);
        }
        assert_eq!(usual.capillary_number, slow.capillary_number);
        assert_eq!(usual.relaxation_times(), slow.relaxation_times());
    }

    #[test]
    fn unstable_parameters_are_refused_and_the_nearest_that_work_are_accepted() {
        let fluids = FluidPair::default();
        let narrow = LatticeBoltzmannConfig::default();
        assert!(reasons(&narrow, &fluids, 2).contains("sites_per_pixel: "));
        let finer = LatticeBoltzmannConfig { sites_per_pixel: 4, ..narrow };
        assert!(Units::new(&channel(2), Side::Top, &fluids, &finer).is_ok());

        let thin = LatticeBoltzmannConfig { viscosity_ratio: Some(0.008), ..narrow };
        let thin = LatticeBoltzmannConfig { viscosity_lu: Some(0.5), ..thin };
        let text = reasons(&thin, &fluids, 9);
        assert!(
            text.contains("relaxation time of 0.512") && text.contains("nearest that works is 0.625"),
            "{text}"
        );
        let raised = LatticeBoltzmannConfig { viscosity_lu: Some(0.6251), ..thin };
        assert!(Units::new(&channel(9), Side::Top, &fluids, &raised).is_ok());

        let extreme = LatticeBoltzmannConfig { viscosity_ratio: Some(1e-3), ..narrow };
        assert!(reasons(&extreme, &fluids, 9).contains("viscosity_ratio: "));

        let fast = LatticeBoltzmannConfig { surface_tension_lu: Some(0.05), ..narrow };
        assert!(reasons(&fast, &fluids, 9).contains("injection velocity"));
        let stiff = LatticeBoltzmannConfig {
            surface_tension_lu: Some(0.3),
            injection: Injection::CapillaryNumber(1e-4),
            ..narrow
        };
        assert!(reasons(&stiff, &fluids, 9).contains("compresses"));
    }
}
