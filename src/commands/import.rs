//! `porecast import`.

use std::path::PathBuf;

use porecast_base::progress::{print_line, say};
use porecast_base::{Result, Verbosity};
use porecast_datasets::import::{self, Clock, ImportOptions};
use porecast_simulations::Side;
use porecast_store::Physics;

use super::{next, print};

/// Arguments of `porecast import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast import configs/demo/sequence.npz -o data/sequence.h5 --voxel-size 35e-6 --pore-volumes\n  porecast import configs/demo/sequence.npz -o data/sequence-in-seconds.h5 --time-step 10\n\nA folder of the CO2-water benchmark: porecast import FOLDER -o data/benchmark.h5 --inlet left --voxel-size 35e-6"
)]
pub struct Args {
    /// Files or folders: HDF5 files of the CO2-water benchmark, or label stacks: 0 solid, 1 defending, 2 invading fluid, as an
    /// array `labels` of integers with axes (time, y, x) in npz, or as a TIFF with a page for each frame.
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,
    /// Dataset to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Edge where the invading fluid enters.
    #[arg(long, default_value = "top", value_parser = super::parse_side)]
    pub inlet: Side,
    /// Edge length of a pixel in metres; 1 where it is not given.
    #[arg(long)]
    pub voxel_size: Option<f64>,
    /// Times of the frames in seconds, one for each; with --pore-volumes, the injected pore volumes as measured.
    #[arg(long, value_delimiter = ',', conflicts_with = "time_step")]
    pub times: Vec<f64>,
    /// Seconds between frames; the first is at 0.
    #[arg(long, conflicts_with = "pore_volumes")]
    pub time_step: Option<f64>,
    /// Count time in injected pore volumes, for runs that were trained with this unit: the values of --times or, without
    /// --times, the saturation of each frame, which equals the injected pore volumes until breakthrough.
    #[arg(long)]
    pub pore_volumes: bool,
    /// Capillary number of the injection.
    #[arg(long, allow_negative_numbers = true)]
    pub capillary_number: Option<f64>,
    /// Viscosity of the invading over that of the defending fluid.
    #[arg(long, allow_negative_numbers = true)]
    pub viscosity_ratio: Option<f64>,
    /// Contact angle in degrees through the defending fluid.
    #[arg(long, allow_negative_numbers = true)]
    pub contact_angle: Option<f64>,
    /// Replace an existing dataset.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast import`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { inputs, output, inlet, voxel_size, times, time_step, pore_volumes, force, .. } = args;
    let physics = Physics {
        capillary_number: args.capillary_number,
        viscosity_ratio: args.viscosity_ratio,
        contact_angle_deg: args.contact_angle,
    };
    let clock = match (times.is_empty(), time_step, pore_volumes) {
        (false, _, true) => Clock::Injected(times),
        (false, ..) => Clock::Times(times),
        (_, Some(step), _) => Clock::TimeStep(step),
        (.., true) => Clock::PoreVolumes,
        _ => Clock::Frames,
    };
    if voxel_size.is_none() {
        say(verbosity, "note: no --voxel-size: a pixel is taken to be 1 m wide");
    }
    let voxel_size = voxel_size.unwrap_or(1.0);
    let options = ImportOptions { inputs, output, inlet, voxel_size, clock, physics, force };
    let imported = import::run(&options)?;
    if !verbosity.quiet {
        print(&format!("{}\n", imported.text))?;
    }
    for warning in &imported.warnings {
        print_line(&format!("warning: {warning}"));
    }
    next(verbosity, "inspect", &options.output);
    Ok(())
}
