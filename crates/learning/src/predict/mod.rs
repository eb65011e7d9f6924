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
mod orientation;
mod predictor;
mod tiles;
mod trained;
mod views;

use std::path::PathBuf;

use porecast_base::{Error, Result, Verbosity};
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

/// Arguments of `porecast predict`.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// Run folder.
    pub run: PathBuf,
    /// An image of a domain (PNG, TIFF, JPEG, npy; dark is solid), or a dataset. With a segmentation run: a
    /// dataset, a photograph (PNG, JPEG), or files in the format of the run's source.
    pub input: PathBuf,
    /// Page of a TIFF file with several, counted from 1.
    pub page: Option<usize>,
    /// Folder to write: predictions.h5, frames, animation, saturation; or masks and overlays.
    pub output: PathBuf,
    /// Times to predict, in the dataset's unit; the training set's mean times if absent.
    pub times: Vec<f64>,
    /// Only the samples of a dataset in this part of the run's split: train, validation or test.
    pub part: Option<String>,
    /// Edge where the invading fluid enters; that of the training data if absent.
    pub inlet: Option<Side>,
    /// Rate and fluids, for a run that is told them; a dataset's own come first.
    pub physics: Physics,
    /// Grey level from which an image is pore, between 0 and 1.
    pub threshold: f64,
    /// Read bright as solid.
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains are predicted in overlapping tiles.
    pub tile: usize,
    /// Where to compute: `flex` (CPU) or `cuda[:index]`.
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
    let existed = options.output.exists();
    if existed && !options.force {
        return Err(Error::exists(&options.output));
    }
    let done = match Task::of(&options.run) {
        Task::Invasion => invasions::run(options, device, verbosity),
        Task::Segmentation => images::run(options, device, verbosity),
    };
    if done.is_err() && !existed {
        // Only removes an empty folder.
        let _ = std::fs::remove_dir(&options.output);
    }
    done
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
