//! The published layout of the CO2-water benchmark: one HDF5 file per domain.
//!
//! ```text
//! /img          (y, x)     1 = pore
//! /alpha_water  (T, y, x)  volume fraction of water, the defending phase; 0 inside solid as well
//! /Ux /Uy /p /pc           (T, y, x)  optional, not read
//! ```
//! The layout stores no inlet, pixel size or times. For the benchmark: inlet left, 35 µm, frames
//! counted.

use std::path::Path;

use ndarray::{Array2, Array3, Axis, Zip};
use porecast_simulations::{Domain, Parameters, Side, TimeUnit, Trajectory};

use super::dynamics::Extent;
use super::h5::{H5Reader, last_cause};
use super::invasion::{Common, FORMAT, Layout, Origin, Shard, VERSION};
use porecast_base::{Error, Result};

/// Name of the benchmark in the origin of a dataset.
pub const NAME: &str = "CO2-water benchmark";

const VOXEL_SIZE_M: f64 = 35e-6;

/// Parameters of a sequence of which only the geometry is known: NaN for the others, seed 0.
pub fn unknown_parameters(porosity: f64) -> Parameters {
    Parameters {
        seed: 0,
        porosity,
        contact_angle_deg: f64::NAN,
        surface_tension: f64::NAN,
        viscosity_invading: f64::NAN,
        viscosity_defending: f64::NAN,
        capillary_number: f64::NAN,
        viscosity_ratio: f64::NAN,
    }
}

/// Whether a file has the published layout.
pub(super) fn is_benchmark(file: &H5Reader) -> bool {
    file.has("img") && file.has("alpha_water")
}

pub(super) fn open(file: &H5Reader) -> Result<Shard> {
    let shape = file.dataset("/alpha_water", &[None; 3])?.shape();
    file.dataset("/img", &[Some(shape[1]), Some(shape[2])])?;
    let stem = file.path().file_stem().unwrap_or_default().to_string_lossy();
    Ok(Shard {
        path: file.path().to_owned(),
        layout: Layout::Benchmark,
        common: Common {
            shape: (shape[0], shape[1], shape[2]),
            inlet: Side::Left,
            time_unit: TimeUnit::Frame,
            voxel_size_m: VOXEL_SIZE_M,
            extent: Extent::default(),
        },
        origin: Origin { simulator: NAME.to_owned(), campaign: String::new() },
        ids: vec![stem.into_owned()],
    })
}

/// Reads one file of the benchmark.
///
/// # Errors
/// The file is missing, damaged, of another layout, or holds values outside their range.
pub fn read_file(path: &Path) -> Result<Trajectory> {
    let file = H5Reader::open(path)?;
    if file.expect_format(FORMAT, VERSION).is_ok() {
        return Err(Error::input(path, "is a dataset already; use it as it is"));
    }
    if !is_benchmark(&file) {
        return Err(Error::input(path, "is not of the benchmark's layout: it has no /img and /alpha_water"));
    }
    read(&open(&file)?)
}

pub(super) fn read(shard: &Shard) -> Result<Trajectory> {
    let file = H5Reader::open(&shard.path)?;
    let cause = |place: &str, e: hdf5::Error| file.error(place, last_cause(&e));
    let image: Array2<f64> = file.dataset("/img", &[None; 2])?.read().map_err(|e| cause("/img", e))?;
    let water: Array3<f32> =
        file.dataset("/alpha_water", &[None; 3])?.read().map_err(|e| cause("/alpha_water", e))?;
    if let Some(((y, x), value)) = image.indexed_iter().find(|(_, v)| **v != 0.0 && **v != 1.0) {
        return Err(file.error("/img", format!("holds {value} at (y, x) = ({y}, {x}), expected 0 or 1")));
    }
    // Interface compression overshoots slightly; a larger deviation is not a volume fraction.
    let outside = water.indexed_iter().find(|(_, v)| !(-0.1..=1.1).contains(*v));
    if let Some(((t, y, x), value)) = outside {
        return Err(file.error(
            "/alpha_water",
            format!("holds {value} at (time, y, x) = ({t}, {y}, {x}), expected 0 to 1"),
        ));
    }
    let solid = image.mapv(|value| value == 0.0);
    let mut phase = water.mapv(|alpha| alpha < 0.5);
    for mut frame in phase.axis_iter_mut(Axis(0)) {
        Zip::from(&mut frame).and(&solid).for_each(|invading, &solid| *invading &= !solid);
    }
    let domain = Domain { solid, voxel_size_m: shard.common.voxel_size_m };
    let parameters = unknown_parameters(domain.porosity());
    Ok(Trajectory {
        domain,
        inlet: shard.common.inlet,
        times: (0..phase.len_of(Axis(0))).map(|t| t as f64).collect(),
        time_unit: TimeUnit::Frame,
        phase,
        parameters,
    })
}
