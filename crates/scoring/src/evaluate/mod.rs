//! Scoring predictions: `porecast evaluate` and `porecast compare`.
//!
//! A [`Plan`] says what is scored and where its files are. From there on there are two straight paths: [`invasions`] are
//! measured frame by frame, [`masks`] by counts of their classes; each writes its tables and figures. [`compare`](mod@compare)
//! sets several runs side by side. Predictions are read from files: networks, physical baselines and other programs are
//! scored by the same code.

pub mod answer;
pub mod compare;
mod cost;
mod headline;
mod intervals;
pub mod invasions;
pub mod masks;
pub mod plan;
pub mod predictions;
pub mod sheet;
pub mod table;
pub mod training;

use std::path::{Path, PathBuf};

use porecast_base::lock::Held;
use porecast_base::{Error, Result, atomic, output};
use porecast_store::run::{ComparisonFolder, EvaluationFolder};
use porecast_store::{InvasionDataset, MissingPredictions, Task};

pub use headline::{Headline, headline};
use masks::MaskEvaluation;
pub use plan::{Part, Plan};
use table::Table;

/// Options of `porecast evaluate`.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// Run folder, or predictions file of any program (it needs `dataset` and `output`).
    pub input: PathBuf,
    /// Dataset with the true sequences or masks; without it, the dataset that the run was trained on.
    pub dataset: Option<PathBuf>,
    /// Folder for scores and figures; without it, `<run>/evaluation`, or `<run>/evaluation-<dataset>` for
    /// another dataset.
    pub output: Option<PathBuf>,
    /// Replace existing scores and the run's predictions.
    pub force: bool,
}

/// Options of `porecast compare`.
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
#[allow(clippy::large_enum_variant, reason = "a program holds a few evaluations at most")]
#[derive(Debug, Clone)]
pub enum Evaluation {
    /// Of invasion sequences.
    Invasions(Plan<InvasionDataset>),
    /// Of masks.
    Masks(MaskEvaluation),
}

impl Evaluation {
    /// Finds everything that `porecast evaluate` was asked for; see [`Plan::new`].
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn plan(options: &EvaluateOptions) -> Result<Self> {
        match Task::of(&options.input) {
            Task::Invasion => Plan::new(options, invasions::is_like).map(Self::Invasions),
            Task::Segmentation => MaskEvaluation::plan(options).map(Self::Masks),
        }
    }

    /// The predictions that are missing, or all of them where they are to be made anew.
    pub fn missing(&self, anew: bool) -> Vec<MissingPredictions> {
        match self {
            Self::Invasions(plan) => plan.missing(anew),
            Self::Masks(masks) => masks.plan.missing(anew),
        }
    }

    /// Holds the folder to write to, and shares that of the run, until both are dropped.
    ///
    /// # Errors
    /// Another process writes there.
    pub fn hold(&self) -> Result<(Option<Held>, Held)> {
        match self {
            Self::Invasions(plan) => plan.hold(),
            Self::Masks(masks) => masks.plan.hold(),
        }
    }

    /// The folder to write to.
    fn output(&mut self) -> &mut PathBuf {
        match self {
            Self::Invasions(plan) => &mut plan.output,
            Self::Masks(masks) => &mut masks.plan.output,
        }
    }

    /// What is said before anything is computed.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Invasions(plan) => &plan.notes,
            Self::Masks(masks) => &masks.plan.notes,
        }
    }

    /// Scores the existing predictions and writes tables and figures. These replace earlier ones once all are written.
    ///
    /// # Errors
    /// No part is predicted, predictions and dataset do not belong together, or the output cannot be written.
    pub fn run(mut self) -> Result<Printout> {
        let output = self.output().clone();
        let found = atomic::fill_folder(&output, |folder| {
            folder.clone_into(self.output());
            match &self {
                Self::Invasions(plan) => invasions::run(plan),
                Self::Masks(masks) => masks.run(),
            }
        })?;
        Ok(Printout {
            written: format!("scores and figures: {}", output.display()),
            document: EvaluationFolder::new(&output).scores_path(),
            ..found
        })
    }
}

/// The evaluations that `porecast compare` needs and that are not there yet.
///
/// # Errors
/// A run or its dataset is missing, or the output exists and is not to be replaced.
pub fn unscored(options: &CompareOptions) -> Result<Vec<Evaluation>> {
    let has_comparison = |place: &Path| ComparisonFolder::new(place).comparison_path().exists();
    if !options.force && has_comparison(&options.output) {
        return Err(Error::exists(&options.output));
    }
    output::check_folder(&options.output, "a comparison", has_comparison)?;
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
pub fn compare(options: &CompareOptions) -> Result<Printout> {
    let found = atomic::fill_folder(&options.output, |folder| {
        let options = CompareOptions { output: folder.to_owned(), ..options.clone() };
        match Task::of(&options.runs[0]) {
            Task::Invasion => invasions::compare::run(&options),
            Task::Segmentation => masks::compare::run(&options),
        }
    })?;
    Ok(Printout {
        written: format!("comparison: {}", options.output.display()),
        document: ComparisonFolder::new(&options.output).comparison_path(),
        ..found
    })
}

/// What a stage found, for a terminal.
#[derive(Debug, Clone, PartialEq)]
pub struct Printout {
    /// Tables.
    pub tables: Vec<Table>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Where everything was written.
    pub written: String,
    /// The JSON document among it: `scores.json` or `comparison.json`.
    pub document: PathBuf,
}

impl Printout {
    /// What was found; where it was written follows.
    fn of_scores(tables: Vec<Table>, notes: Vec<String>) -> Self {
        Self { tables, notes, written: String::new(), document: PathBuf::new() }
    }

    /// The text of everything, line by line.
    pub fn to_text(&self) -> String {
        let tables: String = self.tables.iter().map(|table| table.to_text() + "\n").collect();
        let notes: String = self.notes.iter().map(|note| format!("note: {note}\n")).collect();
        format!("{tables}{notes}{}\n", self.written)
    }
}
