//! Domains to look at: those of the panel, and a film of all for the report.

use std::path::Path;

use ndarray::{Array3, ArrayView2, Axis};
use porecast_simulations::Trajectory;
use porecast_store::Physics;
use rayon::prelude::*;

use super::baseline::{Baseline, TrainingMean};
use super::score::{self, DomainScore, FrameScore};
use super::scores::SequenceScores;
use super::{PartScores, Plan, Scores, mismatch_reason};
use crate::evaluate::predictions::PartPredictions;
use crate::figure::Colour;
use crate::figure::film::{Film, FilmedDomain, FilmedSequence, rounded};
use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_store::run::EvaluationFolder;
use porecast_store::{Dataset, InvasionDataset, Prediction, document};

/// Domains in the panel.
const PANEL_DOMAINS: usize = 5;
/// Domains in the film.
const FILM_DOMAINS: usize = 100;
/// Domains that are filmed at a time.
const CHUNK: usize = 8;

/// A domain to look at.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The true sequence.
    pub truth: Trajectory,
    /// What was predicted.
    pub prediction: Prediction,
    /// The true frame of each predicted one.
    pub frames: Vec<usize>,
}

impl Sample {
    /// Reads the first domains of the test part, or of the part that replaces it.
    pub(super) fn of_panel(plan: &Plan, scores: &Scores) -> Result<Vec<Self>> {
        let Some((main, predictions)) = main_part(plan, scores)? else { return Ok(Vec::new()) };
        main.ids().into_iter().take(PANEL_DOMAINS).map(|id| Self::read(plan, &predictions, id)).collect()
    }

    fn read(plan: &Plan, predictions: &PartPredictions<InvasionDataset>, id: &str) -> Result<Self> {
        let truth = plan.dataset.sequence(plan.dataset.place(id)?)?;
        let prediction = predictions.of(id)?;
        let frames = score::match_times(&truth.times, &prediction.times)
            .expect("the prediction was scored against this truth");
        Ok(Self { truth, prediction, frames })
    }

    /// The solid mask.
    pub(super) fn solid(&self) -> ArrayView2<'_, bool> {
        self.truth.domain.solid.view()
    }

    /// Index in the prediction of a true frame.
    pub(super) fn position(&self, frame: usize) -> Option<usize> {
        self.frames.iter().position(|&f| f == frame)
    }

    /// The true phase at predicted frame `t`.
    pub(super) fn true_phase(&self, t: usize) -> ArrayView2<'_, bool> {
        self.truth.phase.index_axis(Axis(0), self.frames[t])
    }

    /// The predicted probability of predicted frame `t`.
    pub(super) fn probability(&self, t: usize) -> ArrayView2<'_, f32> {
        self.prediction.probability.index_axis(Axis(0), t)
    }
}

/// Scores and predictions of the test part, or of the part that replaces it.
fn main_part<'a>(
    plan: &Plan,
    scores: &'a Scores,
) -> Result<Option<(&'a PartScores, PartPredictions<InvasionDataset>)>> {
    let Some(main) = scores.main_part() else { return Ok(None) };
    let Some(part) = plan.parts.iter().find(|part| part.name == main.part) else { return Ok(None) };
    Ok(Some((main, PartPredictions::open(plan, part, mismatch_reason)?)))
}

/// Reads the film in a folder of samples.
///
/// # Errors
/// The folder has none that can be read.
pub fn read_film(folder: &Path) -> Result<Film> {
    let path = folder.join(FILM);
    let bytes = document::read_bytes(&path, "evaluate with --force")?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::input(&path, format!("is not a film of samples: {e}; evaluate with --force")))
}

/// Name of the film in a folder of samples.
const FILM: &str = "film.json";

/// Films the domains of the main part: the truth, the prediction, and percolation where it can be made.
pub(super) fn write(folder: &Path, plan: &Plan, scores: &Scores, mean: Option<&TrainingMean>) -> Result<()> {
    let Some((main, predictions)) = main_part(plan, scores)? else { return Ok(()) };
    let dataset = &plan.dataset;
    let (_, height, width) = dataset.shape();
    let ids = main.ids();
    let mut film =
        Film::new(ids.len(), (height, width), dataset.voxel_size_m(), dataset.inlet(), dataset.time_unit());
    for ids in ids[..ids.len().min(FILM_DOMAINS)].chunks(CHUNK) {
        if film.is_full() {
            break;
        }
        let filmed = ids.par_iter().map(|id| {
            let sample = Sample::read(plan, &predictions, id)?;
            let percolation = Baseline::Percolation.predict(id, &sample.truth, dataset.sides(), mean)?;
            Ok(filmed(&film, main, &sample, percolation))
        });
        let filmed: Vec<FilmedDomain> = filmed.collect::<Result<_>>()?;
        film.domains.extend(filmed);
    }
    film.shorten();
    let path = EvaluationFolder::new(folder).samples_path().join(FILM);
    let bytes = serde_json::to_vec(&film).map_err(|e| Error::output(&path, e))?;
    atomic::write(&path, &bytes)
}

fn filmed(film: &Film, main: &PartScores, sample: &Sample, percolation: Option<Prediction>) -> FilmedDomain {
    let Sample { truth, prediction, frames } = sample;
    let chosen = Film::chosen(frames.len());
    let numbers: Vec<usize> = chosen.iter().map(|&t| frames[t]).collect();
    let id = &prediction.domain_id;
    let score_of =
        |source: Option<&SequenceScores>| source?.domains.iter().find(|one| one.domain_id == *id).cloned();
    let own = score_of(main.sources.first());
    let true_frames = truth.phase.select(Axis(0), &numbers).mapv(|invaded| f32::from(u8::from(invaded)));
    let sequence = |name: &str, colour, frames: Array3<f32>, score: Option<&DomainScore>| FilmedSequence {
        name: name.to_owned(),
        colour,
        at: Vec::new(),
        frames: film.packed(frames.view()),
        saturation: values(score, &numbers, |frame| frame.saturation),
        mse: values(score, &numbers, |frame| frame.mse),
    };
    let mut sequences = vec![
        FilmedSequence {
            saturation: values(own.as_ref(), &numbers, |frame| frame.true_saturation),
            mse: Vec::new(),
            ..sequence("True", Colour::Truth, true_frames, None)
        },
        sequence("Predicted", Colour::Run(0), prediction.probability.select(Axis(0), &chosen), own.as_ref()),
    ];
    sequences.extend(percolation.map(|percolation| {
        let score = score_of(main.source(Some(Baseline::Percolation)));
        let frames = percolation.probability.select(Axis(0), &numbers);
        sequence("Percolation", Colour::Baseline, frames, score.as_ref())
    }));
    FilmedDomain {
        id: id.clone(),
        facts: film.facts(truth.domain.shape(), truth.domain.porosity(), &Physics::from(&truth.parameters)),
        times: numbers.iter().map(|&frame| rounded(truth.times[frame])).collect(),
        frames: numbers,
        solid: film.packed_solid(truth.domain.solid.view()),
        sequences,
    }
}

/// A value of each of the frames with these numbers.
fn values(score: Option<&DomainScore>, numbers: &[usize], value: fn(&FrameScore) -> f64) -> Vec<f64> {
    let Some(score) = score else { return Vec::new() };
    let of_frame = |number: &usize| score.frames.iter().find(|frame| frame.frame == *number);
    numbers.iter().filter_map(of_frame).map(|frame| rounded(value(frame))).collect()
}
