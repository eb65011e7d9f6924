//! Optional datasets that a dynamic simulator adds to the frames.
//!
//! ```text
//! /lattice      (N)               compound  lattice and course of the simulation of a domain
//! /volume       (N, T, 2)         f64       volume of the invading and of the defending fluid, in pixels
//! /pressure     (N, T, H, W)      f32       relative to the outlet; 0 in solid       attr unit="Pa"
//! /velocity     (N, T, 2, H, W)   f32       along y, then along x; 0 in solid        attrs unit="m/s" components="y,x"
//! ```
//! `/fluid` and `/component` name the axes of length 2. `/lattice` comes with `/volume`, `/pressure` with `/velocity`. A chunk is one frame of one field.

use hdf5::H5Type;
use ndarray::{Array2, Array3, Array4, Axis, Ix0, Ix2, Ix3, Ix4};
use porecast_simulations::Trajectory;
use porecast_simulations::lattice_boltzmann::{Drainage, Flow, Units};

use super::h5::{Axes, Growing, H5Reader, H5Writer};
use porecast_base::{Error, Result};

/// Lattice and course of the simulation of one domain: a row of `/lattice`.
///
/// # Units
/// Lattice units (edge of a site, time step, density 1) unless the name says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, H5Type)]
#[repr(C)]
pub struct LatticeRecord {
    /// Lattice sites along the edge of a pixel.
    pub sites_per_pixel: f64,
    /// τ = 3ν + 1/2 of the invading fluid.
    pub relaxation_time_invading: f64,
    /// τ of the defending fluid.
    pub relaxation_time_defending: f64,
    /// Interfacial tension.
    pub surface_tension_lu: f64,
    /// Injection velocity over the whole cross-section.
    pub velocity_lu: f64,
    /// Width of the interface.
    pub interface_width_lu: f64,
    /// Width of the narrowest place on the widest path from inlet to outlet.
    pub throat_width_lu: f64,
    /// Reynolds number of the less viscous fluid in that throat.
    pub reynolds_number: f64,
    /// Edge of a site in metres.
    pub length_m: f64,
    /// Time step in seconds.
    pub time_s: f64,
    /// Unit of pressure in pascals.
    pub pressure_pa: f64,
    /// Time steps to inject one pore volume.
    pub steps_per_pore_volume: f64,
    /// Number of time steps.
    pub steps: f64,
    /// [`Drainage::mass_drift`].
    pub mass_drift: f64,
}

/// Lattice and fluid volumes of a dynamic simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics {
    /// The lattice.
    pub lattice: LatticeRecord,
    /// Volume of the invading and of the defending fluid in the pore space at each frame, in pixels.
    pub volumes: Vec<[f64; 2]>,
}

/// A sequence with its dynamics and flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The sequence.
    pub trajectory: Trajectory,
    /// Lattice and fluid volumes, if simulated dynamically.
    pub dynamics: Option<Dynamics>,
    /// Pressure and velocity, if kept.
    pub flow: Option<Flow>,
}

impl From<Trajectory> for Recorded {
    fn from(trajectory: Trajectory) -> Self {
        Self { trajectory, dynamics: None, flow: None }
    }
}

impl From<Drainage> for Recorded {
    fn from(drainage: Drainage) -> Self {
        let units = drainage.units;
        let [relaxation_time_invading, relaxation_time_defending] = units.relaxation_times();
        let lattice = LatticeRecord {
            sites_per_pixel: (drainage.trajectory.domain.voxel_size_m / units.length_m).round(),
            relaxation_time_invading,
            relaxation_time_defending,
            surface_tension_lu: units.fluids.surface_tension,
            velocity_lu: units.velocity_lu,
            interface_width_lu: Units::INTERFACE_WIDTH_LU,
            throat_width_lu: units.throat_width_lu,
            reynolds_number: units.reynolds_number(),
            length_m: units.length_m,
            time_s: units.time_s,
            pressure_pa: units.pressure_pa,
            steps_per_pore_volume: units.steps_per_pore_volume,
            steps: drainage.steps as f64,
            mass_drift: drainage.mass_drift,
        };
        let dynamics = Dynamics { lattice, volumes: drainage.volumes };
        Self { trajectory: drainage.trajectory, dynamics: Some(dynamics), flow: drainage.flow }
    }
}

/// Which of the optional datasets a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    pub(super) has_dynamics: bool,
    pub(super) has_flow: bool,
}

impl Extent {
    pub(super) fn of(sequence: &Recorded) -> Self {
        Self { has_dynamics: sequence.dynamics.is_some(), has_flow: sequence.flow.is_some() }
    }

