//! Predicts the frames of domains with the networks of a run.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, ArrayView3, Axis};
use porecast_base::{Error, Result};
use porecast_simulations::domain::connectivity::clusters;
use porecast_simulations::{Domain, Side, TimeUnit};
use porecast_store::config::train::{Conditioning, TrainConfig};
use porecast_store::config::{self, Validate};
use porecast_store::document::Document;
use porecast_store::run::{MemberCard, RunCard};
use porecast_store::{Intervals, Physics, QuantityScale, RunFolder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::range::{self, significant};
use super::resolution::Resolution;
use super::trained::{self, Trained};
use super::{LARGE_TILE, TILE, go_on};
use crate::data::channels::channels;
use crate::device::Device;
use crate::model::Ends;
use crate::orientation::Orientation;
use crate::rescale::rescaled;

const SHIPPED_CARD: &str = include_str!("../../../../models/drainage/run.json");
const SHIPPED_CONFIG: &str = include_str!("../../../../models/drainage/config.toml");
const SHIPPED_INTERVALS: &str = include_str!("../../../../models/drainage/intervals.json");
const SHIPPED_WEIGHTS: &[u8] = include_bytes!("../../../../models/drainage/best.safetensors");

/// Largest number of pixels times frames of a domain in memory (512 MiB); more frames are predicted
/// in groups.
const HELD_AT_ONCE: usize = 8 * 4096 * 4096;

/// The networks of an invasion run, ready to predict domains in memory.
///
/// ```no_run
/// use porecast_learning::Predictor;
/// use porecast_simulations::{Domain, Side, TimeUnit};
/// use porecast_store::Physics;
///
/// let predictor = Predictor::open("runs/time".as_ref())?;
/// let solid = ndarray::Array2::from_shape_fn((256, 128), |(y, x)| y % 16 < 6 && (x + y / 2) % 16 < 6);
/// let domain = Domain { solid, voxel_size_m: 35e-6 };
/// let physics = Physics { capillary_number: Some(1e-2), ..Physics::default() };
/// let frames = predictor.frames(&domain, Side::Top, &physics, &predictor.times())?;
/// assert_eq!(frames.dim(), (predictor.times().len(), 256, 128));
/// # Ok::<(), porecast_base::Error>(())
/// ```
#[derive(Debug)]
pub struct Predictor {
    config: TrainConfig,
    card: RunCard,
    /// The file of a run's intervals; `None` for the model that comes with porecast.
    intervals: Option<PathBuf>,
    /// One for any time, or one per frame, in the order of the frames.
    networks: Vec<Averaged>,
    /// Largest tile edge in pixels, if it was set.
    tile: Option<usize>,
    /// How many times finer domains are predicted than they are, if it was set.
    rescale: Option<f64>,
}

/// Networks of different seeds; what they predict is averaged.
#[derive(Debug)]
struct Averaged {
    /// The frame that they predict; `None` for any time.
    frame: Option<usize>,
    networks: Vec<Box<dyn Trained>>,
}

/// A time to predict, and the networks that predict it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Time, in the unit of the dataset.
    pub time: f64,
    /// Index in the networks of the [`Predictor`].
    pub(super) networks: usize,
}

impl Predictor {
    /// Loads the networks of a run onto the CPU, each with the weights of its best epoch.
    ///
    /// # Errors
    /// The folder is not an invasion run with a trained network, or its weights do not fit its
    /// configuration.
    pub fn open(run: &Path) -> Result<Self> {
        Self::on(run, Device::Flex)
    }

