//! `porecast import`.

use std::path::PathBuf;

use porecast_base::progress::print_line;
use porecast_base::{Result, Verbosity};
use porecast_datasets::import::{self, ImportOptions};
use porecast_simulations::Side;

use super::print;

/// Arguments of `porecast import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast import sequences/ -o data/benchmark.h5 --inlet left --voxel-size 35e-6\n  porecast import labels.npz -o data/published.h5 --inlet top"
)]
pub struct Args {
    /// Files or folders: HDF5 files of the CO2-water benchmark, or npz label stacks.
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
    /// Replace an existing dataset.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast import`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { inputs, output, inlet, voxel_size, force } = args;
    let options = ImportOptions { inputs, output, inlet, voxel_size, force };
    let imported = import::run(&options)?;
    if !verbosity.quiet {
        print(&format!("{}\n", imported.text))?;
    }
    for warning in &imported.warnings {
        print_line(&format!("warning: {warning}"));
    }
    Ok(())
}
