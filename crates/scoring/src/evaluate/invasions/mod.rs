//! Sequences, scored frame by frame: means over domains at each time step first, averages over time after.
//!
//! `run` reads each domain and its prediction, [`score`] measures them frame by frame, [`baseline`] predicts without a
//! network, [`scores`] averages, [`tables`] and [`figures`] show the result. Files in the output folder:
//!
//! ```text
//! scores.json          every measure of every frame of every domain (Scores)
//! per_time_step.csv    part, source, frame, time, and mean, low, high of each measure
//! summary.csv          part, source, measure, over (time steps or final step), domains, frames, mean, low, high
//! reliability.csv      part, source, bin of the probability, pixels, mean probability, share that is invaded
//! mse, saturation, reliability, panel, errors, training (.svg and .png)
//! samples/             the frames of the domains, for the report
//! ```
//!
//! `intervals.json` goes to the folder of the run, where `predict` finds it.

pub mod answer;
pub mod baseline;
pub mod compare;
mod coverage;
#[cfg(test)]
pub(crate) mod fabricated;
pub mod figures;
pub mod measure;
pub mod samples;
pub mod score;
pub mod scores;
pub mod tables;

use porecast_base::{Error, Result, interrupt};
use porecast_simulations::percolation::Sides;
use porecast_store::document::Document;
use porecast_store::run::EvaluationFolder;
use porecast_store::{Dataset, InvasionDataset, Physics, PredictionFile, Quantity};
use rayon::prelude::*;

use super::plan::Part;
use super::predictions::PartPredictions;
use super::{Printout, training};
use baseline::{Baseline, TrainingMean};
use samples::Sample;
use score::DomainScore;
pub use scores::{PartScores, ScoredDataset, Scores, SequenceScores};

/// What is scored, and where its files are.
pub type Plan = super::Plan<InvasionDataset>;

/// Scores of the prediction for a domain, and of the baselines that can be made for it.
struct ScoredDomain {
    network: DomainScore,
    baselines: Vec<(Baseline, DomainScore)>,
}

/// Scores the predicted parts and writes everything. `scores.json` comes last: an evaluation that has it is finished.
///
/// # Errors
/// No part is predicted, predictions and dataset do not belong together, or the output cannot be written.
pub(super) fn run(plan: &Plan) -> Result<Printout> {
    let mean = training_mean(plan)?;
    let scores = score_parts(plan, mean.as_ref())?;
    tables::sheets(&scores).iter().try_for_each(|sheet| sheet.write(&plan.output))?;
    let samples = Sample::of_panel(plan, &scores)?;
    figures::draw(&scores, &samples, &plan.output)?;
    samples::write(&plan.output, plan, &scores, mean.as_ref())?;
    if let Some((run, card)) = &plan.run {
        training::draw(run, card, &plan.output)?;
        let validation = scores.part("validation").and_then(|part| part.sources.first());
        if let Some(intervals) =
            validation.and_then(|validation| coverage::intervals(validation, &card.members))
        {
            intervals.write(&run.intervals_path())?;
        }
    }
    scores.write(&EvaluationFolder::new(&plan.output).scores_path())?;
    let tables = tables::terminal(&scores);
    Ok(Printout::of_scores(tables, scores.notes))
}

/// Whether a mean over the sequences of one dataset can be scored on the other.
pub(super) fn is_like(one: &InvasionDataset, other: &InvasionDataset) -> bool {
    let ((_, height, width), (_, other_height, other_width)) = (one.shape(), other.shape());
    (height, width, one.inlet(), one.time_unit())
        == (other_height, other_width, other.inlet(), other.time_unit())
}

fn score_parts(plan: &Plan, mean: Option<&TrainingMean>) -> Result<Scores> {
    let (present, mut notes) = plan.predicted_parts()?;
    let parts = present.iter().map(|part| score_part(plan, part, mean)).collect::<Result<Vec<_>>>()?;
    if plan.dataset.origin().simulator.contains("percolation") {
        let note = "the dataset was simulated by percolation: the percolation baseline is the simulator itself and \
                    differs from the truth by its times alone";
        notes.push(note.to_owned());
    }
    Ok(Scores {
        format: Scores::FORMAT.into(),
        version: Scores::VERSION,
        source: plan.source.clone(),
        run: plan.run.as_ref().map(|(_, card)| card.clone()),
        dataset: ScoredDataset::new(&plan.dataset, &plan.fingerprint),
        baselines: explanations(plan),
        notes,
        parts,
    })
}