    /// Finds the datasets in a file of `n` domains and checks their shapes.
    pub(super) fn open(
        file: &H5Reader,
        n: usize,
        (frames, height, width): (usize, usize, usize),
    ) -> Result<Self> {
        let either = |a: &str, b: &str| file.has(a) || file.has(b);
        let found =
            Self { has_dynamics: either("/lattice", "/volume"), has_flow: either("/pressure", "/velocity") };
        let [n, frames, height, width] = [n, frames, height, width].map(Some);
        if found.has_dynamics {
            file.dataset_of::<LatticeRecord>("/lattice", &[n])?;
            file.dataset_of::<f64>("/volume", &[n, frames, Some(2)])?;
        }
        if found.has_flow {
            file.dataset_of::<f32>("/pressure", &[n, frames, height, width])?;
            file.dataset_of::<f32>("/velocity", &[n, frames, Some(2), height, width])?;
        }
        Ok(found)
    }

    /// End of a description of the dataset, for errors.
    pub(super) fn describe(self) -> &'static str {
        match (self.has_dynamics, self.has_flow) {
            (false, false) => "",
            (true, false) => ", with the lattice",
            (false, true) => ", with pressure and velocity",
            (true, true) => ", with the lattice, pressure and velocity",
        }
    }
}

/// Reads `/lattice` and `/volume` of one domain.
pub(super) fn read_dynamics(file: &H5Reader, row: usize) -> Result<Dynamics> {
    let lattice = file.dataset_of::<LatticeRecord>("/lattice", &[None])?;
    let lattice: ndarray::Array0<LatticeRecord> = file.row::<_, Ix0>(&lattice, row)?;
    let volume: Array2<f64> =
        file.row::<_, Ix2>(&file.dataset_of::<f64>("/volume", &[None, None, Some(2)])?, row)?;
    let volumes = volume.outer_iter().map(|pair| [pair[0], pair[1]]).collect();
    Ok(Dynamics { lattice: lattice.into_scalar(), volumes })
}

/// Reads `/pressure` and `/velocity` of one domain.
pub(super) fn read_flow(file: &H5Reader, row: usize) -> Result<Flow> {
    let pressure: Array3<f32> = file.row::<_, Ix3>(&file.dataset_of::<f32>("/pressure", &[None; 4])?, row)?;
    let velocity: Array4<f32> =
        file.row::<_, Ix4>(&file.dataset_of::<f32>("/velocity", &[None, None, Some(2), None, None])?, row)?;
    if let Some((at, value)) = pressure.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(
            file.error(&format!("/pressure[{row}]"), format!("holds {value} at (time, y, x) = {at:?}"))
        );
    }
    if let Some((at, value)) = velocity.indexed_iter().find(|(_, value)| !value.is_finite()) {
        let what = format!("holds {value} at (time, component, y, x) = {at:?}");
        return Err(file.error(&format!("/velocity[{row}]"), what));
    }
    let component =
        |axis| velocity.index_axis(Axis(1), axis).outer_iter().map(|frame| frame.to_owned()).collect();
    Ok(Flow {
        pressure_pa: pressure.outer_iter().map(|frame| frame.to_owned()).collect(),
        velocity_y_m_per_s: component(0),
        velocity_x_m_per_s: component(1),
    })
}

/// Writes the optional datasets, domain by domain.
pub(super) struct DynamicsWriter {
    lattice: Vec<LatticeRecord>,
    volume: Option<Growing>,
    flow: Option<[Growing; 2]>,
}

impl DynamicsWriter {
    pub(super) fn new(
        file: &H5Writer,
        extent: Extent,
        (frames, height, width): (usize, usize, usize),
    ) -> Result<Self> {
        let volume = || file.growing::<f64>("volume", &[frames, 2], &[16, frames, 2]);
        let flow = || {
            let pressure =
                file.growing::<f32>("pressure", &[frames, height, width], &[1, 1, height, width])?;
            pressure.text("unit", "Pa")?;
            let row = [frames, 2, height, width];
            let velocity = file.growing::<f32>("velocity", &row, &[1, 1, 1, height, width])?;
            velocity.text("unit", "m/s")?;
            velocity.text("components", "y,x")?;
            Ok::<_, Error>([pressure, velocity])
        };
        Ok(Self {
            lattice: Vec::new(),
            volume: extent.has_dynamics.then(volume).transpose()?,
            flow: extent.has_flow.then(flow).transpose()?,
        })
    }

    pub(super) fn push(&mut self, dynamics: Option<&Dynamics>, flow: Option<&Flow>) -> Result<()> {
        if let (Some(volume), Some(dynamics)) = (&mut self.volume, dynamics) {
            volume.push(ndarray::arr2(&dynamics.volumes).view())?;
            self.lattice.push(dynamics.lattice);
        }
        if let (Some([pressure, velocity]), Some(flow)) = (&mut self.flow, flow) {
            pressure.grow()?;
            velocity.grow()?;
            for (t, values) in flow.pressure_pa.iter().enumerate() {
                pressure.write(&[t], values.view())?;
            }
            for (component, frames) in
                [&flow.velocity_y_m_per_s, &flow.velocity_x_m_per_s].into_iter().enumerate()
            {
                for (t, values) in frames.iter().enumerate() {
                    velocity.write(&[t, component], values.view())?;
                }
            }
        }
        Ok(())
    }

