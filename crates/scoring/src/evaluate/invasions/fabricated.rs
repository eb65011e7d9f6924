//! Sequences made up for tests.

use ndarray::{Array2, Array3};
use porecast_simulations::{Domain, Parameters, Side, TimeUnit, Trajectory};

use porecast_store::Prediction;

/// Six frames of 24 x 16 pixels with a flat front that moves at constant saturation rate from the top;
/// grains lie where `seed` puts them.
pub fn trajectory(seed: u64) -> Trajectory {
    let (frames, height, width) = (6, 24, 16);
    let solid = Array2::from_shape_fn((height, width), |(y, x)| {
        (y * 5 + x * 3 + seed as usize * 7).is_multiple_of(11)
    });
    let domain = Domain { solid, voxel_size_m: 1e-5 };
    let pores: Vec<(usize, usize)> =
        domain.solid.indexed_iter().filter(|(_, solid)| !**solid).map(|(pixel, _)| pixel).collect();
    let times: Vec<f64> = (0..frames).map(|t| t as f64 / frames as f64).collect();
    let mut phase = Array3::from_elem((frames, height, width), false);
    for (t, time) in times.iter().enumerate() {
        for &(y, x) in &pores[..(time * pores.len() as f64).round() as usize] {
            phase[(t, y, x)] = true;
        }
    }
    let porosity = domain.porosity();
    Trajectory {
        domain,
        inlet: Side::Top,
        times,
        time_unit: TimeUnit::PoreVolumes,
        phase,
        parameters: Parameters {
            seed,
            porosity,
            contact_angle_deg: f64::NAN,
            surface_tension: f64::NAN,
            viscosity_invading: f64::NAN,
            viscosity_defending: f64::NAN,
            capillary_number: f64::NAN,
            viscosity_ratio: f64::NAN,
        },
    }
}

/// The prediction that is the truth.
pub fn exact(domain_id: &str, truth: &Trajectory) -> Prediction {
    Prediction {
        domain_id: domain_id.to_owned(),
        solid: truth.domain.solid.clone(),
        times: truth.times.clone(),
        probability: truth.phase.mapv(|invaded| f32::from(u8::from(invaded))),
    }
}
