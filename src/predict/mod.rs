//! Prediction: whole invasion sequences of new domains, or of the domains of a dataset.

mod orientation;
mod predictor;
mod tiles;

use std::path::Path;

use ndarray::{Array2, ArrayView2, Axis};
use porecast_simulations::domain::connectivity::percolates;
use porecast_simulations::{Domain, Side};
use serde::Serialize;

use crate::cli::{PredictArgs, Verbosity};
use crate::device::{Device, on_device};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ops::{Kernels, TrainBackend};
use crate::picture;
use crate::progress::Progress;
use crate::store::prediction::{self, PredictionFile, PredictionHeader};
use crate::store::run::RunCard;
use crate::store::{InvasionDataset, Prediction, RunFolder, image, table};
use predictor::{Moment, Predictor};

/// Edge of the largest tile that is predicted at once, in pixels.
const TILE: usize = 512;
/// Edge of the smallest tile that can be asked for, in pixels.
const SMALLEST_TILE: usize = 16;
/// Longest edge of an animation in pixels.
const ANIMATION_EDGE: usize = 1024;
/// Time between the frames of an animation.
const FRAME_MS: u32 = 200;

/// `porecast predict`: predicts an image of a domain or the domains of a dataset.
///
/// # Errors
/// An unusable run, image or dataset, a domain that does not percolate, an existing output without `--force`.
pub fn run(args: &PredictArgs, verbosity: Verbosity) -> Result<()> {
    let device = Device::parse(&args.device)?;
    check(args)?;
    if args.output.exists() && !args.force {
        return Err(Error::exists(&args.output));
    }
    on_device!(device, predict_input(args, verbosity))
}

/// Refuses arguments outside their range.
fn check(args: &PredictArgs) -> Result<()> {
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

/// Predicts some domains of a dataset with a run, for `evaluate` and `compare`: the domains of each part go to a file.
///
/// # Errors
/// As [`run`].
pub fn predict_parts<'a>(
    run: &RunFolder,
    dataset: &InvasionDataset,
    parts: impl Iterator<Item = (&'a [String], &'a Path)>,
    device: &str,
    verbosity: Verbosity,
) -> Result<()> {
    let device = Device::parse(device)?;
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { Ok(()) } else { on_device!(device, predict_files(run, dataset, &parts, verbosity)) }
}

fn predict_files<B: TrainBackend>(
    device: &B::Device,
    run: &RunFolder,
    dataset: &InvasionDataset,
    parts: &[(&[String], &Path)],
    verbosity: Verbosity,
) -> Result<()> {
    let predictor = Predictor::<B::InnerBackend>::load(run, TILE, device)?;
    for (ids, path) in parts {
        predict_dataset(&predictor, dataset, ids, path, verbosity)?;
    }
    Ok(())
}

fn predict_input<B: TrainBackend>(
    device: &B::Device,
    args: &PredictArgs,
    verbosity: Verbosity,
) -> Result<()> {
    let run = RunFolder::new(&args.run);
    let predictor = Predictor::<B::InnerBackend>::load(&run, args.tile, device)?;
    let is_image = args
        .input
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|e| ["png", "tif", "tiff"].contains(&e.to_ascii_lowercase().as_str()));
    if is_image {
        predict_image(&predictor, args, verbosity)
    } else {
        predict_file(&predictor, args, verbosity)
    }
}

fn predict_image<B: Kernels>(
    predictor: &Predictor<B>,
    args: &PredictArgs,
    verbosity: Verbosity,
) -> Result<()> {
    let card = predictor.card();
    if args.part.is_some() {
        return Err(Error::config("--part", "names a part of a dataset's split, but the input is an image"));
    }
    let grey = image::read_grey(&args.input)?;
    let solid = grey.mapv(|value| (f64::from(value) < args.threshold) != args.invert);
    let domain = Domain { solid, voxel_size_m: card.dataset.voxel_size_m };
    let inlet = args.inlet.unwrap_or(card.dataset.inlet);
    require_path(&domain, inlet, &args.input)?;
    let moments = image_moments(predictor, &args.times)?;

    let probability = predictor.predict(&domain, inlet, &moments)?;
    let id =
        args.input.file_stem().map_or_else(|| "domain".into(), |stem| stem.to_string_lossy().into_owned());
    let prediction = Prediction {
        domain_id: id,
        solid: domain.solid,
        times: moments.iter().map(|moment| moment.time).collect(),
        probability,
    };
    write_pictures(&args.output, &prediction)?;
    table::write_csv(&args.output.join("saturation.csv"), saturations(&prediction))?;
    let header = PredictionHeader { inlet, ..header(card) };
    prediction::write(&args.output.join("predictions.h5"), &header, std::iter::once(Ok(prediction)))?;
    if !verbosity.quiet {
        eprintln!("predicted {} frames: {}", moments.len(), args.output.display());
    }
    Ok(())
}

