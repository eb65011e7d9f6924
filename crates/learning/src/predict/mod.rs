//! Prediction: whole invasion sequences or masks, of new images or of the samples of a dataset.

mod images;
mod invasions;
mod mask;
mod orientation;
mod predictor;
mod sequence;
mod tiles;
mod views;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::device::{Device, on_device};
use crate::model::Network;
use crate::model::ops::{Kernels, TrainBackend};
use porecast_base::Verbosity;
use porecast_base::progress::{Progress, say};
use porecast_base::{Error, Result};
use porecast_simulations::Side;
use porecast_store::config::Validate;
use porecast_store::run::{Card, MemberCard, TrainedOn};
use porecast_store::{Dataset, InvasionDataset, MissingPredictions, RunFolder, SegmentationDataset, Task};
use predictor::{Predictor, has_weights, read};

/// Edge of the largest tile that is predicted at once, in pixels.
const TILE: usize = 512;
/// Edge of the smallest tile that can be asked for, in pixels.
const SMALLEST_TILE: usize = 16;

/// A dataset whose samples networks predict. Errors are those of reading samples and writing output, of arguments that
/// cannot be obeyed, and of samples that are not what the networks learnt.
pub trait Predicted: Dataset {
    /// The configuration of a run.
    type Config: DeserializeOwned + Validate;
    /// What `porecast predict` writes beside the predictions.
    type Output: Output;

    /// A network of a run, its weights still to be read.
    fn network<B: Kernels>(
        config: &Self::Config,
        card: &Card<Self::Card>,
        member: &MemberCard,
        device: &B::Device,
    ) -> Network<B>;

    /// The dataset to predict; `None` where the input is images of their own.
    fn of_input(args: &PredictOptions) -> Result<Option<Self>>;

    /// Begins the output in a folder.
    fn output(config: &Self::Config, folder: &Path) -> Result<Self::Output>;

    /// Predicts samples into the file `path`, and shows them to `output`.
    fn predict<B: Kernels>(
        &self,
        predictor: &Predictor<B, Self>,
        ids: &[String],
        path: &Path,
        output: Option<&mut Self::Output>,
        verbosity: Verbosity,
    ) -> Result<()>;

    /// Predicts images that are in no dataset.
    fn predict_images<B: Kernels>(
        predictor: &Predictor<B, Self>,
        args: &PredictOptions,
        output: &mut Self::Output,
        verbosity: Verbosity,
    ) -> Result<()>;
}

/// What `porecast predict` writes beside the predictions.
pub trait Output {
    /// Ends it; what was done, in words: `samples` of a dataset, or images of their own.
    fn finish(self, samples: Option<usize>) -> Result<String>;
}

/// What `porecast predict` is asked.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// Run folder.
    pub run: PathBuf,
    /// An image of a domain (PNG, TIFF; dark is solid), or a dataset. With a segmentation run: a dataset, a photograph (PNG,
    /// JPEG), or files in the format of the run's source.
    pub input: PathBuf,
    /// Folder to write: predictions.h5, frames, animation, saturation; or masks and overlays.
    pub output: PathBuf,
    /// Times to predict, in the dataset's unit; the training set's mean times when absent.
    pub times: Vec<f64>,
    /// Of a dataset, only the domains of this part of the run's split: train, validation or test.
    pub part: Option<String>,
    /// Edge where the invading fluid enters; that of the training data when absent.
    pub inlet: Option<Side>,
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
/// An unusable run, image or dataset, a domain that does not percolate, an existing output without `--force`.
pub fn run(options: &PredictOptions, verbosity: Verbosity) -> Result<()> {
    match Task::of(&options.run) {
        Task::Invasion => run_on::<InvasionDataset>(options, verbosity),
        Task::Segmentation => run_on::<SegmentationDataset>(options, verbosity),
    }
}

fn run_on<D: Predicted>(args: &PredictOptions, verbosity: Verbosity) -> Result<()> {
    let device = Device::parse(&args.device)?;
    check(args)?;
    let existed = args.output.exists();
    if existed && !args.force {
        return Err(Error::exists(&args.output));
    }
    let done = on_device!(device, predict_input::<D>(args, verbosity));
    if done.is_err() && !existed {
        // Goes only when it is empty.
        let _ = std::fs::remove_dir(&args.output);
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

fn predict_input<B: TrainBackend, D: Predicted>(
    device: &B::Device,
    args: &PredictOptions,
    verbosity: Verbosity,
) -> Result<()> {
    let run = RunFolder::new(&args.run);
    let predictor = Predictor::<B::InnerBackend, D>::load(&run, args.tile, device)?;
    let dataset = D::of_input(args)?;
    let mut output = D::output(&predictor.config, &args.output)?;
    let samples = match dataset {
        Some(dataset) => {
            let ids = wanted(&predictor.card, &dataset, args.part.as_deref())?;
            let path = args.output.join("predictions.h5");
            dataset.predict(&predictor, &ids, &path, Some(&mut output), verbosity)?;
            Some(ids.len())
        }
        None if args.part.is_some() => {
            return Err(Error::config("--part", "names a part of a dataset's split, not of images"));
        }
        None => {
            D::predict_images(&predictor, args, &mut output, verbosity)?;
            None
        }
    };
    say(verbosity, &format!("{}: {}", output.finish(samples)?, args.output.display()));
    Ok(())
}

/// The samples of a part of a run's split, or all of a dataset.
fn wanted<C: TrainedOn>(card: &Card<C>, dataset: &impl Dataset, part: Option<&str>) -> Result<Vec<String>> {
    let Some(part) = part else { return Ok(dataset.ids().to_vec()) };
    let found = card.parts().into_iter().find(|(name, _)| *name == part);
    found
        .map(|(_, ids)| ids)
        .ok_or_else(|| Error::config("--part", format!("{part:?} is unknown; use train, validation or test")))
}

/// Makes predictions that `evaluate` and `compare` need. Nothing is done for a run whose weights are gone: it is scored on
/// the predictions that it has.
///
/// # Errors
/// As [`run`].
pub fn predict_missing(missing: &[MissingPredictions], device: &str, verbosity: Verbosity) -> Result<()> {
    let device = Device::parse(device)?;
    missing.iter().try_for_each(|part| match Task::of(&part.run) {
        Task::Invasion => predict_part_on::<InvasionDataset>(device, part, verbosity),
        Task::Segmentation => predict_part_on::<SegmentationDataset>(device, part, verbosity),
    })
}

fn predict_part_on<D: Predicted>(
    device: Device,
    part: &MissingPredictions,
    verbosity: Verbosity,
) -> Result<()> {
    let run = RunFolder::new(&part.run);
    if !has_weights(&run, &read::<D>(&run)?.0) {
        return Ok(());
    }
    on_device!(device, predict_part::<D>(&run, part, verbosity))
}

fn predict_part<B: TrainBackend, D: Predicted>(
    device: &B::Device,
    run: &RunFolder,
    part: &MissingPredictions,
    verbosity: Verbosity,
) -> Result<()> {
    let predictor = Predictor::<B::InnerBackend, D>::load(run, TILE, device)?;
    D::open(&part.dataset)?.predict(&predictor, &part.ids, &part.predictions, None, verbosity)
}

/// Goes through samples of a dataset by their positions in it.
fn each<D: Dataset>(
    dataset: &D,
    ids: &[String],
    verbosity: Verbosity,
    mut predict: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let progress = Progress::new(format!("{}s predicted", D::SAMPLE), ids.len(), 0, verbosity);
    for id in ids {
        predict(dataset.place(id)?)?;
        progress.advance(1, "");
    }
    progress.finish();
    Ok(())
}
