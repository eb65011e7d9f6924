//! What differs between sequences and masks when they are scored. Everything else is written once.

use std::path::Path;
use std::sync::Mutex;

use super::compare::ScoredRun;
use super::plan::Plan;
use super::predictions::PartPredictions;
use super::scores::{PartScores, Scores, SourceScores};
use super::sheet::Sheet;
use super::table::Table;
use porecast_base::Result;
use porecast_store::run::Card;
use porecast_store::{Dataset, RunFolder, Serializable};

/// A dataset that predictions are scored on. Errors are those of reading samples and writing output, and of runs or
/// predictions that cannot be scored on the dataset or compared with each other.
pub trait Scored: Dataset {
    /// The dataset as scores name it.
    type ScoredOn: Serializable;
    /// What has to be known to read the scores.
    type Terms: Serializable;
    /// Scores of one predictor on one part.
    type Source: SourceScores;
    /// What is counted in a part beside the scores of its predictors.
    type Counted: Serializable + Default + Send;
    /// What baselines know of the training samples.
    type Mean: Sync;

    /// The dataset as scores name it.
    fn scored_on(&self, fingerprint: &str) -> Self::ScoredOn;

    /// Path and fingerprint of the dataset that was scored on.
    fn identity(scored_on: &Self::ScoredOn) -> (&Path, &str);

    /// Whether a mean over the samples of one can be scored on the other.
    fn is_like(&self, other: &Self) -> bool;

    /// What decides how predictions are scored: of a run, or of a file; `has_training` where the training samples are
    /// at hand.
    fn terms(&self, run: Option<(&RunFolder, &Card<Self::Card>)>, has_training: bool) -> Result<Self::Terms>;

    /// Reads the training samples of a run; none where they are not at hand.
    fn mean(plan: &Plan<Self>) -> Result<Option<Self::Mean>>;

    /// Why a file of predictions cannot be for this dataset, if so.
    fn mismatch(&self, predictions: &Self::Predictions) -> Option<String>;

    /// Scores the prediction for a sample and the baselines, by the columns of [`SourceScores::new`]; nothing where
    /// nobody knows the truth.
    fn score(
        plan: &Plan<Self>,
        mean: Option<&Self::Mean>,
        predictions: &PartPredictions<Self>,
        id: &str,
        counted: &Mutex<Self::Counted>,
    ) -> Result<Vec<Option<<Self::Source as SourceScores>::Score>>>;

    /// Drops the sources that repeat another one.
    fn drop_duplicate_sources(_parts: &mut [PartScores<Self>]) {}

    /// What a reader of the scores has to be told.
    fn notes(plan: &Plan<Self>, parts: &[PartScores<Self>], has_mean: bool) -> Vec<String>;

    /// What each baseline is, where that depends on the dataset.
    fn baselines(terms: &Self::Terms) -> &[String];

    /// The tables of an evaluation, for a terminal.
    fn terminal(scores: &Scores<Self>) -> Vec<Table>;

    /// The tables of an evaluation, for a page.
    fn overview(scores: &Scores<Self>) -> Vec<Table>;

    /// The CSV files of an evaluation.
    fn sheets(scores: &Scores<Self>) -> Vec<Sheet>;

    /// Draws the figures of an evaluation, and writes what the report shows beside them.
    fn draw(plan: &Plan<Self>, scores: &Scores<Self>) -> Result<()>;

    /// Sets runs side by side.
    fn compare(scored: &[ScoredRun<Self>]) -> Result<Findings<'_>>;
}

/// What a comparison found.
pub struct Findings<'a> {
    /// The part of the split that the comparison rests on.
    pub part: String,
    /// What a reader has to be told.
    pub notes: Vec<String>,
    /// The tables.
    pub tables: Vec<Table>,
    /// Those for a terminal.
    pub terminal: Vec<Table>,
    /// The CSV files.
    pub sheets: Vec<Sheet>,
    /// Draws the figure, and writes what the report shows beside it.
    pub draw: Drawing<'a>,
}

/// Writes pictures into a folder.
pub type Drawing<'a> = Box<dyn FnOnce(&Path) -> Result<()> + 'a>;
