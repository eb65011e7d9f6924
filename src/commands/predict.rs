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
    /// Image of a domain (PNG, TIFF; dark is solid), or dataset. For a segmentation run: a dataset, a
    /// photograph (PNG, JPEG), or files in the source format of the run.
    pub input: PathBuf,
    /// Output folder: predictions.h5, frames, animation and saturation; for images, masks and overlays.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Times to predict for an image, in the unit of the training data; without it, the mean times of the
    /// training data.
    #[arg(long, value_delimiter = ',')]
    pub times: Vec<f64>,
    /// Predict only this part of a dataset, by the run's split: train, validation or test.
    #[arg(long)]
    pub part: Option<String>,
    /// Edge where the invading fluid enters; without it, the edge in the training data.
    #[arg(long, value_parser = super::parse_side)]
    pub inlet: Option<Side>,
    /// Grey level (0 to 1) from which a pixel is pore, or solid with --invert.
    #[arg(long, default_value_t = 0.5)]
    pub threshold: f64,
    /// Bright pixels are solid, dark pixels pore.
    #[arg(long)]
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains and images are predicted in overlapping tiles.
    #[arg(long, default_value_t = 512)]
    pub tile: usize,
    /// Device: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace an existing output.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast predict`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { run, input, output, times, part, inlet, threshold, invert, tile, device, force } = args;
    let options =
        PredictOptions { run, input, output, times, part, inlet, threshold, invert, tile, device, force };
    predict::run(&options, verbosity)
}
