//! Sequences of domains: those of a dataset, or of an image.

use std::path::{Path, PathBuf};

use ::image::RgbImage;
use ndarray::{Array2, ArrayView2, s};
use porecast_simulations::domain::Polarity;
use porecast_simulations::domain::connectivity::percolates;
use porecast_simulations::{Domain, Side};
use serde::Serialize;

use super::predictor::Predictor;
use super::sequence::Moment;
use super::{Output, Predicted, each};
use crate::model::Network;
use crate::model::ops::Kernels;
use crate::predict::PredictOptions;
use porecast_base::Verbosity;
use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_store::config::train::TrainConfig;
use porecast_store::picture;
use porecast_store::prediction::{self, PredictionHeader, PredictionWriter};
use porecast_store::run::{MemberCard, RunCard};
use porecast_store::{InvasionDataset, image, table};

/// Longest edge of an animation in pixels.
const ANIMATION_EDGE: usize = 1024;
/// Time between the frames of an animation.
const FRAME_MS: u32 = 200;

impl Predicted for InvasionDataset {
    type Config = TrainConfig;
    type Output = Shown;

    fn network<B: Kernels>(
        config: &TrainConfig,
        _: &RunCard,
        member: &MemberCard,
        device: &B::Device,
    ) -> Network<B> {
        let takes_time = member.frame.is_none();
        Network::init(&config.model, config.inputs.len(), config.head.channels(), takes_time, device)
    }

    fn of_input(args: &PredictOptions) -> Result<Option<Self>> {
        let extension = args.input.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if ["png", "tif", "tiff"].contains(&extension.as_str()) {
            return Ok(None);
        }
        let dataset = Self::open(&args.input)?;
        if !args.times.is_empty() {
            let what = "a dataset is predicted at its own times; pass an image to choose";
            return Err(Error::config("--times", what));
        }
        if args.inlet.is_some_and(|inlet| inlet != dataset.inlet()) {
            let what = format!("the dataset has its inlet at the {}", dataset.inlet());
            return Err(Error::config("--inlet", what));
        }
        Ok(Some(dataset))
    }

    fn output(_: &TrainConfig, folder: &Path) -> Result<Shown> {
        Ok(Shown { folder: folder.to_owned(), pictures: None, rows: Vec::new() })
    }

    fn predict<B: Kernels>(
        &self,
        predictor: &Predictor<B, Self>,
        ids: &[String],
        path: &Path,
        mut output: Option<&mut Shown>,
        verbosity: Verbosity,
    ) -> Result<()> {
        let card = &predictor.card;
        if self.time_unit() != card.dataset.time_unit {
            return Err(Error::mismatch(
                self.path(),
                format!("counts time in {:?}, the run learnt {:?}", self.time_unit(), card.dataset.time_unit),
            ));
        }
        let (frames, height, width) = self.shape();
        let frames = predictor.moments(&vec![0.0; frames]).len();
        let header = PredictionHeader { inlet: self.inlet(), ..header(card) };
        prediction::write_frames(path, &header, (frames, height, width), |writer| {
            each(self, ids, verbosity, |index| {
                let trajectory = self.sequence(index)?;
                let (domain, moments) = (&trajectory.domain, predictor.moments(&trajectory.times));
                let id = &self.domain_ids()[index];
                predict_domain(predictor, domain, self.inlet(), id, &moments, writer, output.as_deref_mut())
            })
        })
    }

    fn predict_images<B: Kernels>(
        predictor: &Predictor<B, Self>,
        args: &PredictOptions,
        output: &mut Shown,
        _: Verbosity,
    ) -> Result<()> {
        let card = &predictor.card;
        let grey = image::read_grey(&args.input)?;
        let polarity = if args.invert { Polarity::PoreDark } else { Polarity::PoreBright };
        let solid = grey.mapv(|value| polarity.is_solid(value.into(), args.threshold));
        let domain = Domain { solid, voxel_size_m: card.dataset.voxel_size_m };
        let inlet = args.inlet.unwrap_or(card.dataset.inlet);
        require_path(&domain, inlet, &args.input)?;
        let moments = image_moments(predictor, &args.times)?;
        let stem = args.input.file_stem();
        let id = stem.map_or_else(|| "domain".into(), |stem| stem.to_string_lossy().into_owned());
        let header = PredictionHeader { inlet, ..header(card) };
        let (height, width) = domain.shape();
        let path = args.output.join("predictions.h5");
        prediction::write_frames(&path, &header, (moments.len(), height, width), |writer| {
            predict_domain(predictor, &domain, inlet, &id, &moments, writer, Some(output))
        })
    }
}

/// Predicts a domain frame by frame: into the file, then before `output`.
fn predict_domain<B: Kernels>(
    predictor: &Predictor<B, InvasionDataset>,
    domain: &Domain,
    inlet: Side,
    id: &str,
    moments: &[Moment],
    writer: &mut PredictionWriter,
    mut output: Option<&mut Shown>,
) -> Result<()> {
    let times: Vec<f64> = moments.iter().map(|moment| moment.time).collect();
    writer.begin(id, &domain.solid, &times)?;
    let mut times = times.into_iter();
    predictor.frames(domain, inlet, moments, |frame| {
        writer.frame(frame)?;
        let time = times.next().expect("a frame for each moment");
        output.as_mut().map_or(Ok(()), |output| output.add(id, time, domain, frame))
    })
}

/// The times asked for; without any, the mean times of the training domains.
fn image_moments<B: Kernels>(
    predictor: &Predictor<B, InvasionDataset>,
    times: &[f64],
) -> Result<Vec<Moment>> {
    let card = &predictor.card;
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

/// What is shown of sequences: the saturation of every frame, and pictures of the first domain.
pub struct Shown {
    folder: PathBuf,
    /// Of which domain.
    pictures: Option<(String, Pictures)>,
    rows: Vec<SaturationRow>,
}

impl Shown {
    fn add(&mut self, id: &str, time: f64, domain: &Domain, frame: ArrayView2<'_, f32>) -> Result<()> {
        self.rows.push(SaturationRow::of(id, time, domain, frame));
        let (pictured, pictures) = match &mut self.pictures {
            Some(pictures) => pictures,
            none => none.insert((id.to_owned(), Pictures::new(&self.folder, &domain.solid)?)),
        };
        if pictured == id { pictures.add(frame) } else { Ok(()) }
    }
}

impl Output for Shown {
    fn finish(self, samples: Option<usize>) -> Result<String> {
        let frames = self.rows.len();
        let what = match (samples, &self.pictures) {
            (Some(domains), Some((id, _))) => format!("predicted {domains} domains, pictures of {id}"),
            _ => format!("predicted {frames} frames"),
        };
        self.pictures.map_or(Ok(()), |(_, pictures)| pictures.finish())?;
        table::write_csv(&self.folder.join("saturation.csv"), self.rows)?;
        Ok(what)
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