fn score_part(plan: &Plan, part: &Part, mean: Option<&TrainingMean>) -> Result<PartScores> {
    let predictions = PartPredictions::open(plan, part, mismatch_reason)?;
    let score = |id: &String| score_domain(plan, mean, &predictions, id);
    let domains = part.ids.par_iter().map(score).collect::<Result<Vec<_>>>()?;
    if domains.is_empty() {
        return Err(plan.nothing_to_score(part));
    }
    let (mut network, mut baselines) = (Vec::new(), Baseline::ALL.map(|baseline| (baseline, Vec::new())));
    for domain in domains {
        network.push(domain.network);
        for (baseline, score) in domain.baselines {
            let of_baseline = baselines.iter_mut().filter(|(one, _)| *one == baseline);
            of_baseline.for_each(|(_, scores)| scores.push(score.clone()));
        }
    }
    let network = SequenceScores { source: plan.source.clone(), is_baseline: false, domains: network };
    let baselines = baselines.into_iter().filter(|(_, domains)| !domains.is_empty());
    let baselines = baselines.map(|(baseline, domains)| SequenceScores {
        source: baseline.name().to_owned(),
        is_baseline: true,
        domains,
    });
    Ok(PartScores { part: part.name.clone(), sources: std::iter::once(network).chain(baselines).collect() })
}

fn score_domain(
    plan: &Plan,
    mean: Option<&TrainingMean>,
    predictions: &PartPredictions<InvasionDataset>,
    id: &str,
) -> Result<ScoredDomain> {
    if interrupt::is_requested() {
        return Err(Error::stopped(&plan.output));
    }
    let truth = plan.dataset.sequence(plan.dataset.place(id)?)?;
    let network = score::score(&truth, &predictions.of(id)?);
    let network = network.map_err(|error| predictions.mismatch(error))?;
    let mut baselines = Vec::new();
    for baseline in Baseline::ALL {
        if let Some(prediction) = baseline.predict(id, &truth, plan.dataset.sides(), mean)? {
            baselines.push((baseline, score::score(&truth, &prediction)?));
        }
    }
    Ok(ScoredDomain { network, baselines })
}

/// The mean frames of the training domains; `None` if these are missing.
fn training_mean(plan: &Plan) -> Result<Option<TrainingMean>> {
    let (Some((_, card)), Some(training)) = (&plan.run, &plan.training) else { return Ok(None) };
    let mut mean = TrainingMean::new(training.shape());
    for id in &card.split.train {
        mean.add(&training.sequence(training.place(id)?)?);
    }
    Ok(Some(mean))
}

/// What each baseline is on this dataset.
fn explanations(plan: &Plan) -> Vec<String> {
    let explain = |baseline: Baseline| {
        let explanation = baseline.explanation(plan.dataset.time_unit(), plan.training.is_some());
        match (baseline, plan.dataset.sides()) {
            (Baseline::Percolation, Sides::Walls) => {
                format!("{explanation}; its sides are walls, as simulated")
            }
            _ => explanation.into(),
        }
    };
    Baseline::ALL.map(explain).to_vec()
}

/// Why a file of predictions cannot be for this dataset, if so.
fn mismatch_reason(dataset: &InvasionDataset, predictions: &PredictionFile) -> Option<String> {
    let header = predictions.header();
    let is_same = (header.time_unit, header.inlet) == (dataset.time_unit(), dataset.inlet());
    if !is_same {
        return Some(format!(
            "has time in {} and the inlet at the {}, {} has {} and {}; pass the dataset that was predicted",
            header.time_unit.name(),
            header.inlet,
            dataset.path().display(),
            dataset.time_unit().name(),
            dataset.inlet()
        ));
    }
    predictions.domain_ids().iter().enumerate().find_map(|(index, id)| {
        let predicted = predictions.physics(index).ok()?;
        let simulated = Physics::from(&dataset.parameters(dataset.place(id).ok()?).ok()?);
        Quantity::GIVEN.into_iter().find_map(|quantity| {
            let [one, other] = [predicted, simulated].map(|physics| quantity.of(&physics, f64::NAN));
            let (one, other) = (one?, other?);
            ((one - other).abs() > 1e-6 * other.abs()).then(|| {
                format!(
                    "was predicted for {} {one} in domain {id:?}, {} has {other}; predict it again without {}",
                    quantity.name(),
                    dataset.path().display(),
                    quantity.option()
                )
            })
        })
    })
}
