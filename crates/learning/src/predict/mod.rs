//! Prediction of invasion sequences or masks, for arrays in memory, images, or the samples of a
//! dataset.
//!
//! [`Predictor`] and [`MaskPredictor`] hold the networks of a run and predict one sample;
//! `invasions` and `images` apply them to the input of a command and write files. `trained` hides
//! Burn's backend, `tiles` splits samples that are too large for a network.

mod domain_image;
mod images;
mod invasions;
mod mask_predictor;

mod predictor;
mod range;
mod tiles;
mod trained;
mod views;

use std::path::{Path, PathBuf};

use porecast_base::progress::say;
use porecast_base::{Error, Result, Verbosity, atomic, interrupt, lock};
use porecast_simulations::Side;
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::config::train::TrainConfig;
use porecast_store::{MissingPredictions, Physics, RunFolder, Task};

use crate::device::Device;
use predictor::config_of;

pub use mask_predictor::MaskPredictor;
pub use predictor::Predictor;

/// Default for the largest tile edge, in pixels.
const TILE: usize = 512;
/// Smallest tile edge that is allowed, in pixels.
const SMALLEST_TILE: usize = 16;
/// Name of the prediction file in the output of a command.
const PREDICTIONS: &str = "predictions.h5";

/// What the shipped model is told where nothing is given.
pub const SHIPPED_PHYSICS: Physics =
    Physics { capillary_number: Some(1e-2), viscosity_ratio: Some(0.1), contact_angle_deg: Some(45.0) };

/// Options of `porecast predict`.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// Run folder; the model that comes with porecast when absent.
    pub run: Option<PathBuf>,
    /// An image of a domain (PNG, TIFF, JPEG, npy; dark is solid), or a dataset. With a segmentation run: a
    /// dataset, a photograph (PNG, JPEG), or files in the format of the run's source.
    pub input: PathBuf,
    /// Page of a TIFF file with several, counted from 1.
    pub page: Option<usize>,
    /// Output folder: predictions.h5, frames, animation and saturation; for images, masks and overlays.
    pub output: PathBuf,
    /// Times to predict for an image, in the unit of the training data; if empty, the mean times of the
    /// training data.
    pub times: Vec<f64>,
    /// Predict only this part of a dataset, by the run's split: train, validation or test.
    pub part: Option<String>,
    /// Edge where the invading fluid enters; without it, the edge in the training data.
    pub inlet: Option<Side>,
    /// Predict times after the last one of the training, too.
    pub extrapolate: bool,
    /// Capillary number, viscosity ratio and contact angle, for a run that is told them; those of a dataset
    /// take precedence.
    pub physics: Physics,
    /// Grey level from which an image is pore, between 0 and 1.
    pub threshold: f64,
    /// Bright pixels are solid, dark pixels pore.
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains and images are predicted in overlapping tiles.
    pub tile: usize,
    /// Device: `flex` (CPU) or `cuda[:index]`.
    pub device: String,
    /// Replace an existing output.
    pub force: bool,
}

/// `porecast predict`: predicts images, or the samples of a dataset.
///
/// # Errors
/// An unusable run, image or dataset, a domain that does not percolate, an existing output without
/// `--force`.
pub fn run(options: &PredictOptions, verbosity: Verbosity) -> Result<()> {
    let device = Device::parse(&options.device)?;
    check(options)?;
    let _held = lock::hold(&options.output)?;
    if options.output.exists() && !options.force {
        return Err(Error::exists(&options.output));
    }
    interrupt::listen();
    let done = atomic::fill_folder(&options.output, |folder| match &options.run {
        None => {
            if options.physics.capillary_number.is_none() {
                say(verbosity, "no --capillary-number: 0.01 is taken unless the input has its own");
            }
            let options =
                &PredictOptions { physics: options.physics.or(&SHIPPED_PHYSICS), ..options.clone() };
            invasions::run(options, folder, Predictor::shipped(device)?, verbosity)
        }
        Some(run) => match Task::of(run) {
            Task::Invasion => invasions::run(options, folder, Predictor::on(run, device)?, verbosity),
            Task::Segmentation => images::run(options, folder, MaskPredictor::on(run, device)?, verbosity),
        },
    })?;
    say(verbosity, &format!("{done}: {}", options.output.display()));
    Ok(())
}

/// Stops a prediction if the user asked for it.
fn go_on(place: &Path) -> Result<()> {
    if interrupt::is_requested() { Err(Error::stopped(place)) } else { Ok(()) }
}

/// Refuses arguments outside their range.
fn check(args: &PredictOptions) -> Result<()> {
    if !(0.0..=1.0).contains(&args.threshold) {
        return Err(Error::config("--threshold", format!("{} is outside 0 to 1", args.threshold)));
    }
    if args.tile < SMALLEST_TILE {
        return Err(Error::config("--tile", format!("{} is below {SMALLEST_TILE}", args.tile)));
    }
    if let Some(bad) = args.times.iter().find(|time| !time.is_finite() || **time < 0.0) {
        return Err(Error::config("--times", format!("{bad} is not a time; use finite times from 0")));
    }
    if args.times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::config("--times", "must ascend"));
    }
    Ok(())
}

/// The samples of a part of a run's split; `all` if no part is named.
fn ids_of_part(
    parts: [(&'static str, Vec<String>); 3],
    all: &[String],
    part: Option<&str>,
) -> Result<Vec<String>> {
    let Some(part) = part else { return Ok(all.to_vec()) };
    let found = parts.into_iter().find(|(name, _)| *name == part);
    found
        .map(|(_, ids)| ids)
        .ok_or_else(|| Error::config("--part", format!("{part:?} is unknown; use train, validation or test")))
}

/// Refuses `--part` if the input is not a dataset.
fn refuse_part(options: &PredictOptions) -> Result<()> {
    match options.part {
        Some(_) => Err(Error::config("--part", "names a part of a dataset's split, not of images")),
        None => Ok(()),
    }
}

/// Makes the predictions that `evaluate` and `compare` need. Consecutive parts of a run share its
/// loaded networks. If a run's weights are gone, only its configuration is checked, and the run is
/// scored on the predictions that it has.
///
/// # Errors
/// As [`run`].
pub fn predict_missing(missing: &[MissingPredictions], device: &str, verbosity: Verbosity) -> Result<()> {
    let device = Device::parse(device)?;
    let _held = missing.iter().map(|part| lock::hold(&part.predictions)).collect::<Result<Vec<_>>>()?;
    interrupt::listen();
    for parts in missing.chunk_by(|a, b| a.run == b.run) {
        let run = RunFolder::new(&parts[0].run);
        let members = run.members()?;
        let has_weights = members.iter().all(|member| run.member(&member.folder).best_path().exists());
        match (Task::of(run.path()), has_weights) {
            (Task::Invasion, true) => invasions::predict_parts(run.path(), parts, device, verbosity)?,
            (Task::Segmentation, true) => images::predict_parts(run.path(), parts, device, verbosity)?,
            (Task::Invasion, false) => drop(config_of::<TrainConfig>(&run, &members)?),
            (Task::Segmentation, false) => drop(config_of::<SegmentationConfig>(&run, &members)?),
        }
    }
    Ok(())
}