    /// As [`open`](Self::open), on a device.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn on(run: &Path, device: Device) -> Result<Self> {
        let run = RunFolder::new(run);
        let card = run.card()?;
        let config: TrainConfig = config_of(&run, &card.members)?;
        let mut networks: Vec<Averaged> = Vec::new();
        for &MemberCard { frame, ref folder, .. } in &card.members {
            let path = run.member(folder).best_path();
            let network = trained::load(&path, &config.model, ends_of(&config, &card), device)?;
            match networks.iter_mut().find(|known| known.frame == frame) {
                Some(known) => known.networks.push(network),
                None => networks.push(Averaged { frame, networks: vec![network] }),
            }
        }
        let intervals = Some(run.intervals_path());
        Ok(Self { config, card, intervals, networks, tile: None, rescale: None })
    }

    /// The model that comes with porecast. It knows drainage at the capillary numbers, viscosity ratios and contact
    /// angles of its [`card`](Self::card); `models/drainage` describes it.
    ///
    /// # Errors
    /// The device cannot be used.
    pub fn shipped(device: Device) -> Result<Self> {
        let path = Path::new("models/drainage/best.safetensors");
        let config: TrainConfig = config::parse("models/drainage/config.toml", SHIPPED_CONFIG, &[])?;
        let card: RunCard =
            serde_json::from_str(SHIPPED_CARD).map_err(|e| Error::input(path, e.to_string()))?;
        let ends = ends_of(&config, &card);
        let network = trained::place(SHIPPED_WEIGHTS.to_vec(), path, &config.model, ends, device)?;
        Ok(Self {
            config,
            card,
            intervals: None,
            networks: vec![Averaged { frame: None, networks: vec![network] }],
            tile: None,
            rescale: None,
        })
    }

    /// Sets the largest tile edge; larger domains are predicted in overlapping tiles. `None` for 512 pixels. A recurrent
    /// network, which steps through a tile as if it were a domain, then takes a domain of up to 1024 x 1024 pixels as a whole, a
    /// larger one in tiles of 1024 pixels.
    pub fn with_tile(self, edge: Option<usize>) -> Self {
        Self { tile: edge, ..self }
    }

    /// Sets how many times finer domains are predicted than they are; 1 predicts them as they are. `None` brings the mean
    /// chord length of their pores into the range of the training domains, where it lies outside.
    pub fn with_rescale(self, factor: Option<f64>) -> Self {
        Self { rescale: factor, ..self }
    }

    /// The domain as the networks are given it, in another resolution where [`with_rescale`](Self::with_rescale) says so,
    /// and how many times finer that is.
    pub(super) fn seen<'a>(&self, domain: &'a Domain) -> (Cow<'a, Domain>, f64) {
        let off = |domain: &Domain| range::fitting_scale(&self.card.dataset, domain.mean_chord_length());
        let factor = self.rescale.unwrap_or_else(|| off(domain));
        if factor == 1.0 {
            return (Cow::Borrowed(domain), 1.0);
        }
        let other = rescaled(domain, factor);
        // Thin grains vanish in a coarse resolution, and the chords become longer.
        match self.rescale.is_some() || off(&other).ln().abs() < factor.ln().abs() {
            true => (Cow::Owned(other), factor),
            false => (Cow::Borrowed(domain), 1.0),
        }
    }

    /// Largest tile edge for a domain.
    pub(super) fn tile(&self, (height, width): (usize, usize)) -> usize {
        self.tile.unwrap_or_else(|| match self.config.conditioning.is_recurrent() {
            true if height * width <= LARGE_TILE * LARGE_TILE => height.max(width),
            true => LARGE_TILE,
            false => TILE,
        })
    }

    /// What the run was trained on.
    pub fn card(&self) -> &RunCard {
        &self.card
    }

    /// Prediction intervals from the validation domains; `None` where the run was not evaluated since its training.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn intervals(&self) -> Result<Option<Intervals>> {
        let found = match &self.intervals {
            Some(path) if path.exists() => Intervals::read(path)?,
            Some(_) => return Ok(None),
            None => serde_json::from_str(SHIPPED_INTERVALS)
                .map_err(|e| Error::input(Path::new("models/drainage/intervals.json"), e.to_string()))?,
        };
        Ok(Some(found).filter(|intervals| intervals.hold_for(&self.card.members)))
    }

    /// Times that the run can predict: the mean time of each frame over the training domains, in
    /// the unit of [`card`](Self::card). Single-frame networks predict only their own frames.
    pub fn times(&self) -> Vec<f64> {
        self.moments(&self.card.dataset.mean_times).iter().map(|moment| moment.time).collect()
    }

    /// Probability of the invading phase in a domain at each of some times, 0 in solid and in enclosed pores. The fluid enters at `inlet`; the
    /// domain is turned as the networks learnt it, and the prediction turned back. Of `physics` only the quantities that
    /// the networks are told matter.
    ///
    /// # Shapes
    /// `[time, y, x]`.
    ///
    /// # Errors
    /// A domain without pixels; a quantity that the networks are told and `physics` lacks; a time that is negative or not finite; of single-frame networks, a time that is not one
    /// of [`times`](Self::times); the memory of the device is full; the user stopped it.
    pub fn frames(
        &self,
        domain: &Domain,
        inlet: Side,
        physics: &Physics,
        times: &[f64],
    ) -> Result<Array3<f32>> {
        let (height, width) = domain.shape();
        if height == 0 || width == 0 {
            return Err(Error::config("domain", format!("is empty ({height} x {width} pixels)")));
        }
        if let Some(bad) = times.iter().find(|time| !time.is_finite() || **time < 0.0) {
            return Err(Error::config("times", format!("{bad} is not a time; use finite times from 0")));
        }
        let moments = if self.takes_any_time() {
            self.moments(times)
        } else {
            let known = self.moments(&self.card.dataset.mean_times);
            let moment = |&time: &f64| {
                let unknown = || {
                    let what =
                        format!("single-frame networks know the times {:?} only, not {time}", self.times());
                    Error::config("times", what)
                };
                known.iter().find(|moment| moment.time == time).copied().ok_or_else(unknown)
            };
            times.iter().map(moment).collect::<Result<_>>()?
        };
        let told = self.told(domain, physics)?;
        let mut frames = Array3::zeros((moments.len(), height, width));
        let predicted = self.each_frame(domain, inlet, &told, &moments);
        for (mut frame, predicted) in frames.outer_iter_mut().zip(predicted) {
            go_on(Path::new("prediction"))?;
            frame.assign(&predicted?);
        }
        Ok(frames)
    }

    /// What lies outside the training domains, in sentences: physics, porosity, size, chord length of the pores, late times.
    pub fn warnings(&self, domain: &Domain, inlet: Side, physics: &Physics, times: &[f64]) -> Vec<String> {
        let learnt = &self.card.dataset;
        let (seen, _) = self.seen(domain);
        let outside =
            range::outside(learnt, domain, &seen, inlet, physics).into_iter().map(|outside| outside.text);
        outside.chain(range::late(learnt, times, self.is_sequence())).collect()
    }

    /// Where predicted `frames` `[time, y, x]` hold more or less fluid than was injected, in sentences.
    pub fn volume_warnings(
        &self,
        domain: &Domain,
        inlet: Side,
        times: &[f64],
        frames: ArrayView3<'_, f32>,
    ) -> Vec<String> {
        let pores = domain.pore_count().max(1) as f64;
        let rows = times.iter().zip(frames.outer_iter()).map(|(&time, frame)| {
            let saturation = frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pores;
            (time, saturation, inlet.opposite().lane(frame).iter().any(|&p| p > 0.5))
        });
        range::wrong_volumes(&self.card.dataset, rows)
    }

    /// Refuses times after the last one of the training domains.
    ///
    /// # Errors
    /// A time lies after it.
    pub fn require_known(&self, times: &[f64]) -> Result<()> {
        range::check_times(&self.card.dataset, times, false)
    }

    /// Input channels of the networks `[channel, y, x]` for a domain, turned as the networks learnt it.
    pub fn channels(&self, domain: &Domain, inlet: Side) -> Array3<f32> {
        channels(&self.turned(domain, inlet), self.card.dataset.inlet, &self.config.inputs)
    }

    /// The domain as the networks learnt it, with the inlet of the training.
    fn turned(&self, domain: &Domain, inlet: Side) -> Domain {
        let turn = Orientation::between(inlet, self.card.dataset.inlet);
        Domain { solid: turn.turn(domain.solid.clone()), voxel_size_m: domain.voxel_size_m }
    }

    /// What the networks are told of a domain's physics, scaled as in the training.
    ///
    /// # Errors
    /// A quantity is missing or cannot be.
    pub(super) fn told(&self, domain: &Domain, physics: &Physics) -> Result<Vec<f32>> {
        let scales = &self.card.dataset.physics;
        let value = |scale: &QuantityScale| scale.quantity.of(physics, domain.porosity());
        let missing: Vec<_> = scales.iter().filter(|scale| value(scale).is_none()).collect();
        if !missing.is_empty() {
            let options: Vec<&str> = missing.iter().map(|scale| scale.quantity.option()).collect();
            let range = |scale: &&QuantityScale| {
                let [least, most] = [scale.least, scale.most].map(significant);
                format!("the {}, from {least} to {most}", scale.quantity.name())
            };
            let ranges: Vec<String> = missing.iter().map(range).collect();
            let what = format!("is missing: the run was trained with {}", ranges.join("; "));
            return Err(Error::config(options.join(", "), what));
        }
        let tell = |(scale, value): (&QuantityScale, f64)| match scale.quantity.is_possible(value) {
            true => Ok(scale.scaled(value)),
            false => {
                let what = format!(
                    "{value} is no {}, which is {}",
                    scale.quantity.name(),
                    scale.quantity.possible()
                );
                Err(Error::config(scale.quantity.option(), what))
            }
        };
        scales.iter().filter_map(|scale| Some((scale, value(scale)?))).map(tell).collect()
    }

    /// What the networks are told of a domain, in words; of `physics`, what is not `given` is assumed.
    pub(super) fn describe(&self, domain: &Domain, physics: &Physics, given: &Physics) -> String {
        let told = |scale: &QuantityScale| {
            let value = scale.quantity.of(physics, domain.porosity())?;
            let is_given = scale.quantity.of(given, domain.porosity()).is_some();
            let assumed = if is_given { "" } else { " (assumed)" };
            Some(format!("{} {}{assumed}", scale.quantity.name(), significant(value)))
        };
        let told: Vec<String> = self.card.dataset.physics.iter().filter_map(told).collect();
        told.join(", ")
    }

    /// Whether a network is told the time, rather than knowing a single frame.
    pub(super) fn takes_any_time(&self) -> bool {
        self.networks.iter().all(|networks| networks.frame.is_none())
    }

    /// Says if a domain is predicted in tiles that change the answer: smaller than the training domains, or of a network with
    /// attention, which sees a whole tile but nothing beyond it.
    pub(super) fn narrow_tiles(&self, (height, width): (usize, usize)) -> Option<String> {
        let (tile, longest) = (self.tile((height, width)), height.max(width));
        if longest <= tile {
            return None;
        }
        let (_, learnt_height, learnt_width) = self.card.dataset.shape;
        let learnt = learnt_height.max(learnt_width).min(longest);
        let why = if tile < learnt {
            format!("than the training domains ({learnt_height} x {learnt_width} pixels)")
        } else if self.config.model.sees_all() || self.config.conditioning.is_recurrent() {
            format!("than the domain ({height} x {width} pixels), which this network should see as a whole")
        } else {
            return None;
        };
        Some(format!(
            "tiles of {tile} pixels are smaller {why}. This changes the prediction; --tile {longest} takes the domain as a whole, with more memory"
        ))
    }

    /// The times of a sequence's frames that this run can predict: all, or those of its
    /// single-frame networks.
    pub(super) fn moments(&self, times: &[f64]) -> Vec<Moment> {
        let knows = |frame: usize| {
            self.networks.iter().position(|networks| networks.frame.is_none_or(|own| own == frame))
        };
        let moment = |(frame, &time)| knows(frame).map(|networks| Moment { time, networks });
        times.iter().enumerate().filter_map(moment).collect()
    }

    /// Whether a network gives whole sequences, up to the last time of the training.
    pub(super) fn is_sequence(&self) -> bool {
        matches!(self.config.conditioning, Conditioning::Sequence(_) | Conditioning::Recurrent(_))
    }

    /// The frames `[y, x]` of a domain one after the other; `told` comes from [`told`](Self::told). They are predicted in groups of 512 MiB.
    pub(super) fn each_frame<'a>(
        &'a self,
        domain: &Domain,
        inlet: Side,
        told: &'a [f32],
        moments: &'a [Moment],
    ) -> impl Iterator<Item = Result<Array2<f32>>> + use<'a> {
        let turn = Orientation::between(inlet, self.card.dataset.inlet);
        let turned = self.turned(domain, inlet);
        let seen = self.resolutions(&turned);
        let pixels = seen.iter().chain([&turned]).map(|domain| domain.solid.len()).max().unwrap_or(1);
        let mut resolutions: Vec<_> =
            seen.into_iter().map(|seen| Resolution::new(self, seen, told)).collect();
        let open = open_pores(&turned);
        moments.chunks((HELD_AT_ONCE / pixels).max(1)).flat_map(move |group| {
            let (frames, failed) = match mean_frames(&mut resolutions, group, &turned) {
                Ok(frames) => (frames, None),
                Err(error) => (Array3::zeros((0, 0, 0)), Some(Err(error))),
            };
            let open = open.clone();
            let frames = (0..frames.dim().0).map(move |index| {
                let mut frame = frames.index_axis(Axis(0), index).to_owned();
                frame.zip_mut_with(&open, |p, &is_open| *p = if is_open { *p } else { 0.0 });
                Ok(turn.back(frame))
            });
            failed.into_iter().chain(frames)
        })
    }

    /// The domain in every resolution that a prediction averages: the one of [`seen`](Self::seen), and those of the training,
    /// if the configuration asks for them, no resolution is set, and the pores stay as fine as in the training.
    fn resolutions(&self, domain: &Domain) -> Vec<Domain> {
        let (seen, factor) = self.seen(domain);
        let scales = match self.config.rescaled_prediction && self.rescale.is_none() {
            true => range::known_scales(&self.card.dataset, domain, factor),
            false => Vec::new(),
        };
        let further = scales.into_iter().map(|scale| rescaled(domain, scale));
        std::iter::once(seen.into_owned()).chain(further).collect()
    }

    /// Whether predictions are held back to the injected volume: those of recurrent networks that count time in pore volumes.
    pub(super) fn keeps_to_the_volume(&self) -> bool {
        self.config.conditioning.is_recurrent() && self.card.dataset.time_unit == TimeUnit::PoreVolumes
    }

    /// The networks that predict a moment.
    pub(super) fn networks(&self, moment: Moment) -> &[Box<dyn Trained>] {
        &self.networks[moment.networks].networks
    }

    pub(super) fn config(&self) -> &TrainConfig {
        &self.config
    }
}

