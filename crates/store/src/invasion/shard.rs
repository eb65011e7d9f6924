//! One file of a dataset.

use std::path::{Path, PathBuf};

use hdf5::H5Type;
use ndarray::{Array1, Ix0, Ix1, Ix2, Ix3};
use porecast_simulations::{Domain, Parameters, Trajectory};

use super::{Common, FORMAT, Origin, VERSION, check_times};
use crate::benchmark;
use crate::dynamics::Extent;
use crate::h5::H5Reader;
use porecast_base::Result;

/// Parameters of the simulation; other programs leave them out.
const PARAMETERS: &str = "/parameters";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Layout {
    /// Schema version 1.
    Stacked,
    /// One domain of the CO2-water benchmark.
    Benchmark,
}

#[derive(Debug, Clone)]
pub(crate) struct Shard {
    pub(crate) path: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) common: Common,
    pub(crate) origin: Origin,
    pub(crate) ids: Vec<String>,
}

impl Shard {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = H5Reader::open(path)?;
        if benchmark::is_benchmark(&file) {
            return benchmark::open(&file);
        }
        file.expect_format(FORMAT, VERSION)?;
        let ids = file.texts("/domain_id")?;
        let voxel_size_m = file.number("voxel_size_m")?;
        if !(voxel_size_m > 0.0 && voxel_size_m.is_finite()) {
            let what = format!("attribute \"voxel_size_m\" is {voxel_size_m}, expected metres above 0");
            return Err(file.error("/", what));
        }
        let n = Some(ids.len());
        let phase = file.numbers("/phase", &[n, None, None, None])?.shape();
        let (frames, height, width) = (phase[1], phase[2], phase[3]);
        file.numbers("/solid", &[n, Some(height), Some(width)])?;
        file.numbers("/time", &[n, Some(frames)])?;
        if file.has(PARAMETERS) {
            file.dataset_of::<ParameterRow>(PARAMETERS, &[n])?;
        }
        Ok(Self {
            path: path.to_owned(),
            layout: Layout::Stacked,
            common: Common {
                shape: (frames, height, width),
                inlet: file.keyword("inlet")?,
                time_unit: file.keyword("time_unit")?,
                voxel_size_m,
                extent: Extent::open(&file, ids.len(), (frames, height, width))?,
            },
            origin: Origin {
                simulator: file.text_or("simulator", "unknown")?,
                campaign: file.text_or("campaign", "")?,
            },
            ids,
        })
    }

    pub(super) fn parameters(&self, file: &H5Reader, row: usize) -> Result<Parameters> {
        if !file.has(PARAMETERS) {
            let solid = file.mask::<Ix2>("/solid", "y, x", row)?;
            let domain = Domain { solid, voxel_size_m: self.common.voxel_size_m };
            return Ok(benchmark::unknown_parameters(domain.porosity()));
        }
        let rows = file.dataset_of::<ParameterRow>(PARAMETERS, &[None])?;
        let row: ndarray::Array0<ParameterRow> = file.row::<_, Ix0>(&rows, row)?;
        Ok(row.into_scalar().into())
    }

    pub(super) fn sequence(&self, row: usize) -> Result<Trajectory> {
        let file = H5Reader::open(&self.path)?;
        let solid = file.mask::<Ix2>("/solid", "y, x", row)?;
        if solid.iter().all(|&solid| solid) {
            return Err(file.error(&format!("/solid[{row}]"), "has no pore space"));
        }
        let phase = file.mask::<Ix3>("/phase", "time, y, x", row)?;
        let times: Array1<f64> = file.row::<_, Ix1>(&file.numbers("/time", &[None; 2])?, row)?;
        check_times(times.as_slice().expect("a row as read is contiguous"))
            .map_err(|what| file.error(&format!("/time[{row}]"), what))?;
        if let Some((at, _)) =
            phase.indexed_iter().find(|&((_, y, x), is_invading)| *is_invading && solid[(y, x)])
        {
            let what = format!("has the invading phase inside solid at (time, y, x) = {at:?}");
            return Err(file.error(&format!("/phase[{row}]"), what));
        }
        Ok(Trajectory {
            domain: Domain { solid, voxel_size_m: self.common.voxel_size_m },
            inlet: self.common.inlet,
            times: times.to_vec(),
            time_unit: self.common.time_unit,
            phase,
            parameters: self.parameters(&file, row)?,
        })
    }
}

/// A row of `/parameters`.
#[derive(Debug, Clone, Copy, H5Type)]
#[repr(C)]
pub(super) struct ParameterRow {
    seed: u64,
    porosity: f64,
    contact_angle_deg: f64,
    surface_tension: f64,
    viscosity_invading: f64,
    viscosity_defending: f64,
    capillary_number: f64,
    viscosity_ratio: f64,
}

impl From<Parameters> for ParameterRow {
    fn from(p: Parameters) -> Self {
        Self {
            seed: p.seed,
            porosity: p.porosity,
            contact_angle_deg: p.contact_angle_deg,
            surface_tension: p.surface_tension,
            viscosity_invading: p.viscosity_invading,
            viscosity_defending: p.viscosity_defending,
            capillary_number: p.capillary_number,
            viscosity_ratio: p.viscosity_ratio,
        }
    }
}

impl From<ParameterRow> for Parameters {
    fn from(p: ParameterRow) -> Self {
        Self {
            seed: p.seed,
            porosity: p.porosity,
            contact_angle_deg: p.contact_angle_deg,
            surface_tension: p.surface_tension,
            viscosity_invading: p.viscosity_invading,
            viscosity_defending: p.viscosity_defending,
            capillary_number: p.capillary_number,
            viscosity_ratio: p.viscosity_ratio,
        }
    }
}
