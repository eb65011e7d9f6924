//! Prediction of invasion sequences or masks, for arrays in memory, images, or the samples of a
//! dataset.
//!
//! [`Predictor`] and [`MaskPredictor`] hold the networks of a run and predict one sample;
//! `invasions` and `images` apply them to the input of a command and write files. `resolution` and `encodings` go from the channels of a
//! domain to frames, `trained` hides Burn's backend, `tiles` splits samples that are too large for a network.

mod domain_image;
mod encodings;
mod images;
mod invasions;
mod mask_predictor;
mod physical;
mod predictor;
mod range;
mod resolution;
mod tiles;
mod trained;
mod views;
mod volume;

use std::path::{Path, PathBuf};

use porecast_base::progress::say;
use porecast_base::{Error, ErrorKind, Result, Verbosity, atomic, interrupt, lock, output};
use porecast_simulations::Side;
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::config::train::TrainConfig;
use porecast_store::{MissingPredictions, Physics, PredictionFolder, RunFolder, Task};

use crate::device::Device;
use predictor::config_of;

pub use mask_predictor::MaskPredictor;
pub use physical::Physical;
pub use predictor::Predictor;

/// Default for the largest tile edge, in pixels.
const TILE: usize = 512;
/// Default for the largest tile edge of a recurrent network, which also takes a domain with as many pixels as such a tile as
/// a whole. Attention at a sixteenth of the resolution then takes 256 MiB.
const LARGE_TILE: usize = 1024;
/// Smallest tile edge that is allowed, in pixels.
const SMALLEST_TILE: usize = 16;

/// Default grey level from which an image is pore.
const THRESHOLD: f64 = 0.5;

/// What the shipped model is told where nothing is given.
pub const SHIPPED_PHYSICS: Physics =
    Physics { capillary_number: Some(1e-2), viscosity_ratio: Some(0.1), contact_angle_deg: Some(45.0) };

/// What predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// The network that comes with porecast.
    Shipped,
    /// The networks of a run folder.
    Run(PathBuf),
    /// A physical model.
    Physical(Physical),
}

/// Options of `porecast predict`.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// What predicts.
    pub model: Model,
    /// An image of a domain (PNG, TIFF, JPEG, npy; dark is solid), a folder of such images, or a dataset. With a segmentation run: a
    /// dataset, a photograph (PNG, JPEG), or files in the format of the run's source.
    pub input: PathBuf,
    /// Page of a TIFF file with several, counted from 1.
    pub page: Option<usize>,
    /// Output folder: predictions.h5, frames, animation and saturation; for images, masks, overlays and a sheet of them.
    pub output: PathBuf,
    /// Times to predict for an image, in the unit of the training data; if empty, the mean times of the
    /// training data.
    pub times: Vec<f64>,
    /// Number of frames of a physical model, the first at time 0, the last at breakthrough.
    pub frames: Option<usize>,
    /// Predict only this part of a dataset, by the run's split: train, validation or test.
    pub part: Option<String>,
    /// Edge where the invading fluid enters; without it, the edge in the training data.
    pub inlet: Option<Side>,
    /// Predict times after the last one of the training, too.
    pub extrapolate: bool,
    /// Capillary number, viscosity ratio and contact angle, for a run that is told them and an input without them.
    pub physics: Physics,
    /// Grey level from which an image is pore, between 0 and 1.
    pub threshold: f64,
    /// Bright pixels are solid, dark pixels pore.
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains and images are predicted in overlapping tiles. `None` for 512; a
    /// recurrent network then takes up to 1024 x 1024 pixels as a whole, more in tiles of 1024.
    pub tile: Option<usize>,
    /// How many times finer domains are predicted than they are. `None` brings the mean chord length of their pores into the
    /// range of the training domains, where it lies outside.
    pub rescale: Option<f64>,
    /// Edge length of a pixel of an image in metres; without it, scales are in pixels.
    pub voxel_size_m: Option<f64>,
    /// Device: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    pub device: String,
    /// Replace an existing output.
    pub force: bool,
}

