//! Prediction: whole invasion sequences of new domains, or of the domains of a dataset.

mod mask_predictor;
mod orientation;
mod predictor;
mod segmentation;
mod tiles;
mod views;

use std::path::{Path, PathBuf};

use ::image::RgbImage;
use ndarray::{Array2, ArrayView2, s};
use porecast_simulations::domain::connectivity::percolates;
use porecast_simulations::{Domain, Side};
use serde::Serialize;

use crate::cli::{PredictArgs, Verbosity};
use crate::device::{Device, on_device};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ops::{Kernels, TrainBackend};
use crate::picture;
use crate::progress::{Progress, say};
use crate::store::prediction::{self, PredictionHeader, PredictionWriter};
use crate::store::run::RunCard;
use crate::store::{InvasionDataset, RunFolder, atomic, image, table};
use predictor::{Moment, Predictor};
pub use segmentation::predict_masks;

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
    if RunFolder::new(&args.run).is_segmentation() {
        return segmentation::run(args, device, verbosity);
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
        predict_dataset(&predictor, dataset, ids, path, verbosity, |_, _, _, _| Ok(()))?;
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

    let id =
        args.input.file_stem().map_or_else(|| "domain".into(), |stem| stem.to_string_lossy().into_owned());
    let header = PredictionHeader { inlet, ..header(card) };
    let (height, width) = domain.shape();
    let mut pictures = Pictures::new(&args.output, &domain.solid)?;
    let mut rows = Vec::new();
    let path = args.output.join("predictions.h5");
    prediction::write_frames(&path, &header, (moments.len(), height, width), |writer| {
        predict_domain(predictor, &domain, inlet, &id, &moments, writer, |time, frame| {
            rows.push(SaturationRow::of(&id, time, &domain, frame));
            pictures.add(frame)
        })
    })?;
    pictures.finish()?;
    table::write_csv(&args.output.join("saturation.csv"), rows)?;
    say(verbosity, &format!("predicted {} frames: {}", moments.len(), args.output.display()));
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
    let mut rows = Vec::new();
    let mut pictures: Option<Pictures> = None;
    predict_dataset(predictor, &dataset, ids, &path, verbosity, |id, time, domain, frame| {
        rows.push(SaturationRow::of(id, time, domain, frame));
        if *id == ids[0] {
            let pictures = match &mut pictures {
                Some(pictures) => pictures,
                none => none.insert(Pictures::new(&args.output, &domain.solid)?),
            };
            pictures.add(frame)?;
        }
        Ok(())
    })?;
    pictures.map_or(Ok(()), Pictures::finish)?;
    table::write_csv(&args.output.join("saturation.csv"), rows)?;
    let output = args.output.display();
    say(verbosity, &format!("predicted {} domains, pictures of {}: {output}", ids.len(), ids[0]));
    Ok(())
}

/// Predicts domains of a dataset into the file `path`; `look` is shown each frame with its domain and time.
fn predict_dataset<B: Kernels>(
    predictor: &Predictor<B>,
    dataset: &InvasionDataset,
    ids: &[String],
    path: &Path,
    verbosity: Verbosity,
    mut look: impl FnMut(&String, f64, &Domain, ArrayView2<'_, f32>) -> Result<()>,
) -> Result<()> {
    let card = predictor.card();
    if dataset.time_unit() != card.dataset.time_unit {
        return Err(Error::new(
            ErrorKind::Mismatch,
            dataset.path().display().to_string(),
            format!("counts time in {:?}, the run learnt {:?}", dataset.time_unit(), card.dataset.time_unit),
        ));
    }
    let (frames, height, width) = dataset.shape();
    let frames = predictor.moments(&vec![0.0; frames]).len();
    let header = PredictionHeader { inlet: dataset.inlet(), ..header(card) };
    let progress = Progress::new("domains predicted", ids.len(), 0, verbosity);
    prediction::write_frames(path, &header, (frames, height, width), |writer| {
        for id in ids {
            let index = dataset.domain_ids().iter().position(|other| other == id).ok_or_else(|| {
                Error::input(dataset.path(), format!("has no domain {id:?} of the run's split"))
            })?;
            let trajectory = dataset.sequence(index)?;
            let (domain, moments) = (&trajectory.domain, predictor.moments(&trajectory.times));
            predict_domain(predictor, domain, dataset.inlet(), id, &moments, writer, |time, frame| {
                look(id, time, domain, frame)
            })?;
            progress.advance(1, "");
        }
        Ok(())
    })?;
    progress.finish();
    Ok(())
}

/// Predicts a domain frame by frame: into the file, then before `look`.
fn predict_domain<B: Kernels>(
    predictor: &Predictor<B>,
    domain: &Domain,
    inlet: Side,
    id: &str,
    moments: &[Moment],
    writer: &mut PredictionWriter,
    mut look: impl FnMut(f64, ArrayView2<'_, f32>) -> Result<()>,
) -> Result<()> {
    let times: Vec<f64> = moments.iter().map(|moment| moment.time).collect();
    writer.begin(id, &domain.solid, &times)?;
    let mut times = times.into_iter();
    predictor.predict(domain, inlet, moments, |frame| {
        writer.frame(frame)?;
        look(times.next().expect("a frame for each moment"), frame)
    })
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

/// The pictures of a sequence: frames as PNG, and an animation.
struct Pictures {
    folder: PathBuf,
    frames: atomic::Folder,
    solid: Array2<bool>,
    /// Every n-th pixel keeps an animation of a large domain small.
    step: isize,
    animation: Vec<RgbImage>,
}

impl Pictures {
    fn new(folder: &Path, solid: &Array2<bool>) -> Result<Self> {
        // A whole folder, so that a shorter sequence leaves no frames of a longer one behind.
        let frames = atomic::Folder::new(&folder.join("frames"))?;
        let (height, width) = solid.dim();
        let step = height.max(width).div_ceil(ANIMATION_EDGE) as isize;
        Ok(Self { folder: folder.to_owned(), frames, solid: solid.clone(), step, animation: Vec::new() })
    }

    /// Draws the next frame.
    fn add(&mut self, frame: ArrayView2<'_, f32>) -> Result<()> {
        let path = self.frames.path().join(format!("frame-{:03}.png", self.animation.len()));
        image::write_png(&path, &picture::probability_image(self.solid.view(), frame))?;
        let part = s![..;self.step, ..;self.step];
        self.animation.push(picture::probability_image(self.solid.slice(part), frame.slice(part)));
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.frames.finish()?;
        image::write_gif(&self.folder.join("animation.gif"), self.animation.into_iter(), FRAME_MS)
    }
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

impl SaturationRow {
    fn of(domain_id: &str, time: f64, domain: &Domain, frame: ArrayView2<'_, f32>) -> Self {
        let pore = domain.pore_count().max(1) as f64;
        Self {
            domain_id: domain_id.to_owned(),
            time,
            saturation: frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pore,
            saturation_above_half: frame.iter().filter(|&&p| p > 0.5).count() as f64 / pore,
        }
    }
}