/// Frames `[time, y, x]` on the pores of `domain`: the mean over `resolutions`.
fn mean_frames(
    resolutions: &mut [Resolution<'_>],
    moments: &[Moment],
    domain: &Domain,
) -> Result<Array3<f32>> {
    let (first, others) = resolutions.split_first_mut().expect("the resolution of the domain");
    let mut mean = first.frames(moments, domain)?;
    for other in &mut *others {
        mean += &other.frames(moments, domain)?;
    }
    Ok(mean / (1 + others.len()) as f32)
}

/// What the networks of a run are given and what they give back.
fn ends_of(config: &TrainConfig, card: &RunCard) -> Ends {
    let (_, height, width) = card.dataset.shape;
    Ends::of_invasion(config, (height, width), card.dataset.inlet)
}

/// The configuration of a run with a trained network.
///
/// # Errors
/// The configuration cannot be read, or there is no network.
pub(super) fn config_of<C: Serialize + DeserializeOwned + Validate>(
    run: &RunFolder,
    members: &[MemberCard],
) -> Result<C> {
    let config = config::load(&run.config_path(), &[])?;
    if members.is_empty() {
        let what = "has no trained network yet; finish it with `porecast train --resume`";
        return Err(Error::input(run.path(), what));
    }
    Ok(config)
}

/// Pores that fluid can enter `[y, x]`: those of a cluster that touches an edge of the domain.
pub(super) fn open_pores(domain: &Domain) -> Array2<bool> {
    let clusters = clusters(&domain.pore_space());
    let touches = [Side::Top, Side::Bottom, Side::Left, Side::Right].map(|edge| clusters.touch(edge));
    clusters
        .labels
        .mapv(|label| label.is_some_and(|label| touches.iter().any(|touches| touches[label as usize])))
}
