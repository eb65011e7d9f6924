//! Scoring predictions: `porecast evaluate` and `porecast compare`.
//!
//! A [`Plan`] says what is to be scored and where its files are, [`execute`] scores the samples of each part beside what
//! has to be beaten and writes tables and figures, [`compare`](mod@compare) sets several runs side by side. What is
//! measured of a sample, and how it is shown, is for the dataset to say ([`Scored`]): [`invasions`] are measured frame by
//! frame, [`masks`] by counts of their classes. Predictions are read from files: a network of ours, a physical baseline
//! and another program are scored by the same code.

pub mod compare;
mod cost;
pub mod invasions;
pub mod masks;
pub mod plan;
pub mod predictions;
pub mod scored;
pub mod scores;
pub mod sheet;
pub mod table;
mod training;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use plan::{Part, Plan};
pub use scored::Scored;
pub use scores::Scores;

use porecast_base::Verbosity;
use porecast_base::{Error, Result};
use porecast_store::document::Document;
use porecast_store::run::{ComparisonFolder, EvaluationFolder};
use porecast_store::{InvasionDataset, MissingPredictions, SegmentationDataset, Task};
use predictions::PartPredictions;
use scores::{PartScores, SourceScores};
use table::Table;

/// What `porecast evaluate` is asked.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// Run folder, or a predictions file of any program (then `--dataset` and `-o` are needed).
    pub input: PathBuf,
    /// Dataset with the true sequences; the run's own when absent.
    pub dataset: Option<PathBuf>,
    /// Folder for scores and figures; `<run>/evaluation` when absent.
    pub output: Option<PathBuf>,
    /// Replace existing scores and predict anew.
    pub force: bool,
}

/// What `porecast compare` is asked.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// Run folders.
    pub runs: Vec<PathBuf>,
    /// Folder for the tables and figures.
    pub output: PathBuf,
    /// Replace an existing comparison.
    pub force: bool,
}

/// Predictions that are to be scored.
#[derive(Debug, Clone)]
pub enum Evaluation {
    /// Of invasion sequences.
    Invasions(Plan<InvasionDataset>),
    /// Of masks.
    Masks(Plan<SegmentationDataset>),
}

impl Evaluation {
    /// Finds everything that `porecast evaluate` was asked for; see [`Plan::new`].
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn plan(options: &EvaluateOptions) -> Result<Self> {
        match Task::of(&options.input) {
            Task::Invasion => Plan::new(options).map(Self::Invasions),
            Task::Segmentation => Plan::new(options).map(Self::Masks),
        }
    }

    /// The predictions that are missing, or all of them where they are to be made anew.
    pub fn missing(&self, anew: bool) -> Vec<MissingPredictions> {
        match self {
            Self::Invasions(plan) => plan.missing(anew),
            Self::Masks(plan) => plan.missing(anew),
        }
    }

    /// Scores the predictions that are there and writes tables and figures.
    ///
    /// # Errors
    /// No part is predicted, predictions and dataset do not belong together, or the output cannot be written.
    pub fn run(&self, verbosity: Verbosity) -> Result<()> {
        match self {
            Self::Invasions(plan) => run(plan, verbosity),
            Self::Masks(plan) => run(plan, verbosity),
        }
    }
}

/// The evaluations that `porecast compare` needs and that are not there yet.
///
/// # Errors
/// A run or its dataset is missing, or the output exists and is not to be replaced.
pub fn unscored(options: &CompareOptions) -> Result<Vec<Evaluation>> {
    if !options.force && ComparisonFolder::new(&options.output).comparison_path().exists() {
        return Err(Error::exists(&options.output));
    }
    let plan = |run: &PathBuf| {
        Evaluation::plan(&EvaluateOptions { input: run.clone(), dataset: None, output: None, force: false })
    };
    options.runs.iter().filter(|run| !compare::scores_path(run).exists()).map(plan).collect()
}

