//! `porecast predict`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_learning::predict::{self, PredictOptions};
use porecast_simulations::Side;

/// Arguments of `porecast predict`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast predict --run runs/time domain.png -o out/\n  porecast predict --run runs/time data/demo.h5 --part test -o out/\n  porecast predict --run runs/time domain.png -o out/ --times 0.1,0.2,0.3\n  porecast predict --run runs/stas slides/ -o masks/"
)]
pub struct Args {
    /// Run folder.
    #[arg(long)]
    pub run: PathBuf,
    /// An image of a domain (PNG, TIFF; dark is solid), or a dataset. With a segmentation run: a dataset, a photograph (PNG,
    /// JPEG), or files in the format of the run's source.
    pub input: PathBuf,
    /// Folder to write: predictions.h5, frames, animation, saturation; or masks and overlays.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Times to predict, in the dataset's unit; the training set's mean times when absent.
    #[arg(long, value_delimiter = ',')]
    pub times: Vec<f64>,
    /// Of a dataset, only the domains of this part of the run's split: train, validation or test.
    #[arg(long)]
    pub part: Option<String>,
    /// Edge where the invading fluid enters; that of the training data when absent.
    #[arg(long, value_parser = super::parse_side)]
    pub inlet: Option<Side>,
    /// Grey level from which an image is pore, between 0 and 1.
    #[arg(long, default_value_t = 0.5)]
    pub threshold: f64,
    /// Read bright as solid.
    #[arg(long)]
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains are predicted in overlapping tiles.
    #[arg(long, default_value_t = 512)]
    pub tile: usize,
    /// Where to compute: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace an existing output.
    #[arg(long)]
    pub force: bool,
}

/// Runs it.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { run, input, output, times, part, inlet, threshold, invert, tile, device, force } = args;
    let options =
        PredictOptions { run, input, output, times, part, inlet, threshold, invert, tile, device, force };
    predict::run(&options, verbosity)
}
