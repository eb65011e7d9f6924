//! Simulators of one domain.

use std::ops::ControlFlow;

use numpy::{IntoPyArray, PyArray1, PyArray3, PyReadonlyArray2};
use porecast::base::interrupt;
use porecast::simulations::lattice_boltzmann::{self as lbm, Injection, LatticeBoltzmannConfig};
use porecast::simulations::percolation::{self as ip, AfterBreakthrough, PercolationConfig, Until};
use porecast::simulations::{FluidPair, Side, TimeUnit, Trajectory};
use porecast::{Domain, Error};
use pyo3::prelude::*;

use crate::error::exception;
use crate::work;

/// Phase `[time, y, x]`, times, their unit.
type Sequence<'py> = (Bound<'py, PyArray3<bool>>, Bound<'py, PyArray1<f64>>, String);

fn sequence(py: Python<'_>, trajectory: Trajectory) -> Sequence<'_> {
    let unit = time_unit(trajectory.time_unit);
    (trajectory.phase.into_pyarray(py), trajectory.times.into_pyarray(py), unit)
}

/// An edge by its name.
pub(crate) fn side(name: &str) -> PyResult<Side> {
    let sides = [Side::Top, Side::Bottom, Side::Left, Side::Right];
    let unknown = || exception(Error::config("inlet", format!("{name:?} is not top, bottom, left or right")));
    sides.into_iter().find(|side| side.to_string() == name).ok_or_else(unknown)
}

/// The name of a unit in files.
pub(crate) fn time_unit(unit: TimeUnit) -> String {
    unit.name().replace(' ', "-")
}

fn until(pore_volumes: Option<f64>) -> Until {
    pore_volumes.map_or(Until::Breakthrough, Until::PoreVolumes)
}

/// Quasi-static drainage.
#[pyfunction]
pub(crate) fn percolation<'py>(
    py: Python<'py>,
    solid: PyReadonlyArray2<'py, bool>,
    inlet: &str,
    frames: usize,
    pore_volumes: Option<f64>,
    trapping: bool,
    holds: bool,
) -> PyResult<Sequence<'py>> {
    let inlet = side(inlet)?;
    // Its size in metres has no effect on times in pore volumes.
    let domain = Domain { solid: solid.as_array().to_owned(), voxel_size_m: 1.0 };
    let after_breakthrough = if holds { AfterBreakthrough::Hold } else { AfterBreakthrough::Continue };
    let until = until(pore_volumes);
    let config =
        PercolationConfig { trapping, frames, until, after_breakthrough, injection_rate_m2_per_s: None };
    let simulate = || ip::simulate(&domain, inlet, &FluidPair::default(), &config, 0);
    Ok(sequence(py, work::run(py, simulate)?))
}

/// Drainage at a finite rate.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the arguments of the Python function")]
pub(crate) fn lattice_boltzmann<'py>(
    py: Python<'py>,
    solid: PyReadonlyArray2<'py, bool>,
    inlet: &str,
    frames: usize,
    pore_volumes: Option<f64>,
    capillary_number: f64,
    viscosity_ratio: f64,
    contact_angle_deg: f64,
    sites_per_pixel: Option<usize>,
    threads: usize,
) -> PyResult<Sequence<'py>> {
    let inlet = side(inlet)?;
    let domain = Domain { solid: solid.as_array().to_owned(), voxel_size_m: 1.0 };
    let fluids = FluidPair { contact_angle_deg, ..FluidPair::default() };
    let config = LatticeBoltzmannConfig {
        injection: Injection::CapillaryNumber(capillary_number),
        viscosity_ratio: Some(viscosity_ratio),
        frames,
        until: until(pore_volumes),
        sites_per_pixel: sites_per_pixel.unwrap_or(1),
        threads,
        ..LatticeBoltzmannConfig::default()
    };
    let config = match sites_per_pixel {
        Some(_) => config,
        None => lbm::Units::resolving(&domain, inlet, &fluids, &config).map_err(exception)?.0,
    };
    let simulate = || {
        let watch = &mut |_: &lbm::Underway| match interrupt::is_requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        lbm::simulate_resumable(&domain, inlet, &fluids, &config, 0, None, watch)
    };
    Ok(sequence(py, work::run(py, simulate)?.trajectory))
}
