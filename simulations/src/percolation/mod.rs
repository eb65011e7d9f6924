//! Quasi-static drainage: image-based invasion percolation.
//!
//! At a vanishing rate the non-wetting fluid always enters the accessible pore with the lowest entry
//! pressure. [`invade`] computes the order, [`Invasion::with_trapping`] removes trapped pixels, [`schedule`]
//! assigns times to the steps, and [`simulate`] does all three.
//!
//! # References
//! J. Gostick et al., Computers & Geosciences 158 (2022) 104978; Y. Masson, Computers & Geosciences 90 (2016)
//! 41-48.

mod clock;
mod config;
mod disc;
mod entry_pressure;
mod grid;
mod invasion;
mod queue;
mod trapping;

use ndarray::{Array2, Array3, Axis, Slice};

pub use clock::{AfterBreakthrough, Schedule, Until, schedule};
pub use config::PercolationConfig;
pub use entry_pressure::entry_pressure_pa;
pub use invasion::{Invasion, invade, invade_from};

use porecast_base::Checks;

use crate::domain::connectivity::{no_path, percolates};
use crate::{Domain, Error, FluidPair, Parameters, Result, Side, Trajectory};

/// Simulates quasi-static drainage of a domain from one edge to the opposite one.
///
/// The result depends only on the domain and the configuration; of the fluids only the sign of cos θ matters.
/// `seed` is the seed of the domain and is passed on to [`Parameters::seed`].
///
/// # Shapes
/// [`Trajectory::phase`] is `[frames, y, x]`.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind) if the configuration is out of range, the voxel size is not
/// positive, or the contact angle is outside [0°, 90°): the invading fluid would then wet the solid, which is
/// imbibition and fills narrow openings first. [`ErrorKind::Simulation`](crate::ErrorKind) if the domain has
/// no path from the inlet to the outlet.
///
/// ```
/// use porecast_simulations::{Domain, FluidPair, Side, percolation};
///
/// let mut solid = ndarray::Array2::from_elem((8, 5), false);
/// solid[[4, 1]] = true;
/// let domain = Domain { solid, voxel_size_m: 1e-5 };
/// let config = percolation::PercolationConfig { frames: 5, ..Default::default() };
/// let trajectory = percolation::simulate(&domain, Side::Top, &FluidPair::default(), &config, 0)?;
/// assert_eq!(trajectory.phase.dim(), (5, 8, 5));
/// assert_eq!(trajectory.saturation()[0], 0.0);
/// # Ok::<(), porecast_simulations::Error>(())
/// ```
pub fn simulate(
    domain: &Domain,
    inlet: Side,
    fluids: &FluidPair,
    config: &PercolationConfig,
    seed: u64,
) -> Result<Trajectory> {
    Checks(config.problems()).into_result()?;
    let outside =
        |name, value: f64, allowed| Error::config("", format!("{name} = {value} is outside {allowed}"));
    if !(0.0..90.0).contains(&fluids.contact_angle_deg) {
        let allowed = "[0, 90), measured through the defending fluid, for drainage";
        return Err(outside("contact_angle_deg", fluids.contact_angle_deg, allowed));
    }
    if !(domain.voxel_size_m > 0.0 && domain.voxel_size_m.is_finite()) {
        return Err(outside("voxel_size_m", domain.voxel_size_m, "(0, inf)"));
    }
    if !percolates(domain, inlet) {
        return Err(no_path(inlet));
    }
    let mut invasion = invade(domain, inlet);
    if config.trapping {
        invasion = invasion.with_trapping(inlet.opposite());
    }
    let schedule = schedule(config, &invasion, domain, inlet)?;
    let (height, width) = domain.shape();
    let mut phase = Array3::from_elem((schedule.steps.len(), height, width), false);
    for (mut frame, &steps) in phase.axis_iter_mut(Axis(0)).zip(&schedule.steps) {
        frame.assign(&invasion.phase_after(steps));
    }
    Ok(Trajectory {
        domain: domain.clone(),
        inlet,
        times: schedule.times,
        time_unit: schedule.time_unit,
        phase,
        parameters: Parameters {
            seed,
            porosity: domain.porosity(),
            contact_angle_deg: fluids.contact_angle_deg,
            surface_tension: fluids.surface_tension,
            viscosity_invading: fluids.viscosity_invading,
            viscosity_defending: fluids.viscosity_defending,
            capillary_number: f64::NAN,
            viscosity_ratio: fluids.viscosity_invading / fluids.viscosity_defending,
        },
    })
}

/// Boundary condition at the two edges beside the flow from inlet to outlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Open: the edge of the image is not solid, the usual convention of percolation.
    Open,
    /// Walls, as in lattice Boltzmann.
    Walls,
}

/// The percolation states, with trapping, whose saturations are nearest to the given ones. They are the
/// baseline for scoring simulators and networks at equal saturation.
///
/// A state lies between two steps, so its saturation differs from the given one by up to half a step. It
/// cannot exceed the fraction of pixels that are accessible and not trapped. `initial` is the first frame,
/// see [`invade_from`].
///
/// # Shapes
/// One frame `[y, x]` for each saturation, a fraction of the pore space.
///
/// # Errors
/// `initial` has a different shape from the domain.
pub fn at_saturations(
    domain: &Domain,
    inlet: Side,
    sides: Sides,
    initial: Option<&Array2<bool>>,
    saturations: &[f64],
) -> Result<Vec<Array2<bool>>> {
    if sides == Sides::Walls {
        let across = match inlet {
            Side::Top | Side::Bottom => Axis(1),
            Side::Left | Side::Right => Axis(0),
        };
        let walled = Domain { solid: padded(&domain.solid, across, true), ..*domain };
        let initial = initial.map(|initial| padded(initial, across, false));
        let frames = at_saturations(&walled, inlet, Sides::Open, initial.as_ref(), saturations)?;
        let inside = |frame: Array2<bool>| frame.slice_axis(across, INSIDE).to_owned();
        return Ok(frames.into_iter().map(inside).collect());
    }
    let invasion = match initial {
        Some(initial) => invade_from(domain, initial, inlet)?,
        None => invade(domain, inlet),
    }
    .with_trapping(inlet.opposite());
    let pore_count = domain.pore_count() as f64;
    let state = |saturation: &f64| {
        let pixels = saturation * pore_count;
        let below = invasion.steps_within(pixels);
        let miss = |steps: usize| (invasion.invaded_after(steps) as f64 - pixels).abs();
        let nearest = if miss(below + 1) < miss(below) { below + 1 } else { below };
        invasion.phase_after(nearest)
    };
    Ok(saturations.iter().map(state).collect())
}

/// All lanes but the first and the last.
const INSIDE: Slice = Slice { start: 1, end: Some(-1), step: 1 };

/// An image with a lane of `value` before and behind it.
fn padded(image: &Array2<bool>, axis: Axis, value: bool) -> Array2<bool> {
    let mut shape = image.raw_dim();
    shape[axis.index()] += 2;
    let mut padded = Array2::from_elem(shape, value);
    padded.slice_axis_mut(axis, INSIDE).assign(image);
    padded
}
