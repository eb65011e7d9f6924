//! `porecast predict`.

use std::path::{Path, PathBuf};

use porecast_base::progress::say;
use porecast_base::{Result, Verbosity};
use porecast_learning::predict::{self, Model, Physical, PredictOptions};
use porecast_scoring::report::{self, ReportOptions};
use porecast_simulations::Side;
use porecast_store::{Physics, PredictionFolder};

/// Arguments of `porecast predict`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast predict configs/demo/domain.png --capillary-number 3e-3 --viscosity-ratio 0.2 --contact-angle 60\n  porecast predict configs/demo/domain.png --model percolation --frames 16 -o out/percolation\n  porecast predict configs/demo/domain.png --model lattice-boltzmann --capillary-number 1e-2 -o out/lattice\n  porecast predict configs/demo/domain.png --model runs/demo-time --times 0.1,0.2,0.3 -o out/times\n  porecast predict configs/demo/ --model runs/demo-time -o out/folder\n  porecast predict data/demo.h5 --model runs/demo-time --part test -o out/test\n\nA segmentation run predicts masks: porecast predict --model runs/stas slides/ -o masks/. A run folder whose name is that\nof a physical model is written ./percolation."
)]
pub struct Args {
    /// What predicts: a run folder, `percolation` or `lattice-boltzmann`; the network that comes with porecast when
    /// absent.
    #[arg(long, visible_alias = "run", value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<Model>,
    /// Image of a domain (PNG, TIFF, JPEG, npy; dark is solid), folder of such images, or dataset. For a
    /// segmentation run: a dataset, a photograph (PNG, JPEG), or files in the source format of the run.
    pub input: PathBuf,
    /// Page of a TIFF file with several, counted from 1.
    #[arg(long)]
    pub page: Option<usize>,
    /// Output folder: predictions.h5, frames, animation and saturation; for images, masks and overlays.
    /// Without it, `<input>-prediction` in the working directory.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Times to predict for an image, in the unit of the training data; without it, the mean times of the
    /// training data.
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    pub times: Vec<f64>,
    /// Number of frames of a physical model, the first at time 0, the last at breakthrough; 26 when absent.
    #[arg(long, value_name = "N")]
    pub frames: Option<usize>,
    /// Predict only this part of a dataset, by the run's split: train, validation or test.
    #[arg(long)]
    pub part: Option<String>,
    /// Edge where the invading fluid enters; without it, the edge in the training data.
    #[arg(long, value_parser = super::parse_side)]
    pub inlet: Option<Side>,
    /// Predict times after the last one of the training, too.
    #[arg(long)]
    pub extrapolate: bool,
    /// Capillary number of the injection, for a run that is told it and for lattice Boltzmann.
    #[arg(long, allow_negative_numbers = true)]
    pub capillary_number: Option<f64>,
    /// Viscosity of the invading over that of the defending fluid, for a run that is told it and for lattice Boltzmann.
    #[arg(long, allow_negative_numbers = true)]
    pub viscosity_ratio: Option<f64>,
    /// Contact angle in degrees through the defending fluid, for a run that is told it and for physical models.
    #[arg(long, allow_negative_numbers = true)]
    pub contact_angle: Option<f64>,
    /// Grey level from which an image is pore, between 0 (black) and 1 (white). White is the largest value of
    /// unsigned integers of up to 16 bits (255, 65535), of other types 1 or the highest value in the image.
    #[arg(long, default_value_t = 0.5)]
    pub threshold: f64,
    /// Bright pixels are solid, dark pixels pore.
    #[arg(long)]
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains and images are predicted in overlapping tiles. By default 512; a recurrent
    /// network takes up to 1024 x 1024 = 1,048,576 pixels as a whole, more in tiles of 1024.
    #[arg(long)]
    pub tile: Option<usize>,
    /// Factor by which the resolution of the domain is changed for the prediction, from 0.0625 to 4. Without it, the factor is
    /// 1, or the nearest one that brings the mean chord length of the pores into the range of the training domains.
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    pub rescale: Option<f64>,
    /// Edge length of a pixel of an image in metres. It is used only for scale bars and the output file;
    /// without it, their lengths are in pixels.
    #[arg(long, value_name = "METRES", allow_negative_numbers = true)]
    pub voxel_size: Option<f64>,
    /// Device: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Replace an existing output.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast predict`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let physics = Physics {
        capillary_number: args.capillary_number,
        viscosity_ratio: args.viscosity_ratio,
        contact_angle_deg: args.contact_angle,
    };
    let stem = args.input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let options = PredictOptions {
        model: args.model.unwrap_or(Model::Shipped),
        input: args.input,
        page: args.page,
        output: args.output.unwrap_or_else(|| format!("{stem}-prediction").into()),
        times: args.times,
        frames: args.frames,
        part: args.part,
        inlet: args.inlet,
        extrapolate: args.extrapolate,
        physics,
        threshold: args.threshold,
        invert: args.invert,
        tile: args.tile,
        rescale: args.rescale,
        voxel_size_m: args.voxel_size,
        device: args.device,
        force: args.force,
    };
    predict::run(&options, write_page, verbosity)?;
    let page = PredictionFolder::new(&options.output).report_path();
    if page.exists() {
        say(verbosity, &format!("page: {}", page.display()));
    }
    Ok(())
}

/// Writes the page of a folder of predictions.
fn write_page(folder: &Path) -> Result<()> {
    report::run(&ReportOptions { input: folder.to_owned(), output: None, force: true }).map(drop)
}

/// A physical model by its name, or else a run folder.
fn parse_model(text: &str) -> std::result::Result<Model, std::convert::Infallible> {
    let physical = [Physical::Percolation, Physical::LatticeBoltzmann];
    let found = physical.into_iter().find(|model| model.name() == text);
    Ok(found.map_or_else(|| Model::Run(text.into()), Model::Physical))
}
