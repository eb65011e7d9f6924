//! `scores.json`: everything measured.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::scored::Scored;
use crate::metric::Interval;
use crate::metric::bootstrap::Resamples;
use porecast_store::Serializable;
use porecast_store::document::Document;
use porecast_store::run::Card;

/// Seed of the bootstrap: the same draws for all runs, so that their intervals can be compared.
const BOOTSTRAP_SEED: u64 = 0;

/// What `scores.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Scores<D: Scored> {
    /// [`Dataset::SCORES`](porecast_store::Dataset::SCORES).
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// Who predicted.
    pub source: String,
    /// The run that predicted, as it was when scored.
    pub run: Option<Card<D::Card>>,
    /// What was scored on.
    pub dataset: D::ScoredOn,
    /// What has to be known to read the scores.
    #[serde(flatten)]
    pub terms: D::Terms,
    /// What a reader has to be told.
    pub notes: Vec<String>,
    /// Scores of each part of the split that was predicted.
    pub parts: Vec<PartScores<D>>,
}

/// Scores of one part of the split.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct PartScores<D: Scored> {
    /// `train`, `validation`, `test`, or `all` for samples without a split.
    pub part: String,
    /// The prediction first, then the baselines.
    pub sources: Vec<D::Source>,
    /// What was counted besides.
    #[serde(flatten)]
    pub counted: D::Counted,
}

/// Scores of one predictor on one part.
pub trait SourceScores: Serializable {
    /// Scores of one sample.
    type Score: Clone + Send;

    /// The scores in a column of what [`Scored::score`] gives; `predictor` is who predicted.
    fn new(predictor: &str, column: usize, scores: Vec<Self::Score>) -> Self;

    /// Name in tables and files.
    fn name(&self) -> &str;

    /// Whether it is a baseline.
    fn is_baseline(&self) -> bool;

    /// Identifiers of the samples.
    fn ids(&self) -> Vec<&str>;
}

impl<D: Scored> Document for Scores<D> {
    const FORMAT: &'static str = D::SCORES;
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast evaluate";
}

impl<D: Scored> Scores<D> {
    /// Scores of a part, if it was scored.
    pub fn part(&self, name: &str) -> Option<&PartScores<D>> {
        self.parts.iter().find(|part| part.part == name)
    }

    /// The part that says how good the prediction is: the test samples, or whatever comes nearest to them.
    pub fn main_part(&self) -> Option<&PartScores<D>> {
        self.part("test").or_else(|| self.part("validation")).or(self.parts.first())
    }
}

impl<D: Scored> PartScores<D> {
    /// Identifiers of the samples.
    pub fn ids(&self) -> Vec<&str> {
        self.sources.first().map(SourceScores::ids).unwrap_or_default()
    }
}

/// Resamples of so many samples: the same for all measures and predictors.
pub(super) fn resamples(samples: usize) -> Resamples {
    Resamples::draw(samples, BOOTSTRAP_SEED)
}

/// Mean of values, one a sample.
pub(super) fn mean(values: &[f64]) -> Option<Interval> {
    resamples(values.len()).mean(values)
}

/// How much values are larger than others: the difference of each sample that both have, then the mean of those. Samples
/// vary far more than predictors do on one sample, so this tells them apart where their own intervals overlap. `None`
/// without a sample that both have.
pub(super) fn mean_difference<'a>(
    ours: impl Iterator<Item = (&'a str, f64)>,
    theirs: impl Iterator<Item = (&'a str, f64)>,
) -> Option<Interval> {
    let theirs: HashMap<&str, f64> = theirs.collect();
    let differences: Vec<f64> = ours.filter_map(|(id, value)| Some(value - theirs.get(id)?)).collect();
    mean(&differences)
}