/// Sets scored runs side by side: `porecast compare`.
///
/// # Errors
/// A run is missing, is on another kind of dataset, changed since it was evaluated, or cannot be compared with the first
/// one; the output cannot be written.
pub fn compare(options: &CompareOptions, verbosity: Verbosity) -> Result<()> {
    match Task::of(&options.runs[0]) {
        Task::Invasion => compare::compare::<InvasionDataset>(options, verbosity),
        Task::Segmentation => compare::compare::<SegmentationDataset>(options, verbosity),
    }
}

fn run<D: Scored>(plan: &Plan<D>, verbosity: Verbosity) -> Result<()> {
    let scores = execute(plan)?;
    if !verbosity.quiet {
        let last = format!("scores and figures: {}", plan.output.display());
        print(&D::terminal(&scores), &scores.notes, &last);
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
pub fn execute<D: Scored>(plan: &Plan<D>) -> Result<Scores<D>> {
    let scores = measure(plan)?;
    D::sheets(&scores).iter().try_for_each(|sheet| sheet.write(&plan.output))?;
    D::draw(plan, &scores)?;
    if let Some((run, card)) = &plan.run {
        training::draw(run, card, &plan.output)?;
    }
    scores.write(&EvaluationFolder::new(&plan.output).scores_path())?;
    Ok(scores)
}

/// Scores the parts that are predicted.
fn measure<D: Scored>(plan: &Plan<D>) -> Result<Scores<D>> {
    let (present, missing): (Vec<&Part>, Vec<&Part>) =
        plan.parts.iter().partition(|part| part.predictions.exists());
    if present.is_empty() {
        let names: Vec<&str> = plan.parts.iter().map(|part| part.name.as_str()).collect();
        let place = plan.parts.first().map_or(&plan.output, |part| &part.predictions);
        let (predicted, names) = (D::PREDICTED, names.join(", "));
        let what = format!(
            "is missing: there are no predicted {predicted} of {names}; run `porecast predict` first"
        );
        return Err(Error::input(place, what));
    }
    let mean = D::mean(plan)?;
    let mut parts =
        present.iter().map(|part| score_part(plan, part, mean.as_ref())).collect::<Result<Vec<_>>>()?;
    D::drop_duplicate_sources(&mut parts);
    let unscored = missing.iter().map(|part| {
        let file = part.predictions.display();
        format!("the {} {}s are not scored: {file} is missing", part.name, D::SAMPLE)
    });
    Ok(Scores {
        format: Scores::<D>::FORMAT.into(),
        version: Scores::<D>::VERSION,
        source: plan.source.clone(),
        run: plan.run.as_ref().map(|(_, card)| card.clone()),
        dataset: plan.dataset.scored_on(&plan.fingerprint),
        terms: plan.terms.clone(),
        notes: unscored.chain(D::notes(plan, &parts, mean.is_some())).collect(),
        parts,
    })
}

fn score_part<D: Scored>(plan: &Plan<D>, part: &Part, mean: Option<&D::Mean>) -> Result<PartScores<D>> {
    let predictions = PartPredictions::open(plan, part)?;
    let counted = Mutex::<D::Counted>::default();
    let rows = part
        .ids
        .par_iter()
        .map(|id| D::score(plan, mean, &predictions, id, &counted))
        .collect::<Result<Vec<_>>>()?;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let sources = (0..columns).filter_map(|column| {
        let scores: Vec<_> = rows.iter().filter_map(|row| row.get(column).cloned().flatten()).collect();
        (!scores.is_empty()).then(|| D::Source::new(&plan.source, column, scores))
    });
    let sources: Vec<_> = sources.collect();
    if sources.is_empty() {
        let what = format!("has the truth of no {} {}, so there is nothing to score", part.name, D::SAMPLE);
        return Err(Error::input(plan.dataset.path(), what));
    }
    let counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(PartScores { part: part.name.clone(), sources, counted })
}
