//! `porecast inspect`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_datasets::inspect::{self, InspectOptions};

use super::print;

/// Arguments of `porecast inspect`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast inspect data/demo.h5\n  porecast inspect data/demo.h5 --json\n  porecast inspect runs/demo-time --png out/demo.png\n  porecast inspect data/stas.h5 --augment configs/segmentation/stas.toml --png out/augmented.png"
)]
pub struct Args {
    /// Dataset, predictions, run folder or folder of runs, grey image (PNG, TIFF, JPEG, npy), or HDF5, npz, safetensors, CSV,
    /// TOML or JSON file.
    pub path: PathBuf,
    /// Page of a TIFF file with several, counted from 1.
    #[arg(long)]
    pub page: Option<usize>,
    /// Draw images of a segmentation dataset as augmented by this configuration.
    #[arg(long, value_name = "CONFIG", requires = "png")]
    pub augment: Option<PathBuf>,
    /// Draw a picture of the content.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Print JSON, with the names of docs/reference/json.md.
    #[arg(long, conflicts_with_all = ["png", "augment"])]
    pub json: bool,
    /// Replace an existing picture.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast inspect`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { path, page, augment, png, json, force } = args;
    if json {
        return print(&inspect::to_json(&path, page)?);
    }
    let options = InspectOptions { path, page, augment, png, force };
    print(&inspect::run(&options, verbosity)?)
}