/// `porecast predict`: predicts images, or the samples of a dataset. `finish` adds to each folder of predictions before the
/// output is in its place.
///
/// # Errors
/// An unusable run, image or dataset, a domain that does not percolate, an existing output without
/// `--force`; the errors of `finish`.
pub fn run(
    options: &PredictOptions,
    finish: impl Fn(&Path) -> Result<()>,
    verbosity: Verbosity,
) -> Result<()> {
    let device = Device::parse(&options.device)?;
    check(options)?;
    let _held = lock::hold(&options.output)?;
    output::check(&options.output, &[&options.input], options.force)?;
    output::check_folder(&options.output, "predictions", |place| {
        let place = PredictionFolder::new(place);
        place.predictions_path().exists() || place.masks_path().exists()
    })?;
    interrupt::listen();
    let mut stopped = None;
    let done = atomic::fill_folder(&options.output, |folder| match &options.model {
        Model::Physical(model) => each_image(options, folder, &mut stopped, verbosity, |options, folder| {
            let done = physical::run(*model, options, folder, verbosity)?;
            finish(folder).map(|()| done)
        }),
        Model::Shipped => {
            let predictor = Predictor::shipped(device)?.with_tile(options.tile).with_rescale(options.rescale);
            each_image(options, folder, &mut stopped, verbosity, |options, folder| {
                let done = invasions::run(options, &SHIPPED_PHYSICS, folder, &predictor, verbosity)?;
                finish(folder).map(|()| done)
            })
        }
        Model::Run(run) => match Task::of(run) {
            Task::Invasion => {
                let predictor =
                    Predictor::on(run, device)?.with_tile(options.tile).with_rescale(options.rescale);
                let unknown = Physics::default();
                each_image(options, folder, &mut stopped, verbosity, |options, folder| {
                    let done = invasions::run(options, &unknown, folder, &predictor, verbosity)?;
                    finish(folder).map(|()| done)
                })
            }
            Task::Segmentation => {
                let done = images::run(options, folder, MaskPredictor::on(run, device)?, verbosity)?;
                finish(folder).map(|()| done)
            }
        },
    })?;
    say(verbosity, &format!("{done}: {}", options.output.display()));
    stopped.map_or(Ok(()), Err)
}

/// Predicts the input, or each image of a folder into a folder of its name. Images that cannot be used are named and left
/// out. If the user stops it after some images, these stay, and `stopped` is the error to end with.
///
/// # Errors
/// Those of `predict` for a single input, or if no image of a folder can be predicted.
fn each_image(
    options: &PredictOptions,
    folder: &Path,
    stopped: &mut Option<Error>,
    verbosity: Verbosity,
    predict: impl Fn(&PredictOptions, &Path) -> Result<String>,
) -> Result<String> {
    let images = domain_image::in_folder(&options.input)?;
    if images.is_empty() {
        return predict(options, folder);
    }
    let stem = |image: &PathBuf| image.file_stem().map(ToOwned::to_owned).unwrap_or_default();
    let (mut done, mut failed) = (0, Vec::new());
    for image in &images {
        // `a.png` and `a.tif` need different folders.
        let is_alone = images.iter().filter(|other| stem(other) == stem(image)).count() == 1;
        let name = if is_alone { stem(image) } else { image.file_name().unwrap_or_default().to_owned() };
        let below = folder.join(name);
        std::fs::create_dir_all(&below).map_err(|e| Error::output(&below, e))?;
        let own = PredictOptions { input: image.clone(), ..options.clone() };
        match go_on(&options.output).and_then(|()| predict(&own, &below)) {
            Ok(_) => done += 1,
            Err(error) if error.kind() == ErrorKind::Interrupted && done > 0 => {
                atomic::remove(&below)?;
                let what = "stopped; the images predicted before are there";
                *stopped =
                    Some(Error::new(ErrorKind::Interrupted, options.output.display().to_string(), what));
                break;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Input | ErrorKind::Simulation) => {
                atomic::remove(&below)?;
                say(verbosity, &format!("warning: left out: {error}"));
                failed.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    match (done, failed.pop()) {
        (0, Some(error)) => Err(error),
        _ => Ok(format!("predicted {done} of {} images", images.len())),
    }
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
    if let Some(tile) = args.tile.filter(|tile| *tile < SMALLEST_TILE) {
        return Err(Error::config("--tile", format!("{tile} is below {SMALLEST_TILE}")));
    }
    if let Some(bad) = args.voxel_size_m.filter(|size| !(*size > 0.0 && size.is_finite())) {
        return Err(Error::config("--voxel-size", format!("{bad} is no length; expected metres above 0")));
    }
    if let Model::Run(run) = &args.model
        && !run.exists()
    {
        let physical = [Physical::Percolation, Physical::LatticeBoltzmann].map(Physical::name).join(" or ");
        let what = format!("is not a run folder; make one with `porecast train`, or choose {physical}");
        return Err(Error::input(run, what));
    }
    if let Some(factor) = args.rescale {
        let [least, most] = range::RESCALED;
        if !(least..=most).contains(&factor) {
            return Err(Error::config("--rescale", format!("{factor} is outside {least} to {most}")));
        }
        if let Model::Physical(model) = args.model {
            let what = format!("is for networks; {} computes on the pixels of the image", model.name());
            return Err(Error::config("--rescale", what));
        }
    }
    if let Some(bad) = args.times.iter().find(|time| !time.is_finite() || **time < 0.0) {
        return Err(Error::config("--times", format!("{bad} is not a time; use finite times from 0")));
    }
    if args.times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::config("--times", "must ascend"));
    }
    Ok(())
}

/// A number of things in words.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
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
