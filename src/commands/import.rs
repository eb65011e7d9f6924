//! `porecast import`.

use std::path::PathBuf;

use porecast_base::progress::print_line;
use porecast_base::{Result, Verbosity};
use porecast_datasets::import::{self, Clock, ImportOptions};
use porecast_simulations::Side;

use super::{next, print};

/// Arguments of `porecast import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast import sequences/ -o data/benchmark.h5 --inlet left --voxel-size 35e-6\n  porecast import labels.npz -o data/published.h5 --inlet top --pore-volumes"
)]
pub struct Args {
    /// Files or folders: HDF5 files of the CO2-water benchmark, or npz label stacks. A label stack holds an array
    /// `labels` of integers with axes (time, y, x): 0 solid, 1 defending, 2 invading fluid.
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,
    /// Dataset to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Edge where the invading fluid enters.
    #[arg(long, default_value = "top", value_parser = super::parse_side)]
    pub inlet: Side,
    /// Edge length of a pixel in metres.
    #[arg(long, default_value_t = 1.0)]
    pub voxel_size: f64,
    /// Times of the frames in seconds, one for each.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["time_step", "pore_volumes"])]
    pub times: Vec<f64>,
    /// Seconds between frames; the first is at 0.
    #[arg(long, conflicts_with = "pore_volumes")]
    pub time_step: Option<f64>,
    /// Take the saturation of each frame as the injected pore volumes, which it is until breakthrough: for runs that
    /// learnt pore volumes.
    #[arg(long)]
    pub pore_volumes: bool,
    /// Replace an existing dataset.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast import`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { inputs, output, inlet, voxel_size, times, time_step, pore_volumes, force } = args;
    let clock = match (times.is_empty(), time_step, pore_volumes) {
        (false, ..) => Clock::Times(times),
        (_, Some(step), _) => Clock::TimeStep(step),
        (.., true) => Clock::PoreVolumes,
        _ => Clock::Frames,
    };
    let options = ImportOptions { inputs, output, inlet, voxel_size, clock, force };
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