fn predict_file<B: Kernels>(
    predictor: &Predictor<B>,
    args: &PredictArgs,
    verbosity: Verbosity,
) -> Result<()> {
    let dataset = InvasionDataset::open(&args.input)?;
    let card = predictor.card();
    if !args.times.is_empty() {
        return Err(Error::config(
            "--times",
            "a dataset is predicted at its own times; pass an image to choose",
        ));
    }
    if args.inlet.is_some_and(|inlet| inlet != dataset.inlet()) {
        return Err(Error::config(
            "--inlet",
            format!("the dataset has its inlet at the {}", dataset.inlet()),
        ));
    }
    let ids = match args.part.as_deref() {
        None => dataset.domain_ids(),
        Some(part) => {
            card.split.parts().into_iter().find(|(name, _)| *name == part).map(|(_, ids)| ids).ok_or_else(
                || Error::config("--part", format!("{part:?} is unknown; use train, validation or test")),
            )?
        }
    };
    let path = args.output.join("predictions.h5");
    predict_dataset(predictor, &dataset, ids, &path, verbosity)?;
    let file = PredictionFile::open(&path)?;
    let mut rows = Vec::new();
    for index in 0..ids.len() {
        rows.extend(saturations(&file.prediction(index)?));
    }
    table::write_csv(&args.output.join("saturation.csv"), rows)?;
    write_pictures(&args.output, &file.prediction(0)?)?;
    if !verbosity.quiet {
        eprintln!("predicted {} domains, pictures of {}: {}", ids.len(), ids[0], args.output.display());
    }
    Ok(())
}

fn predict_dataset<B: Kernels>(
    predictor: &Predictor<B>,
    dataset: &InvasionDataset,
    ids: &[String],
    path: &Path,
    verbosity: Verbosity,
) -> Result<()> {
    let card = predictor.card();
    if dataset.time_unit() != card.dataset.time_unit {
        return Err(Error::new(
            ErrorKind::Mismatch,
            dataset.path().display().to_string(),
            format!("counts time in {:?}, the run learnt {:?}", dataset.time_unit(), card.dataset.time_unit),
        ));
    }
    let progress = Progress::new("domains predicted", ids.len(), 0, verbosity);
    let predictions = ids.iter().map(|id| {
        let index = dataset.domain_ids().iter().position(|other| other == id).ok_or_else(|| {
            Error::input(dataset.path(), format!("has no domain {id:?} of the run's split"))
        })?;
        let trajectory = dataset.sequence(index)?;
        let moments = predictor.moments(&trajectory.times);
        let probability = predictor.predict(&trajectory.domain, dataset.inlet(), &moments)?;
        progress.step();
        Ok(Prediction {
            domain_id: id.clone(),
            probability,
            solid: trajectory.domain.solid,
            times: moments.iter().map(|moment| moment.time).collect(),
        })
    });
    prediction::write(path, &PredictionHeader { inlet: dataset.inlet(), ..header(card) }, predictions)?;
    progress.finish();
    Ok(())
}

/// The times asked for; without any, the mean times of the training domains.
fn image_moments<B: Kernels>(predictor: &Predictor<B>, times: &[f64]) -> Result<Vec<Moment>> {
    let card = predictor.card();
    let mean_times = &card.dataset.mean_times;
    if times.is_empty() {
        return Ok(predictor.moments(mean_times));
    }
    if card.members.iter().any(|member| member.frame.is_some()) {
        return Err(Error::config(
            "--times",
            "single-frame networks know their own frames only; leave it out",
        ));
    }
    Ok(times.iter().map(|&time| Moment { time, frame: 0 }).collect())
}

fn require_path(domain: &Domain, inlet: Side, input: &Path) -> Result<()> {
    if percolates(domain, inlet) {
        return Ok(());
    }
    Err(Error::input(
        input,
        format!(
            "the pore space ({:.0} % of the image) has no path from the {inlet} edge to the {} edge; check --threshold, \
             --invert and --inlet",
            100.0 * domain.porosity(),
            inlet.opposite()
        ),
    ))
}

fn header(card: &RunCard) -> PredictionHeader {
    PredictionHeader {
        source: card.name.clone(),
        time_unit: card.dataset.time_unit,
        inlet: card.dataset.inlet,
        voxel_size_m: card.dataset.voxel_size_m,
    }
}

/// Frames as PNG and as an animation.
fn write_pictures(folder: &Path, prediction: &Prediction) -> Result<()> {
    let (height, width) = prediction.solid.dim();
    let frames = folder.join("frames");
    if frames.exists() {
        // A shorter sequence must not leave frames of a longer one behind.
        std::fs::remove_dir_all(&frames).map_err(|e| Error::output(&frames, e))?;
    }
    for (index, frame) in prediction.probability.axis_iter(Axis(0)).enumerate() {
        let picture = picture::probability_image(prediction.solid.view(), frame);
        image::write_png(&frames.join(format!("frame-{index:03}.png")), &picture)?;
    }
    // Every n-th pixel keeps an animation of a large domain small.
    let step = height.max(width).div_ceil(ANIMATION_EDGE) as isize;
    let small: Array2<bool> = prediction.solid.slice(ndarray::s![..;step, ..;step]).to_owned();
    let frames = prediction
        .probability
        .axis_iter(Axis(0))
        .map(|frame| picture::probability_image(small.view(), frame.slice(ndarray::s![..;step, ..;step])));
    image::write_gif(&folder.join("animation.gif"), frames, FRAME_MS)
}

/// A row of `saturation.csv`.
#[derive(Serialize)]
struct SaturationRow {
    domain_id: String,
    time: f64,
    /// Mean probability over the pore space.
    saturation: f64,
    /// Share of the pore space with a probability above one half.
    saturation_above_half: f64,
}

fn saturations(prediction: &Prediction) -> Vec<SaturationRow> {
    let pore = prediction.solid.iter().filter(|&&solid| !solid).count().max(1) as f64;
    let frames = prediction.times.iter().zip(prediction.probability.axis_iter(Axis(0)));
    let row = |(&time, frame): (&f64, ArrayView2<'_, f32>)| SaturationRow {
        domain_id: prediction.domain_id.clone(),
        time,
        saturation: frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pore,
        saturation_above_half: frame.iter().filter(|&&p| p > 0.5).count() as f64 / pore,
    };
    frames.map(row).collect()
}
