//! Sequences by a physical model instead of a network.

use std::ops::ControlFlow;
use std::path::Path;

use ndarray::Axis;
use porecast_base::progress::{Progress, say};
use porecast_base::{Error, ErrorKind, Result, Verbosity, interrupt};
use porecast_simulations::lattice_boltzmann::{self, Injection, LatticeBoltzmannConfig, Units};
use porecast_simulations::percolation::{self, PercolationConfig};
use porecast_simulations::{Domain, FluidPair, Side, TimeUnit, Trajectory};
use porecast_store::prediction::{self, PredictionHeader};
use porecast_store::{Physics, PredictionFolder};

use super::invasions::Shown;
use super::range::significant;
use super::{PredictOptions, SHIPPED_PHYSICS, domain_image, refuse_part};

/// Frames where their number is not given.
const FRAMES: usize = 26;
/// Edge length of a pixel in metres for the simulators: the sequence does not depend on it.
const VOXEL_SIZE_M: f64 = 1.0;

/// A physical model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Physical {
    /// Quasi-static percolation with trapping.
    Percolation,
    /// Lattice Boltzmann.
    LatticeBoltzmann,
}

impl Physical {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Percolation => "percolation",
            Self::LatticeBoltzmann => "lattice-boltzmann",
        }
    }

    /// The physics that it simulates.
    fn physics(self, options: &PredictOptions) -> Physics {
        let given = options.physics.or(&SHIPPED_PHYSICS);
        match self {
            Self::Percolation => Physics { contact_angle_deg: given.contact_angle_deg, ..Physics::default() },
            Self::LatticeBoltzmann => given,
        }
    }
}

/// Simulates the domain in an image until breakthrough, into `folder`. Returns what was done.
///
/// # Errors
/// The input is not an image of a domain that the model can simulate, or an option does not suit it.
pub(super) fn run(
    model: Physical,
    options: &PredictOptions,
    folder: &Path,
    verbosity: Verbosity,
) -> Result<String> {
    refuse_part(options)?;
    if !options.times.is_empty() || options.extrapolate {
        let what =
            "is for networks; a physical model ends at breakthrough, --frames sets how many frames it gives";
        return Err(Error::config(if options.extrapolate { "--extrapolate" } else { "--times" }, what));
    }
    if !domain_image::is_one(&options.input)? {
        let what = "is a dataset, which holds its true sequences; a physical model predicts images";
        return Err(Error::input(&options.input, what));
    }
    let frames = options.frames.unwrap_or(FRAMES);
    if frames < 2 {
        return Err(Error::config("--frames", format!("{frames} is below 2")));
    }
    let inlet = options.inlet.unwrap_or_default();
    let mut shown = Shown::new(folder, TimeUnit::PoreVolumes, domain_image::voxel_size_m(options));
    let domain = domain_image::read(options, inlet, |read| shown.note(verbosity, read))?;
    let domain = Domain { voxel_size_m: VOXEL_SIZE_M, ..domain };
    let sequence = match model {
        Physical::Percolation => percolate(&domain, inlet, options, frames, verbosity),
        Physical::LatticeBoltzmann => drain(&domain, inlet, options, frames, verbosity),
    }?;
    let stem = options.input.file_stem();
    let id = stem.map_or_else(|| "domain".into(), |stem| stem.to_string_lossy().into_owned());
    let header = PredictionHeader {
        source: model.name().to_owned(),
        time_unit: sequence.time_unit,
        inlet,
        voxel_size_m: domain_image::voxel_size_m(options),
    };
    prediction::write_frames(
        &PredictionFolder::new(folder).predictions_path(),
        &header,
        sequence.phase.dim(),
        |writer| {
            writer.begin(&id, &domain.solid, &sequence.times)?;
            writer.record(&model.physics(options));
            for (&time, frame) in sequence.times.iter().zip(sequence.phase.axis_iter(Axis(0))) {
                let frame = frame.mapv(|invaded| f32::from(u8::from(invaded)));
                writer.frame(frame.view())?;
                shown.add(&id, time, &domain, inlet, frame.view(), false)?;
            }
            Ok(())
        },
    )?;
    // The last frame is that of breakthrough.
    if let Some(expected) = shown.expected(f64::INFINITY) {
        shown.note(verbosity, expected);
    }
    shown.finish()
}

fn percolate(
    domain: &Domain,
    inlet: Side,
    options: &PredictOptions,
    frames: usize,
    verbosity: Verbosity,
) -> Result<Trajectory> {
    let physics = &options.physics;
    if physics.capillary_number.is_some() || physics.viscosity_ratio.is_some() {
        let what =
            "percolation is the limit of slow injection: capillary number and viscosity ratio have no effect";
        say(verbosity, &format!("note: {what}"));
    }
    let config = PercolationConfig { frames, ..PercolationConfig::default() };
    percolation::simulate(domain, inlet, &fluids(options), &config, 0)
}

fn drain(
    domain: &Domain,
    inlet: Side,
    options: &PredictOptions,
    frames: usize,
    verbosity: Verbosity,
) -> Result<Trajectory> {
    let physics = options.physics.or(&SHIPPED_PHYSICS);
    let number = physics.capillary_number.unwrap_or_default();
    let ratio = physics.viscosity_ratio.unwrap_or_default();
    let fluids = fluids(options);
    let coarse = LatticeBoltzmannConfig {
        injection: Injection::CapillaryNumber(number),
        viscosity_ratio: physics.viscosity_ratio,
        frames,
        threads: rayon::current_num_threads(),
        ..LatticeBoltzmannConfig::default()
    };
    let (config, units) = Units::resolving(domain, inlet, &fluids, &coarse)?;
    say(
        verbosity,
        &format!(
            "lattice Boltzmann: capillary number {}, viscosity ratio {}, contact angle {}°, {} lattice sites a pixel",
            significant(number),
            significant(ratio),
            significant(fluids.contact_angle_deg),
            config.sites_per_pixel
        ),
    );
    // Breakthrough comes before one pore volume is injected.
    let total = units.steps_per_pore_volume as usize;
    let progress = Progress::new("time steps, at most", total, 0, verbosity);
    let mut done = 0;
    let mut watch = |underway: &lattice_boltzmann::Underway<'_>| {
        let steps = (underway.steps() as usize).min(total);
        progress.advance(steps.saturating_sub(done), "");
        done = steps;
        if interrupt::is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let drained = lattice_boltzmann::simulate_resumable(domain, inlet, &fluids, &config, 0, None, &mut watch);
    progress.finish();
    match drained {
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(Error::stopped(&options.output)),
        other => Ok(other?.trajectory),
    }
}

/// The fluids of the benchmark with the given contact angle.
fn fluids(options: &PredictOptions) -> FluidPair {
    let angle = options.physics.or(&SHIPPED_PHYSICS).contact_angle_deg;
    FluidPair { contact_angle_deg: angle.unwrap_or_default(), ..FluidPair::default() }
}
