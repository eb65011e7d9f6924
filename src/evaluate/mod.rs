//! Scoring predicted sequences: `porecast evaluate` and `porecast compare`.
//!
//! [`Plan`] says what is to be scored and where its files are, [`score`] scores one sequence, [`baseline`] makes what
//! has to be beaten, [`scores`] holds and averages the result, [`tables`] and [`figures`] show it, and
//! [`compare`](mod@compare) sets several runs side by side. Predictions are read from files: a network of ours, a
//! physical baseline and another program are scored by the same code.
//! [`masks`] does the same for segmentations.
//!
//! Files in the output folder:
//!
//! ```text
//! scores.json          every measure of every frame of every domain (scores::Scores)
//! per_time_step.csv    part, source, frame, time, and mean, low, high of each measure
//! summary.csv          part, source, measure, over (time steps or final step), domains, frames, mean, low, high
//! mse, saturation, panel, errors, training (.svg and .png)
//! samples/             strips of frames of some domains, for the report
//! ```

pub mod baseline;
pub mod compare;
pub mod compared;
mod cost;
pub mod document;
#[cfg(test)]
pub(crate) mod fabricated;
pub mod figures;
pub mod masks;
pub mod measure;
pub mod plan;
pub mod samples;
pub mod score;
pub mod scores;
pub mod table;
pub mod tables;

use std::io::Write;

use rayon::prelude::*;

pub use compare::{compare, unscored};
pub use measure::Measure;
pub use plan::{Part, Plan};
pub use scores::Scores;

use crate::cli::Verbosity;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{InvasionDataset, Prediction, PredictionFile};
use baseline::{Baseline, TrainingMean};
use document::Document;
use samples::Sample;
use score::DomainScore;
use scores::{PartScores, ScoredDataset, SourceScores};
use table::Table;

/// Runs `porecast evaluate`: scores the predictions that [`Plan::new`] finds and writes tables and figures.
///
/// # Errors
/// The arguments do not fit together, predictions or dataset are missing or do not belong together, or the
/// output exists or cannot be written.
pub fn run(plan: &Plan, verbosity: Verbosity) -> Result<()> {
    let scores = execute(plan)?;
    if !verbosity.quiet {
        print(
            &tables::terminal(&scores),
            &scores.notes,
            &format!("scores and figures: {}", plan.output.display()),
        );
    }
    Ok(())
}

/// Prints the end of a stage on standard output.
fn print(tables: &[Table], notes: &[String], last: &str) {
    let mut text: String = tables.iter().map(|table| table.to_text() + "\n").collect();
    notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    text += &format!("{last}\n");
    // A reader that has gone away (`| head`) is no failure of the stage.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Scores what is planned and writes everything; `scores.json` last, so that it stands for a finished evaluation.
///
/// # Errors
/// As [`run`].
pub fn execute(plan: &Plan) -> Result<Scores> {
    let scores = measure_all(plan)?;
    let samples = Sample::read(plan, &scores)?;
    tables::write_csv(&scores, &plan.output)?;
    figures::write(plan, &scores, &samples)?;
    samples::write(&plan.output, &scores, &samples)?;
    scores.write(&plan.output.join("scores.json"))?;
    Ok(scores)
}

fn measure_all(plan: &Plan) -> Result<Scores> {
    let mean = match &plan.training_domains {
        Some(ids) => Some(training_mean(&plan.dataset, ids)?),
        None => None,
    };
    let parts =
        plan.parts.iter().map(|part| score_part(plan, part, mean.as_ref())).collect::<Result<Vec<_>>>()?;
    Ok(Scores {
        format: Scores::FORMAT.into(),
        version: Scores::VERSION,
        source: plan.source.clone(),
        run: plan.run.as_ref().map(|(_, card)| card.clone()),
        dataset: ScoredDataset {
            path: plan.dataset.path().to_owned(),
            fingerprint: plan.fingerprint.clone(),
            simulator: plan.dataset.origin().simulator.clone(),
            shape: plan.dataset.shape(),
            time_unit: plan.dataset.time_unit(),
            inlet: plan.dataset.inlet(),
        },
        baselines: plan.baselines(),
        notes: plan.notes(),
        parts,
    })
}

fn training_mean(dataset: &InvasionDataset, ids: &[String]) -> Result<TrainingMean> {
    let mut mean = TrainingMean::new(dataset.shape());
    for id in ids {
        mean.add(&dataset.sequence(index_of(dataset, id)?)?);
    }
    Ok(mean)
}

fn score_part(plan: &Plan, part: &Part, mean: Option<&TrainingMean>) -> Result<PartScores> {
    let file = part.open(&plan.dataset)?;
    let saturations = mean.map(TrainingMean::saturations);
    let scored: Vec<Vec<Option<DomainScore>>> = part
        .ids
        .par_iter()
        .map(|id| {
            let truth = plan.dataset.sequence(index_of(&plan.dataset, id)?)?;
            let score = |prediction: Option<Prediction>| {
                prediction.map(|prediction| score::score(&truth, &prediction)).transpose()
            };
            let predicted = score(Some(prediction_of(&file, id)?)).map_err(|e| in_file(&file, e))?;
            let baselines = Baseline::ALL.into_iter().map(|baseline| {
                score(match baseline {
                    Baseline::NothingMoves => Some(baseline::nothing_moves(id, &truth)),
                    Baseline::MeanFrame => mean.map(|mean| mean.predict(id, &truth)),
                    Baseline::Percolation => baseline::percolate(id, &truth, saturations.as_deref())?,
                })
            });
            std::iter::once(Ok(predicted)).chain(baselines).collect()
        })
        .collect::<Result<_>>()?;
    let names = std::iter::once(plan.source.as_str()).chain(Baseline::ALL.map(Baseline::name));
    let sources = names.enumerate().filter_map(|(column, name)| {
        let domains: Vec<_> = scored.iter().filter_map(|row| row[column].clone()).collect();
        let source = SourceScores { source: name.to_owned(), is_baseline: column > 0, domains };
        (!source.domains.is_empty()).then_some(source)
    });
    Ok(PartScores { part: part.name.clone(), sources: sources.collect() })
}

/// The error of a score says which prediction; this adds which file it came from.
fn in_file(file: &PredictionFile, error: Error) -> Error {
    Error::new(error.kind(), file.path().display().to_string(), error.to_string())
}

fn index_of(dataset: &InvasionDataset, id: &str) -> Result<usize> {
    dataset.domain_ids().iter().position(|other| other == id).ok_or_else(|| {
        Error::new(
            ErrorKind::Mismatch,
            dataset.path().display().to_string(),
            format!("has no domain {id:?}; pass the dataset that was predicted with --dataset"),
        )
    })
}

fn prediction_of(file: &PredictionFile, id: &str) -> Result<Prediction> {
    match file.domain_ids().iter().position(|other| other == id) {
        Some(index) => file.prediction(index),
        None => Err(Error::new(
            ErrorKind::Mismatch,
            file.path().display().to_string(),
            format!("has no prediction for domain {id:?}; predict the whole part anew"),
        )),
    }
}