    /// Writes the rest, and returns the axes of every dataset.
    pub(super) fn finish(self, file: &H5Writer) -> Result<Vec<Axes>> {
        let mut axes: Vec<Axes> = Vec::new();
        if self.volume.is_some() {
            file.column("lattice", &self.lattice)?;
            file.texts("fluid", &["invading", "defending"].map(String::from))?;
            axes.push(("lattice", &["domain_id"]));
            axes.push(("volume", &["domain_id", "frame", "fluid"]));
        }
        if self.flow.is_some() {
            file.texts("component", &["y", "x"].map(String::from))?;
            axes.push(("pressure", &["domain_id", "frame", "y", "x"]));
            axes.push(("velocity", &["domain_id", "frame", "component", "y", "x"]));
        }
        Ok(axes)
    }
}

#[cfg(test)]
mod tests {
    use porecast_simulations::lattice_boltzmann::{self, Injection, LatticeBoltzmannConfig};
    use porecast_simulations::percolation::Until;
    use porecast_simulations::{Domain, FluidPair, Side};

    use super::*;
    use crate::invasion::{InvasionDataset, Origin, write};

    fn drainages(keep_flow: bool) -> Vec<(String, Recorded)> {
        let solid = Array2::from_shape_fn((20, 16), |(y, x)| (8..12).contains(&y) && x < 4);
        let domain = Domain { solid, voxel_size_m: 1e-5 };
        let rates = [0.05, 0.08].into_iter().enumerate();
        rates
            .map(|(index, rate)| {
                let config = LatticeBoltzmannConfig {
                    injection: Injection::CapillaryNumber(rate),
                    frames: 3,
                    until: Until::PoreVolumes(0.1),
                    keep_flow,
                    ..Default::default()
                };
                let fluids = FluidPair::default();
                let drainage =
                    lattice_boltzmann::simulate(&domain, Side::Left, &fluids, &config, index as u64);
                (format!("d{index}"), drainage.unwrap().into())
            })
            .collect()
    }

    fn written(path: &std::path::Path, sequences: Vec<(String, Recorded)>) -> Result<InvasionDataset> {
        let origin = Origin { simulator: "test".into(), campaign: String::new() };
        write(path, &origin, sequences.into_iter().map(Ok))?;
        InvasionDataset::open(path)
    }

    #[test]
    fn what_a_drainage_has_besides_frames_reads_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        for keep_flow in [false, true] {
            let sequences = drainages(keep_flow);
            let dataset = written(&folder.path().join(format!("{keep_flow}.h5")), sequences.clone()).unwrap();
            assert_eq!((dataset.has_dynamics(), dataset.has_flow()), (true, keep_flow));
            for (index, (_, sequence)) in sequences.iter().enumerate() {
                assert_eq!(dataset.dynamics(index).unwrap(), sequence.dynamics);
                assert_eq!(dataset.flow(index).unwrap(), sequence.flow);
                assert_eq!(dataset.flow(index).unwrap().is_some(), keep_flow);
                let filled = dataset.dynamics(index).unwrap().unwrap().volumes[2];
                assert!(filled[0] > 1.0 && (filled[0] + filled[1] - 304.0).abs() < 1e-9, "{filled:?}");
            }
        }
    }

    #[test]
    fn fields_have_their_units_and_impossible_values_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        written(&path, drainages(true)).unwrap();
        let file = hdf5::File::open_rw(&path).unwrap();
        let text = |dataset: &str, name: &str| {
            let attribute = file.dataset(dataset).unwrap().attr(name).unwrap();
            attribute.read_scalar::<hdf5::types::VarLenUnicode>().unwrap().as_str().to_owned()
        };
        assert_eq!([text("pressure", "unit"), text("velocity", "unit")], ["Pa", "m/s"]);
        assert_eq!(text("velocity", "components"), "y,x");
        let nan = ndarray::Array4::from_elem((1, 1, 1, 1), f32::NAN);
        let at = ndarray::s![1..2, 2..3, 4..5, 5..6];
        file.dataset("pressure").unwrap().write_slice(&nan, at).unwrap();
        file.close().unwrap();
        let error = InvasionDataset::open(&path).and_then(|dataset| dataset.flow(1)).unwrap_err().to_string();
        assert!(error.contains("/pressure[1] holds NaN at (time, y, x) = (2, 4, 5)"), "{error}");
        let file = hdf5::File::open_rw(&path).unwrap();
        file.unlink("velocity").unwrap();
        file.close().unwrap();
        let error = InvasionDataset::open(&path).unwrap_err().to_string();
        assert!(error.contains("/velocity is missing"), "{error}");
    }

    #[test]
    fn sequences_with_and_without_fields_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let mixed = [drainages(true).remove(0), drainages(false).remove(1)];
        let error = written(&folder.path().join("d.h5"), mixed.to_vec()).unwrap_err().to_string();
        assert!(error.contains("with the lattice, pressure and velocity"), "{error}");
    }
}
