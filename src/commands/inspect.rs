//! `porecast inspect`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_datasets::inspect::{self, InspectOptions};

/// Arguments of `porecast inspect`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast inspect data/demo.h5\n  porecast inspect runs/demo --png demo.png\n  porecast inspect data/stas.h5 --png images.png\n  porecast inspect data/stas.h5 --augment configs/segmentation/stas.toml --png augmented.png"
)]
pub struct Args {
    /// A dataset, predictions, run folder, image, npz or safetensors file.
    pub path: PathBuf,
    /// Draw what the augmentation of this configuration does to images of a segmentation dataset.
    #[arg(long, value_name = "CONFIG", requires = "png")]
    pub augment: Option<PathBuf>,
    /// Draw a picture as well.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Replace an existing picture.
    #[arg(long)]
    pub force: bool,
}

/// Runs it.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { path, augment, png, force } = args;
    let options = InspectOptions { path, augment, png, force };
    print!("{}", inspect::run(&options, verbosity)?);
    Ok(())
}
