//! Sequences, scored frame by frame: means over domains at each time step first, averages over time after.
//!
//! [`score`] scores one sequence, [`baseline`] makes what has to be beaten, [`scores`] averages, [`tables`] and
//! [`figures`] show it. Files in the output folder:
//!
//! ```text
//! scores.json          every measure of every frame of every domain (Scores)
//! per_time_step.csv    part, source, frame, time, and mean, low, high of each measure
//! summary.csv          part, source, measure, over (time steps or final step), domains, frames, mean, low, high
//! mse, saturation, panel, errors, training (.svg and .png)
//! samples/             strips of frames of some domains, for the report
//! ```

pub mod baseline;
pub mod compare;
#[cfg(test)]
pub(crate) mod fabricated;
pub mod figures;
pub mod measure;
pub mod samples;
pub mod score;
pub mod scores;
pub mod tables;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use porecast_simulations::percolation::Sides;
use porecast_simulations::{Side, TimeUnit};
use serde::{Deserialize, Serialize};

use super::compare::ScoredRun;
use super::predictions::PartPredictions;
use super::scored::{Findings, Scored};
use super::sheet::Sheet;
use super::table::Table;
use baseline::{Baseline, TrainingMean};
use porecast_base::Result;
use porecast_store::run::RunCard;
use porecast_store::{Dataset, InvasionDataset, Prediction, PredictionFile, RunFolder};
use samples::Sample;
use score::DomainScore;
use scores::SequenceScores;

type Plan = super::Plan<InvasionDataset>;
/// Scores of sequences.
pub type Scores = super::Scores<InvasionDataset>;
/// Scores of the sequences of one part of the split.
pub type PartScores = super::scores::PartScores<InvasionDataset>;

/// The dataset that was scored on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredDataset {
    /// Where it was.
    pub path: PathBuf,
    /// [`InvasionDataset::fingerprint`].
    pub fingerprint: String,
    /// Who simulated or published it.
    pub simulator: String,
    /// Frames, height and width.
    pub shape: (usize, usize, usize),
    /// Unit of the times.
    pub time_unit: TimeUnit,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
}

/// What has to be known to read the scores of sequences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// What each baseline is here.
    pub baselines: Vec<String>,
}

impl Scored for InvasionDataset {
    type ScoredOn = ScoredDataset;
    type Terms = Terms;
    type Source = SequenceScores;
    type Counted = ();
    type Mean = TrainingMean;

    fn scored_on(&self, fingerprint: &str) -> ScoredDataset {
        ScoredDataset {
            path: self.path().to_owned(),
            fingerprint: fingerprint.to_owned(),
            simulator: self.origin().simulator.clone(),
            shape: self.shape(),
            time_unit: self.time_unit(),
            inlet: self.inlet(),
        }
    }

    fn identity(scored_on: &ScoredDataset) -> (&Path, &str) {
        (&scored_on.path, &scored_on.fingerprint)
    }

    fn is_like(&self, other: &Self) -> bool {
        let ((_, height, width), (_, other_height, other_width)) = (self.shape(), other.shape());
        (height, width, self.inlet(), self.time_unit())
            == (other_height, other_width, other.inlet(), other.time_unit())
    }

    fn terms(&self, _: Option<(&RunFolder, &RunCard)>, has_training: bool) -> Result<Terms> {
        let baselines = Baseline::ALL.map(|baseline| {
            let explanation = baseline.explanation(self.time_unit(), has_training);
            match (baseline, self.sides()) {
                (Baseline::Percolation, Sides::Walls) => {
                    format!("{explanation}; its sides are walls, as simulated")
                }
                _ => explanation.into(),
            }
        });
        Ok(Terms { baselines: baselines.to_vec() })
    }

    fn mean(plan: &Plan) -> Result<Option<TrainingMean>> {
        let (Some((_, card)), Some(training)) = (&plan.run, &plan.training) else { return Ok(None) };
        let mut mean = TrainingMean::new(training.shape());
        for id in &card.split.train {
            mean.add(&training.sequence(training.place(id)?)?);
        }
        Ok(Some(mean))
    }

    fn mismatch(&self, predictions: &PredictionFile) -> Option<String> {
        let header = predictions.header();
        let is_same = (header.time_unit, header.inlet) == (self.time_unit(), self.inlet());
        (!is_same).then(|| {
            format!(
                "has time in {:?} and the inlet at the {}, {} has {:?} and {}; pass the dataset that was predicted",
                header.time_unit,
                header.inlet,
                self.path().display(),
                self.time_unit(),
                self.inlet()
            )
        })
    }

    fn score(
        plan: &Plan,
        mean: Option<&TrainingMean>,
        predictions: &PartPredictions<Self>,
        id: &str,
        _: &Mutex<()>,
    ) -> Result<Vec<Option<DomainScore>>> {
        let truth = plan.dataset.sequence(plan.dataset.place(id)?)?;
        let predicted = score::score(&truth, &predictions.of(id)?);
        let predicted = predicted.map_err(|error| predictions.mismatch(error.to_string()))?;
        let score = |made: Option<Prediction>| made.map(|made| score::score(&truth, &made)).transpose();
        let baselines = Baseline::ALL
            .into_iter()
            .map(|baseline| score(baseline.predict(id, &truth, plan.dataset.sides(), mean)?));
        std::iter::once(Ok(Some(predicted))).chain(baselines).collect()
    }

    fn notes(plan: &Plan, _: &[PartScores], _: bool) -> Vec<String> {
        let is_simulator = plan.dataset.origin().simulator.contains("percolation");
        let note = "the dataset was simulated by percolation: the percolation baseline is the simulator itself, exact \
                    by construction but for the clock";
        is_simulator.then(|| note.to_owned()).into_iter().collect()
    }

    fn baselines(terms: &Terms) -> &[String] {
        &terms.baselines
    }

    fn terminal(scores: &Scores) -> Vec<Table> {
        tables::terminal(scores)
    }

    fn overview(scores: &Scores) -> Vec<Table> {
        tables::overview(scores)
    }

    fn sheets(scores: &Scores) -> Vec<Sheet> {
        tables::sheets(scores)
    }

    fn draw(plan: &Plan, scores: &Scores) -> Result<()> {
        let samples = Sample::read(plan, scores)?;
        figures::draw(scores, &samples, &plan.output)?;
        samples::write(&plan.output, scores, &samples)
    }

    fn compare(scored: &[ScoredRun<Self>]) -> Result<Findings<'_>> {
        compare::compare(scored)
    }
}
